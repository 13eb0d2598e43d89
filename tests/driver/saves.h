/* SPDX-License-Identifier: MIT */
/* Cases of the conformance suite about saves that come to nothing (saves.c). */
#ifndef TESTS_DRIVER_SAVES_H
#define TESTS_DRIVER_SAVES_H

void saves_in_vain_harm_nothing(void **state);
void a_guest_that_sleeps_is_woken_first(void **state);
void a_guest_that_ends_in_a_live_save_has_ended(void **state);

#endif
