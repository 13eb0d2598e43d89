/* SPDX-License-Identifier: MIT */
/* The uuid that the hypervisor keeps with a domain, its "handle". libxl sets it when it makes one
 * and has no call to change it. In a file of its own, since Xen's headers have names of ours in
 * them. */
#ifndef DRIVER_XEN_HANDLE_H
#define DRIVER_XEN_HANDLE_H

#include <stdint.h>

#include "base/err.h"

enum { HANDLE_BYTES = 16 };

/* Gives the domain another uuid, at once. Does not block. Sets ERR_FAILED. */
int handle_change(uint32_t domid, const uint8_t bytes[HANDLE_BYTES], struct err *e) MUST_CHECK;

#endif
