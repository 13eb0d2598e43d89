#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debian's own installer, as the package debian-installer-12-netboot-amd64 ships it (132 MB), to its first
# question on the console.

# shellcheck disable=SC2154 # make_place sets place

load ../e2e/helpers

package=debian-installer-12-netboot-amd64

setup()
{
    make_place
}

teardown()
{
    clear_place
}

# fetch: the installer's kernel and initrd, once, beside the small guest.
fetch()
{
    local kept=$REEVE_GUEST_DIR/installer work=$place/work options=()
    [ -s "$kept/initrd.gz" ] && return
    mkdir -p "$work"
    # As root apt drops its rights for the download, and then cannot write here.
    [ "$(id -u)" -ne 0 ] || options=(-o APT::Sandbox::User=root)
    (cd "$work" && timeout 600 apt-get "${options[@]}" -qq download "$package")
    dpkg-deb -x "$work/$package"_*.deb "$work/root"
    mv "$work/root/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64" "$work/new"
    rm -rf "$kept"
    mv "$work/new" "$kept"
}

asks()
{
    console_since web1 0 | grep -qF 'Choose the language to be used for the installation'
}

@test "Debian's installer asks its first question on the console, with a new disk" {
    fetch
    cp "$REEVE_GUEST_DIR/installer/linux" "$REEVE_GUEST_DIR/installer/initrd.gz" "$place/"
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
memory = 1024
kernel = "linux"
ramdisk = "initrd.gz"
extra = "console=ttyS0 DEBIAN_FRONTEND=text"
disk = [ "web1.qcow2,qcow2,xvda,w" ]
reeve_disk_create = [ "xvda=4G" ]
vif = [ "" ]
on_reboot = "destroy"
reeve_accel = "tcg"
TEXT
    start_daemon qemu
    reeve create "$place/web1.cfg"
    wait_for 600 asks
    reeve destroy web1
    qemu-img check -q "$place/web1.qcow2"
}
