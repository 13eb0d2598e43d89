/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

static void add_text(const json_t *row, const char *key, struct str *to)
{
    const char *text = json_get_string(row, key, "");

    str_add_escaped(to, text, strlen(text));
}

#define TEXT_CELL(key)                                                                             \
    static void cell_##key(const json_t *row, bool people, struct str *to)                         \
    {                                                                                              \
        (void)people;                                                                              \
        add_text(row, #key, to);                                                                   \
    }

TEXT_CELL(at)
TEXT_CELL(domain)
TEXT_CELL(uuid)
TEXT_CELL(actor)
TEXT_CELL(verb)
TEXT_CELL(what)

static void cell_seq(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_addf(to, "%jd", (intmax_t)json_get_int(row, "seq", 0));
}

static void cell_text(const json_t *row, bool people, struct str *to)
{
    (void)people;
    print_sentence(json_get_string(row, "text", ""), to);
}

static const struct column columns[] = {
    {"seq",    "SEQ",    true,  cell_seq   },
    {"at",     "AT",     false, cell_at    },
    {"domain", "DOMAIN", false, cell_domain},
    {"uuid",   "UUID",   false, cell_uuid  },
    {"actor",  "ACTOR",  false, cell_actor },
    {"verb",   "VERB",   false, cell_verb  },
    {"what",   "WHAT",   false, cell_what  },
    {"text",   "TEXT",   false, cell_text  },
};

/* "12 2026-01-31T12:00:00.000Z web1 paused: by the user (uid 0 (root))" */
static void add_line(const json_t *event, struct str *to)
{
    const char *actor = json_get_string(event, "actor", NULL);
    const char *text = json_get_string(event, "text", NULL);
    const char *domain = json_get_string(event, "domain", NULL);

    cell_seq(event, true, to);
    str_addc(to, ' ');
    cell_at(event, true, to);
    str_addc(to, ' ');
    if (domain && domain[0]) {
        cell_domain(event, true, to);
        str_addc(to, ' ');
    }
    cell_what(event, true, to);
    if (text && text[0]) {
        str_add(to, ": ");
        print_sentence(text, to);
    }
    if (actor && actor[0]) {
        str_add(to, " (");
        print_sentence(actor, to);
        str_addc(to, ')');
    }
    str_addc(to, '\n');
}

static json_t *log_args(const struct options *o, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    const char *since = o->value[OPT_SINCE];
    int64_t at;

    if (o->operand_count > 0)
        json_set_string(args, "domain", o->operands[0]);
    if (!since)
        return TAKE(args);
    if (options_digits(since) && strlen(since) <= 18) {
        json_set_int(args, "since", strtoll(since, NULL, 10));
        return TAKE(args);
    }
    if (clock_parse(since, &at, e) < 0) {
        err_wrap(e, "--since takes a time like 2026-01-31T12:00:00Z or a sequence number");
        return NULL;
    }
    json_set_string(args, "since", since);
    return TAKE(args);
}

static int print_event(const struct command *cmd, const json_t *event, struct err *e)
{
    AUTO_STR struct str text = {0};
    const struct column *all[ARRAY_LEN(columns)];

    if (cmd->format == PRINT_JSON)
        return print_json(event, e);
    if (cmd->format == PRINT_TABLE) {
        add_line(event, &text);
        return print_out(&text, e);
    }
    AUTO_JSON json_t *one = json_pack("[O]", event);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        all[i] = &columns[i];
    print_rows(all, ARRAY_LEN(columns), one, PRINT_CSV, &text);
    /* The first line of CSV has been printed with what came before. */
    const char *end = strchr(text.data, '\n');
    AUTO_STR struct str row = {0};
    str_add(&row, end + 1);
    return print_out(&row, e);
}

static bool about(const json_t *event, const char *uuid)
{
    return !uuid || str_eq(json_get_string(event, "uuid", ""), uuid);
}

/* Says on stderr that rows which were asked for are not kept any more. */
static void tell_dropped(const json_t *answer)
{
    int64_t dropped = json_get_int(answer, "dropped", 0);

    if (dropped > 0)
        fprintf(stderr, "reeve: %jd older events are not kept any more\n", (intmax_t)dropped);
}

/* Prints log events as they come, until the connection ends. */
static int follow(struct command *cmd, int64_t since, const char *uuid, struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    json_set_int(args, "since", since);
    AUTO_JSON json_t *answer =
        client_call(&cmd->client, "subscribe", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    for (;;) {
        AUTO_JSON json_t *line = client_next(&cmd->client, 0, e);
        if (!line)
            return -1;
        const json_t *event = json_object_get(line, "data");
        if (!str_eq(json_get_string(line, "event", NULL), "log") || !about(event, uuid))
            continue;
        if (print_event(cmd, event, e) < 0)
            return -1;
    }
}

static int print_all(const struct command *cmd, const json_t *events, struct err *e)
{
    AUTO_STR struct str text = {0};
    const struct column *all[ARRAY_LEN(columns)];
    const json_t *event;
    size_t i;

    if (cmd->format == PRINT_CSV) {
        for (i = 0; i < ARRAY_LEN(columns); i++)
            all[i] = &columns[i];
        print_rows(all, ARRAY_LEN(columns), events, PRINT_CSV, &text);
    } else if (cmd->format == PRINT_JSON) {
        json_array_foreach(events, i, event)
        {
            json_add_line(&text, event);
            str_addc(&text, '\n');
        }
    } else {
        json_array_foreach(events, i, event) add_line(event, &text);
    }
    return print_out(&text, e);
}

/* The uuid of the domain whose events are followed, since events name it so. Owned by the
 * caller. */
static char *uuid_of(struct command *cmd, const char *domain, struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    json_set_string(args, "domain", domain);
    AUTO_JSON json_t *shown = client_call(&cmd->client, "show", TAKE(args), CLIENT_LIMIT_MS, e);
    return shown ? x_strdup(json_get_string(shown, "uuid", domain)) : NULL;
}

int run_log(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = log_args(o, e);
    AUTO_FREE char *uuid = NULL;

    if (!args || command_connect(cmd, e) < 0)
        return -1;
    if (o->given[OPT_FOLLOW] && o->operand_count > 0) {
        uuid = uuid_of(cmd, o->operands[0], e);
        if (!uuid)
            return -1;
    }
    AUTO_JSON json_t *answer = client_call(&cmd->client, "log", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    tell_dropped(answer);
    if (cmd->format == PRINT_JSON && !o->given[OPT_FOLLOW])
        return print_json(answer, e);
    const json_t *events = json_object_get(answer, "events");
    if (print_all(cmd, events, e) < 0)
        return -1;
    if (!o->given[OPT_FOLLOW])
        return 0;
    return follow(cmd, json_get_int(answer, "last", 0), uuid, e);
}
