/* SPDX-License-Identifier: MIT */
#include "driver/xen/hypervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "base/mem.h"

_Static_assert(sizeof(xen_domain_handle_t) == HANDLE_BYTES, "a handle is a uuid");

enum { MORE = 16, KIB_A_PAGE = XC_PAGE_SIZE / 1024 };

struct xc_interface_core *hypervisor_open(struct err *e)
{
    struct xc_interface_core *xc = xc_interface_open(NULL, NULL, 0);

    if (!xc)
        err_errno(e, ERR_FAILED, errno, "cannot reach the hypervisor");
    return xc;
}

void hypervisor_close(struct xc_interface_core *xc)
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

int hypervisor_list(struct xc_interface_core *xc, libxl_dominfo **ret, size_t *count, struct err *e)
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
    libxl_dominfo *living = x_calloc((size_t)found + 1, sizeof *living);
    size_t kept = 0;
    for (int i = 0; i < found; i++)
        if (!(all[i].flags & XEN_DOMINF_dying))
            translate(&all[i], &living[kept++]);
    *ret = living;
    *count = kept;
    return 0;
}

int hypervisor_change_uuid(uint32_t domid, const uint8_t bytes[HANDLE_BYTES], struct err *e)
{
    xen_domain_handle_t handle;

    struct xc_interface_core *xc = hypervisor_open(e);
    if (!xc)
        return -1;
    memcpy(handle, bytes, sizeof handle);
    int result = xc_domain_sethandle(xc, domid, handle);
    if (result < 0)
        err_errno(e, ERR_FAILED, errno, "the hypervisor does not change the uuid");
    hypervisor_close(xc);
    return result < 0 ? -1 : 0;
}
