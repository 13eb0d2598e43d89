#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From no disk at all to an operating system on it: disks that a start makes.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
}

teardown()
{
    [ ! -d "$place/small" ] || ! mountpoint -q "$place/small" || umount "$place/small"
    clear_place
}

# holds_only FILE ...: nothing else is in the folder of the disks.
holds_only()
{
    [ "$(ls -A "$place/disks")" = "$(printf '%s\n' "$@" | LC_ALL=C sort)" ]
}

@test "missing disks are made by the first start, whole, private, and never again" {
    mkdir "$place/disks"
    start_daemon qemu
    make_config web1 'disk = [ "disks/a.qcow2,qcow2,vda,w", "disks/b.raw,raw,vdb,w" ]' \
        'reeve_disk_create = [ "vda=20G", "vdb=300" ]'
    reeve new "$place/web1.cfg"
    holds_only ''
    reeve start web1
    wait_boot web1
    holds_only a.qcow2 b.raw
    [ "$(stat -c '%a %s' "$place/disks/b.raw")" = "600 $((300 << 20))" ]
    [ "$(stat -c '%a %u' "$place/disks/a.qcow2")" = "600 $(id -u)" ]
    [ "$(stat -c %b "$place/disks/b.raw")" -lt 1000 ]
    ask web1 disk 'disk vda 21474836480 bytes rw, text .*'
    ask web1 'disk kept for good' "disk vda [0-9]* bytes rw, text 'kept for good'"
    # A saved guest's disk that is gone is not replaced by an empty one.
    reeve suspend web1
    mv "$place/disks/b.raw" "$place/b.away"
    refused 4 resume web1
    says 'b\.raw'
    holds_only a.qcow2
    mv "$place/b.away" "$place/disks/b.raw"
    reeve resume web1
    reeve destroy web1
    qemu-img check -q "$place/disks/a.qcow2"
    # The next start uses what is there, and makes what is not.
    rm "$place/disks/b.raw"
    local size
    size=$(console_size web1)
    reeve start web1
    wait_boot web1 "$size"
    ask web1 disk "disk vda 21474836480 bytes rw, text 'kept for good'"
    holds_only a.qcow2 b.raw
}

@test "disks are made with the rights of who gave the config" {
    mkdir "$place/disks" "$place/theirs"
    chmod 0711 "$place" "$place/run"
    if [ "$(id -u)" -eq 0 ]; then
        echo 'roles = [ "nobody=admin" ]' >>"$place/reeve.conf"
        chown nobody "$place/theirs"
    fi
    start_daemon qemu
    make_config web1 'disk = [ "theirs/a.raw,raw,vda,w" ]' 'reeve_disk_create = "vda=1M"'
    if [ "$(id -u)" -eq 0 ]; then
        chmod 0666 "$place/run/reeve.sock"
        local as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
        "${as[@]}" "$(command -v reeve)" create -p "$place/web1.cfg"
        [ "$(stat -c %U "$place/theirs/a.raw")" = nobody ]
        # Their folder, not ours.
        run "${as[@]}" "$(command -v reeve)" create -p "$place/web1.cfg" \
            'name="web2"' 'disk=["disks/a.raw,raw,vda,w"]'
        [ "$status" -eq 2 ]
        [[ "$output" == *"cannot make $place/disks/a.raw"*"Permission denied"* ]]
    else
        reeve create -p "$place/web1.cfg"
        chmod 0555 "$place/disks"
        refused 2 create -p "$place/web1.cfg" 'name="web2"' 'disk=["disks/a.raw,raw,vda,w"]'
        says "cannot make $place/disks/a.raw.*Permission denied"
    fi
    holds_only ''
    [ "$(stat -c '%a %s' "$place/theirs/a.raw")" = '600 1048576' ]
}

@test "a disk that cannot be made: one line, and nothing is there afterwards" {
    mkdir "$place/disks" "$place/small"
    start_daemon qemu
    make_config web1 'reeve_disk_create = [ "vda=1G" ]'
    refused 2 create "$place/web1.cfg" 'disk=["no/such/a.raw,raw,vda,w"]'
    says "reeve_disk_create: cannot make $place/no/such/a.raw: the folder .* No such file"
    ln -s nowhere "$place/disks/link"
    refused 2 new "$place/web1.cfg" 'disk=["disks/link,raw,vda,w"]'
    says 'leads to no file'
    rm "$place/disks/link"
    refused 2 create "$place/web1.cfg" 'disk=["/dev/reeve-none,raw,vda,w"]'
    says 'devices are not made'
    local device
    device=$(find /dev -type b -print -quit)
    if [ -z "$device" ]; then
        device=$place/device
        mknod "$device" b 7 0
    fi
    refused 2 create "$place/web1.cfg" "disk=[\"$device,raw,vda,w\"]"
    says 'is a block device'
    # Of two disks the second cannot be made: neither is.
    refused 2 create "$place/web1.cfg" 'reeve_disk_create=["vda=1G","vdb=1G"]' \
        'disk=["disks/a.raw,raw,vda,w","none/b.raw,raw,vdb,w"]'
    holds_only ''
    # A full file system of one's own needs root.
    if [ "$(id -u)" -eq 0 ]; then
        mount -t tmpfs -o size=1200k tmpfs "$place/small"
        head -c 600K /dev/zero >"$place/small/ballast"
        refused 1 create "$place/web1.cfg" 'disk=["small/a.qcow2,qcow2,vda,w"]'
        says "cannot make $place/small/a.qcow2: its file system is full"
        [ "$(ls -A "$place/small")" = ballast ]
    fi
    assert_state web1 absent
}
