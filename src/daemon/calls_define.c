/* SPDX-License-Identifier: MIT */
/* new, create, restore: a config becomes a domain. Files are read and checked on a worker thread,
 * with the client's rights. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/image.h"
#include "daemon/daemon.h"

/* What a request defines, between its steps. */
struct define {
    uv_work_t work;
    struct daemon *daemon;
    struct request *request;
    enum verb verb;
    struct job_args args;
    struct fs_user user;
    char *file;                    /* owned; names the config in messages, or the image */
    char *directory;               /* owned */
    char *text;                    /* owned; the config, overrides merged */
    char *macs;                    /* owned; that the image gives; or NULL */
    char uuid[IDENT_UUID_LEN + 1]; /* that the image gives; "" */
    struct conf *conf;             /* owned */
    json_t *warnings;              /* owned */
    int result;
    struct err err;
};

static void define_free(struct define *def)
{
    job_args_finish(&def->args);
    free(def->file);
    free(def->directory);
    free(def->text);
    free(def->macs);
    conf_free(def->conf);
    json_decref(def->warnings);
    free(def);
}

static void fail(struct define *def, const struct domain *dom, const struct err *e)
{
    calls_refuse(def->daemon, def->request, dom, def->verb, e);
    define_free(def);
}

static struct define *define_new(struct daemon *d, struct request *r, enum verb verb)
{
    struct define *def = x_calloc(1, sizeof *def);

    def->daemon = d;
    def->request = r;
    def->verb = verb;
    def->user = *client_user(r->client);
    def->warnings = json_array();
    def->args.paused = json_get_bool(r->args, "paused", false);
    def->args.force = json_get_bool(r->args, "force", false);
    def->args.replace = json_get_bool(r->args, "replace", false);
    def->args.user = def->user;
    return def;
}

static const char **overrides_of(const struct request *r, size_t *ret_count)
{
    const json_t *list = json_object_get(r->args, "overrides");
    size_t count = json_array_size(list);
    const char **words = x_calloc(count + 1, sizeof *words);

    for (size_t i = 0; i < count; i++)
        words[i] = json_string_value(json_array_get(list, i));
    *ret_count = count;
    return words;
}

/* text with the request's overrides becomes def->text and def->conf. */
static int read_config(struct define *def, const char *text, struct err *e)
{
    size_t count;
    AUTO_FREE const char **words = overrides_of(def->request, &count);
    struct conf_warnings warnings = {0};

    int result = conf_parse(text, strlen(text), def->file, words, count,
                            def->daemon->engine.driver->name, &def->conf, &warnings, e);
    for (size_t i = 0; i < warnings.count; i++)
        json_array_append_new(def->warnings, json_string(warnings.lines[i]));
    conf_warnings_finish(&warnings);
    if (result < 0 || conf_merge(text, words, count, &def->text, e) < 0)
        return -1;
    if (!def->conf->name) {
        err_set(e, ERR_BAD_CONFIG,
                "%s: name is missing: give the domain one, as in name = \"web1\"", def->file);
        str_copy(e->file, sizeof e->file, def->file);
        str_copy(e->key, sizeof e->key, "name");
        return -1;
    }
    return ident_name_check(def->conf->name, e);
}

/* A MAC for every interface, where an image has them those. */
static char *all_macs(const struct define *def)
{
    return config_macs(def->conf, def->daemon->engine.driver->name, def->conf, def->macs);
}

/* The same for a domain that is there: its interfaces keep what was drawn for them. */
static char *kept_macs(const struct define *def, const struct domain *dom)
{
    const char *driver = def->daemon->engine.driver->name, *text = dom->r->config;
    struct conf_warnings warnings = {0};
    struct conf *before = NULL;
    struct err ignored;

    if (conf_parse(text, strlen(text), dom->r->name, NULL, 0, driver, &before, &warnings,
                   &ignored) < 0)
        before = NULL;
    conf_warnings_finish(&warnings);
    char *macs = config_macs(def->conf, driver, before ? before : def->conf, dom->r->macs);
    conf_free(before);
    return macs;
}

static int clash(const struct define *def, const struct domain *by_name,
                 const struct domain *by_uuid, struct err *e)
{
    const char *verb = verb_name(def->verb), *name = def->conf->name;

    if (by_uuid && by_uuid != by_name)
        return err_set(e, ERR_EXISTS, "cannot %s %s: its uuid %s is that of the domain %s", verb,
                       name, by_uuid->r->uuid, by_uuid->r->name);
    if (by_name && !by_uuid && def->conf->uuid[0] && def->verb != VERB_CREATE)
        return err_set(e, ERR_EXISTS,
                       "cannot %s %s: there is a domain of that name with another "
                       "uuid (%s)",
                       verb, name, by_name->r->uuid);
    return 0;
}

/* The domain that is there already, judged by the table. */
static void define_existing(struct define *def, struct domain *dom)
{
    struct daemon *d = def->daemon;
    struct request *r = def->request;
    struct err e;
    bool same = false;

    if (def->verb == VERB_NEW) {
        def->args.macs = kept_macs(def, dom);
        def->args.config = TAKE(def->text);
        def->args.directory = TAKE(def->directory);
    } else if (def->verb == VERB_RESTORE) {
        def->args.config = TAKE(def->text);
    }
    def->args.asked = calls_asked(r);
    struct job *j = job_start(&d->engine, dom, job_kind_of(def->verb), &def->args,
                              client_actor(r->client), &same, &e);
    calls_job(d, r, dom, def->verb, j, same, json_incref(def->warnings), &e);
    define_free(def);
}

static void define_fresh(struct define *def)
{
    struct daemon *d = def->daemon;
    struct request *r = def->request;
    struct record *rec = record_new();

    if (def->uuid[0] || def->conf->uuid[0])
        ident_uuid_normal(def->uuid[0] ? def->uuid : def->conf->uuid, rec->uuid);
    else
        ident_uuid_draw(rec->uuid);
    str_copy(rec->name, sizeof rec->name, def->conf->name);
    rec->managed = def->verb == VERB_NEW;
    rec->macs = all_macs(def);
    rec->config = TAKE(def->text);
    if (def->verb == VERB_RESTORE)
        def->args.config = x_strdup(rec->config); /* the image's, with the overrides */
    rec->directory = TAKE(def->directory);
    rec->user = def->user;
    rec->wanted = ST_HALTED;
    rec->state = ST_HALTED;
    rec->reason = REASON_DEFINED;
    rec->since_ms = clock_wall_ms();
    struct domain *dom = engine_insert(&d->engine, rec);
    dom->forming = true;
    engine_read_config(&d->engine, dom);
    def->args.asked = calls_asked(r);
    struct job *j = job_start_unasked(&d->engine, dom, job_kind_of(def->verb), &def->args,
                                      client_actor(r->client));
    calls_job(d, r, dom, def->verb, j, false, json_incref(def->warnings), NULL);
    define_free(def);
}

static void define_go(struct define *def)
{
    struct engine *g = &def->daemon->engine;
    struct domain *by_name = engine_by_name(g, def->conf->name);
    const char *uuid = def->uuid[0] ? def->uuid : def->conf->uuid;
    struct domain *by_uuid = uuid[0] ? engine_by_uuid(g, uuid) : NULL;
    struct err e;

    int result = clash(def, by_name, by_uuid, &e);
    if (result == 0 && !def->request->client)
        result = err_set(&e, ERR_CANCELLED, "the client went away before anything was done");
    if (result == 0 && g->stopping)
        result = err_set(&e, ERR_FAILED, "the daemon is stopping");
    if (result < 0)
        fail(def, by_name, &e);
    else if (by_name)
        define_existing(def, by_name);
    else
        define_fresh(def);
}

/* --dry-run: everything but the making. */
static void check_on_worker(uv_work_t *work)
{
    struct define *def = work->data;
    struct engine *g = &def->daemon->engine;
    AUTO_FREE char *macs = all_macs(def);
    const char *list[] = {macs, NULL};
    struct create_args args = {
        .conf = def->conf, .directory = def->directory, .macs = list, .user = def->user};

    str_copy(args.ref.name, sizeof args.ref.name, def->conf->name);
    ident_uuid_draw(args.ref.uuid);
    def->result = g->driver->check(g->handle, &args, &def->err);
}

static void after_check(uv_work_t *work, int status)
{
    struct define *def = work->data;
    struct engine *g = &def->daemon->engine;
    struct domain *dom = engine_by_name(g, def->conf->name);
    struct domain *by_uuid = def->conf->uuid[0] ? engine_by_uuid(g, def->conf->uuid) : NULL;
    struct err e = def->err;
    const struct outcome *out;

    (void)status;
    int result = def->result;
    if (result == 0)
        result = clash(def, dom, by_uuid, &e);
    if (result == 0 && dom && !def->args.replace)
        result = engine_judge(g, dom, def->verb, &out, &e);
    if (result < 0) {
        fail(def, dom, &e);
        return;
    }
    AUTO_FREE char *message = x_asprintf("%s would be made; nothing was changed", def->conf->name);
    request_return(def->request,
                   json_pack("{s:n,s:n,s:s,s:O,s:o}", "job", "domain", "message", message,
                             "warnings", def->warnings, "config", conf_json(def->conf)));
    define_free(def);
}

static void define_text(struct daemon *d, struct request *r, enum verb verb)
{
    struct define *def = define_new(d, r, verb);
    struct err e;

    def->file = x_strdup(json_get_string(r->args, "file", "config"));
    def->directory = x_strdup(json_get_string(r->args, "directory", ""));
    if (read_config(def, json_get_string(r->args, "config", ""), &e) < 0) {
        fail(def, NULL, &e);
    } else if (json_get_bool(r->args, "dry_run", false)) {
        def->work.data = def;
        calls_work(d, &def->work, check_on_worker, after_check);
    } else {
        define_go(def);
    }
}

void call_new(struct daemon *d, struct request *r)
{
    define_text(d, r, VERB_NEW);
}

void call_create(struct daemon *d, struct request *r)
{
    define_text(d, r, VERB_CREATE);
}

static void read_image_on_worker(uv_work_t *work)
{
    struct define *def = work->data;
    struct image_reader *reader = NULL;

    const struct engine *g = &def->daemon->engine;

    def->result = image_reader_open(def->file, &def->user, &reader, &def->err);
    if (def->result == 0)
        def->result = image_reader_translate(reader, g->driver, g->handle, &def->err);
    if (def->result < 0) {
        image_reader_free(reader);
        return;
    }
    const struct image_header *h = image_reader_header(reader);
    def->text = x_strdup(h->config);
    def->directory = x_strdup(h->directory);
    def->macs = x_strdup(h->macs);
    str_copy(def->uuid, sizeof def->uuid, h->uuid);
    image_reader_free(reader);
}

static void after_image(uv_work_t *work, int status)
{
    struct define *def = work->data;
    AUTO_FREE char *text = TAKE(def->text);
    struct err e = def->err;

    (void)status;
    if (def->result < 0 || !def->request->client || read_config(def, text, &e) < 0)
        fail(def, NULL, &e);
    else
        define_go(def);
}

void call_restore(struct daemon *d, struct request *r)
{
    struct define *def = define_new(d, r, VERB_RESTORE);

    def->file = x_strdup(json_get_string(r->args, "file", ""));
    def->args.file = x_strdup(def->file);
    def->work.data = def;
    calls_work(d, &def->work, read_image_on_worker, after_image);
}
