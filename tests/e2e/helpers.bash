# SPDX-License-Identifier: MIT
# What every end-to-end test needs: a private daemon, configs, the guest's counter. From a .bats file:
#   load helpers
#   setup() { make_place; start_daemon qemu; }
#   teardown() { clear_place; }
# REEVE_BUILD_DIR has the binaries, REEVE_GUEST_DIR the guest. REEVE_CLIENT_DIR may have another reeve for the
# many calls by which a test sets up and asks: with sanitizers each takes ten times as long. A file that is
# about the client unsets it. `check e2e` sets all three.
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
    PATH=${REEVE_CLIENT_DIR:+$REEVE_CLIENT_DIR:}$REEVE_BUILD_DIR:$PATH
    daemon_pid=
}

# clear_place: ends the daemon, every guest and every mount of this place. Shows the daemon's log after
# a failure.
clear_place()
{
    if [ -z "${BATS_TEST_COMPLETED:-}" ] && [ -e "$place/reeved.log" ]; then
        sed 's/^/reeved: /' "$place/reeved.log" | tail -n 40
    fi
    kill9_daemon
    kill9_guests
    findmnt --raw --noheadings --output TARGET | grep "^${place:?}/" | xargs --no-run-if-empty umount
    rm -rf "$place"
}

# guest_pids: the QEMU processes of this place: they hold its kernel or one of its disks open.
guest_pids()
{
    local process comm
    for process in /proc/[0-9]*; do
        { read -r comm <"$process/comm"; } 2>/dev/null || continue
        case "$comm" in
        qemu-system-*) ;;
        *) continue ;;
        esac
        if [ -n "$(find "$process/fd" -lname "$place/*" -print -quit 2>/dev/null)" ]; then
            basename "$process"
        fi
    done
}

kill9_guests()
{
    local pid
    for pid in $(guest_pids); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait_for 10 no_guests
}

no_guests()
{
    [ -z "$(guest_pids)" ]
}

# wait_for SECONDS COMMAND ...: until it succeeds; fails, saying so, when the time is over. It looks less and
# less often, since each look is several processes.
wait_for()
{
    local deadline=$((SECONDS + $1)) pause=${first_pause_ms:-20} seconds -
    set +T # bats traces each command with some of its own, which costs most of a loop under emulation
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "not within the time: $*" >&2
            return 1
        fi
        printf -v seconds '0.%03d' "$pause"
        sleep "$seconds"
        pause=$((pause < 160 ? pause * 2 : 320))
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

# stop_daemon: in order; its exit status is returned. It may need ten seconds to undo what hangs.
stop_daemon()
{
    local pid=$daemon_pid
    kill -TERM "$pid"
    wait_for 20 daemon_gone
    daemon_pid=
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
    local name=$1 file
    shift
    # A kernel of this place's own is how guest_pids knows this place's guests.
    # cryptomgr.notests: the kernel's tests of its ciphers are a fifth of its boot. no_timer_check: on a busy
    # machine an emulated timer comes late, and the kernel panics when it has seen too few of its ticks.
    for file in vmlinuz initrd.gz; do
        [ -e "$place/$file" ] || cp "$REEVE_GUEST_DIR/$file" "$place/$file"
    done
    cat >"$place/$name.cfg" <<TEXT
name = "$name"
memory = 96
kernel = "$place/vmlinuz"
ramdisk = "$place/initrd.gz"
cmdline = "console=ttyS0 quiet no_timer_check cryptomgr.notests"
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
    echo "$place/state/console/$1.log"
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

# wait_up NAME SIZE: until the guest says after that place that it is up.
wait_up()
{
    wait_for "$boot_seconds" said "$1" "$2" 'up (boot)'
}

# wait_boot NAME [SIZE]: until the guest says (after that place) that it is up, and counts.
wait_boot()
{
    if ! wait_up "$1" "${2:-0}"; then
        show_console "$1" "${2:-0}"
        reeve show "$1"
        return 1
    fi >&2
    wait_count_above "$1" 0 "${2:-0}"
}

# show_console NAME SIZE: the end of what was said after that place, but for the counts.
show_console()
{
    console_since "$1" "$2" | grep -v 'guest: count' | tail -n 15 | sed "s/^/$1: /"
}

# ask NAME LINE ANSWER: types LINE on the domain's console and waits until the guest has answered
# "reeve-guest: ANSWER" (a pattern). The console stays until then: leaving it early could lose LINE.
ask()
{
    local size pid status=0
    size=$(console_size "$1")
    timeout 90 reeve console "$1" <<<"$2" >/dev/null 2>"$place/console-err" 3>&- 4>&- &
    pid=$!
    wait_for 60 said "$1" "$size" "$3" || status=1
    if [ "$status" -ne 0 ]; then
        cat "$place/console-err"
        show_console "$1" 0
    fi >&2
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    return "$status"
}

# answer NAME PATTERN: the part in brackets of the last "reeve-guest: PATTERN" that the guest said.
answer()
{
    console_since "$1" 0 | sed -n "s/^reeve-guest: $2\$/\\1/p" | tail -n 1
}

# run_guest NAME [managed]: made from its config, booted, and it has counted a little.
run_guest()
{
    if [ "${2:-}" = managed ]; then
        reeve new "$place/$1.cfg"
        assert_state "$1" halted
        reeve start "$1"
    else
        reeve create "$place/$1.cfg"
    fi
    assert_state "$1" running
    wait_boot "$1"
    wait_count_above "$1" 5
}

# count_after_boot NAME SIZE: the first counter value after the first boot after that place, if any.
count_after_boot()
{
    console_since "$1" "$2" | sed '0,/^reeve-guest: up (boot)$/d' | counts | head -n 1
}

has_count_after_boot()
{
    [ -n "$(count_after_boot "$@")" ]
}

# assert_started_over NAME SIZE: after that place it booted, and then counted from 1.
assert_started_over()
{
    wait_for "$boot_seconds" has_count_after_boot "$@"
    if [ "$(count_after_boot "$@")" != 1 ]; then
        echo "$1 counts from $(count_after_boot "$@") after its boot, not from 1" >&2
        return 1
    fi
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

# assert_stands NAME: the counter does not move for the time of several counts. What the guest had said
# before may still be on its way into the log, so a second and third look are allowed.
assert_stands()
{
    wait_for 5 silent_for_a_second "$1"
}

silent_for_a_second()
{
    local before
    before=$(console_size "$1")
    sleep 1
    [ "$(console_size "$1")" -eq "$before" ]
}

# settled NAME: no job works on it any more.
settled()
{
    reeve show "$1" --format json | jq -e '.job == null' >/dev/null
}

# logged PATTERN: the history has it. This asks for no look at the guests.
logged()
{
    reeve log | grep -q "$1"
}

doctor_is_content()
{
    reeve doctor >/dev/null 2>&1
}

# nothing_found: doctor finds nothing. A QEMU that is silent for 2 s is a finding, so it is asked again.
nothing_found()
{
    if ! wait_for 30 doctor_is_content; then
        reeve doctor
        return 1
    fi >&2
}

# refused CODE ARGUMENTS ...: reeve must end with that exit status, say one line on stderr that begins
# with its name, and nothing on stdout. The line is in $place/err.
refused()
{
    local wanted=$1 status=0
    shift
    timeout 120 reeve "$@" >"$place/out" 2>"$place/err" </dev/null || status=$?
    if [ "$status" -ne "$wanted" ] || [ "$(wc -l <"$place/err")" -ne 1 ] ||
        [ "$(head -c 7 "$place/err")" != "reeve: " ] || [ -s "$place/out" ]; then
        echo "reeve $*: exit status $status (wanted $wanted), and it said:" >&2
        cat "$place/out" "$place/err" >&2
        return 1
    fi
}

# says PATTERN: the last refusal's line has it (an extended regular expression).
says()
{
    if ! grep -qE -- "$1" "$place/err"; then
        echo "not '$1' but:" >&2
        cat "$place/err" >&2
        return 1
    fi
}

# le32 NUMBER: its four bytes.
le32()
{
    local i
    for i in 0 8 16 24; do
        # shellcheck disable=SC2059 # an octal escape is the format
        printf "\\$(printf %03o $((($1 >> i) & 255)))"
    done
}
