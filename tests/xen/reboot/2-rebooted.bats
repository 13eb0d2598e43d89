#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The second boot: who was suspended goes on, who was paused stands, who was shut down is started, who
# was left is halted, and the one that cannot start has kept none from it. After this file the power of
# the host is cut, in the middle of a host-stop: 3-cut.bats.

# shellcheck disable=SC2154 # place is the helpers'

load helpers

@test "without reeve-inhibit the host stops services while the domains still run" {
    [ "$(found sleeps)" = running ]
}

@test "the suspended guest goes on after the host's reboot" {
    wait_for 300 is_active reeve-domains
    assert_state sleeps running
    assert_went_on sleeps
}

@test "the paused one stands as it stood, and goes on when it is told to" {
    assert_state stands paused
    assert_stands stands
    reeve unpause stands
    assert_went_on stands
}

@test "the one with autostart was shut down in order and has booted" {
    assert_state boots running
    said boots "$(noted_size boots)" 'powering off in order'
    assert_started_over boots "$(noted_size boots)"
}

@test "the one that was to be left alone went with the host; one that fails stops no other" {
    assert_state left halted
    [ "$(field left reason)" = host-rebooted ]
    not_said left "$(noted_size left)" 'powering off in order'
    assert_state fails halted
    reeve log fails | grep -q ' failed: .*kernel'
    reeve log | grep -q 'done, 1 failed'
}

@test "the daemon dies in the middle of a host-stop, and the host's power is cut" {
    local name pid status=0
    reeve start left
    wait_boot left "$(console_size left)"
    reeve suspend sleeps
    systemctl stop reeved
    REEVE_FAULT=save.renamed=kill reeved --foreground </dev/null >"$place/dies.log" 2>&1 3>&- 4>&- &
    pid=$!
    wait_for 30 daemon_answers
    for name in stands boots left; do
        assert_state "$name" running
        note "$name"
    done
    # What the next boot compares with; what reeve needs it has to see to itself.
    sync "$place"/*.{size,count} /var/log/xen/console/*
    run reeve host-stop
    [ "$status" -eq 8 ]
    wait "$pid" || status=$?
    [ "$status" -eq 137 ]
    touch /var/lib/lab-cut
}
