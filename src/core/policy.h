/* SPDX-License-Identifier: MIT */
/* What becomes of a guest that ends by itself: on_poweroff, on_reboot, on_crash, on_watchdog and
 * on_soft_reset as rows, and how often one that ends at once is booted again. Pure. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "core/names.h"

enum policy_then { THEN_END, THEN_BOOT, THEN_KEEP };

/* One row an action; only its `then` is of use when nothing is left of the guest. */
struct policy {
    enum policy_then then;
    bool core;   /* its memory is written to a file first */
    bool rename; /* what is left of it is kept beside, as a domain of its own */
    bool soft;   /* booted without taking its memory away, where the driver can */
};

const struct policy *policy_of(enum conf_action action);

/* The action that conf has for an end of that reason; CONF_DESTROY where no key is about it. */
enum conf_action policy_action(const struct conf *conf, enum reason end);

/* The delay before boot number `quick_ends` + 1 of a guest that has ended that often in a row
 * within its minimum run time; -1: it is left as it is. tries: how often it is tried. */
int64_t policy_delay_ms(uint64_t quick_ends, unsigned tries);

#endif
