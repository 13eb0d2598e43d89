#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# save, restore, suspend, resume, discard on a real guest: its counter and a sum over random bytes in its
# RAM show that it is the same guest that goes on.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

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

# restart_daemon: the daemon dies as in a crash, and another one starts.
restart_daemon()
{
    kill9_daemon
    start_daemon qemu
}

# cut_resume: web1 is loaded from its image, which is claimed, and has not run; no daemon. Sets before and
# size, as assert_goes_on takes them.
cut_resume()
{
    run_guest web1 managed
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    stop_daemon
    REEVE_FAULT=resume.claimed=kill start_daemon qemu
    reeve resume web1 && return 1
    kill9_daemon
}

answered()
{
    [ "$(field "$1" reason)" != image-spent ]
}

no_images()
{
    [ -z "$(find "$place/state/images" -type f)" ]
}

@test "suspend and resume go on from the same value, with the same bytes in RAM" {
    run_guest web1 managed
    ask web1 'fill 8' 'sum [0-9a-f]\{32\}'
    local before size sum
    sum=$(answer web1 'sum \(.*\)')
    reeve suspend web1
    assert_state web1 suspended
    no_guests
    before=$(guest_count web1)
    size=$(console_size web1)
    refused 4 start web1
    says 'resume'
    assert_state web1 suspended
    reeve resume web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
    not_said web1 "$size" 'up (boot)'
    ask web1 sum "sum $sum"
    # The image is used once: nothing of it is left.
    no_images
}

@test "suspend, SIGKILL of reeved, resume; then all again" {
    run_guest web1 managed
    local before size round
    for round in 1 2; do
        reeve suspend web1
        before=$(guest_count web1)
        size=$(console_size web1)
        restart_daemon
        assert_state web1 suspended
        no_guests
        reeve resume web1
        assert_goes_on web1 "$before" "$size"
        not_said web1 "$size" 'up (boot)'
    done
    [ "$round" -eq 2 ]
}

@test "a paused domain is paused again after resume, with SIGKILL of reeved in between" {
    run_guest web1 managed
    local before size
    reeve pause web1
    reeve suspend web1
    assert_state web1 suspended
    before=$(guest_count web1)
    size=$(console_size web1)
    restart_daemon
    reeve resume web1
    assert_state web1 paused
    assert_stands web1
    reeve unpause web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
}

@test "discard throws the RAM away: the next start boots" {
    run_guest web1 managed
    local size
    reeve suspend web1
    size=$(console_size web1)
    reeve discard web1
    assert_state web1 halted
    no_images
    refused 4 resume web1
    reeve start web1
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
}

@test "save, SIGKILL of reeved, restore: from the same value, transient" {
    run_guest web1
    local before size
    reeve save web1 "$place/web1.reeve"
    assert_state web1 absent
    no_guests
    [ "$(stat -c %a "$place/web1.reeve")" = 600 ]
    before=$(guest_count web1)
    size=$(console_size web1)
    restart_daemon
    reeve restore "$place/web1.reeve"
    assert_state web1 running
    [ "$(field web1 managed)" = false ]
    assert_goes_on web1 "$before" "$size"
    not_said web1 "$size" 'up (boot)'
    # A file of the user's stays, and restores the same moment once more.
    reeve destroy web1
    size=$(console_size web1)
    reeve restore --paused "$place/web1.reeve"
    assert_state web1 paused
    assert_stands web1
    reeve unpause web1
    assert_goes_on web1 "$before" "$size"
}

@test "save and restore keep a managed domain managed" {
    run_guest web1 managed
    local before size uuid
    uuid=$(field web1 uuid)
    reeve save web1 "$place/web1.reeve"
    assert_state web1 halted
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve restore "$place/web1.reeve"
    assert_state web1 running
    [ "$(field web1 managed) $(field web1 uuid)" = "true $uuid" ]
    assert_goes_on web1 "$before" "$size"
}

@test "save --checkpoint leaves the guest running, and its file is of that moment" {
    run_guest web1
    local from at size first
    from=$(guest_count web1)
    reeve save --checkpoint web1 "$place/web1.reeve"
    assert_state web1 running
    at=$(guest_count web1)
    wait_count_above web1 $((at + 5))
    refused 4 restore "$place/web1.reeve"
    assert_state web1 running
    reeve destroy web1
    size=$(console_size web1)
    reeve restore "$place/web1.reeve"
    wait_count_above web1 0 "$size"
    first=$(first_count web1 "$size")
    [ "$first" -ge "$from" ]
    [ "$first" -le $((at + 1)) ]
    not_said web1 "$size" 'up (boot)'
}

@test "reeved killed while it saves, before the image counts: the guest runs on" {
    run_guest web1 managed
    local before
    stop_daemon
    REEVE_FAULT=save.stopped=kill start_daemon qemu
    reeve suspend web1 && return 1
    before=$(guest_count web1)
    kill9_daemon
    start_daemon qemu
    wait_for 30 is_state web1 running
    wait_count_above web1 "$before"
    not_said web1 1000000 'up (boot)'
    no_images
    reeve suspend web1
    reeve resume web1
    assert_state web1 running
}

@test "reeved killed once the image counts: suspended, and resume goes on" {
    run_guest web1 managed
    local before size
    stop_daemon
    REEVE_FAULT=save.committed=kill start_daemon qemu
    reeve suspend web1 && return 1
    kill9_daemon
    start_daemon qemu
    wait_for 30 is_state web1 suspended
    wait_for 30 no_guests
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
}

@test "reeved killed between claim and run: the next one lets the loaded guest go on" {
    local before size
    cut_resume
    start_daemon qemu
    wait_for 30 settled web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
    no_images
}

@test "power cut between claim and run: broken, not resumed unattended; resume --force is a way out" {
    local before size
    cut_resume
    kill9_guests
    start_daemon qemu
    wait_for 30 settled web1
    assert_state web1 broken
    no_guests
    refused 4 start web1
    refused 4 resume web1
    says '--force'
    assert_state web1 broken
    reeve resume --force web1
    assert_state web1 running
    assert_goes_on web1 "$before" "$size"
}

@test "a guest that does not answer between claim and run: its image is kept, spent; dead it is broken" {
    local before size pid
    cut_resume
    pid=$(guest_pids)
    kill -STOP "$pid"
    start_daemon qemu
    assert_state web1 paused
    [ "$(field web1 reason)" = image-spent ]
    kill -KILL "$pid"
    wait_for 30 is_state web1 broken
    wait_for 30 settled web1
    refused 4 start web1
    reeve resume --force web1
    assert_goes_on web1 "$before" "$size"
    no_images
}

@test "a guest that answers only later, after a cut resume: its image is used up then" {
    local before size pid
    cut_resume
    pid=$(guest_pids)
    kill -STOP "$pid"
    start_daemon qemu
    [ "$(field web1 reason)" = image-spent ]
    refused 4 suspend web1
    says 'not answered'
    kill -CONT "$pid"
    wait_for 10 answered web1
    assert_state web1 paused
    wait_for 10 no_images
    reeve unpause web1
    assert_goes_on web1 "$before" "$size"
    reeve suspend web1
    reeve resume web1
    assert_state web1 running
}

@test "a guest that dies as the next daemon lets it run, after a cut resume: its image is kept, spent" {
    stop_daemon
    printf '%s\n' 'name = "sim"' 'memory = 16' 'kernel = "/vmlinuz"' 'cmdline = "null.pause=slow:1"' >"$place/sim.cfg"
    start_daemon null
    reeve new "$place/sim.cfg"
    reeve start sim
    reeve suspend sim
    stop_daemon
    REEVE_FAULT=resume.claimed=kill start_daemon null
    reeve resume sim && return 1
    kill9_daemon
    # Of the simulated guest itself, which a daemon keeps in a file.
    sed -i 's/null.pause=slow:1/null.unpause=die/' "$place"/run/null/*-*
    grep -q null.unpause=die "$place"/run/null/*-*
    start_daemon null
    wait_for 10 settled sim
    assert_state sim broken
    refused 4 resume sim
    says '--force'
    [ -n "$(find "$place/state/images" -name '*.spent')" ]
}

# clock_behind NAME COMMAND MIN MAX: by so many seconds the guest's clock that COMMAND tells is behind ours, at
# some moment from the question to the answer, which may take long.
clock_behind()
{
    local told from to
    from=$(date -u +%s)
    ask "$1" "$2" "$2 .*"
    to=$(date -u +%s)
    told=$(answer "$1" "$2 \(.*\)")
    case "$2" in
    date) told=$(date -u -d "$told" +%s) ;;
    esac
    echo "$2: $((from - told)) to $((to - told)) s behind"
    [ $((to - told)) -ge "$3" ] && [ $((from - told)) -le "$4" ]
}

@test "after a resume and a restore the guest's hardware clock is right; its kernel's is behind until it is set" {
    run_guest web1
    local way
    reeve adopt web1
    ask web1 set-clock 'clock set'
    for way in resume restore; do
        clock_behind web1 date -2 4
        case "$way" in
        resume) reeve suspend web1 ;;
        restore) reeve save web1 "$place/web1.reeve" ;;
        esac
        sleep 12 # the time that the guest must not lose
        case "$way" in
        resume) reeve resume web1 ;;
        restore) reeve restore "$place/web1.reeve" ;;
        esac
        echo "after a $way:"
        clock_behind web1 rtc -2 4
        clock_behind web1 date 10 20
        ask web1 set-clock 'clock set'
        clock_behind web1 date -2 4
    done
}
