#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# image info, verify, export, import, and --level: save images as files, on the null driver, whose guests
# count too.

# shellcheck disable=SC2154 # make_place sets place

load helpers
unset REEVE_CLIENT_DIR

setup()
{
    make_place
    printf 'name = "web1"\nmemory = 16\nkernel = "/vmlinuz"\n' >"$place/web1.cfg"
    start_daemon null
    export TMPDIR=$place/tmp
    mkdir "$TMPDIR"
    cd "$place" || return 1
}

teardown()
{
    clear_place
}

# suspended: web1 is there and suspended.
suspended()
{
    reeve new web1.cfg
    reeve start web1
    reeve suspend "$@" web1
    assert_state web1 suspended
}

size()
{
    stat -c %s "$1"
}

@test "info and verify say what an image is, in a table and in JSON" {
    reeve create web1.cfg
    reeve save web1 a.reeve
    reeve image info a.reeve >table
    grep -q '^name: *web1$' table
    reeve image info a.reeve --format json >info.json
    [ "$(jq -r '.image | .name, .driver, .state, .memory' info.json | tr '\n' ' ')" = "web1 null running stream " ]
    [ "$(jq .image.size info.json)" -eq "$(size a.reeve)" ]
    [ "$(jq -r .image.path info.json)" = "$place/a.reeve" ]
    [ "$(reeve image verify a.reeve)" = "$place/a.reeve is whole" ]
    reeve image verify a.reeve --format json | jq -e '.message and .image.uuid'
    [ "$(reeve image verify - <a.reeve | grep -c 'is whole')" -eq 1 ]
    # Any damage is one line and exit 1; what is no image, or not there, is told apart.
    printf 'x' | dd of=a.reeve bs=1 seek=$(($(size a.reeve) / 2)) conv=notrunc status=none
    refused 1 image verify a.reeve
    says 'damaged'
    refused 3 image verify b.reeve
    refused 1 image info web1.cfg
    says 'damaged'
    refused 2 image verify
    refused 2 image explode a.reeve
    says 'info, verify, export and import'
}

@test "export writes a suspended domain's image whole; its guest goes on from it elsewhere" {
    suspended
    reeve image export web1 copy.reeve
    assert_state web1 suspended
    [ "$(stat -c %a copy.reeve)" = 600 ]
    reeve image verify copy.reeve
    reeve image export web1 - >out.reeve
    cmp <(reeve image info out.reeve --format json | jq 'del(.image.path)') \
        <(reeve image info copy.reeve --format json | jq 'del(.image.path)')
    reeve image import - again.reeve <out.reeve
    reeve discard web1
    reeve delete web1
    reeve restore again.reeve
    assert_state web1 running
    refused 4 image export web1 no.reeve
    says 'suspend or save makes one'
    refused 3 image export web2 no.reeve
    [ -z "$(find "$TMPDIR" -mindepth 1)" ]
}

@test "--level packs from plain to small; what comes back is the same" {
    suspended --level 0
    local plain small
    reeve image export web1 l0.reeve --level 0
    reeve image export ./l0.reeve l19.reeve --level=19
    reeve image export l0.reeve fast.reeve --level=-7
    plain=$(size l0.reeve)
    small=$(size l19.reeve)
    [ "$small" -le "$plain" ]
    reeve image verify fast.reeve
    reeve image verify l19.reeve
    # A file may be written anew in its own place.
    reeve image export l0.reeve l0.reeve --level 1
    reeve image verify l0.reeve
    reeve discard web1
    reeve restore l19.reeve
    assert_state web1 running
    reeve save web1 last.reeve --level 3
    refused 2 image export l0.reeve x.reeve --level 20
    says 'give 1 '
    refused 2 suspend web1 --level fast
}

# A save file of xl, made byte by byte.
@test "of xl's files info and verify say what can be said; another driver than Xen's refuses the rest" {
    local json='{"c_info":{"type":"pvh","name":"x1","uuid":"0a1b2c3d-1111-4222-8333-444455556666"},"b_info":{"target_memkb":65536}}'
    {
        printf 'Xen saved domain, xl format\n \0 \r\4\3\2\1\3\0\0\0\0\0\0\0'
        le32 $((${#json} + 5))
        le32 $((${#json} + 1))
        printf '%s\0' "$json"
        printf 'LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0\0'
        printf '\377\377\377\377\377\377\377\377XENF\0\0\0\3\0\0\0\0\0\0\0\0'
        printf '\2\0\0\0\14\0\0\0\4\0\0\0\21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    } >x1.xl
    reeve image info x1.xl --format json >info.json
    [ "$(jq -r '.image | .format, .name, .uuid, .platform, .memory_kib, .state' info.json | tr '\n' ' ')" = \
        "xl x1 0a1b2c3d-1111-4222-8333-444455556666 xen 4.17 pvh 65536 null " ]
    reeve image verify x1.xl | grep -q 'no checksums'
    refused 9 restore x1.xl
    says "this daemon's driver is null"
    refused 9 image import x1.xl x1.reeve
    [ ! -e x1.reeve ]
    reeve create web1.cfg
    refused 9 save web1 y.xl --as xl
    says 'guests on Xen'
    assert_state web1 running
    refused 2 save web1 y.xl --as tar
    [ ! -e y.xl ]
    head -c -4 x1.xl >cut.xl
    refused 1 image verify cut.xl
    says 'it was cut'
    refused 1 restore cut.xl
    [ -z "$(find . -name '*.part')" ]
}

@test "restore gives its overrides to the guest" {
    reeve create web1.cfg
    reeve save web1 a.reeve
    reeve restore a.reeve on_crash=preserve
    reeve show web1 --format json | jq -e '.live_config == null'
    reeve config show web1 | grep -q '^on_crash = "preserve"$'
}

@test "a copy that cannot be written, or is of something damaged, leaves nothing" {
    suspended
    reeve image export web1 a.reeve
    refused 4 image export web1 "$place"
    says 'a folder'
    refused 1 image export web1 "$place/none/a.reeve"
    refused 9 image export web1 x --as xl
    says 'guests on Xen'
    refused 2 image export web1 x --as xl --level 1
    [ ! -e x ]
    refused 2 image export web1 x --as tar
    refused 2 image import a.reeve b.reeve --as xl
    printf 'x' | dd of=a.reeve bs=1 seek=$(($(size a.reeve) / 2)) conv=notrunc status=none
    refused 1 image import a.reeve b.reeve
    [ ! -e b.reeve ]
    [ -z "$(find . -name '*.part')" ]
    truncate -s 0 empty.reeve
    refused 1 image import empty.reeve b.reeve
    [ ! -e b.reeve ]
}

# long_copies N: that many exports of one large image begin; their processes are in `copies`.
long_copies()
{
    local i
    copies=()
    for ((i = 0; i < $1; i++)); do
        reeve image export a.reeve "b$i.reeve" --level 19 2>"err$i" 3>&- 4>&- &
        copies+=($!)
    done
    wait_for 20 parts_there "$1"
}

parts_there()
{
    [ "$(find . -name '.b*.part' | wc -l)" -eq "$1" ]
}

no_parts()
{
    parts_there 0
}

@test "long copies hold up nobody else, their number is bounded, and they end with their client" {
    echo 'cmdline = "null.save-bytes=200000000"' >>web1.cfg
    reeve create web1.cfg
    reeve save web1 a.reeve
    local copies pid
    long_copies 4
    reeve list >/dev/null
    reeve log >/dev/null
    reeve image info a.reeve >/dev/null
    reeve create web1.cfg
    refused 1 image export a.reeve no.reeve
    says '4 images are being verified or copied'
    [ ! -e no.reeve ]
    for pid in "${copies[@]}"; do
        kill -0 "$pid" # it still works
        kill "$pid"
    done
    wait_for 20 no_parts
    [ -z "$(find . -name 'b*.reeve')" ]
    assert_state web1 running
    # The daemon ends with one under way, and leaves nothing of it.
    long_copies 1
    stop_daemon
    no_parts
}

@test "on a terminal a long copy shows its bytes, rate and time left" {
    echo 'cmdline = "null.save-bytes=24000000"' >>web1.cfg
    reeve create web1.cfg
    reeve save web1 a.reeve
    timeout 200 "$BATS_TEST_DIRNAME/on-terminal" 24x100 \
        'expect:[0-9]+ %, [0-9.]+ of [0-9.]+ MiB, [0-9.]+ MiB/s' 'expect:wrote ' end:0 -- \
        reeve image export a.reeve b.reeve --level 19
    reeve image verify b.reeve
}
