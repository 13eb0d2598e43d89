#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Random verbs and random kills for a long time, with another seed each time; it is printed.

setup_file()
{
    REEVE_BUILD_DIR=${REEVE_BUILD_DIR:-$BATS_TEST_DIRNAME/../../build}
    export REEVE_BUILD_DIR
}

@test "ten minutes of random verbs with the daemon killed in the middle" {
    run "$REEVE_BUILD_DIR/tests/daemon/random_test" "$REEVE_BUILD_DIR/reeved" 600 "$RANDOM$RANDOM"
    echo "$output"
    [ "$status" -eq 0 ]
}
