#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A domain's name and stored config, on the null driver.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon null
    printf '# kept\nname = "one"\nmemory = 64\n' >"$place/one.cfg"
    reeve new "$place/one.cfg"
}

teardown()
{
    clear_place
}

# call JSON: one request on the socket; the answer without the greeting.
call()
{
    printf '%s\n' "$1" | socat -t 5 - "UNIX:$REEVE_SOCKET" | tail -n 1
}

@test "rename changes name, config and copy, live too, and survives a restart of the daemon" {
    local uuid
    uuid=$(field one uuid)
    reeve start one
    run reeve rename one two
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    refused 3 show one
    [ "$(field two uuid)" = "$uuid" ]
    [ "$(field two state)" = running ]
    field two config | grep -qx '# kept'
    field two config | grep -qx 'name = "two"'
    kill9_daemon
    start_daemon null
    [ "$(field two uuid)" = "$uuid" ]
    [ "$(field two state)" = running ]
    wait_for 10 grep -qx 'name = "two"' "$place/state/domains/$uuid.cfg"
}

@test "rename to a name that is taken, or is none, is refused and changes nothing" {
    printf 'name = "two"\nmemory = 64\n' >"$place/two.cfg"
    reeve new "$place/two.cfg"
    refused 4 rename one two
    refused 4 rename one one
    refused 2 rename one 12
    refused 3 rename three four
    [ "$(field one state)" = halted ]
}

@test "autostart is stored in the config, where on and off take each other back" {
    [ "$(field one autostart)" = false ]
    reeve autostart one on
    [ "$(field one autostart)" = true ]
    field one config | grep -qx 'reeve_autostart = 1'
    reeve autostart one off
    [ "$(field one autostart)" = false ]
    refused 2 autostart one maybe
}

@test "config-set keeps comments, checks what it stores, and history has what was before" {
    call '{"execute":"config-set","arguments":{"domain":"one","overrides":["memory=99"]}}' |
        jq -e '.return.domain.memory_kib == 101376'
    field one config | grep -qx '# kept'
    call '{"execute":"config-set","arguments":{"domain":"one","overrides":["memory=lots"]}}' |
        jq -e '.error.code == "bad-config" and .error.key == "memory"'
    call '{"execute":"config-set","arguments":{"domain":"one","overrides":["name=two"]}}' |
        jq -e '.error.code == "bad-config"'
    [ "$(field one memory_kib)" = 101376 ]
    call '{"execute":"config-history","arguments":{"domain":"one"}}' |
        jq -e '.return.versions | length == 2 and .[0].version == 1'
}
