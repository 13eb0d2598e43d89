/* SPDX-License-Identifier: MIT */
/* Fault points: places where a test makes a step fail or kills the process, by the environment
 * REEVE_FAULT="POINT=kill" or "POINT=fail" (a list, separated by commas). Without the variable a
 * point costs one branch. The points are rows in fault.c; `reeved --fault-points` prints them. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stddef.h>

#include "base/err.h"

/* Reads REEVE_FAULT once, at start. Sets ERR_BAD_REQUEST for a point or action that is not known.
 */
int fault_init(struct err *e) MUST_CHECK;

/* At the named point: does not return under =kill (SIGKILL to this process); sets ERR_FAILED and
 * returns -1 under =fail; else 0. A name without a row aborts, so that rows and code agree. */
int fault_point(const char *name, struct err *e) MUST_CHECK;

/* The name of row i, NULL after the last. */
const char *fault_name(size_t i);

#endif
