/* SPDX-License-Identifier: MIT */
/* The end of a domain's process and folder. */
#ifndef DRIVER_QEMU_END_H
#define DRIVER_QEMU_END_H

#include "core/driver.h"

enum { END_GRACE_MS = 5000, END_MS = 10 * 1000 };

/* `destroy` of core/driver.h. */
int end_destroy(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e);

/* Removes what a dead process of this domain left. ERR_EXISTS when it is alive. */
int end_leftover(struct driver_handle *h, const struct domain_ref *ref, struct err *e) MUST_CHECK;

#endif
