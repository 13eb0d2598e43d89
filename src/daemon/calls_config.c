/* SPDX-License-Identifier: MIT */
/* A domain's name and config. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/daemon.h"

static void start(struct daemon *d, struct request *r, struct domain *dom, enum verb verb,
                  struct job_args *args)
{
    struct err e;
    bool same = false;
    struct job *j =
        job_start(&d->engine, dom, job_kind_of(verb), args, client_actor(r->client), &same, &e);

    calls_job(d, r, dom, verb, j, same, NULL, &e);
}

/* The domain's config with words (key=value) in it, as the new text of args; name and uuid stay. */
static int edited(const struct daemon *d, const struct domain *dom, const char *const *words,
                  size_t count, struct job_args *args, struct err *e)
{
    struct conf_warnings warnings = {0};
    struct conf *conf = NULL;
    AUTO_FREE char *text = NULL;

    if (conf_edit(dom->r->config, dom->r->name, words, count, &text, e) < 0)
        return -1;
    int result = conf_parse(text, strlen(text), dom->r->name, NULL, 0, d->engine.driver->name,
                            &conf, &warnings, e);
    conf_warnings_finish(&warnings);
    if (result == 0 && conf->name && !str_eq(conf->name, args->name ? args->name : dom->r->name))
        result = err_set(e, ERR_BAD_CONFIG,
                         "cannot change the name of %s in its config; rename "
                         "does it",
                         dom->r->name);
    if (result == 0 && conf->uuid[0] && !str_eq(conf->uuid, dom->r->uuid))
        result = err_set(e, ERR_BAD_CONFIG, "cannot change the uuid of %s (%s)", dom->r->name,
                         dom->r->uuid);
    conf_free(conf);
    args->config = TAKE(text);
    return result;
}

/* The name stands in what the guest was built from, too: an image of it carries that text. */
static int rename_live(const struct domain *dom, const char *word, struct job_args *args,
                       struct err *e)
{
    if (!dom->r->live_config)
        return 0;
    return conf_edit(dom->r->live_config, dom->r->name, &word, 1, &args->live_config, e);
}

static void set(struct daemon *d, struct request *r, struct domain *dom, enum verb verb,
                const char *const *words, size_t count, struct job_args *args)
{
    struct err e;

    if (edited(d, dom, words, count, args, &e) < 0) {
        job_args_finish(args);
        calls_refuse(d, r, dom, verb, &e);
        return;
    }
    start(d, r, dom, verb, args);
}

void call_rename(struct daemon *d, struct request *r)
{
    const char *name = json_get_string(r->args, "name", "");
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    struct err e;

    if (!dom)
        return;
    if (ident_name_check(name, &e) < 0) {
        request_fail(r, &e, NULL);
        return;
    }
    const struct domain *other = engine_by_name(&d->engine, name);
    if (other) {
        err_set(&e, ERR_EXISTS,
                other == dom ? "%s has that name already"
                             : "cannot rename it: there is a domain %s already",
                name);
        request_fail(r, &e, NULL);
        return;
    }
    AUTO_FREE char *word = x_asprintf("name=%s", name);
    args.name = x_strdup(name);
    if (rename_live(dom, word, &args, &e) < 0) {
        job_args_finish(&args);
        request_fail(r, &e, NULL);
        return;
    }
    set(d, r, dom, VERB_RENAME, (const char *const[]){word}, 1, &args);
}

void call_autostart(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    const char *word =
        json_get_bool(r->args, "on", false) ? "reeve_autostart=1" : "reeve_autostart=0";

    if (dom)
        set(d, r, dom, VERB_CONFIG_SET, &word, 1, &args);
}

void call_config_set(struct daemon *d, struct request *r)
{
    const json_t *list = json_object_get(r->args, "overrides");
    size_t count = json_array_size(list);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};

    if (!dom)
        return;
    AUTO_FREE const char **words = x_calloc(count + 1, sizeof *words);
    for (size_t i = 0; i < count; i++)
        words[i] = json_string_value(json_array_get(list, i));
    set(d, r, dom, VERB_CONFIG_SET, words, count, &args);
}

/* Every config that the domain had, read on a worker thread. */
struct history {
    uv_work_t work;
    struct daemon *daemon;
    struct request *request;
    char uuid[IDENT_UUID_LEN + 1];
    struct config_version *versions;
    size_t count;
    int result;
    struct err err;
};

static void read_history(uv_work_t *work)
{
    struct history *h = work->data;

    h->result = store_configs(h->daemon->engine.store, h->uuid, &h->versions, &h->count, &h->err);
}

static void history_read(uv_work_t *work, int status)
{
    struct history *h = work->data;
    json_t *list = json_array();

    (void)status;
    for (size_t i = 0; i < h->count; i++) {
        json_t *version = json_object();
        json_set_int(version, "version", (int64_t)h->versions[i].version);
        json_set_time(version, "at", h->versions[i].at_ms);
        json_set_string(version, "config", h->versions[i].text);
        json_array_append_new(list, version);
    }
    if (h->result < 0) {
        json_decref(list);
        request_fail(h->request, &h->err, NULL);
    } else {
        request_return(h->request, json_pack("{s:o}", "versions", list));
    }
    config_versions_free(h->versions, h->count);
    free(h);
}

void call_config_history(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);

    if (!dom)
        return;
    struct history *h = x_calloc(1, sizeof *h);
    h->work.data = h;
    h->daemon = d;
    h->request = r;
    str_copy(h->uuid, sizeof h->uuid, dom->r->uuid);
    uv_queue_work(d->loop, &h->work, read_history, history_read);
}
