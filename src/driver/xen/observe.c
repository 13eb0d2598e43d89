/* SPDX-License-Identifier: MIT */
#include "driver/xen/observe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/logs.h"

/* ---- One domain ---- */

/* libxl writes its record of a domain when it has built it. Without one it is being built, or what
 * is left of that. */
static bool is_built(const struct observation *o)
{
    char path[128];

    snprintf(path, sizeof path, "/var/lib/xen/userdata-d.%u.%s.libxl-json", o->ref.id, o->ref.uuid);
    return access(path, F_OK) == 0;
}

static void fill_shutdown(const libxl_dominfo *info, struct observation *o)
{
    o->state = OBS_SHUTDOWN;
    switch (info->shutdown_reason) {
    case LIBXL_SHUTDOWN_REASON_SUSPEND:
        /* Not a corpse: somebody saves it. */
        o->state = OBS_PAUSED;
        o->reason = REASON_BEING_SAVED;
        break;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        o->reason = REASON_GUEST_REBOOT;
        break;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        o->reason = REASON_SOFT_RESET;
        break;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        o->state = OBS_CRASHED;
        o->reason = REASON_GUEST_CRASH;
        break;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        o->state = OBS_CRASHED;
        o->reason = REASON_WATCHDOG;
        break;
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
    case LIBXL_SHUTDOWN_REASON_UNKNOWN:
        o->reason = REASON_GUEST_POWEROFF;
        break;
    }
}

static void fill_state(const libxl_dominfo *info, struct observation *o)
{
    if (info->shutdown) {
        fill_shutdown(info, o);
    } else if (!info->paused) {
        o->state = OBS_RUNNING;
    } else {
        o->state = info->domid == 0 || is_built(o) ? OBS_PAUSED : OBS_BUSY;
        if (info->cpu_time == 0)
            o->reason = REASON_CREATED_PAUSED; /* no vCPU has run */
    }
}

static struct told_memory ask_memory(struct session *s, const libxl_dominfo *info)
{
    struct told_memory m = {.id = info->domid,
                            .limit_kib = info->max_memkb,
                            .told_kib = session_read_number(s, info->domid, "memory/target", 0),
                            .most_kib = info->max_memkb};

    host_uuid_text(&info->uuid, m.uuid);
    if (m.told_kib == 0)
        return m; /* as domain 0 until xl has written all of it */
    m.told_kib += session_read_number(s, info->domid, "memory/videoram", 0);
    m.most_kib = session_read_number(s, info->domid, "memory/static-max", info->max_memkb);
    return m;
}

/* The hypervisor also counts a few pages of its own. */
static bool is_near(uint64_t now_kib, uint64_t told_kib)
{
    uint64_t off = now_kib > told_kib ? now_kib - told_kib : told_kib - now_kib;

    return off <= told_kib / 100 + 64;
}

/* xenstore says what the guest was given, the hypervisor only what it has started. */
bool observe_has_vcpu(struct session *s, const libxl_dominfo *info, unsigned index)
{
    char key[40];

    snprintf(key, sizeof key, "cpu/%u/availability", index);
    AUTO_FREE char *text = session_read(s, info->domid, key);
    return text ? str_eq(text, "online") : index < info->vcpu_online;
}

unsigned observe_vcpus(struct session *s, const libxl_dominfo *info)
{
    unsigned most = info->vcpu_max_id + 1, count = 0;

    if (info->vcpu_online >= most)
        return most; /* the usual case asks xenstore nothing */
    for (unsigned i = 0; i < most; i++)
        count += observe_has_vcpu(s, info, i);
    return count;
}

static void fill(struct session *s, const libxl_dominfo *info, const struct told_memory *memory,
                 struct observation *o)
{
    *o = (struct observation){.ref.id = info->domid};
    host_uuid_text(&info->uuid, o->ref.uuid);
    AUTO_FREE char *name = session_read(s, info->domid, "name");
    str_copy(o->ref.name, sizeof o->ref.name, name ? name : "");
    fill_state(info, o);
    bool near = is_near(info->current_memkb, memory->told_kib);
    o->memory_kib = near ? memory->told_kib : info->current_memkb;
    o->max_memory_kib = memory->most_kib;
    o->vcpus = observe_vcpus(s, info);
    o->max_vcpus = info->vcpu_max_id + 1;
    o->cpu_ns = info->cpu_time;
}

void observe_fill(struct session *s, const libxl_dominfo *info, struct observation *o)
{
    struct told_memory memory = ask_memory(s, info);

    fill(s, info, &memory, o);
}

int observe_info(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct observation *ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    (void)h;
    (void)op;
    libxl_dominfo_init(&info);
    if (session_open(&s, e) < 0)
        return -1;
    int found = host_find(&s, ref, &info, e);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(e, ERR_NO_SUCH_DOMAIN, "Xen has no domain %s", ref->name);
    observe_fill(&s, &info, ret);
    return 0;
}

/* ---- All ---- */

int observe_again(struct driver_handle *h, struct err *e)
{
    if (h->looking && !h->look.disaster)
        return 0;
    if (h->looking)
        session_close(&h->look);
    h->looking = session_open(&h->look, e) == 0;
    return h->looking ? 0 : -1;
}

/* *at goes up through what the last look was told: libxl's list is by id. */
static struct told_memory memory_of(struct driver_handle *h, const libxl_dominfo *info, size_t *at)
{
    char uuid[IDENT_UUID_LEN + 1];

    host_uuid_text(&info->uuid, uuid);
    while (*at < h->told_count && h->told[*at].id < info->domid)
        (*at)++;
    const struct told_memory *m = *at < h->told_count ? &h->told[*at] : NULL;
    bool stands = m && m->id == info->domid && str_eq(m->uuid, uuid) &&
                  m->limit_kib == info->max_memkb && is_near(info->current_memkb, m->told_kib);
    return stands ? *m : ask_memory(&h->look, info);
}

int observe_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                 size_t *ret_count, struct err *e)
{
    int count = 0;
    size_t kept = 0, at = 0;

    (void)op; /* neither the hypervisor nor xenstored is ever waited for by a domain */
    if (observe_again(h, e) < 0)
        return -1;
    session_begin(&h->look);
    libxl_dominfo *all = libxl_list_domain(h->look.ctx, &count);
    if (!all)
        return session_result(&h->look, ERROR_FAIL, "cannot ask for Xen's domains", e);
    struct observation *seen = x_calloc((size_t)count + 1, sizeof *seen);
    struct told_memory *told = x_calloc((size_t)count + 1, sizeof *told);
    for (int i = 0; i < count; i++) {
        if (all[i].dying)
            continue;
        told[kept] = memory_of(h, &all[i], &at);
        fill(&h->look, &all[i], &told[kept], &seen[kept]);
        kept++;
    }
    libxl_dominfo_list_free(all, count);
    free(h->told);
    h->told = told;
    h->told_count = kept;
    *ret = seen;
    *ret_count = kept;
    return 0;
}

/* ---- Changes ---- */

static const char *const watched[] = {"@introduceDomain", "@releaseDomain"};

static int watch_begin(struct driver_handle *h, struct err *e)
{
    if (h->watch)
        return 0;
    h->watch = session_connect(e);
    if (!h->watch)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        if (!xs_watch(h->watch, watched[i], "reeve")) {
            err_errno(e, ERR_FAILED, errno, "xenstored does not watch %s", watched[i]);
            xs_close(TAKE(h->watch));
            return -1;
        }
    }
    return 0;
}

/* Takes what has been told; several at once are one change. */
static int take_told(struct driver_handle *h, struct err *e)
{
    char **told;

    while ((told = xs_check_watch(h->watch)))
        free(told);
    if (errno == EAGAIN)
        return 0;
    err_errno(e, ERR_DRIVER_UNAVAILABLE, errno, "xenstored is gone");
    xs_close(TAKE(h->watch));
    return -1;
}

/* Waits for one of fds; the last is that of the logs, which are looked at now and then alone. */
static int await_any(struct driver_handle *h, struct pollfd *fds, nfds_t count, struct err *e)
{
    for (;;) {
        struct pollfd *logs = &fds[count - 1];
        int64_t pause_ms = h->logs_at_ms - clock_mono_ms();
        struct err ignored; /* the next look says it */

        logs->fd = pause_ms > 0 ? -1 : h->logs_fd;
        logs->revents = 0;
        int ready = poll(fds, count, pause_ms > 0 ? (int)pause_ms : -1);
        if (ready < 0 && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot wait for a change");
        if (ready > 0 && logs->revents && observe_again(h, &ignored) == 0)
            logs_bound(&h->look, h->logs_fd);
        if (ready > 0 && logs->revents)
            h->logs_at_ms = clock_mono_ms() + LOGS_EVERY_MS;
        if (ready > (logs->revents ? 1 : 0))
            return 0;
    }
}

int observe_watch(struct driver_handle *h, int wake_fd, struct err *e)
{
    if (watch_begin(h, e) < 0)
        return -1;
    struct pollfd fds[] = {
        {.fd = wake_fd,             .events = POLLIN},
        {.fd = h->changed_fd,       .events = POLLIN},
        {.fd = xs_fileno(h->watch), .events = POLLIN},
        {.fd = h->logs_fd,          .events = POLLIN},
    };
    if (await_any(h, fds, ARRAY_LEN(fds), e) < 0)
        return -1;
    uint64_t times;
    if (fds[1].revents && read(h->changed_fd, &times, sizeof times) < 0 && errno != EAGAIN)
        return err_errno(e, ERR_FAILED, errno, "cannot read an eventfd");
    if (fds[2].revents && take_told(h, e) < 0)
        return -1;
    return fds[1].revents || fds[2].revents ? 1 : 0;
}
