#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The third boot, after a cut of the host's power: what the store and the disk say decides. The image of
# "stands" was whole, and the store did not know of it.

load helpers

@test "a whole image of a host-stop is resumed, though the power went before the store knew it" {
    wait_for 300 is_active reeve-domains
    assert_state stands running
    assert_went_on stands
}

@test "one that somebody had suspended stays so until it is resumed" {
    assert_state sleeps suspended
    reeve resume sleeps
    assert_went_on sleeps
}

@test "one with autostart boots; one that was running is halted, and says why" {
    assert_state boots running
    assert_started_over boots "$(noted_size boots)"
    assert_state left halted
    [ "$(field left reason)" = host-rebooted ]
}

@test "nothing is left over and the store is whole; after this the host is rebooted in order" {
    reeve doctor
    note sleeps
    note stands
}
