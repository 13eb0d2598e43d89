#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Cores of PV guests. Of a PVH guest libxc asks for each page number below 4 GiB, where its special pages
# are: a million calls of the hypervisor, which under emulation take six minutes and more. conformance-pvh
# and faults.bats have those.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

# begin NAME [LINE]: it has booted.
begin()
{
    make_xen_config "$1" pv "${@:2}"
    reeve new "$place/$1.cfg"
    reeve start "$1"
    wait_boot "$1"
}

@test "dump-core writes ELF, and the guest runs on" {
    local count size
    begin core
    count=$(guest_count core)
    size=$(console_size core)
    timeout 400 reeve dump-core core "$place/core"
    [ "$(head -c 4 "$place/core" | tail -c 3)" = ELF ]
    [ "$(stat -c %s "$place/core")" -gt $((90 << 20)) ]
    is_state core running
    wait_count_above core "$count" "$size"
    reeve delete --destroy core
    assert_no_leftovers
}

# Xen's library needs the guest paused.
@test "reeved killed in the middle of a core: the guest runs on, and no part is left" {
    begin cut
    reeve dump-core --no-wait cut
    wait_for 30 is_paused cut
    crash_daemon
    start_xen_daemon
    wait_for 30 settled cut
    assert_state cut running
    xl_runs cut
    find "$place/state/cores" -name '*cut*' | assert_no_line_but ''
    reeve delete --destroy cut
    assert_no_leftovers
}

@test "a crash under coredump-restart leaves its core, and the guest is booted again" {
    begin crash 'on_crash = "coredump-restart"'
    ask crash crash 'crashing on request'
    wait_for 400 log_has crash 'was booted again: .*; its memory is in '
    reeve delete --destroy crash
    [ "$(find "$place/state/cores" -name 'crash-*.core' -size +90M | wc -l)" -eq 1 ]
    find "$place/state/cores" -name '*.part' | assert_no_line_but ''
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
