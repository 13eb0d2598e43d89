#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The fifth boot, after a reboot that reeve-inhibit held back: 2-rebooted.bats has what one finds without.

load helpers

@test "the domains were stopped before the host began to stop services" {
    wait_for 300 is_active reeve-domains
    [ "$(found sleeps)" = suspended ]
    [ "$(found stands)" = suspended ]
    [ "$(found boots)" = halted ]
}

@test "their guests went on" {
    assert_state sleeps running
    assert_went_on sleeps
}
