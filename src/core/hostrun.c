/* SPDX-License-Identifier: MIT */
#include "core/hostrun.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/job.h"

/* How often a domain that something else works on is waited for. */
enum { BUSY_MAX = 5 };

struct item {
    struct hostrun *run;
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    unsigned order;
    char *after;    /* owned; names between spaces, or NULL */
    enum verb last; /* the last verb that was asked for; VERB_N: none yet */
    bool last_failed;
    unsigned busy; /* times that it was found busy */
    bool paused;   /* stop: it was paused when the run began */
    bool active;   /* a job of it is under way, or its delay */
    bool ended;
    bool failed;
    char *message; /* owned; what became of it */
};

struct waiter {
    hostrun_done *done; /* NULL: forgotten */
    void *arg;
};

struct hostrun {
    struct engine *engine;
    enum hostrun_kind kind;
    unsigned parallel;
    char *actor;            /* owned */
    struct waiter *waiters; /* owned */
    size_t waiting;
    struct hostrun *then; /* owned; a stop that came while this start was under way */
    struct item *items;   /* owned */
    size_t count;
    unsigned active;
    int64_t hold_until_ms; /* monotonic: nothing new begins before (reeve_autostart_delay) */
};

static const char *const run_names[] = {
    [HOSTRUN_STOP] = "host-stop", [HOSTRUN_START] = "host-start"};

/* ---- order ---- */

/* True when `name` is among the words of list. */
static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; at && (at = strstr(at, name)); at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

/* Whether `it` has to wait for `other`: it has a lower order to start and a higher one to stop, or
 * one is after the other by name, which counts before the numbers. */
static bool waits_for(const struct item *it, const struct item *other)
{
    bool stop = it->run->kind == HOSTRUN_STOP;
    const struct item *first = stop ? it : other, *second = stop ? other : it;

    if (listed(second->after, first->name))
        return true;
    if (listed(first->after, second->name))
        return false;
    return first->order < second->order;
}

static bool ready(const struct item *it)
{
    for (size_t i = 0; i < it->run->count; i++)
        if (!it->run->items[i].ended && &it->run->items[i] != it &&
            waits_for(it, &it->run->items[i]))
            return false;
    return true;
}

/* Start: the name of a domain that it is to come after and that does not run; owned, or NULL. */
static char *missing_before(const struct item *it)
{
    struct engine *g = it->run->engine;
    AUTO_FREE char *copy = x_strdup(it->after);
    char *rest = NULL;

    for (char *name = copy ? strtok_r(copy, " ", &rest) : NULL; name;
         name = strtok_r(NULL, " ", &rest)) {
        struct domain *d = engine_by_name(g, name);
        if (!d || engine_state(g, d) != ST_RUNNING)
            return x_strdup(name);
    }
    return NULL;
}

/* ---- the end ---- */

static void item_end(struct item *it, bool failed, char *message)
{
    it->ended = true;
    it->failed = failed;
    if (message != it->message)
        free(it->message);
    it->message = message;
}

static json_t *result_json(const struct hostrun *run, size_t *ret_failed)
{
    json_t *domains = json_array(), *result = json_object();

    *ret_failed = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct item *it = &run->items[i];
        json_t *row = json_object();
        json_set_string(row, "domain", it->name);
        json_set_string(row, "action", it->last == VERB_N ? "none" : verb_name(it->last));
        json_set_bool(row, "done", !it->failed);
        json_set_string(row, "message", it->message);
        json_array_append_new(domains, row);
        *ret_failed += it->failed;
    }
    json_object_set_new(result, "domains", domains);
    json_set_int(result, "failed", (int64_t)*ret_failed);
    return result;
}

static void run_free(struct hostrun *run)
{
    struct engine *g = run->engine;

    for (size_t i = 0; i < run->count; i++) {
        /* A job's waiters may be told after the engine's end (what the store has to say first). */
        LIST_EACH (&g->jobs, j, struct job, link)
            job_forget(j, &run->items[i]);
        LIST_EACH (&g->recent, j, struct job, link)
            job_forget(j, &run->items[i]);
        free(run->items[i].after);
        free(run->items[i].message);
    }
    free(run->items);
    free(run->waiters);
    free(run->actor);
    free(run);
}

void hostrun_free(struct engine *g)
{
    struct hostrun *run = TAKE(g->hostrun), *then = run ? run->then : NULL;

    if (run)
        run_free(run);
    if (then)
        run_free(then);
}

static void launch(struct hostrun *run);

static void run_end(struct hostrun *run)
{
    struct engine *g = run->engine;
    size_t failed;
    AUTO_JSON json_t *result = result_json(run, &failed);
    AUTO_FREE char *text = x_asprintf("%zu of %zu domains were done, %zu failed",
                                      run->count - failed, run->count, failed);

    log_info("%s: %s", run_names[run->kind], text);
    engine_submit(
        g, store_batch_new(),
        engine_event_new(NULL, run->actor, run_names[run->kind], failed ? "failed" : "done", text));
    AUTO_FREE struct waiter *waiters = TAKE(run->waiters);
    size_t waiting = run->waiting;
    struct hostrun *then = run->then;
    g->hostrun = NULL;
    run_free(run);
    if (then)
        launch(then);
    for (size_t i = 0; i < waiting; i++)
        if (waiters[i].done)
            waiters[i].done(waiters[i].arg, result);
}

/* ---- one domain ---- */

static void turn(struct hostrun *run);

/* What comes next for a domain that is to stop; VERB_N: it has ended, as far as it can. */
static enum verb next_stop(const struct item *it, const struct domain *d)
{
    const struct engine *g = it->run->engine;
    bool suspends = d->host.on_stop == CONF_HOST_SUSPEND && d->r->managed && g->driver->save;
    bool paused = d->obs.state == OBS_PAUSED;

    if (it->last == VERB_N || (it->last == VERB_UNPAUSE && !it->last_failed)) {
        if (suspends)
            return paused && !g->driver->saves_paused ? VERB_UNPAUSE : VERB_SUSPEND;
        return paused ? VERB_UNPAUSE : VERB_SHUTDOWN;
    }
    if (!it->last_failed)
        return VERB_N;
    if (it->last == VERB_SUSPEND)
        return paused ? VERB_UNPAUSE : VERB_SHUTDOWN;
    return it->last == VERB_SHUTDOWN && d->host.destroy ? VERB_DESTROY : VERB_N;
}

static enum verb next_start(const struct item *it, const struct domain *d)
{
    if (it->last != VERB_N)
        return VERB_N;
    return d->r->image.path ? VERB_RESUME : VERB_START;
}

static void look_on(void *arg)
{
    struct engine *g = arg;

    if (g->hostrun)
        turn(g->hostrun);
}

/* Not in the middle of a job's end: the domain may have a next one, which goes first. */
static void look_soon(struct hostrun *run)
{
    post_send(run->engine->post, look_on, run->engine);
}

static void free_slot(struct item *it)
{
    it->active = false;
    it->run->active--;
}

static void on_job(void *arg, struct job *j)
{
    struct item *it = arg;
    struct hostrun *run = it->run;

    free_slot(it);
    it->last_failed = j->result < 0;
    x_replace(&it->message, x_strdup(j->result < 0 ? j->err.msg : j->message));
    look_soon(run);
}

/* Something else works on it: that is waited for, and it is looked at anew. */
static void on_other(void *arg, struct job *j)
{
    struct item *it = arg;

    (void)j;
    free_slot(it);
    look_soon(it->run);
}

static void wait_for(struct item *it, struct job *j, job_waiter *fn)
{
    it->active = true;
    it->run->active++;
    job_wait(j, fn, it);
}

static void start_job(struct item *it, struct domain *d, enum verb verb)
{
    struct hostrun *run = it->run;
    struct job_args args = {.host_stop = run->kind == HOSTRUN_STOP,
                            .host_paused = it->paused,
                            .timeout_ms = verb == VERB_SHUTDOWN ? d->host.timeout_ms : 0,
                            .paused = verb == VERB_RESUME && d->r->host_paused};
    struct err e;
    bool same;

    if (d->job && it->busy++ < BUSY_MAX) {
        wait_for(it, d->job, on_other);
        return;
    }
    it->last = verb;
    str_copy(d->r->host_boot, sizeof d->r->host_boot,
             run->kind == HOSTRUN_START ? clock_boot_id() : "");
    struct job *j = job_start(run->engine, d, job_kind_of(verb), &args, run->actor, &same, &e);
    if (j) {
        wait_for(it, j, on_job);
        return;
    }
    it->last_failed = !same;
    x_replace(&it->message, same ? x_asprintf("%s is so already", it->name) : x_strdup(e.msg));
}

/* Neither suspended nor shut down after it was let run for that: no later start of the daemon is to
 * pause it. */
static void runs_on(struct engine *g, struct domain *d)
{
    d->r->host_paused = false;
    engine_changed(g, d, "running", "host-stop let it run, and could not end it");
}

/* Does the next thing for it, or ends it. */
static void step(struct item *it)
{
    struct hostrun *run = it->run;
    struct domain *d = engine_by_uuid(run->engine, it->uuid);
    bool stop = run->kind == HOSTRUN_STOP;

    if (!d || (stop && !d->seen)) {
        bool told = it->message && !it->last_failed;
        item_end(it, !stop, told ? TAKE(it->message) : x_asprintf("%s is gone", it->name));
        return;
    }
    AUTO_FREE char *missing = stop || it->last != VERB_N ? NULL : missing_before(it);
    if (missing) {
        item_end(it, true,
                 x_asprintf("%s is not started: it comes after %s, which does not run", it->name,
                            missing));
        return;
    }
    enum verb verb = stop ? next_stop(it, d) : next_start(it, d);
    if (verb != VERB_N) {
        start_job(it, d, verb);
        return;
    }
    item_end(it, it->last_failed, TAKE(it->message));
    if (stop && d->r->host_paused && d->obs.state == OBS_RUNNING)
        runs_on(run->engine, d);
    if (!stop && !it->last_failed && d->host.delay_ms > 0) {
        int64_t until_ms = clock_mono_ms() + d->host.delay_ms;
        run->hold_until_ms = until_ms > run->hold_until_ms ? until_ms : run->hold_until_ms;
        run->engine->host.after(run->engine->host.arg, d->host.delay_ms, look_on, run->engine);
    }
}

/* True when `it` waits by names for itself. */
static bool goes_round(const struct item *it)
{
    const struct hostrun *run = it->run;
    AUTO_FREE bool *reached = x_calloc(run->count, sizeof *reached);
    AUTO_FREE const struct item **next = x_calloc(run->count + 1, sizeof *next);
    size_t count = 0;

    next[count++] = it;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < run->count; i++) {
            const struct item *other = &run->items[i];
            if (reached[i] || other->ended || !listed(next[k]->after, other->name))
                continue;
            if (other == it)
                return true;
            reached[i] = true;
            next[count++] = other;
        }
    return false;
}

/* Names and numbers together can go round, where neither alone does: the names count. */
static bool forget_numbers(struct hostrun *run)
{
    bool changed = false;

    for (size_t i = 0; i < run->count; i++) {
        changed = changed || run->items[i].order != 0;
        run->items[i].order = 0;
    }
    return changed;
}

/* Names that wait for each other in a round: a stop does without one of them then, a start without
 * those domains. True when that helped. */
static bool break_round(struct hostrun *run)
{
    bool broken = false;

    for (size_t i = 0; i < run->count; i++) {
        struct item *it = &run->items[i];
        if (it->ended || !it->after || !goes_round(it))
            continue;
        broken = true;
        if (run->kind == HOSTRUN_START)
            item_end(it, true,
                     x_asprintf("%s is not started: what it comes after waits for it "
                                "(reeve_autostart_after)",
                                it->name));
        else
            free(TAKE(it->after));
    }
    return broken || forget_numbers(run);
}

/* One look at each; true when something has moved. */
static bool move(struct hostrun *run, size_t *ret_left)
{
    bool moved = false;

    *ret_left = 0;
    for (size_t i = 0; i < run->count; i++) {
        struct item *it = &run->items[i];
        bool begun = it->last != VERB_N;
        if (run->then && !begun && !it->active && !it->ended)
            item_end(it, true, x_asprintf("%s is not started: the host stops", it->name));
        *ret_left += !it->ended;
        if (it->ended || it->active || run->active >= run->parallel ||
            (!begun && (!ready(it) || clock_mono_ms() < run->hold_until_ms)))
            continue;
        step(it);
        moved = true;
    }
    return moved;
}

/* All that can go on does. */
static void turn(struct hostrun *run)
{
    size_t left;

    do {
        while (move(run, &left))
            ;
    } while (left > 0 && run->active == 0 && clock_mono_ms() >= run->hold_until_ms &&
             break_round(run));
    if (left == 0)
        run_end(run);
}

/* ---- the beginning ---- */

static bool concerned(const struct hostrun *run, struct domain *d)
{
    enum state state = engine_state(run->engine, d);

    if (d->forming || d->foreign)
        return false;
    if (run->kind == HOSTRUN_STOP)
        return d->host.on_stop != CONF_HOST_IGNORE && (state == ST_RUNNING || state == ST_PAUSED);
    if (state == ST_SUSPENDED)
        return d->r->host_resume;
    return state == ST_HALTED && d->r->managed && d->autostart &&
           !str_eq(d->r->host_boot, clock_boot_id());
}

static void add_item(struct hostrun *run, const struct domain *d)
{
    run->items = x_reallocarray(run->items, run->count + 1, sizeof *run->items);
    struct item *it = &run->items[run->count++];
    *it = (struct item){.run = run,
                        .order = d->host.order,
                        .after = x_strdup(d->host.after),
                        .last = VERB_N,
                        .paused = d->obs.state == OBS_PAUSED && d->seen};
    str_copy(it->uuid, sizeof it->uuid, d->r->uuid);
    str_copy(it->name, sizeof it->name, d->r->name);
}

static void launch(struct hostrun *run)
{
    struct engine *g = run->engine;

    LIST_EACH (&g->domains, d, struct domain, link)
        if (concerned(run, d))
            add_item(run, d);
    g->hostrun = run;
    look_soon(run);
}

static void add_waiter(struct hostrun *run, hostrun_done *done, void *arg)
{
    run->waiters = x_reallocarray(run->waiters, run->waiting + 1, sizeof *run->waiters);
    run->waiters[run->waiting++] = (struct waiter){.done = done, .arg = arg};
}

static struct hostrun *run_new(struct engine *g, enum hostrun_kind kind, unsigned parallel,
                               const char *actor)
{
    struct hostrun *run = x_calloc(1, sizeof *run);

    run->engine = g;
    run->kind = kind;
    run->parallel = parallel;
    run->actor = x_strdup(actor);
    return run;
}

int hostrun_begin(struct engine *g, enum hostrun_kind kind, unsigned parallel, const char *actor,
                  hostrun_done *done, void *arg, struct err *e)
{
    struct hostrun *now = g->hostrun;

    if (g->stopping)
        return err_set(e, ERR_FAILED, "cannot %s: the daemon is stopping", run_names[kind]);
    if (now && kind == HOSTRUN_START && (now->kind == HOSTRUN_STOP || now->then))
        return err_set(e, ERR_BUSY, "cannot %s: %s is under way", run_names[kind],
                       run_names[HOSTRUN_STOP]);
    if (!now) {
        struct hostrun *run = run_new(g, kind, parallel, actor);
        add_waiter(run, done, arg);
        launch(run);
        return 0;
    }
    if (now->kind == kind) {
        add_waiter(now, done, arg);
        return 0;
    }
    if (!now->then)
        now->then = run_new(g, kind, parallel, actor);
    add_waiter(now->then, done, arg);
    look_soon(now);
    return 0;
}

static void forget(struct hostrun *run, const void *arg)
{
    for (size_t i = 0; run && i < run->waiting; i++)
        if (run->waiters[i].arg == arg)
            run->waiters[i].done = NULL;
}

void hostrun_forget(struct engine *g, void *arg)
{
    forget(g->hostrun, arg);
    forget(g->hostrun ? g->hostrun->then : NULL, arg);
}
