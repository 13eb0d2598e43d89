/* SPDX-License-Identifier: MIT */
/* dump-core, sysrq, trigger. */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/daemon.h"

static void start(struct daemon *d, struct request *r, struct domain *dom, struct job_args *args)
{
    const struct job_kind *kind = job_kind_named(r->name);
    struct err e;
    bool same = false;
    args->asked = calls_asked(r);
    struct job *j = job_start(&d->engine, dom, kind, args, client_actor(r->client), &same, &e);

    calls_job(d, r, dom, kind->verb, j, same, NULL, &e);
}

void call_dump_core(struct daemon *d, struct request *r)
{
    const char *file = json_get_string(r->args, "file", NULL);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};

    if (!dom)
        return;
    args.file = x_strdup(file);
    args.user = *client_user(r->client);
    start(d, r, dom, &args);
}

void call_sysrq(struct daemon *d, struct request *r)
{
    const char *key = json_get_string(r->args, "key", "");
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    struct err e;

    if (!dom)
        return;
    if (!isalnum((unsigned char)key[0]) || key[1]) {
        err_set(&e, ERR_BAD_REQUEST, "sysrq takes one key, a letter or a digit");
        request_fail(r, &e, NULL);
        return;
    }
    args.name = x_strdup(key);
    start(d, r, dom, &args);
}

void call_trigger(struct daemon *d, struct request *r)
{
    static const char *const events[] = {"nmi", "reset", "init", "power", "sleep", "s3resume"};
    const char *event = json_get_string(r->args, "event", "");
    int64_t vcpu = json_get_int(r->args, "vcpu", -1);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {.vcpu = (int)vcpu};
    struct err e;
    size_t i = 0;

    if (!dom)
        return;
    while (i < ARRAY_LEN(events) && !str_eq(events[i], event))
        i++;
    if (i == ARRAY_LEN(events) || vcpu > UINT16_MAX) {
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, event, strlen(event) < 40 ? strlen(event) : 40);
        err_set(&e, ERR_BAD_REQUEST,
                i == ARRAY_LEN(events)
                    ? "there is no event \"%s\"; they are nmi, reset, init, power, sleep, s3resume"
                    : "%s: there is no such vcpu",
                shown.data ? shown.data : "");
        request_fail(r, &e, NULL);
        return;
    }
    args.name = x_strdup(event);
    start(d, r, dom, &args);
}
