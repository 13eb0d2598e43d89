# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # status and output are bats'

setup_file()
{
    REEVE_BUILD_DIR=${REEVE_BUILD_DIR:-$BATS_TEST_DIRNAME/../../build}
    REEVE_GUEST_DIR=${REEVE_GUEST_DIR:-$BATS_TEST_DIRNAME/../../build-guest}
    export REEVE_BUILD_DIR REEVE_GUEST_DIR
}

# random_verbs SECONDS [GUESTDIR]
random_verbs()
{
    run "$REEVE_BUILD_DIR/tests/daemon/random_test" "$REEVE_BUILD_DIR/reeved" "$1" "$RANDOM$RANDOM" "${@:2}"
    echo "$output"
    [ "$status" -eq 0 ]
}
