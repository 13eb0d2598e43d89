/* SPDX-License-Identifier: MIT */
/* The driver's handle: what is known of the host from `open` on. Nothing in it changes until
 * `close` but the observer, which is the observer thread's alone: job threads and the observer
 * share files and sockets, no memory, so there is no lock. */
#ifndef DRIVER_QEMU_HOST_H
#define DRIVER_QEMU_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/driver.h"
#include "driver/qemu/binary.h"

struct observer; /* observe.c */

struct driver_handle {
    char *dir;       /* owned; RUN_DIR/qemu */
    int dirfd;       /* owned; the same */
    char *state_dir; /* owned */
    struct binary binary;
    bool drop_rights; /* we are root: guests run as uid and gid */
    uid_t uid;
    gid_t gid;
    struct observer *observer; /* owned */
};

int host_probe(const struct driver_options *options, struct err *e) MUST_CHECK;
int host_open(const struct driver_options *options, struct driver_handle **ret,
              struct err *e) MUST_CHECK;
void host_close(struct driver_handle *h);

#endif
