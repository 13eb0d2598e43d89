/* SPDX-License-Identifier: MIT */
/* The guest's memory, a memfd or a file that QEMU shares: we read and write it by ourselves, side
 * by side on all CPUs, and the migration stream carries the devices alone. */
#ifndef DRIVER_QEMU_RAM_H
#define DRIVER_QEMU_RAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/driver.h"
#include "driver/qemu/qmp.h"

/* QEMU rounds RAM up to 8 KiB and wants the object to have the same size. */
uint64_t ram_bytes(uint64_t max_memory_kib);

/* Makes a memfd of `bytes` for a QEMU that is started on it; ram_open finds it as it finds one of
 * QEMU's own. *ret_fd is owned by the caller. */
int ram_make(uint64_t bytes, int *ret_fd, struct err *e) MUST_CHECK;

/* Finds the memory (a memfd, or the file of that inode) of the process among its descriptors (as
 * /proc shows them, so also after a restart of ours) and opens it anew for reading, for the caller.
 * ERR_UNSUPPORTED with the reason when there is none. The caller holds a pidfd of the process and,
 * if it matters that pid is still it, asks that afterwards. */
int ram_open(pid_t pid, uint64_t inode, uint64_t max_memory_kib, int *ret_fd,
             struct err *e) MUST_CHECK;

/* The memory of a saved guest on its way into the file that QEMU shares, by a thread of its own, so
 * that QEMU starts meanwhile: it does not touch its memory before a state is loaded. */
struct ram_fill {
    const struct guest_memory *memory; /* borrowed */
    int fd;                            /* borrowed */
    uint64_t bytes;
    struct op op; /* its cancel_fd is owned */
    int over_fd;  /* owned; readable once the thread has done its work */
    bool joinable;
    pthread_t thread;
    int result;
    struct err err;
};
#define RAM_FILL_NONE                                                                              \
    {                                                                                              \
        .op = {.cancel_fd = -1}, .over_fd = -1                                                     \
    }

/* Starts memory->fill, under the deadline and with the progress of op. ram_fill_finish is due
 * whatever the result. */
int ram_fill_begin(struct ram_fill *f, const struct guest_memory *memory, int fd, uint64_t bytes,
                   const struct op *op, struct err *e) MUST_CHECK;
/* Waits for its end; its errors, or those of op. 0 at once when none was begun. */
int ram_fill_await(struct ram_fill *f, const struct op *op, struct err *e) MUST_CHECK;
/* Cancels what still goes on and waits until it has stopped. */
void ram_fill_finish(struct ram_fill *f);

/* Sets up a migration, out or in: with its events, and the shared memory out of the stream or in
 * it. Errors as of qmp_run. */
int ram_set_apart(struct qmp *q, bool apart, const struct op *op, struct err *e) MUST_CHECK;

#endif
