/* SPDX-License-Identifier: MIT */
/* The verbs of a domain that is there, as core/driver.h has them. */
#ifndef DRIVER_XEN_LIFE_H
#define DRIVER_XEN_LIFE_H

#include "driver/xen/host.h"

int life_pause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e) MUST_CHECK;
int life_unpause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e) MUST_CHECK;
int life_shutdown(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                  struct err *e) MUST_CHECK;
int life_reboot(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e) MUST_CHECK;
int life_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e) MUST_CHECK;
/* Of HVM guests; ERR_UNSUPPORTED for others, to which nothing has been done. */
int life_soft_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                    struct err *e) MUST_CHECK;
int life_destroy(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e) MUST_CHECK;

/* Lets it run, whoever paused it how often: the hypervisor counts pauses. */
int life_let_run(struct session *s, uint32_t domid, const struct op *op, struct err *e) MUST_CHECK;

#endif
