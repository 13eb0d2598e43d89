/* SPDX-License-Identifier: MIT */
/* The guest's memory, a memfd or a file that QEMU shares: we read and write it by ourselves, side
 * by side on all CPUs, and the migration stream carries the devices alone. */
#ifndef DRIVER_QEMU_RAM_H
#define DRIVER_QEMU_RAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "driver/qemu/qmp.h"

/* QEMU rounds RAM up to 8 KiB and wants the object to have the same size. */
uint64_t ram_bytes(uint64_t max_memory_kib);

/* Finds the memory (a memfd, or the file of that inode) of the process among its descriptors (as
 * /proc shows them, so also after a restart of ours) and opens it anew with `flags`, for the
 * caller. ERR_UNSUPPORTED with the reason when there is none. The caller holds a pidfd of the
 * process and, if it matters that pid is still it, asks that afterwards. */
int ram_open(pid_t pid, uint64_t inode, uint64_t max_memory_kib, int flags, int *ret_fd,
             struct err *e) MUST_CHECK;

/* Sets up a migration, out or in: with its events, and the shared memory out of the stream or in
 * it. Errors as of qmp_run. */
int ram_set_apart(struct qmp *q, bool apart, const struct op *op, struct err *e) MUST_CHECK;

#endif
