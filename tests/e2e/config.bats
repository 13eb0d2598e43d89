#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A domain's name and stored config, on the null driver.

# shellcheck disable=SC2154,SC2016 # make_place sets place; editors are scripts of their own

load helpers
unset REEVE_CLIENT_DIR
bats_require_minimum_version 1.5.0

setup()
{
    make_place
    start_daemon null
    printf '# kept\nname = "one"\nmemory = 64\nmaxmem = 128\nmaxvcpus = 4\n' >"$place/one.cfg"
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

# editor COMMANDS: what $EDITOR does with the file "$1", as a script.
editor()
{
    printf '#!/bin/bash\n%s\n' "$1" >"$place/editor"
    chmod +x "$place/editor"
    unset VISUAL
    export EDITOR=$place/editor TMPDIR=$place
}

kept_texts()
{
    find "$place" -name 'reeve-edit-*' | wc -l
}

@test "config show prints the text as it is; set keeps comments and order and says what acts when" {
    diff <(reeve config show one) "$place/one.cfg"
    run -0 reeve config set one memory=80 on_crash=restart
    [ "$output" = "changed memory, on_crash of one (start boots it so)" ]
    diff <(reeve config show one) <(printf '# kept\nname = "one"\nmemory = 80\nmaxmem = 128\nmaxvcpus = 4\non_crash = "restart"\n')
    reeve start one
    run -0 reeve config set one memory=96 on_crash=destroy
    [ "$output" = "changed memory, on_crash of one (now: on_crash; at the next boot: memory; at once by mem-set)" ]
    run -0 reeve config set one vcpus=2
    [ "$output" = "changed vcpus of one (it acts at the next boot; at once by vcpu-set)" ]
    run -0 reeve config set one --next-boot vcpus=1
    [ "$output" = "changed vcpus of one (it acts at the next boot)" ]
    run -0 reeve config diff one --format csv
    [ "$output" = $'key,old,new\nmemory,80,96' ]
    run -0 reeve config set one --next-boot on_crash=restart
    [ "$output" = "changed on_crash of one (it acts at the next boot)" ]
    run -0 reeve config diff one --format csv
    [ "$output" = $'key,old,new\nmemory,80,96\non_crash,"""destroy""","""restart"""' ]
    [ "$(field one memory_kib)" = $((80 * 1024)) ]
    reeve reset one
    [ "$(field one memory_kib)" = $((96 * 1024)) ]
    [ "$(reeve config diff one --format json | jq '.changes | length')" = 0 ]
    [ "$(field one live_config)" = null ]
}

@test "what the guest was booted with outlives the daemon, a suspend and a rename" {
    reeve start one
    reeve config set one memory=96
    kill9_daemon
    start_daemon null
    [ "$(reeve config diff one --format json | jq -r '.changes[0].old')" = 64 ]
    reeve suspend one
    refused 4 config set one memory=100
    says 'resume'
    [ "$(reeve config diff one --format json | jq -r '.changes[0].old')" = 64 ]
    reeve rename one two
    reeve resume two
    [ "$(field two memory_kib)" = $((64 * 1024)) ]
    run -0 reeve config diff two --format csv
    [ "$output" = $'key,old,new\nmemory,64,96' ]
    reeve config set two memory=64
    [ "$(field two live_config)" = null ]
    reeve reboot two
    [ "$(field two memory_kib)" = $((64 * 1024)) ]
}

@test "a set that is wrong changes nothing and says where it is wrong" {
    reeve config show one >"$place/before"
    refused 2 config set one memory=lots
    says 'memory'
    refused 2 config set one uuid=c0ffee00-0000-4000-8000-000000000000
    refused 2 config set one name=two
    says 'rename'
    refused 2 config set one vcpus=5
    refused 2 config set one memory
    refused 2 config set one
    refused 2 config sett one memory=1
    says 'did you mean config set'
    refused 2 config show one --next-boot
    refused 2 config show one --format csv
    refused 3 config show nobody
    diff <(reeve config show one) "$place/before"
    [ "$(reeve config history one --format json | jq '.versions | length')" = 1 ]
}

@test "history has time, actor and what changed of each version; diff compares any two" {
    reeve config set one memory=80
    reeve config set one vcpus=2 maxvcpus=3
    reeve config history one --format json >"$place/history"
    jq -e --arg who "uid $(id -u)" '.versions | length == 3 and
        all(.[]; .at != null and (.actor | startswith($who))) and
        .[0].changed == null and .[1].changed == ["memory"] and
        (.[2].changed | sort) == ["maxvcpus", "vcpus"]' "$place/history"
    run -0 reeve config history one
    [ "${#lines[@]}" -eq 4 ]
    run -0 reeve config diff one 1 2 --format csv
    [ "$output" = $'key,old,new\nmemory,64,80' ]
    run -0 reeve config diff one 3 1 --format json
    jq -e '.from == "3" and .to == "1" and (.changes | length) == 3' <<<"$output"
    # Halted: what the last change was.
    run -0 reeve config diff one --format json
    jq -e '.from == "2" and .to == "stored" and (.changes | length) == 2' <<<"$output"
    refused 2 config diff one 9
    says 'no version 9'
    refused 2 config diff one later
    refused 4 config diff one running
    kill9_daemon
    start_daemon null
    diff <(reeve config history one --format json) "$place/history"
}

@test "edit opens the text in the editor and stores what comes out of it" {
    editor 'stat -c %a "$1" "$(dirname "$1")" >'"$place"'/modes; sed -i s/64/72/ "$1"; echo "# more" >>"$1"'
    run -0 reeve config edit one
    [ "${lines[0]}" = "changed memory of one (start boots it so)" ]
    [[ "${lines[2]}" =~ ^memory\ +64\ +72\ +next-boot ]]
    diff <(reeve config show one) <(printf '# kept\nname = "one"\nmemory = 72\nmaxmem = 128\nmaxvcpus = 4\n# more\n')
    [ "$(tr '\n' ' ' <"$place/modes")" = "600 700 " ]
    [ "$(kept_texts)" -eq 0 ]
    editor true
    run -0 reeve config edit one
    [ "$output" = "the config of one was not changed" ]
    [ "$(kept_texts)" -eq 0 ]
    VISUAL="$place/editor --with-an-option" EDITOR=false run -0 reeve config edit one
}

@test "an edit that is wrong is not stored, and the text is kept" {
    local file
    editor 'echo "memory = \"lots\"" >"$1"'
    refused 2 config edit one
    says ':1: memory: .*your text is in '
    file=$(sed 's/.*your text is in //' "$place/err")
    grep -qx 'memory = "lots"' "$file"
    diff <(reeve config show one) "$place/one.cfg"
    editor 'exit 3'
    refused 1 config edit one
    EDITOR=/does/not/exist run -1 reeve config edit one
    [[ "$output" == *"set VISUAL or EDITOR"* ]]
    [ "$(kept_texts)" -eq 1 ]
}

@test "a change by somebody else while the text is open makes the edit stale, and loses nothing" {
    editor 'reeve config set one maxvcpus=3 >&2; sed -i s/64/72/ "$1"'
    run reeve config edit one
    [ "$status" -eq 6 ]
    [[ "$output" == *"has changed since it was read"*"your text is in"* ]]
    grep -qx 'memory = 72' "${output##*your text is in }"
    [ "$(field one max_vcpus)" = 3 ]
    [ "$(field one memory_kib)" = $((64 * 1024)) ]
}

@test "at a terminal a wrong text can be edited again" {
    # Wrong the first time, right the second.
    editor 'if grep -q lots "$1"; then sed -i "s/\"lots\"/77/" "$1"; else sed -i "s/64/\"lots\"/" "$1"; fi'
    printf 'y\n' | timeout 60 script -qec "reeve config edit one" /dev/null >"$place/screen"
    grep -q 'edit it again?' "$place/screen"
    [ "$(field one memory_kib)" = $((77 * 1024)) ]
    [ "$(kept_texts)" -eq 0 ]
}

@test "an edit of a suspended domain is refused before the editor opens" {
    reeve start one
    reeve suspend one
    editor "touch $place/opened"
    refused 4 config edit one
    [ ! -e "$place/opened" ]
}

# completed WORD ...: what bash would offer for the last word, each on a line.
completed()
{
    bash -c '
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _reeve
        printf "%s\n" "${COMPREPLY[@]}"' bash "$REEVE_BUILD_DIR/reeve.bash" reeve "$@"
}

@test "bash completes keys and the words that they take, from the rows of the keys" {
    [ "$(completed config set one memo)" = "memory=" ]
    [ "$(completed config set one reeve_machine =)" = $'pc\nq35\nmicrovm' ]
    [ "$(completed new "$place/one.cfg" on_crash = pre)" = preserve ]
    [ "$(completed create "$place/one.cfg" vcpus=2 hpet = '')" = $'0\n1' ]
    [ "$(completed config set one '' | grep -c '=$')" -gt 150 ]
    # A file, a domain and another verb's operand are no keys.
    [ "$(completed config s)" = $'show\nset' ]
    run completed config show one memo
    [[ $output != *memory=* ]]
    run completed new memo
    [[ $output != *memory=* ]]
    [ "$(completed image ex)" = export ]
}
