/* SPDX-License-Identifier: MIT */
/* A living guest's memory, processors, devices and counters. */
#ifndef DRIVER_XEN_LIVE_H
#define DRIVER_XEN_LIVE_H

#include "driver/xen/host.h"

int memory_set(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
               const struct op *op, uint64_t *ret_reached_kib, struct err *e) MUST_CHECK;
int vcpus_set(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
              const struct op *op, unsigned *ret_online, struct err *e) MUST_CHECK;
int vcpus_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct vcpu_info **ret, size_t *ret_count, struct err *e) MUST_CHECK;
int vcpus_pin(struct driver_handle *h, const struct domain_ref *ref, int vcpu,
              const cpu_set_t *cpus, const struct op *op, struct err *e) MUST_CHECK;
int devices_attach(struct driver_handle *h, const struct domain_ref *ref,
                   const struct device *device, const struct op *op, struct err *e) MUST_CHECK;
int devices_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                   const char *name, const struct op *op, struct err *e) MUST_CHECK;
int devices_medium(struct driver_handle *h, const struct domain_ref *ref,
                   const struct conf_disk *disk, const char *directory, const struct fs_user *user,
                   const struct op *op, struct err *e) MUST_CHECK;
int stats_read(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e) MUST_CHECK;

int stats_all(struct driver_handle *h, const char *uuid, const struct op *op,
              struct domain_counters **ret, size_t *ret_count, struct err *e) MUST_CHECK;

/* Refuses one that has ended or is being saved (ERR_WRONG_STATE). */
int live_enter(struct session *s, const struct domain_ref *ref, libxl_dominfo *info,
               struct err *e) MUST_CHECK;

#endif
