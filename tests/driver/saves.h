/* SPDX-License-Identifier: MIT */
/* Cases of the conformance suite about saves that come to nothing, many of them (saves.c). */
#ifndef TESTS_DRIVER_SAVES_H
#define TESTS_DRIVER_SAVES_H

void saves_in_vain_harm_nothing(void **state);

#endif
