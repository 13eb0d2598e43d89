/* SPDX-License-Identifier: MIT */
/* What is sent to a guest, written out of it, or read of it while it lives. */
#ifndef DRIVER_XEN_INJECT_H
#define DRIVER_XEN_INJECT_H

#include "driver/xen/host.h"

int inject_sysrq(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e) MUST_CHECK;
int inject_trigger(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   int vcpu, const struct op *op, struct err *e) MUST_CHECK;
/* libxl holds the context throughout, so that neither deadline nor cancel cuts it short. */
int dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd, const struct op *op,
              struct err *e) MUST_CHECK;
int console_open(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd,
                 struct err *e) MUST_CHECK;

#endif
