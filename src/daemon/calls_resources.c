/* SPDX-License-Identifier: MIT */
/* What a domain has: memory, virtual CPUs, devices. Here the new texts of the config are made, on
 * the loop thread; the job changes guest and record (core/resources.c). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cpus.h"
#include "daemon/daemon.h"

enum { LOOK_MS = 1000 };

static void start(struct daemon *d, struct request *r, struct domain *dom, struct job_args *args)
{
    const struct job_kind *kind = job_kind_named(r->name);
    struct err e;
    bool same = false;
    args->asked = calls_asked(r);
    struct job *j = job_start(&d->engine, dom, kind, args, client_actor(r->client), &same, &e);

    calls_job(d, r, dom, kind->verb, j, same, NULL, &e);
}

int calls_parse(const struct daemon *d, const struct domain *dom, const char *text,
                struct conf **ret, struct err *e)
{
    struct conf_warnings warnings = {0};
    int result = conf_parse(text, strlen(text), dom->r->name, NULL, 0, d->engine.driver->name, ret,
                            &warnings, e);

    conf_warnings_finish(&warnings);
    return result;
}

/* The config, and what the guest has where that is another and is to change too. The table is asked
 * first, so that a refusal is of the state and not of a text that nobody would use. */
static int edit_both(const struct daemon *d, const struct domain *dom, enum verb verb,
                     edit_text *edit, struct job_args *args, struct err *e)
{
    struct edited stored = {.text = dom->r->config, .macs = dom->r->macs};
    struct edited live = {.text = dom->r->live_config, .macs = dom->r->live_macs};
    const struct outcome *out;

    if (engine_judge(&d->engine, dom, verb, &out, e) < 0 || edit(d, dom, args, &stored, e) < 0)
        return -1;
    args->config = stored.new_text;
    args->macs = stored.new_macs;
    if (args->next_boot || !dom->r->live_config)
        return 0;
    if (edit(d, dom, args, &live, e) < 0)
        return -1;
    args->live_config = live.new_text;
    args->live_macs = live.new_macs;
    return 0;
}

void calls_change(struct daemon *d, struct request *r, struct domain *dom, edit_text *edit,
                  struct job_args *args)
{
    enum verb verb = job_kind_named(r->name)->verb;
    struct err e;

    args->next_boot = json_get_bool(r->args, "next_boot", false);
    args->timeout_ms = json_get_int(r->args, "timeout_ms", 0);
    args->user = *client_user(r->client);
    if (!dom->job && edit_both(d, dom, verb, edit, args, &e) < 0) {
        job_args_finish(args);
        calls_refuse(d, r, dom, verb, &e);
        return;
    }
    start(d, r, dom, args); /* one that is busy is refused there */
}

/* ---- memory and virtual CPUs ---- */

/* A key and its limit: where one of them is not given it is as the other, and it must not change
 * with it. Each is the value for the other's word; 0: it need not be pinned. */
struct pair {
    const char *key;      /* that changes */
    uint64_t value;       /* in the key's unit */
    const char *other;    /* that must not */
    uint64_t other_value; /* what it is now */
    uint64_t (*get_other)(const struct conf *conf);
};

static int edit_pair(const struct daemon *d, const struct domain *dom, const char *text,
                     const struct pair *pair, char **ret, struct err *e)
{
    AUTO_FREE char *word = x_asprintf("%s=%ju", pair->key, (uintmax_t)pair->value);
    AUTO_FREE char *pin = x_asprintf("%s=%ju", pair->other, (uintmax_t)pair->other_value);
    const char *const words[] = {word, pin};
    AUTO_FREE char *edited = NULL;
    struct conf *conf = NULL;

    if (conf_edit(text, dom->r->name, words, 1, &edited, e) < 0 ||
        calls_parse(d, dom, edited, &conf, e) < 0)
        return -1;
    bool moved = pair->get_other(conf) != pair->other_value;
    conf_free(conf);
    if (!moved) {
        *ret = TAKE(edited);
        return 0;
    }
    return conf_edit(text, dom->r->name, words, 2, ret, e);
}

static uint64_t get_memory(const struct conf *conf)
{
    return conf->memory_kib / 1024;
}

static uint64_t get_maxmem(const struct conf *conf)
{
    return conf->max_memory_kib / 1024;
}

static uint64_t get_maxvcpus(const struct conf *conf)
{
    return conf->max_vcpus;
}

/* Where the config itself sets the limit: how to get past it. */
static int past_limit(const struct domain *dom, const struct pair *pair, const char *unit,
                      const char *way_out, struct err *e)
{
    return err_set(e, ERR_BAD_REQUEST, "%s of %s cannot be %ju%s: its %s is lower; %s raises it",
                   pair->key, dom->r->name, (uintmax_t)pair->value, unit, pair->other, way_out);
}

/* The limit of a config where it is not given goes up with the value; it never goes down. */
static uint64_t at_least(uint64_t limit, uint64_t value)
{
    return limit > value ? limit : value;
}

static int edit_mem_set(const struct daemon *d, const struct domain *dom,
                        const struct job_args *args, struct edited *edited, struct err *e)
{
    uint64_t mib = args->memory_kib / 1024;
    struct conf *conf = NULL;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    bool past = mib > get_maxmem(conf);
    struct pair pair = {"memory", mib, "maxmem", at_least(get_maxmem(conf), mib), get_maxmem};
    conf_free(conf);
    int result = edit_pair(d, dom, edited->text, &pair, &edited->new_text, e);
    return result < 0 && past ? past_limit(dom, &pair, " MiB", "mem-max", e) : result;
}

static int edit_mem_max(const struct daemon *d, const struct domain *dom,
                        const struct job_args *args, struct edited *edited, struct err *e)
{
    uint64_t mib = args->memory_kib / 1024;
    struct conf *conf = NULL;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    struct pair pair = {"maxmem", mib, "memory", get_memory(conf), get_memory};
    conf_free(conf);
    if (mib < pair.other_value)
        return err_set(e, ERR_BAD_REQUEST,
                       "cannot mem-max %s to %ju MiB: its memory is %ju MiB; mem-set lowers that "
                       "first",
                       dom->r->name, (uintmax_t)mib, (uintmax_t)pair.other_value);
    return edit_pair(d, dom, edited->text, &pair, &edited->new_text, e);
}

void call_memory(struct daemon *d, struct request *r)
{
    enum { MIB = 1024 };
    struct domain *dom = calls_domain(d, r);
    int64_t kib = json_get_int(r->args, "memory_kib", 0);
    struct job_args args = {.memory_kib = (uint64_t)kib};
    struct err e;

    if (!dom)
        return;
    if (kib < MIB || kib % MIB != 0) {
        err_set(&e, ERR_BAD_REQUEST, "%s: \"memory_kib\" must be a whole number of MiB, 1 or more",
                r->name);
        request_fail(r, &e, NULL);
        return;
    }
    calls_change(d, r, dom, str_eq(r->name, "mem-set") ? edit_mem_set : edit_mem_max, &args);
}

static int edit_vcpus(const struct daemon *d, const struct domain *dom, const struct job_args *args,
                      struct edited *edited, struct err *e)
{
    struct conf *conf = NULL;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    struct pair pair = {"vcpus", args->vcpus, "maxvcpus", at_least(get_maxvcpus(conf), args->vcpus),
                        get_maxvcpus};
    bool past = args->vcpus > get_maxvcpus(conf);

    conf_free(conf);
    int result = edit_pair(d, dom, edited->text, &pair, &edited->new_text, e);
    return result < 0 && past ? past_limit(dom, &pair, "", "config set maxvcpus=N", e) : result;
}

void call_vcpu_set(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    int64_t vcpus = json_get_int(r->args, "vcpus", 0);
    struct job_args args = {.vcpus = (unsigned)vcpus};
    struct err e;

    if (!dom)
        return;
    if (vcpus < 1 || vcpus > UINT16_MAX) {
        err_set(&e, ERR_BAD_REQUEST, "vcpu-set: \"vcpus\" must be 1 or more");
        request_fail(r, &e, NULL);
        return;
    }
    calls_change(d, r, dom, edit_vcpus, &args);
}

void call_vcpu_pin(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    int64_t vcpu = json_get_int(r->args, "vcpu", -1);
    const char *cpus = json_get_string(r->args, "cpus", "");
    struct job_args args = {.vcpu = (int)vcpu};
    struct err e;

    if (!dom)
        return;
    if (vcpu > UINT16_MAX) {
        err_set(&e, ERR_BAD_REQUEST, "vcpu-pin: there is no vcpu %jd", (intmax_t)vcpu);
    } else if (cpus_parse(cpus, &args.cpus, &e) == 0) {
        AUTO_STR struct str shown = {0};
        cpus_text(&args.cpus, &shown);
        args.name = str_take(&shown);
        start(d, r, dom, &args);
        return;
    }
    request_fail(r, &e, NULL);
}

/* ---- looking ---- */

/* A look at one domain on a worker thread, which may block in the driver. */
struct looking {
    uv_work_t work;
    struct daemon *daemon;
    struct request *request;
    struct domain_ref ref;
    struct vcpu_info *vcpus; /* owned */
    size_t count;
    int result;
    struct err err;
};

static void look_at_vcpus(uv_work_t *work)
{
    struct looking *l = work->data;
    const struct engine *g = &l->daemon->engine;
    struct op op = op_within(LOOK_MS);

    l->result = g->driver->vcpu_list(g->handle, &l->ref, &op, &l->vcpus, &l->count, &l->err);
}

static void vcpus_seen(uv_work_t *work, int status)
{
    struct looking *l = work->data;
    json_t *list = json_array();

    (void)status;
    for (size_t i = 0; l->result == 0 && i < l->count; i++) {
        const struct vcpu_info *cpu = &l->vcpus[i];
        json_t *one = json_object();
        AUTO_STR struct str affinity = {0};
        cpus_text(&cpu->affinity, &affinity);
        json_set_string(one, "domain", l->ref.name);
        json_set_int(one, "id", l->ref.id);
        json_set_int(one, "vcpu", cpu->index);
        json_set_bool(one, "online", cpu->online);
        json_set_bool(one, "running", cpu->running);
        json_object_set_new(one, "host_cpu",
                            cpu->host_cpu < 0 ? json_null() : json_integer(cpu->host_cpu));
        json_object_set_new(one, "cpu_seconds", json_real((double)(cpu->cpu_ns / 1000000) / 1000));
        json_set_string(one, "affinity",
                        cpu->online && CPU_COUNT(&cpu->affinity) > 0 ? affinity.data : NULL);
        json_array_append_new(list, one);
    }
    if (l->result == 0) {
        request_return(l->request, json_pack("{s:O}", "vcpus", list));
    } else {
        err_wrap(&l->err, "cannot list the vcpus of %s", l->ref.name);
        request_fail(l->request, &l->err, json_pack("{s:s}", "domain", l->ref.name));
    }
    json_decref(list);
    free(l->vcpus);
    free(l);
}

/* Those of a domain that does not live, from its config. */
static json_t *vcpus_stored(const struct domain *dom)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < dom->max_vcpus; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:n,s:i,s:b,s:b,s:n,s:f,s:n}", "domain", dom->r->name,
                                        "id", "vcpu", (int)i, "online", 0, "running", 0, "host_cpu",
                                        "cpu_seconds", 0.0, "affinity"));
    return list;
}

void call_vcpu_list(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    struct err e;

    if (!dom)
        return;
    if (!dom->seen) {
        request_return(r, json_pack("{s:o}", "vcpus", vcpus_stored(dom)));
        return;
    }
    if (dom->job)
        err_set(&e, ERR_BUSY, "cannot list the vcpus of %s: job:%ju (%s) works on it", dom->r->name,
                (uintmax_t)dom->job->rec.id, dom->job->rec.verb);
    else if (!d->engine.driver->vcpu_list)
        err_set(&e, ERR_UNSUPPORTED, "the %s driver cannot list vcpus", d->engine.driver->name);
    else {
        struct looking *l = x_calloc(1, sizeof *l);
        l->work.data = l;
        l->daemon = d;
        l->request = r;
        l->ref = dom->obs.ref;
        str_copy(l->ref.name, sizeof l->ref.name, dom->r->name);
        calls_work(d, &l->work, look_at_vcpus, vcpus_seen);
        return;
    }
    request_fail(r, &e, json_pack("{s:s}", "domain", dom->r->name));
}
