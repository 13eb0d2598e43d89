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

void fresh_wait(struct daemon *d, struct request *r, fresh_fn *fn)
{
    if (clock_mono_ms() - d->engine.observed_mono_ms <= ENGINE_FRESH_MS) {
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

void fresh_arrived(struct daemon *d)
{
    LIST_EACH (&d->fresh, f, struct fresh, link)
        finish(f);
}
