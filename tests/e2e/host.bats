#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The host stops and starts: two real guests of different policies, and a boot id that is another.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon qemu
}

teardown()
{
    clear_place
}

@test "host-stop and host-start: what was suspended goes on, what has autostart boots" {
    make_config web1 'reeve_on_host_stop = "suspend"'
    make_config web2 'reeve_autostart = 1'
    run_guest web1 managed
    run_guest web2 managed
    reeve host-stop >"$place/stopped"
    grep -q '^web1: suspended' "$place/stopped"
    grep -q '^web2: shut down' "$place/stopped"
    assert_state web1 suspended
    assert_state web2 halted
    no_guests
    local count size1 size2
    count=$(guest_count web1)
    size1=$(console_size web1)
    size2=$(console_size web2)
    kill9_daemon
    rm -rf "$place"/run/*
    export REEVE_BOOT_ID=11111111-2222-4333-8444-555555555555
    start_daemon qemu
    reeve host-start
    assert_state web1 running
    assert_state web2 running
    assert_goes_on web1 "$count" "$size1"
    wait_boot web2 "$size2"
    reeve log | grep -q 'host-start.*2 of 2\|2 of 2 domains were done'
}
