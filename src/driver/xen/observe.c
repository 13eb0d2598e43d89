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

/* Asks xenstore. */
static void ask(struct session *s, struct told *t)
{
    AUTO_FREE char *name = session_read(s, t->id, "name");

    str_copy(t->name, sizeof t->name, name ? name : "");
    t->memory_kib = session_read_number(s, t->id, "memory/target", 0);
    t->most_kib = 0;
    if (t->memory_kib == 0)
        return; /* as domain 0 until xl has written all of it */
    t->memory_kib += session_read_number(s, t->id, "memory/videoram", 0);
    t->most_kib = session_read_number(s, t->id, "memory/static-max", 0);
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

uint64_t observe_memory_kib(const libxl_dominfo *info, const struct told *t)
{
    return is_near(info->current_memkb, t->memory_kib) ? t->memory_kib : info->current_memkb;
}

static void fill(struct session *s, const libxl_dominfo *info, const struct told *t,
                 struct observation *o)
{
    *o = (struct observation){.ref.id = t->id};
    str_copy(o->ref.uuid, sizeof o->ref.uuid, t->uuid);
    str_copy(o->ref.name, sizeof o->ref.name, t->name);
    fill_state(info, o);
    o->memory_kib = observe_memory_kib(info, t);
    o->max_memory_kib = t->most_kib != 0 ? t->most_kib : info->max_memkb;
    o->vcpus = observe_vcpus(s, info);
    o->max_vcpus = info->vcpu_max_id + 1;
    o->cpu_ns = info->cpu_time;
}

struct told observe_told(struct session *s, const libxl_dominfo *info)
{
    struct told t = {.id = info->domid};

    host_uuid_text(&info->uuid, t.uuid);
    ask(s, &t);
    return t;
}

void observe_fill(struct session *s, const libxl_dominfo *info, struct observation *o)
{
    struct told t = observe_told(s, info);

    fill(s, info, &t, o);
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

/* ---- What xenstored tells ---- */

static const char *const watched[] = {"@introduceDomain", "@releaseDomain"};
/* Of each domain, below its folder. Its guest can write neither, so it cannot make us look. */
static const char *const watched_keys[] = {"name", "memory"};

/* xenstored has forgotten the watches, or never had them. */
static void watch_lost(struct driver_handle *h)
{
    xs_close(TAKE(h->watch));
    for (size_t i = 0; i < h->told_count; i++)
        h->told[i].watched = false;
}

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
            watch_lost(h);
            return -1;
        }
    }
    return 0;
}

static const char *key_path(char path[64], uint32_t id, size_t key)
{
    snprintf(path, 64, "/local/domain/%u/%s", id, watched_keys[key]);
    return path;
}

static void unwatch_keys(struct driver_handle *h, uint32_t id, size_t count)
{
    char path[64];

    for (size_t i = 0; i < count; i++)
        xs_unwatch(h->watch, key_path(path, id, i), "reeve");
}

/* Whether xenstored tells of it now. */
static bool watch_domain(struct driver_handle *h, uint32_t id)
{
    char path[64];

    for (size_t i = 0; i < ARRAY_LEN(watched_keys); i++) {
        if (!h->watch || !xs_watch(h->watch, key_path(path, id, i), "reeve")) {
            unwatch_keys(h, id, i);
            return false;
        }
    }
    return true;
}

static void watch_no_more(struct driver_handle *h, const struct told *t)
{
    if (t->watched)
        unwatch_keys(h, t->id, ARRAY_LEN(watched_keys));
}

/* 1: it is of the set of domains; 0: of what was told of one. */
static int take_one(struct driver_handle *h, const char *path)
{
    uint32_t id;

    if (sscanf(path, "/local/domain/%u/", &id) != 1)
        return 1;
    for (size_t i = 0; i < h->told_count; i++)
        h->told[i].stale |= h->told[i].id == id;
    return 0;
}

/* Takes what has been told. 1: domains have come or gone; several at once are one change. */
static int take_told(struct driver_handle *h, struct err *e)
{
    int changed = 0;
    char **told;

    while ((told = xs_check_watch(h->watch))) {
        changed |= take_one(h, told[XS_WATCH_PATH]);
        free(told);
    }
    if (errno == EAGAIN)
        return changed;
    err_errno(e, ERR_DRIVER_UNAVAILABLE, errno, "xenstored is gone");
    watch_lost(h);
    return -1;
}

/* Takes what was told until now: the answer to any question comes behind it. */
static void catch_up(struct driver_handle *h)
{
    struct err gone; /* `watch` says it */
    unsigned len;

    if (!h->watch)
        return;
    free(xs_read(h->watch, XBT_NULL, "/local/domain/0/name", &len));
    if (take_told(h, &gone) > 0)
        host_changed(h); /* after the list was made, perhaps */
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

/* What was told of the domains in `all`: of those that were there at the last look it stands until
 * a watch says otherwise. Both are by id. */
static void keep_told(struct driver_handle *h, const libxl_dominfo *all, size_t count)
{
    struct told *told = x_calloc(count + 1, sizeof *told);
    size_t old = 0;

    for (size_t i = 0; i < count; i++) {
        struct told now = {.id = all[i].domid, .stale = true};
        host_uuid_text(&all[i].uuid, now.uuid);
        while (old < h->told_count && h->told[old].id < now.id)
            watch_no_more(h, &h->told[old++]);
        const struct told *before =
            old < h->told_count && h->told[old].id == now.id ? &h->told[old++] : NULL;
        now.watched = (before && before->watched) || watch_domain(h, now.id);
        bool stands = before && before->watched && str_eq(before->uuid, now.uuid);
        told[i] = stands ? *before : now;
    }
    while (old < h->told_count)
        watch_no_more(h, &h->told[old++]);
    free(h->told);
    h->told = told;
    h->told_count = count;
}

int observe_all(struct driver_handle *h, libxl_dominfo **ret, size_t *ret_count, struct err *e)
{
    struct err unwatched; /* `watch` says it; until then everything is asked for each time */

    *ret_count = h->told_count;
    if (observe_again(h, e) < 0 || hypervisor_list(h->xc, ret, ret_count, e) < 0)
        return -1;
    (void)watch_begin(h, &unwatched);
    keep_told(h, *ret, *ret_count);
    catch_up(h);
    for (size_t i = 0; i < h->told_count; i++) {
        struct told *t = &h->told[i];
        if (t->stale || !t->watched)
            ask(&h->look, t);
        t->stale = false;
    }
    return 0;
}

int observe_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                 size_t *ret_count, struct err *e)
{
    AUTO_FREE libxl_dominfo *all = NULL;

    (void)op; /* neither the hypervisor nor xenstored is ever waited for by a domain */
    if (observe_all(h, &all, ret_count, e) < 0)
        return -1;
    struct observation *seen = x_calloc(*ret_count + 1, sizeof *seen);
    for (size_t i = 0; i < *ret_count; i++)
        fill(&h->look, &all[i], &h->told[i], &seen[i]);
    *ret = seen;
    return 0;
}

/* ---- Changes ---- */

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
    for (;;) {
        if (await_any(h, fds, ARRAY_LEN(fds), e) < 0)
            return -1;
        uint64_t times;
        if (fds[1].revents && read(h->changed_fd, &times, sizeof times) < 0 && errno != EAGAIN)
            return err_errno(e, ERR_FAILED, errno, "cannot read an eventfd");
        int changed = fds[2].revents ? take_told(h, e) : 0;
        if (changed < 0)
            return -1;
        if (fds[0].revents || fds[1].revents || changed)
            return fds[1].revents || changed ? 1 : 0;
    }
}
