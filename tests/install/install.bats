#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From no disk at all to an operating system on it: disks that a start makes.

# shellcheck disable=SC2154 # make_place sets place

load ../e2e/helpers

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

# --- from a CD to the disk ---

# installer NAME LINE ...: a config that has the guest's own CD in hdc and a disk that is yet to be made.
installer()
{
    ln -f "$REEVE_GUEST_DIR/install.iso" "$place/install.iso" 2>/dev/null ||
        cp "$REEVE_GUEST_DIR/install.iso" "$place/install.iso"
    cat >"$place/$1.cfg" <<TEXT
name = "$1"
memory = 256
disk = [ "$1.qcow2,qcow2,xvda,w", "install.iso,raw,hdc:cdrom,r" ]
reeve_disk_create = [ "xvda=1G" ]
reeve_accel = "tcg"
TEXT
    printf '%s\n' "${@:2}" >>"$place/$1.cfg"
}

variables()
{
    echo "$place/state/firmware/$(field "$1" uuid).fd"
}

@test "BIOS: cdrom first writes the disk, and with the drive empty the disk boots" {
    start_daemon qemu
    installer web1 'boot = "dc"'
    reeve new "$place/web1.cfg"
    reeve start web1
    wait_boot web1
    ask web1 boot 'booted from cd by bios'
    ask web1 install 'installed'
    reeve shutdown web1 --timeout 60
    reeve new --replace "$place/web1.cfg" 'disk=["web1.qcow2,qcow2,xvda,w",",raw,hdc:cdrom,r"]'
    local size
    size=$(console_size web1)
    reeve start web1
    wait_boot web1 "$size"
    ask web1 boot 'booted from disk by bios'
    ask web1 cdrom 'cdrom none'
    reeve shutdown web1 --timeout 60
    qemu-img check -q "$place/web1.qcow2"
}

@test "OVMF: an empty disk is passed over for the CD, the next boot is the disk's; its variables are kept" {
    local size before sum
    start_daemon qemu
    installer web1 'boot = "cd"' 'bios = "ovmf"'
    reeve new "$place/web1.cfg"
    [ ! -e "$(variables web1)" ]
    reeve start web1
    wait_boot web1
    [ "$(stat -c '%a %u' "$(variables web1)")" = "600 $(id -u)" ]
    ask web1 boot 'booted from cd by uefi'
    ask web1 install 'installed'
    size=$(console_size web1)
    ask web1 reboot 'rebooting on request'
    wait_boot web1 "$size"
    assert_started_over web1 "$size"
    ask web1 boot 'booted from disk by uefi'
    # Its firmware has written to them, and they are the domain's own.
    sum=$(sha256sum <"$(variables web1)")
    [ "$sum" != "$(sha256sum </usr/share/OVMF/OVMF_VARS_4M.fd)" ]
    # They are part of the saved state: a file that is gone comes back with the guest.
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    sum=$(sha256sum <"$(variables web1)")
    rm "$(variables web1)"
    kill9_daemon
    start_daemon qemu
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
    [ "$(sha256sum <"$(variables web1)")" = "$sum" ]
    size=$(console_size web1)
    reeve reset web1
    wait_boot web1 "$size"
    ask web1 boot 'booted from disk by uefi'
    before=$(variables web1)
    reeve delete --destroy web1
    [ ! -e "$before" ]
}

@test "OVMF: a transient guest's variables go with it; a firmware of one's own, and what is refused" {
    start_daemon qemu
    make_config web1 'bios = "ovmf"' 'memory = 256' 'reeve_machine = "q35"'
    reeve create "$place/web1.cfg"
    wait_count_above web1 0 # its first line stands behind the firmware's last
    ask web1 boot 'booted from kernel by uefi'
    [ -e "$(variables web1)" ]
    reeve shutdown web1 --timeout 60
    [ -z "$(ls -A "$place/state/firmware")" ]
    # A failed start leaves none either, and neither does one that a crash cut.
    refused 1 create "$place/web1.cfg" 'vcpus=512'
    [ -z "$(ls -A "$place/state/firmware")" ]
    # Code and variables in one file, as Xen's are; then the domain has a copy of both.
    cp /usr/share/OVMF/OVMF_CODE_4M.fd "$place/MY_CODE.fd"
    refused 2 create "$place/web1.cfg" 'bios_path_override="MY_CODE.fd"'
    says "bios_path_override: .*$place/MY_VARS.fd"
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$place/MY_VARS.fd"
    chmod 0600 "$place/MY_CODE.fd" "$place/MY_VARS.fd"
    reeve new "$place/web1.cfg" 'bios_path_override="MY_CODE.fd"'
    reeve start -p web1
    reeve destroy web1
    truncate -s 128K "$(variables web1)"
    refused 2 start web1
    says 'was made by another OVMF'
    rm "$(variables web1)"
    reeve new --replace "$place/web1.cfg" "bios_path_override=\"/usr/share/ovmf/OVMF.fd\""
    reeve start -p web1
    [ "$(stat -c %s "$(variables web1)")" = "$(stat -L -c %s /usr/share/ovmf/OVMF.fd)" ]
    reeve delete --destroy web1
    : >"$place/bad_CODE.fd"
    refused 2 create "$place/web1.cfg" 'bios_path_override="bad_CODE.fd"'
    says 'empty'
    head -c 5000 /dev/zero >"$place/bad.fd"
    refused 2 create "$place/web1.cfg" 'bios_path_override="bad.fd"'
    says 'is no firmware for flash'
    refused 9 create "$place/web1.cfg" 'reeve_machine="microvm"'
    says 'has no flash for OVMF'
    [ -z "$(ls -A "$place/state/firmware")" ]
    no_guests
}

@test "without the package ovmf: one line that names it" {
    # A host without it: an empty folder over it, which needs a root's mounts.
    if [ "$(id -u)" -eq 0 ]; then
        mkdir "$place/bin" "$place/small"
        cat >"$place/bin/reeved" <<TEXT
#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$place/small" /usr/share/OVMF; exec "\$0" "\$@"' \
    "$REEVE_BUILD_DIR/reeved" "\$@"
TEXT
        chmod 0755 "$place/bin/reeved"
        PATH=$place/bin:$PATH
        start_daemon qemu
        make_config web1
        refused 9 create "$place/web1.cfg" 'bios="ovmf"'
        says 'no OVMF on this host; install the package ovmf'
    fi
}
