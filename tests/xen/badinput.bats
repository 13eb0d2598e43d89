#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What can be wrong on a Xen host: one clear line, and nothing is left behind.

# shellcheck disable=SC2154 # make_place sets place

load helpers

# not_started PATTERN COMMAND ...: a reeved that must end at once and say so.
not_started()
{
    local pattern=$1 status=0
    shift
    mkdir -p "$place/other"
    chmod 0777 "$place" "$place/other"
    timeout 30 "$@" "$(command -v reeved)" --foreground --driver xen --state-dir "$place/other/state" \
        --run-dir "$place/other/run" --config "$place/reeve.conf" >"$place/err" 2>&1 </dev/null || status=$?
    chmod 0700 "$place"
    cat "$place/err"
    [ "$status" -ne 0 ]
    [ "$status" -lt 124 ]
    grep -qE "$pattern" "$place/err"
}

@test "reeved without root, or without xenfs, says what it needs" {
    not_started 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups
    not_started 'mount -t xenfs' unshare -m bash -c 'umount /proc/xen && exec "$@"' bash
}

@test "a kernel that is not there, or is none for Xen, is refused by name" {
    make_xen_config wrong pv 'kernel = "/guest/no-such-kernel"'
    refused 2 create "$place/wrong.cfg"
    says '/guest/no-such-kernel'
    make_xen_config wrong pv 'kernel = "/bin/busybox"'
    refused 1 create "$place/wrong.cfg"
    says 'kernel|notes|image|ELF|elf'
    [ "$(state wrong)" = absent ]
    assert_no_leftovers
}

@test "more memory than the hypervisor has: it says how much is free" {
    make_xen_config big pv 'memory = 60000'
    refused 1 create "$place/big.cfg"
    says '[0-9]+ MiB'
    says 'free'
    [ "$(state big)" = absent ]
    assert_no_leftovers
}

@test "without xenconsoled no guest is made: it says so and nothing is left; with it again, one is" {
    local refusal=yes
    make_xen_config mute pv
    kill "$(pgrep -x xenconsoled)"
    wait_for 10 no_xenconsoled
    refused 5 create "$place/mute.cfg" || refusal=no
    /usr/lib/xen-4.17/bin/xenconsoled --pid-file=/run/xenconsoled.pid --log=guest \
        --log-dir=/var/log/xen/console 3>&- 4>&-
    [ "$refusal" = yes ]
    says 'is xenconsoled running'
    [ "$(state mute)" = absent ]
    assert_no_leftovers
    reeve create "$place/mute.cfg"
    assert_state mute running
    wait_boot mute
    reeve destroy mute
}

no_xenconsoled()
{
    ! pgrep -x xenconsoled
}

appeared()
{
    [ "$(xl_state "$1")" != absent ]
}

# destroyed_while LOOK VERB OPERAND: xl destroys the domain in the middle of that job of reeve's.
destroyed_while()
{
    reeve "$2" --no-wait "$3"
    wait_for 30 "$1" dies
    xl destroy dies
    wait_for 60 settled dies
}

@test "a domain that is destroyed while it is made, saved or restored: nothing is left but its file" {
    local count size ms
    truncate -s 1M "$place/dies.raw"
    make_xen_config dies pvh "disk = ['format=raw,vdev=xvda,target=$place/dies.raw']"
    reeve new "$place/dies.cfg"
    # What libxl and its scripts wrote of it afterwards stayed: its own folders (30, 45), its disk's (500).
    for ms in 30 45 500; do
        "$REEVE_BUILD_DIR/tests/xen/destroy_early" "$ms" 3>&- 4>&- &
        reeve start dies && return 1
        wait $!
        wait_for 20 is_state dies halted
        assert_no_leftovers
    done

    reeve start dies
    wait_boot dies "$(console_size dies)"
    reeve save dies "$place/dies.reeve"
    remember dies
    destroyed_while appeared restore "$place/dies.reeve"
    wait_for 20 is_state dies halted
    assert_no_leftovers

    reeve restore "$place/dies.reeve"
    wait_count_above dies "$count" "$size"
    not_said dies "$size" 'up (boot)'
    destroyed_while stands_saved suspend dies
    # Whichever was faster: the image is whole, or there is none.
    if is_state dies suspended; then
        reeve discard dies
    fi
    wait_for 20 is_state dies halted
    [ -z "$(find "$place/state/images" -type f 2>/dev/null)" ]
    reeve delete dies
    assert_no_leftovers
}
