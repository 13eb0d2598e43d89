/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"
#include "core/lifecycle.h"
#include "core/names.h"

static const char *verb_at(size_t i)
{
    return i < VERB_N ? verb_name((enum verb)i) : NULL;
}

static enum verb find_verb(const char *word, struct err *e)
{
    enum verb verb = verb_of(word);

    if (verb != VERB_N)
        return verb;
    AUTO_STR struct str shown = {0};
    const char *near = str_nearest(word, verb_at);
    str_add(&shown, "");
    str_add_escaped(&shown, word, strlen(word));
    err_set(e, ERR_NO_SUCH_VERB, "\"%s\" is no verb that acts on a domain's life%s%s%s", shown.data,
            near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return VERB_N;
}

/* The domain's own state and kind, asked of the daemon. */
static int explain_domain(struct command *cmd, const char *domain, enum verb verb, struct str *to,
                          struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    json_set_string(args, "domain", domain);
    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *shown = client_call(&cmd->client, "show", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!shown)
        return -1;
    const char *word = json_get_string(shown, "state", "");
    enum state state = state_of(word);
    if (state == ST_N)
        return err_set(e, ERR_UNSUPPORTED,
                       "the daemon calls its state \"%s\", which this reeve "
                       "does not know",
                       word);
    AUTO_STR struct str name = {0};
    const char *raw = json_get_string(shown, "name", domain);
    str_add(&name, "");
    str_add_escaped(&name, raw, strlen(raw));
    bool managed = json_get_bool(shown, "managed", true);
    if (verb == VERB_N)
        explain_state(name.data, state, managed, to);
    else
        explain_verb_on(verb, name.data, state, managed, to);
    return 0;
}

static int explain(struct command *cmd, struct str *to, struct err *e)
{
    const struct options *o = &cmd->options;

    if (o->operand_count == 0) {
        explain_all(to);
        return 0;
    }
    if (o->operand_count == 2) {
        enum verb verb = find_verb(o->operands[1], e);
        return verb == VERB_N ? -1 : explain_domain(cmd, o->operands[0], verb, to, e);
    }
    enum verb verb = verb_of(o->operands[0]);
    if (verb == VERB_N)
        return explain_domain(cmd, o->operands[0], VERB_N, to, e);
    explain_verb(verb, to);
    return 0;
}

int run_explain(struct command *cmd, struct err *e)
{
    AUTO_STR struct str text = {0};

    if (explain(cmd, &text, e) < 0)
        return -1;
    if (cmd->format == PRINT_TABLE)
        return print_out(&text, e);
    AUTO_JSON json_t *document = json_object();
    json_set_string(document, "text", text.data);
    return print_json(document, e);
}
