/* SPDX-License-Identifier: MIT */
/* A save is libxl's suspend into a pipe: the guest is asked by the PV control interface to stand
 * still, which it does as SHUTDOWN(suspend), and stays there. libxl's codes do not tell whether it
 * got that far, so after a failure the hypervisor is asked; only a guest that stands so may be
 * resumed, since resuming one that runs spoils its registers. */
#include "driver/xen/save.h"

#include <errno.h>
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
    FREEZE_MS = 30 * 1000,      /* for a guest that has taken the request, to stand still */
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

/* A guest that was asked to stand still, of which nobody waits for that any more. Whether the
 * request was taken back; if not, there was none, or the guest has taken it. In a transaction, as
 * the guest takes it: one of both has it. */
static bool take_back(struct session *s, uint32_t domid)
{
    AUTO_FREE char *path = x_asprintf("/local/domain/%u/control/shutdown", domid);
    unsigned len;

    for (;;) {
        xs_transaction_t t = xs_transaction_start(s->xs);
        if (t == XBT_NULL)
            return false;
        AUTO_FREE char *asked = xs_read(s->xs, t, path, &len);
        bool there = str_eq(asked, "suspend") && xs_write(s->xs, t, path, "", 0);
        if (xs_transaction_end(s->xs, t, !there))
            return there;
        if (errno != EAGAIN)
            return false;
    }
}

/* Until it stands still, or the op is over; *info is anew then. */
static int await_standing(struct session *s, const struct domain_ref *ref, libxl_dominfo *info,
                          const struct op *op, struct err *e)
{
    struct err over;

    while (!stands_saved(info) && !info->shutdown && op_nap(op, LOOK_MS, "the guest", &over) == 0) {
        libxl_dominfo_dispose(info);
        if (look(s, ref, info, e) < 0)
            return -1;
    }
    return 0;
}

/* After a save that failed with *e: the guest is as it was, or *e says what it is. libxl, when it
 * is aborted, leaves what it has asked of the guest where it is. */
static int roll_back(struct session *s, const struct domain_ref *ref, bool asked, struct err *e)
{
    struct op op = op_within(RESUME_MS), freeze = op_within(FREEZE_MS);
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct err second;

    if (look(s, ref, &info, &second) < 0)
        return err_set(e, e->code, "%s; and %s", e->msg, second.msg);
    if (!stands_saved(&info) && !take_back(s, info.domid) && asked &&
        await_standing(s, ref, &info, &freeze, &second) < 0)
        return err_set(e, e->code, "%s; and %s", e->msg, second.msg);
    if (!stands_saved(&info))
        return -1; /* it never got to stand still */
    if (resume(s, info.domid, false, &op, &second) < 0)
        return err_set(e, e->code, "%s; and the guest stands still, being saved: %s", e->msg,
                       second.msg);
    return -1;
}

/* A save as it goes: the stream's way, and when the guest began to stand still. */
struct saving {
    struct session *s;
    const struct domain_ref *ref;
    struct relay relay;
    struct session_beside carry; /* the relay's part */
    const char *control;         /* borrowed; where the guest is asked */
    unsigned asked;              /* times that what stands there was told of; once at the start */
    int64_t stopped_ms;          /* monotonic; 0: it runs */
};

static void fill(void *arg, struct pollfd *fds)
{
    struct saving *saving = arg;

    saving->carry.fill(&saving->relay, fds);
    fds[saving->carry.count] =
        (struct pollfd){.fd = saving->stopped_ms ? -1 : xs_fileno(saving->s->xs), .events = POLLIN};
}

static void take_watches(struct saving *saving)
{
    char **told;

    while ((told = xs_check_watch(saving->s->xs))) {
        saving->asked += str_eq(told[XS_WATCH_PATH], saving->control);
        free(told);
    }
}

/* xenstored tells of a domain that has stopped, whichever. */
static void see_stop(struct saving *saving)
{
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct err ignored;

    take_watches(saving);
    if (look(saving->s, saving->ref, &info, &ignored) == 0 && stands_saved(&info))
        saving->stopped_ms = clock_mono_ms();
}

static int ready(void *arg, const struct pollfd *fds, struct err *e)
{
    struct saving *saving = arg;

    if (fds[saving->carry.count].revents)
        see_stop(saving);
    return saving->carry.ready(&saving->relay, fds, e);
}

static void aborted(void *arg)
{
    struct saving *saving = arg;

    saving->carry.aborted(&saving->relay);
}

/* libxl answers so both to a guest that has not stood still in its time and to failures that come
 * at once; of the latter it tells the reason. */
static void explain(int rc, int64_t began_ms, struct err *e)
{
    if (rc != ERROR_GUEST_TIMEDOUT)
        return;
    if (clock_mono_ms() - began_ms >= STAND_STILL_MS)
        err_set(e, ERR_TIMED_OUT,
                "the guest did not stand still for the save within 60 s; it may have no Xen "
                "drivers");
    else
        e->code = ERR_FAILED;
}

static int watch_control(struct saving *saving, struct err *e)
{
    saving->s->once = true; /* its connection is not for others while it has a watch */
    return xs_watch(saving->s->xs, saving->control, "asked")
               ? 0
               : err_errno(e, ERR_FAILED, errno, "cannot watch what the guest is asked");
}

/* flags: libxl's of a suspend. */
static int save(struct driver_handle *h, struct saving *saving, const libxl_dominfo *info,
                int stream_fd, int flags, const struct op *op, struct err *e)
{
    struct session *s = saving->s;
    struct relay *relay = &saving->relay;
    const struct session_beside beside = {
        .arg = saving, .count = 3, .fill = fill, .ready = ready, .aborted = aborted};
    AUTO_FREE char *control = x_asprintf("/local/domain/%u/control/shutdown", info->domid);
    int rc;

    saving->control = control;
    if (session_watch_ends(s, e) < 0 || watch_control(saving, e) < 0 || op_check(op, e) < 0 ||
        relay_open_save(relay, stream_fd, info->current_memkb * 1024, op, e) < 0)
        return -1;
    saving->carry = relay_beside(relay);
    int64_t began = clock_mono_ms();
    rc = libxl_domain_suspend(s->ctx, info->domid, relay->fd, flags, session_how(s));
    int result = session_await(s, rc, op, &beside, "cannot save the guest", &rc, e);
    if (result < 0)
        explain(rc, began, e);
    else
        result = relay_flush(relay, e);
    relay_finish(relay);
    host_changed(h);
    if (result == 0)
        return 0;
    take_watches(saving);
    return roll_back(s, saving->ref, saving->asked > 1, e);
}

/* A guest that can be asked to stand still. */
static int enter(struct session *s, const struct domain_ref *ref, libxl_dominfo *info,
                 struct err *e)
{
    if (host_enter(s, ref, info, e) < 0)
        return -1;
    if (info->paused)
        return err_set(e, ERR_WRONG_STATE,
                       "a paused guest cannot stand still on request, which a save on Xen needs; "
                       "unpause it first");
    if (info->shutdown)
        return err_set(e, ERR_WRONG_STATE, "the guest %s",
                       stands_saved(info) ? "is being saved already" : "has ended");
    return 0;
}

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct saving saving = {.s = &s, .ref = ref};

    if (enter(&s, ref, &info, e) < 0)
        return -1;
    return save(h, &saving, &info, stream_fd, 0, op, e);
}

/* What a PV guest writes to is seen by shadow page tables alone, without which Xen may be built. */
static int expect_dirty_log(struct session *s, const libxl_dominfo *info, struct err *e)
{
    libxl_physinfo host;

    if (info->domain_type != LIBXL_DOMAIN_TYPE_PV)
        return 0;
    libxl_physinfo_init(&host);
    session_begin(s);
    int rc = libxl_get_physinfo(s->ctx, &host);
    bool shadow = host.cap_shadow;
    libxl_physinfo_dispose(&host);
    if (session_result(s, rc, "cannot ask the hypervisor what it has", e) < 0)
        return -1;
    return shadow ? 0
                  : err_set(e, ERR_UNSUPPORTED,
                            "this Xen is built without shadow paging, which a PV guest needs to be "
                            "saved while it runs");
}

int save_live(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, int64_t *ret_stopped_ms, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct saving saving = {.s = &s, .ref = ref};

    if (enter(&s, ref, &info, e) < 0 || expect_dirty_log(&s, &info, e) < 0 ||
        save(h, &saving, &info, stream_fd, LIBXL_SUSPEND_LIVE, op, e) < 0)
        return -1;
    *ret_stopped_ms = saving.stopped_ms ? saving.stopped_ms : clock_mono_ms();
    return 0;
}

int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    /* A tool that died may have asked it, and it may have taken that. */
    struct op settle = op_narrow(op, SETTLE_MS);
    if (!stands_saved(&info) && !take_back(&s, info.domid) &&
        await_standing(&s, ref, &info, &settle, e) < 0)
        return -1;
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

    (void)h;
    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    *ret = x_asprintf("xen %s %s", REEVE_XEN_VERSION, save_type_name(host_type(&s, &info)));
    return 0;
}

/* Not every hypervisor is built, or was booted, to run PV guests of 32 bits. */
static bool runs_pv32(struct session *s)
{
    const libxl_version_info *xen = libxl_get_version_info(s->ctx);

    return xen && xen->capabilities && strstr(xen->capabilities, "x86_32p");
}

int save_check_platform(struct session *s, const char *platform, libxl_domain_type type,
                        struct err *e)
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
    if (type == LIBXL_DOMAIN_TYPE_PV && str_ends(platform, " 32-bit") && !runs_pv32(s))
        return err_set(e, ERR_WRONG_STATE,
                       "the guest is a pv one of 32 bits, which this hypervisor does not run");
    return 0;
}
