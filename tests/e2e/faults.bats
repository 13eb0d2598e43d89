#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Faults at random in save, checkpoint, suspend, resume and restore of a real guest: the runs of
# tests/daemon/faults_test.c on QEMU. `check long` makes many more (tests/soak/faults.bats).

# shellcheck disable=SC2154 # output and status are bats'

load helpers

@test "a real guest is not lost by calls that fail, kills and cancels in its saves and resumes" {
    run timeout 500 "$REEVE_BUILD_DIR/tests/daemon/faults_test" "$REEVE_BUILD_DIR/reeved" \
        "$REEVE_BUILD_DIR/tests/daemon/libbroken_calls.so" "qemu:$REEVE_GUEST_DIR" 6
    echo "$output"
    [ "$status" -eq 0 ]
}
