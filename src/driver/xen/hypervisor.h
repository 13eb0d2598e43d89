/* SPDX-License-Identifier: MIT */
/* What the hypervisor itself is asked for, past libxl, which has no call for it or a slow one. In a
 * file of its own, since Xen's headers have names of ours in them. */
#ifndef DRIVER_XEN_HYPERVISOR_H
#define DRIVER_XEN_HYPERVISOR_H

#include <libxl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { HANDLE_BYTES = 16 };

struct xc_interface_core;

/* The way to it, for hypervisor_close and one thread; NULL with ERR_FAILED. */
struct xc_interface_core *hypervisor_open(struct err *e) MUST_CHECK;
void hypervisor_close(struct xc_interface_core *xc); /* NULL is fine */

/* All domains at once, without those that are dying, which nothing but time can be waited for in.
 * libxl_list_domain asks once more for each of them, and a look is made often. *ret is an array of
 * the caller (free; nothing in it is to be disposed of), by id. About how many there are is in
 * *count, and their number afterwards. Does not block. Sets ERR_FAILED. */
int hypervisor_list(struct xc_interface_core *xc, libxl_dominfo **ret, size_t *count,
                    struct err *e) MUST_CHECK;

/* Gives the domain another uuid, at once: it is kept with the domain, as its "handle". libxl sets
 * it when it makes one and has no call to change it. Does not block. Sets ERR_FAILED. */
int hypervisor_change_uuid(uint32_t domid, const uint8_t bytes[HANDLE_BYTES],
                           struct err *e) MUST_CHECK;

#endif
