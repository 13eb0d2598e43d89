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
    journalctl -b --no-hostname -u reeved -u reeve-domains | tail -n 30
    reeve list
}

is_active()
{
    [ "$(systemctl is-active "$1")" = active ]
}

# --- guests from boot to boot ---

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
