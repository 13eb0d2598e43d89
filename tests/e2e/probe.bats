#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hosts on which the Xen driver cannot work: each is told in one line what is missing, exit 9. On a machine
# without Xen; where a dom0 is needed, one is pretended (tests/xen/pretend_dom0.c).

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    build=$(dirname "$(readlink -f "$(command -v reeved)")")
    [ -e "$build/xen.so" ] || skip "this build has no Xen driver"
    [ ! -e /proc/xen/capabilities ] || skip "this is a host of Xen"
    mkdir "$place/pretend"
    cp "$build/tests/xen/libpretend_dom0.so" "$place/pretend"
    chmod -R a+rX "$place"
    # Before a command: on a host whose files are those of that folder.
    pretend=(env REEVE_PRETEND_DIR="$place/pretend" LD_PRELOAD="$place/pretend/libpretend_dom0.so")
}

teardown()
{
    rm -rf "$place"
}

# cannot PATTERN COMMAND ...: it ends at once with 9 and one line with that.
cannot()
{
    local pattern=$1 status=0
    shift
    rm -rf "$place/state" "$place/run"
    mkdir -m 777 "$place/state" "$place/run" # whoever it runs as
    timeout 30 "$@" --foreground --driver "${driver:-xen}" --state-dir "$place/state" --run-dir "$place/run" \
        --config "$place/reeve.conf" </dev/null >"$place/out" 2>"$place/err" || status=$?
    cat "$place/out" "$place/err" >&2
    [ "$status" -eq 9 ]
    [ "$(wc -l <"$place/err")" -eq 1 ]
    grep -q -- "$pattern" "$place/err"
    [ ! -e "$place/run/reeve.sock" ]
}

# other_build: $place/build/reeved with an xen.so of its own, to be changed.
other_build()
{
    mkdir -p "$place/build"
    cp "$build/reeved" "$build/xen.so" "$place/build"
}

@test "no Xen" {
    cannot 'does not run under Xen; --driver qemu works here' reeved
}

@test "a guest of Xen is no dom0" {
    : >"$place/pretend/capabilities"
    cannot 'is a guest of Xen and not its dom0' "${pretend[@]}" reeved
}

@test "Xen without xenfs" {
    echo xen >"$place/pretend/type"
    cannot 'mount -t xenfs xenfs' "${pretend[@]}" reeved
}

@test "not root" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to be somebody else"
    echo control_d >"$place/pretend/capabilities"
    other_build
    chmod -R a+rX "$place/build" "$place/pretend"
    cannot 'the xen driver needs root' setpriv --reuid nobody --clear-groups "${pretend[@]}" "$place/build/reeved"
}

@test "xenstored is gone, or was never started; auto means Xen in a dom0" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    echo control_d >"$place/pretend/capabilities"
    cannot "xenstored does not answer; Xen's services must have been started" "${pretend[@]}" reeved
    driver=auto cannot 'xenstored does not answer' "${pretend[@]}" reeved
}

@test "the module is missing, damaged, of another reeve, or of another libxl" {
    other_build
    rm "$place/build/xen.so"
    cannot 'xen.so: this reeve was built without its xen driver' "$place/build/reeved"
    echo 'no module' >"$place/build/xen.so"
    cannot 'the xen driver cannot be loaded: .*xen.so' "$place/build/reeved"
    sed 's/libxenlight\.so\.4\.17/libxenlight.so.4.99/g' "$build/xen.so" >"$place/build/xen.so"
    cannot "libxenlight.so.4.99: .*Debian's package libxenmisc4.17 has it; a module is of one release of Xen" \
        "$place/build/reeved"
    sed 's/\x000\.1\.0\x00/\x000.9.9\x00/g' "$build/xen.so" >"$place/build/xen.so"
    cannot 'xen.so is of reeve 0.9.9, and this is reeve 0.1.0' "$place/build/reeved"
}
