/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"
#include "core/names.h"

enum { COLUMNS_MAX = 32 };

static void add_text(const json_t *row, const char *key, struct str *to)
{
    const char *text = json_get_string(row, key, "");

    str_add_escaped(to, text, strlen(text));
}

static void add_number(const json_t *row, const char *key, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_integer(value))
        str_addf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void add_mib(const json_t *row, const char *key, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_integer(value))
        str_addf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value) / 1024);
}

static void add_time(const json_t *row, const char *key, bool people, struct str *to)
{
    if (people)
        print_age(json_get_string(row, key, NULL), to);
    else
        add_text(row, key, to);
}

static void add_bool(const json_t *row, const char *key, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_boolean(value))
        str_add(to, json_is_true(value) ? "yes" : "no");
}

#define TEXT_CELL(key)                                                                             \
    static void cell_##key(const json_t *row, bool people, struct str *to)                         \
    {                                                                                              \
        (void)people;                                                                              \
        add_text(row, #key, to);                                                                   \
    }

TEXT_CELL(uuid)
TEXT_CELL(name)
TEXT_CELL(driver)
TEXT_CELL(state)
TEXT_CELL(reason)
TEXT_CELL(wanted)
TEXT_CELL(console)
TEXT_CELL(vnc)

static void cell_id(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "id", to);
}

static void cell_mem(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_mib(row, "memory_kib", to);
}

static void cell_max_mem(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_mib(row, "max_memory_kib", to);
}

static void cell_vcpus(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "vcpus", to);
}

static void cell_max_vcpus(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_number(row, "max_vcpus", to);
}

static void cell_cpu(const json_t *row, bool people, struct str *to)
{
    const json_t *value = json_object_get(row, "cpu_seconds");

    (void)people;
    if (json_is_number(value))
        str_addf(to, "%.1f", json_number_value(value));
}

static void cell_since(const json_t *row, bool people, struct str *to)
{
    add_time(row, "since", people, to);
}

static void cell_observed(const json_t *row, bool people, struct str *to)
{
    add_time(row, "observed_at", people, to);
}

static void cell_managed(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_bool(row, "managed", to);
}

static void cell_autostart(const json_t *row, bool people, struct str *to)
{
    (void)people;
    add_bool(row, "autostart", to);
}

/* "saving 43 %" */
static void cell_job(const json_t *row, bool people, struct str *to)
{
    const json_t *job = json_object_get(row, "job");
    const char *verb = json_get_string(job, "verb", NULL);

    if (!verb) {
        if (json_is_integer(job))
            str_addf(to, "job:%" JSON_INTEGER_FORMAT, json_integer_value(job));
        return;
    }
    const char *doing = verb;
    const struct verb_row *known;
    for (size_t i = 0; people && (known = verbs_row(i)); i++)
        if (str_eq(known->name, verb) && known->doing)
            doing = known->doing;
    str_add_escaped(to, doing, strlen(doing));
    size_t before = to->len + 1;
    str_addc(to, ' ');
    print_progress(job, to);
    if (to->len == before)
        to->data[--to->len] = '\0';
}

/* What one wants to know at night: what is being done, else why it is in its state. */
static void cell_note(const json_t *row, bool people, struct str *to)
{
    size_t before = to->len;

    cell_job(row, people, to);
    if (to->len == before)
        print_sentence(json_get_string(row, "reason_text", ""), to);
    if (to->len == before)
        add_text(row, "reason", to);
    if (json_is_false(json_object_get(row, "managed")))
        str_add(to, to->len == before ? "transient" : "; transient");
}

/* clang-format off */
static const struct column columns[] = {
    {"name",      "NAME",        false, cell_name},
    {"id",        "ID",          true,  cell_id},
    {"state",     "STATE",       false, cell_state},
    {"mem",       "MEM(MiB)",    true,  cell_mem},
    {"vcpus",     "VCPUS",       true,  cell_vcpus},
    {"cpu",       "CPU(s)",      true,  cell_cpu},
    {"since",     "SINCE",       true,  cell_since},
    {"note",      "NOTE",        false, cell_note},
    {"reason",    "REASON",      false, cell_reason},
    {"job",       "JOB",         false, cell_job},
    {"uuid",      "UUID",        false, cell_uuid},
    {"managed",   "MANAGED",     false, cell_managed},
    {"wanted",    "WANTED",      false, cell_wanted},
    {"autostart", "AUTOSTART",   false, cell_autostart},
    {"driver",    "DRIVER",      false, cell_driver},
    {"max_mem",   "MAXMEM(MiB)", true,  cell_max_mem},
    {"max_vcpus", "MAXVCPUS",    true,  cell_max_vcpus},
    {"observed",  "OBSERVED",    true,  cell_observed},
    {"console",   "CONSOLE",     false, cell_console},
    {"vnc",       "VNC",         false, cell_vnc},
    {0},
};
/* clang-format on */

#define DEFAULT_COLUMNS "name,id,state,mem,vcpus,cpu,since,note"

void list_column_names(struct str *to)
{
    for (size_t i = 0; columns[i].key; i++)
        str_addf(to, "%s%s", i ? ", " : "", columns[i].key);
}

/* The fields that a column is made of, where they are not named like it. */
static const struct {
    const char *key;
    const char *fields[4];
} made_of[] = {
    {"mem",      {"memory_kib"}                             },
    {"max_mem",  {"max_memory_kib"}                         },
    {"cpu",      {"cpu_seconds"}                            },
    {"observed", {"observed_at"}                            },
    {"note",     {"job", "reason", "reason_text", "managed"}},
};

/* Asks for what will be printed and no more: with many domains that is most of the time. */
static void ask_fields(json_t *args, const struct column *const *chosen, int count)
{
    json_t *fields = json_array();

    for (int i = 0; i < count; i++) {
        size_t row = 0;
        while (row < ARRAY_LEN(made_of) && !str_eq(made_of[row].key, chosen[i]->key))
            row++;
        if (row == ARRAY_LEN(made_of))
            json_array_append_new(fields, json_string(chosen[i]->key));
        for (size_t n = 0; row < ARRAY_LEN(made_of) && n < 4 && made_of[row].fields[n]; n++)
            json_array_append_new(fields, json_string(made_of[row].fields[n]));
    }
    json_object_set_new(args, "fields", fields);
}

static json_t *list_args(const struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = json_object();

    if (o->given[OPT_STATE]) {
        enum state state = state_of(o->value[OPT_STATE]);
        if (state == ST_N || state == ST_ABSENT) {
            AUTO_STR struct str shown = {0};
            str_add_escaped(&shown, o->value[OPT_STATE], strlen(o->value[OPT_STATE]));
            err_set(e, ERR_BAD_REQUEST,
                    "--state %s is none: give halted, running, paused, "
                    "suspended, shutdown, crashed or broken",
                    shown.data ? shown.data : "\"\"");
            return NULL;
        }
        json_set_string(args, "state", o->value[OPT_STATE]);
    }
    if (o->operand_count > 0) {
        json_t *names = json_array();
        for (size_t i = 0; i < o->operand_count; i++)
            json_array_append_new(names, json_string(o->operands[i]));
        json_object_set_new(args, "domains", names);
    }
    return TAKE(args);
}

int run_list(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    const struct column *chosen[COLUMNS_MAX];
    AUTO_STR struct str text = {0};
    int count =
        print_columns(columns, o->given[OPT_COLUMNS] ? o->value[OPT_COLUMNS] : DEFAULT_COLUMNS,
                      chosen, COLUMNS_MAX, e);

    if (count < 0)
        return -1;
    if (o->given[OPT_STATE] && o->operand_count > 0)
        return err_set(e, ERR_BAD_REQUEST, "list takes domains or --state, not both");
    if (o->given[OPT_LONG] && o->given[OPT_COLUMNS])
        return err_set(e, ERR_BAD_REQUEST, "--long shows every field: give it or --columns");
    if (o->given[OPT_LONG] && cmd->format == PRINT_CSV) {
        for (count = 0; columns[count].key; count++)
            chosen[count] = &columns[count];
    }
    AUTO_JSON json_t *args = list_args(cmd, e);
    if (!args || command_connect(cmd, e) < 0)
        return -1;
    if (cmd->format != PRINT_JSON && (!o->given[OPT_LONG] || cmd->format == PRINT_CSV))
        ask_fields(args, chosen, count);
    AUTO_JSON json_t *answer = client_call(&cmd->client, "list", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    const json_t *domains = json_object_get(answer, "domains");
    if (!o->given[OPT_LONG] || cmd->format == PRINT_CSV) {
        print_rows(chosen, (size_t)count, domains, cmd->format, &text);
        return print_out(&text, e);
    }
    const json_t *domain;
    size_t i;
    json_array_foreach(domains, i, domain)
    {
        if (i)
            str_addc(&text, '\n');
        print_fields(domain, &text);
    }
    return print_out(&text, e);
}

/* The config as written, set in under its title. */
static void add_config(const char *config, struct str *to)
{
    str_add(to, "config:\n");
    while (*config) {
        size_t len = strcspn(config, "\n");
        AUTO_FREE char *line = x_strndup(config, len);
        str_add(to, "    ");
        print_sentence(line, to);
        str_addc(to, '\n');
        config += len + (config[len] == '\n');
    }
}

static void add_figures(const json_t *one, const char *name, struct str *to)
{
    const char *device = json_get_string(one, str_eq(name, "disk ") ? "vdev" : "mac", "");
    const char *key;
    json_t *value;

    str_addf(to, "    %s", name);
    str_add_escaped(to, device, strlen(device));
    json_object_foreach((json_t *)one, key, value)
    {
        if (json_is_integer(value))
            str_addf(to, " %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    }
    str_addc(to, '\n');
}

/* What it has used since it was built, a device a line. */
static void add_counters(const json_t *counters, struct str *to)
{
    const json_t *one;
    size_t i;

    str_addf(to, "counters:\n    cpu_seconds=%.1f host_memory_kib=%jd balloon_kib=%jd\n",
             json_number_value(json_object_get(counters, "cpu_seconds")),
             (intmax_t)json_get_int(counters, "host_memory_kib", 0),
             (intmax_t)json_get_int(counters, "balloon_kib", 0));
    json_array_foreach(json_object_get(counters, "disks"), i, one) add_figures(one, "disk ", to);
    json_array_foreach(json_object_get(counters, "nics"), i, one) add_figures(one, "vif ", to);
}

int run_show(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    AUTO_STR struct str text = {0};

    json_set_string(args, "domain", cmd->options.operands[0]);
    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *domain = client_call(&cmd->client, "show", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!domain)
        return -1;
    if (cmd->format == PRINT_JSON)
        return print_json(domain, e);
    AUTO_JSON json_t *config = json_incref(json_object_get(domain, "config"));
    AUTO_JSON json_t *counters = json_incref(json_object_get(domain, "counters"));
    json_object_del(domain, "config");
    json_object_del(domain, "counters");
    print_fields(domain, &text);
    if (json_is_object(counters))
        add_counters(counters, &text);
    if (json_is_string(config))
        add_config(json_string_value(config), &text);
    return print_out(&text, e);
}
