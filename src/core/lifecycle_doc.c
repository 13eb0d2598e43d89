/* SPDX-License-Identifier: MIT */
/* docs/lifecycle.md and the golden file, printed from the same rows and texts that refuse and
 * explain. */
#include <ctype.h>

#include "core/explain.h"
#include "core/verb_text.h"

/* Text in a table cell: "|" would end it. */
static void add_text(struct str *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            str_addc(to, '\\');
        str_addc(to, *text);
    }
}

static void add_states(struct str *to)
{
    str_add(to, "## States\n\n| state | what it means |\n|---|---|\n");
    for (int s = ST_HALTED; s < ST_N; s++) {
        str_addf(to, "| `%s` | ", state_name((enum state)s));
        add_text(to, explain_state_text((enum state)s));
        str_add(to, " |\n");
    }
    str_add(to,
            "\nA domain is *managed* (made with `new`, or with `adopt`): it survives its own end. "
            "Or it is\n*transient* (made with `create`, or with `restore`): it is gone when it "
            "ends. *Absent* means\nthat there is no record of it.\n\nA live guest whose record "
            "is broken is shown in its real state, with the reason.\n\n");
}

static void add_cells(enum verb verb, bool managed, struct str *to)
{
    for (int s = 0; s < ST_N; s++) {
        enum state from = (enum state)s;
        str_addc(to, ' ');
        if (managed || explain_kinds_differ(verb, from))
            explain_cell(lifecycle_outcome(verb, from, managed), verb, true, to);
        str_add(to, " |");
    }
    str_addc(to, '\n');
}

static bool any_differ(enum verb verb)
{
    for (int s = 0; s < ST_N; s++)
        if (explain_kinds_differ(verb, (enum state)s))
            return true;
    return false;
}

static void add_table(struct str *to)
{
    str_add(to,
            "## The table\n\n"
            "`-> x` moves there · `=` changes nothing, says so, exit 0 · `stays` is done, and the "
            "state stays ·\n`stored` changes the stored config for the next boot · `x: v` is "
            "refused (exit 4; of an absent\ndomain, 3), changes nothing and names the verbs that "
            "would work, or the option that it takes.\n\n"
            "A second row is for transient domains, where they differ.\n\n"
            "| verb |");
    for (int s = 0; s < ST_N; s++)
        str_addf(to, " %s |", state_name((enum state)s));
    str_add(to, "\n|---|");
    for (int s = 0; s < ST_N; s++)
        str_add(to, "---|");
    str_addc(to, '\n');
    for (int v = 0; v < VERB_N; v++) {
        str_addf(to, "| **%s** |", verb_name((enum verb)v));
        add_cells((enum verb)v, true, to);
        if (!any_differ((enum verb)v))
            continue;
        str_addf(to, "| %s, transient |", verb_name((enum verb)v));
        add_cells((enum verb)v, false, to);
    }
    str_add(
        to,
        "\nBeyond the table:\n\n"
        "- `save` and `suspend` of a paused domain: where the driver cannot, refused: `unpause` "
        "it first.\n"
        "- `save` of a suspended domain: `image export` copies the saved state that it has "
        "already.\n"
        "- `restore` into a halted domain: when the file was saved from that domain (same "
        "uuid).\n"
        "- `resume` and `restore` lead to paused when the guest was paused, or with "
        "`--paused`.\n"
        "- `resume --force` of a broken domain: when its saved state is spent and its disks "
        "are unchanged.\n"
        "- `destroy` of a broken domain: when the driver still has something of it.\n"
        "- `new --replace` of a live domain stores the config for its next boot; the state "
        "stays.\n"
        "- `block-attach`, `network-attach` and `cd-insert` are rows of attach, "
        "`block-detach`,\n  `network-detach` and `cd-eject` of detach, `config set` of "
        "config-set.\n"
        "- Domain-0 and stub domains are listed and shown; every verb that changes something "
        "refuses them.\n\n");
}

static void add_verbs(struct str *to)
{
    str_add(to, "## Verbs and their counterparts\n\n| verb | counterpart | what it does "
                "|\n|---|---|---|\n");
    for (int v = 0; v < VERB_N; v++) {
        enum verb back = lifecycle_counterpart((enum verb)v);
        str_addf(to, "| `%s` | ", verb_text((enum verb)v)->usage);
        if (back != VERB_N)
            str_addf(to, "`%s`", verb_name(back));
        str_add(to, " | ");
        add_text(to, verb_text((enum verb)v)->what);
        str_add(to, " |\n");
    }
    str_addc(to, '\n');
}

static void add_tools(struct str *to)
{
    str_add(to, "## What other tools call it\n\nThe same word means different things. `-`: the "
                "tool has nothing like it.\n\n| reeve |");
    for (int i = 0; i < TOOL_N; i++)
        str_addf(to, " %s |", tool_name((enum tool)i));
    str_add(to, " where that misleads |\n|---|");
    for (int i = 0; i < TOOL_N; i++)
        str_add(to, "---|");
    str_add(to, "---|\n");
    for (int v = 0; v < VERB_N; v++) {
        const struct verb_text *t = verb_text((enum verb)v);
        str_addf(to, "| **%s** |", verb_name((enum verb)v));
        for (int i = 0; i < TOOL_N; i++)
            str_addf(to, " %s |", t->named[i]);
        str_addc(to, ' ');
        add_text(to, t->beware);
        str_add(to, *t->beware ? " |\n" : "|\n");
    }
    str_addc(to, '\n');
}

static void add_reasons(struct str *to)
{
    str_add(to, "## Reasons\n\nWhy a domain is in its state: `reason` is one of these words, "
                "`reason_text` says it in a sentence,\nwhich may be more exact than the one "
                "here. A domain without a reason has none of them.\n\n| reason | what it says "
                "|\n|---|---|\n");
    for (int i = REASON_NONE + 1; i < REASON_N; i++) {
        const char *text = reason_text((enum reason)i);
        str_addf(to, "| `%s` | %c", reason_name((enum reason)i), toupper((unsigned char)*text));
        add_text(to, text + 1);
        str_add(to, ". |\n");
    }
}

void lifecycle_document(struct str *to)
{
    str_add(to, "# The life of a domain\n\n"
                "This page is printed by `lifecycle_print doc` from the table in "
                "src/core/lifecycle.c, which also\nrefuses, advertises and explains: `reeve "
                "explain` shows the same in a terminal. Do not edit it\nby hand; a test compares "
                "it with the table.\n\n");
    add_states(to);
    add_table(to);
    add_verbs(to);
    add_tools(to);
    add_reasons(to);
}

static void add_golden_line(enum verb verb, enum state from, bool managed, struct str *to)
{
    static const char *const kinds[] = {
        [OUT_MOVES] = "->",      [OUT_SAME] = "=",          [OUT_STAYS] = "stays",
        [OUT_STORED] = "stored", [OUT_REFUSES] = "refuses",
    };
    const struct outcome *o = lifecycle_outcome(verb, from, managed);

    str_addf(to, "%s %s %s: %s", verb_name(verb), state_name(from),
             managed ? "managed" : "transient", kinds[o->kind]);
    if (o->kind == OUT_MOVES)
        str_addf(to, " %s", state_name(o->to));
    if (o->kind == OUT_REFUSES) {
        str_addf(to, " %s: ", err_name(o->code));
        lifecycle_refusal(o, verb, "web1", NULL, to);
        for (size_t i = 0; i < LIFECYCLE_TRY_MAX && o->try[i] != VERB_N; i++)
            str_addf(to, "%s%s", i ? ", " : " [try: ", verb_name(o->try[i]));
        if (o->try[0] != VERB_N)
            str_addc(to, ']');
        if (o->option)
            str_addf(to, " [%s: -> %s]", o->option, state_name(o->option_to));
    }
    str_addc(to, '\n');
}

void lifecycle_golden(struct str *to)
{
    for (int v = 0; v < VERB_N; v++)
        for (int s = 0; s < ST_N; s++)
            for (int managed = 1; managed >= 0; managed--)
                add_golden_line((enum verb)v, (enum state)s, managed, to);
}
