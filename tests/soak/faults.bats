#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Faults at random in the saves and resumes of simulated and of real guests, with another seed each time;
# it is printed, and the same seed does the same.

# shellcheck disable=SC2154 # output and status are bats'

load ../e2e/helpers

# faults DRIVER RUNS
faults()
{
    run "$REEVE_BUILD_DIR/tests/daemon/faults_test" "$REEVE_BUILD_DIR/reeved" \
        "$REEVE_BUILD_DIR/tests/daemon/libbroken_calls.so" "$1" "$2" "$RANDOM$RANDOM"
    echo "$output"
    [ "$status" -eq 0 ]
    grep '^# figure' <<<"$output" >&3
}

@test "40 runs on real guests" {
    faults "qemu:$REEVE_GUEST_DIR" 40
}

@test "5000 runs on simulated guests" {
    faults null 5000
}
