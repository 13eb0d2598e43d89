#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real guest, and a daemon killed at the fault points: the guest goes on counting from where it was,
# or is suspended and goes on from there. Every point with every verb is in tests/daemon/crash_test.c,
# with simulated guests; here is what only a real one can show.

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

run_web1()
{
    if [ "$1" = managed ]; then
        reeve new "$place/web1.cfg"
        reeve start web1
    else
        reeve create "$place/web1.cfg"
    fi
    wait_boot web1
    wait_count_above web1 3
}

# arm POINT: a new daemon that will be killed there. Guests go on meanwhile.
arm()
{
    stop_daemon
    REEVE_FAULT=$1=kill start_daemon qemu
}

# killed_in ARGUMENTS ...: the verb that meets the point; then a daemon without it.
killed_in()
{
    local status=0
    reeve "$@" >"$place/out" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 8 ]; then
        echo "reeve $*: exit status $status, not 8: the point was not met" >&2
        cat "$place/out" >&2
        return 1
    fi
    wait_for 10 daemon_gone
    kill9_daemon
    start_daemon qemu
}

one_guest()
{
    [ "$(guest_pids | wc -l)" -eq "${1:-1}" ]
}

# nothing_left: no temporary and no spent image, no folder of a guest that is gone, doctor silent.
nothing_left()
{
    local left
    left=$(find "$place" -name '*.part' -o -name '*.spent' -o -path '*/images/*' -type d -empty)
    if [ -n "$left" ]; then
        echo "left over: $left" >&2
        return 1
    fi
    [ "$(find "$place/run/qemu" -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq "$1" ]
    nothing_found
}

# goes_on_past COUNT: it counts on from there: one that was booted anew would begin with 1.
goes_on_past()
{
    local size
    size=$(console_size web1)
    wait_count_above web1 "$1" "$size"
    not_said web1 "$size" 'up (boot)'
    [ "$(first_count web1 "$size")" -gt "$1" ]
}

@test "killed in the middle of a suspend, the guest goes on where it was" {
    run_web1 managed
    local point count
    for point in save.intent save.stopped save.renamed; do
        count=$(guest_count web1)
        arm "$point"
        killed_in suspend web1
        assert_state web1 running
        one_guest
        goes_on_past "$count"
        nothing_left 1
    done
}

@test "killed with the image on record, it is suspended and resumes; killed again, it runs once" {
    run_web1 managed
    local count size point
    arm save.committed
    count=$(guest_count web1)
    killed_in suspend web1
    assert_state web1 suspended
    one_guest 0
    nothing_left 0
    for point in resume.intent resume.loaded; do
        arm "$point"
        killed_in resume web1
        assert_state web1 suspended
        one_guest 0
        nothing_left 0
    done
    arm resume.claimed
    size=$(console_size web1)
    killed_in resume web1
    assert_state web1 running
    one_guest
    wait_count_above web1 "$count" "$size"
    not_said web1 "$size" 'up (boot)'
    nothing_left 1
    for point in resume.running resume.committed; do
        reeve suspend web1
        arm "$point"
        count=$(guest_count web1)
        size=$(console_size web1)
        killed_in resume web1
        assert_state web1 running
        one_guest
        wait_count_above web1 "$count" "$size"
        not_said web1 "$size" 'up (boot)'
        nothing_left 1
    done
}

@test "killed in the middle of a save to a file, the guest goes on and no old state lies about" {
    run_web1 transient
    local point count
    for point in save.intent save.stopped save.renamed; do
        count=$(guest_count web1)
        arm "$point"
        killed_in save web1 "$place/saved.reeve"
        assert_state web1 running
        one_guest
        goes_on_past "$count"
        nothing_left 1
        [ ! -e "$place/saved.reeve" ]
    done
    arm save.committed
    killed_in save web1 "$place/saved.reeve"
    assert_state web1 absent
    one_guest 0
    nothing_left 0
    reeve restore "$place/saved.reeve"
    goes_on_past "$count"
}

@test "killed in the middle of a start or a destroy, there is one guest or none" {
    reeve new "$place/web1.cfg"
    arm start.intent
    killed_in start web1
    assert_state web1 halted
    nothing_left 0
    arm start.created
    killed_in start web1
    assert_state web1 halted
    one_guest 0
    nothing_left 0
    arm start.running
    killed_in start web1
    assert_state web1 running
    one_guest
    wait_boot web1
    arm destroy.intent
    killed_in destroy web1
    assert_state web1 halted
    one_guest 0
    nothing_left 0
    reeve start web1
    arm destroy.gone
    killed_in destroy web1
    assert_state web1 halted
    one_guest 0
    nothing_left 0
}

@test "a power cut between the claim and the record: broken, and both ways out work" {
    run_web1 managed
    local count
    reeve suspend web1
    count=$(guest_count web1)
    stop_daemon
    REEVE_FAULT=resume.claimed=kill start_daemon qemu
    reeve resume web1 >"$place/out" 2>&1 || true
    wait_for 10 daemon_gone
    kill9_daemon
    # The power is gone: no process and no run folder, and the host has another boot id.
    guest_pids | xargs -r kill -KILL
    wait_for 10 no_guests
    rm -rf "$place/run"
    mkdir -m 0700 "$place/run"
    python3 - "$place/state/reeve.db" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    store.execute("UPDATE domain SET boot_id = '00000000-0000-4000-8000-000000000000'"
                  " WHERE boot_id <> ''")
PYTHON
    start_daemon qemu
    assert_state web1 broken
    [ "$(field web1 reason)" = image-spent ]
    refused 4 start web1
    refused 4 resume web1
    reeve resume --force web1
    assert_state web1 running
    goes_on_past "$count"
    nothing_left 1
}

# ---- the steps of the driver's own: no process, folder, socket or device may be left over ----

killed_and_guests()
{
    killed_in "${@:2}"
    one_guest "$1"
    nothing_left "$1"
}

@test "every fault point of the driver's own is met here" {
    local point
    for point in $(reeved --fault-points | grep '^qemu\.'); do
        grep -qE "(arm|for point in.*) $point( |;|$)" "$BATS_TEST_FILENAME" || {
            echo "$point is met by no test" >&2
            return 1
        }
    done
}

@test "killed while a process is made or ended, nothing of it is left" {
    reeve new "$place/web1.cfg"
    arm qemu.spawned
    killed_and_guests 0 start web1
    arm qemu.answered
    killed_and_guests 0 start web1
    assert_state web1 halted
    reeve start web1
    arm qemu.ended
    killed_and_guests 0 destroy web1
    assert_state web1 halted
    # The same of a resume: the image is still there.
    run_again
    reeve suspend web1
    arm qemu.spawned
    killed_and_guests 0 resume web1
    arm qemu.answered
    killed_and_guests 0 resume web1
    assert_state web1 suspended
    local count
    count=$(guest_count web1)
    reeve resume web1
    goes_on_past "$count"
}

run_again()
{
    local size
    size=$(console_size web1)
    reeve start web1
    wait_boot web1 "$size"
    wait_count_above web1 3 "$size"
}

# has KIND N: the config has so many, and QEMU agrees: one can be attached and detached again.
has()
{
    [ "$(reeve "$1-list" web1 --format json | jq "[.disks // .vifs | .[]] | length")" = "$2" ]
}

@test "killed while a device comes or goes, guest and record have it or neither, and QEMU no half of it" {
    local mac=00:16:3e:00:00:09
    truncate -s 1M "$place/more.raw" "$place/one.iso" "$place/two.iso"
    make_config web1 "disk = ['format=raw,vdev=hdc,devtype=cdrom,access=ro,target=$place/one.iso']" \
        'maxvcpus = 2'
    run_web1 managed
    local count
    count=$(guest_count web1)
    arm qemu.plugged
    killed_and_guests 1 network-attach web1 "mac=$mac"
    has network 0
    reeve network-attach web1 "mac=$mac"
    arm qemu.unplugged
    killed_and_guests 1 network-detach web1 "$mac"
    has network 0
    arm qemu.plugged
    killed_and_guests 1 block-attach web1 "format=raw,vdev=vdb,target=$place/more.raw"
    has block 1
    # Nobody holds it: another QEMU would be refused its lock.
    qemu-img info "$place/more.raw" >/dev/null
    reeve block-attach web1 "format=raw,vdev=vdb,target=$place/more.raw"
    arm qemu.unplugged
    killed_and_guests 1 block-detach web1 vdb
    has block 1
    qemu-img info "$place/more.raw" >/dev/null
    # The drive gets the disc that is on record.
    arm qemu.ejected
    killed_and_guests 1 cd-insert web1 hdc "$place/two.iso"
    reeve block-list web1 --format json | jq -e '.disks[0] | tostring | test("one.iso")'
    reeve cd-insert web1 hdc "$place/two.iso"
    arm qemu.resized
    killed_and_guests 1 vcpu-set web1 2
    [ "$(field web1 vcpus)" = 2 ]
    assert_state web1 running
    goes_on_past "$count"
}

@test "killed with a reset lifted, the reset is off again; killed while its end is kept beside, it boots" {
    make_config web1 'on_reboot = "preserve"' 'on_crash = "rename-restart"' \
        'vif = ["mac=00:16:3e:00:00:01"]'
    run_web1 managed
    local count uuid point size
    uuid=$(field web1 uuid)
    count=$(guest_count web1)
    arm qemu.lifted
    killed_in reset web1
    wait_for 30 test ! -e "$place/run/qemu/$uuid/resetting"
    goes_on_past "$count"
    for point in qemu.given qemu.aside; do
        arm "$point"
        crash_until daemon_gone
        kill9_daemon
        size=$(console_size web1)
        start_daemon qemu
        wait_boot web1 "$size"
        assert_state web1 running
        [ "$(field web1 uuid)" = "$uuid" ]
        [ "$(reeve list --format json | jq '.domains | length')" = 2 ]
        one_guest 2
        reeve destroy "$(reeve list --format json | jq -r '.domains[].name | select(. != "web1")')"
        nothing_left 1
        ask web1 net 'net gateway answers'
    done
}

@test "what an end left cannot be kept beside: it is as it was, and reset boots it with all that it had" {
    truncate -s 1M "$place/disk.raw"
    make_config web1 'on_crash = "rename-restart"' 'vif = ["mac=00:16:3e:00:00:01"]' \
        "disk = ['format=raw,vdev=vda,target=$place/disk.raw']"
    run_web1 managed
    stop_daemon
    REEVE_FAULT=qemu.given=fail start_daemon qemu
    crash_until is_state web1 crashed
    wait_for 30 has_failed_restart
    assert_state web1 crashed
    [ "$(reeve list --format json | jq '.domains | length')" = 1 ]
    local size
    size=$(console_size web1)
    reeve reset web1
    wait_boot web1 "$size"
    assert_state web1 running
    ask web1 'disk after' 'disk vda .*after.'
    ask web1 net 'net gateway answers'
    local count
    count=$(guest_count web1)
    reeve suspend web1
    reeve resume web1
    goes_on_past "$count"
    nothing_left 1
}

has_failed_restart()
{
    reeve log web1 | grep -q 'fault point qemu.given'
}

# crash_until COMMAND ...: asks web1 to crash and waits for what comes of it: its last words may be lost
# with the daemon.
crash_until()
{
    local pid status=0
    timeout 90 reeve console web1 <<<crash >/dev/null 2>&1 3>&- 4>&- &
    pid=$!
    wait_for 60 "$@" || status=1
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    return "$status"
}
