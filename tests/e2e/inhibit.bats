#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What runs under reeve-inhibit's lock, with a busctl that says what a test wants; with logind itself, and
# a host that does reboot: tests/xen/reboot.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    mkdir -p "$place/bin" "$place/reeve"
    : >"$place/preparing"
    # Both are programs of this place's own.
    printf '#!/bin/sh\necho stopped >>"%s/stopped"\n' "$place" >"$place/reeve/host-stop"
    cat >"$place/bin/busctl" <<TEXT
#!/bin/sh
case "\$1" in
get-property) cat "$place/preparing" ;;
monitor)
    echo 'Monitoring bus message stream.' >&2
    exec cat "$place/signals" ;;
esac
TEXT
    sed "s|@libexecdir@|$place|" "$repository/packaging/await-shutdown.in" >"$place/await-shutdown"
    chmod +x "$place/reeve/host-stop" "$place/bin/busctl" "$place/await-shutdown"
}

teardown()
{
    clear_place
}

# await: what it comes to; bounded, since what goes wrong may be that it waits on.
await()
{
    RUNTIME_DIRECTORY=$place/run PATH=$place/bin:$PATH timeout 30 "$place/await-shutdown"
}

@test "logind's word that the host stops stops the domains, once" {
    echo 'b false' >"$place/preparing"
    printf '%s\n' '{"payload":{"type":"b","data":[false]}}' '{"payload":{"type":"b","data":[true]}}' \
        '{"payload":{"type":"b","data":[true]}}' >"$place/signals"
    await
    [ "$(cat "$place/stopped")" = stopped ]
}

@test "so does a word that was given after the lock was taken, and before anybody listened" {
    echo 'b true' >"$place/preparing"
    mkfifo "$place/signals" # that nothing comes from
    await
    [ "$(cat "$place/stopped")" = stopped ]
}

@test "a stop that is called off, and the end of D-Bus, stop no domain" {
    echo 'b false' >"$place/preparing"
    echo '{"payload":{"type":"b","data":[false]}}' >"$place/signals"
    run await
    [ "$status" -eq 1 ]
    [ ! -e "$place/stopped" ]
}
