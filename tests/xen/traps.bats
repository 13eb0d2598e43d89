#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where libxl and the hypervisor lead a tool astray: requests that nobody answers, pauses that are
# counted, domains that are dying, backends that do not come, devices of a corpse.

# shellcheck disable=SC2154 # make_place sets place

load helpers

# make_tiny NAME KERNEL: a PVH guest of a few instructions.
make_tiny()
{
    make_xen_config "$1" pvh
    sed -i "s|^kernel.*|kernel = \"$REEVE_BUILD_DIR/tests/xen/$2\"|; /^ramdisk/d" "$place/$1.cfg"
}

# make_deaf NAME: one that runs and answers nobody.
make_deaf()
{
    make_tiny "$1" deaf_guest
    reeve create "$place/$1.cfg"
    assert_state "$1" running
}

# asked NAME: what is asked of the guest and not answered.
asked()
{
    xenstore-read "/local/domain/$(field "$1" id)/control/shutdown"
}

@test "a guest that does not acknowledge a shutdown runs on, and the request is withdrawn" {
    make_deaf deaf
    refused 5 shutdown --timeout 2 deaf
    says 'did not acknowledge'
    assert_state deaf running
    [ -z "$(asked deaf)" ]
    refused 5 reboot --timeout 2 deaf
    says 'did not acknowledge'
    assert_state deaf running
    [ -z "$(asked deaf)" ]
    reeve destroy deaf
}

# libxl gives a guest a minute.
@test "a guest that does not acknowledge a save runs on, and the request is withdrawn" {
    make_deaf deaf
    refused 5 save deaf "$place/deaf.img"
    says 'did not stand still'
    assert_state deaf running
    [ -z "$(asked deaf)" ]
    [ ! -e "$place/deaf.img" ]
    reeve destroy deaf
    assert_no_leftovers
}

@test "unpause lets go of every pause, whoever took it" {
    local before size
    make_xen_config many pv
    run_guest many
    reeve pause many
    xl pause many
    xl pause many
    assert_stands many
    before=$(guest_count many)
    size=$(console_size many)
    reeve unpause many
    assert_goes_on many "$before" "$size"
    assert_state many running
    reeve destroy many
}

@test "a domain that is dying is gone, and its successor is made beside it" {
    local holder
    make_xen_config dying pvh
    reeve new "$place/dying.cfg"
    reeve start dying
    wait_boot dying
    mkfifo "$place/hold"
    "$REEVE_BUILD_DIR/tests/xen/hold_page" "$(field dying id)" <"$place/hold" >"$place/held" 3>&- 4>&- &
    holder=$!
    exec 7>"$place/hold"
    wait_for 20 grep -q held "$place/held"
    reeve destroy dying
    xl list | awk 'NR > 2 { print $5 }' | grep -q d # the hypervisor still has it
    assert_state dying halted
    reeve start dying
    wait_boot dying "$(console_size dying)"
    assert_state dying running
    exec 7>&-
    wait "$holder"
    reeve destroy dying
    reeve delete dying
    assert_no_leftovers
}

@test "a backend whose script fails: the reason, and nothing is left behind" {
    truncate -s 8M "$place/disk.img"
    printf '#!/bin/sh\nexit 1\n' >"$place/fails"
    chmod +x "$place/fails"
    make_xen_config backend pv "disk = [ \"vdev=xvda,format=raw,script=$place/fails,target=$place/disk.img\" ]"
    refused 1 create "$place/backend.cfg"
    says 'script|device|backend'
    make_xen_config backend pv 'vif = [ "bridge=no-such-bridge" ]'
    refused 1 create "$place/backend.cfg"
    says 'script|device|bridge|vif'
    [ "$(state backend)" = absent ]
    assert_no_leftovers
}

# libxl gives a script forty seconds. What it had made by then is in the way of the next attach.
@test "a disk whose script hangs is not attached, the guest runs on, and the next attach works" {
    truncate -s 8M "$place/disk.img"
    # shellcheck disable=SC2016 # the script's own argument
    printf '#!/bin/sh\n[ "$1" = add ] && exec sleep 300\nexit 0\n' >"$place/hangs"
    chmod +x "$place/hangs"
    make_xen_config slow pv
    run_guest slow
    refused 1 block-attach slow "vdev=xvdb,format=raw,script=$place/hangs,target=$place/disk.img" ||
        refused 5 block-attach slow "vdev=xvdb,format=raw,script=$place/hangs,target=$place/disk.img"
    says 'script|timed out|time'
    assert_state slow running
    [ "$(reeve block-list slow --format json | jq '.disks | length')" -eq 0 ]
    [ -z "$(xenstore-list "/libxl/$(field slow id)/device/vbd" 2>/dev/null)" ]
    reeve block-attach slow "$place/disk.img,raw,xvdb,w"
    ask slow disk 'disk xvdb 8388608 bytes rw, .*'
    reeve destroy slow
    assert_no_leftovers
}

@test "a checkpoint lets a PVH guest run until its last round; of a PV one it says why not" {
    local before
    make_xen_config live pvh
    run_guest live
    reeve save --checkpoint live "$place/live.img" --format json >"$place/answer"
    jq -e '.stopped_ms >= 0' "$place/answer"
    jq -e '.warnings | length == 0' "$place/answer"
    before=$(guest_count live)
    wait_count_above live "$before"
    reeve destroy live
    reeve restore "$place/live.img"
    assert_state live running
    reeve destroy live
    make_xen_config still pv
    run_guest still
    reeve save --checkpoint still "$place/still.img" --format json >"$place/answer"
    jq -e '.stopped_ms > 0' "$place/answer"
    jq -e '.warnings[0] | test("shadow paging")' "$place/answer"
    wait_count_above still "$(guest_count still)"
    reeve destroy still
    assert_no_leftovers
}
