#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The first boot: reeve's OpenRC scripts, and a guest of each policy for the stop of the host. After this
# file dom0 is rebooted in order; 2-rebooted.bats looks at what became of them.

# shellcheck disable=SC2154 # place is the helpers'

load helpers

@test "the OpenRC scripts start reeved, which answers when its start has ended, and reeve-domains" {
    local service
    install_reeve
    for service in reeved reeve-domains; do
        # Where the build's own installation does not put them: `openrc_dir` is empty for most.
        install -m 0755 "$REEVE_BUILD_DIR/$service.openrc" "/etc/init.d/$service"
        rc-update add "$service" default
    done
    rc-update -u
    rc-service reeved start 3>&- 4>&- # supervise-daemon would keep what bats waits for the end of
    daemon_answers
    rc-service reeve-domains start 3>&- 4>&-
    is_active reeved
    is_active reeve-domains
    [ "$(reeve info --format json | jq -r .driver)" = xen ]
}

@test "guests of each policy" {
    make_xen_config sleeps pv 'reeve_on_host_stop = "suspend"'
    make_xen_config boots pv 'reeve_on_host_stop = "shutdown"' 'reeve_autostart = 1'
    make_xen_config left pv 'reeve_on_host_stop = "ignore"'
    local name
    for name in sleeps boots left; do
        reeve new "$place/$name.cfg"
        reeve start "$name"
    done
    for name in sleeps boots left; do
        wait_boot "$name"
    done
}

@test "supervise-daemon starts a reeved anew that is killed; its guests ran on" {
    local pid
    pid=$(daemon_process)
    note_all sleeps boots left
    kill -KILL "$pid"
    wait_for 120 another_answers "$pid"
    assert_unharmed sleeps boots left
    is_active reeved
    is_active reeve-domains
    note_all sleeps boots left
}
