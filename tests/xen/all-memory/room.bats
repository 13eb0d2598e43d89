#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Memory for guests in a dom0 that was booted with all of it: dom0 gives up what they need, as for xl.

# shellcheck disable=SC2154 # make_place sets place

# shellcheck disable=SC2034 # for helpers
xen_depth=../..
load ../helpers

dom0_mib()
{
    xl list 0 | awk 'NR == 2 { print $3 }'
}

@test "dom0 gives up the memory of a new guest, and of several at once" {
    local before name
    before=$(dom0_mib)
    for name in one two three; do
        make_xen_config "$name" pv 'memory = 256'
    done
    reeve create "$place/one.cfg"
    reeve create "$place/two.cfg" 3>&- &
    reeve create "$place/three.cfg"
    wait
    for name in one two three; do
        assert_state "$name" running
        wait_boot "$name"
    done
    [ "$(dom0_mib)" -lt $((before - 512)) ]
    reeve destroy one two three
}

@test "more than dom0 can give is refused, with how much there is, and dom0 keeps what it has" {
    local before
    before=$(dom0_mib)
    make_xen_config big pv 'memory = 60000'
    refused 1 create "$place/big.cfg"
    says '[0-9]+ MiB'
    [ "$(dom0_mib)" -ge $((before - 64)) ]
    assert_no_leftovers
}
