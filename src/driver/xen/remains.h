/* SPDX-License-Identifier: MIT */
/* What is left in xenstore of a domain that the hypervisor has no more. */
#ifndef DRIVER_XEN_REMAINS_H
#define DRIVER_XEN_REMAINS_H

#include "core/driver.h"
#include "driver/xen/session.h"

/* After a failure with *e of what libxl did to a domain: when another tool has destroyed it
 * meanwhile, removes its folders and those of its backends in domain 0 (xen's
 * docs/misc/xenstore-paths.pandoc). What libxl and the hot-plugging scripts wrote since then is
 * under an id that nobody cleans any more: libxl destroys nothing that is not there. Does nothing
 * while the hypervisor has a domain of ref's id, or for NO_DOMID. Adds to *e what could not be
 * removed. */
void remains_remove(struct session *s, const struct domain_ref *ref, struct err *e);

#endif
