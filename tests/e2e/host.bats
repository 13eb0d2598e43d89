#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The host stops and starts: real guests of different policies, and a boot id that is another. Under
# systemd and OpenRC, with a host that does reboot: tests/xen/reboot and reboot-openrc.

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

# no_room_for_images: as root by a small file system; else by a limit of the daemon's.
no_room_for_images()
{
    if [ "$(id -u)" -eq 0 ]; then
        mkdir -p "$place/state/images"
        mount -t tmpfs -o size=8m tmpfs "$place/state/images"
    else
        prlimit --pid "$daemon_pid" --fsize=8388608
    fi
}

@test "host-stop and host-start: what was suspended goes on, what has autostart boots" {
    make_config web1 'reeve_on_host_stop = "suspend"'
    make_config web2 'reeve_autostart = 1'
    make_config web3 'reeve_on_host_stop = "suspend"'
    run_guest web1 managed
    run_guest web2 managed
    reeve new "$place/web3.cfg"
    reeve start --paused web3
    reeve host-stop >"$place/stopped"
    grep -q '^web1: suspended' "$place/stopped"
    grep -q '^web2: shut down' "$place/stopped"
    grep -q '^web3: suspended' "$place/stopped"
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
    assert_state web3 paused
    assert_goes_on web1 "$count" "$size1"
    wait_boot web2 "$size2"
    reeve log | grep -q '3 of 3 domains were done'
}

@test "what cannot be suspended is shut down, what does not power off is destroyed only where it may be" {
    make_config full 'reeve_on_host_stop = "suspend"'
    make_config deaf 'reeve_host_timeout = 4' 'reeve_host_destroy = 1' 'reeve_autostart_after = [ "full" ]'
    make_config stays 'reeve_host_timeout = 4'
    run_guest full managed
    run_guest deaf managed
    run_guest stays managed
    ask deaf ignore-power 'ignoring the power button'
    ask stays ignore-power 'ignoring the power button'
    no_room_for_images
    local status=0
    reeve host-stop >"$place/stopped" || status=$?
    [ "$status" -eq 1 ]
    grep -q '^full: shut down' "$place/stopped"
    grep -q '^deaf: destroyed' "$place/stopped"
    grep -q '^failed: stays: .*runs on' "$place/stopped"
    said full 0 'powering off in order'
    assert_state full halted
    assert_state deaf halted
    assert_state stays running
    wait_count_above stays "$(guest_count stays)"
    # With the failed suspend and why, and deaf before what it comes after.
    reeve log full | grep -q 'failed: .*MiB'
    reeve log | awk '/ deaf .*destroyed/ { deaf = NR } / full .*shut down/ { full = NR }
        END { exit !(deaf && full && deaf < full) }'
}
