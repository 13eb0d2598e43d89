/* SPDX-License-Identifier: MIT */
#include "daemon/observer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { LOOK_MS = 150, AGAIN_MS = 1000, STACK_BYTES = 256 * 1024 };

struct observer {
    const struct driver *driver;
    struct driver_handle *handle;
    struct post *post;
    observer_fn *fn;
    observer_stats_fn *stats_fn;
    void *arg;
    int wake_fd;
    atomic_bool stop;
    atomic_bool stats; /* counters are asked for */
    pthread_t thread;
};

/* On its way to the loop; the observer may have ended when it arrives. */
struct seen {
    observer_fn *fn;
    void *arg;
    struct observation *seen;
    size_t count;
    int64_t wall_ms;
    int64_t mono_ns;
};

static void deliver(void *arg)
{
    struct seen *s = arg;

    s->fn(s->arg, s->seen, s->count, s->wall_ms, s->mono_ns);
    free(s);
}

/* False when it failed, which is told once in a row. */
static bool look(struct observer *o, bool told)
{
    struct op op = op_within(LOOK_MS);
    struct seen *s = x_calloc(1, sizeof *s);
    struct err e;

    s->fn = o->fn;
    s->arg = o->arg;
    s->wall_ms = clock_wall_ms();
    s->mono_ns = clock_mono_ns();
    if (o->driver->list(o->handle, &op, &s->seen, &s->count, &e) < 0) {
        if (!told)
            log_error("cannot look at the domains: %s", e.msg);
        free(s);
        return false;
    }
    post_send(o->post, deliver, s);
    return true;
}

/* The same for counters. */
struct counted {
    observer_stats_fn *fn;
    void *arg;
    struct domain_counters *list;
    size_t count;
    int64_t wall_ms;
    int64_t mono_ns;
};

static void deliver_stats(void *arg)
{
    struct counted *c = arg;

    c->fn(c->arg, c->list, c->count, c->wall_ms, c->mono_ns);
    free(c);
}

static void count(struct observer *o)
{
    struct op op = op_within(LOOK_MS);
    struct counted *c = x_calloc(1, sizeof *c);
    struct err e;

    c->fn = o->stats_fn;
    c->arg = o->arg;
    c->wall_ms = clock_wall_ms();
    c->mono_ns = clock_mono_ns();
    if (o->driver->stats_all(o->handle, NULL, &op, &c->list, &c->count, &e) < 0) {
        log_error("cannot count what the domains use: %s", e.msg);
        free(c);
        return;
    }
    post_send(o->post, deliver_stats, c);
}

/* Until a look is asked for, or a while has passed. */
static void wait_asked(struct observer *o)
{
    struct pollfd asked = {.fd = o->wake_fd, .events = POLLIN};

    while (poll(&asked, 1, AGAIN_MS) < 0 && errno == EINTR)
        continue;
}

static void *observe(void *arg)
{
    struct observer *o = arg;
    bool looked = true, watched = true;
    struct err e;

    while (!atomic_load(&o->stop)) {
        /* What the watch told is not told again: a look that failed is made again. */
        bool watches = looked && o->driver->watch(o->handle, o->wake_fd, &e) >= 0;
        if (looked && !watches && watched)
            log_error("cannot watch the domains, they are looked at each second: %s", e.msg);
        if (looked)
            watched = watches;
        if (!watches)
            wait_asked(o);
        uint64_t times;
        if (read(o->wake_fd, &times, sizeof times) < 0 && errno != EAGAIN)
            log_error("the observer's eventfd failed");
        if (atomic_load(&o->stop))
            break;
        looked = look(o, !looked);
        if (atomic_exchange(&o->stats, false))
            count(o);
    }
    return NULL;
}

int observer_start(const struct driver *driver, struct driver_handle *handle, struct post *post,
                   observer_fn *fn, observer_stats_fn *stats_fn, void *arg, struct observer **ret,
                   struct err *e)
{
    struct observer *o = x_calloc(1, sizeof *o);
    pthread_attr_t attr;

    o->driver = driver;
    o->handle = handle;
    o->post = post;
    o->fn = fn;
    o->stats_fn = stats_fn;
    o->arg = arg;
    o->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int failed = pthread_create(&o->thread, &attr, observe, o);
    pthread_attr_destroy(&attr);
    if (failed) {
        close(o->wake_fd);
        free(o);
        return err_errno(e, ERR_FAILED, failed, "cannot start the observer's thread");
    }
    *ret = o;
    return 0;
}

void observer_look(struct observer *o)
{
    fs_raise(o->wake_fd);
}

void observer_stats(struct observer *o)
{
    atomic_store(&o->stats, true);
    observer_look(o);
}

void observer_stop(struct observer *o)
{
    if (!o)
        return;
    atomic_store(&o->stop, true);
    observer_look(o);
    pthread_join(o->thread, NULL);
    close(o->wake_fd);
    free(o);
}
