/* SPDX-License-Identifier: MIT */
/* The verbs that make, change and end domains. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/change.h"
#include "cli/run.h"
#include "conf/conf.h"
#include "core/names.h"

/* A path made absolute against our own folder, since the daemon has another. Owned by the
 * caller. */
static char *absolute(const char *path, struct err *e)
{
    AUTO_FREE char *here = NULL;

    if (path[0] == '/')
        return x_strdup(path);
    if (path[0] == '\0') {
        err_set(e, ERR_BAD_REQUEST, "a file's name cannot be empty");
        return NULL;
    }
    here = getcwd(NULL, 0);
    if (!here) {
        err_errno(e, ERR_FAILED, errno, "cannot find the current folder");
        return NULL;
    }
    return fs_join(here, path);
}

int set_path(json_t *args, const char *key, const char *path, struct err *e)
{
    AUTO_FREE char *whole = absolute(path, e);
    json_t *value = whole ? json_string(whole) : NULL;

    if (!whole)
        return -1;
    if (!value || json_object_set_new(args, key, value) < 0)
        return err_set(e, ERR_BAD_REQUEST, "a path must be UTF-8");
    return 0;
}

int run_set_level(const struct options *o, json_t *args, struct err *e)
{
    const char *text = o->value[OPT_LEVEL];
    char *end = NULL;

    if (!o->given[OPT_LEVEL])
        return 0;
    errno = 0;
    long level = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || level < -7 || level > 19) {
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, text, strlen(text));
        return err_set(
            e, ERR_BAD_REQUEST,
            "--level %s is none: give 1 to 19 (small), -1 (the default) to -7 (fast), or 0 "
            "(plain)",
            shown.data ? shown.data : "\"\"");
    }
    json_set_int(args, "level", level);
    return 0;
}

int run_set_as(const struct options *o, json_t *args, struct err *e)
{
    const char *as = o->given[OPT_AS] ? o->value[OPT_AS] : "reeve";

    if (!str_eq(as, "reeve") && !str_eq(as, "xl"))
        return err_set(e, ERR_BAD_REQUEST, "--as takes reeve or xl");
    if (str_eq(as, "xl") && o->given[OPT_LEVEL])
        return err_set(e, ERR_BAD_REQUEST,
                       "--level is not for --as xl: what xl restores is not packed");
    if (o->given[OPT_AS])
        json_set_string(args, "as", as);
    return run_set_level(o, args, e);
}

/* The operands from the second on are key=value words. */
static int set_overrides(json_t *args, const struct options *o, struct err *e)
{
    AUTO_JSON json_t *overrides = json_array();

    for (size_t i = 1; i < o->operand_count; i++) {
        const char *word = o->operands[i];
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, word, strlen(word));
        if (!strchr(word, '=') || word[0] == '=')
            return err_set(e, ERR_BAD_REQUEST, "%s is no key=value",
                           shown.data ? shown.data : "\"\"");
        if (json_array_append_new(overrides, json_string(word)) < 0)
            return err_set(e, ERR_BAD_REQUEST, "%s is not UTF-8", shown.data);
    }
    if (json_array_size(overrides) > 0 && json_object_set(args, "overrides", overrides) < 0)
        abort();
    return 0;
}

/* With --console: one domain, waited for, on a terminal's terms. */
static int check_console(const struct command *cmd, size_t targets, struct err *e)
{
    const struct options *o = &cmd->options;

    if (!o->given[OPT_CONSOLE])
        return 0;
    if (targets != 1)
        return err_set(e, ERR_BAD_REQUEST, "--console takes one domain");
    if (o->given[OPT_NO_WAIT] || o->given[OPT_DRY_RUN])
        return err_set(e, ERR_BAD_REQUEST, "--console cannot be used with --%s",
                       o->given[OPT_NO_WAIT] ? "no-wait" : "dry-run");
    if (cmd->format != PRINT_TABLE)
        return err_set(e, ERR_BAD_REQUEST, "--console cannot be used with --format json");
    return 0;
}

static void summarize(const struct command *cmd, const struct change *items, size_t count)
{
    size_t done = 0;

    if (cmd->format != PRINT_TABLE || cmd->options.given[OPT_QUIET])
        return;
    for (size_t i = 0; i < count; i++)
        done += json_object_get(items[i].answer, "return") != NULL;
    AUTO_FREE char *line = x_asprintf("%s --all: %zu of %zu done", cmd->row->name, done, count);
    print_failure(line);
}

static int run_changes(struct command *cmd, struct change *items, size_t count, struct err *e)
{
    bool list = cmd->row->run == run_all && cmd->options.given[OPT_ALL];
    int result = change_all(cmd, items, count, list, e);

    if (list && result >= 0)
        summarize(cmd, items, count);
    if (result == 0 && cmd->options.given[OPT_CONSOLE]) {
        const json_t *answer = json_object_get(items[0].answer, "return");
        const char *uuid =
            json_get_string(json_object_get(answer, "domain"), "uuid", items[0].target);
        result = console_attach(cmd, uuid, e);
    }
    change_finish(items, count);
    return result;
}

static int run_one(struct command *cmd, const char *target, json_t *args, struct err *e)
{
    struct change item = {.target = target, .args = args};

    return run_changes(cmd, &item, 1, e);
}

/* `domains` are what the daemon is asked for, `names` what people are told; both of `count`. */
static int run_targets(struct command *cmd, const char *const *domains, const char *const *names,
                       size_t count, struct err *e)
{
    AUTO_JSON json_t *args = change_args(cmd, e);
    AUTO_FREE struct change *items = x_calloc(count, sizeof *items);

    if (!args || check_console(cmd, count, e) < 0 || run_set_level(&cmd->options, args, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        items[i].target = names[i];
        items[i].args = json_copy(args);
        json_set_string(items[i].args, "domain", domains[i]);
    }
    return run_changes(cmd, items, count, e);
}

int run_life(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;

    return run_targets(cmd, o->operands, o->operands, o->operand_count, e);
}

/* The text of a config, read here with the user's own rights. Every failure is bad-config: the
 * file is the command's config. */
static int read_config(json_t *args, const char *path, struct err *e)
{
    AUTO_FREE char *text = NULL;
    size_t len;

    if (fs_read_file(path, CONF_TEXT_MAX, &text, &len, e) < 0)
        return err_set(e, ERR_BAD_CONFIG, "%s", e->msg);
    const char *nul = memchr(text, '\0', len);
    if (nul)
        return err_set(e, ERR_BAD_CONFIG, "cannot use %s: it is not text (byte %td is NUL)", path,
                       nul - text);
    json_t *config = json_stringn(text, len);
    if (!config || json_object_set_new(args, "config", config) < 0)
        return err_set(e, ERR_BAD_CONFIG, "cannot use %s: it is not UTF-8 text", path);
    return 0;
}

static int set_config(json_t *args, const char *path, struct err *e)
{
    AUTO_FREE char *folder = NULL;

    if (read_config(args, path, e) < 0) {
        str_copy(e->file, sizeof e->file, path);
        return -1;
    }
    if (set_path(args, "file", path, e) < 0)
        return -1;
    fs_split(json_get_string(args, "file", ""), &folder);
    json_set_string(args, "directory", folder);
    return 0;
}

int run_config_file(struct command *cmd, struct err *e)
{
    const char *path = cmd->options.operands[0];
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args || check_console(cmd, 1, e) < 0 || set_overrides(args, &cmd->options, e) < 0 ||
        set_config(args, path, e) < 0)
        return -1;
    json_set_string(args, "file", path);
    return run_one(cmd, path, TAKE(args), e);
}

int run_restore(struct command *cmd, struct err *e)
{
    const char *path = cmd->options.operands[0];
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args || check_console(cmd, 1, e) < 0 || set_overrides(args, &cmd->options, e) < 0 ||
        set_path(args, "file", path, e) < 0)
        return -1;
    return run_one(cmd, path, TAKE(args), e);
}

int run_save(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args)
        return -1;
    if (set_path(args, "file", o->operands[1], e) < 0 || run_set_as(o, args, e) < 0)
        return -1;
    json_set_string(args, "domain", o->operands[0]);
    return run_one(cmd, o->operands[0], TAKE(args), e);
}

int run_adopt(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;

    if (o->given[OPT_ALL] == (o->operand_count > 0))
        return err_set(e, ERR_BAD_REQUEST, "adopt takes domains, or --all, and not both");
    if (!o->given[OPT_ALL])
        return run_life(cmd, e);
    AUTO_JSON json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    json_set_bool(args, "all", true);
    return run_one(cmd, "all", TAKE(args), e);
}

/* A guest that --all means: it runs or is paused, and may be changed at all (Domain-0 and stub
 * domains may not). A paused one is asked too, so that its refusal is seen. */
static bool meant_by_all(const json_t *domain)
{
    enum state state = state_of(json_get_string(domain, "state", ""));
    const json_t *can = json_object_get(domain, "can");
    const json_t *verb;
    size_t i;

    if (state != ST_RUNNING && state != ST_PAUSED)
        return false;
    if (str_eq(json_get_string(domain, "name", ""), "Domain-0"))
        return false;
    json_array_foreach(can, i, verb) if (str_eq(json_string_value(verb), "destroy")) return true;
    return !json_is_array(can);
}

int run_all(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;

    if (o->given[OPT_ALL] == (o->operand_count > 0))
        return err_set(e, ERR_BAD_REQUEST, "%s takes domains, or --all, and not both",
                       cmd->row->name);
    if (!o->given[OPT_ALL])
        return run_life(cmd, e);
    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *answer = client_call(&cmd->client, "list", NULL, CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    const json_t *domains = json_object_get(answer, "domains");
    AUTO_FREE const char **uuids = x_calloc(json_array_size(domains) + 1, sizeof *uuids);
    AUTO_FREE const char **names = x_calloc(json_array_size(domains) + 1, sizeof *names);
    const json_t *domain;
    size_t i, count = 0;
    json_array_foreach(domains, i, domain)
    {
        if (!meant_by_all(domain))
            continue;
        uuids[count] = json_get_string(domain, "uuid", "");
        names[count++] = json_get_string(domain, "name", "");
    }
    return run_targets(cmd, uuids, names, count, e);
}
