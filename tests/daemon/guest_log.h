/* SPDX-License-Identifier: MIT */
/* What a real guest has said on its console: the counter of guest/init, which is in its memory
 * alone, goes on in a guest that was resumed, restored or left alone, and starts over in one that
 * booted. */
#ifndef TESTS_DAEMON_GUEST_LOG_H
#define TESTS_DAEMON_GUEST_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* How far a guest has come. */
struct guest_progress {
    bool boots;     /* it has been booted and has not said yet that it is up */
    bool may_boot;  /* somebody may have booted it, or not */
    int64_t count;  /* the last that it said since it was up */
    int64_t counts; /* how many it has said since then, also over suspends */
};

struct guest_log {
    const char *path; /* borrowed */
    int64_t at;       /* bytes of it that were read */
    bool powers_off;  /* it has said so; for the caller to reset */
};

/* Skips what has been said: what comes after is of another guest, or of a boot. */
void guest_log_skip(struct guest_log *log);

/* Reads what was said since the last time and moves p on. NULL, or what was wrong with it: it
 * booted without having been told to, or its counter went back. The text lives until the next
 * call. */
const char *guest_log_read(struct guest_log *log, struct guest_progress *p);

/* How many counts were read in all. */
int64_t guest_log_counts(void);

#endif
