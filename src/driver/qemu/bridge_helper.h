/* SPDX-License-Identifier: MIT */
/* QEMU's qemu-bridge-helper, by which a plain user gets a port of a bridge that an admin has
 * allowed in /etc/qemu/bridge.conf. It has root's rights, or CAP_NET_ADMIN, by its file. */
#ifndef DRIVER_QEMU_BRIDGE_HELPER_H
#define DRIVER_QEMU_BRIDGE_HELPER_H

#include "base/attr.h"
#include "base/err.h"

/* Its path where it has these rights; NULL where not. */
const char *bridge_helper_path(void);

/* A new tap on the bridge, up, with a name and an address of the helper's choice. It lives as long
 * as somebody has *ret_fd open, which is owned by the caller. ERR_UNSUPPORTED with the helper's own
 * words when it refuses, ERR_TIMED_OUT. Blocks, at most ten seconds. Source of its ways: QEMU's
 * qemu-bridge-helper.c: the descriptor comes with one byte over the socket that --fd names. */
int bridge_helper_open(const char *path, const char *bridge, int *ret_fd, struct err *e) MUST_CHECK;

#endif
