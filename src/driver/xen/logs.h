/* SPDX-License-Identifier: MIT */
/* The logs of device models. libxl gives each QEMU a file for what it says,
 * /var/log/xen/qemu-dm-NAME.log, and nothing bounds it: a guest that makes its QEMU complain fills
 * dom0's disk (XSA-180). Xen's own build of QEMU ends such a log; Debian's QEMU does not. */
#ifndef DRIVER_XEN_LOGS_H
#define DRIVER_XEN_LOGS_H

#include "driver/xen/session.h"

/* A log that has grown past the first is cut to about the second, its end, in bytes; and how often
 * it is looked at while it grows. */
enum { LOGS_MAX = 1024 * 1024, LOGS_KEPT = 64 * 1024, LOGS_EVERY_MS = 1000 };

/* Records in xenstore, until the domain is destroyed, that the log of its device model is ours to
 * bound: the one of that name. What it cannot record is an error in the daemon's log, and nothing
 * else. */
void logs_mark(struct session *s, uint32_t domid, const char *name);

/* A file descriptor that is readable when something in the logs' folder has been written; owned by
 * the caller. -1: ERR_FAILED. Does not block. */
int logs_watch(struct err *e) MUST_CHECK;

/* Takes what fd has told and cuts the logs of marked domains that are too long. A log that cannot
 * be cut is an error in the daemon's log: nobody asked for it who could be told. Blocks for the
 * disk. */
void logs_bound(struct session *s, int fd);

#endif
