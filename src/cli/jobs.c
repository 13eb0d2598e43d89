/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"
#include "core/names.h"

enum { WAIT_SLACK_MS = 10000 };

static void add_text(const json_t *row, const char *key, struct str *to)
{
    const char *text = json_get_string(row, key, "");

    str_add_escaped(to, text, strlen(text));
}

static void cell_id(const json_t *row, bool people, struct str *to)
{
    str_addf(to, "%s%jd", people ? "job:" : "", (intmax_t)json_get_int(row, "id", 0));
}

static void cell_verb(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_text(row, "verb", to);
}

static void cell_domain(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_text(row, "domain", to);
}

static void cell_phase(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_text(row, "phase", to);
}

static void cell_done(const json_t *row, bool people, struct str *to)
{
    /* Of a job that has ended the bytes say nothing that people want to know. */
    if (people && !json_is_string(json_object_get(row, "ended")))
        print_progress(row, to);
    else if (!people)
        str_addf(to, "%jd", (intmax_t)json_get_int(row, "done_bytes", 0));
}

static void add_time(const json_t *row, const char *key, bool people, struct str *to)
{
    if (people)
        print_age(json_get_string(row, key, NULL), to);
    else
        add_text(row, key, to);
}

static void cell_started(const json_t *row, bool people, struct str *to)
{
    add_time(row, "started", people, to);
}

static void cell_ended(const json_t *row, bool people, struct str *to)
{
    add_time(row, "ended", people, to);
}

static void cell_actor(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_text(row, "actor", to);
}

static void cell_error(const json_t *row, bool people, struct str *to)
{
    (void)people;
    print_sentence(json_get_string(json_object_get(row, "error"), "message", ""), to);
}

static const struct column columns[] = {
    {"job",     "JOB",     false, cell_id     },
    {"verb",    "VERB",    false, cell_verb   },
    {"domain",  "DOMAIN",  false, cell_domain },
    {"phase",   "PHASE",   false, cell_phase  },
    {"done",    "DONE",    true,  cell_done   },
    {"started", "STARTED", true,  cell_started},
    {"ended",   "ENDED",   true,  cell_ended  },
    {"actor",   "ACTOR",   false, cell_actor  },
    {"error",   "ERROR",   false, cell_error  },
};

int run_jobs(struct command *cmd, struct err *e)
{
    const struct column *all[ARRAY_LEN(columns)];
    AUTO_STR struct str text = {0};

    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *answer = client_call(&cmd->client, "jobs", NULL, CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        all[i] = &columns[i];
    print_rows(all, ARRAY_LEN(columns), json_object_get(answer, "jobs"), cmd->format, &text);
    return print_out(&text, e);
}

/* What the operand and --for name: a job, or a domain and a state. */
static json_t *wait_args(const struct options *o, struct err *e)
{
    const char *what = o->operands[0];
    AUTO_JSON json_t *args = json_object();
    int64_t job;

    if (str_starts(what, "job:")) {
        if (options_job(what, &job, e) < 0)
            return NULL;
        if (o->given[OPT_FOR]) {
            err_set(e, ERR_BAD_REQUEST, "a job is waited for until it ends: --for is for domains");
            return NULL;
        }
        json_set_int(args, "job", job);
        return TAKE(args);
    }
    if (!o->given[OPT_FOR]) {
        err_set(e, ERR_BAD_REQUEST, "wait needs --for STATE, or job:N instead of a domain");
        return NULL;
    }
    if (state_of(o->value[OPT_FOR]) == ST_N) {
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, o->value[OPT_FOR], strlen(o->value[OPT_FOR]));
        err_set(e, ERR_BAD_REQUEST,
                "--for %s is no state: give halted, running, paused, "
                "suspended, shutdown, crashed, broken or absent",
                shown.data ? shown.data : "\"\"");
        return NULL;
    }
    json_set_string(args, "domain", what);
    json_set_string(args, "state", o->value[OPT_FOR]);
    return TAKE(args);
}

int run_wait(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = wait_args(o, e);
    AUTO_STR struct str text = {0};
    int64_t ms = 0;

    if (!args)
        return -1;
    if (o->given[OPT_TIMEOUT]) {
        if (options_seconds(o->value[OPT_TIMEOUT], &ms, e) < 0)
            return -1;
        json_set_int(args, "timeout_ms", ms);
    }
    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *answer = client_call(&cmd->client, "wait", TAKE(args),
                                           o->given[OPT_TIMEOUT] ? ms + WAIT_SLACK_MS : 0, e);
    if (!answer)
        return -1;
    /* The wait went well; the job that was waited for may not have. */
    const json_t *error = json_object_get(json_object_get(answer, "job"), "error");
    if (json_is_object(error))
        return client_failed(&cmd->client, error, e);
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    const char *message = json_get_string(answer, "message", NULL);
    if (message && !o->given[OPT_QUIET]) {
        print_sentence(message, &text);
        str_addc(&text, '\n');
    }
    return print_out(&text, e);
}

/* Cancels one job. Returns 0, or -1 with *e and the error object in the client. */
static int cancel_one(struct command *cmd, int64_t job, json_t **ret, struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    json_set_int(args, "job", job);
    *ret = client_call(&cmd->client, "cancel", TAKE(args), CLIENT_LIMIT_MS, e);
    return *ret ? 0 : -1;
}

static int report_cancel(const struct command *cmd, int64_t job, const json_t *answer,
                         struct err *e)
{
    AUTO_STR struct str text = {0};
    const char *message = json_get_string(answer, "message", NULL);

    if (cmd->options.given[OPT_QUIET] || cmd->format != PRINT_TABLE)
        return 0;
    if (message)
        print_sentence(message, &text);
    else
        str_addf(&text, "cancelling job:%jd (wait job:%jd tells when it has ended)", (intmax_t)job,
                 (intmax_t)job);
    str_addc(&text, '\n');
    return print_out(&text, e);
}

int run_cancel(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_FREE int64_t *jobs = x_calloc(o->operand_count, sizeof *jobs);
    AUTO_JSON json_t *results = json_array();
    int status = 0;

    for (size_t i = 0; i < o->operand_count; i++)
        if (options_job(o->operands[i], &jobs[i], e) < 0)
            return -1;
    if (command_connect(cmd, e) < 0)
        return -1;
    for (size_t i = 0; i < o->operand_count; i++) {
        AUTO_JSON json_t *answer = NULL;
        struct err why;
        if (cancel_one(cmd, jobs[i], &answer, &why) < 0) {
            if (!cmd->client.error)
                return err_set(e, why.code, "%s", why.msg);
            status = status ? status : err_exit(why.code);
            answer = json_pack("{s:O}", "error", cmd->client.error);
            if (cmd->format == PRINT_TABLE)
                print_failure(why.msg);
        } else if (report_cancel(cmd, jobs[i], answer, e) < 0) {
            return -1;
        }
        json_array_append(results, answer);
    }
    if (cmd->format != PRINT_JSON)
        return status;
    AUTO_JSON json_t *list = json_pack("{s:O}", "results", results);
    if (print_json(o->operand_count == 1 ? json_array_get(results, 0) : list, e) < 0)
        return -1;
    return status;
}
