#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The machines and devices of the QEMU driver, as the guest sees them.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon qemu
}

teardown()
{
    clear_place
}

# whole_life: web1, on the machine of its config, through what depends on the machine.
whole_life()
{
    local before size
    run_guest web1 managed
    ask web1 cpus 'cpus 1'
    reeve pause web1
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    kill9_daemon
    start_daemon qemu
    reeve resume web1
    assert_state web1 paused
    reeve unpause web1
    assert_goes_on web1 "$before" "$size"
    size=$(console_size web1)
    reeve reboot web1 --timeout 60
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    said web1 "$size" 'powering off in order'
    size=$(console_size web1)
    reeve shutdown web1 --timeout 60
    assert_state web1 halted
    said web1 "$size" 'powering off in order'
    no_guests
}

@test "a whole life on q35, with two CPUs" {
    make_config web1 'reeve_machine = "q35"' 'vcpus = 2' 'memory = 128'
    run_guest web1
    ask web1 cpus 'cpus 2'
    reeve destroy web1
    make_config web1 'reeve_machine = "q35"'
    rm "$(console_file web1)"
    whole_life
}

@test "a whole life on microvm, and a panic is seen there" {
    make_config web1 'reeve_machine = "microvm"' 'on_crash = "preserve"'
    whole_life
    reeve start web1
    wait_count_above web1 0 "$(console_size web1)"
    ask web1 crash 'crashing on request'
    wait_for 30 is_state web1 crashed
}

@test "a whole life on pc, booted from a raw disk, which keeps what was written" {
    cp "$REEVE_GUEST_DIR/disk.raw" "$place/disk.raw"
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
memory = 96
disk = [ "disk.raw,raw,xvda,w" ]
reeve_accel = "tcg"
TEXT
    whole_life
    reeve start web1
    wait_count_above web1 0 "$(console_size web1)"
    ask web1 'disk written by the guest' "disk vda [0-9]* bytes rw, text 'written by the guest'"
    reeve destroy web1
    [ "$(tail -c 512 "$place/disk.raw" | tr -d ' ')" = writtenbytheguest ]
}

@test "a qcow2 disk boots; a second, read-only one stays as it is" {
    qemu-img convert -q -f raw -O qcow2 "$REEVE_GUEST_DIR/disk.raw" "$place/boot.qcow2"
    truncate -s 1M "$place/data.raw"
    printf '%-512s' 'not to be written' |
        dd of="$place/data.raw" bs=512 seek=2047 conv=notrunc status=none
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
memory = 96
disk = [ "boot.qcow2,qcow2,vda,w", "format=raw, vdev=vdb, access=r, target=data.raw" ]
reeve_accel = "tcg"
TEXT
    local before size
    run_guest web1 managed
    ask web1 disk "disk vdb 1048576 bytes ro, text 'not to be written'"
    ask web1 'disk kept in qcow2' "disk vda [0-9]* bytes rw, text 'kept in qcow2'"
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
    reeve shutdown web1 --timeout 60
    qemu-img check -q "$place/boot.qcow2"
    qemu-img convert -q -f qcow2 -O raw "$place/boot.qcow2" "$place/after.raw"
    [ "$(tail -c 512 "$place/after.raw" | tr -d ' ')" = keptinqcow2 ]
}

@test "disks that changed since suspend refuse resume, and nothing runs" {
    truncate -s 1M "$place/data.raw"
    make_config web1 'disk = [ "data.raw,raw,vda,w" ]'
    run_guest web1 managed
    reeve suspend web1
    printf 'changed' | dd of="$place/data.raw" conv=notrunc status=none
    refused 4 resume web1
    says 'data.raw'
    assert_state web1 suspended
    no_guests
    reeve resume --force web1
    assert_state web1 running
}

@test "a cdrom on IDE and on SCSI" {
    # What the guest shows is the volume's label, of which the place in the image is fixed.
    truncate -s 512K "$place/cd.iso"
    printf 'REEVE_CD                        ' |
        dd of="$place/cd.iso" bs=1 seek=32808 conv=notrunc status=none
    make_config ide 'disk = [ "cd.iso,raw,hdc:cdrom,r" ]'
    make_config scsi 'reeve_machine = "q35"' \
        'disk = [ "format=raw, vdev=sda, access=r, devtype=cdrom, target=cd.iso" ]'
    run_guest ide
    ask ide cdrom "cdrom 524288 bytes, label 'REEVE_CD'"
    reeve destroy ide
    run_guest scsi
    ask scsi cdrom "cdrom 524288 bytes, label 'REEVE_CD'"
}

@test "a user network: the MAC of the config, the gateway answers, also on microvm" {
    make_config web1 'vif = [ "mac=52:54:00:12:34:56" ]'
    run_guest web1
    ask web1 net 'net gateway answers'
    [ "$(answer web1 'net eth0 \(.*\)')" = 52:54:00:12:34:56 ]
    reeve destroy web1
    make_config micro 'reeve_machine = "microvm"' 'vif = [ "" ]'
    run_guest micro managed
    ask micro net 'net gateway answers'
    local mac
    mac=$(answer micro 'net eth0 \(.*\)')
    reeve destroy micro
    # A MAC that was drawn is drawn once.
    local size
    size=$(console_size micro)
    reeve start micro
    wait_boot micro "$size"
    ask micro net 'net gateway answers'
    [ "$(answer micro 'net eth0 \(.*\)')" = "$mac" ]
}

@test "vnc = 1: a VNC server answers on a socket for the owner alone" {
    make_config web1 'vnc = 1'
    run_guest web1
    local socket
    socket=$(field web1 vnc)
    [ -S "$socket" ]
    # QEMU gives its greeting to whoever connects.
    python3 - "$socket" <<'TEXT'
import socket, sys
vnc = socket.socket(socket.AF_UNIX)
vnc.settimeout(20)
vnc.connect(sys.argv[1])
assert vnc.recv(12).startswith(b"RFB 003."), "no VNC server"
TEXT
}

@test "the console's log is bounded, however much the guest prints" {
    make_config web1
    run_guest web1
    timeout 660 reeve console web1 <<<'flood 3000' >/dev/null 2>&1 3>&- 4>&- &
    local pid=$! size
    wait_for 600 said web1 0 flooded
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    size=$(du -cb "$place/state/console"/* | tail -n 1 | cut -f 1)
    echo "all logs: $size bytes"
    [ "$size" -le $((2 * 1024 * 1024)) ]
    [ "$(stat -c %a "$(console_file web1)")" = 600 ]
    wait_count_above web1 0 "$(console_size web1)"
}

@test "serial to a file, beside the console" {
    make_config web1 'serial = [ "pty", "file:second.log" ]'
    run_guest web1
    [ -f "$place/second.log" ]
}

@test "reeve_disk_create: a start makes disks that are missing, and the guest has them in their sizes" {
    make_config web1 "disk = ['$place/a.img,raw,xvda,w', '$place/b.qcow2,qcow2,xvdb,w']" \
        "reeve_disk_create = ['xvda=8', 'xvdb=16']"
    run_guest web1 managed
    [ "$(stat -c %s "$place/a.img")" -eq $((8 * 1024 * 1024)) ]
    ask web1 disk "disk vda $((8 * 1024 * 1024)) bytes rw, .*"
    wait_for 30 said web1 0 "disk vdb $((16 * 1024 * 1024)) bytes rw, .*"
    reeve destroy web1
    # One that is there is left as it is.
    printf 'here' | dd of="$place/a.img" conv=notrunc status=none
    reeve start web1
    wait_boot web1
    [ "$(head -c 4 "$place/a.img")" = here ]
}
