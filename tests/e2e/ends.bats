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

@test "an end that a look could not see, since no file can be opened, is seen by the next" {
    make_config web1
    run_guest web1 managed
    ask web1 'in 5 poweroff' later
    prlimit --nofile=10: --pid "$daemon_pid"
    wait_for 60 grep -q 'cannot look at the domains' "$place/reeved.log"
    prlimit --nofile=1024: --pid "$daemon_pid"
    wait_for 30 grep -q 'web1: the guest ended' "$place/reeved.log" # nobody asks for a look
    assert_state web1 halted
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

# rows NAME WHAT: how many rows of that kind the history has of it.
rows()
{
    reeve log "$1" --format json | jq "[.events[] | select(.what == \"$2\")] | length"
}

has_rows()
{
    [ "$(rows "$1" "$2")" = "$3" ]
}

# journal_resets: how many QEMU has written down.
journal_resets()
{
    cat "$place"/run/qemu/*/journal | grep -c '"RESET"' || true
}

has_reset_since()
{
    [ "$(journal_resets)" -gt "$1" ]
}

# given_up NAME: it stands, and is not booted again.
given_up()
{
    is_state "$1" shutdown && [[ $(field "$1" reason_text) == *"not booted again"* ]]
}

# job_is VERB [OUTCOME]: there is or was one of that verb; with that outcome ("running" while it waits, too).
job_is()
{
    reeve jobs --format json | jq -e --arg verb "$1" --arg outcome "${2:-}" \
        'any(.. | objects; .verb? == $verb and ($outcome == "" or .outcome? == $outcome))' >/dev/null
}

@test "a guest's own reboot needs nobody, and is a row and a count; one by a verb is not the guest's" {
    make_config web1 'reeve_restart_min_run = 1'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    reeve reset web1
    wait_boot web1 "$size"
    [ "$(field web1 starts)" = 2 ]
    has_rows web1 rebooted 0
    size=$(console_size web1)
    ask web1 reboot 'rebooting on request'
    wait_boot web1 "$size"
    wait_for 10 has_rows web1 rebooted 1
    [ "$(field web1 starts)" = 3 ]
    [ "$(field web1 reason)" = guest-reboot ]
    # While nobody looks: noticed by the next daemon, once.
    local resets
    resets=$(journal_resets)
    ask web1 'in 3 reboot' later
    kill9_daemon
    wait_for "$boot_seconds" has_reset_since "$resets"
    size=$(console_size web1)
    start_daemon qemu
    wait_boot web1 "$size"
    wait_for 10 has_rows web1 rebooted 2
    [ "$(field web1 starts)" = 4 ]
    kill9_daemon
    start_daemon qemu
    wait_count_above web1 3 "$(console_size web1)"
    has_rows web1 rebooted 2
    [ "$(field web1 starts)" = 4 ]
    # None of it came from a job of ours.
    [ "$(reeve log web1 --format json | jq '[.events[] | select(.verb == "on-reboot")] | length')" = 0 ]
    # A verb that comes while reeved changes that in the guest waits for it: right after a reset it takes a while.
    reeve reset web1
    reeve config set web1 on_reboot=destroy
    wait_for 10 job_is on-reboot
    reeve pause web1
    assert_state web1 paused
}

# hang_on_reboot PID: stops its QEMU while reeved's on-reboot waits for the firmware's own reset, if that
# is not over before.
hang_on_reboot()
{
    reeve reset web1
    reeve config set web1 on_reboot=destroy
    wait_for 3 job_is on-reboot running && kill -STOP "$1" && job_is on-reboot running && return
    kill -CONT "$1"
    reeve config set web1 on_reboot=restart
    wait_for 10 settled web1
    return 1
}

@test "destroy goes past a pause that waits for on-reboot, which hangs" {
    local pid status=0
    make_config web1 'reeve_restart_min_run = 1'
    run_guest web1 managed
    pid=$(guest_pids)
    wait_for 60 hang_on_reboot "$pid"
    reeve pause web1 2>"$place/paused" 3>&- 4>&- &
    wait_for 10 job_is pause running
    reeve destroy web1
    wait $! || status=$?
    [ "$status" -ne 0 ]
    grep -q 'before it began: destroy came' "$place/paused"
    [ "$(state web1)" = halted ]
    [ ! -d "/proc/$pid" ]
}

@test "a guest that reboots in a loop is left to it once, then limited, then left, with the reason" {
    make_config web1 'cmdline = "console=ttyS0 quiet no_timer_check cryptomgr.notests reeve.do=reboot"' 'reeve_restart_min_run = 120' \
        'reeve_restart_tries = 2'
    reeve new "$place/web1.cfg"
    reeve start web1
    wait_for 240 given_up web1
    [ "$(field web1 reason)" = guest-reboot ]
    [[ $(field web1 reason_text) == *"too soon 3 times in a row"* ]]
    # Booted by start, by the guest itself, and by the limiter.
    [ "$(field web1 starts)" = 3 ]
    has_rows web1 rebooted 1
    has_rows web1 ended 2
    reeve destroy web1
    no_guests
}

# left_overs NAME: the domains that its ends have left beside it.
left_overs()
{
    reeve list --format json | jq -r ".domains[].name | select(startswith(\"$1-2\"))"
}

is_left_over()
{
    [ "$(left_overs "$1" | wc -l)" = "$2" ]
}

@test "on_crash = rename-restart: booted again with its own disk, and what was left of it can be dumped" {
    truncate -s 1M "$place/disk.raw"
    make_config web1 'on_crash = "rename-restart"' "disk = ['format=raw,vdev=vda,target=$place/disk.raw']" \
        'vif = ["mac=00:16:3e:00:00:01"]'
    run_guest web1 managed
    local size uuid left
    uuid=$(field web1 uuid)
    size=$(console_size web1)
    ask web1 'disk before' 'disk vda .*before.'
    size=$(console_size web1)
    ask web1 crash 'crashing on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
    [ "$(field web1 uuid)" = "$uuid" ]
    is_left_over web1 1
    left=$(left_overs web1)
    assert_state "$left" crashed
    [ "$(field "$left" reason)" = guest-crash ]
    [ "$(field "$left" uuid)" != "$uuid" ]
    [ "$(guest_pids | wc -l)" = 2 ]
    # The new one has the disk, and the network.
    ask web1 'disk after' 'disk vda .*after.'
    ask web1 net 'net gateway answers'
    # The old one has neither and cannot boot; its memory is there, also for another daemon.
    refused 9 reset "$left"
    says 'dump-core writes its memory'
    kill9_daemon
    start_daemon qemu
    assert_state "$left" crashed
    reeve dump-core "$left" "$place/core"
    grep -q 'crashing on request' "$place/core"
    reeve destroy "$left"
    assert_state "$left" absent
    [ "$(guest_pids | wc -l)" = 1 ]
    # Another crash leaves another.
    size=$(console_size web1)
    ask web1 crash 'crashing on request'
    wait_for 120 is_left_over web1 1
    reeve destroy "$(left_overs web1)"
    reeve destroy web1
    assert_state web1 halted
    no_guests
    nothing_found
}

@test "rename-restart of a guest whose memory is a file: booted again, and nothing is left beside" {
    make_config web1 'on_crash = "rename-restart"' 'reeve_memory = "file"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    ask web1 crash 'crashing on request'
    wait_boot web1 "$size"
    assert_state web1 running
    is_left_over web1 0
    reeve log web1 | grep -q 'could not be kept: its memory is a file'
}

@test "a watchdog that the guest starts and does not feed: on_watchdog says what becomes of it" {
    local action size
    for action in destroy restart preserve coredump-restart; do
        make_config "w-$action" "on_watchdog = \"$action\"" 'reeve_watchdog = 1'
        run_guest "w-$action" managed
        size=$(console_size "w-$action")
        ask "w-$action" 'watchdog 1000' 'the watchdog runs'
        case "$action" in
        destroy)
            wait_for 60 is_state "w-$action" halted
            [ "$(field "w-$action" reason)" = watchdog ]
            ;;
        preserve)
            wait_for 60 is_state "w-$action" crashed
            [ "$(field "w-$action" reason)" = watchdog ]
            refused 4 unpause "w-$action"
            size=$(console_size "w-$action")
            reeve reset "w-$action"
            wait_boot "w-$action" "$size"
            ;;
        *)
            wait_boot "w-$action" "$size"
            assert_started_over "w-$action" "$size"
            reeve log "w-$action" | grep -q 'watchdog'
            ;;
        esac
        [ "$(field "w-$action" crashes)" = 1 ]
        if [ "$action" = coredump-restart ]; then
            [ "$(head -c 4 "$place"/state/cores/w-coredump-restart-*.core | tail -c 3)" = ELF ]
        fi
        [ "$action" = destroy ] || reeve destroy "w-$action"
    done
    no_guests
}

@test "the actions that are left, one end for each: coredump-restart, soft-reset, on_soft_reset" {
    make_config web1 'on_crash = "coredump-restart"'
    run_guest web1 managed
    local size
    size=$(console_size web1)
    ask web1 crash 'crashing on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    [ "$(find "$place/state/cores" -name 'web1-*.core' | wc -l)" = 1 ]
    make_config web2 'on_reboot = "soft-reset"'
    refused 9 new "$place/web2.cfg"
    says "on_reboot.*soft-reset.*not supported on qemu"
    # QEMU has none, so the key is read, kept and noted.
    make_config web3 'on_soft_reset = "destroy"'
    reeve new "$place/web3.cfg" 2>"$place/err"
    grep -q 'on_soft_reset' "$place/err"
}
