/* SPDX-License-Identifier: MIT */
/* Cases of the conformance suite about what changes while a guest lives (resources.c). */
#ifndef TESTS_DRIVER_RESOURCES_H
#define TESTS_DRIVER_RESOURCES_H

void disks_come_and_go(void **state);
void network_interfaces_come_and_go(void **state);
void what_came_later_survives_a_restart_and_a_save(void **state);
void what_came_later_is_saved_on_q35_too(void **state);
void a_device_that_went_is_not_saved(void **state);
void a_guest_that_waits_for_its_console_is_saved(void **state);
void a_guest_that_waits_for_a_second_line_is_saved(void **state);
void what_cannot_be_attached_changes_nothing(void **state);
void a_guest_that_stands_gives_nothing_up(void **state);
void a_guest_that_does_not_answer_keeps_its_device(void **state);
void memory_goes_down_and_up(void **state);
void cpus_come_and_go(void **state);
void cpus_that_came_are_saved(void **state);
void cpus_are_listed_and_pinned(void **state);
void discs_are_changed(void **state);
void a_core_is_whole_and_the_guest_goes_on(void **state);
void a_cancelled_core_harms_nothing(void **state);
void sysrq_reaches_the_guest(void **state);
void triggers_reach_the_guest(void **state);
void counters_count(void **state);
void a_machine_without_places_says_so(void **state);
void a_bridge_port_goes_with_its_device(void **state);

#endif
