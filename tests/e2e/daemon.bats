#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reeved goes away and comes back; its guests do not notice.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    make_config web1
    start_daemon qemu
}

teardown()
{
    clear_place
}

# identity NAME: what must be the same after a restart of the daemon.
identity()
{
    reeve show "$1" --format json | jq -r '"\(.id) \(.uuid) \(.managed) \(.state)"'
}

# cpu_ticks: what the place's guests have used of the processor, from their processes.
cpu_ticks()
{
    local pid total=0 fields
    for pid in $(guest_pids); do
        read -r -a fields < <(sed 's/^.*) //' "/proc/$pid/stat")
        total=$((total + fields[11] + fields[12]))
    done
    echo "$total"
}

# A guest that counts uses some of the processor every second; one that has ended uses none.
idle_for_two_seconds()
{
    local before
    before=$(cpu_ticks)
    sleep 2
    [ "$(cpu_ticks)" -eq "$before" ]
}

@test "SIGKILL of reeved: the same process, id and uuid, and the counter goes on" {
    run_guest web1
    local before size who pids
    who=$(identity web1)
    pids=$(guest_pids)
    [ -n "$pids" ]
    kill9_daemon
    size=$(console_size web1)
    before=$(guest_count web1)
    [ "$(guest_pids)" = "$pids" ]
    start_daemon qemu
    [ "$(identity web1)" = "$who" ]
    [ "$(guest_pids)" = "$pids" ]
    wait_count_above web1 "$before" "$size"
    not_said web1 "$size" 'up (boot)'
    not_said web1 "$size" 'powering off in order'
    ask web1 cpus 'cpus 1'
    reeve pause web1
    assert_state web1 paused
    assert_stands web1
    before=$(guest_count web1)
    who=$(identity web1)
    kill9_daemon
    size=$(console_size web1)
    start_daemon qemu
    [ "$(identity web1)" = "$who" ]
    assert_stands web1
    reeve unpause web1
    assert_goes_on web1 "$before" "$size"
    reeve shutdown web1 --timeout 60
    assert_state web1 absent
}

@test "SIGTERM of reeved ends it with 0, leaves the guest alone, and it is adopted" {
    run_guest web1 managed
    local before who pids
    who=$(identity web1)
    pids=$(guest_pids)
    before=$(guest_count web1)
    stop_daemon
    [ "$(guest_pids)" = "$pids" ]
    start_daemon qemu
    [ "$(identity web1)" = "$who" ]
    wait_count_above web1 "$before"
}

@test "a guest that powers itself off while reeved is away is halted, with the reason" {
    run_guest web1 managed
    ask web1 'in 4 poweroff' later
    kill9_daemon
    wait_for 60 idle_for_two_seconds
    start_daemon qemu
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = guest-poweroff ]
    wait_for 10 no_guests
}

@test "a guest that reboots itself while reeved is away comes up again" {
    run_guest web1 managed
    local size
    wait_count_above web1 20
    ask web1 'in 2 reboot' later
    size=$(console_size web1)
    kill9_daemon
    start_daemon qemu
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    assert_state web1 running
}

@test "a guest whose QEMU is killed while reeved is away is no silent start" {
    run_guest web1 managed
    kill9_daemon
    kill9_guests
    start_daemon qemu
    wait_for 30 is_state web1 halted
    [ "$(field web1 crashes)" = 1 ]
    no_guests
}
