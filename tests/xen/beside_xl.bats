#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reeve beside xl in one dom0: what each sees of the other's domains, and that neither is in the other's
# way.

# shellcheck disable=SC2154,SC2030,SC2031 # make_place sets place; each test is a shell of its own

load helpers

setup_file()
{
    begin_file
    make_xen_config theirs pv
    make_xen_config ours pvh
    timeout 120 xl create "$place/theirs.cfg" 3>&-
    reeve new "$place/ours.cfg"
    reeve start ours
    wait_boot theirs
    wait_boot ours
}

# monitors NAME: the xl processes that wait for its end.
monitors()
{
    local pid
    for pid in $(pgrep -x xl); do
        case "$(readlink "/proc/$pid/fd/1")" in
        "/var/log/xen/xl-$1.log"*) echo "$pid" ;;
        esac
    done
}

monitored()
{
    [ -n "$(monitors "$1")" ]
}

@test "a domain of xl is listed, as transient" {
    wait_for 10 is_state theirs running
    [ "$(field theirs managed)" = false ]
    [ "$(field theirs id)" = "$(xl domid theirs)" ]
    [ "$(xl list -v theirs | grep -c "$(field theirs uuid)")" -eq 1 ]
}

# shows NAME KEY VALUE
shows()
{
    [ "$(field "$1" "$2")" = "$3" ]
}

@test "what xl changes of a domain's memory and name is seen" {
    local kib
    kib=$(field theirs memory_kib)
    xl mem-set theirs 80
    wait_for 60 shows theirs memory_kib 81920
    xl mem-set theirs $((kib / 1024))
    wait_for 60 shows theirs memory_kib "$kib"
    xl rename theirs renamed
    wait_for 5 is_state renamed running
    assert_state theirs absent
    xl rename renamed theirs
    wait_for 5 is_state theirs running
}

@test "a daemon that comes, is killed and comes again touches no domain of xl" {
    local count size
    count=$(guest_count theirs)
    size=$(console_size theirs)
    crash_daemon
    start_xen_daemon
    wait_for 10 is_state theirs running
    stop_daemon
    start_xen_daemon
    assert_goes_on_running theirs "$count" "$size"
    monitored theirs
}

# assert_goes_on_running NAME COUNT SIZE: it has never stopped.
assert_goes_on_running()
{
    wait_count_above "$1" "$2" "$3"
    not_said "$1" "$3" 'up (boot)'
}

@test "no verb but adopt touches a domain of xl" {
    local verb count size
    count=$(guest_count theirs)
    size=$(console_size theirs)
    for verb in pause suspend shutdown reboot reset destroy delete; do
        refused 4 "$verb" theirs
        says adopt
    done
    assert_goes_on_running theirs "$count" "$size"
    monitored theirs
}

@test "adopt makes it managed, ends its xl monitor, and does not touch the guest" {
    local count size id
    count=$(guest_count theirs)
    size=$(console_size theirs)
    id=$(field theirs id)
    reeve adopt theirs
    [ "$(field theirs managed)" = true ]
    [ "$(field theirs id)" = "$id" ]
    assert_goes_on_running theirs "$count" "$size"
    if monitored theirs; then
        return 1
    fi
}

@test "adopt ends the xl monitor of a domain that xl has renamed, and no other's" {
    make_tiny before deaf_guest
    timeout 120 xl create "$place/before.cfg" 3>&-
    xl rename before after
    make_tiny before deaf_guest
    timeout 120 xl create "$place/before.cfg" 3>&-
    wait_for 10 is_state after running
    [ "$(monitors before | wc -l)" -eq 2 ]
    reeve adopt after
    [ "$(monitors before | wc -l)" -eq 1 ]
    reeve adopt before
    [ "$(monitors before | wc -l)" -eq 0 ]
    reeve destroy after
    reeve delete after
    reeve destroy before
    reeve delete before
}

@test "an adopted domain outlives its end, and boots again from libxl's record of it" {
    local size
    xl shutdown theirs
    wait_for 60 is_state theirs halted
    [ "$(field theirs reason)" = guest-poweroff ]
    wait_for 10 xl_absent theirs
    size=$(console_size theirs)
    reeve start theirs
    wait_boot theirs "$size"
    reeve destroy theirs
    reeve delete theirs
}

@test "xl lists, pauses and unpauses what reeve made, and has its console" {
    local count size
    xl list ours
    xl pause ours
    wait_for 5 is_state ours paused
    assert_stands ours
    count=$(guest_count ours)
    size=$(console_size ours)
    xl unpause ours
    assert_goes_on ours "$count" "$size"
    wait_for 5 is_state ours running
    on_xl_console ours mem
    wait_for 30 said ours "$size" 'mem [0-9]* KiB'
}

# on_xl_console NAME LINE: types it on the console that xl has.
on_xl_console()
{
    local tty
    tty=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")
    [ -c "$tty" ]
    echo "$2" >"$tty"
}

@test "xl destroy of what reeve made: halted at once, and it says by whom" {
    xl destroy ours
    wait_for 3 is_state ours halted
    [ "$(field ours reason)" = destroyed-elsewhere ]
    reeve start ours
    wait_boot ours "$(console_size ours)"
}

@test "xl shutdown and a reboot from inside end as the config says" {
    local size
    size=$(console_size ours)
    ask ours reboot 'rebooting on request'
    assert_started_over ours "$size"
    wait_for 30 is_state ours running
    xl shutdown ours
    wait_for 60 is_state ours halted
    [ "$(field ours reason)" = guest-poweroff ]
    wait_for 10 xl_absent ours
}

@test "another's domain of the same name is not taken for ours" {
    local uuid
    uuid=$(field ours uuid)
    timeout 120 xl create "$place/ours.cfg" 3>&-
    wait_for 10 seen_twice ours
    [ "$(reeve show "$uuid" --format json | jq -r .state)" = halted ]
    xl destroy ours
    reeve delete "$uuid"
    assert_no_leftovers
}

seen_twice()
{
    [ "$(reeve list --format json | jq "[.domains[] | select(.name == \"$1\" or .id == $(xl domid "$1"))] | length")" -eq 2 ]
}
