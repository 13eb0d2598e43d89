/* SPDX-License-Identifier: MIT */
/* The Xen driver's handle, and whether it can work on this host. Nothing of a domain is kept here
 * but a copy of what xenstore says of it: the hypervisor and xenstore hold it all, so that domains
 * of other tools are seen alike. */
#ifndef DRIVER_XEN_HOST_H
#define DRIVER_XEN_HOST_H

#include "core/driver.h"
#include "driver/xen/hypervisor.h"
#include "driver/xen/session.h"

/* What xenstore says of a domain. Its watches tell of a change, so a look asks for what has changed
 * alone. */
struct told {
    uint32_t id;
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    uint64_t memory_kib; /* what the guest was told to have; 0: xenstore says nothing of it */
    uint64_t most_kib;   /* 0: likewise */
    bool watched;        /* xenstored tells of a change */
    bool stale;          /* and has told of one */
};

struct driver_handle {
    /* The observer thread's: `list` and `watch`. */
    struct session look;
    bool looking;                 /* look is open */
    struct xc_interface_core *xc; /* owned; hypervisor_list */
    struct told *told;            /* owned; of the last look, by id */
    size_t told_count;
    struct xs_handle *watch; /* with the watches set; NULL when xenstored was lost */
    int logs_fd;             /* logs_watch; -1: the folder cannot be watched */
    int64_t logs_at_ms;      /* monotonic: not to be looked at before */
    int changed_fd;          /* eventfd: what no watch tells, a pause by us */
};

int host_probe(const struct driver_options *options, struct err *e) MUST_CHECK;
int host_open(const struct driver_options *options, struct driver_handle **ret,
              struct err *e) MUST_CHECK;
void host_close(struct driver_handle *h);

/* Makes `watch` return. From any thread. */
void host_changed(struct driver_handle *h);

/* The domain's place in the hypervisor, by uuid; the id in ref is tried first. 1: *ret is filled
 * (libxl_dominfo_dispose); 0: there is none of that uuid, or it is dying, which nothing but time
 * can be waited for in; -1: ERR_FAILED. */
int host_find(struct session *s, const struct domain_ref *ref, libxl_dominfo *ret,
              struct err *e) MUST_CHECK;

/* What most calls begin with: a session and the domain in it, with its id in *ret_domid. Refuses
 * domain 0 (ERR_UNSUPPORTED); sets ERR_NO_SUCH_DOMAIN. Without a failure *info is to be disposed
 * of. */
int host_enter(struct session *s, const struct domain_ref *ref, libxl_dominfo *info,
               struct err *e) MUST_CHECK;

/* Its type, which libxl keeps in xenstore: the hypervisor tells PV alone from the others, and
 * info->domain_type with it. */
libxl_domain_type host_type(struct session *s, const libxl_dominfo *info);

/* libxl's form of a uuid, and ours. */
void host_uuid_text(const libxl_uuid *uuid, char text[IDENT_UUID_LEN + 1]);

#define AUTO_DOMINFO __attribute__((cleanup(libxl_dominfo_dispose)))

#endif
