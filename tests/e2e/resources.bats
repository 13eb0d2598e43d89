#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a domain has comes and goes while it lives, and the stored config with it; the guest itself says
# what it sees.

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
    [ -z "${bridge:-}" ] || ip link delete "$bridge" 2>/dev/null || true
}

# stored NAME LINE: the stored config has that line, blanks apart.
stored()
{
    if ! field "$1" config | tr -d ' ' | grep -qxF -- "$2"; then
        field "$1" config >&2
        return 1
    fi
}

# vcpus_are, counters_are FILTER, shows TEXT: what vcpu-list and show tell of web1. What QEMU has not answered
# in a moment they leave out, so they are for wait_for.
vcpus_are()
{
    reeve vcpu-list web1 --format json | jq -e "$1" >/dev/null
}

counters_are()
{
    field web1 counters | jq -e "$1" >/dev/null
}

shows()
{
    reeve show web1 | grep -qF -- "$1"
}

# guest_mib NAME: the memory that the guest says it has.
guest_mib()
{
    ask "$1" mem 'mem [0-9]* KiB'
    echo $(($(answer "$1" 'mem \([0-9]*\) KiB') / 1024))
}

@test "memory and vcpus change in the guest and in the stored config, or at the next boot alone" {
    local before
    make_config web1 '# kept' 'maxvcpus = 4' 'memory = 128' 'maxmem = 160'
    run_guest web1 managed
    before=$(guest_mib web1)

    reeve mem-set web1 96 | grep -qF 'set the memory of web1 to 96 MiB; its guest has'
    [ "$(guest_mib web1)" -le $((before - 28)) ]
    [ "$(field web1 memory_kib)" = 98304 ]
    stored web1 memory=96
    field web1 config | grep -qxF '# kept'
    reeve mem-set web1 163840k --format json |
        jq -e '.reached_kib > 162200 and .domain.memory_kib == 163840 and .job.outcome == "done"' # within 1 %
    [ "$(guest_mib web1)" -ge $((before + 24)) ]
    refused 2 mem-set web1 161
    says 'mem-max'
    refused 2 mem-set web1 lots
    refused 2 mem-set web1 0
    refused 2 mem-max web1 96
    says 'mem-set lowers'
    reeve mem-set web1 128

    reeve vcpu-set web1 2
    ask web1 cpus 'cpus 2'
    stored web1 vcpus=2
    wait_for 30 vcpus_are '[.vcpus[] | .online] == [true, true, false, false]'
    reeve vcpu-list --format csv | head -n 1 | grep -qx 'name,id,vcpu,cpu,state,time,affinity'
    reeve vcpu-pin web1 1 0
    wait_for 30 vcpus_are '.vcpus[1].affinity == "0"'
    refused 2 vcpu-pin web1 3 0
    refused 2 vcpu-pin web1 0 9-x
    refused 2 vcpu-set web1 5
    says 'maxvcpus'
    # Under TCG QEMU cannot take a CPU out again.
    refused 9 vcpu-set web1 1
    [ "$(field web1 vcpus)" = 2 ]
    stored web1 vcpus=2

    # What waits for the next boot is in no image of this one.
    reeve vcpu-set web1 3 --next-boot | grep -qF 'it acts at the next boot'
    reeve mem-set web1 112 --next-boot
    reeve mem-max web1 200
    stored web1 vcpus=3
    [ "$(field web1 vcpus)" = 2 ]
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    refused 4 mem-set web1 96
    says 'resume'
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
    ask web1 cpus 'cpus 2'
    [ "$(field web1 memory_kib)" = 131072 ]
    kill9_daemon
    start_daemon qemu
    size=$(console_size web1)
    reeve reboot web1 | grep -qF 'with the config that waited for it'
    wait_boot web1 "$size"
    ask web1 cpus 'cpus 3'
    [ "$(field web1 memory_kib)" = 114688 ]
    [ "$(field web1 max_memory_kib)" = 204800 ]

    reeve destroy web1
    reeve mem-set web1 64 | grep -qF 'start boots it so'
    [ "$(field web1 memory_kib)" = 65536 ]
    [ "$(field web1 max_memory_kib)" = 204800 ]
    refused 4 vcpu-pin web1 0 0
}

@test "a guest that gives nothing up keeps all it had, and so does the stored config" {
    truncate -s 1M "$place/a.img"
    make_config web1 'cmdline = "console=ttyS0 quiet no_timer_check cryptomgr.notests acpi=off rdinit=/bin/sleep -- 600"' \
        "disk = [ '$place/a.img,raw,xvda,w' ] # the only one" 'vif = [ "" ]'
    reeve new "$place/web1.cfg"
    reeve start web1
    refused 5 mem-set web1 48 --timeout 2
    says 'it has its 96 MiB again, and nothing is stored'
    [ "$(field web1 memory_kib)" = 98304 ]
    refused 5 block-detach web1 xvda --timeout 2
    says 'the device is still there, and in the stored config'
    reeve block-list web1 --format json |
        jq -e '.disks | length == 1 and .[0].now and .[0].next_boot'
    refused 5 network-detach web1 0 --timeout 1
    reeve network-list web1 --format json | jq -e '.vifs | length == 1 and .[0].now'
    # What was asked for stands in no config.
    [ "$(field web1 config)" = "$(cat "$place/web1.cfg")" ]
    settled web1
    reeve destroy web1
}

# sees NAME LINE ANSWER: the guest is asked until it says so: a device takes a moment to be known to it.
sees()
{
    local try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        ask "$1" "$2" 'disk .*\|net .*'
        ! said "$1" "$marked" "$3" || return 0
        echo "try $try: not $3" >&2
    done
    return 1
}

# mark NAME: sees looks at what is said from here on.
mark()
{
    marked=$(console_size "$1")
}

# not_in_guest FILE: no QEMU process of this place has it open.
not_in_guest()
{
    if in_guest "$1"; then
        echo "$1 is open still" >&2
        return 1
    fi
}

# in_guest FILE: a QEMU process of this place has it open.
in_guest()
{
    local pid
    for pid in $(guest_pids); do
        [ -z "$(find "/proc/$pid/fd" -lname "$1" -print -quit)" ] || return 0
    done
    return 1
}

@test "a disk and a network interface come and go: guest, stored config and lists agree" {
    local mac size before
    truncate -s 3M "$place/b.img" && truncate -s 1M "$place/c.img"
    make_config web1 '# kept'
    run_guest web1 managed
    cd "$place"

    reeve block-attach web1 b.img raw xvdb | grep -qF 'attached disk xvdb to web1'
    mark web1
    sees web1 disk 'disk vda 3145728 bytes rw, .*'
    stored web1 "disk=[\"vdev=xvdb,format=raw,access=rw,target=$place/b.img\"]"
    field web1 config | grep -qxF '# kept'
    wait_for 30 counters_are '.disks[0].vdev == "xvdb" and .disks[0].read_ops > 0 and .balloon_kib == 98304'
    wait_for 30 shows 'disk xvdb read_bytes='
    refused 4 block-attach web1 b.img,raw,xvdb
    refused 2 block-attach web1 b.img,raw,xvdz9
    refused 2 block-attach web1 no-such.img,raw,xvdc
    reeve network-attach web1 --format json >out.json
    mac=$(jq -r .mac out.json)
    mark web1
    sees web1 net 'net gateway answers'
    said web1 0 "net eth0 $mac"
    reeve network-list web1 --format json |
        jq -e --arg mac "$mac" '.vifs == [{"domain": "web1", "index": 0, "now": true,
            "next_boot": true, "mac": $mac, "bridge": null, "model": "virtio"}]'

    # They are in its image, and outlive the daemon.
    reeve suspend web1
    before=$(guest_count web1)
    size=$(console_size web1)
    refused 4 block-detach web1 xvdb
    says 'resume'
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
    kill9_daemon
    start_daemon qemu
    ask web1 'disk kept' "disk vda 3145728 bytes rw, text 'kept'"
    in_guest "$place/b.img"

    # For the next boot alone: not in the guest, and not in the way of what is.
    reeve block-attach web1 --next-boot c.img,raw,xvdc,ro
    reeve block-list web1 --format json |
        jq -e '[.disks[] | [.vdev, .now, .next_boot]] ==
            [["xvdb", true, true], ["xvdc", false, true]]'
    mark web1
    sees web1 disk 'disk vda 3145728 bytes rw, .*'
    not_said web1 "$marked" 'disk vdb .*'
    reeve block-detach web1 xvdb | grep -qF 'detached disk xvdb from web1'
    mark web1
    sees web1 disk 'disk none'
    not_in_guest "$place/b.img"
    reeve network-detach web1 0
    mark web1
    sees web1 net 'net none'
    refused 2 network-detach web1 "$mac"
    refused 2 block-detach web1 xvdb
    reeve block-list web1 --format csv | tail -n +2 | grep -qx "web1,xvdc,ro,raw,no,yes,$place/c.img"
    size=$(console_size web1)
    reeve reboot web1
    wait_boot web1 "$size"
    mark web1
    sees web1 disk 'disk vda 1048576 bytes ro, .*'

    # Without a guest it is stored.
    reeve destroy web1
    reeve block-detach web1 xvdc | grep -qF 'start boots it so'
    reeve network-attach web1 mac=00:16:3e:00:00:07 model=e1000
    reeve network-list web1 --format json | jq -e '.vifs | length == 1 and (.[0].now | not)'
    reeve network-detach web1 00:16:3E:00:00:07
    stored web1 'disk=[]'
    stored web1 'vif=[]'
}

# iso NAME LABEL: a disc that the guest tells by its label.
iso()
{
    truncate -s 64K "$place/$1"
    printf '%-32s' "$2" | dd of="$place/$1" bs=1 seek=32808 conv=notrunc status=none
}

# sees_disc NAME LABEL: the first read after a change may tell the guest of the change alone.
sees_disc()
{
    local try
    for try in 1 2 3; do
        ask "$1" cdrom 'cdrom .*'
        [ "$(answer "$1" "cdrom [0-9]* bytes, label '\(.*\)'")" != "$2" ] || return 0
        echo "try $try" >&2
    done
    return 1
}

@test "the guest sees the disc change, and the stored config has the one that is in" {
    local size
    iso one.iso ONE && iso two.iso TWO
    make_config web1 "disk = [ '$place/one.iso,raw,hdc,cdrom' ] # the drive"
    run_guest web1 managed
    cd "$place"
    sees_disc web1 ONE
    reeve cd-insert web1 hdc two.iso
    sees_disc web1 TWO
    not_in_guest "$place/one.iso"
    field web1 config | grep -qF "target=$place/two.iso\" ] # the drive"
    refused 2 cd-insert web1 hdc no-such.iso
    refused 2 cd-insert web1 hdd two.iso
    says 'no cdrom drive hdd'
    sees_disc web1 TWO
    reeve cd-eject web1 hdc
    ask web1 cdrom 'cdrom none'
    not_in_guest "$place/two.iso"
    reeve block-list web1 --format json | jq -e '.disks[0] | .target == null and .cdrom'
    reeve cd-insert web1 hdc phy:one.iso --next-boot
    ask web1 cdrom 'cdrom none'
    size=$(console_size web1)
    reeve reboot web1
    wait_boot web1 "$size"
    sees_disc web1 ONE
}

@test "a core is a core, keys and events reach the guest, and a screen has an address" {
    local core size
    make_config web1 'vnc = 1' 'cmdline = "console=ttyS0 quiet no_timer_check cryptomgr.notests sysrq_always_enabled"'
    run_guest web1 managed
    cd "$place"

    reeve dump-core web1 mine.core | grep -qF "dumped the core of web1 to $place/mine.core"
    [ "$(head -c 4 mine.core | tail -c 3)" = ELF ]
    [ "$(stat -c '%a %s' mine.core | cut -d ' ' -f 1)" = 600 ]
    [ "$(stat -c %s mine.core)" -gt $((96 << 20)) ]
    refused 4 dump-core web1 mine.core
    refused 1 dump-core web1 no-such-folder/x.core
    core=$(reeve dump-core web1 --format json | jq -r .file)
    [ "$(dirname "$core")" = "$place/state/cores" ]
    [ "$(head -c 4 "$core" | tail -c 3)" = ELF ]
    size=$(console_size web1)
    wait_count_above web1 0 "$size"
    [ -z "$(find "$place" -name '*.part' -o -name '*.incomplete')" ]

    size=$(console_size web1)
    reeve sysrq web1 h
    wait_for 60 grep_console web1 "$size" 'sysrq: HELP'
    refused 2 sysrq web1 hh
    reeve pause web1
    refused 4 sysrq web1 h
    says 'unpause'
    reeve unpause web1
    refused 2 trigger web1 explode
    refused 9 trigger web1 sleep
    says 'nmi, power, reset'
    size=$(console_size web1)
    reeve trigger web1 nmi
    wait_for 60 grep_console web1 "$size" 'NMI'
    assert_state web1 running

    # A viewer, if there is one: here one that says what it was given.
    mkdir bin && printf '#!/bin/sh\necho "$@"\n' >bin/remote-viewer && chmod +x bin/remote-viewer
    [ "$(PATH=$place/bin:$PATH reeve vncviewer web1)" = "vnc+unix://$(field web1 vnc)" ]
    status=0
    PATH=$place/bin/none "$REEVE_BUILD_DIR/reeve" vncviewer web1 2>"$place/err" || status=$?
    [ "$status" -eq 9 ]
    says "socat TCP-LISTEN:5900,bind=127.0.0.1 UNIX-CONNECT:$place/run"

    size=$(console_size web1)
    reeve trigger web1 power
    wait_for 60 said web1 "$size" 'powering off in order'
    wait_for 60 is_state web1 halted
    refused 4 dump-core web1
    refused 4 trigger web1 nmi
    refused 4 vncviewer web1
    says 'start boots it'
}

grep_console()
{
    console_since "$1" "$2" | grep -q "$3"
}

# ports: the interfaces of this test's bridge.
ports()
{
    ls "/sys/class/net/$bridge/brif"
}

no_ports()
{
    [ -z "$(ports)" ]
}

@test "a port of a bridge is made by the daemon alone, and goes with its guest, also after kill -9" {
    local pid
    [ "$(id -u)" -eq 0 ] # who else could make a bridge
    bridge=rb$$
    ip link add "$bridge" type bridge
    ip link set "$bridge" up
    make_config web1 "vif = [ 'bridge=$bridge,mac=00:16:3e:00:00:05' ]"
    run_guest web1 managed
    [ "$(ports | wc -l)" -eq 1 ]
    # QEMU got a descriptor and no right to make another.
    pid=$(guest_pids)
    [ "$(stat -c %u "/proc/$pid")" -ne 0 ]
    grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status"
    ask web1 net 'net gateway silent' # it has sent into the bridge
    reeve network-attach web1 bridge="$bridge" mac=00:16:3e:00:00:06
    [ "$(ports | wc -l)" -eq 2 ]
    refused 2 network-attach web1 bridge=no-such-bridge
    says 'there is no bridge no-such-bridge'
    reeve network-list web1 --format json | jq -e '.vifs | length == 2'
    reeve network-detach web1 00:16:3e:00:00:06
    [ "$(ports | wc -l)" -eq 1 ]

    kill9_daemon
    [ "$(ports | wc -l)" -eq 1 ]
    kill9_guests
    wait_for 10 no_ports
    start_daemon qemu
    wait_for 30 is_state web1 halted
    reeve start web1
    [ "$(ports | wc -l)" -eq 1 ]
    reeve destroy web1
    no_ports
    ip link delete "$bridge"
}

# behind COMMAND ...: QMP commands to web1's QEMU, past the daemon.
behind()
{
    local socket
    socket=$(find "$place" -name qmp.sock)
    { printf '{"execute":"qmp_capabilities"}\n'; printf '%s\n' "$@"; } |
        socat -t 5 - "UNIX:$socket" >"$place/behind.out"
    ! grep -q '"error"' "$place/behind.out"
}

found()
{
    reeve doctor | grep -qF -- "$1"
}

@test "doctor tells where a guest's devices are not those of its config" {
    truncate -s 1M "$place/b.img"
    make_config web1 "disk = ['$place/b.img,raw,xvdb,w']" "vif = ['mac=00:16:3e:00:00:07']"
    run_guest web1 managed
    nothing_found
    behind '{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"x","size":1048576}}' \
        '{"execute":"device_add","arguments":{"driver":"virtio-blk-pci","id":"intruder","drive":"x"}}' \
        '{"execute":"device_del","arguments":{"id":"nic-00163e000007"}}'
    wait_for 60 found 'web1 lacks the network interface 00:16:3e:00:00:07 of its config; shutdown and start'
    run reeve doctor
    [ "$status" -eq 1 ]
    found 'web1 has a disk intruder that is not in its config; shutdown and start'
    # What waits for the next boot is no drift.
    reeve destroy web1
    reeve start web1
    reeve config set web1 --next-boot vif=[]
    nothing_found
}

@test "a plain user's reeved gets a port of a bridge by qemu-bridge-helper, where bridge.conf allows it" {
    local made=
    [ "$(id -u)" -eq 0 ] # who else could make a bridge
    make_config web1
    [ -d /etc/qemu ] || made=yes
    mkdir -p /etc/qemu # for the namespace to mount on
    run unshare -mn "$BATS_TEST_DIRNAME/bridge-helper" "$place" "$REEVE_BUILD_DIR"
    [ -z "$made" ] || rmdir /etc/qemu
    [ "$status" -eq 0 ] && [ "${lines[-1]}" = passed ]
}
