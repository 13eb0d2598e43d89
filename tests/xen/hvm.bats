#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# An HVM guest with its device model: hvm_guest.S, which the BIOS boots from the disk's first sector and which
# counts on its serial port. It has no Xen drivers, so Xen itself makes it stand still for a save. `check long`
# runs this.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

# QEMU's terminal, not xenconsoled's: reeved keeps the log of it.
console_file()
{
    echo "$place/state/console/$1.log"
}

setup_file()
{
    local disc
    begin_file
    cp "$REEVE_BUILD_DIR/tests/xen/hvm_guest" "$place/disk.img"
    truncate -s 1M "$place/disk.img"
    for disc in one two; do
        truncate -s 2M "$place/$disc.iso"
    done
    cat >"$place/hvm.cfg" <<TEXT
name = "hvm"
type = "hvm"
memory = 32
serial = "pty"
vnc = 0
on_crash = "preserve"
disk = [ "$place/disk.img,raw,hda,w",
         "format=raw,vdev=hdc,devtype=cdrom,access=ro,target=$place/one.iso" ]
TEXT
}

# remember: where its counter and its console's log stand, in count and size.
remember()
{
    count=$(guest_count hvm)
    size=$(console_size hvm)
}

# tell LETTER COMMAND ...: types it at the guest, and stays until the command succeeds: leaving early could
# lose it.
tell()
{
    local pid letter=$1 status=0
    shift
    timeout 150 reeve console hvm <<<"$letter" >/dev/null 2>&1 3>&- 4>&- &
    pid=$!
    wait_for 120 "$@" || status=1
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    return "$status"
}

# device_models: QEMU's processes.
device_models()
{
    pgrep -f 'qemu-system.* -xen-domid' | wc -l
}

@test "new and start: the BIOS boots its disk, and it counts" {
    local began=$SECONDS
    reeve new "$place/hvm.cfg"
    reeve start hvm
    wait_boot hvm
    echo "# figure: an HVM guest speaks $((SECONDS - began)) s after its start" >&3
    assert_state hvm running
    [ "$(xl domid hvm)" = "$(field hvm id)" ]
    [ "$(device_models)" -eq 1 ]
}

@test "the log of its device model is bounded, and one of another domain is left alone" {
    local logs=/var/log/xen pid fd
    head -c 2000000 /dev/zero | tr '\0' '#' >"$place/said"
    echo last >>"$place/said"
    append "$place/said" $logs/qemu-dm-other.log
    append "$place/said" $logs/qemu-dm-hvm.log
    wait_for 30 shorter_than 70000 $logs/qemu-dm-hvm.log
    head -n 1 $logs/qemu-dm-hvm.log | grep 'cut here'
    [ "$(tail -c 6 $logs/qemu-dm-hvm.log)" = "#last" ]
    [ "$(stat -c %s $logs/qemu-dm-other.log)" -eq 2000005 ]
    rm $logs/qemu-dm-other.log
    # What the device model says next comes after that, since it appends.
    pid=$(pgrep -f 'qemu-system.* -xen-domid')
    for fd in "/proc/$pid"/fd/*; do
        [[ $(readlink "$fd") != $logs/qemu-dm-hvm.log ]] || break
    done
    [[ $(sed -n 's/^flags:[[:space:]]*//p' "/proc/$pid/fdinfo/${fd##*/}") =~ 2...$ ]]
}

# append FILE LOG: in one write, so that it is not cut in between.
append()
{
    dd if="$1" of="$2" bs=4M oflag=append conv=notrunc status=none
}

shorter_than()
{
    [ "$(stat -c %s "$2")" -lt "$1" ]
}

@test "pause and unpause" {
    local count size
    reeve pause hvm
    assert_state hvm paused
    assert_stands hvm
    remember
    reeve unpause hvm
    assert_goes_on hvm "$count" "$size"
}

@test "save and restore, suspend and resume: it goes on where it was, with another device model" {
    local count size
    reeve save hvm "$place/hvm.reeve"
    assert_state hvm halted
    xl_absent hvm
    [ "$(device_models)" -eq 0 ]
    remember
    reeve restore "$place/hvm.reeve"
    assert_goes_on hvm "$count" "$size"
    reeve suspend hvm
    assert_state hvm suspended
    remember
    reeve resume hvm
    assert_goes_on hvm "$count" "$size"
    not_said hvm 0 'soft reset'
}

@test "a checkpoint, and going on from it" {
    local count size
    reeve save --checkpoint hvm "$place/check.reeve" --format json >"$place/answer"
    jq -e '.stopped_ms >= 0' "$place/answer"
    remember
    wait_count_above hvm $((count + 3)) "$size"
    reeve destroy hvm
    size=$(console_size hvm)
    reeve restore "$place/check.reeve"
    wait_count_above hvm 1 "$size"
    [ "$(first_count hvm "$size")" -le $((count + 3)) ]
    not_said hvm "$size" 'up (boot)'
}

@test "discs come and go in its drive" {
    local count size
    remember
    reeve cd-eject hvm hdc
    [ "$(drive | grep -c iso)" -eq 0 ]
    reeve cd-insert hvm hdc "$place/two.iso"
    [ "$(drive | grep -c two.iso)" -gt 0 ]
    wait_count_above hvm "$count" "$size"
}

# drive: what xenstore says is in it.
drive()
{
    local id
    id=$(field hvm id)
    xenstore-ls "/local/domain/0/backend/qdisk/$id" 2>/dev/null | grep params ||
        xenstore-ls "/libxl/$id/device/vbd" | grep params
}

@test "a shutdown presses the power button; a guest that has no use for it runs on" {
    local count size
    remember
    refused 5 shutdown --timeout 3 hvm
    assert_state hvm running
    wait_count_above hvm "$count" "$size"
}

@test "its own reboot boots it again" {
    local size
    size=$(console_size hvm)
    tell r said hvm "$size" 'up (boot)'
    wait_count_above hvm 0 "$size"
    assert_state hvm running
}

@test "a soft reset that it asks for: it goes on in its own memory" {
    local count size id
    id=$(field hvm id)
    remember
    tell s said hvm "$size" 'soft reset'
    wait_count_above hvm "$count" "$size"
    not_said hvm "$size" 'up (boot)'
    wait_for 60 settled hvm
    assert_state hvm running
    [ "$(field hvm id)" = "$id" ]
    [ "$(device_models)" -eq 1 ]
    # Also what comes after it is as before.
    reeve suspend hvm
    remember
    reeve resume hvm
    assert_goes_on hvm "$count" "$size"
}

@test "its own power-off ends it, and nothing of it is left" {
    tell o is_state hvm halted
    reeve delete hvm
    [ "$(device_models)" -eq 0 ]
    assert_no_leftovers
    [ -z "$(xenstore-list /local/domain/0/device-model 2>/dev/null)" ]
    [ -z "$(find /var/lib/xen -name 'qemu-*')" ]
    [ -z "$(losetup -a)" ]
    reeve doctor
}
