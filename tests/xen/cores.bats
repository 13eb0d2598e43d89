#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Cores of a PV and a PVH guest. libxc maps each page by itself, which under emulation takes a minute or
# two for a guest of 96 MiB, so `check long` runs this.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

@test "dump-core writes ELF, and the guest runs on" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=core-$kind
        make_xen_config "$name" "$kind"
        reeve create "$place/$name.cfg"
        wait_boot "$name"
        count=$(guest_count "$name")
        size=$(console_size "$name")
        timeout 400 reeve dump-core "$name" "$place/core"
        [ "$(head -c 4 "$place/core" | tail -c 3)" = ELF ]
        [ "$(stat -c %s "$place/core")" -gt $((90 << 20)) ]
        rm "$place/core"
        is_state "$name" running
        wait_count_above "$name" "$count" "$size"
        reeve destroy "$name"
    done
    assert_no_leftovers
}

# Xen's library needs the guest paused.
@test "reeved killed in the middle of a core: the guest runs on, and no part is left" {
    make_tiny deaf deaf_guest
    sed -i 's/^memory.*/memory = 24/' "$place/deaf.cfg"
    reeve new "$place/deaf.cfg"
    reeve start deaf
    reeve dump-core --no-wait deaf
    wait_for 30 is_paused deaf
    crash_daemon
    start_xen_daemon
    wait_for 30 settled deaf
    assert_state deaf running
    xl_runs deaf
    find "$place/state/cores" -name '*deaf*' | assert_no_line_but ''
    reeve destroy deaf
    reeve delete deaf
    assert_no_leftovers
}

@test "a crash under coredump-restart leaves its core, and the guest is booted again" {
    make_tiny crash crash_guest
    sed -i 's/^memory.*/memory = 16/' "$place/crash.cfg"
    echo 'on_crash = "coredump-restart"' >>"$place/crash.cfg"
    reeve new "$place/crash.cfg"
    reeve start crash
    wait_for 400 log_has crash 'was booted again: .*; its memory is in '
    reeve destroy crash
    [ "$(find "$place/state/cores" -name 'crash-*.core' -size +15M | wc -l)" -ge 1 ]
    find "$place/state/cores" -name '*.part' | assert_no_line_but ''
    reeve delete crash
    assert_no_leftovers
}

# is_paused NAME: "p" in the third of its flags.
is_paused()
{
    [[ "$(xl_state "$1")" == ??p??? ]]
}

xl_runs()
{
    [[ "$(xl_state "$1")" == ??---- ]]
}
