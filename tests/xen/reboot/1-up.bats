#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The first boot: reeve as its install target leaves it, and guests that each have another policy when
# the host stops. After this file dom0 is rebooted in order; 2-rebooted.bats looks at what became of them.

# shellcheck disable=SC2154 # place is the helpers'

load helpers

@test "the installed units start reeved after Xen's daemons; it is up when its start has ended" {
    mkdir -p /var/log/journal
    systemctl kill --signal USR1 systemd-journald # keeps the journal from now on
    install_reeve
    systemctl disable --now xendomains
    systemctl daemon-reload
    systemctl enable --now reeved reeve-domains
    is_active reeved
    is_active reeve-domains
    [ "$(reeve info --format json | jq -r .driver)" = xen ]
}

@test "guests of different policies" {
    make_xen_config sleeps pv 'reeve_on_host_stop = "suspend"'
    make_xen_config stands pv 'reeve_on_host_stop = "suspend"'
    make_xen_config boots pv 'reeve_autostart = 1' 'reeve_host_order = 200'
    make_xen_config left pv 'reeve_on_host_stop = "ignore"'
    make_xen_config fails pv 'reeve_autostart = 1' 'reeve_host_order = 1'
    cp "$REEVE_GUEST_DIR/vmlinuz" "$place/kernel"
    sed -i "s|^kernel = .*|kernel = \"$place/kernel\"|" "$place/fails.cfg"
    reeve new "$place/fails.cfg"
    rm "$place/kernel" # its start fails, and it is the first in the order
    local name
    for name in sleeps stands boots left; do
        reeve new "$place/$name.cfg"
        reeve start "$name"
    done
    for name in sleeps stands boots left; do
        wait_boot "$name"
    done
    reeve pause stands
    assert_stands stands
    for name in sleeps stands boots left; do
        note "$name"
    done
    start_witness
}
