/* SPDX-License-Identifier: MIT */
/* All domains at once, from the hypervisor itself: libxl_list_domain asks it once more for each of
 * them, and a look is made often. In a file of its own, since Xen's headers have names of ours in
 * them. */
#ifndef DRIVER_XEN_DOMAINS_H
#define DRIVER_XEN_DOMAINS_H

#include <libxl.h>
#include <stddef.h>

#include "base/err.h"

struct xc_interface_core;

/* The way to the hypervisor, for domains_close; NULL with ERR_FAILED. */
struct xc_interface_core *domains_open(struct err *e) MUST_CHECK;
void domains_close(struct xc_interface_core *xc); /* NULL is fine */

/* *ret is an array of the caller (free; nothing in it is to be disposed of), by id. About how many
 * there are is in *count, and their number afterwards. Does not block. Sets ERR_FAILED. */
int domains_list(struct xc_interface_core *xc, libxl_dominfo **ret, size_t *count,
                 struct err *e) MUST_CHECK;

#endif
