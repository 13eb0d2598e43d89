#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Random verbs on simulated domains and random kills of the daemon for half an hour, with another seed
# each time; it is printed, and the same seed asks the same things. guests.bats does it on real guests.

load seeds

@test "half an hour of random verbs on 24 domains with the daemon killed in the middle" {
    random_verbs 1800
}
