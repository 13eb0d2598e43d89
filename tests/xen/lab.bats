#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# That the lab is what it says: a real Xen, whose own xl makes guests that count. Without reeve.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup_file()
{
    make_place
    export place
    : >"$place/pid"
    make_xen_config lab-pv pv
    make_xen_config lab-pvh pvh
}

@test "the hypervisor is Xen 4.17 and this is its dom0" {
    grep -q control_d /proc/xen/capabilities
    [[ "$(xl info xen_version)" == 4.17* ]]
}

@test "xl makes a PV and a PVH guest, and both count" {
    xl create "$place/lab-pv.cfg" 3>&-
    xl create "$place/lab-pvh.cfg" 3>&-
    wait_boot lab-pv
    wait_boot lab-pvh
}

@test "a pause by xl holds the counter, and it goes on" {
    local name before size
    for name in lab-pv lab-pvh; do
        xl pause "$name"
        assert_stands "$name"
        before=$(guest_count "$name")
        size=$(console_size "$name")
        xl unpause "$name"
        assert_goes_on "$name" "$before" "$size"
    done
}

# A QEMU whose XSAVE is lax lost them: programs in dom0 died of what they then read.
@test "a program's vector registers are its own" {
    local pids=() pid number
    for number in 1 2 3; do
        "$REEVE_BUILD_DIR/tests/xen/hold_vector" 10 "$number" 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
}

@test "xl shutdown is the guest's own power-off, xl destroy is not" {
    xl shutdown -w lab-pv
    said lab-pv 0 'powering off in order'
    xl destroy lab-pvh
    not_said lab-pvh 0 'powering off in order'
    assert_no_leftovers
}
