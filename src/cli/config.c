/* SPDX-License-Identifier: MIT */
/* config: a domain's stored config, shown, changed and compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/change.h"
#include "cli/run.h"

enum { CHANGE_LIMIT_MS = 60000 };

/* Left out of a table: nobody reads a long list of disks in a cell. */
enum { CELL_MAX = 60 };

/* ---- show ---- */

static json_t *read_domain(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    json_set_string(args, "domain", cmd->options.operands[1]);
    if (command_connect(cmd, e) < 0)
        return NULL;
    return client_call(&cmd->client, "show", TAKE(args), CLIENT_LIMIT_MS, e);
}

/* The text of `key`, which viewers do not get. */
static const char *config_of(const json_t *domain, const char *key, struct err *e)
{
    const char *text = json_get_string(domain, key, NULL);

    if (!text)
        err_set(e, ERR_NOT_ALLOWED,
                "the config of %s is not shown to you: it needs the role operator",
                json_get_string(domain, "name", ""));
    return text;
}

static int show(struct command *cmd, struct err *e)
{
    static const char *const keys[] = {"name",       "uuid",        "config",
                                       "config_tag", "live_config", "directory"};
    AUTO_JSON json_t *domain = read_domain(cmd, e);
    const char *text = domain ? config_of(domain, "config", e) : NULL;

    if (!text)
        return -1;
    if (cmd->format == PRINT_JSON) {
        AUTO_JSON json_t *answer = json_object();
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            json_object_set(answer, keys[i], json_object_get(domain, keys[i]));
        return print_json(answer, e);
    }
    AUTO_STR struct str to = {0};
    str_add(&to, text);
    if (to.len > 0 && to.data[to.len - 1] != '\n')
        str_addc(&to, '\n');
    return print_out(&to, e);
}

/* ---- tables ---- */

static void add_cell(const char *text, bool people, struct str *to)
{
    size_t len = strlen(text);
    bool cut = people && len > CELL_MAX;

    str_add_escaped(to, text, cut ? CELL_MAX : len);
    if (cut)
        str_add(to, "...");
}

#define CELL(key)                                                                                  \
    static void cell_##key(const json_t *row, bool people, struct str *to)                         \
    {                                                                                              \
        add_cell(json_get_string(row, #key, ""), people, to);                                      \
    }

CELL(key)
CELL(old)
CELL(new)
CELL(acts)
CELL(at)
CELL(actor)

static void cell_version(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_addf(to, "%jd", (intmax_t)json_get_int(row, "version", 0));
}

static void cell_changed(const json_t *row, bool people, struct str *to)
{
    AUTO_STR struct str keys = {0};
    size_t i;
    json_t *key;

    json_array_foreach(json_object_get(row, "changed"), i, key)
        str_addf(&keys, "%s%s", i ? " " : "", json_string_value(key));
    add_cell(keys.data ? keys.data : "", people, to);
}

static const struct column change_columns[] = {
    {"key",  "KEY",  false, cell_key },
    {"old",  "FROM", false, cell_old },
    {"new",  "TO",   false, cell_new },
    {"acts", "ACTS", false, cell_acts},
};

static const struct column version_columns[] = {
    {"version", "VERSION", true,  cell_version},
    {"at",      "AT",      false, cell_at     },
    {"actor",   "ACTOR",   false, cell_actor  },
    {"changed", "CHANGED", false, cell_changed},
};

enum { COLUMNS = 4 };

static int print_table(const struct command *cmd, const struct column *columns, size_t count,
                       const json_t *rows, struct err *e)
{
    const struct column *all[COLUMNS];
    AUTO_STR struct str to = {0};

    for (size_t i = 0; i < count; i++)
        all[i] = &columns[i];
    print_rows(all, count, rows, cmd->format, &to);
    return print_out(&to, e);
}

/* ---- history and diff ---- */

static int ask(struct command *cmd, const char *call, json_t *args, const char *member,
               const struct column *columns, size_t count, struct err *e)
{
    if (command_connect(cmd, e) < 0) {
        json_decref(args);
        return -1;
    }
    AUTO_JSON json_t *answer = client_call(&cmd->client, call, args, CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    return print_table(cmd, columns, count, json_object_get(answer, member), e);
}

static int history(struct command *cmd, struct err *e)
{
    json_t *args = json_object();

    json_set_string(args, "domain", cmd->options.operands[1]);
    return ask(cmd, "config-history", args, "versions", version_columns, 4, e);
}

static int diff(struct command *cmd, struct err *e)
{
    static const char *const names[] = {"domain", "from", "to"};
    json_t *args = json_object();

    for (size_t i = 1; i < cmd->options.operand_count; i++)
        json_set_string(args, names[i - 1], cmd->options.operands[i]);
    return ask(cmd, "config-diff", args, "changes", change_columns, 3, e);
}

/* ---- set and edit ---- */

static int report(const struct command *cmd, const json_t *answer, bool lists, struct err *e)
{
    const json_t *changes = json_object_get(answer, "changes");
    const json_t *job = json_object_get(answer, "job");
    AUTO_STR struct str line = {0};

    print_warnings(json_object_get(answer, "warnings"));
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    if (cmd->options.given[OPT_NO_WAIT] && json_is_object(job)) {
        str_addf(&line, "job:%jd\n", (intmax_t)json_get_int(job, "id", 0));
        return print_out(&line, e);
    }
    if (cmd->options.given[OPT_QUIET])
        return 0;
    print_sentence(json_get_string(answer, "message", "done"), &line);
    str_addc(&line, '\n');
    if (print_out(&line, e) < 0)
        return -1;
    return lists && json_array_size(changes) > 0 ? print_table(cmd, change_columns, 4, changes, e)
                                                 : 0;
}

static json_t *change_request(struct command *cmd, struct err *e)
{
    json_t *args = change_args(cmd, e);

    if (args) {
        json_object_del(args, "progress");
        json_set_string(args, "domain", cmd->options.operands[1]);
    }
    return args;
}

static int set(struct command *cmd, struct err *e)
{
    json_t *args = change_request(cmd, e), *words = json_array();

    for (size_t i = 2; i < cmd->options.operand_count; i++)
        json_array_append_new(words, json_text(cmd->options.operands[i]));
    if (!args || command_connect(cmd, e) < 0) {
        json_decref(words);
        json_decref(args);
        return -1;
    }
    json_object_set_new(args, "overrides", words);
    AUTO_JSON json_t *answer = client_call(&cmd->client, "config-set", args, CHANGE_LIMIT_MS, e);
    return answer ? report(cmd, answer, false, e) : -1;
}

/* One text in an editor, from the domain's config until it is stored or given up. */
struct session {
    struct command *cmd;
    const char *name; /* of the domain */
    const char *tag;
    const char *before;
    char *path; /* owned; the file; NULL before the first time */
    char *text; /* owned; what it held last */
};

static json_t *store(struct session *s, struct err *e)
{
    json_t *args = change_request(s->cmd, e);

    if (!args)
        return NULL;
    json_t *text = json_string(s->text);
    if (!text) {
        json_decref(args);
        err_set(e, ERR_BAD_CONFIG, "%s: it is not UTF-8", s->path);
        return NULL;
    }
    json_object_set_new(args, "config", text);
    json_set_string(args, "file", s->path ? s->path : s->name);
    json_set_string(args, "if_match", s->tag);
    /* The daemon may have been restarted while the text was written. */
    client_close(&s->cmd->client);
    if (command_connect(s->cmd, e) < 0) {
        json_decref(args);
        return NULL;
    }
    return client_call(&s->cmd->client, "config-set", args, CHANGE_LIMIT_MS, e);
}

/* Whether to open the editor again: only a person at a terminal can say. A change by somebody else
 * is not mended by more editing of this text. */
static bool again(const struct session *s, const struct err *e)
{
    char line[16];

    if (e->code == ERR_STALE || e->code == ERR_UNREACHABLE || e->code == ERR_NOT_ALLOWED ||
        s->cmd->format == PRINT_JSON || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    print_failure(e->msg);
    fputs("edit it again? [Y/n] ", stderr);
    fflush(stderr);
    return fgets(line, sizeof line, stdin) && !strchr("nN", line[0]);
}

/* Gives up: the text stays where there is something of the user's in it. */
static int give_up(struct session *s, struct err *e)
{
    if (!s->path || !s->text || str_eq(s->text, s->before)) {
        if (s->path)
            editor_remove(s->path);
        return -1;
    }
    AUTO_FREE char *why = x_strdup(e->msg);
    struct err kept = *e;
    err_set(e, kept.code, "%s; nothing was changed, your text is in %s", why, s->path);
    str_copy(e->file, sizeof e->file, kept.file);
    str_copy(e->key, sizeof e->key, kept.key);
    e->line = kept.line;
    if (s->cmd->client.error)
        json_set_string(s->cmd->client.error, "message", e->msg);
    return -1;
}

static int edit_until_stored(struct session *s, struct err *e)
{
    for (;;) {
        char *text = NULL;
        if (editor_run(s->name, s->before, &s->path, &text, e) < 0)
            return give_up(s, e);
        x_replace(&s->text, text);
        if (str_eq(s->text, s->before)) {
            AUTO_STR struct str line = {0};
            editor_remove(s->path);
            str_addf(&line, "the config of %s was not changed\n", s->name);
            return s->cmd->format == PRINT_JSON ? 0 : print_out(&line, e);
        }
        AUTO_JSON json_t *answer = store(s, e);
        if (answer) {
            editor_remove(s->path);
            return report(s->cmd, answer, true, e);
        }
        if (!again(s, e))
            return give_up(s, e);
    }
}

/* What cannot be stored now is refused before somebody has typed it. The daemon has the words, and
 * the same text again changes nothing. */
static bool may_change(struct session *s, const json_t *domain, struct err *e)
{
    size_t i;
    json_t *verb;

    json_array_foreach(json_object_get(domain, "can"), i,
                       verb) if (str_eq(json_string_value(verb), "config-set")) return true;
    s->text = x_strdup(s->before);
    AUTO_JSON json_t *answer = store(s, e);
    return answer != NULL;
}

static int edit(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *domain = read_domain(cmd, e);
    struct session s = {.cmd = cmd};

    s.before = domain ? config_of(domain, "config", e) : NULL;
    if (!s.before)
        return -1;
    s.name = json_get_string(domain, "name", "");
    s.tag = json_get_string(domain, "config_tag", "");
    int result = may_change(&s, domain, e) ? edit_until_stored(&s, e) : -1;
    free(s.path);
    free(s.text);
    return result;
}

/* ---- the row ---- */

static const struct noun {
    const char *name;
    size_t min, max; /* operands, with its own name and DOMAIN; max 0: any number */
    bool changes;    /* takes --next-boot and --no-wait */
    bool csv;
    verb_run *run;
    const char *usage;
} nouns[] = {
    {"show",    2, 2, false, false, show,    "show DOMAIN"             },
    {"edit",    2, 2, true,  false, edit,    "edit DOMAIN"             },
    {"set",     3, 0, true,  false, set,     "set DOMAIN key=value ..."},
    {"history", 2, 2, false, true,  history, "history DOMAIN"          },
    {"diff",    2, 4, false, true,  diff,    "diff DOMAIN [FROM [TO]]" },
};

static const char *noun_at(size_t i)
{
    return i < ARRAY_LEN(nouns) ? nouns[i].name : NULL;
}

static const struct noun *find_noun(const char *word, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
        if (str_eq(nouns[i].name, word))
            return &nouns[i];
    const char *near = str_nearest(word, noun_at);
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, word, strnlen(word, 40));
    err_set(e, ERR_BAD_REQUEST,
            near ? "config has no \"%s\"; did you mean config %s?"
                 : "config has no \"%s\": it is show, edit, set, history or diff",
            shown.len ? shown.data : "", near);
    return NULL;
}

int run_config(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    const struct noun *noun = find_noun(o->operands[0], e);

    if (!noun)
        return -1;
    if (o->operand_count < noun->min || (noun->max && o->operand_count > noun->max))
        return err_set(e, ERR_BAD_REQUEST, "config %s takes %s operands: reeve config %s",
                       noun->name, o->operand_count < noun->min ? "more" : "fewer", noun->usage);
    if (!noun->changes && (o->given[OPT_NEXT_BOOT] || o->given[OPT_NO_WAIT]))
        return err_set(e, ERR_BAD_REQUEST, "config %s changes nothing: --%s is for set and edit",
                       noun->name, o->given[OPT_NO_WAIT] ? "no-wait" : "next-boot");
    if (cmd->format == PRINT_CSV && !noun->csv)
        return err_set(e, ERR_BAD_REQUEST,
                       "config %s prints no table: --format csv is for history and diff",
                       noun->name);
    return noun->run(cmd, e);
}
