/* SPDX-License-Identifier: MIT */
/* What an end has left of a guest, kept beside its successor. */
#ifndef DRIVER_XEN_ASIDE_H
#define DRIVER_XEN_ASIDE_H

#include "driver/xen/host.h"

int aside_set(struct driver_handle *h, const struct domain_ref *ref, const struct domain_ref *as,
              const struct op *op, struct err *e) MUST_CHECK;

#endif
