/* SPDX-License-Identifier: MIT */
/* Time: monotonic for waits, wall clock for people, RFC 3339 on the wire. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum { CLOCK_TEXT_MAX = 32, CLOCK_BOOT_ID_LEN = 36 };

int64_t clock_mono_ms(void); /* milliseconds since the host's boot */
int64_t clock_mono_ns(void); /* the same in nanoseconds, to tell what came first */
int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */

/* Milliseconds until the monotonic deadline: 0 when it is past, -1 (poll's "for ever") for the
 * deadline 0, which means none. */
int clock_left_ms(int64_t deadline_ms);

/* RFC 3339 in UTC with milliseconds, like 2026-01-31T12:00:00.000Z. Returns text. */
const char *clock_rfc3339(int64_t wall_ms, char text[CLOCK_TEXT_MAX]);
/* The same to the second as a part of a name: "20260131T120000Z". */
const char *clock_compact(int64_t wall_ms, char text[CLOCK_TEXT_MAX]);

/* Reads RFC 3339 (fraction and offset optional; without an offset it is UTC). Sets
 * ERR_BAD_REQUEST. */
int clock_parse(const char *text, int64_t *ret_wall_ms, struct err *e) MUST_CHECK;

/* The kernel's boot id (proc(5), /proc/sys/kernel/random/boot_id), read once; "" when the host
 * has none. Thread-safe after the first call. For tests that stand for a reboot of the host, a
 * REEVE_BOOT_ID in the environment takes its place. */
const char *clock_boot_id(void);

#endif
