# SPDX-License-Identifier: MIT
# What the tests in dom0 need beside the helpers of tests/e2e: guests of both kinds that boot without a
# device model, one daemon for a whole file, and xl. A guest's counter is read from the log that
# xenconsoled writes, which reeve has no part in. `lab/xen suite` runs these files.
# shellcheck shell=bash disable=SC2154 # place and daemon_pid are tests/e2e's

# shellcheck source=tests/e2e/helpers.bash
source "$BATS_TEST_DIRNAME/${xen_depth:-..}/e2e/helpers.bash"

# A look takes several processes, which under emulation cost what the guests want for themselves.
# shellcheck disable=SC2034 # wait_for's
first_pause_ms=300

# shellcheck disable=SC2034 # the files' own loops
kinds=(pv pvh)

# make_xen_config NAME TYPE [LINE ...]: $place/NAME.cfg, for reeve and for xl. vmlinux: libxl unpacks vmlinuz
# (those of life.bats) for 40 percent of the time that it then needs. tsc_mode: else Xen emulates each reading
# of the clock, which is most of what an emulated guest costs.
make_xen_config()
{
    local name=$1 type=$2
    shift 2
    cat >"$place/$name.cfg" <<TEXT
name = "$name"
type = "$type"
memory = 96
kernel = "$REEVE_GUEST_DIR/vmlinux"
ramdisk = "$REEVE_GUEST_DIR/initrd.gz"
cmdline = "console=hvc0 quiet cryptomgr.notests"
tsc_mode = "native"
TEXT
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$place/$name.cfg"
}

# make_tiny NAME KERNEL: a PVH guest of a few instructions.
make_tiny()
{
    make_xen_config "$1" pvh
    sed -i "s|^kernel.*|kernel = \"$REEVE_BUILD_DIR/tests/xen/$2\"|; /^ramdisk/d" "$place/$1.cfg"
}

console_file()
{
    echo "/var/log/xen/console/guest-$1.log"
}

# --- one daemon for all tests of a file: setup_file starts it, setup finds it again ---

# What every file has that does not say otherwise: bats takes the last definition.

setup_file()
{
    begin_file
}

setup()
{
    find_daemon
}

teardown()
{
    show_daemon_log
}

teardown_file()
{
    end_file
}

begin_file()
{
    make_place
    export place PATH
    start_xen_daemon
}

start_xen_daemon()
{
    start_daemon xen
    echo "$daemon_pid" >"$place/pid"
}

find_daemon()
{
    daemon_pid=$(cat "$place/pid")
}

show_daemon_log()
{
    [ -z "${BATS_TEST_COMPLETED:-}" ] || return 0
    sed 's/^/reeved: /' "$place/reeved.log" | tail -n 25
    xl dmesg | grep -E 'Triple fault|domain_crash|RIP' | tail -n 4 | sed 's/^/xen: /'
    xl dmesg | tail -n 5 | sed 's/^/xen: /'
    dmesg | tail -n 5 | sed 's/^/dom0: /'
    free -m | sed 's/^/dom0: /'
}

crash_daemon()
{
    kill9_daemon
    wait_for 20 process_gone "$(cat "$place/pid")"
}

process_gone()
{
    ! kill -0 "$1" 2>/dev/null
}

end_file()
{
    local domid
    kill -KILL "$(cat "$place/pid")" 2>/dev/null || true
    for domid in $(domids); do
        timeout 60 xl destroy "$domid" || true
    done
    wait_for 30 alone
    # A test file's guests have names of their own, but the next may use them again.
    rm -rf "$place" /var/log/xen/console/guest-*
}

# --- what a guest says ---

# As tests/e2e has them, but listening: each look is several processes, which take the one CPU from the guest
# that is waited for.

# hears NAME SIZE PATTERN [ABOVE]: until a line matches that ends after that place; with ABOVE, until the
# number in its brackets is above that. Each byte is a call, so SIZE is where the log ended just before.
hears()
{
    local deadline=$((SECONDS + boot_seconds)) line pattern=$3 heard listener status=1 -
    set +T
    exec {heard}< <(exec tail -F -c "+$(($2 + 1))" "$(console_file "$1")" 2>/dev/null 3>&- 4>&-)
    listener=$!
    while [ "$SECONDS" -lt "$deadline" ] && IFS= read -r -t $((deadline - SECONDS)) -u "$heard" line; do
        if [[ ${line%$'\r'} =~ ^reeve-guest:\ $pattern$ ]] && [ "${BASH_REMATCH[1]:-0}" -gt "${4:--1}" ]; then
            status=0
            break
        fi
    done
    exec {heard}<&-
    kill "$listener" 2>/dev/null || true
    return "$status"
}

# listening_place NAME SIZE: where its log ends, or a line before, but not before that place.
listening_place()
{
    local size
    size=$(($(console_size "$1") - 64))
    echo $((size > $2 ? size : $2))
}

wait_count_above()
{
    local from
    from=$(listening_place "$1" "${3:-0}")
    if ! counted_above "$@" && ! hears "$1" "$from" 'count ([0-9]+)' "$2"; then
        echo "not within the time: a count of $1 above $2" >&2
        return 1
    fi
}

wait_up()
{
    local from
    from=$(listening_place "$1" "$2")
    if ! said "$1" "$2" 'up (boot)' && ! hears "$1" "$from" 'up \(boot\)'; then
        echo "not within the time: the boot of $1" >&2
        return 1
    fi
}

# --- what Xen itself says ---

# domids: all but Domain-0's.
domids()
{
    xl list | awk 'NR > 1 && $2 != 0 { print $2 }'
}

alone()
{
    [ -z "$(domids)" ]
}

# xl_state NAME: the flags of `xl list`; "absent" when it has none of that name.
xl_state()
{
    local line
    line=$(xl list "$1" 2>/dev/null | awk 'NR == 2 { print $5 }')
    echo "${line:-absent}"
}

xl_absent()
{
    [ "$(xl_state "$1")" = absent ]
}

# stands_saved NAME: it stands still for a save ("s" in the fourth of its flags: shut down).
stands_saved()
{
    [[ "$(xl_state "$1")" == ???s?? ]]
}

# userdata: libxl's files about domains, but for Domain-0's.
userdata()
{
    find /var/lib/xen -name 'userdata-*' ! -name 'userdata-?.0.*'
}

# assert_no_leftovers: neither domains nor what describes them in xenstore and in libxl's files.
assert_no_leftovers()
{
    wait_for 30 alone
    xenstore-list /local/domain | assert_no_line_but 0
    xenstore-list /libxl 2>/dev/null | assert_no_line_but 0
    xenstore-list /local/domain/0/backend 2>/dev/null | while read -r kind; do
        xenstore-list "/local/domain/0/backend/$kind"
    done | assert_no_line_but 0
    userdata | assert_no_line_but ''
}

# assert_no_line_but LINE: fails and shows it when its input has another.
assert_no_line_but()
{
    local line status=0
    while read -r line; do
        if [ "$line" != "$1" ]; then
            echo "left over: $line" >&2
            status=1
        fi
    done
    return "$status"
}

# remember NAME: where its counter and its console's log stand, in count and size.
remember()
{
    count=$(guest_count "$1")
    size=$(console_size "$1")
}

# log_has NAME PATTERN
log_has()
{
    reeve log "$1" | grep -q "$2"
}

# last_reason NAME: why the domain is in its state.
last_reason()
{
    field "$1" reason
}
