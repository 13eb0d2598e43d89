#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The life of a PV and a PVH guest on the real hypervisor: what each verb leaves of the guest. Both
# guests are made by the first test and live through the file.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

setup_file()
{
    begin_file
    for kind in "${kinds[@]}"; do
        make_xen_config "life-$kind" "$kind"
    done
}

setup()
{
    find_daemon
}

teardown()
{
    show_daemon_log
}

teardown_file()
{
    end_file
}

# remember NAME: where its counter and its console's log stand, in count and size.
remember()
{
    count=$(guest_count "$1")
    size=$(console_size "$1")
}

@test "new and start: the guest boots, and xl lists it" {
    local kind name
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve new "$place/$name.cfg"
        assert_state "$name" halted
        xl_absent "$name"
        reeve start "$name"
        assert_state "$name" running
        [ "$(xl domid "$name")" = "$(field "$name" id)" ]
    done
    for kind in "${kinds[@]}"; do
        wait_boot "life-$kind"
    done
    reeve list | grep -q '^Domain-0 '
    reeve list | grep -q '^life-pv .*running'
}

@test "Domain-0 is shown, and every verb that would change it is refused" {
    local verb
    for verb in pause unpause suspend shutdown reboot reset destroy delete adopt dump-core; do
        refused 9 "$verb" Domain-0
        says 'only shown'
    done
    [ "$(field Domain-0 id)" = 0 ]
    refused 9 rename Domain-0 other
    [ "$(xl domname 0)" = Domain-0 ]
}

@test "a pause takes one reference of the hypervisor, and one by xl is seen" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve pause "$name"
        reeve pause "$name"
        assert_state "$name" paused
        assert_stands "$name"
        remember "$name"
        xl unpause "$name"
        assert_goes_on "$name" "$count" "$size"
        wait_for 5 is_state "$name" running
        xl pause "$name"
        wait_for 5 is_state "$name" paused
        reeve unpause "$name"
        assert_state "$name" running
    done
}

@test "suspend and resume: the guest goes on where it was; resume -p leaves it paused" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve suspend "$name"
        assert_state "$name" suspended
        xl_absent "$name"
        remember "$name"
        reeve resume "$name"
        assert_state "$name" running
        assert_goes_on "$name" "$count" "$size"
    done
    reeve suspend life-pv
    remember life-pv
    reeve resume -p life-pv
    assert_state life-pv paused
    assert_stands life-pv
    reeve unpause life-pv
    assert_goes_on life-pv "$count" "$size"
}

@test "a paused guest is not suspended: refused with the way out, and it stays as it was" {
    local count size
    reeve pause life-pv
    refused 4 suspend life-pv
    says unpause
    refused 4 save life-pv "$place/paused.reeve"
    says unpause
    assert_state life-pv paused
    [ ! -e "$place/paused.reeve" ]
    remember life-pv
    reeve unpause life-pv
    assert_goes_on life-pv "$count" "$size"
}
