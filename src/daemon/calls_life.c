/* SPDX-License-Identifier: MIT */
/* Verbs on a domain that exists. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/view.h"
#include "daemon/daemon.h"

static int take_args(struct request *r, struct job_args *args, struct err *e)
{
    const char *file = json_get_string(r->args, "file", NULL);

    args->paused = json_get_bool(r->args, "paused", false);
    args->force = json_get_bool(r->args, "force", false);
    args->destroy = json_get_bool(r->args, "destroy", false);
    args->checkpoint = json_get_bool(r->args, "checkpoint", false);
    args->timeout_ms = json_get_int(r->args, "timeout_ms", 0);
    args->user = *client_user(r->client);
    if (calls_level(r, &args->level, e) < 0)
        return -1;
    if (calls_as(r, &args->as_xl, e) < 0)
        return -1;
    args->file = x_strdup(file);
    return 0;
}

static void life(struct daemon *d, struct request *r)
{
    enum verb verb = verb_of(r->name);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    bool same = false;
    struct err e;

    if (!dom)
        return; /* and r is no more */
    if (take_args(r, &args, &e) < 0) {
        request_fail(r, &e, NULL);
        return;
    }
    args.asked = calls_asked(r);
    struct job *j =
        job_start(&d->engine, dom, job_kind_of(verb), &args, client_actor(r->client), &same, &e);
    calls_job(d, r, dom, verb, j, same, NULL, &e);
}

static void life_fresh(struct daemon *d, struct request *r)
{
    struct err e;

    if (r->client) {
        life(d, r);
        return;
    }
    err_set(&e, ERR_CANCELLED, "the client went away before anything was done");
    request_fail(r, &e, NULL);
}

/* Another tool may have paused or let run a guest of ours, and nobody told us: the table is asked
 * of what is now. */
void call_life(struct daemon *d, struct request *r)
{
    if (d->engine.driver->lists_others)
        fresh_wait(d, r, life_fresh);
    else
        life(d, r);
}

/* adopt --all: one answer after several jobs. */
struct adopt_all {
    struct daemon *daemon;
    struct request *request;
    size_t waiting;
    json_t *adopted; /* owned; names */
};

static void adopt_all_done(struct adopt_all *all)
{
    if (--all->waiting > 0)
        return;
    AUTO_FREE char *message = x_asprintf("adopted %zu domains", json_array_size(all->adopted));
    request_return(all->request, json_pack("{s:n,s:n,s:s,s:[],s:o}", "job", "domain", "message",
                                           message, "warnings", "adopted", all->adopted));
    free(all);
}

static void on_adopted(void *arg, struct job *j)
{
    struct adopt_all *all = arg;

    if (j->result == 0)
        json_array_append_new(all->adopted, json_string(j->rec.name));
    adopt_all_done(all);
}

void call_adopt(struct daemon *d, struct request *r)
{
    bool dry_run = json_get_bool(r->args, "dry_run", false);
    struct job_args args = {0};
    struct err e;
    bool same;

    if (!json_get_bool(r->args, "all", false)) {
        const struct outcome *out;
        struct domain *dom = calls_domain(d, r);
        if (!dom)
            return;
        if (!dry_run) {
            struct job *j = job_start(&d->engine, dom, job_kind_of(VERB_ADOPT), &args,
                                      client_actor(r->client), &same, &e);
            calls_job(d, r, dom, VERB_ADOPT, j, same, NULL, &e);
        } else if (engine_judge(&d->engine, dom, VERB_ADOPT, &out, &e) < 0) {
            calls_refuse(d, r, dom, VERB_ADOPT, &e);
        } else {
            AUTO_FREE char *message = x_asprintf("%s can be adopted", dom->r->name);
            request_return(r, json_pack("{s:n,s:o,s:s,s:[]}", "job", "domain",
                                        view_domain(&d->engine, dom, false), "message", message,
                                        "warnings"));
        }
        return;
    }
    if (!json_get_bool(r->args, "wait", true)) {
        err_set(&e, ERR_BAD_REQUEST, "adopt of all is waited for: it is many jobs");
        request_fail(r, &e, NULL);
        return;
    }
    struct adopt_all *all = x_calloc(1, sizeof *all);
    all->daemon = d;
    all->request = r;
    all->adopted = json_array();
    all->waiting = 1;
    const char *actor = client_actor(r->client);
    LIST_EACH (&d->engine.domains, dom, struct domain, link) {
        const struct outcome *out;
        if (dom->r->managed || !dom->seen || dom->forming ||
            (dom->foreign && engine_judge(&d->engine, dom, VERB_ADOPT, &out, &e) < 0))
            continue;
        if (dry_run) {
            json_array_append_new(all->adopted, json_string(dom->r->name));
            continue;
        }
        struct job *j =
            job_start(&d->engine, dom, job_kind_of(VERB_ADOPT), &args, actor, &same, &e);
        if (!j)
            continue; /* busy or ending: it is transient still, and list says so */
        all->waiting++;
        job_wait(j, on_adopted, all);
    }
    adopt_all_done(all);
}

void call_cancel(struct daemon *d, struct request *r)
{
    int64_t id = json_get_int(r->args, "job", 0);
    struct job *j = job_find(&d->engine, (uint64_t)id);
    struct err e;

    if (!j)
        err_set(&e, ERR_NO_SUCH_JOB, "there is no job:%jd", (intmax_t)id);
    else if (job_cancel(j, &e) == 0) {
        AUTO_FREE char *message =
            x_asprintf("asked job:%jd (%s %s) to stop", (intmax_t)id, j->rec.verb, j->rec.name);
        request_return(r, json_pack("{s:o,s:s}", "job", job_json(j), "message", message));
        return;
    }
    request_fail(r, &e, NULL);
}
