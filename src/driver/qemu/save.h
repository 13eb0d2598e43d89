/* SPDX-License-Identifier: MIT */
/* `save`, `save_apart`, `save_live` and `save_undo` of core/driver.h. */
#ifndef DRIVER_QEMU_SAVE_H
#define DRIVER_QEMU_SAVE_H

#include "core/driver.h"
#include "driver/qemu/session.h"

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e);
int save_apart(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
               const struct op *op, int *ret_memory_fd, uint64_t *ret_bytes, struct err *e);
int save_live(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, int64_t *ret_stopped_ms, struct err *e);
/* Gives the guest's state away to nobody: it stands still, and QEMU lets go of its disks and their
 * locks. running takes that back. One that has been given away is so still. */
int save_nowhere(struct session *s, const struct op *op, struct err *e) MUST_CHECK;
int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e);

#endif
