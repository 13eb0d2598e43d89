#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where libxl and the hypervisor lead a tool astray: requests that nobody answers, pauses that are
# counted, domains that are dying, backends that do not come, devices of a corpse.

# shellcheck disable=SC2154 # make_place sets place

load helpers

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

# is_asked NAME WHAT
is_asked()
{
    [ "$(asked "$1")" = "$2" ]
}

# libxl leaves the request of a save that is aborted: the guest would stand still for ever once it saw it.
@test "a save that is cancelled before the guest has answered takes its request back" {
    make_deaf deaf
    reeve save --no-wait deaf "$place/deaf.img"
    wait_for 30 is_asked deaf suspend
    reeve cancel "job:$(field deaf job.id)"
    wait_for 60 settled deaf
    [ -z "$(asked deaf)" ]
    assert_state deaf running
    [ ! -e "$place/deaf.img" ]
    reeve destroy deaf
}

# libxl waits for one minute and leaves the request where it is.
@test "a shutdown waits as long as it is told to, and withdraws its request then" {
    make_deaf deaf
    local begun=$SECONDS
    refused 5 shutdown --timeout 75 deaf
    says 'did not acknowledge'
    [ $((SECONDS - begun)) -ge 74 ]
    [ -z "$(asked deaf)" ]
    assert_state deaf running
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

@test "what a crash left is kept beside its successor, which has the same disk" {
    local aside
    truncate -s 8M "$place/disk.img"
    make_xen_config beside pv 'on_crash = "rename-restart"' "disk = [ \"$place/disk.img,raw,xvda,w\" ]" \
        'vif = [ "bridge=xenbr0" ]'
    run_guest beside managed
    ask beside 'disk kept' "disk xvda 8388608 bytes rw, text 'kept'"
    ask beside crash 'crashing on request'
    wait_for 120 is_restarted beside
    aside=$(reeve list --format json | jq -r '.domains[] | select(.name != "beside" and .id != 0) | .name')
    [[ $aside == beside-* ]]
    assert_state "$aside" crashed
    [ "$(field "$aside" uuid)" != "$(field beside uuid)" ]
    # Also where xl looks for it.
    [ "$(xl list -v "$aside" | grep -c "$(field "$aside" uuid)")" -eq 1 ]
    ask beside disk "disk xvda 8388608 bytes rw, text 'kept'"
    reeve destroy "$aside"
    [ "$(state "$aside")" = absent ]
    assert_state beside running
    reeve destroy beside
    reeve delete beside
    assert_no_leftovers
    xenstore-list /vm 2>/dev/null | assert_no_line_but ''
}

# Two domains are listed, of which the one of that name runs.
is_restarted()
{
    [ "$(reeve list --format json | jq -c --arg name "$1" \
        '[.domains[] | select(.id != 0) | .state == "running" and .name == $name] | sort')" = '[false,true]' ]
}

# HVM guests are started over (hvm.bats).
@test "a PVH guest that asks for a soft reset is booted anew, and the log says why; or is kept" {
    local id
    make_tiny soft soft_guest
    reeve create -p "$place/soft.cfg"
    id=$(field soft id)
    reeve unpause soft
    wait_for 60 log_has soft 'its memory could not be kept: .* hvm alone'
    [ "$(field soft id)" != "$id" ]
    reeve destroy soft
    make_tiny soft soft_guest
    echo 'on_soft_reset = "preserve"' >>"$place/soft.cfg"
    reeve create "$place/soft.cfg"
    wait_for 60 is_state soft shutdown
    [ "$(last_reason soft)" = soft-reset ]
    reeve destroy soft
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
