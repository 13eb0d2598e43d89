#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A guest whose memory is a file (reeve_memory = "file"): what is suspended is the file itself.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    make_config web1 'reeve_memory = "file"'
    start_daemon qemu
}

teardown()
{
    clear_place
}

# memory: the file of the guest's memory; nothing when there is none.
memory()
{
    find "$place/state/images" -name memory.ram
}

# image_files: the files of the domain's folder, by name.
image_files()
{
    find "$place/state/images" -type f -printf '%f\n' | sort | tr '\n' ' '
}

@test "a guest has all of the memory that is a file: a balloon would give the disk's space away" {
    run_guest web1 managed
    refused 9 mem-set web1 64
    says 'its memory is a file'
    [ "$(($(stat -c %b "$(memory)") * 512))" -ge $((96 << 20)) ]
    make_config web2 'reeve_memory = "file"' 'maxmem = 128'
    refused 9 new "$place/web2.cfg"
    says 'memory must be maxmem'
}

@test "suspend leaves the memory in its file; resume goes on in it, after reeved and the host were gone too" {
    run_guest web1 managed
    ask web1 'fill 8' 'sum [0-9a-f]\{32\}'
    local before size sum round
    sum=$(answer web1 'sum \(.*\)')
    [ "$(stat -c %s "$(memory)")" -eq $((96 << 20)) ]
    [ "$(($(stat -c %b "$(memory)") * 512))" -ge $((96 << 20)) ]
    for round in plain killed paused; do
        [ "$round" != paused ] || reeve pause web1
        reeve suspend web1
        assert_state web1 suspended
        no_guests
        [ "$(image_files)" = "memory.ram memory.reeve " ]
        [ "$(stat -c %s "$(find "$place/state/images" -name memory.reeve)")" -lt $((4 << 20)) ]
        before=$(guest_count web1)
        size=$(console_size web1)
        if [ "$round" = killed ]; then
            kill9_daemon
            start_daemon qemu
            nothing_found
        fi
        reeve resume web1
        [ "$round" != paused ] || reeve unpause web1
        assert_state web1 running
        assert_goes_on web1 "$before" "$size"
        not_said web1 "$size" 'up (boot)'
        ask web1 sum "sum $sum"
        [ "$(image_files)" = "memory.ram " ]
    done
    # What is exported has the memory in it.
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    run reeve image verify "$(find "$place/state/images" -name memory.reeve)"
    [ "$status" -eq 0 ]
    [[ "$output" == *'have no checksum'* ]]
    cp "$(find "$place/state/images" -name memory.reeve)" "$place/bare.reeve"
    reeve image export web1 "$place/export.reeve"
    [ "$(reeve image info "$place/export.reeve" --format json | jq -r .image.memory)" = image ]
    reeve discard web1
    [ -z "$(memory)" ]
    refused 4 restore "$place/bare.reeve"
    says 'image export'
    reeve restore "$place/export.reeve"
    assert_goes_on web1 "$before" "$size"
    ask web1 sum "sum $sum"
    # A checkpoint and a save carry it too.
    reeve save -c web1 "$place/web1.reeve"
    before=$(guest_count web1)
    reeve save web1 "$place/web1.reeve"
    assert_state web1 halted
    [ -z "$(memory)" ]
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve restore "$place/web1.reeve"
    assert_goes_on web1 "$before" "$size"
    ask web1 sum "sum $sum"
    [ -n "$(memory)" ]
    reeve destroy web1
    [ -z "$(memory)" ]
    [ -z "$(find "$place/state/images" -mindepth 1)" ]
}

@test "reeved killed at each step of suspend and resume: the guest goes on in its memory" {
    run_guest web1 managed
    local before size point
    for point in save.intent save.stopped save.renamed; do
        stop_daemon
        REEVE_FAULT=$point=kill start_daemon qemu
        reeve suspend web1 && return 1
        before=$(guest_count web1)
        kill9_daemon
        start_daemon qemu
        wait_for 60 is_state web1 running
        wait_count_above web1 "$before"
        [ "$(image_files)" = "memory.ram " ]
    done
    for point in save.committed resume.loaded resume.claimed resume.running; do
        case "$point" in
        save.*) stop_daemon && REEVE_FAULT=$point=kill start_daemon qemu && ! reeve suspend web1 ;;
        *) reeve suspend web1 && stop_daemon && REEVE_FAULT=$point=kill start_daemon qemu ;;
        esac
        before=$(guest_count web1)
        size=$(console_size web1)
        [ "$point" = save.committed ] || { reeve resume web1 && return 1; }
        kill9_daemon
        start_daemon qemu
        wait_for 60 settled web1
        case "$point" in
        save.committed | resume.loaded) reeve resume web1 ;;
        esac
        assert_state web1 running
        case "$point" in
        resume.running) wait_count_above web1 "$before" "$size" ;; # what it counts without a daemon is in no log
        *) assert_goes_on web1 "$before" "$size" ;;
        esac
        not_said web1 "$size" 'up (boot)'
        [ "$(image_files)" = "memory.ram " ]
    done
}

@test "a memory file that was written to, or is gone, makes the domain broken; discard is the way out" {
    run_guest web1 managed
    local kept
    reeve suspend web1
    kept=$(memory)
    touch "$kept"
    refused 1 resume web1
    says 'written to since'
    assert_state web1 broken
    no_guests
    run reeve doctor
    [ "$status" -eq 1 ]
    refused 4 start web1
    reeve discard web1
    assert_state web1 halted
    [ "$(image_files | grep -o discarded | wc -l)" -eq 2 ]
    rm -r "$place"/state/images/*
    # After a power cut in a guest that has run on in its file there is no way back.
    reeve start web1
    wait_count_above web1 0 "$(console_size web1)"
    reeve suspend web1
    stop_daemon
    REEVE_FAULT=resume.claimed=kill start_daemon qemu
    reeve resume web1 && return 1
    kill9_daemon
    kill9_guests
    start_daemon qemu
    wait_for 60 settled web1
    assert_state web1 broken
    refused 4 resume --force web1
    says 'discard'
    assert_state web1 broken
    reeve discard web1
    assert_state web1 halted
    reeve delete web1
}

@test "no space for the memory file is said before anything is made; a host that went leaves no file" {
    make_config big 'reeve_memory = "file"' 'memory = 16777216'
    reeve new "$place/big.cfg"
    refused 1 start big
    says 'cannot allocate'
    [ -z "$(memory)" ]
    run_guest web1
    [ -n "$(memory)" ]
    kill9_daemon
    kill9_guests
    start_daemon qemu
    wait_for 60 settled web1
    wait_for 60 is_state web1 absent
    [ -z "$(memory)" ]
}
