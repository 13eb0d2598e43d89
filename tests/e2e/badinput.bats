#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a user or a file can get wrong: each is refused with its exit status and one line that says what is
# wrong, and nothing has changed. On the null driver, except where QEMU itself is what is wrong.

# shellcheck disable=SC2154 # make_place sets place

load helpers
unset REEVE_CLIENT_DIR

setup()
{
    make_place
    cat >"$place/web1.cfg" <<TEXT
name = "web1"
uuid = "11111111-2222-4333-8444-555555555555"
memory = 1
TEXT
}

teardown()
{
    clear_place
}

# everything: all that the daemon knows, without what goes on by itself.
everything()
{
    reeve list --long --format json |
        jq -c '[.domains[] | del(.observed_at, .cpu_seconds)] | sort_by(.name)'
}

# unchanged CODE ARGUMENTS ...: refused, and all is as before.
unchanged()
{
    local before
    before=$(everything)
    refused "$@"
    if [ "$(everything)" != "$before" ]; then
        echo "something changed: $before; now $(everything)" >&2
        return 1
    fi
}

# fake_qemu TEXT: $place/qemu answers like QEMU when it is asked what it is, and else runs TEXT.
fake_qemu()
{
    cat >"$place/qemu" <<TEXT
#!/bin/sh
case "\$*" in
--version) echo "QEMU emulator version ${version:-7.2.0}" ;;
"-machine help") echo "pc-i440fx-7.2        Standard PC (default)"
    echo "pc                   Standard PC (alias of pc-i440fx-7.2)" ;;
*) $1 ;;
esac
TEXT
    # QEMU does not run as root, and must reach it all the same.
    chmod 0755 "$place" "$place/qemu"
    echo "qemu = \"$place/qemu\"" >"$place/reeve.conf"
}

@test "unknown domains, jobs, verbs and options" {
    start_daemon null
    reeve new "$place/web1.cfg"
    unchanged 3 pause nobody
    says 'nobody'
    unchanged 3 start id:4711
    unchanged 3 start 4711
    unchanged 3 show 11111111-2222-4333-8444-555555555556
    unchanged 3 cancel job:4711
    unchanged 3 wait job:4711 --timeout 5
    unchanged 2 frobnicate web1
    says 'frobnicate'
    unchanged 2 pause
    unchanged 2 start web1 --bogus
    unchanged 2 shutdown web1 --timeout soon
    unchanged 2 list --state sleeping
    unchanged 2 --format yaml list
}

@test "config: missing, unreadable, a folder, a FIFO, 10 MB, binary, not UTF-8" {
    start_daemon null
    local file=$place/bad.cfg
    unchanged 2 new "$place/none.cfg"
    says 'none.cfg'
    # Root too cannot read the first page of a process.
    unchanged 2 new /proc/self/mem
    says '/proc/self/mem'
    unchanged 2 new "$place"
    says 'folder'
    mkfifo "$place/fifo.cfg"
    unchanged 2 new "$place/fifo.cfg"
    says 'fifo.cfg'
    head -c 10485760 /dev/zero >"$file"
    unchanged 2 new "$file"
    yes 'memory = 1' | head -c 10485760 >"$file"
    unchanged 2 create "$file"
    says '10485760'
    head -c 4096 "$(command -v reeved)" >"$file"
    unchanged 2 new "$file"
    says 'not text|UTF-8'
    printf 'name = "web\0one"\n' >"$file"
    unchanged 2 new "$file"
    printf 'name = "web\377"\n' >"$file"
    unchanged 2 new "$file"
    : >"$file"
    unchanged 2 new "$file"
    says 'name'
    printf 'name = "bad"\nmemory = [\n' >"$file"
    unchanged 2 new "$file"
    says 'bad.cfg:[0-9]+'
    printf 'name = "bad"\nmemory = "lots"\n' >"$file"
    unchanged 2 new "$file"
    says 'bad.cfg:2: memory'
    [ "$(reeve list --format json | jq '.domains | length')" = 0 ]
}

@test "an unknown key is a warning with its place and the nearest known one" {
    start_daemon null
    echo 'memroy = 5' >>"$place/web1.cfg"
    reeve new "$place/web1.cfg" 2>"$place/err"
    says 'web1.cfg:4: .*memroy.*did you mean memory'
}

@test "each rule of names" {
    start_daemon null
    local name
    for name in '' 12 -x 'a b' a/b 'a;b' 'a\tb' id:3 job:1 11111111-2222-4333-8444-555555555556 ä \
        "$(printf 'x%.0s' {1..129})"; do
        unchanged 2 new "$place/web1.cfg" "name=\"$name\""
        says 'name'
    done
    for name in a 1a a.b_c:d+e-f "$(printf 'x%.0s' {1..128})"; do
        reeve new "$place/web1.cfg" "name=\"$name\"" 'uuid=""' || reeve new "$place/web1.cfg" \
            "name=\"$name\"" "uuid=\"$(cat /proc/sys/kernel/random/uuid)\""
        assert_state "$name" halted
    done
}

@test "duplicate names and uuids" {
    start_daemon null
    reeve new "$place/web1.cfg"
    unchanged 4 new "$place/web1.cfg"
    says 'replace'
    unchanged 4 create "$place/web1.cfg"
    says 'start'
    unchanged 4 new "$place/web1.cfg" name=web2
    says 'web1'
    unchanged 4 create "$place/web1.cfg" name=web2
    unchanged 4 new --replace "$place/web1.cfg" 'uuid="11111111-2222-4333-8444-555555555556"'
    says 'uuid'
    unchanged 2 new "$place/web1.cfg" name=web2 'uuid="11111111-2222"'
}

@test "targets of save: FIFO, folder, none, unwritable folder; the guest runs on" {
    start_daemon null
    reeve create "$place/web1.cfg"
    mkfifo "$place/fifo"
    unchanged 4 save web1 "$place/fifo"
    says 'FIFO'
    unchanged 4 save web1 "$place"
    says 'folder'
    unchanged 1 save web1 "$place/none/web1.reeve"
    says 'none'
    unchanged 2 save web1 ''
    # Nobody, root neither, can make a file there.
    unchanged 1 save web1 /proc/web1.reeve
    says '/proc'
    assert_state web1 running
    [ "$(find "$place" -maxdepth 1 -name '*reeve*' ! -name 'reeve.conf' ! -name 'reeved.log')" = "" ]
}

@test "images: missing, cut short, changed, random, empty, FIFO, folder, of another uuid" {
    start_daemon null
    reeve create "$place/web1.cfg"
    reeve save web1 "$place/good.reeve"
    assert_state web1 absent
    local size bad=$place/bad.reeve cut at
    size=$(stat -c %s "$place/good.reeve")
    unchanged 3 restore "$place/none.reeve"
    for cut in 0 1 100 $((size / 2)) $((size - 1)); do
        head -c "$cut" "$place/good.reeve" >"$bad"
        unchanged 1 restore "$bad"
        says 'bad.reeve'
    done
    for at in 0 $((size / 3)) $((size * 2 / 3)) $((size - 8)); do
        cp "$place/good.reeve" "$bad"
        printf '\252\125\252' | dd of="$bad" bs=1 seek="$at" conv=notrunc status=none
        unchanged 1 restore "$bad"
        says 'bad.reeve'
    done
    (cat "$place/good.reeve" && echo more) >"$bad"
    unchanged 1 restore "$bad"
    head -c "$size" /dev/urandom >"$bad"
    unchanged 1 restore "$bad"
    mkfifo "$place/fifo"
    unchanged 1 restore "$place/fifo"
    unchanged 1 restore "$place"
    # The name is taken by a domain that is not the image's.
    reeve new "$place/web1.cfg" 'uuid="11111111-2222-4333-8444-555555555556"'
    unchanged 4 restore "$place/good.reeve"
    says 'uuid'
    reeve delete web1
    reeve restore "$place/good.reeve"
    assert_state web1 running
    unchanged 4 restore "$place/good.reeve"
}

@test "an image of the daemon's own, damaged or gone: broken, with the reason and a way out" {
    start_daemon null
    reeve new "$place/web1.cfg"
    local code image
    for code in 1 3; do
        reeve start web1
        reeve suspend web1
        image=$(find "$place/state/images" -name '*.reeve')
        [ -f "$image" ]
        case "$code" in
        1) truncate -s -5 "$image" ;;
        3) rm "$image" ;;
        esac
        refused "$code" resume web1
        assert_state web1 broken
        refused 4 start web1
        reeve show web1 | grep -q "$image"
        reeve discard web1
        assert_state web1 halted
    done
}

@test "a deaf guest: shutdown and reboot exit 5 after the timeout, say what to do, and it runs on" {
    start_daemon null
    echo 'cmdline = "null.ignore-power"' >>"$place/web1.cfg"
    reeve new "$place/web1.cfg"
    reeve start web1
    unchanged 5 shutdown web1 --timeout 0.3
    says 'web1.*(destroy|--force)'
    assert_state web1 running
    unchanged 5 reboot web1 --timeout 0.3
    assert_state web1 running
    reeve shutdown web1 --timeout 0.3 --force
    assert_state web1 halted
}

@test "no space for an image: refused before the guest stops" {
    start_daemon null
    # More than there is anywhere.
    reeve create "$place/web1.cfg" memory=16777216
    unchanged 1 save web1 "$place/web1.reeve"
    says 'it needs [0-9]+ MiB, and a file there can have'
    assert_state web1 running
    [ -z "$(find "$place" -name 'web1.reeve*' -o -name '.web1*')" ]
    reeve adopt web1
    unchanged 1 suspend web1
    says 'it needs [0-9]+ MiB'
    assert_state web1 running
    [ -z "$(find "$place/state/images" -type f)" ]
}

@test "the disk is full in the middle of a save: the guest runs on and nothing is left" {
    # A file system of one's own needs root; a process that may write only so much does not.
    mkdir "$place/small"
    if [ "$(id -u)" -eq 0 ]; then
        mount -t tmpfs -o size=48m tmpfs "$place/small"
        start_daemon null
    else
        ulimit -S -f $((40 * 1024))
        start_daemon null
        ulimit -S -f unlimited
    fi
    echo 'cmdline = "null.save-bytes=200000000"' >>"$place/web1.cfg"
    reeve create "$place/web1.cfg"
    unchanged 1 save web1 "$place/small/web1.reeve"
    says 'small/web1.reeve|space|large'
    assert_state web1 running
    [ -z "$(ls -A "$place/small")" ]
    reeve pause web1
    unchanged 1 save web1 "$place/small/web1.reeve"
    assert_state web1 paused
    [ -z "$(ls -A "$place/small")" ]
}

@test "daemon away: exit 8, and how to start it; with --format json it is a document" {
    refused 8 list
    says 'reeved'
    refused 8 start web1
    refused 8 new "$place/web1.cfg"
    local status=0
    reeve list --format json >"$place/out" 2>"$place/err" || status=$?
    [ "$status" -eq 8 ]
    [ "$(jq -r .error.code "$place/out")" = unreachable ]
}

@test "two daemons on one folder: the second ends with one line, the first does not notice" {
    start_daemon null
    reeve create "$place/web1.cfg"
    local status=0
    timeout 20 reeved --foreground --driver null --state-dir "$place/state" --run-dir "$place/run2" \
        --config "$place/reeve.conf" </dev/null >"$place/out" 2>"$place/err" || status=$?
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    [ "$(wc -l <"$place/err")" -eq 1 ]
    says 'state'
    status=0
    timeout 20 reeved --foreground --driver null --state-dir "$place/state2" --run-dir "$place/run" \
        --config "$place/reeve.conf" </dev/null >"$place/out" 2>"$place/err" || status=$?
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    [ "$(wc -l <"$place/err")" -eq 1 ]
    assert_state web1 running
    reeve pause web1
    assert_state web1 paused
}

@test "reeved with a bad config, option or driver: one line and no daemon" {
    local status line
    for line in 'driver = 5' 'drivre = "null"' 'roles = "x"' 'driver = "null'; do
        echo "$line" >"$place/reeve.conf"
        status=0
        timeout 20 reeved --foreground --state-dir "$place/state" --run-dir "$place/run" \
            --config "$place/reeve.conf" </dev/null >"$place/out" 2>"$place/err" || status=$?
        [ "$status" -eq 2 ]
        [ "$(wc -l <"$place/err")" -eq 1 ]
        says 'reeve.conf:1'
    done
    : >"$place/reeve.conf"
    for line in --bogus --driver=vax; do
        status=0
        timeout 20 reeved --foreground --state-dir "$place/state" --run-dir "$place/run" \
            --config "$place/reeve.conf" "$line" </dev/null >"$place/out" 2>"$place/err" || status=$?
        [ "$status" -eq 2 ]
        [ "$(wc -l <"$place/err")" -eq 1 ]
    done
}

@test "QEMU: kernel, ramdisk or disk missing, a folder, empty, or of the wrong kind" {
    start_daemon qemu
    make_config web1
    unchanged 2 create "$place/web1.cfg" 'kernel="none"'
    says "kernel.*$place/none"
    unchanged 2 create "$place/web1.cfg" "kernel=\"$place\""
    says 'folder'
    unchanged 2 create "$place/web1.cfg" 'ramdisk="none"'
    says "ramdisk.*$place/none"
    unchanged 2 create "$place/web1.cfg" 'disk=["none.raw,raw,vda,w"]'
    says "disk.*$place/none.raw"
    : >"$place/empty"
    unchanged 2 create "$place/web1.cfg" 'kernel="empty"'
    says 'empty'
    mkfifo "$place/fifo"
    unchanged 2 create "$place/web1.cfg" 'disk=["fifo,raw,vda,w"]'
    unchanged 9 create "$place/web1.cfg" 'disk=["web1.cfg,vhd,vda,w"]'
    says 'vhd'
    unchanged 9 create "$place/web1.cfg" 'reeve_machine="microvm"' 'vnc=1'
    no_guests
    # A managed domain is stored, and start says what is missing.
    reeve new "$place/web1.cfg"
    rm "$place/vmlinuz"
    unchanged 2 start web1
    says "$place/vmlinuz"
    assert_state web1 halted
}

@test "QEMU: missing, too old, or no QEMU at all" {
    echo "qemu = \"$place/none\"" >"$place/reeve.conf"
    local status=0
    no_daemon 9
    says "$place/none.*install|install.*$place/none"
    version=5.2.0 fake_qemu 'exit 1'
    no_daemon 9
    says '5\.2\.0.*7\.2'
    fake_qemu 'exit 1'
    sed -i 's/QEMU emulator version.*"/hello"/' "$place/qemu"
    no_daemon 9
    says 'version'
}

# no_daemon CODE: reeved must end with it and one line.
no_daemon()
{
    local status=0
    timeout 60 reeved --foreground --driver qemu --state-dir "$place/state" --run-dir "$place/run" \
        --config "$place/reeve.conf" </dev/null >"$place/out" 2>"$place/err" || status=$?
    if [ "$status" -ne "$1" ] || [ "$(wc -l <"$place/err")" -ne 1 ]; then
        echo "reeved ended with $status:" >&2
        cat "$place/err" >&2
        return 1
    fi
}

@test "QEMU: dies at start; its last line is in the error and nothing is left" {
    fake_qemu 'echo "first words" >&2; echo "qemu: cannot frobnicate the bus" >&2; exit 1'
    start_daemon qemu
    make_config web1
    unchanged 1 create "$place/web1.cfg"
    says 'cannot frobnicate the bus'
    assert_state web1 absent
    reeve new "$place/web1.cfg"
    unchanged 1 start web1
    says 'cannot frobnicate the bus'
    assert_state web1 halted
    [ -z "$(find "$place/run/qemu" -mindepth 1 2>/dev/null)" ]
}
