#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real guest through every verb; what it says about itself on its console is the proof.

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

# run_web1 [managed]: web1 has booted and counted a little.
run_web1()
{
    if [ "${1:-}" = managed ]; then
        reeve new "$place/web1.cfg"
        assert_state web1 halted
        reeve start web1
    else
        reeve create "$place/web1.cfg"
    fi
    assert_state web1 running
    wait_boot web1
    wait_count_above web1 5
}

@test "create boots a guest, destroy ends it and a transient domain is gone" {
    run_web1
    [ -n "$(guest_pids)" ]
    reeve destroy web1
    assert_state web1 absent
    no_guests
    refused 3 show web1
}

@test "new, start, shutdown, delete: the guest says its orderly power-off" {
    run_web1 managed
    local size
    size=$(console_size web1)
    reeve shutdown web1 --timeout 60
    assert_state web1 halted
    said web1 "$size" 'powering off in order'
    no_guests
    reeve delete web1
    assert_state web1 absent
}

@test "destroy is no orderly power-off" {
    run_web1 managed
    local size
    size=$(console_size web1)
    reeve destroy web1
    assert_state web1 halted
    not_said web1 "$size" 'powering off in order'
}

@test "the counter stands while paused and goes on from there" {
    run_web1
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
    reeve unpause web1
    wait_boot web1
}

@test "suspend and resume go on from the same value" {
    run_web1 managed
    ask web1 'fill 8' 'sum [0-9a-f]\{32\}'
    local before size sum
    sum=$(console_since web1 0 | sed -n 's/^reeve-guest: sum \(.*\)$/\1/p' | tail -n 1)
    reeve suspend web1
    assert_state web1 suspended
    no_guests
    before=$(guest_count web1)
    size=$(console_size web1)
    refused 4 start web1
    assert_state web1 suspended
    reeve resume web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
    ask web1 sum "sum $sum"
}

@test "suspend, SIGKILL of reeved, resume" {
    run_web1 managed
    local before size
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    kill9_daemon
    start_daemon qemu
    assert_state web1 suspended
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
}

@test "a paused domain is paused again after resume" {
    run_web1 managed
    reeve pause web1
    reeve suspend web1
    assert_state web1 suspended
    reeve resume web1
    assert_state web1 paused
    assert_stands web1
    reeve unpause web1
    assert_state web1 running
}

@test "discard throws the RAM away: the next start boots" {
    run_web1 managed
    local size
    reeve suspend web1
    size=$(console_size web1)
    reeve discard web1
    assert_state web1 halted
    refused 4 resume web1
    reeve start web1
    wait_boot web1 "$size"
}

@test "save and restore go on from the same value, transient" {
    run_web1
    local before size
    size=$(console_size web1)
    reeve save web1 "$place/web1.reeve"
    assert_state web1 absent
    [ "$(stat -c %a "$place/web1.reeve")" = 600 ]
    reeve restore "$place/web1.reeve"
    assert_state web1 running
    wait_count_above web1 0 "$size"
    not_said web1 "$size" 'up (boot)'
}

@test "save and restore keep a managed domain managed" {
    run_web1 managed
    local before size
    reeve save web1 "$place/web1.reeve"
    assert_state web1 halted
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve restore "$place/web1.reeve"
    assert_state web1 running
    [ "$(field web1 managed)" = true ]
    assert_goes_on web1 "$before" "$size"
}

@test "save --checkpoint leaves the guest running" {
    run_web1
    local before
    reeve save --checkpoint web1 "$place/web1.reeve"
    assert_state web1 running
    before=$(guest_count web1)
    wait_count_above web1 "$before"
    refused 4 restore "$place/web1.reeve"
    assert_state web1 running
}

@test "reboot: in order, and the counter starts over" {
    run_web1
    local size
    size=$(console_size web1)
    reeve reboot web1 --timeout 60
    assert_state web1 running
    wait_boot web1 "$size"
    said web1 "$size" 'powering off in order'
    [ "$(console_since web1 "$size" | sed '1,/up (boot)/d' | counts | head -n 1)" = 1 ]
}

@test "reset: not in order, and the counter starts over" {
    run_web1
    local size
    size=$(console_size web1)
    reeve reset web1
    assert_state web1 running
    wait_boot web1 "$size"
    not_said web1 "$size" 'powering off in order'
}

@test "a guest that reboots itself comes up again" {
    run_web1
    local size
    size=$(console_size web1)
    type_line web1 reboot
    wait_for 30 said web1 "$size" 'rebooting on request'
    wait_boot web1 "$size"
    assert_state web1 running
}

@test "a guest that powers itself off: a managed domain is halted" {
    run_web1 managed
    type_line web1 poweroff
    wait_for 30 is_state web1 halted
    [ "$(field web1 reason)" = guest-poweroff ]
}

@test "a guest that ignores the power button: exit 5, it runs on; --force destroys" {
    run_web1 managed
    ask web1 ignore-power 'ignoring the power button'
    refused 5 shutdown web1 --timeout 3
    assert_state web1 running
    reeve shutdown web1 --timeout 3 --force
    assert_state web1 halted
}

@test "a panic with on_crash=preserve leaves a corpse, which destroy clears" {
    make_config web1 'on_crash = "preserve"'
    run_web1
    type_line web1 crash
    wait_for 30 is_state web1 crashed
    refused 4 unpause web1
    assert_state web1 crashed
    reeve destroy web1
    assert_state web1 absent
}

@test "adopt makes a running transient domain managed, untouched" {
    run_web1
    local before
    before=$(guest_count web1)
    reeve adopt web1
    assert_state web1 running
    wait_count_above web1 "$before"
    reeve destroy web1
    assert_state web1 halted
}

@test "delete of a running domain is refused; delete --destroy does both" {
    run_web1 managed
    refused 4 delete web1
    assert_state web1 running
    reeve delete --destroy web1
    assert_state web1 absent
    no_guests
}

@test "SIGKILL of reeved leaves the guest alone, and the next reeved adopts it" {
    run_web1
    local id size before
    id=$(field web1 id)
    kill9_daemon
    [ -n "$(guest_pids)" ]
    start_daemon qemu
    assert_state web1 running
    [ "$(field web1 id)" = "$id" ]
    before=$(guest_count web1)
    wait_count_above web1 "$before"
    size=$(console_size web1)
    not_said web1 0 'powering off in order'
    reeve pause web1
    assert_state web1 paused
    reeve unpause web1
    wait_count_above web1 0 "$size"
}

@test "SIGTERM of reeved leaves the guest alone" {
    run_web1
    stop_daemon
    [ -n "$(guest_pids)" ]
    start_daemon qemu
    assert_state web1 running
}
