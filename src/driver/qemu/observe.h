/* SPDX-License-Identifier: MIT */
/* All domains at once, and the wait for a change. All of this is the observer thread's alone. */
#ifndef DRIVER_QEMU_OBSERVE_H
#define DRIVER_QEMU_OBSERVE_H

#include "core/driver.h"

struct observer;

/* dir is RUN_DIR/qemu, and must be there. ERR_FAILED. */
int observer_new(const char *dir, struct observer **ret, struct err *e) MUST_CHECK;
void observer_free(struct observer *observer); /* also NULL */

/* `list`, `watch` and `stats_all` of core/driver.h. */
int observe_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                 size_t *ret_count, struct err *e);
int observe_stats(struct driver_handle *h, const char *uuid, const struct op *op,
                  struct domain_counters **ret, size_t *ret_count, struct err *e);
int observe_watch(struct driver_handle *h, int wake_fd, struct err *e);

#endif
