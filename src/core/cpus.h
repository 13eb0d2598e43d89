/* SPDX-License-Identifier: MIT */
/* Sets of host CPUs as people write them. */
#ifndef CORE_CPUS_H
#define CORE_CPUS_H

#include <sched.h>

#include "base/err.h"
#include "base/str.h"

/* "all", or numbers and ranges with commas, of which ^ takes some out again: "0-3,^1", as in xl.
 * "all" is every CPU that the host has online. ERR_BAD_REQUEST for anything else, for a number
 * past CPU_SETSIZE, and when none is left. Does not block. */
int cpus_parse(const char *text, cpu_set_t *ret, struct err *e) MUST_CHECK;

/* "0-2,7"; "none" for no CPU. */
void cpus_text(const cpu_set_t *cpus, struct str *to);

#endif
