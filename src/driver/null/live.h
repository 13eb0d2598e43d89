/* SPDX-License-Identifier: MIT */
/* What can be changed of a simulated guest while it lives: figures and names in its table, which
 * its file keeps. As in core/driver.h. */
#ifndef DRIVER_NULL_LIVE_H
#define DRIVER_NULL_LIVE_H

#include "core/driver.h"

int live_memory(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
                const struct op *op, uint64_t *ret_reached_kib, struct err *e);
int live_vcpus(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
               const struct op *op, unsigned *ret_online, struct err *e);
int live_vcpu_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                   struct vcpu_info **ret, size_t *ret_count, struct err *e);
int live_attach(struct driver_handle *h, const struct domain_ref *ref, const struct device *device,
                const struct op *op, struct err *e);
int live_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                const char *name, const struct op *op, struct err *e);
int live_medium(struct driver_handle *h, const struct domain_ref *ref, const struct conf_disk *disk,
                const char *directory, const struct fs_user *user, const struct op *op,
                struct err *e);
int live_stats(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e);
int live_stats_all(struct driver_handle *h, const char *uuid, const struct op *op,
                   struct domain_counters **ret, size_t *ret_count, struct err *e);

#endif
