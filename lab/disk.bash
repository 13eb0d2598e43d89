# SPDX-License-Identifier: MIT
# Makes what the lab boots: in $lab_dir the hypervisor (xen), dom0's kernel unpacked (vmlinux), its
# initrd, its root (disk.img) and the small guest (guest/). Sourced by lab/xen, which has say and die.
# shellcheck shell=bash disable=SC2154 # lab_dir and repository are lab/xen's

# shellcheck source=guest/kernel.bash
source "$repository/guest/kernel.bash"

# dom0's packages: Xen and its device model; the two that --init names; what reeve is linked with; what
# tests and people use.
dom0_packages=(xen-utils-4.17 xen-hypervisor-4.17-amd64 xenstore-utils linux-image-amd64 qemu-system-xen
    busybox-static kmod iproute2 bridge-utils procps
    systemd systemd-sysv dbus openrc
    libjansson4 libuv1 libsqlite3-0 libxxhash0 libzstd1 libxenmisc4.17 libmicrohttpd12
    bats jq less libcmocka0 socat strace)

# What of the kernel's many drivers an emulated machine and a dom0 have a use for.
kept_drivers=(block char/virtio_console.ko char/hw_random md net/dummy.ko net/net_failover.ko
    net/tun.ko net/veth.ko net/virtio_net.ko net/xen-netback virtio watchdog xen)

# What dom0's initrd loads; each after what it depends on.
initrd_modules="crc32c_generic virtio_pci virtio_blk virtio_console ext4 9p 9pnet_virtio xenfs \
xen_evtchn xen_gntdev xen_privcmd"

disk_mib=1536
disk_build_seconds=1200 # mostly the download
disk_files=(xen vmlinux initrd disk.img)

# progress TEXT PID: says every second on a terminal, else every 15, how long it has taken.
progress()
{
    local started=$SECONDS said=0 seconds
    while kill -0 "$2" 2>/dev/null; do
        sleep 0.2
        seconds=$((SECONDS - started))
        if [ -t 2 ]; then
            printf '\rlab/xen: %s ... %d s ' "$1" "$seconds" >&2
        elif [ $((seconds - said)) -ge 15 ]; then
            said=$seconds
            say "$1 ... $seconds s"
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
    say "$1: $((SECONDS - started)) s"
}

# step TEXT COMMAND ...: its output goes into the log; ends the lab when it fails.
step()
{
    local text=$1 pid
    shift
    say "$text ..."
    setpriv --pdeathsig TERM timeout --kill-after=10 "$disk_build_seconds" \
        "$@" >>"$work/log" 2>&1 </dev/null &
    pid=$!
    progress "$text" "$pid"
    if ! wait "$pid"; then
        tail -n 15 "$work/log" | sed 's/^/  | /' >&2
        die "$text failed"
    fi
}

need_programs()
{
    local program package
    while read -r program package; do
        command -v "$program" >/dev/null ||
            die "$program is missing; install the package $package"
    done <<TEXT
mmdebstrap mmdebstrap
mke2fs e2fsprogs
qemu-system-x86_64 qemu-system-x86
fakeroot fakeroot
setpriv util-linux
xz xz-utils
TEXT
    [ "$(dpkg --print-architecture)" = amd64 ] || die "the lab is for amd64 only"
}

# Without root mmdebstrap works in a user namespace of its own.
need_rights()
{
    [ "$(id -u)" -ne 0 ] || return 0
    unshare --user --map-auto true 2>/dev/null ||
        die "without root the dom0 disk needs user namespaces and a range for $(id -un) in" \
            "/etc/subuid and /etc/subgid (package uidmap); or run \`lab/xen build\` once as root"
}

# dpkg_filters: one option a line; a later one wins.
dpkg_filters()
{
    local path
    for path in '/usr/share/man/*' '/usr/share/doc/*' '/usr/share/info/*' '/usr/share/locale/*' \
        '/lib/modules/*/kernel/drivers/*' '/lib/modules/*/kernel/sound/*'; do
        echo "--dpkgopt=path-exclude=$path"
    done
    for path in "${kept_drivers[@]}"; do
        echo "--dpkgopt=path-include=/lib/modules/*/kernel/drivers/$path"
        [ "${path%.ko}" != "$path" ] ||
            echo "--dpkgopt=path-include=/lib/modules/*/kernel/drivers/$path/*"
    done
}

fetch_root()
{
    local filters packages
    mapfile -t filters < <(dpkg_filters)
    packages=$(IFS=, && echo "${dom0_packages[*]}")
    # INITRD: the kernel's own initrd would cost a minute and is not used.
    step "fetching Debian packages for dom0" env INITRD=No mmdebstrap --variant=minbase \
        --format=tar "${filters[@]}" --include="$packages" bookworm "$work/root.tar"
}

# load_order MODULES.DEP: the paths of $initrd_modules and of what they need, each after its own.
load_order()
{
    awk -v wanted="$initrd_modules" '
        function load(path, list, i) {
            if (seen[path]++) return
            for (i = split(needs[path], list, " "); i > 0; i--) load(list[i])
            print path
        }
        {
            path = $1; sub(/:$/, "", path); $1 = ""; needs[path] = $0
            name = path; sub(/.*\//, "", name); sub(/\.ko$/, "", name); gsub("-", "_", name)
            place[name] = path
        }
        END {
            for (i = 1; i <= split(wanted, names, " "); i++)
                if (names[i] in place) load(place[names[i]])
        }' "$1"
}

make_initrd()
{
    local top=$work/initrd-root modules path number=100
    modules=$(dirname "$work"/root/lib/modules/*/modules.dep)
    mkdir -p "$top"/{bin,dev,modules,proc,root}
    cp "$work/root/bin/busybox" "$top/bin/"
    install -m 0755 "$repository/lab/dom0/initrd-init" "$top/init"
    while read -r path; do
        cp "$modules/$path" "$top/modules/$number-${path##*/}"
        number=$((number + 1))
    done < <(load_order "$modules/modules.dep")
    (cd "$top" && find . | bin/busybox cpio -o -H newc -R 0:0) >"$work/initrd"
}

# make_root FOLDER MIB: one command, so that one fakeroot sees the owners that the archive names.
make_root()
{
    mkdir "$1/root" &&
        tar -C "$1/root" -xf "$1/root.tar" --exclude='./dev/*' &&
        rm -f "$1"/root/boot/initrd* "$1/root.tar" &&
        mkdir -p "$1"/root/{build,guest,lab/in,lab/out,reeve} &&
        mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$1/root" "$1/disk.img" "$2M"
}

make_disk()
{
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(fakeroot --)
    export -f make_root
    # shellcheck disable=SC2016 # the inner shell's arguments
    step "making dom0's disk" "${as_root[@]}" bash -c 'make_root "$@"' make_root "$work" "$disk_mib"
    gunzip -c "$work"/root/boot/xen-4.17-amd64.gz >"$work/xen" ||
        die "Debian's hypervisor is not where it was"
    # Xen would take long to unpack it under emulation.
    unpack_kernel "$(echo "$work"/root/boot/vmlinuz-*)" xz -dc >"$work/vmlinux" ||
        die "cannot unpack dom0's kernel: not compressed with xz?"
    make_initrd
}

# What the disk depends on: if it changes, the disk is made anew.
disk_inputs()
{
    cat "$repository"/{lab/disk.bash,lab/dom0/initrd-init,guest/kernel.bash} | sha256sum
}

disk_fresh()
{
    local file
    for file in "${disk_files[@]}"; do
        [ -s "$lab_dir/$file" ] || return 1
    done
    [ "$(cat "$lab_dir/inputs" 2>/dev/null)" = "$(disk_inputs)" ]
}

keep_disk()
{
    local file
    rm -f "$lab_dir/inputs"
    for file in "${disk_files[@]}"; do
        mv "$work/$file" "$lab_dir/$file"
    done
    disk_inputs >"$lab_dir/inputs"
}

build_disk()
{
    need_rights
    work=$(mktemp -d "$lab_dir/.work.XXXXXX")
    fetch_root
    make_disk
    keep_disk
    rm -rf "$work"
}

# build_lab: what is there and still fits is kept. Two builds into one folder wait for each other.
build_lab()
{
    need_programs
    mkdir -p "$lab_dir"
    exec 9>"$lab_dir/.lock"
    flock -w "$disk_build_seconds" 9 || die "another build of $lab_dir has not ended"
    rm -rf "$lab_dir"/.work.*
    "$repository/guest/build" --unpacked "$lab_dir/guest" >&2 || die "the small guest cannot be made"
    disk_fresh || build_disk
    exec 9>&-
}
