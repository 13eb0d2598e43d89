#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# As crash.bats, on real guests of QEMU, whose counters must never go back.

load seeds

@test "half an hour of random verbs on 4 guests of QEMU with the daemon killed in the middle" {
    random_verbs 1800 "$REEVE_GUEST_DIR"
}
