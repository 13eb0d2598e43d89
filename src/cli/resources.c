/* SPDX-License-Identifier: MIT */
/* What a domain has: memory, virtual CPUs. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/change.h"
#include "cli/run.h"

int run_memory(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    int64_t kib;

    if (options_size(o->operands[1], &kib, e) < 0)
        return -1;
    json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    json_set_int(args, "memory_kib", kib);
    return change_one(cmd, o->operands[0], args, e);
}

int run_vcpu_set(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    int64_t vcpus;

    if (options_number(o->operands[1], "number of vcpus", &vcpus, e) < 0)
        return -1;
    json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    json_set_int(args, "vcpus", vcpus);
    return change_one(cmd, o->operands[0], args, e);
}

int run_vcpu_pin(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    bool all = str_eq(o->operands[1], "all");
    int64_t vcpu = 0;

    if (!all && options_number(o->operands[1], "vcpu", &vcpu, e) < 0)
        return -1;
    json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    if (!all)
        json_set_int(args, "vcpu", vcpu);
    json_set_string(args, "cpus", o->operands[2]);
    return change_one(cmd, o->operands[0], args, e);
}

/* ---- vcpu-list ---- */

static void cell_name(const json_t *row, bool people, struct str *to)
{
    const char *name = json_get_string(row, "domain", "");

    (void)people;
    str_add_escaped(to, name, strlen(name));
}

static void add_number(const json_t *row, const char *key, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_integer(value))
        str_addf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void cell_id(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "id", to);
}

static void cell_vcpu(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "vcpu", to);
}

static void cell_cpu(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "host_cpu", to);
}

static void cell_state(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_add(to, !json_get_bool(row, "online", false)   ? "offline"
                : json_get_bool(row, "running", false) ? "running"
                                                       : "idle");
}

static void cell_time(const json_t *row, bool people, struct str *to)
{
    (void)people;
    if (json_get_bool(row, "online", false))
        str_addf(to, "%.1f", json_number_value(json_object_get(row, "cpu_seconds")));
}

static void cell_affinity(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_add(to, json_get_string(row, "affinity", ""));
}

static const struct column vcpu_columns[] = {
    {"name",     "NAME",     false, cell_name    },
    {"id",       "ID",       true,  cell_id      },
    {"vcpu",     "VCPU",     true,  cell_vcpu    },
    {"cpu",      "CPU",      true,  cell_cpu     },
    {"state",    "STATE",    false, cell_state   },
    {"time",     "TIME(s)",  true,  cell_time    },
    {"affinity", "AFFINITY", false, cell_affinity},
};

/* The domains that a list without operands is of. New array of uuids; NULL with an error. */
static json_t *living(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *answer = client_call(&cmd->client, "list", NULL, CLIENT_LIMIT_MS, e);
    const json_t *domain;
    size_t i;

    if (!answer)
        return NULL;
    json_t *uuids = json_array();
    json_array_foreach(json_object_get(answer, "domains"), i, domain)
    {
        if (json_is_integer(json_object_get(domain, "id")))
            json_array_append(uuids, json_object_get(domain, "uuid"));
    }
    return uuids;
}

int list_rows(struct command *cmd, const char *key, const struct column *all, size_t count,
              struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *rows = json_array();
    AUTO_JSON json_t *document = json_object();
    const struct column *columns[16];
    AUTO_STR struct str text = {0};
    const json_t *uuid;
    int status = 0;
    size_t i;

    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *domains = o->operand_count ? json_array() : living(cmd, e);
    if (!domains)
        return -1;
    for (i = 0; i < o->operand_count; i++)
        json_array_append_new(domains, json_string(o->operands[i]));
    json_array_foreach(domains, i, uuid)
    {
        json_t *args = json_pack("{s:s}", "domain", json_string_value(uuid));
        AUTO_JSON json_t *answer =
            client_call(&cmd->client, cmd->row->name, args, CLIENT_LIMIT_MS, e);
        if (answer) {
            json_array_extend(rows, json_object_get(answer, key));
            continue;
        }
        if (json_array_size(domains) == 1)
            return -1;
        print_failure(e->msg);
        status = status ? status : err_exit(e->code);
    }
    json_object_set(document, key, rows);
    if (cmd->format == PRINT_JSON)
        return print_json(document, e) < 0 ? -1 : status;
    for (i = 0; i < count; i++)
        columns[i] = &all[i];
    print_rows(columns, count, rows, cmd->format, &text);
    return print_out(&text, e) < 0 ? -1 : status;
}

int run_vcpu_list(struct command *cmd, struct err *e)
{
    return list_rows(cmd, "vcpus", vcpu_columns, ARRAY_LEN(vcpu_columns), e);
}
