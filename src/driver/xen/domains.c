/* SPDX-License-Identifier: MIT */
#include "driver/xen/domains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "base/mem.h"

enum { MORE = 16, KIB_A_PAGE = XC_PAGE_SIZE / 1024 };

struct xc_interface_core *domains_open(struct err *e)
{
    struct xc_interface_core *xc = xc_interface_open(NULL, NULL, 0);

    if (!xc)
        err_errno(e, ERR_FAILED, errno, "cannot reach the hypervisor");
    return xc;
}

void domains_close(struct xc_interface_core *xc)
{
    if (xc)
        xc_interface_close(xc);
}

/* As libxl has it (libxl_domain.c, libxl__xcinfo2xlinfo), but for what nobody here asks for. */
static void translate(const xc_domaininfo_t *from, libxl_dominfo *to)
{
    libxl_dominfo_init(to);
    memcpy(libxl_uuid_bytearray(&to->uuid), from->handle, sizeof from->handle);
    to->domid = from->domain;
    to->dying = from->flags & XEN_DOMINF_dying;
    to->shutdown = from->flags & XEN_DOMINF_shutdown;
    to->paused = from->flags & XEN_DOMINF_paused;
    if (to->shutdown) /* else "unknown", by libxl_dominfo_init */
        to->shutdown_reason = (libxl_shutdown_reason)(from->flags >> XEN_DOMINF_shutdownshift &
                                                      XEN_DOMINF_shutdownmask);
    to->current_memkb = from->tot_pages * KIB_A_PAGE;
    to->max_memkb = from->max_pages * KIB_A_PAGE;
    to->cpu_time = from->cpu_time;
    to->vcpu_max_id = from->max_vcpu_id;
    to->vcpu_online = from->nr_online_vcpus;
}

int domains_list(struct xc_interface_core *xc, libxl_dominfo **ret, size_t *count, struct err *e)
{
    AUTO_FREE xc_domaininfo_t *all = NULL;
    size_t room = *count;
    int found;

    do {
        room += MORE;
        all = x_reallocarray(all, room, sizeof *all);
        found = xc_domain_getinfolist(xc, 0, (unsigned)room, all);
        if (found < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot ask for Xen's domains");
    } while ((size_t)found == room);
    libxl_dominfo *translated = x_calloc((size_t)found + 1, sizeof *translated);
    for (int i = 0; i < found; i++)
        translate(&all[i], &translated[i]);
    *ret = translated;
    *count = (size_t)found;
    return 0;
}
