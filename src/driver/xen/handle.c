/* SPDX-License-Identifier: MIT */
#include "driver/xen/handle.h"

#include <errno.h>
#include <string.h>
#include <xenctrl.h>

_Static_assert(sizeof(xen_domain_handle_t) == HANDLE_BYTES, "a handle is a uuid");

int handle_change(uint32_t domid, const uint8_t bytes[HANDLE_BYTES], struct err *e)
{
    xen_domain_handle_t handle;

    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    if (!xc)
        return err_errno(e, ERR_FAILED, errno, "cannot reach the hypervisor");
    memcpy(handle, bytes, sizeof handle);
    int result = xc_domain_sethandle(xc, domid, handle);
    if (result < 0)
        err_errno(e, ERR_FAILED, errno, "the hypervisor does not change the uuid");
    xc_interface_close(xc);
    return result < 0 ? -1 : 0;
}
