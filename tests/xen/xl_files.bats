#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# xl's save files, both ways: what reeve writes the real xl restores, what the real xl wrote reeve
# restores, and the guest's counter goes on. One guest of each kind wanders from tool to tool; the PVH one,
# which has no devices whose scripts would be waited for, does the rest.

# shellcheck disable=SC2154 # make_place sets place, begin_file daemon_pid

load helpers

setup_file()
{
    begin_file
    truncate -s 8M "$place/disk.img"
    make_xen_config xl-pv pv 'on_crash = "preserve"' 'maxmem = 128' 'vcpus = 1' 'maxvcpus = 2'
    make_xen_config xl-pvh pvh "disk = [\"$place/disk.img,raw,xvda,w\"]" \
        'vif = ["mac=00:16:3e:00:00:07,bridge=xenbr0"]' 'on_reboot = "destroy"' 'cpus = "0"'
    for kind in "${kinds[@]}"; do
        reeve create "$place/xl-$kind.cfg"
    done
    for kind in "${kinds[@]}"; do
        wait_boot "xl-$kind"
    done
}

setup()
{
    find_daemon
    cd "$place" || return 1
    rm -f ./*.xl ./*.text ./*.reeve # dom0's /tmp is memory, and has room for a few of them
}

teardown_file()
{
    umount "$place/small" 2>/dev/null || true # a failed test has left it
    end_file
}

# config_of NAME FILE: what libxl's record says of the domain that its guest or its owner would miss.
config_of()
{
    xl list -l "$1" | jq -S '.[0].config | {
        who: .c_info | {name, uuid, type},
        what: .b_info | {max_vcpus, max_memkb, kernel, ramdisk, cmdline, vcpu_hard_affinity},
        ends: {on_crash, on_reboot, on_poweroff},
        disks: [.disks[]? | {pdev_path, vdev, format, readwrite}],
        nics: [.nics[]? | {mac, bridge}]}' >"$2"
}

# xl_saves NAME FILE: with what it says, but for its progress, when it fails.
xl_saves()
{
    xl save "$1" "$2" >xl.out 2>&1 && return
    grep -v 'progress: Frames' xl.out >&2
    return 1
}

# unknown NAME: reeve has seen that it is gone.
unknown()
{
    ! reeve show "$1" >/dev/null 2>&1
}

@test "xl restores what reeve saved, and the guest goes on with its config" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=xl-$kind
        config_of "$name" "$name.before"
        reeve save "$name" "$name.xl" --as xl >out
        grep -q "^saved $name to .*xl restore or reeve restore brings it back" out
        xl_absent "$name"
        remember "$name"
        [ "$(stat -c %a "$name.xl")" = 600 ]
        [ -z "$(find . -name '*.part')" ]
        xl restore -e "$name.xl" 3>&-
        assert_goes_on "$name" "$count" "$size"
        config_of "$name" "$name.after"
        diff "$name.before" "$name.after"
    done
}

@test "reeve restores what xl saved, and the guest goes on with its config" {
    local kind name count size uuid
    for kind in "${kinds[@]}"; do
        name=xl-$kind
        config_of "$name" "$name.before"
        uuid=$(jq -r .who.uuid "$name.before")
        xl_saves "$name" "$name.xl"
        wait_for 30 unknown "$name"
        remember "$name"
        reeve image info "$name.xl" --format json >said.json
        jq -e --arg kind "$kind" --arg name "$name" --arg uuid "$uuid" '.image | .format == "xl" and .name == $name and
            .uuid == $uuid and .driver == "xen" and (.platform | endswith(" " + $kind)) and .disks == []' said.json
        reeve image verify "$name.xl" | grep -q 'no checksums'
        reeve restore "$name.xl"
        assert_state "$name" running
        [ "$(field "$name" uuid)" = "$uuid" ]
        assert_goes_on "$name" "$count" "$size"
        config_of "$name" "$name.after"
        diff "$name.before" "$name.after"
    done
}

@test "the older form, with the config as text, is taken by both" {
    local name=xl-pv count size
    reeve save "$name" "$name.xl" --as xl
    remember "$name"
    reword "$name.xl" "$name.text" "$name.cfg"
    reeve image info "$name.text" --format json | jq -e '.image.uuid == null and .image.name == "xl-pv"'
    reeve restore "$name.text"
    assert_goes_on "$name" "$count" "$size"
    reeve save "$name" "$name.xl" --as xl
    remember "$name"
    reword "$name.xl" "$name.text" "$name.cfg"
    xl restore -e "$name.text" 3>&-
    assert_goes_on "$name" "$count" "$size"
    xl_saves "$name" "$name.xl"
    wait_for 30 unknown "$name"
    reeve restore "$name.xl"
}

# reword FROM TO CONFIG: a save file of xl with that text for its JSON.
reword()
{
    local len text
    len=$(od -An -tu4 -j44 -N4 "$1" | tr -d ' ')
    text=$(stat -c %s "$3")
    {
        head -c 36 "$1"
        le32 2
        le32 0
        le32 $((text + 4))
        le32 "$text"
        cat "$3"
        tail -c +$((48 + len + 1)) "$1"
    } >"$2"
}

@test "overrides, -p, and a managed domain that is halted" {
    local name=xl-pv count size
    reeve save "$name" "$name.xl" --as xl
    remember "$name"
    reeve restore "$name.xl" -p on_crash=coredump-destroy
    assert_state "$name" paused
    reeve config show "$name" | grep -q '^on_crash *= *"coredump-destroy"'
    [ "$(xl list -l "$name" | jq -r '.[0].config.on_crash')" = coredump_destroy ]
    reeve unpause "$name"
    assert_goes_on "$name" "$count" "$size"
    reeve adopt "$name"
    reeve save "$name" "$name.xl" --as xl
    remember "$name"
    assert_state "$name" halted
    # Another domain's file does not fit it.
    sed "s/$(field "$name" uuid)/0a1b2c3d-1111-4222-8333-444455556666/" "$name.xl" >other.xl
    refused 4 restore other.xl
    assert_state "$name" halted
    reeve restore "$name.xl"
    assert_goes_on "$name" "$count" "$size"
    [ "$(reeve show "$name" --format json | jq .managed)" = true ]
    refused 4 restore "$name.xl"
}

@test "checkpoint, export and import keep the same guest" {
    local name=xl-pv count size
    remember "$name"
    reeve save -c "$name" "$name.xl" --as xl
    assert_state "$name" running
    wait_count_above "$name" "$count" "$size"
    reeve image verify "$name.xl"
    rm "$name.xl"
    reeve adopt "$name"
    reeve suspend "$name"
    remember "$name"
    reeve image export "$name" exported.xl --as xl
    reeve image import exported.xl imported.reeve
    reeve image verify imported.reeve
    [ "$(stat -c %s imported.reeve)" -lt $(($(stat -c %s exported.xl) / 2)) ]
    reeve image export ./imported.reeve again.xl --as xl
    cmp <(stream_of exported.xl) <(stream_of again.xl)
    rm again.xl
    reeve discard "$name"
    xl restore -e exported.xl 3>&-
    assert_goes_on "$name" "$count" "$size"
    # What xl started and saves is not ended in the middle, though its record wants it halted.
    xl_saves "$name" saved.xl
    reeve image verify saved.xl
    rm saved.xl
    wait_for 30 is_state "$name" halted
    size=$(console_size "$name")
    reeve restore imported.reeve
    assert_goes_on "$name" "$count" "$size"
    refused 2 image export ./exported.xl x.xl --as xl
    refused 2 image export "$name" x.xl --as xl --level 3
    [ ! -e x.xl ]
}

stream_of()
{
    local len
    len=$(od -An -tu4 -j44 -N4 "$1" | tr -d ' ')
    tail -c +$((48 + len + 1)) "$1"
}

@test "a file that is cut, damaged or of another machine is refused in one line, with nothing made" {
    local name=xl-pv size domains
    reeve save "$name" whole.xl --as xl
    domains=$(domids)
    size=$(stat -c %s whole.xl)
    head -c $((size - 8)) whole.xl >bad.xl
    refused 1 restore bad.xl
    says 'it was cut'
    head -c $((size / 2)) whole.xl >bad.xl
    refused 1 restore bad.xl
    says 'it was cut'
    refused 1 image verify bad.xl
    sed '0,/Xen saved domain/s//Xen savec domain/' whole.xl >bad.xl
    refused 1 restore bad.xl
    patched 32 '\001\002\003\004'
    refused 9 restore bad.xl
    says 'other byte order'
    patched 44 '\377\377\377\377'
    refused 1 restore bad.xl
    sed '0,/"pv"/s//"pvh"/' whole.xl | fix_length >bad.xl
    refused 1 restore bad.xl
    says 'says pvh,'
    [ "$(domids)" = "$domains" ]
    reeve restore whole.xl
    assert_state "$name" running
}

# patched OFFSET BYTES: bad.xl is whole.xl with them there.
patched()
{
    cp whole.xl bad.xl
    # shellcheck disable=SC2059 # escapes
    printf "$2" | dd of=bad.xl bs=1 seek="$1" conv=notrunc status=none
}

# A config that is one byte longer.
fix_length()
{
    local len
    len=$(od -An -tu4 -j44 -N4 whole.xl | tr -d ' ')
    cat >longer
    head -c 44 longer
    le32 $((len + 1))
    le32 $((len - 3))
    tail -c +53 longer
    rm longer
}

@test "a save that fails leaves the guest running and no file" {
    local name=xl-pv count size
    mkdir small
    mount -t tmpfs -o size=20m none small
    count=$(guest_count "$name")
    size=$(console_size "$name")
    refused 1 save "$name" small/no.xl --as xl
    says 'it needs'
    [ -z "$(ls -A small)" ]
    umount small
    assert_state "$name" running
    wait_count_above "$name" "$count" "$size"
    reeve destroy xl-pv
    reeve destroy xl-pvh
    assert_no_leftovers
}
