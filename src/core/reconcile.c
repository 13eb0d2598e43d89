/* SPDX-License-Identifier: MIT */
/* What was observed against what is wanted and on record, for one domain that no job works on.
 * Level-triggered: it may run at any time and any number of times. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/job.h"

/* A guest that ends this soon after it was let run is not booted again: it would do so for ever. */
enum { RESTART_MIN_MS = 10 * 1000 };

static void set_reason(struct domain *d, enum state state, enum reason reason, const char *text)
{
    d->r->state = state;
    d->r->reason = reason;
    d->r->since_ms = clock_wall_ms();
    free(d->r->reason_text);
    d->r->reason_text = x_strdup(text);
}

static void keep_corpse(struct engine *g, struct domain *d, const char *text)
{
    set_reason(d, engine_state(g, d), d->obs.reason, text);
    engine_changed(g, d, "ended", text ? text : reason_text(d->obs.reason));
}

static enum conf_action end_action(const struct domain *d)
{
    if (d->r->wanted == ST_HALTED || d->r->wanted == ST_SUSPENDED)
        return CONF_DESTROY; /* a verb asked for this end */
    enum conf_action action = d->on_end[d->obs.reason];
    if (action == CONF_PRESERVE && d->obs.state == OBS_DEAD)
        return CONF_DESTROY; /* there is nothing left to keep */
    return action;
}

static void guest_ended(struct engine *g, struct domain *d)
{
    struct job_args none = {0};
    enum conf_action action = end_action(d);
    bool crash = d->obs.state != OBS_SHUTDOWN;
    bool corpse = d->r->state == ST_SHUTDOWN || d->r->state == ST_CRASHED;

    if (corpse && d->obs.state != OBS_DEAD)
        return; /* known and kept */
    if (crash)
        d->r->crashes++;
    log_info("%s: the guest ended: %s", d->r->name, reason_text(d->obs.reason));
    if (action == CONF_RESTART && clock_mono_ms() - d->ran_since_ms < RESTART_MIN_MS) {
        if (d->obs.state == OBS_DEAD)
            action = CONF_DESTROY;
        else
            action = CONF_PRESERVE;
    }
    if (action == CONF_RESTART)
        job_start_unasked(g, d, &job_kind_restart, &none, NULL);
    else if (action == CONF_PRESERVE)
        keep_corpse(g, d,
                    d->on_end[d->obs.reason] == CONF_RESTART
                        ? "it ended too soon after it was booted to be booted again"
                        : NULL);
    else
        job_start_unasked(g, d, &job_kind_end, &none, NULL);
}

void reconcile_gone(struct engine *g, struct domain *d, enum reason reason)
{
    struct store_batch *b;

    d->r->wanted = d->r->image.path ? ST_SUSPENDED : ST_HALTED;
    record_forget_live(d->r);
    g->host.console_end(g->host.arg, d->r->uuid);
    if (d->r->managed) {
        set_reason(d, engine_state(g, d), reason, NULL);
        engine_changed(g, d, "ended", reason_text(reason));
        return;
    }
    b = store_batch_new();
    store_delete_domain(b, d->r->uuid);
    engine_submit(g, b, engine_event_new(d, NULL, NULL, "ended", reason_text(reason)));
    engine_remove(g, d);
}

static bool is_live(enum state state)
{
    return state == ST_RUNNING || state == ST_PAUSED || state == ST_SHUTDOWN || state == ST_CRASHED;
}

/* Saved and on record as saved, and its end failed or was cut; or loaded, and its undo failed: it
 * must not run beside its image. One that runs is never taken for such. */
static bool outlived(const struct domain *d)
{
    bool stands = d->seen && (d->obs.state == OBS_BUSY || d->obs.state == OBS_PAUSED);

    if (stands && d->r->image.path && !d->r->broken)
        return true;
    return stands && d->r->wanted == ST_HALTED &&
           (d->obs.state == OBS_BUSY || d->obs.reason == REASON_BEING_SAVED);
}

static void note_state(struct engine *g, struct domain *d, enum state state)
{
    bool io_error = d->seen && d->obs.reason == REASON_IO_ERROR;

    if (state == d->r->state && (!io_error || d->r->reason == REASON_IO_ERROR))
        return;
    set_reason(d, state, d->seen ? d->obs.reason : d->r->reason, NULL);
    engine_changed(g, d, state_name(state), reason_text(d->r->reason));
}

void reconcile(struct engine *g, struct domain *d)
{
    struct job_args none = {0};
    enum state state = engine_state(g, d);

    if (g->stopping)
        return;
    if (!d->seen)
        d->end_failed = false;
    if (d->end_failed) {
        note_state(g, d, state); /* what failed once is left to the user: no endless loop */
    } else if (outlived(d)) {
        job_start_unasked(g, d, &job_kind_end, &none, NULL);
    } else if (d->seen && (d->obs.state == OBS_SHUTDOWN || d->obs.state == OBS_CRASHED ||
                           d->obs.state == OBS_DEAD)) {
        guest_ended(g, d);
    } else if (!d->seen && is_live(d->r->state)) {
        reconcile_gone(g, d, REASON_DESTROYED_ELSEWHERE);
    } else {
        note_state(g, d, state);
    }
}
