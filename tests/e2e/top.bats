#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What domains use: the call, top for scripts, and top on a terminal.

# shellcheck disable=SC2154 # make_place sets place

load helpers
unset REEVE_CLIENT_DIR
bats_require_minimum_version 1.5.0

setup()
{
    make_place
}

teardown()
{
    clear_place
}

# three_domains: busy runs, idle is halted, calm is paused; on null.
three_domains()
{
    local name
    start_daemon null
    for name in busy calm idle; do
        printf 'name = "%s"\nmemory = 64\ndisk = [ "/dev/null,raw,xvda,r" ]\n' "$name" >"$place/$name.cfg"
        reeve new "$place/$name.cfg"
    done
    reeve start busy
    reeve start -p calm
}

on_terminal()
{
    timeout 120 "$BATS_TEST_DIRNAME/on-terminal" "$@"
}

@test "top --batch prints rounds as table, CSV or JSON, with rates between them" {
    three_domains
    reeve top --batch -n 2 -d 2 --format json >"$place/rounds"
    [ "$(wc -l <"$place/rounds")" -eq 2 ]
    # A guest of null uses one CPU whole while it runs; a busy machine looks late.
    jq -se 'all(.[]; .host.cpus >= 1 and .at != null and (.domains | length) == 3 and
            .domains[0].name == "busy" and (.domains[0].cpu_percent | . > 10 and . < 500) and
            .domains[1].name == "calm" and .domains[1].cpu_percent == 0 and
            .domains[2].cpu_percent == null and .domains[2].id == null)' "$place/rounds"
    reeve top --batch -n 2 -d 0.2 --format csv --sort name busy idle >"$place/rounds"
    [ "$(grep -c '^at,name,id,state,' "$place/rounds")" -eq 1 ]
    [ "$(cut -d , -f 2 "$place/rounds" | tr '\n' ' ')" = "name busy idle busy idle " ]
    run -0 reeve top -b -n 1 -d 0.2
    [[ "${lines[1]}" == NAME*CPU%*MEM*READ/s*TX/s* ]]
    [[ "${lines[2]}" == busy* ]]
    refused 2 top --batch -n 0
    refused 2 top --batch -d 0
    refused 2 top --batch --sort cpuu
    says 'did you mean cpu'
    refused 2 top -n 3
    run -2 reeve top --format json
    jq -e '.error.code == "bad-request"' <<<"$output"
    refused 3 top --batch -n 1 nobody
    refused 2 top
    says 'needs a terminal'
}

@test "counters come beside a job that hangs" {
    three_domains
    printf 'name = "stuck"\nmemory = 64\ncmdline = "null.save=hang"\n' >"$place/stuck.cfg"
    reeve create "$place/stuck.cfg"
    reeve save --no-wait stuck "$place/stuck.reeve"
    reeve list stuck --format json | jq -e '.domains[0].job != null'
    timeout 20 reeve top --batch -n 2 -d 0.1 --format json stuck | jq -se 'length == 2 and .[1].domains[0].cpu_seconds != null'
}

@test "top on a terminal shows, sorts, acts and leaves the terminal as it was" {
    three_domains
    on_terminal 24x100 'expect:3 domains, 2 live' 'expect:busy' 'send:a' 'expect:by name' \
        'send:r' 'expect:the least first' 'send:r' 'send:j' 'send:U' 'expect:unpaused calm' \
        'resize:10x40' 'expect:busy' 'send:q' end:0 -- reeve top -d 0.3
    assert_state calm running
}

@test "top asks before it takes a guest away" {
    three_domains
    on_terminal 24x100 'expect:busy' 'send:D' 'expect:destroy busy\? y does it' 'send:x' \
        'expect:destroy: not done' 'send:q' end:0 -- reeve top busy
    assert_state busy running
    on_terminal 24x100 'expect:busy' 'send:D' 'expect:destroy busy\? y does it' 'send:y' \
        'expect:destroyed busy' 'send:U' 'expect:cannot unpause busy' 'send:q' end:0 -- reeve top busy
    assert_state busy halted
}

@test "top gives the terminal back at Ctrl-C, a signal, a stop and the daemon's end" {
    three_domains
    on_terminal 24x80 'expect:busy' 'send:\x03' end:0 -- reeve top
    on_terminal 24x80 'expect:busy' 'signal:TERM' end:0 -- reeve top
    on_terminal 24x80 'expect:busy' 'signal:HUP' end:0 -- reeve top
    on_terminal 24x80 'expect:busy' 'signal:TSTP' 'expect:1049l' stopped: 'signal:CONT' 'expect:1049h' \
        'expect:busy' 'send:q' end:0 -- reeve top
    on_terminal 24x80 'expect:busy' "run:kill -KILL $daemon_pid" 'expect:closed the connection' end:8 -- reeve top -d 0.1
}

# What QEMU has not answered in a moment is left out: these two are for wait_for.
top_counts()
{
    reeve top --batch -n 1 -d 1 --format json |
        jq -e '.domains[0] | .cpu_percent > 0 and .cpu_seconds > 0 and .host_memory_kib > 16384 and
            .memory_kib == 98304 and .read_bytes_per_second != null and .rx_bytes_per_second == null' >/dev/null
}

stats_count()
{
    printf '{"execute":"stats"}\n' | socat -t 10 - "UNIX:$REEVE_SOCKET" | tail -n 1 |
        jq -e '.return.domains[0].counters | .disks[0].vdev == "vda" and .disks[0].write_bytes >= 512 and
            .disks[0].read_bytes > 0 and (.nics | length) == 1 and .nics[0].rx_bytes == null' >/dev/null
}

@test "top counts what a real guest does" {
    start_daemon qemu
    truncate -s 8M "$place/disk.img"
    make_config web1 "disk = [ \"$place/disk.img,raw,vda\" ]" 'vif = [ "" ]'
    run_guest web1
    ask web1 'disk written' "disk vda [0-9]* bytes rw, text 'written'"
    wait_for 30 top_counts
    wait_for 30 stats_count
}
