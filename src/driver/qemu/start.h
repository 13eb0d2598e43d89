/* SPDX-License-Identifier: MIT */
/* From a config to a guest that stands still: `create`, `restore`, `check` of core/driver.h. */
#ifndef DRIVER_QEMU_START_H
#define DRIVER_QEMU_START_H

#include "core/driver.h"

int start_create(struct driver_handle *h, const struct create_args *args, const struct op *op,
                 struct observation *ret, struct err *e);
int start_restore(struct driver_handle *h, const struct create_args *args, int stream_fd,
                  const struct op *op, struct observation *ret, struct err *e);
int start_check(struct driver_handle *h, const struct create_args *args, struct err *e);

#endif
