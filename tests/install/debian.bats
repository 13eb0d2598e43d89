#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A real Debian from its own disk: by BIOS and by UEFI to the login prompt on the console, logged in
# there, and off in order. Its disk is made once (guest/debian) and kept beside the small guest.

# shellcheck disable=SC2154 # make_place sets place

load ../e2e/helpers

login_seconds=300

setup_file()
{
    timeout 900 "$BATS_TEST_DIRNAME/../../guest/debian" "$REEVE_GUEST_DIR" 3>&- 4>&-
}

setup()
{
    make_place
    cp --sparse=always "$REEVE_GUEST_DIR/debian.raw" "$place/debian.raw"
    start_daemon qemu
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
memory = 512
disk = [ "debian.raw,raw,xvda,w" ]
vif = [ "" ]
reeve_accel = "tcg"
TEXT
}

teardown()
{
    clear_place
}

# shows TEXT SIZE: it is on the console after that place.
shows()
{
    console_since web1 "$2" | grep -qF -- "$1"
}

# type_line TEXT LINE: waits for TEXT on the console after $at, and types LINE there.
type_line()
{
    wait_for "$login_seconds" shows "$1" "$at"
    at=$(console_size web1)
    echo "$2" >&"$keyboard"
}

# log_in COMMAND ANSWER: as root, on the console; COMMAND is to print ANSWER, which is not in it.
log_in()
{
    local status=0 pid
    mkfifo "$place/keyboard"
    reeve console web1 <"$place/keyboard" >/dev/null 2>"$place/console-err" 3>&- 4>&- &
    pid=$!
    exec {keyboard}>"$place/keyboard"
    at=0
    type_line 'debian login:' root
    type_line 'Password:' reeve
    type_line 'root@debian:' "$1"
    wait_for 60 shows "$2" "$at" || status=1
    exec {keyboard}>&-
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    rm "$place/keyboard"
    [ "$status" -eq 0 ] || console_since web1 0 | tail -n 20 >&2
    return "$status"
}

@test "Debian from its disk by BIOS: a login on the console, a suspend, and off in order" {
    reeve new "$place/web1.cfg"
    reeve start web1
    # shellcheck disable=SC2016 # the guest's shell
    log_in 'test -d /sys/firmware/efi || echo by:$((6*7)) $(findmnt -no SOURCE /)' 'by:42 /dev/vda2'
    # With a whole system in it: from the same boot.
    reeve suspend web1
    reeve resume web1
    reeve shutdown web1 --timeout 120
    assert_state web1 halted
    no_guests
    # In order: nothing is left to be done on its file system.
    dd if="$place/debian.raw" of="$place/root.ext4" bs=1M skip=97 conv=sparse status=none
    PATH=$PATH:/sbin:/usr/sbin e2fsck -fn "$place/root.ext4"
}

@test "the same disk by UEFI" {
    echo 'bios = "ovmf"' >>"$place/web1.cfg"
    reeve create "$place/web1.cfg"
    # shellcheck disable=SC2016 # the guest's shell
    log_in 'test -d /sys/firmware/efi && echo by:$((6*7))' 'by:42'
    reeve shutdown web1 --timeout 120
    assert_state web1 absent
    no_guests
}
