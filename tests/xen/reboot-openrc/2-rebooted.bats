#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The second boot with OpenRC: reeved and reeve-domains are started with the host, and each guest is what
# its policy says.

load helpers

@test "the host's start starts reeved and reeve-domains" {
    wait_for 300 is_active reeve-domains
    is_active reeved
    daemon_answers
}

@test "suspend: the guest goes on after the host's reboot" {
    assert_state sleeps running
    assert_went_on sleeps
}

@test "shutdown: it powered off in order, and with autostart has booted" {
    assert_state boots running
    said boots "$(noted_size boots)" 'powering off in order'
    assert_started_over boots "$(noted_size boots)"
}

@test "ignore: it went with the host" {
    assert_state left halted
    [ "$(field left reason)" = host-rebooted ]
    not_said left "$(noted_size left)" 'powering off in order'
}

@test "nothing is left over and the store is whole" {
    reeve doctor
}
