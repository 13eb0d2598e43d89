/* SPDX-License-Identifier: MIT */
/* A domain's name and config. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "daemon/daemon.h"

/* A new text of the domain's config, on its way to be stored. */
struct edit {
    struct daemon *daemon;
    struct request *request;
    struct domain *dom;
    enum verb verb;
    struct job_args args;
    json_t *warnings; /* owned; an array */
};

static struct edit edit_of(struct daemon *d, struct request *r, struct domain *dom, enum verb verb)
{
    return (struct edit){
        .daemon = d, .request = r, .dom = dom, .verb = verb, .warnings = json_array()};
}

static struct conf *parse(const struct daemon *d, const char *text, const char *file,
                          json_t *warnings, struct err *e)
{
    struct conf_warnings lines = {0};
    struct conf *conf = NULL;

    if (conf_parse(text, strlen(text), file, NULL, 0, d->engine.driver->name, &conf, &lines, e) < 0)
        conf = NULL;
    for (size_t i = 0; warnings && i < lines.count; i++)
        json_array_append_new(warnings, json_text(lines.lines[i]));
    conf_warnings_finish(&lines);
    return conf;
}

/* Name and uuid stay what they are; `name` is what rename makes of it. */
static int keeps_identity(const struct record *r, const char *name, const struct conf *conf,
                          const char *file, struct err *e)
{
    char uuid[IDENT_UUID_LEN + 1] = "";
    const char *key = NULL;

    if (conf->uuid[0])
        ident_uuid_normal(conf->uuid, uuid);
    if (conf->name && !str_eq(conf->name, name)) {
        err_set(e, ERR_BAD_CONFIG,
                "%s: name: cannot change the name of %s in its config; rename does it", file,
                r->name);
        key = "name";
    } else if (uuid[0] && !str_eq(uuid, r->uuid)) {
        err_set(e, ERR_BAD_CONFIG, "%s: uuid: cannot change the uuid of %s (%s)", file, r->name,
                r->uuid);
        key = "uuid";
    }
    if (!key)
        return 0;
    str_copy(e->file, sizeof e->file, file);
    str_copy(e->key, sizeof e->key, key);
    return -1;
}

/* Takes text (owned by the callee) as the new config when it can be one. `file` names it. */
static int take_text(struct edit *edit, char *text, const char *file, struct err *e)
{
    struct record *r = edit->dom->r;
    const char *name = edit->args.name ? edit->args.name : r->name;
    AUTO_FREE char *owned = text;
    struct conf *conf = parse(edit->daemon, text, file, edit->warnings, e);

    if (!conf)
        return -1;
    int result = keeps_identity(r, name, conf, file, e);
    if (result == 0) {
        struct conf *old = parse(edit->daemon, r->config, r->name, NULL, e);
        edit->args.macs =
            config_macs(conf, edit->daemon->engine.driver->name, old ? old : conf, r->macs);
        conf_free(old);
        edit->args.config = TAKE(owned);
    }
    conf_free(conf);
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

static int take_words(struct edit *edit, const char *const *words, size_t count, struct err *e)
{
    char *text;

    if (conf_edit(edit->dom->r->config, edit->dom->r->name, words, count, &text, e) < 0)
        return -1;
    return take_text(edit, text, edit->dom->r->name, e);
}

/* Starts the job, or answers with *e when result says that there is nothing to start. */
static void go(struct edit *edit, int result, struct err *e)
{
    struct request *r = edit->request;
    bool same = false;

    if (result < 0) {
        job_args_finish(&edit->args);
        json_decref(edit->warnings);
        calls_refuse(edit->daemon, r, edit->dom, edit->verb, e);
        return;
    }
    edit->args.asked = calls_asked(r);
    struct job *j = job_start(&edit->daemon->engine, edit->dom, job_kind_of(edit->verb),
                              &edit->args, client_actor(r->client), &same, e);
    calls_job(edit->daemon, r, edit->dom, edit->verb, j, same, edit->warnings, e);
}

void call_rename(struct daemon *d, struct request *r)
{
    const char *name = json_get_string(r->args, "name", "");
    struct domain *dom = calls_domain(d, r);
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
    struct edit edit = edit_of(d, r, dom, VERB_RENAME);
    edit.args.name = x_strdup(name);
    int result = rename_live(dom, word, &edit.args, &e);
    if (result == 0)
        result = take_words(&edit, (const char *const[]){word}, 1, &e);
    go(&edit, result, &e);
}

void call_autostart(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    const char *word =
        json_get_bool(r->args, "on", false) ? "reeve_autostart=1" : "reeve_autostart=0";
    struct err e;

    if (!dom)
        return;
    struct edit edit = edit_of(d, r, dom, VERB_CONFIG_SET);
    int result = take_words(&edit, &word, 1, &e);
    go(&edit, result, &e);
}

/* What an editor began with is still what is stored? */
static int matches(const struct request *r, const struct domain *dom, struct err *e)
{
    const char *wanted = json_get_string(r->args, "if_match", NULL);
    char tag[CONFIG_TAG_LEN + 1];

    config_tag(dom->r->config, tag);
    if (!wanted || str_eq(wanted, tag))
        return 0;
    return err_set(e, ERR_STALE,
                   "cannot change the config of %s: it has changed since it was read (config "
                   "history %s tells by whom)",
                   dom->r->name, dom->r->name);
}

static int take_request(struct edit *edit, struct err *e)
{
    const struct request *r = edit->request;
    const json_t *list = json_object_get(r->args, "overrides");
    const char *text = json_get_string(r->args, "config", NULL);
    size_t count = json_array_size(list);

    if (!text == !list)
        return err_set(e, ERR_BAD_REQUEST, "config-set takes either \"overrides\" or \"config\"");
    if (matches(r, edit->dom, e) < 0)
        return -1;
    edit->args.next_boot = json_get_bool(r->args, "next_boot", false);
    edit->args.user = *client_user(r->client);
    if (text)
        return take_text(edit, x_strdup(text), json_get_string(r->args, "file", "config"), e);
    AUTO_FREE const char **words = x_calloc(count + 1, sizeof *words);
    for (size_t i = 0; i < count; i++)
        words[i] = json_string_value(json_array_get(list, i));
    return take_words(edit, words, count, e);
}

void call_config_set(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);
    struct err e;

    if (!dom)
        return;
    struct edit edit = edit_of(d, r, dom, VERB_CONFIG_SET);
    int result = take_request(&edit, &e);
    go(&edit, result, &e);
}

/* ---- history and difference: the versions are read on a worker thread ---- */

struct versions {
    uv_work_t work;
    struct daemon *daemon;
    struct request *request;
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    /* config-diff */
    char *guest;      /* owned; what the guest has; NULL without a guest */
    char *stored;     /* owned */
    const char *from; /* borrowed from the request; NULL: not given */
    const char *to;
    struct config_version *list;
    size_t count;
    json_t *answer; /* owned until it is returned */
    int result;
    struct err err;
};

/* "running", "stored" or the number of a version, as a text. Borrowed. */
static int version_text(const struct versions *v, const char *word, const char **ret, struct err *e)
{
    char *end;
    unsigned long long wanted = strtoull(word, &end, 10);

    if (str_eq(word, "stored")) {
        *ret = v->stored;
        return 0;
    }
    if (str_eq(word, "running")) {
        *ret = v->guest;
        return v->guest ? 0
                        : err_set(e, ERR_WRONG_STATE,
                                  "%s is not running: give a version of its config, as config "
                                  "history %s lists them",
                                  v->name, v->name);
    }
    if (*end || end == word)
        return err_set(e, ERR_BAD_REQUEST,
                       "\"%.40s\" is no version: running, stored or a number of config history",
                       word);
    for (size_t i = 0; i < v->count; i++) {
        if (v->list[i].version == wanted) {
            *ret = v->list[i].text;
            return 0;
        }
    }
    return err_set(e, ERR_BAD_REQUEST,
                   "%s has no version %.20s of its config (%ju to %ju are kept)", v->name, word,
                   (uintmax_t)(v->count ? v->list[0].version : 0),
                   (uintmax_t)(v->count ? v->list[v->count - 1].version : 0));
}

static int compare(struct versions *v, struct err *e)
{
    char before[24] = "stored";
    const char *from_text, *to_text;

    /* Without a guest, what the last change was. */
    if (v->count > 1)
        snprintf(before, sizeof before, "%ju", (uintmax_t)v->list[v->count - 2].version);
    const char *from = v->from ? v->from : v->guest ? "running" : before;
    const char *to = v->to ? v->to : "stored";
    if (version_text(v, from, &from_text, e) < 0 || version_text(v, to, &to_text, e) < 0)
        return -1;
    struct conf *old = parse(v->daemon, from_text, from, NULL, e);
    struct conf *new = old ? parse(v->daemon, to_text, to, NULL, e) : NULL;
    if (new) {
        json_t *changes = config_changes(old, new);
        v->answer = json_pack("{s:s,s:s,s:s,s:o}", "domain", v->name, "from", from, "to", to,
                              "changes", changes);
    }
    conf_free(old);
    conf_free(new);
    return new ? 0 : -1;
}

/* The keys in which a version differs from the one before; null where either cannot be read. */
static json_t *changed_keys(const struct conf *old, const struct conf *new)
{
    size_t i;
    json_t *item;

    if (!old || !new)
        return json_null();
    AUTO_JSON json_t *changes = config_changes(old, new);
    json_t *keys = json_array();
    json_array_foreach(changes, i, item) json_array_append(keys, json_object_get(item, "key"));
    return keys;
}

static void list_versions(struct versions *v)
{
    json_t *list = json_array();
    struct conf *old = NULL;
    struct err ignored;

    for (size_t i = 0; i < v->count; i++) {
        json_t *version = json_object();
        struct conf *new = parse(v->daemon, v->list[i].text, v->name, NULL, &ignored);
        json_set_int(version, "version", (int64_t)v->list[i].version);
        json_set_time(version, "at", v->list[i].at_ms);
        json_set_string(version, "actor", v->list[i].actor);
        json_object_set_new(version, "changed", changed_keys(old, new));
        json_set_string(version, "config", v->list[i].text);
        json_array_append_new(list, version);
        conf_free(old);
        old = new;
    }
    conf_free(old);
    v->answer = json_pack("{s:o}", "versions", list);
}

static void on_worker(uv_work_t *work)
{
    struct versions *v = work->data;

    v->result = store_configs(v->daemon->engine.store, v->uuid, &v->list, &v->count, &v->err);
    if (v->result == 0 && v->stored)
        v->result = compare(v, &v->err);
    else if (v->result == 0)
        list_versions(v);
}

static void after_worker(uv_work_t *work, int status)
{
    struct versions *v = work->data;

    (void)status;
    if (v->result < 0)
        request_fail(v->request, &v->err, json_pack("{s:s}", "domain", v->name));
    else
        request_return(v->request, v->answer);
    config_versions_free(v->list, v->count);
    free(v->guest);
    free(v->stored);
    free(v);
}

static struct versions *versions_of(struct daemon *d, struct request *r, const struct domain *dom)
{
    struct versions *v = x_calloc(1, sizeof *v);

    v->work.data = v;
    v->daemon = d;
    v->request = r;
    str_copy(v->uuid, sizeof v->uuid, dom->r->uuid);
    str_copy(v->name, sizeof v->name, dom->r->name);
    return v;
}

void call_config_history(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);

    if (dom)
        calls_work(d, &versions_of(d, r, dom)->work, on_worker, after_worker);
}

void call_config_diff(struct daemon *d, struct request *r)
{
    struct domain *dom = calls_domain(d, r);

    if (!dom)
        return;
    struct versions *v = versions_of(d, r, dom);
    v->from = json_get_string(r->args, "from", NULL);
    v->to = json_get_string(r->args, "to", NULL);
    v->stored = x_strdup(dom->r->config);
    if (dom->seen || dom->r->image.path)
        v->guest = x_strdup(record_live_config(dom->r));
    calls_work(d, &v->work, on_worker, after_worker);
}
