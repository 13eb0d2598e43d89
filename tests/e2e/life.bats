#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real guest through the verbs of its life; what it says on its console is the proof.

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

@test "create boots a guest, destroy ends it and a transient domain is gone" {
    run_guest web1
    [ -n "$(guest_pids)" ]
    [ "$(field web1 console)" = "$(console_file web1)" ]
    reeve destroy web1
    assert_state web1 absent
    no_guests
    refused 3 show web1
}

@test "new, start, shutdown, delete: the guest says its orderly power-off" {
    run_guest web1 managed
    local size
    size=$(console_size web1)
    reeve shutdown web1 --timeout 60
    assert_state web1 halted
    said web1 "$size" 'powering off in order'
    no_guests
    reeve delete web1
    assert_state web1 absent
}

@test "destroy is no orderly power-off, and the next start begins anew" {
    run_guest web1 managed
    local size
    size=$(console_size web1)
    reeve destroy web1
    assert_state web1 halted
    no_guests
    not_said web1 "$size" 'powering off in order'
    reeve start web1
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
}

@test "the counter stands while paused and goes on from there" {
    run_guest web1
    local before size
    reeve pause web1
    assert_state web1 paused
    assert_stands web1
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve pause web1
    assert_state web1 paused
    reeve unpause web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
}

@test "create --paused runs nothing until unpause" {
    reeve create --paused "$place/web1.cfg"
    assert_state web1 paused
    assert_stands web1
    [ "$(console_size web1)" -eq 0 ]
    refused 4 shutdown web1
    says 'unpause'
    reeve unpause web1
    wait_boot web1
}

@test "reboot: in order, and the counter starts over" {
    run_guest web1
    local size uuid
    uuid=$(field web1 uuid)
    size=$(console_size web1)
    reeve reboot web1 --timeout 60
    assert_state web1 running
    wait_boot web1 "$size"
    said web1 "$size" 'powering off in order'
    assert_started_over web1 "$size"
    [ "$(field web1 uuid)" = "$uuid" ]
}

@test "reset: not in order, and the counter starts over; also of a paused guest" {
    run_guest web1
    local size
    size=$(console_size web1)
    reeve reset web1
    assert_state web1 running
    wait_boot web1 "$size"
    not_said web1 "$size" 'powering off in order'
    assert_started_over web1 "$size"
    reeve pause web1
    size=$(console_size web1)
    reeve reset web1
    assert_state web1 running
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
}

@test "a guest that ignores the power button: exit 5, it runs on; --force destroys" {
    run_guest web1 managed
    ask web1 ignore-power 'ignoring the power button'
    local size
    size=$(console_size web1)
    refused 5 shutdown web1 --timeout 3
    says 'web1.*(destroy|--force)'
    assert_state web1 running
    wait_for 60 said web1 "$size" 'power button ignored'
    wait_count_above web1 0 "$(console_size web1)"
    refused 5 reboot web1 --timeout 3
    says 'web1.*(reset|--force)'
    assert_state web1 running
    size=$(console_size web1)
    reeve reboot web1 --timeout 3 --force
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    ask web1 ignore-power 'ignoring the power button'
    reeve shutdown web1 --timeout 3 --force
    assert_state web1 halted
    no_guests
}

@test "adopt makes a running transient domain managed, untouched" {
    run_guest web1
    local before size id
    id=$(field web1 id)
    size=$(console_size web1)
    before=$(guest_count web1)
    reeve adopt web1
    assert_state web1 running
    [ "$(field web1 managed) $(field web1 id)" = "true $id" ]
    wait_count_above web1 "$before" "$size"
    not_said web1 "$size" 'up (boot)'
    reeve destroy web1
    assert_state web1 halted
}

@test "delete of a running domain is refused; delete --destroy does both" {
    run_guest web1 managed
    local before
    before=$(guest_count web1)
    refused 4 delete web1
    says 'reeve delete --destroy web1'
    assert_state web1 running
    wait_count_above web1 "$before"
    reeve delete --destroy web1
    assert_state web1 absent
    no_guests
}
