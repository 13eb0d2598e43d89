/* SPDX-License-Identifier: MIT */
/* A save is libxl's suspend into a pipe: the guest is asked by the PV control interface to stand
 * still, which it does as SHUTDOWN(suspend), and stays there. libxl's codes do not tell whether it
 * got that far, so after a failure the hypervisor is asked; only a guest that stands so may be
 * resumed, since resuming one that runs spoils its registers. */
#include "driver/xen/save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/life.h"
#include "driver/xen/relay.h"

enum {
    RESUME_MS = 60 * 1000,
    STAND_STILL_MS = 60 * 1000, /* that libxl gives a guest */
    SETTLE_MS = 5 * 1000,       /* for a guest that a dead tool has asked, to act on it */
    LOOK_MS = 50,
};

static bool stands_saved(const libxl_dominfo *info)
{
    return info->shutdown && info->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
}

/* Looks anew; 0 and *info is to be disposed of. */
static int look(struct session *s, const struct domain_ref *ref, libxl_dominfo *info, struct err *e)
{
    libxl_dominfo_init(info);
    int found = host_find(s, ref, info, e);
    if (found == 0)
        return err_set(e, ERR_NO_SUCH_DOMAIN, "Xen has no domain %s any more", ref->name);
    return found < 0 ? -1 : 0;
}

/* The guest goes on where it stands. `paused`: it has its pause before it may run. */
static int resume(struct session *s, uint32_t domid, bool paused, const struct op *op,
                  struct err *e)
{
    int rc;

    if (paused) {
        rc = libxl_domain_pause(s->ctx, domid, session_how(s));
        if (session_await(s, rc, op, NULL, "cannot pause the guest", NULL, e) < 0)
            return -1;
    }
    rc = libxl_domain_resume(s->ctx, domid, 1, session_how(s));
    return session_await(s, rc, op, NULL, "cannot let the guest go on", NULL, e);
}

/* After a save that failed with *e: the guest is as it was, or *e says what it is. */
static int roll_back(struct session *s, const struct domain_ref *ref, struct err *e)
{
    struct op op = op_within(RESUME_MS);
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct err second;

    if (look(s, ref, &info, &second) < 0)
        return err_set(e, e->code, "%s; and %s", e->msg, second.msg);
    if (!stands_saved(&info))
        return -1; /* it never got to stand still */
    if (resume(s, info.domid, false, &op, &second) < 0)
        return err_set(e, e->code, "%s; and the guest stands still, being saved: %s", e->msg,
                       second.msg);
    return -1;
}

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct relay relay;
    int rc;

    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (info.paused)
        return err_set(e, ERR_WRONG_STATE,
                       "a paused guest cannot stand still on request, which a save on Xen needs; "
                       "unpause it first");
    if (info.shutdown)
        return err_set(e, ERR_WRONG_STATE, "the guest %s",
                       stands_saved(&info) ? "is being saved already" : "has ended");
    if (op_check(op, e) < 0 ||
        relay_open_save(&relay, stream_fd, info.current_memkb * 1024, op, e) < 0)
        return -1;
    const struct session_beside beside = relay_beside(&relay);
    int64_t began = clock_mono_ms();
    rc = libxl_domain_suspend(s.ctx, info.domid, relay.fd, 0, session_how(&s));
    int result = session_await(&s, rc, op, &beside, "cannot save the guest", &rc, e);
    /* libxl says so too of failures that come at once; then it tells their reason. */
    if (result < 0 && rc == ERROR_GUEST_TIMEDOUT && clock_mono_ms() - began >= STAND_STILL_MS)
        err_set(e, ERR_TIMED_OUT,
                "the guest did not stand still for the save within 60 s; it may have no Xen "
                "drivers");
    else if (result < 0 && rc == ERROR_GUEST_TIMEDOUT)
        e->code = ERR_FAILED;
    if (result == 0)
        result = relay_flush(&relay, e);
    relay_finish(&relay);
    host_changed(h);
    return result == 0 ? 0 : roll_back(&s, ref, e);
}

/* A tool that died may have asked the guest to stand still, and nobody waits for that now. 1: the
 * request was taken back; 0: there was none, or the guest has taken it. */
static int take_back(struct session *s, uint32_t domid, struct err *e)
{
    AUTO_FREE char *asked = session_read(s, domid, "control/shutdown");
    char path[64];

    if (!str_eq(asked, "suspend"))
        return 0;
    snprintf(path, sizeof path, "/local/domain/%u/control/shutdown", domid);
    if (!session_xs(s, e))
        return -1;
    return xs_write(s->xs, XBT_NULL, path, "", 0) ? 1 : 0;
}

int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (!stands_saved(&info)) {
        int asked = take_back(&s, info.domid, e);
        if (asked < 0)
            return -1;
        struct op settle = op_narrow(op, SETTLE_MS);
        while (asked && !stands_saved(&info)) {
            if (session_nap(&settle, LOOK_MS, "the guest", e) < 0)
                break; /* it runs on */
            libxl_dominfo_dispose(&info);
            if (look(&s, ref, &info, e) < 0)
                return -1;
        }
    }
    int result = 0;
    if (stands_saved(&info))
        result = resume(&s, info.domid, paused, op, e);
    else if (info.paused && !paused)
        result = life_let_run(&s, info.domid, op, e);
    host_changed(h);
    return result;
}

const char *save_type_name(libxl_domain_type type)
{
    switch (type) {
    case LIBXL_DOMAIN_TYPE_HVM:
        return "hvm";
    case LIBXL_DOMAIN_TYPE_PV:
        return "pv";
    case LIBXL_DOMAIN_TYPE_PVH:
        return "pvh";
    case LIBXL_DOMAIN_TYPE_INVALID:
        break;
    }
    return "unknown";
}

int save_platform(struct driver_handle *h, const struct domain_ref *ref, char **ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_domain_type type;

    (void)h;
    if (host_enter(&s, ref, &info, e) < 0 || host_type(&s, &info, &type, e) < 0)
        return -1;
    *ret = x_asprintf("xen %s %s", REEVE_XEN_VERSION, save_type_name(type));
    return 0;
}

int save_check_platform(const char *platform, libxl_domain_type type, struct err *e)
{
    unsigned major, minor, our_major, our_minor;
    char name[8];

    if (!platform)
        return 0;
    if (sscanf(REEVE_XEN_VERSION, "%u.%u", &our_major, &our_minor) != 2 ||
        sscanf(platform, "xen %u.%u %7s", &major, &minor, name) != 3 || major > our_major ||
        (major == our_major && minor > our_minor) || !str_eq(name, save_type_name(type)))
        return err_set(e, ERR_WRONG_STATE,
                       "the guest was saved on \"%s\", which cannot go on as \"xen %s %s\"",
                       platform, REEVE_XEN_VERSION, save_type_name(type));
    return 0;
}
