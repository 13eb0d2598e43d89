# SPDX-License-Identifier: MIT
# `quickstart tour`: every verb on a real guest, each explained in a line, shown as it would be typed,
# and checked. Sourced by quickstart and by lab/dom0/tour, whose variables it uses.
# shellcheck shell=bash disable=SC2154 # build_dir, base, log, config, boot_seconds are theirs

# --- what a domain is, and what its guest says ---

# state_of NAME: the domain's state, or "absent".
state_of()
{
    local line
    line=$("$build_dir/reeve" list --columns name,state --format csv 2>/dev/null |
        grep "^$1," | head -n 1) || true
    line=${line#*,}
    echo "${line:-absent}"
}

# listen NAME SECONDS [LINE]: what the domain's console says meanwhile, after typing LINE there.
listen()
{
    {
        [ -z "${3:-}" ] || echo "$3"
        sleep "$2"
    } | timeout --kill-after=2 "$(($2 + 2))" "$build_dir/reeve" console "$1" 2>>"$log" |
        tr -d '\r' || true
}

# console_file NAME: where the daemon keeps what the guest said.
console_file()
{
    "$build_dir/reeve" show "$1" --format json | sed -n 's/.*"console": *"\([^"]*\)".*/\1/p'
}

# console_size NAME: a place in that file, for first_count.
console_size()
{
    stat -c %s "$(console_file "$1")" 2>/dev/null || echo 0
}

counts()
{
    tr -d '\r' | sed -n 's/^reeve-guest: count \([0-9]*\)$/\1/p'
}

# first_count NAME SIZE: the first value after that place; 0 when none comes within the time of a boot.
first_count()
{
    local count file deadline=$((SECONDS + boot_seconds))
    file=$(console_file "$1")
    while [ "$SECONDS" -lt "$deadline" ]; do
        count=$(tail -c "+$(($2 + 1))" "$file" 2>/dev/null | counts | head -n 1)
        if [ -n "$count" ]; then
            echo "$count"
            return
        fi
        sleep 0.2
    done
    echo 0
}

# await_guest NAME: until the guest counts on its console, from now on.
await_guest()
{
    local size
    size=$(console_size "$1")
    [ "$(first_count "$1" "$size")" -gt 0 ]
}

# --- the tour ---

tour_steps=0

tour_fail()
{
    echo
    echo "quickstart tour: $*" >&2
    echo "Everything is left as it is: look with \`reeve list\`, \`reeve log tour\` and" \
        "$base/reeved.log." >&2
    exit 1
}

# lesson VERB TEXT COUNTERPART: opens a step.
lesson()
{
    tour_steps=$((tour_steps + 1))
    echo
    echo "$tour_steps. $1: $2 [$3]"
}

# shown PROGRAM-ARGUMENTS ...: shows and runs a reeve command; its exit status is returned.
shown()
{
    echo "   \$ reeve $*"
    "$build_dir/reeve" "$@" </dev/null 2>&1 | sed 's/^/     /'
}

works()
{
    shown "$@" || tour_fail "\`reeve $*\` failed"
}

# refused CODE ARGUMENTS ...: the command must be refused with this exit status.
refused()
{
    local wanted=$1 status=0
    shift
    shown "$@" || status=$?
    [ "$status" -eq "$wanted" ] ||
        tour_fail "\`reeve $*\` ended with $status; a refusal with $wanted was expected"
    echo "   refused with exit status $status, as it should be"
}

# is NAME STATE: the check after a step.
is()
{
    local state
    state=$(state_of "$1")
    [ "$state" = "$2" ] || tour_fail "$1 is $state; it should be $2"
    echo "   checked: $1 is $state"
}

# last_count NAME: the newest counter value; 0 when there is none.
last_count()
{
    local count
    count=$(tail -c 4096 "$(console_file "$1")" | counts | tail -n 1)
    echo "${count:-0}"
}

boots()
{
    await_guest "$1" || tour_fail "the guest $1 did not come up within $boot_seconds seconds"
}

# goes_on NAME COUNT SIZE: its RAM survived, for the first count after that place follows COUNT. One
# line may be lost where the guest was stopped in the middle of it.
goes_on()
{
    local now
    now=$(first_count "$1" "$3")
    if [ "$now" -le "$2" ] || [ "$now" -gt $(($2 + 3)) ]; then
        tour_fail "$1's counter is $now; it should go on after $2"
    fi
    echo "   checked: its counter went on, $now after $2"
}

# started_over NAME COUNT: it booted anew, for the counter is below COUNT.
started_over()
{
    local now deadline=$((SECONDS + boot_seconds))
    until now=$(last_count "$1") && [ "$now" -gt 0 ] && [ "$now" -lt "$2" ]; do
        [ "$SECONDS" -lt "$deadline" ] ||
            tour_fail "$1's counter is $now; it should have started over (it was $2)"
        sleep 0.2
    done
    echo "   checked: its counter started over, $now after $2"
}

# count_to NAME COUNT: lets the guest count so far that a new boot cannot be mistaken for it.
count_to()
{
    local now deadline=$((SECONDS + boot_seconds))
    until now=$(last_count "$1") && [ "$now" -ge "$2" ]; do
        [ "$SECONDS" -lt "$deadline" ] || tour_fail "$1's counter stands at $now"
        sleep 0.2
    done
    echo "$now"
}

tour_life()
{
    lesson new "keeps a config as a managed domain, which outlives its own end" "counterpart: delete"
    works new "$config" name=tour
    is tour halted

    lesson start "boots it" "counterpart: shutdown"
    works start tour
    works wait tour --for running --timeout 10
    is tour running
    boots tour

    lesson "list, show, explain" "what there is, one domain whole, and what a verb would do" \
        "they change nothing"
    works list
    works show tour
    works explain tour pause

    lesson console "its serial line; what is typed there reaches the guest" "it changes nothing"
    echo "   \$ reeve console tour     (and mem typed there)"
    listen tour 2 mem | sed -n 's/^reeve-guest: mem/     &/p' | grep . ||
        tour_fail "the guest did not answer on its console"
}

tour_pause()
{
    local before size after
    lesson pause "its processors stand still; nothing else changes" "counterpart: unpause"
    works pause tour
    is tour paused
    before=$(last_count tour)
    size=$(console_size tour)
    sleep 1
    after=$(last_count tour)
    [ "$after" -eq "$before" ] || tour_fail "the counter of the paused guest moved"
    echo "   checked: its counter stands at $before"

    lesson unpause "lets it run on" "counterpart: pause"
    works unpause tour
    is tour running
    goes_on tour "$before" "$size"
}

tour_suspend()
{
    local before size
    lesson suspend "its RAM goes to an image that reeve keeps; no memory is used" \
        "counterpart: resume"
    works suspend tour
    is tour suspended
    before=$(last_count tour)
    size=$(console_size tour)

    lesson resume "it goes on where it was" "counterpart: suspend"
    works resume tour
    is tour running
    goes_on tour "$before" "$size"

    lesson discard "throws a suspended domain's RAM away, as a power cut would" "no counterpart"
    works suspend tour
    refused 4 start tour
    works discard tour
    is tour halted
    works start tour
    boots tour
}

tour_save()
{
    local before size image=$base/tour.reeve
    rm -f "$image"
    lesson "save --checkpoint" "a copy of its RAM goes to a file of yours while it lives on" \
        "counterpart: restore"
    works save --checkpoint tour "$image"
    is tour running
    rm -f "$image"

    lesson save "its RAM goes to a file of yours" "counterpart: restore"
    works save tour "$image"
    is tour halted
    before=$(last_count tour)
    size=$(console_size tour)

    lesson restore "it goes on from that file" "counterpart: save"
    works restore "$image"
    is tour running
    goes_on tour "$before" "$size"
    rm -f "$image"
}

tour_reboot()
{
    local before
    lesson reboot "the guest ends in order and boots again" "counterpart: none"
    before=$(count_to tour 60)
    works reboot tour
    is tour running
    started_over tour "$before"

    lesson reset "the reset button: it boots again without having ended in order" \
        "the orderly way: reboot"
    before=$(count_to tour 60)
    works reset tour
    is tour running
    started_over tour "$before"
}

tour_end()
{
    lesson shutdown "presses the power button and waits until the guest has powered off" \
        "counterpart: start"
    works shutdown tour
    is tour halted

    lesson destroy "pulls the plug; the orderly way is shutdown" "counterpart: start"
    works start tour
    works destroy tour
    is tour halted

    lesson log "who did what to it, and when" "it changes nothing"
    works log tour

    lesson delete "forgets a managed domain that has ended; its disks stay" "counterpart: new"
    works delete tour
    is tour absent
}

tour_transient()
{
    lesson create "boots a config file at once; the domain is transient: gone when it ends" \
        "counterpart: destroy"
    works create "$config" name=tour
    is tour running

    lesson adopt "makes a transient domain managed while it runs" "no counterpart"
    works adopt tour
    is tour running

    lesson "a refusal" "what a verb cannot do it says, with what would work, and changes nothing" \
        "exit status 4"
    refused 4 delete tour
    is tour running

    lesson "delete --destroy" "does both, in that order" "counterpart: new"
    works delete --destroy tour
    is tour absent
}

tour_daemon()
{
    lesson "jobs, info, doctor" "what the daemon is doing, what it is, and whether all is well" \
        "they change nothing"
    works jobs
    works info
    works doctor
}

tour()
{
    if [ ! -x "$build_dir/reeve" ] || ! daemon_answers || [ ! -e "$config" ]; then
        echo "quickstart: reeve is not running yet; run \`$0\` first" >&2
        exit 1
    fi
    echo "A walk through every verb, on a second guest called tour. It takes a minute or two."
    if [ "$(state_of tour)" != absent ]; then
        echo "A tour that was left half way is cleared first."
        end_domain tour >>"$log" 2>&1 || tour_fail "the old domain tour cannot be cleared"
    fi
    tour_life
    tour_pause
    tour_suspend
    tour_save
    tour_reboot
    tour_end
    tour_transient
    tour_daemon
    echo
    echo "All $tour_steps steps did what they say. reeve help VERB and reeve explain VERB tell more."
}
