/* SPDX-License-Identifier: MIT */
/* Calls that change nothing. list and show never wait for a job. */
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/doctor.h"
#include "core/rebuild.h"
#include "core/view.h"
#include "daemon/daemon.h"

enum { EVENTS_MAX = 1000, JOBS_MAX = 200, COUNTERS_WAIT_MS = 200 };

static json_t *listed(struct daemon *d, const struct request *r, const struct domain *dom)
{
    const json_t *fields = json_object_get(r->args, "fields");

    return fields ? view_fields(&d->engine, dom, fields) : view_domain(&d->engine, dom, false);
}

static void list_named(struct daemon *d, struct request *r, const json_t *names)
{
    json_t *domains = json_array();

    for (size_t i = 0; i < json_array_size(names); i++) {
        struct err e;
        const char *word = json_string_value(json_array_get(names, i));
        struct domain *dom = engine_find(&d->engine, word, &e);
        if (!dom) {
            json_decref(domains);
            request_fail(r, &e, json_pack("{s:s}", "domain", word));
            return;
        }
        json_array_append_new(domains, listed(d, r, dom));
    }
    request_return(r, json_pack("{s:o}", "domains", domains));
}

static void list_fresh(struct daemon *d, struct request *r)
{
    const json_t *names = json_object_get(r->args, "domains");
    const char *state = json_get_string(r->args, "state", NULL);

    if (json_array_size(names) > 0) {
        list_named(d, r, names);
        return;
    }
    json_t *domains = json_array();
    LIST_EACH (&d->engine.domains, dom, struct domain, link)
        if (!state || str_eq(state, state_name(engine_state(&d->engine, dom))))
            json_array_append_new(domains, listed(d, r, dom));
    request_return(r, json_pack("{s:o}", "domains", domains));
}

static int known_state(const char *state, struct err *e)
{
    enum state value = state_of(state);

    if (value != ST_N && value != ST_ABSENT)
        return 0;
    return err_set(e, ERR_BAD_REQUEST,
                   "\"%.40s\" is not a state; they are halted, running, "
                   "paused, suspended, shutdown, crashed, broken",
                   state);
}

void call_list(struct daemon *d, struct request *r)
{
    const char *state = json_get_string(r->args, "state", NULL);
    struct err e;

    if ((state && known_state(state, &e) < 0) ||
        view_check(json_object_get(r->args, "fields"), &e) < 0)
        request_fail(r, &e, NULL);
    else
        fresh_wait(d, r, list_fresh);
}

static void show_counted(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);

    if (!dom)
        return;
    /* A config may hold a VNC password: it is shown to those who may read the socket as operators.
     */
    bool config = !r->client || client_role(r->client) >= ROLE_OPERATOR;
    json_t *json = view_domain(&d->engine, dom, config);
    json_object_set_new(json, "counters", stats_counters(d, dom));
    request_return(r, json);
}

static void show_fresh(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);

    if (dom && dom->seen && d->engine.driver->stats_all)
        stats_wait(d, r, COUNTERS_WAIT_MS, show_counted);
    else if (dom)
        show_counted(d, r);
}

void call_show(struct daemon *d, struct request *r)
{
    fresh_wait(d, r, show_fresh);
}

void call_explain(struct daemon *d, struct request *r)
{
    const char *word = json_get_string(r->args, "verb", NULL);
    enum verb verb = word ? verb_of(word) : VERB_N;
    AUTO_STR struct str text = {0};
    struct domain *dom = NULL;
    struct err e;

    if (word && verb == VERB_N) {
        err_set(&e, ERR_NO_SUCH_VERB, "there is no verb %.40s", word);
        request_fail(r, &e, NULL);
        return;
    }
    if (json_object_get(r->args, "domain") && !(dom = calls_domain(d, r)))
        return;
    if (dom && word)
        explain_verb_on(verb, dom->r->name, engine_state(&d->engine, dom), dom->r->managed, &text);
    else if (dom)
        explain_state(dom->r->name, engine_state(&d->engine, dom), dom->r->managed, &text);
    else if (word)
        explain_verb(verb, &text);
    else
        explain_all(&text);
    request_return(r, json_pack("{s:s}", "text", text.data));
}

/* A read of the store on a worker thread. */
struct reading {
    uv_work_t work;
    struct daemon *daemon;
    struct request *request;
    char uuid[IDENT_UUID_LEN + 1]; /* "" for all */
    bool by_seq;                   /* it asks for what follows after_seq */
    uint64_t after_seq;
    uint64_t first_seq; /* of what the history still has */
    uint64_t last_seq;
    size_t max; /* rows at most: the newest */
    int64_t since_ms;
    struct event_record **events;
    struct job_record **jobs;
    size_t count;
    int result;
    struct err err;
};

static struct reading *reading_new(struct daemon *d, struct request *r)
{
    struct reading *reading = x_calloc(1, sizeof *reading);

    reading->work.data = reading;
    reading->daemon = d;
    reading->request = r;
    reading->max = EVENTS_MAX;
    return reading;
}

/* The answer about events, beside the rows: `last` is where a later reader goes on, `dropped` how
 * many of the rows that were asked for are not kept any more. */
static json_t *events_answer(const struct reading *reading)
{
    uint64_t wanted = reading->after_seq + 1;
    uint64_t dropped =
        reading->by_seq && reading->first_seq > wanted ? reading->first_seq - wanted : 0;
    json_t *answer = json_object();

    json_set_int(answer, "last", (int64_t)reading->last_seq);
    json_set_int(answer, "dropped", (int64_t)dropped);
    return answer;
}

static void reading_end(struct reading *reading, const char *key, json_t *list)
{
    if (reading->result < 0) {
        json_decref(list);
        request_fail(reading->request, &reading->err, NULL);
    } else {
        json_t *answer = reading->jobs ? json_object() : events_answer(reading);
        json_object_set_new(answer, key, list);
        request_return(reading->request, answer);
    }
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->events)
            event_record_free(reading->events[i]);
        if (reading->jobs)
            job_record_free(reading->jobs[i]);
    }
    free(reading->events);
    free(reading->jobs);
    free(reading);
}

json_t *calls_event_json(const struct event_record *ev)
{
    json_t *json = json_object();

    json_set_int(json, "seq", (int64_t)ev->seq);
    json_set_time(json, "at", ev->at_ms);
    json_set_string(json, "domain", ev->name[0] ? ev->name : NULL);
    json_set_string(json, "uuid", ev->uuid[0] ? ev->uuid : NULL);
    json_set_string(json, "actor", ev->actor);
    json_set_string(json, "verb", ev->verb);
    json_set_string(json, "what", ev->what);
    json_set_string(json, "text", ev->text);
    return json;
}

static void read_events(uv_work_t *work)
{
    struct reading *reading = work->data;

    struct store *store = reading->daemon->engine.store;

    /* The range first: a row that is stored meanwhile is told, and not taken for one that was. */
    reading->result =
        store_events_range(store, &reading->first_seq, &reading->last_seq, &reading->err);
    if (reading->result == 0)
        reading->result = store_events(store, reading->uuid[0] ? reading->uuid : NULL,
                                       reading->after_seq, reading->since_ms, reading->max,
                                       &reading->events, &reading->count, &reading->err);
    if (reading->count > 0 && reading->events[reading->count - 1]->seq > reading->last_seq)
        reading->last_seq = reading->events[reading->count - 1]->seq;
}

static void events_read(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    json_t *list = json_array();

    (void)status;
    for (size_t i = 0; i < reading->count; i++)
        json_array_append_new(list, calls_event_json(reading->events[i]));
    reading_end(reading, "events", list);
}

/* since: a sequence number (a number, or digits), or a time. What it names is given whole. */
static int take_since(struct reading *reading, const json_t *since, struct err *e)
{
    const char *text = json_string_value(since);

    if (!since || json_is_null(since))
        return 0;
    reading->max = STORE_EVENTS_KEPT;
    if (json_is_integer(since) && json_integer_value(since) >= 0) {
        reading->by_seq = true;
        reading->after_seq = (uint64_t)json_integer_value(since);
        return 0;
    }
    if (!text)
        return err_set(e, ERR_BAD_REQUEST, "\"since\" is a time or a sequence number");
    if (text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) < 19) {
        reading->by_seq = true;
        reading->after_seq = strtoull(text, NULL, 10);
        return 0;
    }
    return clock_parse(text, &reading->since_ms, e);
}

void call_log(struct daemon *d, struct request *r)
{
    struct reading *reading = reading_new(d, r);
    const char *word = json_get_string(r->args, "domain", NULL);
    struct domain *dom = NULL;
    struct err e;

    if (take_since(reading, json_object_get(r->args, "since"), &e) < 0) {
        free(reading);
        request_fail(r, &e, NULL);
        return;
    }
    /* The history of a domain that is gone can be asked for by its uuid. */
    if (word && ident_uuid_valid(word)) {
        ident_uuid_normal(word, reading->uuid);
    } else if (word) {
        if (!(dom = calls_domain(d, r))) {
            free(reading);
            return;
        }
        str_copy(reading->uuid, sizeof reading->uuid, dom->r->uuid);
    }
    calls_work(d, &reading->work, read_events, events_read);
}

static void read_jobs(uv_work_t *work)
{
    struct reading *reading = work->data;

    reading->result = store_jobs(reading->daemon->engine.store, JOBS_MAX, &reading->jobs,
                                 &reading->count, &reading->err);
}

/* The store's rows, and over them what the loop knows better: jobs that run now. */
static void jobs_read(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct engine *g = &reading->daemon->engine;
    json_t *list = json_array();

    (void)status;
    for (size_t i = 0; i < reading->count; i++)
        if (!job_find(g, reading->jobs[i]->id))
            json_array_append_new(list, job_record_json(reading->jobs[i]));
    LIST_EACH (&g->recent, j, struct job, link)
        json_array_append_new(list, job_json(j));
    LIST_EACH (&g->jobs, j, struct job, link)
        json_array_append_new(list, job_json(j));
    reading_end(reading, "jobs", list);
}

void call_jobs(struct daemon *d, struct request *r)
{
    struct reading *reading = reading_new(d, r);

    calls_work(d, &reading->work, read_jobs, jobs_read);
}

/* wait for a state; a job is waited for like any verb. */
struct state_wait {
    struct list link; /* daemon.waits */
    struct daemon *daemon;
    struct request *request;
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    enum state state;
    uv_timer_t timer;
};

static void wait_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void wait_drop(struct request *r)
{
    struct state_wait *w = r->state;

    list_remove(&w->link);
    uv_close((uv_handle_t *)&w->timer, wait_freed);
}

static enum state wait_state(const struct state_wait *w)
{
    struct domain *dom = engine_by_uuid(&w->daemon->engine, w->uuid);

    return dom && !dom->forming ? engine_state(&w->daemon->engine, dom) : ST_ABSENT;
}

static bool wait_over(struct state_wait *w)
{
    struct engine *g = &w->daemon->engine;
    struct domain *dom = engine_by_uuid(g, w->uuid);
    struct err e;

    if (!dom && w->state != ST_ABSENT) {
        err_set(&e, ERR_NO_SUCH_DOMAIN, "%s is gone, and cannot become %s any more", w->name,
                state_name(w->state));
        request_fail(w->request, &e, json_pack("{s:s}", "domain", w->name));
        return true;
    }
    if (wait_state(w) != w->state)
        return false;
    request_return(w->request,
                   json_pack("{s:o}", "domain", dom ? view_domain(g, dom, false) : json_null()));
    return true;
}

static void wait_late(uv_timer_t *timer)
{
    struct state_wait *w = timer->data;
    struct err e;

    err_set(&e, ERR_TIMED_OUT, "%s is %s, not %s, and the time is over", w->name,
            state_name(wait_state(w)), state_name(w->state));
    str_copy(e.phase, sizeof e.phase, state_name(w->state));
    request_fail(w->request, &e, json_pack("{s:s}", "domain", w->name));
}

void calls_changed(struct daemon *d)
{
    LIST_EACH (&d->waits, w, struct state_wait, link)
        (void)wait_over(w);
}

static void wait_for_state(struct daemon *d, struct request *r, struct domain *dom)
{
    struct state_wait *w = x_calloc(1, sizeof *w);
    int64_t timeout_ms = json_get_int(r->args, "timeout_ms", 0);

    w->daemon = d;
    w->request = r;
    w->state = state_of(json_get_string(r->args, "state", ""));
    str_copy(w->uuid, sizeof w->uuid, dom->r->uuid);
    str_copy(w->name, sizeof w->name, dom->r->name);
    w->timer.data = w;
    list_append(&d->waits, &w->link);
    uv_timer_init(d->loop, &w->timer);
    r->state = w;
    r->drop = wait_drop;
    if (!wait_over(w) && timeout_ms > 0)
        uv_timer_start(&w->timer, wait_late, (uint64_t)timeout_ms, 0);
}

struct job_wait {
    struct request *request;
    struct job *job;
    uv_timer_t timer;
};

static void job_wait_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void job_waited(void *arg, struct job *j)
{
    struct job_wait *w = arg;
    struct request *r = w->request;

    r->drop = NULL;
    if (j->result < 0)
        request_fail(r, &j->err, json_pack("{s:o}", "job", job_json(j)));
    else
        request_return(r, json_pack("{s:o}", "job", job_json(j)));
    uv_close((uv_handle_t *)&w->timer, job_wait_freed);
}

static void job_wait_drop(struct request *r)
{
    struct job_wait *w = r->state;

    job_forget(w->job, w);
    uv_close((uv_handle_t *)&w->timer, job_wait_freed);
}

static void job_wait_late(uv_timer_t *timer)
{
    struct job_wait *w = timer->data;
    const struct job *j = w->job;
    struct err e;

    err_set(&e, ERR_TIMED_OUT, "job:%ju (%s of %s) has not ended, and the time is over; it goes on",
            (uintmax_t)j->rec.id, j->rec.verb, j->rec.name);
    str_copy(e.phase, sizeof e.phase, "job");
    request_fail(w->request, &e, json_pack("{s:o}", "job", job_json(j)));
}

static void wait_for_job(struct daemon *d, struct request *r, struct job *j)
{
    struct job_wait *w = x_calloc(1, sizeof *w);
    int64_t timeout_ms = json_get_int(r->args, "timeout_ms", 0);

    w->request = r;
    w->job = j;
    w->timer.data = w;
    uv_timer_init(d->loop, &w->timer);
    if (timeout_ms > 0)
        uv_timer_start(&w->timer, job_wait_late, (uint64_t)timeout_ms, 0);
    r->state = w;
    r->drop = job_wait_drop;
    job_wait(j, job_waited, w);
}

void call_wait(struct daemon *d, struct request *r)
{
    struct err e;

    if (json_object_get(r->args, "job")) {
        int64_t id = json_get_int(r->args, "job", 0);
        struct job *j = job_find(&d->engine, (uint64_t)id);
        if (!j) {
            err_set(&e, ERR_NO_SUCH_JOB,
                    "there is no job:%jd, or it ended long ago (jobs lists "
                    "it)",
                    (intmax_t)id);
            request_fail(r, &e, NULL);
            return;
        }
        wait_for_job(d, r, j);
        return;
    }
    const char *state = json_get_string(r->args, "state", "");
    if (state_of(state) == ST_N) {
        err_set(&e, ERR_BAD_REQUEST,
                "wait: \"%.40s\" is not a state; they are absent, halted, "
                "running, paused, suspended, shutdown, crashed, broken",
                state);
        request_fail(r, &e, NULL);
        return;
    }
    struct domain *dom = calls_domain(d, r);
    if (dom)
        wait_for_state(d, r, dom);
}

void call_info(struct daemon *d, struct request *r)
{
    struct engine *g = &d->engine;
    json_t *json = json_object(), *states = json_object();
    size_t counts[ST_N] = {0}, count = 0;
    struct utsname host;
    struct sysinfo sys;

    LIST_EACH (&g->domains, dom, struct domain, link) {
        counts[engine_state(g, dom)]++;
        count++;
    }
    for (int state = ST_HALTED; state < ST_N; state++)
        json_set_int(states, state_name((enum state)state), (int64_t)counts[state]);
    uname(&host);
    sysinfo(&sys);
    json_set_string(json, "version", REEVE_VERSION);
    json_set_string(json, "driver", g->driver->name);
    json_set_string(json, "host", host.nodename);
    json_set_string(json, "kernel", host.release);
    json_set_string(json, "machine", host.machine);
    json_set_int(json, "memory_kib", (int64_t)(sys.totalram / 1024 * sys.mem_unit));
    json_set_int(json, "free_memory_kib", (int64_t)(sys.freeram / 1024 * sys.mem_unit));
    json_set_int(json, "cpus", (int64_t)sysconf(_SC_NPROCESSORS_ONLN));
    json_set_int(json, "domains", (int64_t)count);
    json_object_set_new(json, "states", states);
    json_set_int(json, "clients", (int64_t)server_clients(d->server));
    json_set_string(json, "state_dir", d->settings->state_dir);
    json_set_string(json, "run_dir", d->settings->run_dir);
    json_set_string(json, "console_dir", d->settings->console_dir);
    json_set_string(json, "role", role_name(client_role(r->client)));
    request_return(r, json);
}

static void replay_read(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct request *r = reading->request;
    struct client *c = r->client;

    (void)status;
    uint64_t last = reading->after_seq;
    if (reading->result < 0 || !c) {
        if (c)
            client_release(c, last);
        reading_end(reading, "events", NULL);
        return;
    }
    /* Not after_seq: the history may be another one by now, whose numbers have not got there. */
    last = reading->last_seq;
    /* The answer, then what was missed, then what came meanwhile and is not in that: each row once
     * and in order. */
    reading->request = NULL;
    request_return(r, events_answer(reading));
    for (size_t i = 0; i < reading->count; i++) {
        client_event(c, "log", reading->events[i]->seq, calls_event_json(reading->events[i]));
    }
    client_release(c, last);
    for (size_t i = 0; i < reading->count; i++)
        event_record_free(reading->events[i]);
    free(reading->events);
    free(reading);
}

void call_subscribe(struct daemon *d, struct request *r)
{
    struct reading *reading = reading_new(d, r);
    struct err e;

    if (take_since(reading, json_object_get(r->args, "since"), &e) < 0) {
        free(reading);
        request_fail(r, &e, NULL);
        return;
    }
    client_subscribe(r->client, json_object_get(r->args, "since") != NULL);
    if (!json_object_get(r->args, "since")) {
        free(reading);
        request_return(r, json_object());
        return;
    }
    calls_work(d, &reading->work, read_events, replay_read);
}

void call_console(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    const struct outcome *out;
    struct err e;

    if (!dom)
        return;
    if (engine_judge(&d->engine, dom, VERB_CONSOLE, &out, &e) < 0) {
        calls_refuse(d, r, dom, VERB_CONSOLE, &e);
        return;
    }
    if (client_to_console(r, json_pack("{s:s}", "domain", dom->r->name), d->consoles, dom->r->uuid,
                          dom->r->name, &e) < 0)
        calls_refuse(d, r, dom, VERB_N, &e);
}

struct examination {
    uv_work_t work;
    struct request *request;
    struct doctor *doctor;
    json_t *repaired; /* owned; lines, or NULL */
    int result;
    struct err err;
};

static void examine(uv_work_t *work)
{
    struct examination *ex = work->data;

    ex->result = doctor_examine(ex->doctor, &ex->err);
}

static void examined(uv_work_t *work, int status)
{
    struct examination *ex = work->data;

    (void)status;
    if (ex->result < 0)
        request_fail(ex->request, &ex->err, NULL);
    else
        request_return(ex->request, json_pack("{s:o,s:O*}", "findings", doctor_findings(ex->doctor),
                                              "repaired", ex->repaired));
    json_decref(ex->repaired);
    doctor_free(ex->doctor);
    free(ex);
}

void call_doctor(struct daemon *d, struct request *r)
{
    struct examination *ex = x_calloc(1, sizeof *ex);

    if (json_get_bool(r->args, "repair", false))
        ex->repaired = rebuild_records(&d->engine);
    ex->work.data = ex;
    ex->request = r;
    ex->doctor = doctor_new(&d->engine);
    calls_work(d, &ex->work, examine, examined);
}
