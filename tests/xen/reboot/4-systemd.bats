#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The fourth boot: what systemd does for reeved. A daemon that dies or hangs is started anew, and its
# guests do not notice. After this file dom0 is rebooted through logind, which reeve-inhibit holds back:
# 5-held-back.bats.

# shellcheck disable=SC2154 # place is the helpers'

load helpers

# What it ends or lets hang is seen by systemd; these two guests are to go on through all of it.
guests=(sleeps stands)
watchdog_seconds=30 # as long as the unit's ten minutes no test can wait

@test "a host that was rebooted after the cut has its guests again" {
    local name
    wait_for 300 is_active reeve-domains
    for name in "${guests[@]}"; do
        assert_state "$name" running
        assert_went_on "$name"
    done
}

@test "a reeved that is killed is started anew; its guests ran on" {
    local pid
    pid=$(daemon_process)
    note_all "${guests[@]}"
    kill -KILL "$pid"
    wait_for 120 another_answers "$pid"
    [ "$(systemctl show --property NRestarts --value reeved)" -eq 1 ]
    assert_unharmed "${guests[@]}"
    is_active reeve-domains
}

@test "a restart of the service, as an upgrade makes it, leaves the guests and reeve-domains alone" {
    local pid dropins
    pid=$(daemon_process)
    # For the next test.
    dropins=/run/systemd/system/reeved.service.d
    mkdir -p "$dropins"
    printf '[Service]\nWatchdogSec=%d\n' "$watchdog_seconds" >"$dropins/short.conf"
    systemctl daemon-reload
    note_all "${guests[@]}"
    systemctl restart reeved
    another_answers "$pid"
    assert_unharmed "${guests[@]}"
    is_active reeve-domains
}

@test "the watchdog leaves a reeved alone that does its work, and ends one that hangs" {
    local pid
    pid=$(daemon_process)
    wait_for 120 outlived_the_watchdog
    [ "$(daemon_process)" = "$pid" ]
    note_all "${guests[@]}"
    kill -STOP "$pid"
    wait_for 180 another_answers "$pid"
    journalctl -b -u reeved -o cat | grep -q 'Watchdog timeout'
    assert_unharmed "${guests[@]}"
    is_active reeve-domains
}

@test "reeve-inhibit takes a lock that may hold a stop of the host back for an hour" {
    systemctl enable --now reeve-inhibit
    wait_for 60 lock_is_held
    busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
        org.freedesktop.login1.Manager InhibitDelayMaxUSec | grep -qx 't 3600000000'
    note_all sleeps
    start_witness
}

# outlived_the_watchdog: reeved has fed it when, without that, it would have struck.
outlived_the_watchdog()
{
    local fed started
    fed=$(systemctl show --property WatchdogTimestampMonotonic --value reeved)
    started=$(systemctl show --property ExecMainStartTimestampMonotonic --value reeved)
    [ $((fed - started)) -gt $((watchdog_seconds * 1000000)) ]
}

lock_is_held()
{
    systemd-inhibit --list --no-legend | grep -q '^reeve .* shutdown .* delay'
}
