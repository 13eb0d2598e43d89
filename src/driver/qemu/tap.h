/* SPDX-License-Identifier: MIT */
/* A guest's end of a bridge of the host: a tap interface that lives as long as QEMU holds it. */
#ifndef DRIVER_QEMU_TAP_H
#define DRIVER_QEMU_TAP_H

#include "base/err.h"

/* May we (CAP_NET_ADMIN, or without an ifname QEMU's helper with rights of its own), and is the
 * bridge there? ERR_UNSUPPORTED when we may not, ERR_BAD_CONFIG when there is no such bridge. */
int tap_check(const char *bridge, const char *ifname, struct err *e) MUST_CHECK;

/* A new tap on the bridge, up; ifname NULL lets the kernel number it. *ret_fd is owned by the
 * caller. ERR_FAILED, and as of bridge_helper_open. Source of the calls: the kernel's
 * Documentation/networking/tuntap.rst. */
int tap_open(const char *bridge, const char *ifname, const char *mac, int *ret_fd,
             struct err *e) MUST_CHECK;

#endif
