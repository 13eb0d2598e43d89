/* SPDX-License-Identifier: MIT */
/* At start, before anything else happens: the jobs that a crash cut are finished or undone, by
 * their intent, by what the driver has and by what is on the disk; and what the end of the host
 * did to the rest is noted. It runs on the loop thread before the loop does and may block. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cores.h"
#include "core/job.h"
#include "core/recover.h"

enum { STEP_MS = 30 * 1000 };

void recover_now(struct cut *c, enum state wanted, enum reason reason)
{
    struct record *r = c->d->r;

    r->wanted = wanted;
    r->reason = reason;
    free(TAKE(r->reason_text));
    r->since_ms = clock_wall_ms();
}

void recover_end_guest(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct domain_ref ref = {0};
    struct err e;

    str_copy(ref.uuid, sizeof ref.uuid, c->job->uuid);
    str_copy(ref.name, sizeof ref.name, c->job->name);
    if (c->d && c->d->seen)
        ref.id = c->d->obs.ref.id;
    if (c->g->driver->destroy(c->g->handle, &ref, &op, &e) < 0)
        log_error("%s: %s", c->job->name, e.msg);
    else if (c->d)
        c->d->seen = false;
}

/* Of a domain that is no more. */
static void forget(struct engine *g, const char *uuid)
{
    struct err e;

    if (g->driver->forget && g->driver->forget(g->handle, uuid, &e) < 0)
        log_error("%s", e.msg);
}

void recover_removed(struct cut *c)
{
    if (c->d && !c->d->r->managed && !c->d->seen)
        c->d->forming = true; /* finish() takes it out of table and store */
}

bool recover_let_run(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct domain *d = c->d;
    struct err e;

    if (c->g->driver->unpause(c->g->handle, &d->obs.ref, &op, &e) < 0) {
        log_error("%s: its %s was cut and it could not run on: %s", d->r->name, c->job->verb,
                  e.msg);
        return false;
    }
    d->obs.state = OBS_RUNNING;
    d->obs.reason = REASON_NONE;
    return true;
}

/* One that a user had paused and host-stop let run for its suspend: it stands again. */
static void let_stand(struct engine *g, struct domain *d)
{
    struct op op = op_within(STEP_MS);
    struct err e;

    d->r->host_resume = d->r->host_paused = false;
    if (g->driver->pause(g->handle, &d->obs.ref, &op, &e) < 0) {
        log_error("%s: it was paused before host-stop, and cannot be paused again: %s", d->r->name,
                  e.msg);
        return;
    }
    d->obs.state = OBS_PAUSED;
    d->r->wanted = ST_PAUSED;
    d->r->state = engine_state(g, d);
    d->r->reason = REASON_PAUSED_BY_USER;
    engine_changed(g, d, "paused", "host-stop was cut; it is paused as it was");
}

bool recover_alive(const struct cut *c)
{
    return c->d && c->d->seen && c->d->obs.state != OBS_DEAD;
}

/* start, create, restore: all of it or nothing of it. */
static void cut_starting(struct cut *c)
{
    struct domain *d = c->d;

    if (!d)
        return;
    bool built = d->seen && d->obs.state != OBS_BUSY && d->obs.state != OBS_DEAD;
    /* A restored one stands still until it is let run for the first time. */
    if (built && str_eq(c->job->verb, "restore") && d->obs.state == OBS_PAUSED &&
        d->obs.reason != REASON_IO_ERROR && d->r->wanted == ST_RUNNING)
        recover_let_run(c);
    bool as_wanted = built && (d->obs.state != OBS_PAUSED || d->r->wanted == ST_PAUSED ||
                               d->obs.reason != REASON_CREATED_PAUSED);
    if (as_wanted)
        return;
    recover_end_guest(c);
    d->r->host_boot[0] = '\0'; /* host-start is to try again */
    recover_now(c, ST_HALTED, REASON_START_FAILED);
    recover_removed(c);
}

static bool lived_in_this_boot(const struct domain *d)
{
    return str_eq(d->r->boot_id, clock_boot_id());
}

static void cut_destroying(struct cut *c)
{
    recover_end_guest(c);
    if (c->d) {
        recover_now(c, ST_HALTED, REASON_DESTROYED);
        recover_removed(c);
    }
}

/* A reset that was half done leaves the guest standing where it was not paused. */
static void cut_resetting(struct cut *c)
{
    const struct domain *d = c->d;

    if (d && d->seen && d->obs.state == OBS_PAUSED && d->obs.reason != REASON_IO_ERROR &&
        d->r->wanted == ST_RUNNING)
        recover_let_run(c);
}

/* A driver may pause the guest for its core: it stands only where it stood before. */
static void cut_dumping(struct cut *c)
{
    recover_images_opening(c);
    if (recover_alive(c) && c->d->obs.state == OBS_PAUSED && c->d->r->state == ST_RUNNING)
        recover_let_run(c);
}

static void finish_aside(struct engine *g, const struct domain *aside)
{
    struct op op = op_within(STEP_MS);
    struct err e;

    if (g->driver->set_aside(g->handle, &aside->obs.ref, &aside->obs.ref, &op, &e) < 0)
        log_error("%s: %s", aside->r->name, e.msg);
}

/* What was to be left of it under another name, when it still has its own: nothing of that. */
static void forget_aside(struct cut *c)
{
    struct domain *aside = c->path ? engine_by_uuid(c->g, c->path) : NULL;
    struct store_batch *b;

    if (!aside)
        return;
    if (aside->seen) {
        finish_aside(c->g, aside);
        return;
    }
    b = store_batch_new();
    store_delete_domain(b, aside->r->uuid);
    engine_submit(c->g, b, engine_event_new(aside, NULL, NULL, "forgotten", "it was never made"));
    engine_remove(c->g, aside);
}

/* An ended guest that was to be booted again, and is, at whatever point that was cut. */
static void cut_restarting(struct cut *c)
{
    struct domain *d = c->d;

    forget_aside(c);
    if (!d || !lived_in_this_boot(d))
        return;
    bool ended = d->seen && (d->obs.state == OBS_SHUTDOWN || d->obs.state == OBS_CRASHED ||
                             d->obs.state == OBS_DEAD);
    bool unborn = d->seen && (d->obs.state == OBS_BUSY || (d->obs.state == OBS_PAUSED &&
                                                           d->obs.reason == REASON_CREATED_PAUSED));
    if (unborn)
        recover_end_guest(c);
    if (d->seen && !ended)
        cut_resetting(c);
    c->restart = ended || !d->seen;
    if (ended && d->obs.state != OBS_DEAD) {
        /* Its end is told and counted, and its boot is due: whether or not it waited for that. */
        d->r->state = engine_state(c->g, d);
        d->r->restart_at_ms = clock_mono_ms();
    }
}

/* mem-set, vcpu-set, attach, detach: the guest has it and the record is to have it, or neither. */
static void cut_changing(struct cut *c)
{
    if (c->d && recover_alive(c))
        resources_cut(c->g, c->d, c->job->intent_path, &c->note);
}

/* The record is gone and its last traces may not be. */
static void cut_deleted(struct cut *c)
{
    if (!c->d)
        forget(c->g, c->job->uuid);
}

/* It has powered off, and what is left of it was to be let go. */
static void cut_shut_down(struct cut *c)
{
    recover_end_guest(c);
    recover_now(c, ST_HALTED, REASON_SHUT_DOWN);
    recover_removed(c);
}

/* The guest runs on and has not powered off: what was asked of it is over. */
static void cut_shutting_down(struct cut *c)
{
    if (recover_alive(c) && c->d->obs.state == OBS_RUNNING)
        c->d->r->wanted = ST_RUNNING;
    else if (recover_alive(c) && c->d->obs.state == OBS_SHUTDOWN &&
             c->d->obs.reason == REASON_GUEST_POWEROFF)
        cut_shut_down(c);
    else if (c->d && !c->d->seen && lived_in_this_boot(c->d))
        recover_now(c, ST_HALTED, REASON_SHUT_DOWN);
}

/* recover_all pauses it again. */
static void cut_unpausing(struct cut *c)
{
    c->note = x_strdup("host-stop had let it run for its suspend");
}

static const struct {
    const char *intent;
    void (*recover)(struct cut *c);
} intents[] = {
    {"starting",        cut_starting                },
    {"opening",         recover_images_opening      },
    {"dumping",         cut_dumping                 },
    {"saving",          recover_images_saving       },
    {"checkpointing",   recover_images_checkpointing},
    {"letting-go",      recover_images_letting_go   },
    {"resuming",        recover_images_resuming     },
    {"resuming-paused", recover_images_resuming     },
    {"resumed",         recover_images_resumed      },
    {"destroying",      cut_destroying              },
    {"rebooting",       cut_resetting               }, /* reconcile boots it: reboot_until_ms */
    {"resetting",       cut_resetting               },
    {"restarting",      cut_restarting              },
    {"discarding",      recover_images_discarding   },
    {"setting-aside",   recover_images_setting_aside},
    {"deleted",         cut_deleted                 },
    {"shutting-down",   cut_shutting_down           },
    {"changing",        cut_changing                },
    {"unpausing",       cut_unpausing               },
};

static void finish(struct cut *c)
{
    struct store_batch *b = store_batch_new();
    struct job_record *job = job_record_copy(c->job);
    struct domain *d = c->d;

    /* One that has ended, by whatever: a transient domain is gone with it. A managed one that was
     * wanted alive keeps its state until recover_all has found out why it is not. */
    bool missed = d && !d->seen && !d->r->image.path && !d->r->broken && !c->restart;
    if (missed)
        recover_removed(c);
    missed = missed && (d->r->wanted == ST_RUNNING || d->r->wanted == ST_PAUSED);
    job->outcome = JOB_INTERRUPTED;
    job->ended_ms = clock_wall_ms();
    store_put_job(b, job);
    if (d && d->forming) {
        store_delete_domain(b, d->r->uuid);
    } else if (d) {
        if (!missed && !c->restart)
            d->r->state = engine_state(c->g, d);
        store_put_domain(b, d->r);
    }
    AUTO_FREE char *text =
        x_asprintf("%s was cut by the end of the daemon; %s is %s now%s%s", job->verb, job->name,
                   d && !d->forming ? state_name(engine_state(c->g, d)) : "absent",
                   c->note ? "; " : "", c->note ? c->note : "");
    log_info("%s", text);
    engine_submit(c->g, b, engine_event_new(d, job->actor, job->verb, "interrupted", text));
    if (d && d->forming) {
        forget(c->g, d->r->uuid);
        engine_remove(c->g, d);
    }
    job_record_free(job);
}

/* With a body it is due, or (a dead process) it ends anew; reconcile sees to both. */
static void restart_gone(struct cut *c)
{
    struct job_args args = {.action = CONF_RESTART};

    if (c->restart && !c->d->seen)
        job_start_unasked(c->g, c->d, &job_kind_restart, &args, NULL);
}

/* One path, or what image_writer_intent gave. */
static void read_intent(struct cut *c)
{
    AUTO_FREE char *text = x_strdup(c->job->intent_path);
    char *rest = text;
    const char *first = strsep(&rest, "\n"), *second = strsep(&rest, "\n");

    c->temporary = second ? x_strdup(first) : NULL;
    c->path = x_strdup(second ? second : first);
    c->inode = rest ? strtoull(rest, NULL, 10) : 0;
}

static void recover_job(struct engine *g, const struct job_record *job)
{
    struct cut c = {.g = g, .job = job, .d = engine_by_uuid(g, job->uuid)};

    read_intent(&c);
    for (size_t i = 0; i < ARRAY_LEN(intents); i++)
        if (str_eq(intents[i].intent, job->phase))
            intents[i].recover(&c);
    finish(&c);
    restart_gone(&c);
    free(c.temporary);
    free(c.note);
    free(c.path);
}

void recover_all(struct engine *g, const struct store_contents *contents)
{
    cores_sweep(g->state_dir);
    for (size_t i = 0; i < contents->unfinished_count; i++)
        recover_job(g, contents->unfinished[i]);
    LIST_EACH (&g->domains, d, struct domain, link) {
        bool lived = d->r->wanted == ST_RUNNING || d->r->wanted == ST_PAUSED ||
                     d->r->state == ST_RUNNING || d->r->state == ST_PAUSED;
        if (d->r->image.path && !d->seen)
            recover_images_look(g, d);
        if (d->r->host_paused && d->seen && d->obs.state == OBS_RUNNING && !d->r->image.path)
            let_stand(g, d);
        recover_images_sweep(g, d);
        if (!d->seen && !d->r->managed)
            forget(g, d->r->uuid); /* and its record goes now */
        if (!d->seen && lived && !str_eq(d->r->boot_id, clock_boot_id()))
            reconcile_gone(g, d, REASON_HOST_REBOOTED);
        else if (!d->job)
            reconcile(g, d);
    }
    recover_images_sweep_memory(g);
}
