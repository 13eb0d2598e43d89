# SPDX-License-Identifier: MIT
# For the tests that reboot dom0, with systemd as init: reeve as it is installed, and what one boot leaves
# for the next to compare with. The files of this folder run in their order, one a boot, on the same disk.
# shellcheck shell=bash disable=SC2034,SC2154

xen_depth=../..
# shellcheck source=tests/xen/helpers.bash
source "$BATS_TEST_DIRNAME/../helpers.bash"

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
place=/var/lib/lab-test # stays from boot to boot
boot_seconds=300        # five guests at once, on dom0's one vCPU

setup_file() { :; }
setup() { :; }
teardown_file() { :; }

teardown()
{
    [ -n "${BATS_TEST_COMPLETED:-}" ] && return
    show_service_logs | tail -n 30
    reeve list
}

# --- systemd; what reboot-openrc has words of its own for ---

show_service_logs()
{
    journalctl -b --no-hostname -u reeved -u reeve-domains -u reeve-inhibit
}

is_active()
{
    [ "$(systemctl is-active "$1")" = active ]
}

install_reeve()
{
    mkdir -p "$place"
    tar -C "$LAB_FILES/installed" -c . | tar -x -C / --keep-directory-symlink
    ldconfig
}

# start_witness: from now on, the next stop of the host leaves behind what states it finds the domains in
# when it stops services. The witness is stopped before reeve-domains, which has its own part in that.
start_witness()
{
    cat >/run/systemd/system/witness.service <<TEXT
[Unit]
After=reeve-domains.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=sh -c "reeve list --format csv --columns name,state >$place/found"
TEXT
    rm -f "$place/found"
    systemctl daemon-reload
    systemctl start witness
}

# found NAME: its state when the witness was stopped.
found()
{
    sed -n "s/^$1,//p" "$place/found"
}

# --- the daemon ---

daemon_process()
{
    pgrep -x reeved
}

# another_answers PID: true when reeved is another process than that, and answers.
another_answers()
{
    local pid
    pid=$(daemon_process) && [ "$pid" != "$1" ] && daemon_answers
}

# --- guests from boot to boot ---

# console_since NAME SIZE: a cut of the power leaves half a line, or zeros, where a log was being written;
# what the next boot says first stands behind that in the same line.
console_since()
{
    tail -c "+$(($2 + 1))" "$(console_file "$1")" 2>/dev/null | tr -d '\r\0' |
        sed 's/^.*\(reeve-guest: up (boot)\)$/\1/'
}

# note NAME: what its guest has counted and said until now; in this order, for it goes on counting.
note()
{
    guest_count "$1" >"$place/$1.count"
    console_size "$1" >"$place/$1.size"
}

noted_size()
{
    cat "$place/$1.size"
}

# assert_went_on NAME: since it was noted its guest has counted on without a gap in its memory, and does
# so now.
assert_went_on()
{
    local last
    last=$(guest_count "$1")
    wait_count_above "$1" "$last"
    not_said "$1" "$(noted_size "$1")" 'up (boot)'
    console_since "$1" "$(noted_size "$1")" | counts |
        awk -v last="$(cat "$place/$1.count")" '$1 <= last { exit 1 } { last = $1 }'
}

# --- guests within one boot ---

# who NAME: what a guest keeps as long as it runs.
who()
{
    echo "$(field "$1" uuid) $(xl domid "$1")"
}

note_all()
{
    local name
    for name in "$@"; do
        note "$name"
        who "$name" >"$place/$name.who"
    done
}

# assert_unharmed NAME ...: the very guests that note_all saw run on.
assert_unharmed()
{
    local name
    for name in "$@"; do
        assert_state "$name" running
        [ "$(who "$name")" = "$(cat "$place/$name.who")" ]
        assert_went_on "$name"
    done
}
