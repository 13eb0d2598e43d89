/* SPDX-License-Identifier: MIT */
/* Looking at domains: all, one, and waiting for a change. */
#ifndef DRIVER_XEN_OBSERVE_H
#define DRIVER_XEN_OBSERVE_H

#include "driver/xen/host.h"

int observe_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                 size_t *ret_count, struct err *e) MUST_CHECK;
int observe_info(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct observation *ret, struct err *e) MUST_CHECK;
/* xenstored tells of each domain that comes (@introduceDomain) and of each that ends or goes
 * (@releaseDomain); a pause or unpause by another tool is told by nobody. */
int observe_watch(struct driver_handle *h, int wake_fd, struct err *e) MUST_CHECK;

/* All domains, as of hypervisor_list, with h->told[i] what xenstore says of (*ret)[i] now. The
 * observer thread alone. ERR_FAILED. */
int observe_all(struct driver_handle *h, libxl_dominfo **ret, size_t *ret_count,
                struct err *e) MUST_CHECK;

/* Opens the observer's context, or opens it anew when libxl has given up in it. The observer thread
 * alone. */
int observe_again(struct driver_handle *h, struct err *e) MUST_CHECK;

/* Whether the guest has that vCPU: it may have left it unused, or not have booted so far. */
bool observe_has_vcpu(struct session *s, const libxl_dominfo *info, unsigned index);
/* How many it has. */
unsigned observe_vcpus(struct session *s, const libxl_dominfo *info);

/* What xenstore says of one, asked now. */
struct told observe_told(struct session *s, const libxl_dominfo *info);
/* What memory it has: what it was told to have, but for the few pages that the hypervisor counts
 * besides. */
uint64_t observe_memory_kib(const libxl_dominfo *info, const struct told *t);

/* What is seen of a domain that host_find has found. */
void observe_fill(struct session *s, const libxl_dominfo *info, struct observation *ret);

#endif
