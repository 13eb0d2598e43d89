/* SPDX-License-Identifier: MIT */
/* All simulated guests of one open driver: a table in memory under a lock, each change of which is
 * written to the guest's file before the lock is let go. Nobody waits with the lock held. */
#ifndef DRIVER_NULL_TABLE_H
#define DRIVER_NULL_TABLE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "core/driver.h"
#include "driver/null/sim.h"

struct driver_handle {
    int dirfd;            /* RUN_DIR/null */
    int changed_fd;       /* eventfd: something changed since `watch` last returned */
    pthread_mutex_t lock; /* for what follows */
    struct list guests;   /* struct sim::link */
    size_t guest_count;
    uint64_t last_serial;
};

/* Opens RUN_DIR/null, makes it when it is missing, and reads the guests in it; one whose file
 * cannot be used is left out with a line in the log. No call may be under way at table_close. */
int table_open(const struct driver_options *options, struct driver_handle **ret,
               struct err *e) MUST_CHECK;
void table_close(struct driver_handle *h);

/* The rest is called with the lock held. table_leave gives it up, and returns r. */
int table_leave(struct driver_handle *h, int r);

/* The guest of this uuid, with what was due done; with a serial other than 0 only if it is the very
 * same one still. NULL for none. */
struct sim *table_find(struct driver_handle *h, const char *uuid, uint64_t serial);
/* Lets happen what is due of its own events. Not written: a reader of its file comes to the same.
 */
void table_settle(struct driver_handle *h, struct sim *s);
void table_add(struct driver_handle *h, struct sim *s);  /* takes ownership */
void table_drop(struct driver_handle *h, struct sim *s); /* frees it */
void table_changed(struct driver_handle *h);             /* wakes the watcher */

/* Writes the guest's file after a change. On failure the guest is as `before` again. */
int table_commit(struct driver_handle *h, struct sim *s, const struct sim *before,
                 struct err *e) MUST_CHECK;
/* sim_set now, and commit. */
int table_set(struct driver_handle *h, struct sim *s, enum observed state, enum reason reason,
              struct err *e) MUST_CHECK;

#endif
