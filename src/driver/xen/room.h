/* SPDX-License-Identifier: MIT */
/* Memory for a guest, taken from domain 0 where xl would do that: under xl's lock, so that two
 * tools that build at once do not count the same memory (xl.conf(5): autoballoon, lockfile). */
#ifndef DRIVER_XEN_ROOM_H
#define DRIVER_XEN_ROOM_H

#include "driver/xen/session.h"

struct room {
    int lock_fd; /* -1: nothing is held */
};

/* Takes xl's lock and waits until the hypervisor has need_kib free. `domid` is the guest's, for
 * libxl's log, or INVALID_DOMID. Where autoballoon is off nothing is done. room_leave in either
 * case. Sets ERR_NO_SPACE (says how much is free), ERR_FAILED, or the op's end. Blocks. */
int room_make(struct session *s, uint32_t domid, uint64_t need_kib, const struct op *op,
              struct room *room, struct err *e) MUST_CHECK;
void room_leave(struct room *room);

/* After a failure that want of memory may have caused: adds to *e what is free, when that is less
 * than need_kib. Returns -1. */
int room_explain(struct session *s, uint64_t need_kib, struct err *e);

#define AUTO_ROOM __attribute__((cleanup(room_leave)))

#endif
