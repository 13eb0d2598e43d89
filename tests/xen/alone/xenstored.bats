#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# xenstored ends under running guests, which Xen does not provide for: reeve says so at once and hangs
# nowhere, and goes on when there is one again. dom0's backends know nothing of the new one and make no device
# any more, so nothing else may run after it in the same boot.

# shellcheck disable=SC2154 # make_place sets place

# shellcheck disable=SC2034 # for helpers
xen_depth=../..
load ../helpers

xen_bin=/usr/lib/xen-4.17/bin

ended()
{
    ! pgrep -x "$1"
}

# xen_services_again: what the new xenstored knows of is Domain-0; xenconsoled has to find it.
xen_services_again()
{
    pkill -x xenconsoled
    wait_for 10 ended xenconsoled
    "$xen_bin/xenstored" --pid-file /run/xenstored.pid 3>&- 4>&-
    "$xen_bin/xen-init-dom0"
    "$xen_bin/xenconsoled" --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console 3>&- 4>&-
}

# all_say_so: the verbs are refused, each in one line; the guest is shown, and counts.
all_say_so()
{
    local verb
    for verb in pause suspend reboot reset destroy; do
        refused 9 "$verb" stays
        says 'xenstored has ended'
    done
    refused 9 start other
    says 'xenstored has ended'
    assert_state stays running
    wait_count_above stays "$(guest_count stays)"
}

@test "without xenstored every verb is refused at once, and guests go on; with it again reeve does" {
    local said=yes
    make_xen_config stays pvh
    make_xen_config other pvh
    reeve new "$place/stays.cfg"
    reeve new "$place/other.cfg"
    reeve start stays
    wait_boot stays
    pkill -KILL -x xenstored
    wait_for 10 ended xenstored
    all_say_so || said=no
    xen_services_again
    [ "$said" = yes ]
    reeve destroy stays
    assert_state stays halted
    reeve start other
    wait_boot other
    reeve destroy other
    reeve delete stays other
    assert_no_leftovers
}

@test "without xenstored reeved does not start, and says why" {
    local status=0
    pkill -KILL -x xenstored
    wait_for 10 ended xenstored
    mkdir "$place/other"
    timeout 20 reeved --foreground --driver xen --state-dir "$place/other/state" --run-dir "$place/other/run" \
        --config "$place/reeve.conf" >"$place/err" 2>&1 </dev/null || status=$?
    xen_services_again
    [ "$status" -eq 9 ]
    says 'xenstored has ended'
    wait_for 20 is_state Domain-0 running
}
