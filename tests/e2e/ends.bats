#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ends that the guest chose or suffered, and what on_poweroff, on_reboot and on_crash make of them.

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

@test "power-off of the guest: destroy, the default; managed is halted, transient is gone" {
    make_config web1
    run_guest web1 managed
    ask web1 poweroff 'powering off on request'
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = guest-poweroff ]
    wait_for 10 no_guests
    reeve delete web1
    rm "$(console_file web1)"
    run_guest web1
    ask web1 poweroff 'powering off on request'
    wait_for 30 is_state web1 absent
    wait_for 10 no_guests
}

@test "on_poweroff = restart: it boots again; a shutdown by verb ends it all the same" {
    make_config web1 'on_poweroff = "restart"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    ask web1 poweroff 'powering off on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    reeve shutdown web1 --timeout 60
    assert_state web1 halted
    no_guests
}

@test "on_poweroff = preserve: a corpse that refuses what it must, and reset boots it again" {
    make_config web1 'on_poweroff = "preserve"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    ask web1 poweroff 'powering off on request'
    wait_for 30 is_state web1 shutdown
    [ "$(field web1 reason)" = guest-poweroff ]
    refused 4 start web1
    says destroy
    refused 4 unpause web1
    refused 4 delete web1
    assert_state web1 shutdown
    reeve reset web1
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    reeve destroy web1
    assert_state web1 halted
    no_guests
}

@test "reboot of the guest: restart, the default; the same domain counts anew" {
    make_config web1
    run_guest web1
    local size uuid
    uuid=$(field web1 uuid)
    size=$(console_size web1)
    ask web1 reboot 'rebooting on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    [ "$(field web1 uuid)" = "$uuid" ]
}

@test "on_reboot = destroy: the guest's reboot ends it; a reboot by verb does not" {
    make_config web1 'on_reboot = "destroy"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    reeve reboot web1 --timeout 60
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    ask web1 reboot 'rebooting on request'
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = guest-reboot ]
    wait_for 10 no_guests
}

@test "on_reboot = preserve: a corpse, which destroy clears" {
    make_config web1 'on_reboot = "preserve"'
    run_guest web1
    ask web1 reboot 'rebooting on request'
    wait_for 30 is_state web1 shutdown
    [ "$(field web1 reason)" = guest-reboot ]
    refused 4 pause web1
    reeve destroy web1
    assert_state web1 absent
    no_guests
}

@test "a panic: destroy, the default, and the reason says crash" {
    make_config web1
    run_guest web1 managed
    ask web1 crash 'crashing on request'
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = guest-crash ]
    [ "$(field web1 crashes)" = 1 ]
    wait_for 10 no_guests
}

@test "on_crash = coredump-destroy: its memory is in a file, as large and for its owner alone" {
    make_config web1 'on_crash = "coredump-destroy"' 'reeve_watchdog = 1'
    run_guest web1 managed
    ask web1 crash 'crashing on request'
    wait_for 60 is_state web1 halted
    local core
    core=$(echo "$place"/state/cores/web1-*.core)
    [ "$(head -c 4 "$core" | tail -c 3)" = ELF ]
    [ "$(stat -c %a "$core")" = 600 ]
    [ "$(stat -c %s "$core")" -ge $(($(field web1 memory_kib) * 1024)) ]
    reeve log web1 | grep -q "its memory is in $core.*the last on its console: ."
    no_guests
}

@test "on_reboot other than restart, and the daemon killed in the middle of a reset: it holds again" {
    make_config web1 'on_reboot = "preserve"'
    run_guest web1 managed
    local run size
    run="$place/run/qemu/$(field web1 uuid)"
    size=$(console_size web1)
    reeve reset web1 >/dev/null 2>&1 3>&- &
    wait_for 30 grep -q host-qmp-system-reset "$run/journal"
    kill9_daemon
    [ -e "$run/resetting" ]
    start_daemon qemu
    wait_for 60 test ! -e "$run/resetting"
    wait_boot web1 "$size"
    ask web1 reboot 'rebooting on request'
    wait_for 30 is_state web1 shutdown
    [ "$(field web1 reason)" = guest-reboot ]
}

@test "on_crash = preserve: a corpse with its last words, which destroy clears" {
    make_config web1 'on_crash = "preserve"'
    run_guest web1
    ask web1 crash 'crashing on request'
    wait_for 30 is_state web1 crashed
    refused 4 unpause web1
    says destroy
    assert_state web1 crashed
    timeout 10 reeve console web1 </dev/null 2>/dev/null | grep -q 'Kernel panic'
    reeve destroy web1
    assert_state web1 absent
    no_guests
}

@test "on_crash = restart: it boots again, a moment later when it crashed at once" {
    make_config web1 'on_crash = "restart"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    ask web1 crash 'crashing on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    [ "$(field web1 crashes)" = 1 ]
}

@test "its QEMU is killed: a crash, never a silent start; on_crash = restart boots it again" {
    make_config web1
    make_config web2 'on_crash = "restart"'
    run_guest web1 managed
    kill9_guests
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = backend-died ]
    run_guest web2 managed
    local size
    size=$(console_size web2)
    kill9_guests
    wait_boot web2 "$size"
    assert_started_over web2 "$size"
    assert_state web2 running
    assert_state web1 halted
}
