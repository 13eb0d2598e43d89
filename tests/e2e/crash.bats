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
    reeve doctor
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
