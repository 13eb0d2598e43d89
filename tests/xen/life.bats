#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The life of a PV and a PVH guest on the real hypervisor: each verb, what it leaves of the guest, and a
# daemon that is killed in the middle. Both guests are made by the first test and live through the file.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

setup_file()
{
    begin_file
    truncate -s 8M "$place/disk.img"
    for kind in "${kinds[@]}"; do
        make_xen_config "life-$kind" "$kind" 'maxmem = 128' 'maxvcpus = 2' 'on_crash = "preserve"' \
            "kernel = \"$REEVE_GUEST_DIR/vmlinuz\""
    done
}

@test "new and start: the guest boots, and xl lists it" {
    local kind name
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve new "$place/$name.cfg"
        assert_state "$name" halted
        xl_absent "$name"
        reeve start "$name"
        assert_state "$name" running
        [ "$(xl domid "$name")" = "$(field "$name" id)" ]
    done
    for kind in "${kinds[@]}"; do
        wait_boot "life-$kind"
    done
    reeve list | grep -q '^Domain-0 '
    reeve list | grep -q '^life-pv .*running'
}

@test "Domain-0 is shown, and every verb that would change it is refused" {
    local verb
    for verb in pause unpause suspend shutdown reboot reset destroy delete adopt dump-core; do
        refused 9 "$verb" Domain-0
        says 'only shown'
    done
    [ "$(field Domain-0 id)" = 0 ]
    refused 9 rename Domain-0 other
    [ "$(xl domname 0)" = Domain-0 ]
}

@test "a pause takes one reference of the hypervisor, and one by xl is seen" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve pause "$name"
        reeve pause "$name"
        assert_state "$name" paused
        assert_stands "$name"
        remember "$name"
        xl unpause "$name"
        assert_goes_on "$name" "$count" "$size"
        wait_for 5 is_state "$name" running
        xl pause "$name"
        wait_for 5 is_state "$name" paused
        reeve unpause "$name"
        assert_state "$name" running
    done
}

@test "suspend and resume: the guest goes on where it was; resume -p leaves it paused" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve suspend "$name"
        assert_state "$name" suspended
        xl_absent "$name"
        remember "$name"
        reeve resume "$name"
        assert_state "$name" running
        assert_goes_on "$name" "$count" "$size"
    done
    reeve suspend life-pv
    remember life-pv
    reeve resume -p life-pv
    assert_state life-pv paused
    assert_stands life-pv
    reeve unpause life-pv
    assert_goes_on life-pv "$count" "$size"
}

@test "a paused guest is not suspended: refused with the way out, and it stays as it was" {
    local count size
    reeve pause life-pv
    refused 4 suspend life-pv
    says unpause
    refused 4 save life-pv "$place/paused.reeve"
    says unpause
    assert_state life-pv paused
    [ ! -e "$place/paused.reeve" ]
    remember life-pv
    reeve unpause life-pv
    assert_goes_on life-pv "$count" "$size"
}

@test "save and restore: the guest goes on from the file, and stays managed" {
    local kind name count size uuid
    for kind in "${kinds[@]}"; do
        name=life-$kind
        uuid=$(field "$name" uuid)
        reeve save "$name" "$place/$name.reeve"
        assert_state "$name" halted
        xl_absent "$name"
        remember "$name"
        reeve restore "$place/$name.reeve"
        assert_state "$name" running
        assert_goes_on "$name" "$count" "$size"
        [ "$(field "$name" uuid)" = "$uuid" ]
        [ "$(field "$name" managed)" = true ]
        rm "$place/$name.reeve"
    done
}

@test "memory and vCPUs change in the guest that lives" {
    local kind name
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve mem-set "$name" 80
        [ "$(xl list "$name" | awk 'NR == 2 { print ($3 >= 79 && $3 <= 81) }')" = 1 ]
        # One that stands does it when it goes on.
        reeve pause "$name"
        timeout 30 reeve mem-set "$name" 96
        reeve unpause "$name"
        reeve vcpu-set "$name" 2
        ask "$name" cpus 'cpus 2'
        reeve vcpu-set "$name" 1
        ask "$name" cpus 'cpus 1'
        [ "$(field "$name" vcpus)" = 1 ]
    done
}

@test "disks and network interfaces come and go, and the backends with them" {
    local kind name
    for kind in "${kinds[@]}"; do
        name=life-$kind
        reeve block-attach "$name" "$place/disk.img,raw,xvda,w"
        ask "$name" "disk on $kind" "disk xvda 8388608 bytes rw, text 'on $kind'"
        reeve block-detach "$name" xvda
        reeve network-attach "$name" mac=00:16:3e:00:00:21,bridge=xenbr0
        ask "$name" net 'net eth0 00:16:3e:00:00:21'
        [ "$(find /sys/class/net/xenbr0/brif -name 'vif*' | wc -l)" -eq 1 ]
        reeve network-detach "$name" 00:16:3e:00:00:21
        ask "$name" disk 'disk none'
        [ "$(find /sys/class/net/xenbr0/brif -name 'vif*' | wc -l)" -eq 0 ]
    done
    [ -z "$(losetup -a)" ]
    xenstore-list /local/domain/0/backend/vbd 2>/dev/null | while read -r domid; do
        [ -z "$(xenstore-list "/local/domain/0/backend/vbd/$domid")" ]
    done
}

@test "sysrq and triggers reach the guest; what a PV guest has not is refused" {
    local size
    size=$(console_size life-pv)
    reeve sysrq life-pv h
    wait_for 30 heard life-pv "$size" 'sysrq: HELP'
    reeve trigger life-pv nmi
    refused 9 trigger life-pv power
    says nmi
    wait_count_above life-pv "$(guest_count life-pv)"
}

heard()
{
    console_since "$1" "$2" | grep -q "$3"
}

@test "reboot and reset boot it again, with its name and uuid" {
    local kind name size uuid
    for kind in "${kinds[@]}"; do
        name=life-$kind
        uuid=$(field "$name" uuid)
        size=$(console_size "$name")
        reeve reboot "$name"
        assert_state "$name" running
        wait_boot "$name" "$size"
        assert_started_over "$name" "$size"
        said "$name" "$size" 'powering off in order' || said "$name" "$size" 'rebooting in order'
        size=$(console_size "$name")
        reeve reset "$name"
        # In the emulated machine a PVH guest ended once at its first instructions; then it is booted again.
        wait_for 30 is_state "$name" running
        wait_boot "$name" "$size"
        assert_started_over "$name" "$size"
        not_said "$name" "$size" '.* in order'
        [ "$(field "$name" uuid)" = "$uuid" ]
        [ "$(xl domid "$name")" = "$(field "$name" id)" ]
    done
}

# killed_at POINT ARGUMENTS ...: a daemon that is killed there, in that verb; then one without it. The
# guests live on.
killed_at()
{
    local point=$1 status=0
    shift
    crash_daemon
    REEVE_FAULT=$point=kill start_xen_daemon
    timeout 120 reeve "$@" >"$place/out" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 8 ]; then
        echo "reeve $*: exit status $status, not 8: $point was not met" >&2
        cat "$place/out" >&2
        return 1
    fi
    crash_daemon
    start_xen_daemon
}

@test "reeved killed in a suspend or save: the guest goes on, and nothing lies about" {
    local row point kind name count size
    for row in 'save.intent pv suspend' 'save.stopped pv suspend' 'save.stopped pvh save' \
        'save.renamed pvh suspend'; do
        read -r point kind verb <<<"$row"
        name=life-$kind
        remember "$name"
        if [ "$verb" = save ]; then
            killed_at "$point" save "$name" "$place/cut.reeve"
        else
            killed_at "$point" suspend "$name"
        fi
        wait_for 60 settled "$name"
        assert_state "$name" running
        wait_count_above "$name" "$count" "$size"
        not_said "$name" "$size" 'up (boot)'
        [ -z "$(find "$place" -name '*.part' -o -name '*.spent' -o -name '*.reeve')" ]
    done
}

@test "reeved killed while the guest stands still and its memory is read: it goes on" {
    local kind name count size
    for kind in "${kinds[@]}"; do
        name=life-$kind
        remember "$name"
        reeve suspend --no-wait "$name"
        wait_for 30 stands_saved "$name"
        crash_daemon
        start_xen_daemon
        wait_for 60 settled "$name"
        if is_state "$name" suspended; then
            reeve resume "$name"
        fi
        assert_state "$name" running
        wait_count_above "$name" "$count" "$size"
        not_said "$name" "$size" 'up (boot)'
    done
}

@test "reeved killed after a suspend was on record, and in a resume: it resumes, once" {
    local point count size
    remember life-pv
    killed_at save.committed suspend life-pv
    wait_for 60 settled life-pv
    assert_state life-pv suspended
    xl_absent life-pv
    killed_at resume.loaded resume life-pv
    wait_for 60 settled life-pv
    assert_state life-pv suspended
    xl_absent life-pv
    killed_at resume.claimed resume life-pv
    wait_for 60 settled life-pv
    assert_state life-pv running
    wait_count_above life-pv "$count" "$size"
    not_said life-pv "$size" 'up (boot)'
}

@test "a shutdown waits for the power-off; a guest that ignores it runs on" {
    local kind name
    ask life-pv ignore-power 'ignoring the power button'
    refused 5 shutdown --timeout 5 life-pv
    says 'did not power off'
    assert_state life-pv running
    ask life-pv obey-power 'obeying the power button'
    for kind in "${kinds[@]}"; do
        name=life-$kind
        size=$(console_size "$name")
        reeve shutdown "$name"
        assert_state "$name" halted
        xl_absent "$name"
        said "$name" "$size" 'powering off in order'
    done
    assert_no_leftovers
}

@test "a crashed guest is kept as a corpse by on_crash = preserve, until destroy" {
    reeve start life-pv
    wait_boot life-pv "$(console_size life-pv)"
    ask life-pv crash 'crashing on request'
    wait_for 60 is_state life-pv crashed
    refused 4 unpause life-pv
    refused 4 suspend life-pv
    assert_state life-pv crashed
    reeve destroy life-pv
    assert_state life-pv halted
}

@test "nothing is left of them" {
    reeve delete life-pv life-pvh
    [ "$(state life-pv)" = absent ]
    assert_no_leftovers
    [ -z "$(find "$place/state/images" -mindepth 1 2>/dev/null)" ]
    reeve doctor
}
