/* SPDX-License-Identifier: MIT */
/* What was observed against what is wanted and on record, for one domain that no job works on.
 * Level-triggered: it may run at any time and any number of times. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/foreign.h"
#include "core/image.h"
#include "core/job.h"
#include "core/last_words.h"
#include "core/policy.h"

static void set_reason(struct domain *d, enum state state, enum reason reason, const char *text)
{
    d->r->state = state;
    d->r->reason = reason;
    d->r->since_ms = clock_wall_ms();
    x_replace(&d->r->reason_text, x_strdup(text));
}

static void keep_corpse(struct engine *g, struct domain *d, const char *text)
{
    AUTO_FREE char *path = engine_console_path(g, d->r->name);
    AUTO_FREE char *words = last_words_of(d->obs.reason) ? last_words(path) : NULL;
    const char *why = text ? text : reason_text(d->obs.reason);
    AUTO_FREE char *all =
        x_asprintf("%s%s%s", why, words ? "; the last on its console: " : "", words ? words : "");

    set_reason(d, engine_state(g, d), d->obs.reason, text);
    engine_changed(g, d, "ended", all);
}

/* A verb asked for its end. */
static bool end_wanted(const struct domain *d)
{
    return d->r->wanted == ST_HALTED || d->r->wanted == ST_SUSPENDED;
}

static enum conf_action end_action(const struct domain *d)
{
    if (end_wanted(d))
        return CONF_DESTROY;
    enum conf_action action = d->on_end[d->obs.reason];
    if (policy_of(action)->then == THEN_KEEP && d->obs.state == OBS_DEAD)
        return CONF_DESTROY; /* there is nothing left to keep */
    return action;
}

static void end_it(struct engine *g, struct domain *d, enum conf_action action, const char *why)
{
    struct job_args args = {.action = action, .why = x_strdup(why)};

    job_start_unasked(g, d, &job_kind_end, &args, NULL);
}

static void restart(struct engine *g, struct domain *d, enum conf_action action)
{
    struct job_args args = {.action = action};

    d->r->restart_at_ms = 0;
    job_start_unasked(g, d, &job_kind_restart, &args, NULL);
}

/* ---- the restart limiter ---- */

struct waiting {
    struct engine *engine;
    char uuid[IDENT_UUID_LEN + 1];
};

static void waited(void *arg)
{
    struct waiting *w = arg;
    struct domain *d = engine_by_uuid(w->engine, w->uuid);

    if (d)
        d->wakes_at_ms = 0;
    if (d && !d->job)
        reconcile(w->engine, d); /* it looks at the time itself: there may be another by now */
    free(w);
}

static void wake_after(struct engine *g, struct domain *d, int64_t ms)
{
    int64_t at_ms = clock_mono_ms() + ms;

    if (d->wakes_at_ms != 0 && d->wakes_at_ms <= at_ms)
        return; /* the earlier one asks for what is due then */
    d->wakes_at_ms = at_ms;
    struct waiting *w = x_calloc(1, sizeof *w);

    w->engine = g;
    memcpy(w->uuid, d->r->uuid, sizeof w->uuid);
    g->host.after(g->host.arg, ms, waited, w);
}

/* How long it ran, and how often in a row that was too short. Of several ends that were noticed
 * late, the mean. */
static void count_end(struct domain *d, uint64_t times, int64_t *ret_ran_ms)
{
    *ret_ran_ms = (clock_mono_ms() - d->r->ran_since_ms) / (int64_t)times;
    if (d->r->ran_since_ms != 0 && *ret_ran_ms < d->restart_min_run_ms)
        d->r->quick_ends++;
    else
        d->r->quick_ends = 0;
}

/* It reboots too often to be left to do it by itself, until this run has lasted long enough. */
static int64_t watched_ms(const struct domain *d)
{
    bool often = d->r->quick_ends > 0 || d->restart_tries == 0;

    return often ? d->r->ran_since_ms + d->restart_min_run_ms - clock_mono_ms() : 0;
}

/* It came up again by itself: an end all the same, which only needed nobody. */
static void note_own_reboots(struct engine *g, struct domain *d)
{
    uint64_t times = d->obs.own_reboots - d->r->own_reboots;
    AUTO_STR struct str why = {0};
    int64_t ran_ms;

    d->r->own_reboots = d->obs.own_reboots;
    d->r->starts += times;
    count_end(d, times, &ran_ms);
    d->r->ran_since_ms = clock_mono_ms();
    str_add(&why, reason_text(REASON_GUEST_REBOOT));
    if (times > 1)
        str_addf(&why, " %ju times", (uintmax_t)times);
    if (d->r->quick_ends > 0)
        str_addf(&why, ", %.1f s after it was booted; until it has run for %lld s its reboots wait",
                 (double)ran_ms / 1000, (long long)(d->restart_min_run_ms / 1000));
    log_info("%s: %s", d->r->name, why.data);
    set_reason(d, engine_state(g, d), REASON_GUEST_REBOOT, NULL);
    engine_changed(g, d, "rebooted", why.data);
}

/* An end that on_... answers with a boot: at once, later, or not any more. */
static void boot_again(struct engine *g, struct domain *d, enum conf_action action)
{
    int64_t ran_ms;

    count_end(d, 1, &ran_ms);
    int64_t delay_ms = policy_delay_ms(d->r->quick_ends, d->restart_tries);
    if (delay_ms == 0) {
        restart(g, d, action);
        return;
    }
    AUTO_STR struct str why = {0};
    str_addf(&why, "%s, %.1f s after it was booted", reason_text(d->obs.reason),
             (double)ran_ms / 1000);
    if (d->r->quick_ends > 1)
        str_addf(&why, ", too soon %ju times in a row", (uintmax_t)d->r->quick_ends);
    if (delay_ms > 0) {
        str_addf(&why, "; it is booted again in %lld s", (long long)(delay_ms / 1000));
        d->r->restart_at_ms = clock_mono_ms() + delay_ms;
        wake_after(g, d, delay_ms);
        keep_corpse(g, d, why.data);
        return;
    }
    str_add(&why, "; it is not booted again (reeve_restart_tries)");
    if (d->obs.state == OBS_DEAD)
        end_it(g, d, CONF_DESTROY, why.data);
    else
        keep_corpse(g, d, why.data);
}

/* Its end is known and on record: kept by policy, or it waits to be booted again. */
static void known_end(struct engine *g, struct domain *d)
{
    if (d->r->restart_at_ms == 0)
        return;
    int64_t left_ms = d->r->restart_at_ms - clock_mono_ms();
    if (left_ms <= 0)
        restart(g, d, end_action(d));
    else
        wake_after(g, d, left_ms);
}

/* By the button of a reboot that waits for it no more: its boot is still to come. */
static bool reboot_left(const struct domain *d)
{
    return d->obs.state == OBS_SHUTDOWN && d->obs.reason == REASON_GUEST_POWEROFF &&
           !end_wanted(d) && clock_mono_ms() < d->r->reboot_until_ms;
}

static void guest_ended(struct engine *g, struct domain *d)
{
    enum conf_action action = end_action(d);
    bool corpse = d->r->state == ST_SHUTDOWN || d->r->state == ST_CRASHED;

    if (reboot_left(d)) {
        restart(g, d, CONF_RESTART);
        return;
    }
    /* An end that a verb began and a killed daemon did not finish is on record as well. */
    if (corpse && !end_wanted(d) && (d->obs.state != OBS_DEAD || d->r->restart_at_ms != 0)) {
        known_end(g, d);
        return;
    }
    if (d->obs.state != OBS_SHUTDOWN)
        d->r->crashes++;
    log_info("%s: the guest ended: %s", d->r->name, reason_text(d->obs.reason));
    switch (policy_of(action)->then) {
    case THEN_BOOT:
        boot_again(g, d, action);
        break;
    case THEN_KEEP:
        keep_corpse(g, d, NULL);
        break;
    case THEN_END:
        end_it(g, d, action, NULL);
        break;
    }
}

/* A guest may come up again by itself only into the config that it has, and not in a loop. */
static enum conf_action reboot_action(const struct domain *d)
{
    enum conf_action action = d->on_end[REASON_GUEST_REBOOT];
    bool waits = d->r->live_config || watched_ms(d) > 0;

    return action == CONF_RESTART && waits ? CONF_DESTROY : action;
}

/* on_reboot changed while it lives, or a daemon died that had lifted it for a moment. */
static bool reboots_otherwise(const struct engine *g, const struct domain *d)
{
    bool lives = d->seen && (d->obs.state == OBS_RUNNING || d->obs.state == OBS_PAUSED);

    return g->driver->set_reboots && lives && !d->reboots_failed && !d->r->broken &&
           d->obs.reboots != (reboot_action(d) == CONF_RESTART);
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
 * must not run beside its image. One that runs is never taken for such, nor one that is half built
 * or saved where other tools do so too: xl does, with a uuid of ours, from a config or a save file
 * that has it. */
static bool outlived(const struct engine *g, const struct domain *d)
{
    bool stands = d->seen && (d->obs.state == OBS_BUSY || d->obs.state == OBS_PAUSED);
    bool half_built = d->obs.state == OBS_BUSY && !g->driver->lists_others;
    bool saved = d->obs.reason == REASON_BEING_SAVED && d->r->reason == REASON_SAVED;

    if (stands && d->r->image.path && !d->r->broken)
        return true;
    return stands && d->r->wanted == ST_HALTED && (half_built || saved);
}

static bool answers_again(const struct domain *d)
{
    bool lives = d->seen && (d->obs.state == OBS_RUNNING || d->obs.state == OBS_PAUSED);

    return lives && d->r->broken == REASON_IMAGE_SPENT && d->r->image.path;
}

static void clear_spent(void *arg)
{
    AUTO_FREE char *spent = arg;
    struct err e;

    if (image_clear(spent, &e) < 0)
        log_warn("%s; the next start of reeved removes it", e.msg);
}

/* Its resume was cut and it did not answer then, so that its image was kept (recover_images.c). It
 * lives, and that uses the image up, as after any resume. */
static void note_answer(struct engine *g, struct domain *d)
{
    struct record *r = d->r;
    bool paused = d->obs.state == OBS_PAUSED;
    struct store_batch *b = store_batch_new();
    char *spent = x_asprintf("%s.spent", r->image.path);

    record_forget_image(r);
    r->wanted = paused ? ST_PAUSED : ST_RUNNING;
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    set_reason(d, engine_state(g, d), paused ? REASON_PAUSED_BY_USER : REASON_RESUMED, NULL);
    store_put_domain(b, r);
    engine_submit_then(g, b, engine_event_new(d, NULL, NULL, "resumed", "its guest answers again"),
                       clear_spent, spent);
    g->host.changed(g->host.arg, d, NULL, NULL);
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
    enum state state = engine_state(g, d);

    if (g->stopping)
        return;
    if (d->foreign) {
        foreign_follow(g, d);
        return;
    }
    if (answers_again(d))
        note_answer(g, d);
    if (!d->seen)
        d->end_failed = false;
    else if (d->obs.own_reboots > d->r->own_reboots)
        note_own_reboots(g, d);
    if (d->end_failed) {
        note_state(g, d, state); /* what failed once is left to the user: no endless loop */
    } else if (outlived(g, d)) {
        end_it(g, d, CONF_DESTROY, NULL);
    } else if (d->seen && (d->obs.state == OBS_SHUTDOWN || d->obs.state == OBS_CRASHED ||
                           d->obs.state == OBS_DEAD)) {
        guest_ended(g, d);
    } else if (!d->seen && is_live(d->r->state)) {
        reconcile_gone(g, d, REASON_DESTROYED_ELSEWHERE);
    } else {
        note_state(g, d, state);
        if (g->driver->set_reboots && d->seen && watched_ms(d) > 0)
            wake_after(g, d, watched_ms(d));
        if (reboots_otherwise(g, d)) {
            struct job_args args = {.action = reboot_action(d)};
            job_start_unasked(g, d, &job_kind_reboots, &args, NULL);
        }
    }
}
