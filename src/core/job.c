/* SPDX-License-Identifier: MIT */
#include "core/job.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/hooks.h"

enum { PREEMPT_MS = 5000, STACK_BYTES = 512 * 1024 };

struct waiter {
    struct list link; /* job.waiters */
    job_waiter *fn;
    void *arg;
};

static const char *const outcome_names[] = {
    [JOB_RUNNING] = "running",         [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",           [JOB_CANCELLED] = "cancelled",
    [JOB_INTERRUPTED] = "interrupted",
};

void job_args_finish(struct job_args *args)
{
    free(args->file);
    free(args->config);
    free(args->name);
    free(args->directory);
    free(args->macs);
    free(args->live_config);
    free(args->live_macs);
    free(args->why);
    free(args->spec);
    json_decref(args->asked);
    *args = (struct job_args){0};
}

void job_unref(struct job *j)
{
    if (--j->refs > 0)
        return;
    job_args_finish(&j->args);
    record_free(j->r);
    record_free(j->aside);
    conf_free(j->conf);
    job_record_free(j->stored);
    free(j->rec.actor);
    free(j->rec.intent_path);
    free(j->rec.error);
    free(j->message);
    json_decref(j->details);
    free(j->warnings);
    if (j->console_fd >= 0)
        close(j->console_fd);
    close(j->op.cancel_fd);
    free(j);
}

static void progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct job *j = arg;

    atomic_store(&j->done_bytes, done_bytes);
    atomic_store(&j->total_bytes, total_bytes);
}

static struct job *job_new(struct engine *g, struct domain *d, const struct job_kind *kind,
                           struct job_args *args, const char *actor)
{
    struct job *j = x_calloc(1, sizeof *j);

    j->engine = g;
    j->kind = kind;
    j->domain = d;
    j->refs = 1;
    j->console_fd = -1;
    j->args = *args;
    *args = (struct job_args){0};
    list_init(&j->waiters);
    j->rec.id = ++g->last_job_id;
    str_copy(j->rec.verb, sizeof j->rec.verb, kind->name);
    str_copy(j->rec.uuid, sizeof j->rec.uuid, d->r->uuid);
    str_copy(j->rec.name, sizeof j->rec.name, d->r->name);
    j->rec.actor = x_strdup(actor ? actor : "reeved");
    j->rec.started_ms = clock_wall_ms();
    j->op.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    j->op.progress = progress;
    j->op.progress_arg = j;
    atomic_store(&j->phase, "waiting");
    list_append(&g->jobs, &j->link);
    return j;
}

static void raise_cancel(struct job *j)
{
    uint64_t one = 1;

    /* It cannot fail but for a counter that is full: then it is raised already. */
    if (write(j->op.cancel_fd, &one, sizeof one) < 0)
        return;
}

static void tell(struct job *j)
{
    j->engine->host.changed(j->engine->host.arg, NULL, j, NULL);
}

static void call_waiters(struct job *j)
{
    LIST_EACH (&j->waiters, w, struct waiter, link) {
        list_remove(&w->link);
        w->fn(w->arg, j);
        free(w);
    }
}

/* The result goes into the domain, before waiters hear of it. */
static void take_result(struct job *j)
{
    struct engine *g = j->engine;
    struct domain *d = j->domain;
    enum state was = d->r->state;
    uint64_t starts = d->r->starts;

    if (d->forming && j->result < 0 && !j->changed)
        j->gone = true;
    d->known_mono_ns = g->changed_mono_ns = clock_mono_ns();
    if (j->kind == &job_kind_end || j->kind == &job_kind_restart)
        d->end_failed = j->result < 0;
    else if (j->kind == &job_kind_reboots)
        d->reboots_failed = j->result < 0;
    else if (j->result == 0)
        d->end_failed = false;
    if (j->result < 0 && !j->changed && !d->forming) {
        /* It is as it was; what was seen half-way does not count. */
        d->seen = j->threaded ? j->seen : d->seen;
        d->obs = j->threaded ? j->obs : d->obs;
        j->gone = false;
        return;
    }
    if (j->gone) {
        g->host.console_end(g->host.arg, d->r->uuid);
        return;
    }
    bool renamed = !str_eq(d->r->name, j->r->name);
    bool reread = !str_eq(d->r->config, j->r->config) || d->r->broken != j->r->broken ||
                  !str_eq(d->r->live_config, j->r->live_config);
    record_free(d->r);
    d->r = TAKE(j->r);
    if (renamed)
        engine_renamed(g, d, j->rec.name);
    d->forming = d->foreign = false;
    d->seen = j->seen;
    d->obs = j->obs;
    if (reread)
        engine_read_config(g, d);
    d->r->state = engine_state(g, d);
    if (d->r->state != was || d->r->since_ms == 0)
        d->r->since_ms = clock_wall_ms();
    if (d->r->state == ST_RUNNING && (was != ST_RUNNING || d->r->starts != starts))
        d->r->ran_since_ms = clock_mono_ms();
    if (!d->seen)
        g->host.console_end(g->host.arg, d->r->uuid);
    else if (j->console_fd >= 0)
        g->host.console(g->host.arg, d, TAKE_FD(j->console_fd));
}

/* What is left of a guest, which its job made a domain of its own. It is in the store already. A
 * driver that lists the host's domains has shown it as nobody's meanwhile. */
static void take_aside(struct job *j)
{
    struct engine *g = j->engine;
    struct domain *shown = engine_by_uuid(g, j->aside->uuid);

    if (shown)
        engine_remove(g, shown);
    struct domain *d = engine_insert(g, TAKE(j->aside));

    d->seen = true;
    d->obs = j->aside_obs;
    d->known_mono_ns = clock_mono_ns();
    engine_read_config(g, d);
    g->host.changed(g->host.arg, d, NULL, NULL);
}

/* Waiters hear of a failure whose intent is on record once that is so no more: a daemon killed in
 * between would finish at its next start what it has said to have failed. The same of what was done
 * while the domain's last intent is still on record: the next start would finish that once more, as
 * a reset lets a guest run that was paused after it. */
static bool told_when_stored(const struct job *j)
{
    bool intent_before = j->domain && j->domain->intent_ends > j->engine->stored;

    return !atomic_load(&j->abandoned) && (intent_before || (j->result < 0 && j->intended));
}

static void result_stored(void *arg)
{
    struct job *j = arg;

    call_waiters(j);
    job_unref(j);
}

/* What hooks are told of a job. */
static json_t *hook_event(const struct job *j, const char *when, const char *state)
{
    json_t *event = json_object(), *domain = json_object();

    json_set_string(domain, "name", j->rec.name);
    json_set_string(domain, "uuid", j->rec.uuid);
    json_set_string(domain, "state", state);
    json_set_string(event, "when", when);
    json_set_string(event, "verb", j->rec.verb);
    json_object_set_new(event, "domain", domain);
    json_object_set_new(event, "arguments",
                        j->args.asked ? json_incref(j->args.asked) : json_object());
    json_set_string(event, "actor", j->rec.actor);
    json_set_int(event, "job", (int64_t)j->rec.id);
    json_set_time(event, "started", j->rec.started_ms);
    return event;
}

/* What took the time since begun_ms is not the verb's. */
static void put_off(struct job *j, int64_t begun_ms)
{
    if (j->op.deadline_ms)
        j->op.deadline_ms += clock_mono_ms() - begun_ms;
}

int job_take_place(struct job *j, struct err *e)
{
    const struct op wait = {.cancel_fd = j->op.cancel_fd};
    int64_t begun_ms = clock_mono_ms();
    uint64_t one;

    while (read(j->engine->places_fd, &one, sizeof one) < 0) {
        if (errno != EAGAIN)
            return err_errno(e, ERR_FAILED, errno, "cannot wait for other jobs");
        job_phase(j, "waiting for others");
        if (op_wait(&wait, j->engine->places_fd, POLLIN, "waiting for others", e) < 0)
            return -1;
    }
    atomic_store(&j->has_place, true);
    put_off(j, begun_ms);
    return 0;
}

void job_leave_place(struct job *j)
{
    if (atomic_exchange(&j->has_place, false))
        fs_raise(j->engine->places_fd);
}

/* What nobody asked for is not refused: a guest that has ended has ended. */
static bool asked_for(const struct job_kind *kind)
{
    return kind != &job_kind_end && kind != &job_kind_restart && kind != &job_kind_reboots;
}

static int ask_hooks(struct job *j, struct err *e)
{
    if (!j->engine->hooks || !asked_for(j->kind) || !hooks_any(j->engine->hooks))
        return 0;
    job_phase(j, "asking hooks");
    AUTO_JSON json_t *event = hook_event(j, "before", j->seen ? state_name(j->r->state) : "");
    int64_t begun_ms = clock_mono_ms();
    int result = hooks_before(j->engine->hooks, event, e);
    atomic_store(&j->phase, j->kind->name);
    if (result < 0)
        return err_wrap(e, "cannot %s %s", j->rec.verb, j->rec.name);
    put_off(j, begun_ms);
    return op_check(&j->op, e); /* meanwhile it may have been cancelled */
}

/* On the loop, when its end is on its way to the store. */
static void tell_hooks(const struct job *j, const struct domain *d)
{
    struct hooks *hooks = j->engine->hooks;

    if (!hooks || j->kind == &job_kind_reboots || !hooks_any(hooks))
        return;
    const char *state = !d || j->gone ? "absent" : state_name(d->r->state);
    AUTO_JSON json_t *event = hook_event(j, "after", state);
    json_set_string(event, "outcome", outcome_names[j->rec.outcome]);
    json_set_string(event, "text", j->result < 0 ? j->err.msg : j->message);
    json_set_string(event, "reason", d && !j->gone ? reason_name(d->r->reason) : "");
    hooks_after(hooks, event);
}

static void store_result(struct job *j, const struct domain *d, bool told_later)
{
    struct store_batch *b = store_batch_new();
    AUTO_FREE char *text = NULL;

    if (d && j->gone)
        store_delete_domain(b, d->r->uuid);
    else if (d && !d->forming && !d->foreign)
        store_put_domain(b, d->r);
    store_put_job(b, &j->rec);
    if (j->result < 0)
        text = x_strdup(j->err.msg);
    else
        text = x_strdup(j->message);
    struct event_record *ev =
        engine_event_new(d, j->rec.actor, j->rec.verb, outcome_names[j->rec.outcome], text);
    str_copy(ev->uuid, sizeof ev->uuid, j->rec.uuid);
    str_copy(ev->name, sizeof ev->name, j->rec.name);
    if (told_later)
        j->refs++;
    engine_submit_then(j->engine, b, ev, told_later ? result_stored : NULL, j);
    if (d && j->intended)
        j->domain->intent_ends = j->engine->submitted;
}

static void end_record(struct job *j)
{
    j->rec.ended_ms = clock_wall_ms();
    j->rec.outcome = j->result == 0                 ? JOB_DONE
                     : j->err.code == ERR_CANCELLED ? JOB_CANCELLED
                                                    : JOB_FAILED;
    if (j->result < 0) {
        AUTO_JSON json_t *error = json_object();
        AUTO_STR struct str line = {0};
        json_set_string(error, "code", err_name(j->err.code));
        json_set_string(error, "message", j->err.msg);
        json_add_line(&line, error);
        j->rec.error = str_take(&line);
    } else {
        /* The total was a guess from the memory's size: zero pages need no bytes. */
        atomic_store(&j->total_bytes, atomic_load(&j->done_bytes));
    }
    j->ended = true;
}

static void to_recent(struct job *j)
{
    struct engine *g = j->engine;

    list_remove(&j->link);
    list_append(&g->recent, &j->link);
    if (++g->recent_count > ENGINE_RECENT_JOBS) {
        struct job *oldest = LIST_ENTRY(g->recent.next, struct job, link);
        list_remove(&oldest->link);
        g->recent_count--;
        job_unref(oldest);
    }
}

static void start_waiting(struct engine *g);
static void start_next(struct engine *g, struct domain *d);

/* Ends a job that is known to the loop: result stored, waiters told, the domain free for the next.
 * On the loop thread. */
static void job_end(struct job *j)
{
    struct engine *g = j->engine;
    struct domain *d = j->domain;

    j->refs++;
    end_record(j);
    if (!j->message && j->result == 0)
        j->message = x_asprintf("%s %s", lifecycle_done(j->kind->verb), j->rec.name);
    if (d) {
        take_result(j);
        d->job = NULL;
    }
    if (j->aside)
        take_aside(j);
    bool told_later = told_when_stored(j);
    store_result(j, d, told_later);
    tell_hooks(j, d);
    struct job *next = d ? d->next_job : NULL;
    if (d && j->gone && next) {
        /* What was to be destroyed is gone: that is what was wanted. */
        d->next_job = NULL;
        next->gone = true;
        next->message = x_asprintf("%s is gone: its %s was cancelled", next->rec.name, j->rec.verb);
    }
    to_recent(j);
    if (!told_later)
        call_waiters(j);
    tell(j);
    if (d && j->gone)
        engine_remove(g, d);
    else if (d)
        g->host.changed(g->host.arg, d, NULL, NULL);
    if (next && next->gone)
        job_end(next);
    else if (d && !j->gone)
        start_next(g, d);
    start_waiting(g);
    g->host.look(g->host.arg);
    job_unref(j);
}

static void thread_ended(void *arg)
{
    struct job *j = arg;

    j->engine->running--;
    if (atomic_load(&j->abandoned)) {
        /* Its end was told when it was abandoned; the look sets right what it left. */
        j->engine->host.look(j->engine->host.arg);
        start_waiting(j->engine);
    } else {
        j->result = j->thread_result;
        if (j->result < 0)
            j->err = j->thread_err;
        job_end(j);
    }
    job_unref(j);
}

/* The domain is no more, and neither is what the driver kept of it. Not from a job that was
 * cancelled: it may have been abandoned, and there may be a new domain of that uuid. */
static void forget(struct job *j)
{
    const struct driver *driver = j->engine->driver;
    struct err e;

    if (driver->forget && op_check(&j->op, &e) == 0 &&
        driver->forget(j->engine->handle, j->r->uuid, &e) < 0)
        job_warn(j, "%s is gone, and something is left of it: %s", j->r->name, e.msg);
}

static void *thread_main(void *arg)
{
    struct job *j = arg;

    j->thread_result = op_check(&j->op, &j->thread_err);
    if (j->thread_result == 0)
        j->thread_result = ask_hooks(j, &j->thread_err);
    if (j->thread_result == 0)
        j->thread_result = j->kind->run(j, &j->thread_err);
    if (j->gone && (j->thread_result == 0 || j->changed))
        forget(j);
    guest_memory_drop(j);
    post_send(j->engine->post, thread_ended, j);
    return NULL;
}

static void start_thread(struct job *j)
{
    struct domain *d = j->domain;
    pthread_attr_t attr;
    pthread_t thread;

    j->threaded = true;
    j->refs++;
    j->engine->running++;
    j->r = record_copy(d->r);
    j->seen = d->seen;
    j->obs = d->obs;
    j->stored = job_record_copy(&j->rec);
    j->new_id = j->engine->driver->id_is_ours ? ++j->engine->last_domain_id : 0;
    if (j->kind->limit_ms)
        j->op.deadline_ms = clock_mono_ms() + j->kind->limit_ms;
    atomic_store(&j->phase, j->kind->name);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int failed = pthread_create(&thread, &attr, thread_main, j);
    pthread_attr_destroy(&attr);
    if (failed) {
        j->thread_result =
            err_errno(&j->thread_err, ERR_FAILED, failed, "cannot start a thread for %s of %s",
                      j->kind->name, j->rec.name);
        post_send(j->engine->post, thread_ended, j);
    }
    tell(j);
}

static void start_waiting(struct engine *g)
{
    if (g->stopping)
        return;
    LIST_EACH (&g->jobs, j, struct job, link) {
        /* An end does not queue behind jobs that hang: it is the way out of them. */
        if (g->running >= ENGINE_JOBS_MAX && j->kind->verb != VERB_DESTROY)
            continue;
        if (!j->threaded && !j->ended && j->domain && j->domain->job == j)
            start_thread(j);
    }
}

/* What an option adds to the table: resume --force loads a spent image again, new --replace stores
 * another config, delete --destroy is judged as destroy where the domain lives. */
static int judge(struct engine *g, const struct domain *d, const struct job_kind *kind,
                 const struct job_args *args, bool *ret_same, struct err *e)
{
    const struct outcome *out;
    enum verb verb = kind->verb;
    enum state state = engine_state(g, d);

    if (verb == VERB_RESUME && args->force && state == ST_BROKEN &&
        d->r->broken == REASON_IMAGE_SPENT)
        return 0;
    if (verb == VERB_NEW && args->replace &&
        (state == ST_HALTED || (state == ST_BROKEN && !d->r->image.path) ||
         (d->r->managed && (state == ST_RUNNING || state == ST_PAUSED))))
        return 0;
    if (verb == VERB_DELETE && args->destroy && d->seen && d->r->managed)
        verb = VERB_DESTROY;
    if (engine_judge(g, d, verb, &out, e) < 0)
        return -1;
    *ret_same = out->kind == OUT_SAME;
    return 0;
}

/* What waited for the domain's job to end; the job may have ended in any state. */
static void start_next(struct engine *g, struct domain *d)
{
    struct job *j = d->next_job;
    bool same;

    if (!j)
        return;
    d->next_job = NULL;
    d->job = j;
    if (judge(g, d, j->kind, &j->args, &same, &j->err) < 0) {
        j->result = -1;
        job_end(j);
    }
}

static struct job *submit(struct engine *g, struct domain *d, const struct job_kind *kind,
                          struct job_args *args, const char *actor)
{
    struct job *j = job_new(g, d, kind, args, actor);

    d->job = j;
    start_waiting(g);
    return j;
}

/* Nobody asked for the job that is in its way, and that is soon over. */
static struct job *submit_behind(struct engine *g, struct domain *d, const struct job_kind *kind,
                                 struct job_args *args, const char *actor)
{
    d->next_job = job_new(g, d, kind, args, actor);
    return d->next_job;
}

struct late {
    struct engine *engine;
    uint64_t id;
};

/* 5 s after a destroy was asked for: the job in its way is abandoned if it is still there. */
static void preempt_late(void *arg)
{
    struct late *late = arg;
    struct engine *g = late->engine;
    struct job *j = job_find(g, late->id);

    free(late);
    if (!j || j->ended || !j->domain || j->domain->next_job == NULL)
        return;
    atomic_store(&j->abandoned, true);
    job_leave_place(j); /* others are not to wait for it too */
    j->refs++;
    j->result = err_set(&j->err, ERR_CANCELLED,
                        "%s of %s was abandoned: it did not end in time "
                        "and destroy went past it",
                        j->rec.verb, j->rec.name);
    struct domain *d = j->domain;
    bool was_forming = d->forming;
    /* The thread still owns its copies; the domain keeps what it had. */
    j->domain = NULL;
    d->job = NULL;
    d->forming = false;
    end_record(j);
    store_result(j, NULL, false);
    to_recent(j);
    call_waiters(j);
    tell(j);
    if (was_forming)
        d->r->managed = false;
    d->job = d->next_job;
    d->next_job = NULL;
    start_waiting(g);
    job_unref(j);
}

/* A job that waits has done nothing yet: it ends at once. */
static void end_unstarted(struct job *j, const char *why)
{
    j->result = err_set(&j->err, ERR_CANCELLED, "%s of %s was cancelled before it began%s",
                        j->rec.verb, j->rec.name, why);
    job_end(j);
}

/* One that waits for another job of its domain, which goes on. */
static void go_past(struct job *j)
{
    j->domain = NULL;
    end_unstarted(j, ": destroy came");
}

static struct job *preempt(struct engine *g, struct domain *d, const struct job_kind *kind,
                           struct job_args *args, const char *actor, struct err *e)
{
    bool waits = d->next_job && d->next_job->kind->verb == VERB_DESTROY;

    if (waits || d->job->kind->verb == VERB_DESTROY) {
        err_set(e, ERR_BUSY, "cannot destroy %s: it is being destroyed already (job:%ju)",
                d->r->name, (uintmax_t)(waits ? d->next_job : d->job)->rec.id);
        return NULL;
    }
    if (d->next_job)
        go_past(TAKE(d->next_job));
    struct job *j = job_new(g, d, kind, args, actor);
    struct late *late = x_calloc(1, sizeof *late);
    d->next_job = j;
    late->engine = g;
    late->id = d->job->rec.id;
    raise_cancel(d->job);
    if (d->job->threaded) {
        g->host.after(g->host.arg, PREEMPT_MS, preempt_late, late);
    } else {
        free(late);
        end_unstarted(d->job, "");
    }
    return j;
}

static int busy(const struct domain *d, enum verb verb, struct err *e)
{
    char since[CLOCK_TEXT_MAX];

    return err_set(e, ERR_BUSY, "cannot %s %s: job:%ju (%s) works on it since %s", verb_name(verb),
                   d->r->name, (uintmax_t)d->job->rec.id, d->job->rec.verb,
                   clock_rfc3339(d->job->rec.started_ms, since));
}

struct job *job_start(struct engine *g, struct domain *d, const struct job_kind *kind,
                      struct job_args *args, const char *actor, bool *ret_same, struct err *e)
{
    bool waits = d->job && d->job->kind == &job_kind_reboots && !d->next_job;
    struct job *j = NULL;

    *ret_same = false;
    if (g->stopping)
        err_set(e, ERR_FAILED, "cannot %s %s: the daemon is stopping", kind->name, d->r->name);
    else if (d->job && kind->verb == VERB_DESTROY)
        j = preempt(g, d, kind, args, actor, e);
    else if (d->job && !waits)
        busy(d, kind->verb, e);
    else if (d->forming || (judge(g, d, kind, args, ret_same, e) == 0 && !*ret_same))
        j = waits ? submit_behind(g, d, kind, args, actor) : submit(g, d, kind, args, actor);
    job_args_finish(args);
    return j;
}

struct job *job_start_unasked(struct engine *g, struct domain *d, const struct job_kind *kind,
                              struct job_args *args, const char *actor)
{
    return submit(g, d, kind, args, actor);
}

void job_wait(struct job *j, job_waiter *fn, void *arg)
{
    if (j->ended) {
        fn(arg, j);
        return;
    }
    struct waiter *w = x_calloc(1, sizeof *w);
    w->fn = fn;
    w->arg = arg;
    list_append(&j->waiters, &w->link);
}

void job_forget(struct job *j, void *arg)
{
    LIST_EACH (&j->waiters, w, struct waiter, link) {
        if (w->arg == arg) {
            list_remove(&w->link);
            free(w);
        }
    }
}

int job_cancel(struct job *j, struct err *e)
{
    if (j->ended)
        return err_set(e, ERR_WRONG_STATE, "cannot cancel job:%ju: it has ended (%s)",
                       (uintmax_t)j->rec.id, outcome_names[j->rec.outcome]);
    if (!j->kind->cancellable)
        return err_set(e, ERR_WRONG_STATE, "cannot cancel job:%ju: %s cannot be taken back",
                       (uintmax_t)j->rec.id, j->rec.verb);
    raise_cancel(j);
    if (!j->threaded && j->domain && j->domain->job == j)
        end_unstarted(j, "");
    return 0;
}

void job_cancel_all(struct engine *g)
{
    g->stopping = true;
    LIST_EACH (&g->jobs, j, struct job, link)
        if (j->threaded && !j->ended && j->kind->cancellable)
            raise_cancel(j);
}

struct job *job_find(struct engine *g, uint64_t id)
{
    LIST_EACH (&g->jobs, j, struct job, link)
        if (j->rec.id == id)
            return j;
    LIST_EACH (&g->recent, j, struct job, link)
        if (j->rec.id == id)
            return j;
    return NULL;
}

json_t *job_record_json(const struct job_record *rec)
{
    json_t *json = json_object();

    json_set_int(json, "id", (int64_t)rec->id);
    json_set_string(json, "verb", rec->verb);
    json_set_string(json, "domain", rec->name);
    json_set_string(json, "uuid", rec->uuid);
    json_set_string(json, "actor", rec->actor);
    json_set_string(json, "phase", rec->outcome == JOB_RUNNING ? rec->phase : "");
    json_set_string(json, "outcome", outcome_names[rec->outcome]);
    json_set_int(json, "done_bytes", 0);
    json_set_int(json, "total_bytes", 0);
    json_set_time(json, "started", rec->started_ms);
    json_set_time(json, "ended", rec->ended_ms);
    json_t *error = rec->error ? json_loads(rec->error, 0, NULL) : NULL;
    json_object_set_new(json, "error", error ? error : json_null());
    return json;
}

json_t *job_json(const struct job *j)
{
    json_t *json = job_record_json(&j->rec);

    json_set_int(json, "done_bytes", (int64_t)atomic_load(&j->done_bytes));
    json_set_int(json, "total_bytes", (int64_t)atomic_load(&j->total_bytes));
    json_set_string(json, "phase", j->ended ? "" : atomic_load(&j->phase));
    return json;
}

void job_phase(struct job *j, const char *phase)
{
    atomic_store(&j->phase, phase);
}

int job_commit(struct job *j, const char *intent, const char *intent_path, struct err *e)
{
    /* A cancelled job commits nothing more, unless it cannot be taken back: an abandoned one must
     * not bring back a record. */
    if (j->no_return && atomic_load(&j->abandoned))
        return err_set(e, ERR_CANCELLED, "cancelled");
    if (!j->no_return && op_check(&j->op, e) < 0)
        return -1;
    struct store_batch *b = store_batch_new();
    j->intended = true;
    str_copy(j->stored->phase, sizeof j->stored->phase, intent);
    x_replace(&j->stored->intent_path, x_strdup(intent_path));
    if (j->gone)
        store_delete_domain(b, j->r->uuid);
    else
        store_put_domain(b, j->r);
    if (j->aside)
        store_put_domain(b, j->aside);
    store_put_job(b, j->stored);
    return store_commit(j->engine->store, b, e);
}

void job_warn(struct job *j, const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    char *all = j->warnings ? x_asprintf("%s\n%s", j->warnings, line) : x_strdup(line);
    x_replace(&j->warnings, all);
}
