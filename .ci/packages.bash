# SPDX-License-Identifier: MIT
# The Debian packages that reeve needs, and their installation. Sourced by quickstart and check.
# shellcheck shell=bash disable=SC2034 # the arrays are for those who source this

build_packages=(gcc libc6-dev meson ninja-build pkg-config libjansson-dev libuv1-dev libsqlite3-dev
    libxxhash-dev libzstd-dev)
guest_packages=(qemu-system-x86 qemu-utils)
lab_packages=(e2fsprogs fakeroot mmdebstrap qemu-system-x86 uidmap xz-utils)
test_packages=(bats clang clang-format e2fsprogs fdisk grub-efi-amd64-bin jq libclang-rt-14-dev
    libcmocka-dev libxen-dev llvm-14 mmdebstrap mtools ovmf parallel python3 scdoc shellcheck socat
    iproute2 syslinux syslinux-common xorriso)

# missing_packages NAME ...: prints those that are not installed.
missing_packages()
{
    local name
    for name in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
            echo "$name"
        fi
    done
}

# as_root COMMAND ...: runs it as root, by sudo when that is needed.
as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

# apt_install NAME ...: brings apt's lists up to date and installs; bounded where the network hangs.
apt_install()
{
    local wait=(-o DPkg::Lock::Timeout=300 -o Acquire::http::Timeout=30 -o Acquire::Retries=2)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${wait[@]}" -q update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${wait[@]}" -qy \
            --no-install-recommends install "$@"
}
