/* SPDX-License-Identifier: MIT */
/* An image of a disk in a running QEMU: a set with its descriptor, and two block nodes, as argv.c
 * makes them at the start. All three are found by NAME: "disk-NAME", "file-NAME". */
#ifndef DRIVER_QEMU_NODES_H
#define DRIVER_QEMU_NODES_H

#include "driver/qemu/launch.h"
#include "driver/qemu/live.h"

/* fd stays the caller's. On failure nothing is left in QEMU. */
int nodes_add(struct live *l, const char *name, const struct launch_disk *disk, int fd,
              const struct op *op, struct err *e) MUST_CHECK;

/* Takes away what there is of them; nothing is fine. ERR_FAILED while a device uses them. */
int nodes_remove(struct live *l, const char *name, const struct op *op, struct err *e) MUST_CHECK;

/* Is there a node "disk-NAME"? 1, 0, -1. */
int nodes_there(struct live *l, const char *name, const struct op *op, struct err *e) MUST_CHECK;

#endif
