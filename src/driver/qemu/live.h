/* SPDX-License-Identifier: MIT */
/* What can be changed of a domain while it lives, and read of it: as in core/driver.h. */
#ifndef DRIVER_QEMU_LIVE_H
#define DRIVER_QEMU_LIVE_H

#include <stdbool.h>

#include "core/driver.h"
#include "driver/qemu/machine.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/session.h"

/* One such call under way. */
struct live {
    struct session s;
    struct meta meta;
    const struct machine *machine;
    bool paused;
    bool ended; /* shut down or crashed */
};

#define LIVE_NONE ((struct live){.s.dirfd = -1, .s.qmp.fd = -1})
#define AUTO_LIVE __attribute__((cleanup(live_close)))

/* Errors as of session_open; ERR_WRONG_STATE when the guest has ended, unless `ended` is taken. */
int live_open(struct live *l, const struct driver_handle *h, const struct domain_ref *ref,
              bool ended, const struct op *op, struct err *e) MUST_CHECK;
void live_close(struct live *l);

/* Awaits any event, at most `ms` and not past the op's end; 0 also when none came in that time.
 * ERR_TIMED_OUT with `phase` at the op's end. */
int live_wait(struct live *l, int64_t ms, const struct op *op, const char *phase,
              struct err *e) MUST_CHECK;

/* Sets ERR_TIMED_OUT with the phase and the sentence; returns -1. */
int live_timed_out(struct err *e, const char *phase, const char *fmt, ...) PRINTF(3, 4);

/* Is there a device of that id in QEMU? 1, 0, -1. */
int live_has_device(struct live *l, const char *id, const struct op *op, struct err *e) MUST_CHECK;

/* device_del, and waits until the guest has let go of it. ERR_TIMED_OUT with phase "unplug". */
int live_unplug(struct live *l, const char *id, const char *what, const struct op *op,
                struct err *e) MUST_CHECK;

int memory_set(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
               const struct op *op, uint64_t *ret_reached_kib, struct err *e);
int vcpus_set(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
              const struct op *op, unsigned *ret_online, struct err *e);
int vcpus_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct vcpu_info **ret, size_t *ret_count, struct err *e);
int vcpus_pin(struct driver_handle *h, const struct domain_ref *ref, int vcpu,
              const cpu_set_t *cpus, const struct op *op, struct err *e);
int hotplug_attach(struct driver_handle *h, const struct domain_ref *ref,
                   const struct device *device, const struct op *op, struct err *e);
int hotplug_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                   const char *name, const struct op *op, struct err *e);
int medium_change(struct driver_handle *h, const struct domain_ref *ref,
                  const struct conf_disk *disk, const char *directory, const struct fs_user *user,
                  const struct op *op, struct err *e);
int inject_sysrq(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e);
int inject_trigger(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   int vcpu, const struct op *op, struct err *e);
int dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd, const struct op *op,
              struct err *e);
int stats_read(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e);

#endif
