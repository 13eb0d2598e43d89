#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A fault in every step of the verbs on the real hypervisor: at each fault point reeved is killed, or the
# step fails; calls on the image and the stream fail, find no space, do half their work; a cancel comes,
# and libxl's helper is killed. Afterwards the guest runs on from where it was, or is whole in its image and
# goes on from it: its counter never goes back. There is one of it, and nothing is left over, neither in
# the hypervisor nor in xenstore nor on the disk. A PV and a PVH guest live through the file. `check long`
# runs this.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

# (-g: bats loads this file in a function.) Where a domain begins a verb (`place_of`), and the verb's words.
declare -gA from=([start]=halted [suspend]=running [save]=running [checkpoint]=running [resume]=suspended
    [restore]=saved [destroy]=running [shutdown]=running [reset]=running [mem-set]=running
    [dump-core]=running)

words()
{
    local name=$1
    case "$2" in
    save) echo save "$name" "$(file_of "$name")" ;;
    checkpoint) echo save --checkpoint "$name" "$(file_of "$name")" ;;
    restore) echo restore "$(file_of "$name")" ;;
    mem-set) echo mem-set "$name" 80 ;;
    dump-core) echo dump-core "$name" "$place/files/$name.core" ;;
    *) echo "$2" "$name" ;;
    esac
}

# POINT ACTION KIND VERB AFTER: the daemon is killed at the point, or the step fails there; where the domain
# is then. The guests of `tiny` do not count, and start in no time.
points=(
    'start.intent     kill pv   start      halted'
    'start.intent     fail pvh  start      halted'
    'start.created    kill pvh  start      halted'
    'start.created    fail pv   start      halted'
    'start.running    fail pvh  start      halted'
    'start.running    kill pv   start      running'
    'store.commit     kill pvh  start      halted'
    'save.intent      kill pv   suspend    running'
    'save.intent      fail pvh  suspend    running'
    'save.stopped     kill pvh  suspend    running'
    'save.stopped     fail pv   suspend    running'
    'save.renamed     kill pv   suspend    running'
    'save.renamed     fail pvh  suspend    running'
    'store.commit     kill pv   suspend    running'
    'store.commit     fail pvh  suspend    running'
    'save.intent      kill pvh  save       running'
    'save.intent      fail pv   save       running'
    'save.stopped     kill pv   save       running'
    'save.stopped     fail pvh  save       running'
    'save.renamed     kill pvh  save       running'
    'save.renamed     fail pv   save       running'
    'store.commit     fail pv   save       running'
    'save.intent      kill pv   checkpoint running'
    'save.intent      fail pvh  checkpoint running'
    'save.stopped     kill pv   checkpoint running'
    'save.stopped     fail pv   checkpoint running'
    'save.stopped     kill pvh  checkpoint running'
    'save.stopped     fail pvh  checkpoint running'
    'save.committed   kill pv   suspend    suspended'
    'resume.intent    kill pv   resume     suspended'
    'resume.intent    fail pv   resume     suspended'
    'store.commit     fail pv   resume     suspended'
    'resume.loaded    kill pv   resume     suspended'
    'resume.loaded    fail pv   resume     suspended'
    'resume.claimed   fail pv   resume     suspended'
    'resume.claimed   kill pv   resume     running'
    'resume.running   fail pv   resume     running'
    'resume.running   kill pv   resume     running'
    'resume.committed kill pv   resume     running'
    'save.committed   fail pvh  suspend    suspended'
    'store.commit     kill pvh  resume     suspended'
    'resume.loaded    kill pvh  resume     suspended'
    'resume.loaded    fail pvh  resume     suspended'
    'resume.claimed   kill pvh  resume     running'
    'resume.claimed   fail pvh  resume     suspended'
    'resume.running   kill pvh  resume     running'
    'resume.committed fail pvh  resume     running'
    'save.committed   kill pvh  save       saved'
    'store.commit     kill pvh  restore    saved'
    'resume.loaded    fail pvh  restore    saved'
    'resume.loaded    kill pvh  restore    running'
    'save.committed   fail pv   save       saved'
    'store.commit     fail pv   restore    saved'
    'resume.loaded    fail pv   restore    saved'
    'resume.loaded    kill pv   restore    running'
    'change.intent    kill pv   mem-set    running'
    'change.live      kill pvh  mem-set    running'
    'change.live      fail pv   mem-set    running'
    'core.written     kill pvh  dump-core  running'
    'core.written     fail pv   dump-core  running'
    'restart.intent   kill tiny reset      running'
    'restart.intent   fail tiny reset      running'
    'restart.gone     kill tiny reset      running'
    'restart.gone     fail tiny reset      halted'
    'destroy.intent   fail pv   destroy    running'
    'store.commit     kill pvh  destroy    running'
    'destroy.intent   kill tiny destroy    halted'
    'destroy.gone     fail tiny destroy    halted'
    'destroy.gone     kill tiny destroy    halted'
    'shutdown.off     kill pvh  shutdown   halted'
)

# Met by tests of their own here.
apart=(restart.aside restart.running)

# Points that no verb on Xen comes to, and why.
declare -gA unreached=(
    [qemu.]='steps of the driver of QEMU'
    [reset.intent]='for drivers that reset a machine in place; on Xen a reset builds it anew (restart.gone)'
)

# HOW NTH CALL KIND VERB AFTER: the N-th call of that name on the image or the stream, and what happens at
# it (tests/daemon/broken_calls.h); for "cancel" and "helper" it waits while that is done. Of an image
# pwrite 1 and 2 write the header, those after it the stream.
calls=(
    'space  1 fallocate pv  save       running'
    'space  3 pwrite    pv  save       running'
    'space  9 pwrite    pvh suspend    running'
    'space  5 pwrite    pvh checkpoint running'
    'fail   1 pwrite    pvh save       running'
    'fail   6 pwrite    pv  suspend    running'
    'fail   6 pwrite    pv  checkpoint running'
    'short  4 pwrite    pv  save       saved'
    'fail   9 pread     pv  restore    saved'
    'short  9 pread     pv  restore    running'
    'fail   2 splice    pv  save       running'
    'fail   2 splice    pvh suspend    running'
    'fail   1 fsync     pv  suspend    running'
    'fail   2 fsync     pvh save       running'
    'fail   1 rename    pvh suspend    running'
    'fail   1 rename    pv  save       running'
    'cancel 4 pwrite    pv  save       running'
    'cancel 4 pwrite    pvh suspend    running'
    'cancel 4 pwrite    pvh checkpoint running'
    'helper 4 pwrite    pv  save       running'
    'helper 4 pwrite    pvh suspend    running'
    'helper 4 pwrite    pvh checkpoint running'
    'kill   4 pwrite    pv  suspend    running'
    'kill   4 pwrite    pvh save       running'
    'kill   4 pwrite    pvh checkpoint running'
    'short  5 pwrite    pvh suspend    suspended'
    'fail   9 pread     pvh resume     suspended'
    'fail   1 splice    pvh resume     suspended'
    'cancel 1 splice    pvh resume     suspended'
    'fail   1 rename    pvh resume     suspended'
    'cancel 9 pread     pvh resume     suspended'
    'helper 9 pread     pvh resume     suspended'
    'kill   9 pread     pvh resume     suspended'
    'helper 20 pread    pv  restore    saved'
    'cancel 20 pread    pv  restore    saved'
    'kill   20 pread    pv  restore    saved'
)

# The status of the verb, and the number that broken_calls.h has for what is done at the call.
declare -gA ends=([fail]=1 [space]=1 [short]=0 [kill]=8 [cancel]=1 [helper]=1)
declare -gA how_number=([fail]=1 [space]=2 [short]=3 [kill]=4 [cancel]=5 [helper]=5)

# --- the daemon, with what breaks its calls before libc ---

start_xen_daemon()
{
    rm -f "$REEVE_SOCKET"
    LD_PRELOAD=$REEVE_BUILD_DIR/tests/daemon/libbroken_calls.so BROKEN_CALLS=$place/calls \
        REEVE_FAULT=${1:-} start_daemon xen
    echo "$daemon_pid" >"$place/pid"
}

daemon_answers()
{
    [ -S "$REEVE_SOCKET" ]
}

# another_daemon [FAULT]
another_daemon()
{
    crash_daemon
    disarm
    start_xen_daemon "$@"
}

# poke OFFSET: what is read goes there, in what daemon and test have in common (struct broken_calls).
poke()
{
    dd of="$place/calls" bs=1 seek="$1" conv=notrunc status=none
}

arm()
{
    disarm
    { le32 "$2"; le32 0; } | poke 4
    { printf %s "$3"; le32 0; } | poke 172
    le32 "${how_number[$1]}" | poke 0
}

disarm()
{
    le32 0 | poke 0
}

met()
{
    [ "$(od -An -tu4 -j8 -N4 "$place/calls" | tr -d ' ')" -eq 1 ]
}

# --- the domains ---

setup_file()
{
    local kind
    make_place
    export place PATH
    mkdir "$place/files"
    truncate -s 4096 "$place/calls"
    start_xen_daemon
    for kind in "${kinds[@]}"; do
        make_xen_config "faults-$kind" "$kind" 'maxmem = 128' 'on_crash = "rename-restart"'
        reeve new "$place/faults-$kind.cfg"
    done
    make_tiny faults-tiny deaf_guest
    reeve new "$place/faults-tiny.cfg"
}

# QEMU's terminal is not xenconsoled's: reeved keeps the log of it.
console_file()
{
    case "$1" in
    faults-hvm) echo "$place/state/console/$1.log" ;;
    *) echo "/var/log/xen/console/guest-$1.log" ;;
    esac
}

file_of()
{
    echo "$place/files/$1.reeve"
}

# place_of NAME: its state; "saved" when it is halted and its state is in its file.
place_of()
{
    local now
    now=$(state "$1")
    [ "$now" != halted ] || [ ! -e "$(file_of "$1")" ] || now=saved
    echo "$now"
}

# console_facts NAME: the last count of its last boot, how often it has booted, and how often its counter went
# back since the boot before.
console_facts()
{
    awk '{ sub(/\r$/, "") }
        /^reeve-guest: up \(boot\)$/ { boots++; last = 0 }
        /^reeve-guest: count [0-9]+$/ { back += $3 + 0 <= last; last = $3 + 0 }
        END { print last + 0, boots + 0, back + 0 }' "$(console_file "$1")" 2>/dev/null || echo 0 0 0
}

# look NAME: sets count, booted and back.
look()
{
    read -r count booted back < <(console_facts "$1")
}

# counts_past NAME COUNT BOOTS: it does, or what is wrong with it is known.
counts_past()
{
    look "$1"
    if [ "$booted" -eq "$3" ]; then
        [ "$count" -gt "$2" ] || [ "$back" -ne 0 ]
    else
        [ "$booted" -gt "$3" ]
    fi
}

# goes_on NAME COUNT BOOTS: the guest runs on from what it was: one, and never from an older moment; two of it
# would write the same numbers.
goes_on()
{
    local count booted back
    [ "$1" != faults-tiny ] || return 0
    look "$1"
    # What it said meanwhile, in a save that failed, does not count.
    [ "$count" -gt "$2" ] && [ "$booted" -eq "$3" ] || count=$2
    wait_for "$boot_seconds" counts_past "$1" "$count" "$3"
    if [ "$booted" -ne "$3" ] || [ "$back" -ne 0 ]; then
        echo "$1 has booted $booted times, not $3, and its counter went back $back times; it is at $count" >&2
        return 1
    fi
}

# bring NAME PLACE: from wherever it is.
bring()
{
    local name=$1 now count booted back
    now=$(place_of "$name")
    [ "$now" != "$2" ] || return 0
    look "$name"
    case "$now" in
    running) ;;
    suspended) reeve resume "$name" ;;
    saved) reeve restore "$(file_of "$name")" && rm "$(file_of "$name")" ;;
    halted) reeve start "$name" && booted=$((booted + 1)) count=0 ;;
    *)
        echo "$name is $now" >&2
        return 1
        ;;
    esac
    [ "$now" = running ] || goes_on "$name" "$count" "$booted"
    case "$2" in
    running) ;;
    suspended) reeve suspend "$name" ;;
    saved) reeve save "$name" "$(file_of "$name")" ;;
    halted) reeve destroy "$name" ;;
    esac
    [ "$(place_of "$name")" = "$2" ]
}

# is_at NAME PLACE: no job works on it and it is there.
is_at()
{
    local now
    now=$(reeve show "$1" --format json | jq -r 'if .job then "busy" else .state end')
    [ "$now" != halted ] || [ ! -e "$(file_of "$1")" ] || now=saved
    [ "$now" = "$2" ]
}

# --- what there is ---

helpers_of_libxl()
{
    pgrep '^libxl-save' || true
}

helper_runs()
{
    [ "$(helpers_of_libxl | wc -l)" -eq 1 ]
}

# mistakes: what does not fit. A line of "reeve" or "xen" is a guest; the others must be about one of those.
# Programs are slow in the emulated machine, so each is run once.
mistakes()
{
    {
        reeve list --format json | jq -r '.domains[] | select(.id != 0) | "reeve \(.name) \(.state) \(.uuid)"'
        xl list -v | sed 's/^/xen /'
        xenstore-ls -f /
        find /var/lib/xen "$place/files" "$place/state" -mindepth 1
        pgrep -l '^libxl-save' || true
    } | awk '
        function unknown() { print "left over: " $0 }
        $1 == "reeve" { alive[$2] += $3 ~ /^(running|paused|crashed)$/; image[$4] = $3 == "suspended"; next }
        $1 == "xen" {
            if ($3 !~ /^[1-9]/)
                next
            has[$2]++
            known[$3] = 1
            for (i = 4; i <= NF; i++)
                if (length($i) == 36 && split($i, part, "-") == 5) {
                    if ($i in known)
                        print "twice: " $0
                    known[$i] = 1
                }
            next
        }
        match($1, "^/(local/domain|libxl|vm|local/domain/0/backend/[a-z0-9]+)/[^/]+$") {
            sub(".*/", "", $1)
            if (!($1 in known) && $1 !~ /^(0|[a-z].*)$/)
                unknown()
        }
        match($1, "/userdata-[^/]*$") {
            split($1, part, ".")
            if (!(part[2] in known) && part[2] != 0)
                unknown()
        }
        match($1, "/images/[^/]+") && !image[substr($1, RSTART + 8, RLENGTH - 8)] { unknown() }
        $1 ~ /[.](part|spent|core)$/ || $2 ~ /^libxl-save/ { unknown() }
        END {
            for (name in alive)
                if (alive[name] != has[name] + 0)
                    print name ": reeve has " alive[name] " that run, Xen " has[name] + 0
            for (name in has)
                if (!(name in alive))
                    print name ": reeve does not know it"
        }'
}

no_mistakes()
{
    mistakes >"$place/mistakes"
    [ ! -s "$place/mistakes" ]
}

# accounted: the guests that reeve says run are those that the hypervisor has, each once; no other is
# described anywhere, no helper is left, and no file of a save but of domains that are in it.
accounted()
{
    wait_for 30 no_mistakes || {
        cat "$place/mistakes" >&2
        return 1
    }
    reeve doctor >"$place/out" || {
        cat "$place/out" >&2
        return 1
    }
}

# comes_to NAME VERB AFTER COUNT BOOTS: what must be the case after a row.
comes_to()
{
    local name=$1 verb=$2 after=$3
    wait_for 60 is_at "$name" "$after" || {
        echo "$name is $(place_of "$name"), not $after" >&2
        return 1
    }
    accounted
    if [ "$after" = running ]; then
        # A guest that runs has no file, but what it came from and a checkpoint that was taken.
        case "$verb" in
        restore) rm "$(file_of "$name")" ;;
        *) [ ! -e "$(file_of "$name")" ] ;;
        esac
        goes_on "$name" "$4" "$5"
    fi
}

# ended STATUS: the verb's, which is in `status`.
ended()
{
    if [ "$status" -ne "$1" ]; then
        echo "exit status $status, not $1:" >&2
        cat "$place/out" "$place/err" >&2
        return 1
    fi
}

# act NAME VERB
act()
{
    # shellcheck disable=SC2046 # words
    timeout 600 reeve $(words "$1" "$2") >"$place/out" 2>"$place/err" </dev/null
}

# --- a row ---

# at_point POINT ACTION KIND VERB AFTER
at_point()
{
    local point=$1 action=$2 name=faults-$3 verb=$4 after=$5 status=0 count booted back
    bring "$name" "${from[$verb]}"
    another_daemon "$point=$action"
    look "$name"
    act "$name" "$verb" || status=$?
    ended "${ends[$action]}"
    if [ "$action" = fail ]; then
        says "fault point $point"
        wait_for 60 is_at "$name" "$after"
    fi
    another_daemon
    # It has been started here: its boot is what it is to go on with.
    [ "$verb" != start ] || { booted=$((booted + 1)) count=0; }
    comes_to "$name" "$verb" "$after" "$count" "$booted"
}

# at_call HOW NTH CALL KIND VERB AFTER
at_call()
{
    local how=$1 nth=$2 call=$3 name=faults-$4 verb=$5 after=$6 status=0 count booted back pid
    bring "$name" "${from[$verb]}"
    look "$name"
    arm "$how" "$nth" "$call"
    act "$name" "$verb" 3>&- 4>&- &
    pid=$!
    case "$how" in
    cancel)
        wait_for 60 met
        reeve cancel "job:$(field "$name" job.id)"
        disarm
        ;;
    helper)
        wait_for 60 met
        wait_for 20 helper_runs # a load may be held before libxl has come to it
        kill -KILL "$(helpers_of_libxl)"
        disarm
        ;;
    esac
    wait "$pid" || status=$?
    if ! met; then
        echo "not met" >&2
        return 1
    fi
    disarm
    ended "${ends[$how]}"
    [ "$how" != kill ] || another_daemon
    comes_to "$name" "$verb" "$after" "$count" "$booted"
}

# each_point, each_call PATTERN: the rows of the table that have it.
each_point()
{
    local row
    for row in "${points[@]}"; do
        # shellcheck disable=SC2086 # words
        [[ ! $row =~ $1 ]] || timed at_point $row
    done
}

each_call()
{
    local row
    for row in "${calls[@]}"; do
        # shellcheck disable=SC2086
        [[ ! $row =~ $1 ]] || timed at_call $row
    done
}

# timed FUNCTION WORD ...: a row, which a failure names, and the seconds that it takes. Not under bats' trap
# for each command, which takes most of a row's time in the emulated machine (functions have it by
# functrace); what was run is in a trace instead, whose end is shown.
timed()
{
    local began=$SECONDS
    echo "# $*"
    exec 9>"$place/trace"
    BASH_XTRACEFD=9
    set +T -x
    "$@"
    { set -T +x; } 2>/dev/null
    echo "$((SECONDS - began)) s: $*" >>/lab/out/faults-rows
}

teardown()
{
    [ -n "${BATS_TEST_COMPLETED:-}" ] || [ ! -e "$place/trace" ] ||
        grep -avE 'bats_|BATS_|NORMALIZED_INPUT|file_excluded|for path in|break$|BASH|\[\[|trap|status=1' "$place/trace" |
        tail -n 25 | cut -c 1-300 | sed 's/^/trace: /'
    show_daemon_log
}

@test "every fault point has a row here, or is none of Xen's" {
    local point known
    known=" $(printf '%s\n' "${points[@]}" | cut -d ' ' -f 1 | tr '\n' ' ') ${apart[*]} ${!unreached[*]} "
    for point in $(reeved --fault-points); do
        [[ $known == *" $point "* ]] || [[ $known == *" ${point%%.*}. "* ]] || {
            echo "$point is met by no row" >&2
            return 1
        }
    done
}

@test "start" {
    each_point ' start '
}

@test "suspend" {
    each_point ' suspend +running$'
}

@test "save to a file" {
    each_point ' save +running$'
}

@test "checkpoint" {
    each_point ' checkpoint '
}

@test "suspend that is on record, and resume" {
    each_point ' (suspend +suspended|resume +[a-z]+)$'
}

@test "save that is on record, and restore" {
    each_point ' (save +saved|restore +[a-z]+)$'
}

@test "calls on the image and the stream of a save; a cancel; libxl's helper killed" {
    each_call ' (save|checkpoint|suspend) +running$'
}

@test "the same in a resume and a restore" {
    each_call ' (suspended|saved)$'
    each_call ' restore +running$'
}

@test "what changes a guest, and its core" {
    each_point ' (mem-set|dump-core) '
}

@test "reset" {
    each_point ' reset '
}

@test "what a crash left is kept beside it: killed there, it is booted once" {
    local name=faults-pv count booted back aside
    bring "$name" running
    another_daemon restart.aside=kill
    look "$name"
    timeout 60 reeve console "$name" <<<crash >/dev/null 2>&1 3>&- 4>&- || true
    wait_for 60 process_gone "$(cat "$place/pid")"
    another_daemon
    booted=$((booted + 1)) count=0
    wait_for 60 is_at "$name" running
    goes_on "$name" "$count" "$booted"
    aside=$(xl list | grep -o "^$name-[^ ]*")
    [ "$(wc -l <<<"$aside")" -eq 1 ]
    assert_state "$aside" crashed
    reeve destroy "$aside"
    accounted
}

# HVM guests alone have it (hvm_guest.S).
@test "a soft reset that a guest asks for: killed when it is done, the guest runs on in its memory" {
    local name=faults-hvm count booted back
    cp "$REEVE_BUILD_DIR/tests/xen/hvm_guest" "$place/disk.img"
    truncate -s 1M "$place/disk.img"
    cat >"$place/$name.cfg" <<TEXT
name = "$name"
type = "hvm"
memory = 32
serial = "pty"
vnc = 0
disk = [ "$place/disk.img,raw,hda,w" ]
TEXT
    reeve new "$place/$name.cfg"
    reeve start "$name"
    wait_boot "$name"
    another_daemon restart.running=kill
    look "$name"
    timeout 60 reeve console "$name" <<<s >/dev/null 2>&1 3>&- 4>&- || true
    wait_for 60 process_gone "$(cat "$place/pid")"
    another_daemon
    wait_for 60 is_at "$name" running
    goes_on "$name" "$count" "$booted"
    reeve destroy "$name"
    reeve delete "$name"
    accounted
}

@test "destroy and shutdown" {
    each_point ' (destroy|shutdown) '
}

@test "nothing is left of them" {
    local name
    for name in faults-pv faults-pvh faults-tiny; do
        bring "$name" halted
        reeve delete "$name"
    done
    assert_no_leftovers
    accounted
}
