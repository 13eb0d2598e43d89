/* SPDX-License-Identifier: MIT */
/* The observer: one thread that watches the driver and makes the bulk look at it. It posts what
 * it saw to the loop thread. */
#ifndef DAEMON_OBSERVER_H
#define DAEMON_OBSERVER_H

#include "core/engine.h"

struct observer;

/* seen is an array of count, owned by the callee, which runs on the loop thread; the times are of
 * the beginning of the look. */
typedef void observer_fn(void *arg, struct observation *seen, size_t count, int64_t wall_ms,
                         int64_t mono_ns);

/* The same for counters: list is an array of count, whose stats the callee owns as well. */
typedef void observer_stats_fn(void *arg, struct domain_counters *list, size_t count,
                               int64_t wall_ms, int64_t mono_ns);

/* Starts the thread. Sets ERR_FAILED. */
int observer_start(const struct driver *driver, struct driver_handle *handle, struct post *post,
                   observer_fn *fn, observer_stats_fn *stats_fn, void *arg, struct observer **ret,
                   struct err *e) MUST_CHECK;
/* Asks for a look; any thread; does not block. */
void observer_look(struct observer *o);
/* Asks for the counters of all domains, after a look. Any thread; does not block. */
void observer_stats(struct observer *o);
/* Ends the thread and waits for it (at most a look long). */
void observer_stop(struct observer *o);

#endif
