#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every refusal of the table (tests/golden/lifecycle.txt) as a user meets it: a domain is brought into each
# state, and each verb that is refused there ends with its exit status and the table's one line, and has
# changed nothing. The null driver's guests are in a state within milliseconds.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon null
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
uuid = "11111111-2222-4333-8444-555555555555"
memory = 1
on_poweroff = "preserve"
on_crash = "preserve"
TEXT
    # An image of this very domain, for restore.
    reeve create "$place/web1.cfg"
    reeve save web1 "$place/web1.reeve"
}

teardown()
{
    clear_place
}

# -g, because bats reads this file in a function. The exit status of each code that the table refuses with.
declare -gA exit_of=([wrong-state]=4 [exists]=4 [no-such-domain]=3 [unsupported]=9 [busy]=6)

verbs='new adopt start create pause unpause save restore suspend resume discard reboot reset shutdown
    destroy delete'

# all_but_time: the domain without what goes on by itself.
all_but_time()
{
    reeve list --long --format json | jq -c '[.domains[] | del(.observed_at, .cpu_seconds)]'
}

arguments_of()
{
    case "$1" in
    new | create) echo "$1 $place/web1.cfg" ;;
    save) echo "save web1 $place/new.reeve" ;;
    restore) echo "restore $place/web1.reeve" ;;
    *) echo "$1 web1" ;;
    esac
}

wait_until_state()
{
    wait_for 10 is_state web1 "$1"
}

# refusals STATE KIND: each verb that the golden refuses for web1, which is in that state.
refusals()
{
    local verb state kind line code message before tried=0
    wait_until_state "$1"
    before=$(all_but_time)
    while read -r verb state kind line; do
        [[ " ${verbs//$'\n'/ } " == *" $verb "* ]] || continue
        [ "$state $kind" = "$1 $2:" ] || continue
        [[ $line == 'refuses '* ]] || continue
        code=${line#refuses }
        code=${code%%:*}
        message=${line#*: }
        message=${message%% \[*}
        # What is not there has no table to answer from.
        [ "$code" != no-such-domain ] || message='there is no domain web1'
        # shellcheck disable=SC2046 # the words are the arguments
        refused "${exit_of[$code]}" $(arguments_of "$verb")
        # The table's line, into which a broken domain's own reason may have been put.
        if ! grep -qF -- "${message%%;*}" "$place/err" || ! grep -qF -- "${message##*; }" "$place/err"; then
            echo "$verb $state: not '$message' but '$(cat "$place/err")'" >&2
            return 1
        fi
        if [ "$(all_but_time)" != "$before" ]; then
            echo "$verb changed $before to $(all_but_time)" >&2
            return 1
        fi
        tried=$((tried + 1))
    done <"$repository/tests/golden/lifecycle.txt"
    echo "$1 $2: $tried refusals"
    [ "$tried" -gt 0 ]
}

@test "halted" {
    reeve new "$place/web1.cfg"
    refusals halted managed
}

@test "running" {
    reeve new "$place/web1.cfg"
    reeve start web1
    refusals running managed
    reeve delete --destroy web1
    reeve create "$place/web1.cfg"
    refusals running transient
}

@test "paused" {
    reeve new "$place/web1.cfg"
    reeve start --paused web1
    refusals paused managed
    reeve delete --destroy web1
    # What it is told to go on with is none of the refused.
    reeve create --paused "$place/web1.cfg" | grep -qF '(unpause lets it run on)'
    refusals paused transient
}

@test "suspended" {
    reeve new "$place/web1.cfg"
    reeve start web1
    reeve suspend web1
    refusals suspended managed
}

@test "shutdown" {
    reeve new "$place/web1.cfg" 'cmdline="null.poweroff-after=1"'
    reeve start web1
    refusals shutdown managed
    reeve delete --destroy web1
    reeve create "$place/web1.cfg" 'cmdline="null.poweroff-after=1"'
    refusals shutdown transient
}

@test "crashed" {
    reeve new "$place/web1.cfg" 'cmdline="null.crash-after=1"'
    reeve start web1
    refusals crashed managed
    reeve delete --destroy web1
    reeve create "$place/web1.cfg" 'cmdline="null.crash-after=1"'
    refusals crashed transient
}

@test "broken: its saved state is damaged" {
    reeve new "$place/web1.cfg"
    reeve start web1
    reeve suspend web1
    truncate -s -5 "$(find "$place/state/images" -name '*.reeve')"
    refused 1 resume web1
    refusals broken managed
    # Not spent, so --force does not bring it back either.
    reeve discard web1
    assert_state web1 halted
}

@test "absent" {
    refusals absent managed
}
