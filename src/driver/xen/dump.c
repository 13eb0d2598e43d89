/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "driver/xen/inject.h"
#include "driver/xen/life.h"

enum { LET_RUN_MS = 60 * 1000 };

int dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd, const struct op *op,
              struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    char path[48];
    int rc;

    if (host_enter(&s, ref, &info, e) < 0 || op_check(op, e) < 0)
        return -1;
    bool runs = !info.paused && !info.shutdown;
    if (runs) {
        rc = libxl_domain_pause(s.ctx, info.domid, session_how(&s));
        if (session_await(&s, rc, op, NULL, "cannot pause the guest", NULL, e) < 0)
            return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = libxl_domain_core_dump(s.ctx, info.domid, path, session_how(&s));
    int result = session_await(&s, rc, NULL, NULL, "cannot dump the guest's memory", NULL, e);
    if (result < 0 && s.why_errno == ENOSPC)
        e->code = ERR_NO_SPACE; /* libxl's own code says no more than that it failed */
    if (runs) {
        struct op after = op_within(LET_RUN_MS);
        struct err second;
        rc = libxl_domain_unpause(s.ctx, info.domid, session_how(&s));
        if (session_await(&s, rc, &after, NULL, "cannot let the guest run on", NULL, &second) < 0) {
            if (result < 0)
                return err_set(e, e->code, "%s; and %s", e->msg, second.msg);
            *e = second;
            return -1;
        }
        host_changed(h);
    }
    return result == 0 ? op_check(op, e) : -1;
}
