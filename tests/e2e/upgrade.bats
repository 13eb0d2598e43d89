#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A new reeved is put over the old one while guests live. The old one is this build with another
# version number, and a store as the version before made it.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    version=$(reeved --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')
    mkdir "$place/bin"
    PATH=$place/bin:$PATH
    install_old
}

teardown()
{
    clear_place
}

# As a package does it: the file has its name at once, and who runs the old one keeps it.
install_reeved()
{
    mv "$1" "$place/bin/reeved"
}

install_old()
{
    sed "s/$version/${version//[0-9]/0}/g" "$REEVE_BUILD_DIR/reeved" >"$place/old"
    chmod +x "$place/old"
    install_reeved "$place/old"
    [ "$(reeved --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')" = "${version//[0-9]/0}" ]
}

install_new()
{
    cp "$REEVE_BUILD_DIR/reeved" "$place/new"
    install_reeved "$place/new"
}

daemon_version()
{
    reeve info --format json | jq -r '.. | .version? // empty' | head -n 1
}

# sql TEXT: in the store, with no daemon there.
sql()
{
    python3 - "$place/state/reeve.db" "$1" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    for statement in sys.argv[2].split(";"):
        row = store.execute(statement).fetchone()
        if row:
            print(row[0])
PYTHON
}

store_version()
{
    sql 'PRAGMA user_version'
}

# As the version before this one had it.
make_old_store()
{
    newest=$(store_version)
    sql "ALTER TABLE domain DROP COLUMN reboot_until_ms; PRAGMA user_version = $((newest - 1))"
}

@test "guests, their states, consoles and a job that was cut outlive an upgrade, and the store comes along" {
    local name count size
    start_daemon qemu
    [ "$(daemon_version)" = "${version//[0-9]/0}" ]
    for name in runs stands sleeps cut; do
        make_config "$name"
        run_guest "$name" managed
    done
    reeve pause stands
    reeve suspend sleeps
    stop_daemon
    # It dies in the middle of a suspend.
    REEVE_FAULT=save.stopped=kill start_daemon qemu
    local cut_count
    cut_count=$(guest_count cut)
    local status=0
    reeve suspend cut >/dev/null 2>&1 || status=$?
    [ "$status" -eq 8 ]
    wait_for 10 daemon_gone
    kill9_daemon
    local pids
    pids=$(guest_pids | sort)
    make_old_store
    count=$(guest_count runs)
    size=$(console_size runs)
    install_new
    start_daemon qemu
    [ "$(daemon_version)" = "$version" ]
    [ "$(guest_pids | sort)" = "$pids" ]
    assert_state runs running
    assert_state stands paused
    assert_state sleeps suspended
    assert_state cut running
    reeve log cut | grep -q interrupted
    wait_count_above runs "$count" "$size"
    not_said runs "$size" 'up (boot)'
    ask runs date 'date .*'
    for name in stands:unpause sleeps:resume; do
        count=$(guest_count "${name%:*}")
        size=$(console_size "${name%:*}")
        reeve "${name#*:}" "${name%:*}"
        wait_count_above "${name%:*}" "$count" "$size"
        not_said "${name%:*}" "$size" 'up (boot)'
    done
    size=$(console_size cut)
    wait_count_above cut "$cut_count" "$size"
    not_said cut "$size" 'up (boot)'
    # What was before is in the history, and the domains go on living.
    reeve log runs | grep -q started
    reeve suspend runs
    reeve resume runs
    nothing_found
    stop_daemon
    [ "$(store_version)" = "$newest" ]
}

@test "a store of a newer reeved is refused with what to do, and the guests go on" {
    make_config web1
    install_new
    start_daemon qemu
    run_guest web1 managed
    stop_daemon
    local newest count size pids
    newest=$(store_version)
    pids=$(guest_pids)
    sql 'PRAGMA user_version = 99'
    cp -r "$place/state" "$place/before"
    count=$(guest_count web1)
    size=$(console_size web1)
    local status=0
    timeout 30 reeved --foreground --driver qemu --state-dir "$place/state" --run-dir "$place/run" \
        --config "$place/reeve.conf" >"$place/out" 2>&1 </dev/null 3>&- || status=$?
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    grep -q 'made by a newer reeved' "$place/out"
    cmp "$place/state/reeve.db" "$place/before/reeve.db"
    [ "$(guest_pids)" = "$pids" ]
    sql "PRAGMA user_version = $newest"
    start_daemon qemu
    assert_state web1 running
    wait_count_above web1 "$count" "$size"
    not_said web1 "$size" 'up (boot)'
}
