/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/daemon.h"

enum { LOOK_WAIT_MS = 200 };

struct fresh {
    struct list link; /* daemon.fresh */
    struct daemon *daemon;
    struct request *request;
    fresh_fn *fn;
    uv_timer_t timer;
};

static void freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void finish(struct fresh *f)
{
    list_remove(&f->link);
    f->fn(f->daemon, f->request);
    uv_close((uv_handle_t *)&f->timer, freed);
}

static void on_late(uv_timer_t *timer)
{
    finish(timer->data);
}

/* Young enough, and not of before the last job's end: who asks after a verb is to see what it did.
 */
static bool is_fresh(const struct engine *g)
{
    int64_t age_ns = clock_mono_ns() - g->observed_mono_ns;

    return age_ns <= ENGINE_FRESH_MS * 1000000LL && g->observed_mono_ns > g->changed_mono_ns;
}

void fresh_wait(struct daemon *d, struct request *r, fresh_fn *fn)
{
    if (is_fresh(&d->engine)) {
        fn(d, r);
        return;
    }
    struct fresh *f = x_calloc(1, sizeof *f);
    f->daemon = d;
    f->request = r;
    f->fn = fn;
    f->timer.data = f;
    list_append(&d->fresh, &f->link);
    uv_timer_init(d->loop, &f->timer);
    uv_timer_start(&f->timer, on_late, LOOK_WAIT_MS, 0);
    observer_look(d->observer);
}

void fresh_close(struct daemon *d)
{
    struct err e;

    LIST_EACH (&d->fresh, f, struct fresh, link) {
        list_remove(&f->link);
        err_set(&e, ERR_FAILED, "the daemon stops");
        request_fail(f->request, &e, NULL);
        uv_close((uv_handle_t *)&f->timer, freed);
    }
}

void fresh_arrived(struct daemon *d)
{
    if (!is_fresh(&d->engine))
        return; /* the look that the job's end asked for is still to come */
    LIST_EACH (&d->fresh, f, struct fresh, link)
        finish(f);
}
