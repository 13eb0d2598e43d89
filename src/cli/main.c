/* SPDX-License-Identifier: MIT */
/* reeve, the command line: finds the verb's row, reads its options and runs it. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

/* The one place where a failure is told: as JSON on stdout, or as a line on stderr. */
static int fail(const struct command *cmd, const struct err *e)
{
    struct err ignored;

    if (cmd->format != PRINT_JSON) {
        print_failure(e->msg);
        return err_exit(e->code);
    }
    AUTO_JSON json_t *own = json_object();
    json_set_string(own, "code", err_name(e->code));
    json_set_string(own, "message", e->msg);
    if (e->file[0])
        json_set_string(own, "file", e->file);
    AUTO_JSON json_t *document =
        json_pack("{s:O}", "error", cmd->client.error ? cmd->client.error : own);
    if (print_json(document, &ignored) < 0)
        print_failure(e->msg);
    return err_exit(e->code);
}

/* The verbs that are xl's. */
static int refuse_row(char *const *argv, int count, struct err *e)
{
    AUTO_STR struct str words = {0};

    for (int i = 0; i < count; i++) {
        str_addc(&words, ' ');
        str_add_escaped(&words, argv[i], strlen(argv[i]));
    }
    return err_set(e, ERR_UNSUPPORTED, "%s belongs to the host, not to a domain's life; type: xl%s",
                   argv[0], words.data);
}

static int check_operands(const struct verb_row *row, size_t count, struct err *e)
{
    if (count >= (size_t)row->min && (row->max < 0 || count <= (size_t)row->max))
        return 0;
    return err_set(e, ERR_BAD_REQUEST, "%s takes %s: reeve %s%s%s", row->name,
                   count < (size_t)row->min ? "more operands"
                   : row->max == 0          ? "no operands"
                                            : "fewer operands",
                   row->name, row->operands[0] ? " " : "", row->operands);
}

static int set_format(struct command *cmd, struct err *e)
{
    const char *text = cmd->options.value[OPT_FORMAT];

    return text ? print_format_of(text, &cmd->format, e) : 0;
}

/* Everything after the name of the program. Returns the exit status, or -1. */
static int run(struct command *cmd, char *const *argv, int count, struct err *e)
{
    struct options *o = &cmd->options;
    AUTO_STR struct str text = {0};

    o->sets[0] = verbs_global_options;
    int at = options_parse(o, "reeve", argv, count, true, e);
    if (at < 0 || set_format(cmd, e) < 0)
        return -1;
    if (o->given[OPT_VERSION]) {
        str_add(&text, "reeve " REEVE_VERSION "\n");
        return print_out(&text, e);
    }
    if (at == count && !o->given[OPT_HELP])
        return err_set(e, ERR_BAD_REQUEST, "no verb given; reeve help lists them");
    cmd->row = verbs_find(at == count ? "help" : argv[at], e);
    if (!cmd->row)
        return -1;
    if (!cmd->row->run && !o->given[OPT_HELP])
        return refuse_row(argv + at, count - at, e);
    o->sets[1] = cmd->row->kind == KIND_CHANGES ? verbs_wait_options : cmd->row->options;
    o->sets[2] = cmd->row->kind == KIND_CHANGES ? cmd->row->options : NULL;
    at += at < count;
    if (options_parse(o, cmd->row->name, argv + at, count - at, false, e) < 0 ||
        set_format(cmd, e) < 0)
        return -1;
    if (o->given[OPT_HELP] && !str_eq(cmd->row->name, "help")) {
        help_verb(cmd->row, &text);
        return print_out(&text, e);
    }
    if (cmd->format == PRINT_CSV && !cmd->row->csv)
        return err_set(e, ERR_BAD_REQUEST,
                       "%s prints no table: --format csv is for the verbs that "
                       "list",
                       cmd->row->name);
    if (check_operands(cmd->row, o->operand_count, e) < 0)
        return -1;
    return cmd->row->run(cmd, e);
}

int main(int argc, char **argv)
{
    struct command cmd = {.client = {.fd = -1}};
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    struct err e;
    int status;

    if (argc > 0 && str_eq(slash ? slash + 1 : argv[0], "xm"))
        status = err_set(&e, ERR_UNSUPPORTED,
                         "called as xm: its verbs and outputs come with a "
                         "later version; reeve has verbs of its own (reeve help)");
    else
        status = run(&cmd, argv + 1, argc > 0 ? argc - 1 : 0, &e);
    if (status < 0)
        status = fail(&cmd, &e);
    client_close(&cmd.client);
    options_finish(&cmd.options);
    return status;
}
