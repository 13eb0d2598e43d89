#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Cores of a PV and a PVH guest. libxc maps each page by itself, which under emulation takes a minute or
# two for each guest, so `check long` runs this.

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
