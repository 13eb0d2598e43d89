# SPDX-License-Identifier: MIT
# What every end-to-end test needs: a private daemon, configs, the guest's counter. From a .bats file:
#   load helpers
#   setup() { make_place; start_daemon qemu; }
#   teardown() { clear_place; }
# REEVE_BUILD_DIR has the binaries, REEVE_GUEST_DIR the guest; `check e2e` sets both.
# shellcheck shell=bash disable=SC2154 # status, output and BATS_* are bats'

repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
REEVE_BUILD_DIR=${REEVE_BUILD_DIR:-$repository/build}
REEVE_GUEST_DIR=${REEVE_GUEST_DIR:-$repository/build-guest}
boot_seconds=120 # an emulated guest beside another one, under a daemon with sanitizers

# make_place: a folder for the test and its daemon. Short, because Unix sockets are in it.
make_place()
{
    place=$(mktemp -d /tmp/re.XXXXXX)
    mkdir -m 0700 "$place/state" "$place/run"
    : >"$place/reeve.conf"
    export REEVE_SOCKET=$place/run/reeve.sock
    PATH=$REEVE_BUILD_DIR:$PATH
    daemon_pid=
}

# clear_place: ends the daemon and every guest of this place. Shows the daemon's log after a failure.
clear_place()
{
    local pid
    [ -n "${BATS_TEST_COMPLETED:-}" ] || sed 's/^/reeved: /' "$place/reeved.log" | tail -n 40
    kill9_daemon
    for pid in $(guest_pids); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait_for 10 no_guests
    rm -rf "$place"
}

# guest_pids: the QEMU processes of this place: they hold files of its run folder open.
guest_pids()
{
    local process
    for process in /proc/[0-9]*; do
        case "$(cat "$process/comm" 2>/dev/null)" in
        qemu-system-*) ;;
        *) continue ;;
        esac
        if find "$process/fd" -lname "$place/*" 2>/dev/null | grep -q . ||
            tr '\0' '\n' <"$process/cmdline" | grep -qF "$place/"; then
            basename "$process"
        fi
    done
}

no_guests()
{
    [ -z "$(guest_pids)" ]
}

# wait_for SECONDS COMMAND ...: until it succeeds; fails, saying so, when the time is over.
wait_for()
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "not within the time: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# --- the daemon ---

# start_daemon DRIVER [OPTION ...]: returns once it answers. Variables for it (REEVE_FAULT, ...) are
# set by the caller.
start_daemon()
{
    local driver=$1
    shift
    # Not one of bats' own descriptors may be left open in it: bats would wait for its end.
    reeved --foreground --driver "$driver" --state-dir "$place/state" --run-dir "$place/run" \
        --config "$place/reeve.conf" "$@" </dev/null >>"$place/reeved.log" 2>&1 3>&- 4>&- &
    daemon_pid=$!
    wait_for 30 daemon_answers_or_died
    daemon_answers
}

daemon_answers()
{
    reeve list >/dev/null 2>&1
}

daemon_answers_or_died()
{
    daemon_answers || ! kill -0 "$daemon_pid" 2>/dev/null
}

daemon_gone()
{
    ! kill -0 "$daemon_pid" 2>/dev/null
}

# stop_daemon: in order; its exit status is returned.
stop_daemon()
{
    local pid=$daemon_pid
    daemon_pid=
    kill -TERM "$pid"
    wait "$pid"
}

# kill9_daemon: as a crash would.
kill9_daemon()
{
    [ -n "${daemon_pid:-}" ] || return 0
    kill -KILL "$daemon_pid" 2>/dev/null || true
    wait "$daemon_pid" 2>/dev/null || true
    daemon_pid=
}

# --- domains ---

# make_config NAME [LINE ...]: writes $place/NAME.cfg for a small guest; later lines win over earlier.
make_config()
{
    local name=$1
    shift
    cat >"$place/$name.cfg" <<TEXT
name = "$name"
memory = 96
kernel = "$REEVE_GUEST_DIR/vmlinuz"
ramdisk = "$REEVE_GUEST_DIR/initrd.gz"
cmdline = "console=ttyS0 quiet"
reeve_accel = "tcg"
TEXT
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$place/$name.cfg"
}

# field NAME KEY: a member of the domain's JSON.
field()
{
    reeve show "$1" --format json | jq -r ".$2"
}

# state NAME: the state, or "absent".
state()
{
    local status=0 json
    json=$(reeve show "$1" --format json 2>/dev/null) || status=$?
    case "$status" in
    0) jq -r .state <<<"$json" ;;
    3) echo absent ;;
    *) return "$status" ;;
    esac
}

assert_state()
{
    local now
    now=$(state "$1")
    if [ "$now" != "$2" ]; then
        echo "$1 is $now, not $2" >&2
        return 1
    fi
}

is_state()
{
    [ "$(state "$1")" = "$2" ]
}

# --- the guest's own words ---

console_file()
{
    field "$1" console
}

# console_size NAME: a place in the console's log, for the functions that take one.
console_size()
{
    stat -c %s "$(console_file "$1")" 2>/dev/null || echo 0
}

# console_since NAME SIZE: what was said after that place.
console_since()
{
    tail -c "+$(($2 + 1))" "$(console_file "$1")" 2>/dev/null | tr -d '\r'
}

# said NAME SIZE TEXT: true when a whole line after that place is "reeve-guest: TEXT" (a pattern).
said()
{
    console_since "$1" "$2" | grep -q "^reeve-guest: $3\$"
}

# not_said: its opposite, as a command that a test fails with.
not_said()
{
    if said "$@"; then
        echo "$1 said '$3'" >&2
        return 1
    fi
}

counts()
{
    sed -n 's/^reeve-guest: count \([0-9]*\)$/\1/p'
}

# guest_count NAME [SIZE]: the last counter value after that place; 0 when there is none.
guest_count()
{
    local count
    count=$(console_since "$1" "${2:-0}" | counts | tail -n 1)
    echo "${count:-0}"
}

# first_count NAME SIZE: the first counter value after that place; 0 when there is none.
first_count()
{
    local count
    count=$(console_since "$1" "$2" | counts | head -n 1)
    echo "${count:-0}"
}

counted_above()
{
    [ "$(guest_count "$1" "${3:-0}")" -gt "$2" ]
}

# wait_count_above NAME COUNT [SIZE]: until the guest has counted past COUNT (after that place).
wait_count_above()
{
    wait_for "$boot_seconds" counted_above "$@"
}

# wait_boot NAME [SIZE]: until the guest says (after that place) that it is up, and counts.
wait_boot()
{
    wait_for "$boot_seconds" said "$1" "${2:-0}" 'up (boot)'
    wait_count_above "$1" 0 "${2:-0}"
}

# type_line NAME LINE: types on the domain's console.
type_line()
{
    {
        echo "$2"
        sleep 1
    } | timeout 10 reeve console "$1" >/dev/null 2>&1 || true
}

# ask NAME LINE ANSWER: types LINE until the guest has answered "reeve-guest: ANSWER" (a pattern).
ask()
{
    local size
    size=$(console_size "$1")
    type_line "$1" "$2"
    wait_for 30 said "$1" "$size" "$3"
}

# assert_goes_on NAME COUNT SIZE: RAM survived: the first value after that place follows COUNT. One line
# may be lost where the guest was stopped in the middle of it.
assert_goes_on()
{
    local first
    wait_count_above "$1" 0 "$3"
    first=$(first_count "$1" "$3")
    if [ "$first" -le "$2" ] || [ "$first" -gt $(($2 + 3)) ]; then
        echo "$1's counter went on with $first, not after $2" >&2
        return 1
    fi
}

# assert_stands NAME: the counter does not move for the time of several counts.
assert_stands()
{
    local before
    before=$(console_size "$1")
    sleep 1
    if [ "$(console_size "$1")" -ne "$before" ]; then
        echo "$1's console is not silent" >&2
        return 1
    fi
}

# refused CODE ARGUMENTS ...: reeve must end with that exit status and say one line on stderr.
refused()
{
    local wanted=$1 status=0 lines
    shift
    reeve "$@" >"$place/out" 2>"$place/err" </dev/null || status=$?
    lines=$(wc -l <"$place/err")
    if [ "$status" -ne "$wanted" ] || [ "$lines" -ne 1 ]; then
        echo "reeve $*: exit status $status (not $wanted?), $lines lines on stderr:" >&2
        cat "$place/err" >&2
        return 1
    fi
}
