/* SPDX-License-Identifier: MIT */
/* The calls of the socket: one row each, with its role and its arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/view.h"
#include "daemon/daemon.h"

enum arg_type { ARG_STRING, ARG_BOOL, ARG_INT, ARG_STRINGS, ARG_ANY };

enum { ARGS_MAX = 10, PROGRESS_MS = 250 };

/* 2^53: what every JSON reader holds exactly, and far from where a time would overflow. */
static const int64_t INT_MOST = 1LL << 53;

struct call {
    const char *name;
    enum role role;
    call_fn *run;
    const char *args[ARGS_MAX]; /* rows of args[] below, each with its marks before it */
};

static const struct {
    const char *name;
    enum arg_type type;
} args[] = {
    {"domain",     ARG_STRING },
    {"domains",    ARG_STRINGS},
    {"fields",     ARG_STRINGS},
    {"wait",       ARG_BOOL   },
    {"progress",   ARG_BOOL   },
    {"paused",     ARG_BOOL   },
    {"force",      ARG_BOOL   },
    {"replace",    ARG_BOOL   },
    {"dry_run",    ARG_BOOL   },
    {"destroy",    ARG_BOOL   },
    {"checkpoint", ARG_BOOL   },
    {"all",        ARG_BOOL   },
    {"repair",     ARG_BOOL   },
    {"timeout_ms", ARG_INT    },
    {"job",        ARG_INT    },
    {"parallel",   ARG_INT    },
    {"file",       ARG_STRING },
    {"config",     ARG_STRING },
    {"directory",  ARG_STRING },
    {"overrides",  ARG_STRINGS},
    {"state",      ARG_STRING },
    {"verb",       ARG_STRING },
    {"name",       ARG_STRING },
    {"on",         ARG_BOOL   },
    {"since",      ARG_ANY    },
    {"next_boot",  ARG_BOOL   },
    {"memory_kib", ARG_INT    },
    {"vcpus",      ARG_INT    },
    {"vcpu",       ARG_INT    },
    {"cpus",       ARG_STRING },
    {"if_match",   ARG_STRING },
    {"from",       ARG_STRING },
    {"to",         ARG_STRING },
    {"spec",       ARG_STRING },
    {"device",     ARG_STRING },
    {"key",        ARG_STRING },
    {"event",      ARG_STRING },
    {"out",        ARG_STRING },
    {"level",      ARG_ANY    },
    {"as",         ARG_STRING },
};

#define LIFE "!domain", "wait", "progress"
#define GUEST LIFE, "next_boot", "timeout_ms"

static const struct call calls[] = {
    {"list",           ROLE_VIEWER,   call_list,           {"domains", "state", "fields"}                  },
    {"show",           ROLE_VIEWER,   call_show,           {"!domain"}                                     },
    {"explain",        ROLE_VIEWER,   call_explain,        {"domain", "verb"}                              },
    {"log",            ROLE_VIEWER,   call_log,            {"domain", "since"}                             },
    {"jobs",           ROLE_VIEWER,   call_jobs,           {0}                                             },
    {"wait",           ROLE_VIEWER,   call_wait,           {"domain", "state", "job", "timeout_ms"}        },
    {"stats",          ROLE_VIEWER,   call_stats,          {"domains"}                                     },
    {"info",           ROLE_VIEWER,   call_info,           {0}                                             },
    {"subscribe",      ROLE_VIEWER,   call_subscribe,      {"since"}                                       },
    {"start",          ROLE_OPERATOR, call_life,           {LIFE, "paused"}                                },
    {"pause",          ROLE_OPERATOR, call_life,           {LIFE}                                          },
    {"unpause",        ROLE_OPERATOR, call_life,           {LIFE}                                          },
    {"suspend",        ROLE_OPERATOR, call_life,           {LIFE, "level"}                                 },
    {"resume",         ROLE_OPERATOR, call_life,           {LIFE, "paused", "force"}                       },
    {"discard",        ROLE_OPERATOR, call_life,           {LIFE}                                          },
    {"reboot",         ROLE_OPERATOR, call_life,           {LIFE, "timeout_ms", "force"}                   },
    {"reset",          ROLE_OPERATOR, call_life,           {LIFE}                                          },
    {"shutdown",       ROLE_OPERATOR, call_life,           {LIFE, "timeout_ms", "force"}                   },
    {"destroy",        ROLE_OPERATOR, call_life,           {LIFE}                                          },
    {"delete",         ROLE_OPERATOR, call_life,           {LIFE, "destroy"}                               },
    {"console",        ROLE_OPERATOR, call_console,        {"!domain"}                                     },
    {"cancel",         ROLE_OPERATOR, call_cancel,         {"!job"}                                        },
    {"adopt",          ROLE_OPERATOR, call_adopt,          {"domain", "all", "wait", "progress", "dry_run"}},
    {"save",           ROLE_ADMIN,    call_life,           {LIFE, "!/file", "checkpoint", "level", "as"}   },
    {"restore",
     ROLE_ADMIN,                      call_restore,
     {"!/file", "overrides", "paused", "force", "wait", "progress"}                                        },
    {"new",
     ROLE_ADMIN,                      call_new,
     {"!config", "!/directory", "file", "overrides", "replace", "dry_run", "wait", "progress"}             },
    {"create",
     ROLE_ADMIN,                      call_create,
     {"!config", "!/directory", "file", "overrides", "paused", "dry_run", "wait", "progress"}              },
    {"rename",         ROLE_OPERATOR, call_rename,         {LIFE, "!name"}                                 },
    {"autostart",      ROLE_OPERATOR, call_autostart,      {LIFE, "!on"}                                   },
    {"config-set",
     ROLE_ADMIN,                      call_config_set,
     {LIFE, "overrides", "config", "file", "if_match", "next_boot"}                                        },
    {"config-history", ROLE_OPERATOR, call_config_history, {"!domain"}                                     },
    {"mem-set",        ROLE_OPERATOR, call_memory,         {LIFE, "!memory_kib", "next_boot", "timeout_ms"}},
    {"mem-max",        ROLE_OPERATOR, call_memory,         {LIFE, "!memory_kib", "next_boot"}              },
    {"vcpu-set",       ROLE_OPERATOR, call_vcpu_set,       {LIFE, "!vcpus", "next_boot", "timeout_ms"}     },
    {"vcpu-pin",       ROLE_OPERATOR, call_vcpu_pin,       {LIFE, "vcpu", "!cpus"}                         },
    {"vcpu-list",      ROLE_VIEWER,   call_vcpu_list,      {"!domain"}                                     },
    {"config-diff",    ROLE_OPERATOR, call_config_diff,    {"!domain", "from", "to"}                       },
    {"host-stop",      ROLE_ADMIN,    call_hostrun,        {"parallel"}                                    },
    {"host-start",     ROLE_ADMIN,    call_hostrun,        {"parallel"}                                    },
    {"dump-core",      ROLE_ADMIN,    call_dump_core,      {LIFE, "/file"}                                 },
    {"sysrq",          ROLE_OPERATOR, call_sysrq,          {LIFE, "!key"}                                  },
    {"trigger",        ROLE_OPERATOR, call_trigger,        {LIFE, "!event", "vcpu"}                        },
    {"block-attach",   ROLE_ADMIN,    call_block_attach,   {GUEST, "!spec", "!/directory"}                 },
    {"block-detach",   ROLE_OPERATOR, call_detach,         {GUEST, "!device"}                              },
    {"block-list",     ROLE_OPERATOR, call_block_list,     {"!domain"}                                     },
    {"network-attach", ROLE_ADMIN,    call_network_attach, {GUEST, "spec"}                                 },
    {"network-detach", ROLE_OPERATOR, call_detach,         {GUEST, "!device"}                              },
    {"network-list",   ROLE_VIEWER,   call_network_list,   {"!domain"}                                     },
    {"cd-insert",      ROLE_ADMIN,    call_cd,             {GUEST, "!device", "!/file"}                    },
    {"cd-eject",       ROLE_OPERATOR, call_cd,             {GUEST, "!device"}                              },
    {"image-info",     ROLE_ADMIN,    call_image_info,     {"!/file"}                                      },
    {"image-verify",   ROLE_ADMIN,    call_image_verify,   {"!/file", "progress"}                          },
    {"image-export",
     ROLE_ADMIN,                      call_image_export,
     {"domain", "/file", "!/out", "level", "as", "progress"}                                               },
    {"image-import",   ROLE_ADMIN,    call_image_import,   {"!/file", "!/out", "level", "progress"}        },
    {"doctor",         ROLE_ADMIN,    call_doctor,         {"repair"}                                      },
};

static const char *call_name(size_t i)
{
    return i < ARRAY_LEN(calls) ? calls[i].name : NULL;
}

static bool has_type(const json_t *value, enum arg_type type)
{
    switch (type) {
    case ARG_STRING:
        return json_is_string(value);
    case ARG_BOOL:
        return json_is_boolean(value);
    case ARG_INT:
        return json_is_integer(value) && json_integer_value(value) >= 0 &&
               json_integer_value(value) <= INT_MOST;
    case ARG_ANY:
        return true;
    case ARG_STRINGS:
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!json_is_string(json_array_get(value, i)))
                return false;
        return json_is_array(value);
    }
    return false;
}

static const char *const type_texts[] = {
    [ARG_STRING] = "a string",
    [ARG_BOOL] = "true or false",
    [ARG_INT] = "a number from 0 to 2^53",
    [ARG_STRINGS] = "a list of strings",
};

/* The marks before a name in a call's row: it must be given; it is a path from the root on. */
static const char marks[] = "!/";
enum { REQUIRED = '!', ABSOLUTE = '/' };

static const char *bare(const char *arg)
{
    return arg + strspn(arg, marks);
}

static bool has_mark(const char *arg, int mark)
{
    return memchr(arg, mark, strspn(arg, marks)) != NULL;
}

/* The call's argument of that name with its marks; NULL when it takes none. */
static const char *arg_of(const struct call *call, const char *key)
{
    for (size_t i = 0; i < ARGS_MAX && call->args[i]; i++)
        if (str_eq(bare(call->args[i]), key))
            return call->args[i];
    return NULL;
}

static int check_args(const struct call *call, json_t *given, struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach(given, key, value)
    {
        const char *arg = arg_of(call, key);
        size_t i = 0;
        if (!arg)
            return err_set(e, ERR_BAD_REQUEST, "%s has no argument \"%.40s\"", call->name, key);
        while (i < ARRAY_LEN(args) && !str_eq(args[i].name, key))
            i++;
        if (i == ARRAY_LEN(args))
            return err_set(e, ERR_FAILED, "%s: the type of \"%s\" is not known; report it",
                           call->name, key);
        if (!has_type(value, args[i].type))
            return err_set(e, ERR_BAD_REQUEST, "%s: \"%s\" must be %s", call->name, key,
                           type_texts[args[i].type]);
        if (has_mark(arg, ABSOLUTE) && json_string_value(value)[0] != '/')
            return err_set(e, ERR_BAD_REQUEST, "%s: \"%s\" must be an absolute path", call->name,
                           key);
        /* An intent keeps paths as lines. */
        if (has_mark(arg, ABSOLUTE) && strchr(json_string_value(value), '\n'))
            return err_set(e, ERR_BAD_REQUEST, "%s: \"%s\" must be a path without line breaks",
                           call->name, key);
    }
    for (size_t i = 0; i < ARGS_MAX && call->args[i]; i++)
        if (has_mark(call->args[i], REQUIRED) && !json_object_get(given, bare(call->args[i])))
            return err_set(e, ERR_BAD_REQUEST, "%s: \"%s\" is missing", call->name,
                           bare(call->args[i]));
    return 0;
}

static int find_call(const char *name, const struct call **ret, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (str_eq(calls[i].name, name)) {
            *ret = &calls[i];
            return 0;
        }
    }
    if (verb_of(name) != VERB_N)
        return err_set(e, ERR_UNSUPPORTED, "%s is not there yet", name);
    const char *near = str_nearest(name, call_name);
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, name, strlen(name) < 40 ? strlen(name) : 40);
    return err_set(e, ERR_NO_SUCH_VERB,
                   near ? "there is no call %s; did you mean %s?" : "there is no call %s",
                   shown.data, near);
}

void calls_dispatch(void *daemon, struct request *r, const char *name)
{
    const struct call *call = NULL;
    struct err e;

    if (find_call(name, &call, &e) < 0) {
        request_fail(r, &e, NULL);
        return;
    }
    r->name = call->name;
    int ok = 0;
    if (client_role(r->client) < call->role)
        ok = err_set(&e, ERR_NOT_ALLOWED, "%s needs the role %s; %s has the role %s", call->name,
                     role_name(call->role), client_actor(r->client),
                     role_name(client_role(r->client)));
    if (ok == 0)
        ok = check_args(call, r->args, &e);
    if (ok == 0)
        call->run(daemon, r);
    else
        request_fail(r, &e, NULL);
}

struct domain *calls_domain(struct daemon *d, struct request *r)
{
    struct err e;
    const char *word = json_get_string(r->args, "domain", "");
    struct domain *dom = engine_find(&d->engine, word, &e);

    if (!dom)
        request_fail(r, &e, json_pack("{s:s}", "domain", word));
    return dom;
}

void calls_refuse(struct daemon *d, struct request *r, const struct domain *dom, enum verb verb,
                  const struct err *e)
{
    json_t *detail = json_object();

    if (dom)
        json_set_string(detail, "domain", dom->r->name);
    if (dom && (e->code == ERR_WRONG_STATE || e->code == ERR_EXISTS) && verb != VERB_N) {
        enum state states[ST_N], state = engine_state(&d->engine, dom);
        json_t *expected = json_array(), *try = json_array();
        size_t count = lifecycle_expected(verb, dom->r->managed, states);
        const struct outcome *out = lifecycle_outcome(verb, state, dom->r->managed);
        for (size_t i = 0; i < count; i++)
            json_array_append_new(expected, json_string(state_name(states[i])));
        for (size_t i = 0;
             out->kind == OUT_REFUSES && i < LIFECYCLE_TRY_MAX && out->try[i] != VERB_N; i++)
            json_array_append_new(try, json_string(verb_name(out->try[i])));
        json_set_string(detail, "state", state_name(state));
        json_set_string(detail, "verb", verb_name(verb));
        json_object_set_new(detail, "expected", expected);
        json_object_set_new(detail, "try", try);
    }
    request_fail(r, e, detail);
}

/* A request that waits for its job. */
struct job_call {
    struct daemon *daemon;
    struct request *request;
    struct job *job;
    enum verb verb;
    json_t *warnings; /* owned; an array */
    uv_timer_t timer; /* shows progress */
    int64_t shown_bytes;
};

static void job_call_freed(uv_handle_t *handle)
{
    struct job_call *call = handle->data;

    json_decref(call->warnings);
    free(call);
}

/* The client went away: the job goes on. */
static void job_call_drop(struct request *r)
{
    struct job_call *call = r->state;

    job_forget(call->job, call);
    uv_close((uv_handle_t *)&call->timer, job_call_freed);
}

static json_t *result_json(struct daemon *d, const struct job *j, const struct domain *dom)
{
    json_t *result = json_object();

    json_object_set_new(result, "job", j ? job_json(j) : json_null());
    json_object_set_new(result, "domain", dom ? view_domain(&d->engine, dom, false) : json_null());
    return result;
}

static void add_warnings(json_t *warnings, const char *lines)
{
    AUTO_FREE char *copy = x_strdup(lines);
    char *rest = NULL;

    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(warnings, json_string(line));
}

static void set_message(json_t *result, const struct job *j, enum verb verb, bool managed)
{
    AUTO_STR struct str text = {0};
    /* One that was made paused is as one that was paused: shutdown, say, is refused. */
    const char *hint =
        j->args.paused ? lifecycle_done_hint(VERB_PAUSE) : lifecycle_done_hint_of(verb, managed);

    str_add(&text, j->message);
    if (hint && hint[0] && !strchr(j->message, '('))
        str_addf(&text, " (%s)", hint);
    json_set_string(result, "message", text.data);
}

static void on_job_end(void *arg, struct job *j)
{
    struct job_call *call = arg;
    struct request *r = call->request;
    /* An abandoned job has no domain, and its thread may still work on the rest of it. */
    struct domain *dom = j->domain && !j->gone ? j->domain : NULL;

    r->drop = NULL;
    if (j->result < 0) {
        json_t *detail = json_pack("{s:s, s:o}", "domain", j->rec.name, "job", job_json(j));
        request_fail(r, &j->err, detail);
    } else {
        json_t *result = result_json(call->daemon, j, dom);
        if (j->details)
            json_object_update(result, j->details);
        set_message(result, j, call->verb, !j->gone && dom && dom->r->managed);
        add_warnings(call->warnings, j->warnings);
        json_object_set(result, "warnings", call->warnings);
        request_return(r, result);
    }
    uv_close((uv_handle_t *)&call->timer, job_call_freed);
}

static void on_progress(uv_timer_t *timer)
{
    struct job_call *call = timer->data;
    int64_t done = (int64_t)atomic_load(&call->job->done_bytes);

    if (done == call->shown_bytes)
        return;
    call->shown_bytes = done;
    request_interim(call->request, "progress", json_pack("{s:o}", "job", job_json(call->job)));
}

json_t *calls_asked(const struct request *r)
{
    static const char *const not_told[] = {"domain", "wait", "progress", "config"};
    json_t *asked = json_deep_copy(r->args), *overrides, *item;
    size_t i;

    if (!asked)
        return json_object();
    for (i = 0; i < ARRAY_LEN(not_told); i++)
        json_object_del(asked, not_told[i]);
    overrides = json_object_get(asked, "overrides");
    json_array_foreach(overrides, i, item)
    {
        const char *text = json_is_string(item) ? json_string_value(item) : "";
        if (strstr(text, "vncpasswd"))
            json_array_set_new(overrides, i,
                               json_sprintf("%.*s=...", (int)strcspn(text, "= "), text));
    }
    return asked;
}

void calls_job(struct daemon *d, struct request *r, struct domain *dom, enum verb verb,
               struct job *j, bool same, json_t *lines, const struct err *e)
{
    if (!j && !same) {
        json_decref(lines);
        calls_refuse(d, r, dom, verb, e);
        return;
    }
    if (!j || !json_get_bool(r->args, "wait", true)) {
        /* The job may have ended already, and its domain with it. */
        json_t *result = result_json(d, j, j ? j->domain : dom);
        AUTO_STR struct str text = {0};
        if (!j) {
            str_addf(&text, "%s ", dom->r->name);
            lifecycle_same_text(verb, engine_state(&d->engine, dom), &text);
            json_set_string(result, "message", text.data);
        }
        json_object_set_new(result, "warnings", lines ? lines : json_array());
        request_return(r, result);
        return;
    }
    struct job_call *call = x_calloc(1, sizeof *call);
    call->daemon = d;
    call->request = r;
    call->job = j;
    call->verb = verb;
    call->warnings = lines ? lines : json_array();
    call->timer.data = call;
    uv_timer_init(d->loop, &call->timer);
    r->state = call;
    r->drop = job_call_drop;
    if (json_get_bool(r->args, "progress", false)) {
        request_interim(r, "started", json_pack("{s:o}", "job", job_json(j)));
        uv_timer_start(&call->timer, on_progress, PROGRESS_MS, PROGRESS_MS);
    }
    job_wait(j, on_job_end, call);
}

/* ---- work on libuv's threads ---- */

struct queued {
    uv_work_t own;
    uv_work_t *work; /* the caller's */
    uv_work_cb run;
    uv_after_work_cb after;
    struct daemon *daemon;
};

static void queued_run(uv_work_t *own)
{
    struct queued *q = own->data;

    q->run(q->work);
}

static void queued_after(uv_work_t *own, int status)
{
    struct queued *q = own->data;

    q->daemon->working--;
    q->after(q->work, status);
    free(q);
}

void calls_work(struct daemon *d, uv_work_t *work, uv_work_cb run, uv_after_work_cb after)
{
    struct queued *q = x_calloc(1, sizeof *q);

    q->work = work;
    q->run = run;
    q->after = after;
    q->daemon = d;
    q->own.data = q;
    d->working++;
    uv_queue_work(d->loop, &q->own, queued_run, queued_after);
}
