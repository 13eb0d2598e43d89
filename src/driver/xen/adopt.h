/* SPDX-License-Identifier: MIT */
/* Taking over a domain of another tool. */
#ifndef DRIVER_XEN_ADOPT_H
#define DRIVER_XEN_ADOPT_H

#include "driver/xen/host.h"

int adopt_domain(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 char **ret_config, struct err *e) MUST_CHECK;

#endif
