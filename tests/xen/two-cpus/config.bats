#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What reeve hands to libxl is what xl hands to it, key by key: for every config of tests/golden/xen and
# those of tests/golden/corpus that parse, and for the specs of tests/xen/two-cpus/specs. The rows of
# tests/xen/two-cpus/config_differences say where not, and why. Runs in dom0, since xl asks the hypervisor even
# where it makes nothing.

setup_file()
{
    export print=${REEVE_BUILD_DIR:-/build}/tests/xen/xen_config_print
    export here=$BATS_TEST_DIRNAME
    mkdir "$BATS_FILE_TMPDIR"/{configs,xl,reeve}
    prepare
    ask_xl
    "$print" --host --into "$BATS_FILE_TMPDIR/reeve" "$BATS_FILE_TMPDIR"/configs/*.cfg "$here/specs" \
        2>/dev/null
    compare >"$BATS_FILE_TMPDIR/differences"
}

# Copies that say what xl and reeve differ in by intent: reeve's default for memory is bigger, and a
# domain that has no uuid gets a random one.
prepare()
{
    local files
    mapfile -t files < <(ls "$here"/../../golden/xen/*.cfg
        grep -l '^# expect: parses' "$here"/../../golden/corpus/*.cfg)
    awk -v folder="$BATS_FILE_TMPDIR/configs" '
        function finish() {
            if (!to) return
            if (!given["memory"]) print "\nmemory = 128" >to
            if (!given["vcpus"]) print "\nvcpus = 1" >to
            if (!given["uuid"]) print "\nuuid = \"0c7b5a4e-1d3f-4a6b-8c2d-0123456789ab\"" >to
            close(to)
        }
        FNR == 1 { finish(); delete given; to = FILENAME; sub(".*/", folder "/", to) }
        match($0, /^ *[a-z]+ *=/) { key = $0; sub(/ *=.*/, "", key); sub(/^ */, "", key); given[key] = 1 }
        { print >to }
        END { finish() }' "${files[@]}"
}

# outcome NAME COMMAND ...: what it prints, into NAME.json when it ends well.
outcome()
{
    local file=$BATS_FILE_TMPDIR/xl/$1
    shift
    timeout 60 "$@" >"$file.json" 2>"$file.err" || rm "$file.json"
}

# A spec's / is % in the name of its file.
ask_xl()
{
    local file name kind spec parts
    for file in "$BATS_FILE_TMPDIR"/configs/*.cfg; do
        name=${file##*/}
        outcome "${name%.cfg}" xl create --dryrun "$file"
    done
    while read -r kind spec; do
        if [ "$kind" = disk ]; then
            parts=(block-attach 0 "$spec")
        else
            IFS=, read -ra parts <<<"$spec"
            parts=(network-attach 0 "${parts[@]}")
        fi
        outcome "$kind ${spec//\//%}" xl -N "${parts[@]}"
    done < <(grep -v '^#' "$here/specs")
    sed -i -s -n '/{/,$ { s/^[a-z]*: *{/{/; p }' "$BATS_FILE_TMPDIR"/xl/*.json
}

# everything WHO: one object with all that WHO printed.
everything()
{
    (cd "$BATS_FILE_TMPDIR/$1" &&
        jq -n '[inputs | {key: (input_filename | sub("^./"; "") | rtrimstr(".json")), value: .}] | from_entries' ./*.json)
}

# A line "NAME ; MEMBER ; XL ; REEVE" for each member that is not the same in both.
compare()
{
    everything xl >"$BATS_FILE_TMPDIR/xl.json"
    everything reeve >"$BATS_FILE_TMPDIR/reeve.json"
    jq -nr --slurpfile x "$BATS_FILE_TMPDIR/xl.json" --slurpfile r "$BATS_FILE_TMPDIR/reeve.json" '
        def leaves($at):
            if type == "object" then to_entries[] | .key as $k | .value | leaves($at + "." + $k)
            elif type == "array" and any(.[]; type == "object") then
                {key: ($at + ".length"), value: length},
                (range(length) as $i | .[$i] | leaves($at + "[\($i)]"))
            else {key: $at, value: .} end;
        def flat: [leaves("")] | from_entries;
        ($x[0] + $r[0] | keys[]) as $name | $x[0][$name] as $xl | $r[0][$name] as $reeve
        | ($name | gsub("%"; "/")) as $shown
        | if $xl == null then "\($shown) ; xl refuses"
          elif $reeve == null then "\($shown) ; reeve refuses"
          else ($xl | flat) as $a | ($reeve | flat) as $b | ($a + $b | keys[]) as $k
            | select($a[$k] != $b[$k])
            | "\($shown) ; \($k) ; \($a[$k] | tojson) ; \($b[$k] | tojson)"
          end'
}

# Rows without their reasons.
rows()
{
    grep -v '^#' | sed 's/\( ; [^;]*\) ; .*$/\1/'
}

# unexplained GREP-OPTION ...: differences without a row, of those that match.
unexplained()
{
    local line name member
    { grep "$@" "$BATS_FILE_TMPDIR/differences" || true; } | while read -r line; do
        name=${line%% ; *}
        member=${line#* ; }
        rows <"$here/config_differences" | grep -qxF -- "$name ; ${member%% ; *}" || echo "$line"
    done
}

# both PATTERN: how many of those names xl and reeve both made something of.
both()
{
    comm -12 <(cd "$BATS_FILE_TMPDIR/xl" && ls -- *.json) <(cd "$BATS_FILE_TMPDIR/reeve" && ls -- *.json) |
        grep -cE "$1"
}

@test "what reeve hands to libxl for a config is what xl create --dryrun prints" {
    local left
    left=$(unexplained -vE '^(disk|vif) ')
    echo "$left"
    [ -z "$left" ]
    [ "$(both '^[a-z0-9_]+.json$')" -ge 100 ]
}

@test "what reeve makes of a disk spec is what xl block-attach prints" {
    local left
    left=$(unexplained '^disk ')
    echo "$left"
    [ -z "$left" ]
    [ "$(both '^disk ')" -ge 45 ]
}

@test "what reeve makes of a vif spec is what xl network-attach prints" {
    local left
    left=$(unexplained '^vif ')
    echo "$left"
    [ -z "$left" ]
    [ "$(both '^vif ')" -ge 25 ]
}

@test "each listed difference is one" {
    local row stale=
    while read -r row; do
        cut -d ';' -f 1,2 "$BATS_FILE_TMPDIR/differences" | sed 's/ *$//' | grep -qxF -- "$row" || stale+="$row"$'\n'
    done < <(grep -v ' ; sometimes: ' "$here/config_differences" | rows)
    echo "$stale"
    [ -z "$stale" ]
}

# A domain that lives, as libxl has filled it in, for adopt.
@test "a domain that xl made is read back whole" {
    local place=$BATS_TEST_TMPDIR type member
    truncate -s 8M "$place/disk.img"
    for type in pv pvh; do
        cat >"$place/$type.cfg" <<TEXT
name = "read-$type"
type = "$type"
memory = 96
maxmem = 128
vcpus = 1
maxvcpus = 2
kernel = "/guest/vmlinuz"
ramdisk = "/guest/initrd.gz"
cmdline = "console=hvc0 quiet cryptomgr.notests"
disk = ["$place/disk.img,raw,xvda,r"]
vif = ["mac=00:16:3e:00:00:07,bridge=xenbr0"]
on_crash = "preserve"
cpus = "all"
TEXT
        timeout 120 xl create -p -q "$place/$type.cfg"
        timeout 60 xl list -l "read-$type" | jq '.[0].config' >"$place/$type.json"
        timeout 60 xl destroy "read-$type"
        "$print" --read "$place/$type.json" >"$place/$type.back" 2>"$place/$type.err"
        cat "$place/$type.back" "$place/$type.err"
        [ ! -s "$place/$type.err" ]
        # Given to libxl again it is what the domain was made from.
        "$print" --host "$place/$type.back" >"$place/$type.after"
        for member in c_info.type c_info.name c_info.uuid b_info.max_memkb b_info.kernel b_info.ramdisk \
            b_info.cmdline b_info.max_vcpus on_crash on_reboot disks[0].pdev_path disks[0].vdev \
            disks[0].format disks[0].readwrite nics[0].mac nics[0].bridge; do
            [ "$(jq -c ".$member" "$place/$type.json")" = "$(jq -c ".$member" "$place/$type.after")" ]
        done
    done
}
