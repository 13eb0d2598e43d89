/* SPDX-License-Identifier: MIT */
/* What a launch names on the host, opened by us with the rights of who asked and passed to QEMU as
 * descriptors: QEMU itself may open nothing of the user's, and the user nothing through us. */
#ifndef DRIVER_QEMU_FILES_H
#define DRIVER_QEMU_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/proc.h"
#include "driver/qemu/host.h"
#include "driver/qemu/launch.h"

struct files {
    struct proc_fd *fds; /* owned; `from` is owned too */
    size_t count;
    size_t cap;
};

/* Takes over fd; returns its number in QEMU. */
int files_add(struct files *files, int fd);
void files_finish(struct files *files);

/* Opens kernel, ramdisk, disks, serial lines and taps and writes their numbers into launch. With
 * `check` nothing is made (serial files and sockets, taps): only whether it could be.
 * ERR_BAD_CONFIG, ERR_UNSUPPORTED, ERR_NOT_ALLOWED; the message and err.key name the key. */
int files_open(const struct driver_handle *h, struct launch *launch, bool check,
               struct files *files, struct err *e) MUST_CHECK;

/* A file of the user's that the config key `key` names, not empty, opened for reading with the
 * rights that the thread has; owned by the caller. -1 with errors as above. */
int files_open_file(const struct launch *launch, const char *key, const char *name,
                    struct stat *ret_st, struct err *e) MUST_CHECK;
/* The same into files, as something that QEMU opens again through /proc/self/fd. */
int files_open_readable(const struct driver_handle *h, const struct launch *launch, const char *key,
                        const char *name, bool check, struct files *files, int *ret_number,
                        struct err *e) MUST_CHECK;

#endif
