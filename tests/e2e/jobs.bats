#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Jobs that are slow, fail or hang, on the null driver: nobody else waits for them.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon null
}

teardown()
{
    clear_place
}

# null_config NAME [WORDS]
null_config()
{
    printf 'name = "%s"\nmemory = 1\ncmdline = "%s"\n' "$1" "${2:-}" >"$place/$1.cfg"
}

# milliseconds COMMAND ...: how long it takes.
milliseconds()
{
    local from=${EPOCHREALTIME/./}
    "$@" >/dev/null
    echo $(((${EPOCHREALTIME/./} - from) / 1000))
}

has_job()
{
    reeve show "$1" --format json | jq -e ".job.verb == \"$2\"" >/dev/null
}

@test "list and show answer while a job hangs, and while the driver hangs for one domain" {
    null_config slow 'null.save=hang'
    null_config deaf 'null.list=hang null.info=hang'
    null_config other
    reeve create "$place/slow.cfg"
    reeve create "$place/other.cfg"
    reeve save --no-wait slow "$place/slow.reeve"
    wait_for 10 has_job slow save
    local took
    took=$(milliseconds reeve list)
    echo "list: $took ms"
    [ "$took" -lt 20000 ] # what hangs does so for 600 s
    reeve pause other
    is_state other paused
    reeve create "$place/deaf.cfg" || true
    took=$(milliseconds reeve list)
    echo "list with a deaf driver: $took ms"
    [ "$took" -lt 20000 ] # what hangs does so for 600 s
    is_state other paused
}

@test "a second job on a domain is busy, names the first, and cancel leaves the domain as it was" {
    null_config web1 'null.save=hang'
    reeve create "$place/web1.cfg"
    reeve save --no-wait web1 "$place/web1.reeve"
    wait_for 10 has_job web1 save
    refused 6 pause web1
    says 'save'
    local job
    job=$(field web1 job.id)
    reeve cancel "job:$job"
    reeve wait "job:$job" --timeout 10 && return 1
    wait_for 10 settled web1
    assert_state web1 running
    [ ! -e "$place/web1.reeve" ]
    reeve pause web1
    assert_state web1 paused
}

@test "destroy goes before a job that hangs" {
    null_config web1 'null.save=stuck:60000'
    reeve new "$place/web1.cfg"
    reeve start web1
    reeve save --no-wait web1 "$place/web1.reeve"
    wait_for 10 has_job web1 save
    local took
    took=$(milliseconds reeve destroy web1)
    echo "destroy: $took ms"
    [ "$took" -lt 15000 ]
    assert_state web1 halted
}

@test "several domains: all are tried, the exit status is the first failure's" {
    null_config a
    null_config c
    reeve create "$place/a.cfg"
    reeve create "$place/c.cfg"
    local status=0
    reeve pause a nobody c 2>"$place/err" || status=$?
    [ "$status" -eq 3 ]
    [ "$(wc -l <"$place/err")" -eq 1 ]
    assert_state a paused
    assert_state c paused
}

@test "shutdown --all: in parallel, goes on after a deaf guest, ends with a summary" {
    null_config a
    null_config b 'null.ignore-power'
    null_config c
    local name status=0
    for name in a b c; do
        reeve new "$place/$name.cfg"
        reeve start "$name"
    done
    reeve shutdown --all --timeout 1 >"$place/out" 2>"$place/err" || status=$?
    [ "$status" -eq 5 ]
    assert_state a halted
    assert_state b running
    assert_state c halted
    says 'b'
    grep -hE '\b2\b.*\b1\b|\b1\b.*\b2\b|\b3\b' "$place/out" "$place/err"
}

@test "wait --for a state, and its timeout" {
    null_config web1 'null.poweroff-after=700'
    reeve new "$place/web1.cfg"
    refused 5 wait web1 --for running --timeout 0.2
    reeve start web1
    reeve wait web1 --for halted --timeout 20
    assert_state web1 halted
}

@test "a failing start leaves a managed domain halted and a transient one absent" {
    null_config web1 'null.create=fail'
    refused 1 create "$place/web1.cfg"
    assert_state web1 absent
    reeve new "$place/web1.cfg"
    refused 1 start web1
    assert_state web1 halted
}

@test "SIGTERM while a job hangs: rolled back, and the guest is as it was for the next daemon" {
    null_config web1 'null.save=hang'
    reeve new "$place/web1.cfg"
    reeve start web1
    reeve save --no-wait web1 "$place/web1.reeve"
    wait_for 10 has_job web1 save
    stop_daemon
    [ ! -e "$place/web1.reeve" ]
    start_daemon null
    assert_state web1 running
    settled web1
}

# --- the history ---

# followed TEXT: a line of what log --follow has printed.
followed()
{
    grep -q "$1" "$place/followed"
}

not_followed()
{
    [ "$(grep -c "$1" "$place/followed")" -eq 0 ]
}

# follow ARGUMENT ...: log --follow in the background, its lines in $place/followed.
follow()
{
    reeve log --follow "$@" >"$place/followed" 2>"$place/followed-err" 3>&- 4>&- &
    follower=$!
}

@test "log --follow --since goes on where it was left, and does not begin anew when nothing is new" {
    null_config web1
    reeve create "$place/web1.cfg"
    local last
    wait_for 10 logged 'web1 .*done' # the last row of create may come after its answer
    last=$(reeve log --format json | jq .last)
    # Nothing has happened since; then the next thing alone.
    follow --since "$last"
    null_config web2
    reeve create "$place/web2.cfg"
    wait_for 10 followed 'web2 .*done'
    kill "$follower"
    not_followed web1
    [ ! -s "$place/followed-err" ]
    # From a time, with one domain alone; what comes later as well.
    follow --since 2026-01-01T00:00:00Z web1
    wait_for 10 followed 'web1 .*done'
    reeve pause web2
    reeve pause web1
    wait_for 10 followed 'web1 .*paused'
    kill "$follower"
    not_followed web2
    # The same after a crash of the daemon: numbers and reasons are those that were.
    reeve log --since "$last" >"$place/before"
    kill9_daemon
    start_daemon null
    reeve log --since "$last" | head -n "$(wc -l <"$place/before")" | diff "$place/before" -
    [ "$(reeve show web1 --format json | jq -r .reason)" = paused-by-user ]
}

# with_phase PHASE COUNT: so many jobs are in it.
with_phase()
{
    [ "$(reeve jobs --format json | jq "[.jobs[] | select(.phase == \"$1\")] | length")" -eq "$2" ]
}

# places: how many guests are built, suspended or resumed at once.
count_places()
{
    places=4
    [ "$(nproc)" -le 4 ] || places=$(nproc)
}

# start_all WORDS MORE: as many as are built at once, and MORE.
start_all()
{
    local i
    count_places
    for ((i = 0; i < places + $2; i++)); do
        null_config "g$i" "$1"
        reeve new "$place/g$i.cfg"
        reeve start --no-wait "g$i"
    done
    wait_for 10 with_phase building "$places"
    wait_for 10 with_phase 'waiting for others' "$2"
}

# first_job PHASE: "job:ID DOMAIN" of the first that is in it.
first_job()
{
    reeve jobs --format json | jq -r "[.jobs[] | select(.phase == \"$1\")][0] | \"job:\(.id) \(.domain)\""
}

@test "as many guests are built at once as there are CPUs, four at least; the others wait, and can be cancelled" {
    local waiting building
    start_all 'null.create=hang' 2
    waiting=$(first_job 'waiting for others')
    reeve cancel "${waiting% *}"
    wait_for 10 with_phase 'waiting for others' 1
    is_state "${waiting#* }" halted
    with_phase building "$places"
    # The next gets the place of one that ends.
    building=$(first_job building)
    reeve cancel "${building% *}"
    wait_for 10 with_phase 'waiting for others' 0
    wait_for 10 with_phase building "$places"
}

@test "a start that is stuck gives its place up when destroy goes past it" {
    start_all 'null.create=stuck:30000' 0
    null_config next
    reeve new "$place/next.cfg"
    reeve start --no-wait next
    wait_for 10 with_phase 'waiting for others' 1
    reeve destroy g0
    wait_for 10 is_state next running
}

@test "guests are suspended in turns as well; a save waits for nobody" {
    local i suspending
    count_places
    for ((i = 0; i < places + 2; i++)); do
        null_config "g$i" 'null.save=hang'
        reeve new "$place/g$i.cfg"
        reeve start "g$i"
    done
    for ((i = 0; i < places + 1; i++)); do
        reeve suspend --no-wait "g$i"
    done
    wait_for 10 with_phase saving "$places"
    wait_for 10 with_phase 'waiting for others' 1
    reeve save --no-wait "g$i" "$place/g$i.reeve"
    wait_for 10 with_phase saving $((places + 1))
    suspending=$(first_job saving)
    reeve cancel "${suspending% *}"
    wait_for 10 with_phase 'waiting for others' 0
    wait_for 10 with_phase saving $((places + 1))
}

@test "a save for which there is no space beside another waits for that one's end, and is refused alone" {
    [ "$(id -u)" -eq 0 ] || skip "it needs a file system of its own"
    mkdir "$place/small"
    mount -t tmpfs -o size=48m tmpfs "$place/small"
    null_config first 'null.save=hang'
    null_config second
    null_config third
    reeve create "$place/first.cfg"
    reeve create "$place/second.cfg"
    reeve create "$place/third.cfg"
    reeve save --no-wait first "$place/small/first.reeve"
    wait_for 10 with_phase saving 1
    reeve save --no-wait second "$place/small/second.reeve"
    wait_for 10 with_phase 'waiting for space' 1
    reeve save --no-wait third "$place/small/third.reeve"
    wait_for 10 with_phase 'waiting for space' 2
    # One that waits can be cancelled; it runs on.
    reeve cancel "job:$(field third job.id)"
    wait_for 10 settled third
    assert_state third running
    reeve cancel "job:$(field first job.id)"
    wait_for 10 settled first
    assert_state first running
    wait_for 10 is_state second absent
    [ "$(ls -A "$place/small")" = second.reeve ]
    # It is alone now: nobody will give space back.
    head -c 30M /dev/zero >"$place/small/full"
    refused 1 save third "$place/small/third.reeve"
    says 'it needs 33 MiB, and a file there can have'
    assert_state third running
}
