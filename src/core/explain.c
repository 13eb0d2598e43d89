/* SPDX-License-Identifier: MIT */
#include "core/explain.h"

#include <string.h>

#include "core/verb_text.h"

enum { WIDTH = 80, VERB_WIDTH = 12, STATE_WIDTH = 11, CELL_WIDTH = 11 };

static const char *const state_texts[ST_N] = {
    [ST_ABSENT] = "There is no record of such a domain.",
    [ST_HALTED] = "It is known and not running.",
    [ST_RUNNING] = "Its guest runs.",
    [ST_PAUSED] = "Its guest's processors stand still; its memory is kept.",
    [ST_SUSPENDED] = "Its guest's state is kept on disk; it needs no memory.",
    [ST_SHUTDOWN] = "Its guest has powered off or rebooted, and what is left of it is kept "
                    "(on_poweroff, on_reboot, on_watchdog = preserve).",
    [ST_CRASHED] = "Its guest has crashed, and what is left of it is kept "
                   "(on_crash = preserve).",
    [ST_BROKEN] = "Its record cannot be used as it is: a config that cannot be read, or saved "
                  "state that is missing, damaged or spent. show tells which.",
};

const char *explain_state_text(enum state state)
{
    return state_texts[state];
}

static void add_tries(const struct outcome *o, struct str *to)
{
    for (size_t i = 0; i < LIFECYCLE_TRY_MAX && o->try[i] != VERB_N; i++)
        str_addf(to, "%s%s", i ? ", " : "", verb_name(o->try[i]));
}

void explain_cell(const struct outcome *o, enum verb verb, bool all, struct str *to)
{
    switch (o->kind) {
    case OUT_MOVES:
        str_addf(to, "-> %s", state_name(o->to));
        return;
    case OUT_SAME:
        str_add(to, "=");
        return;
    case OUT_STAYS:
        str_add(to, "stays");
        return;
    case OUT_STORED:
        str_add(to, "stored");
        return;
    case OUT_REFUSES:
        break;
    }
    bool has_try = o->try[0] != VERB_N;
    str_add(to, "x");
    if (!has_try && !o->option) {
        if (o->code == ERR_EXISTS)
            str_add(to, all ? ": exists" : " exists");
        return;
    }
    if (!all) {
        str_addf(to, " %s", has_try ? verb_name(o->try[0]) : o->option);
        return;
    }
    str_add(to, ": ");
    add_tries(o, to);
    if (o->option)
        str_addf(to, "%s%s %s", has_try ? "; " : "", verb_name(verb), o->option);
}

bool explain_kinds_differ(enum verb verb, enum state from)
{
    return lifecycle_outcome(verb, from, true) != lifecycle_outcome(verb, from, false);
}

/* Words of text, wrapped; the first line stands after what is in *to already (`at` columns). */
static void add_wrapped(struct str *to, size_t at, size_t indent, const char *text)
{
    size_t column = at;
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, " ");
        if (!first && column + 1 + len > WIDTH) {
            str_addf(to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            str_addc(to, ' ');
            column++;
        }
        str_addn(to, text, len);
        column += len;
        first = false;
        text += len;
        text += strspn(text, " ");
    }
    str_addc(to, '\n');
}

static void add_label(struct str *to, const char *label, int width, const char *text)
{
    str_addf(to, "  %-*s", width, label);
    add_wrapped(to, 2 + (size_t)width, 2 + (size_t)width, text);
}

/* An outcome in words: "-> running", "it is paused, not suspended; unpause lets it run on". */
static void add_outcome(const struct outcome *o, enum verb verb, const char *name, enum state from,
                        struct str *to)
{
    switch (o->kind) {
    case OUT_MOVES:
        str_addf(to, o->to == ST_ABSENT ? "-> %s: it is gone" : "-> %s", state_name(o->to));
        return;
    case OUT_SAME:
        str_add(to, "= nothing changes: it ");
        lifecycle_same_text(verb, from, to);
        return;
    case OUT_STAYS:
        str_addf(to, "is done; it stays %s", state_name(from));
        return;
    case OUT_STORED:
        str_addf(to, "is stored for its next boot; it stays %s", state_name(from));
        return;
    case OUT_REFUSES:
        lifecycle_refusal_why(o, name, to);
        return;
    }
}

static void add_row(enum verb verb, enum state from, bool managed, const char *label,
                    struct str *to)
{
    const struct outcome *o = lifecycle_outcome(verb, from, managed);
    AUTO_STR struct str text = {0};

    if (o->kind == OUT_REFUSES)
        str_add(&text, "refused: ");
    add_outcome(o, verb, "NAME", from, &text);
    add_label(to, label, STATE_WIDTH, text.data);
}

static void add_grid_cell(enum verb verb, enum state from, struct str *to)
{
    explain_cell(lifecycle_outcome(verb, from, true), verb, false, to);
    if (explain_kinds_differ(verb, from))
        str_addc(to, '*');
}

/* The width of a state's column. */
static int grid_width(enum state from)
{
    size_t width = strlen(state_name(from));

    for (int v = 0; v < VERB_N; v++) {
        AUTO_STR struct str cell = {0};
        add_grid_cell((enum verb)v, from, &cell);
        if (cell.len > width)
            width = cell.len;
    }
    return (int)width;
}

/* The head, with VERB_N, or the row of a verb. */
static void add_grid_row(enum verb verb, const int width[ST_N], struct str *to)
{
    str_addf(to, "%-*s", VERB_WIDTH, verb == VERB_N ? "" : verb_name(verb));
    for (int s = ST_HALTED; s < ST_N; s++) {
        AUTO_STR struct str cell = {0};
        if (verb == VERB_N)
            str_add(&cell, state_name((enum state)s));
        else
            add_grid_cell(verb, (enum state)s, &cell);
        if (s == ST_N - 1)
            str_addf(to, "%s\n", cell.data);
        else
            str_addf(to, "%-*s ", width[s], cell.data);
    }
}

static void add_grid(struct str *to)
{
    int width[ST_N];

    for (int s = 0; s < ST_N; s++)
        width[s] = grid_width((enum state)s);
    for (int v = -1; v < VERB_N; v++)
        add_grid_row(v < 0 ? VERB_N : (enum verb)v, width, to);
}

/* "running, paused: x adopt" for a verb that treats transient domains otherwise. */
static void add_transient_line(enum verb verb, struct str *to)
{
    AUTO_STR struct str line = {0};
    AUTO_STR struct str last = {0};

    for (int s = ST_HALTED; s < ST_N; s++) {
        if (!explain_kinds_differ(verb, (enum state)s))
            continue;
        AUTO_STR struct str cell = {0};
        explain_cell(lifecycle_outcome(verb, (enum state)s, false), verb, false, &cell);
        if (last.len && !str_eq(last.data, cell.data))
            str_addf(&line, ": %s; ", last.data);
        else if (last.len)
            str_add(&line, ", ");
        str_add(&line, state_name((enum state)s));
        str_finish(&last);
        str_add(&last, cell.data);
    }
    if (!line.len)
        return;
    str_addf(&line, ": %s", last.data);
    add_label(to, verb_name(verb), VERB_WIDTH - 2, line.data);
}

void explain_all(struct str *to)
{
    str_add(to, "What each verb does to a domain, by the state that it is in.\n\n");
    add_grid(to);
    str_add(
        to,
        "\n"
        "-> STATE   leads there\n"
        "=          changes nothing, says so, exit 0\n"
        "stays      is done; the state stays\n"
        "stored     changes the stored config for the next boot; the state stays\n"
        "x VERB     refused, exit 4, nothing changes; VERB would work (explain VERB tells more)\n"
        "x --OPTION refused without that option\n"
        "*          otherwise for a transient domain, one made by create or restore, that "
        "is gone\n"
        "           when it ends:\n\n");
    for (int v = 0; v < VERB_N; v++)
        add_transient_line((enum verb)v, to);
    str_add(to, "\nThe states:\n\n");
    for (int s = ST_HALTED; s < ST_N; s++)
        add_label(to, state_name((enum state)s), STATE_WIDTH, state_texts[s]);
    str_add(to, "\nexplain VERB tells what a verb does and what xm, xl, virsh and xe call it;\n"
                "explain DOMAIN what can be done with a domain now.\n");
}

static void add_counterpart(enum verb verb, struct str *to)
{
    enum verb back = lifecycle_counterpart(verb);
    const char *text = back == VERB_N ? "none" : verb_name(back);

    str_addf(to, "Its counterpart: %s.\n", back == verb ? "itself, with the old value" : text);
}

static void add_tools(enum verb verb, struct str *to)
{
    const struct verb_text *t = verb_text(verb);

    str_add(to, "\nWhat others call it (- where they have nothing like it):\n\n");
    for (int i = 0; i < TOOL_N; i++)
        str_addf(to, "  %-*s%s\n", STATE_WIDTH, tool_name((enum tool)i), t->named[i]);
    if (*t->beware) {
        str_addc(to, '\n');
        add_wrapped(to, 0, 0, t->beware);
    }
}

void explain_verb(enum verb verb, struct str *to)
{
    const struct verb_text *t = verb_text(verb);

    str_addf(to, "reeve %s\n\n", t->usage);
    add_wrapped(to, 0, 0, t->what);
    str_addc(to, '\n');
    add_counterpart(verb, to);
    str_add(to, "\nWhat it does to a domain that is:\n\n");
    for (int s = 0; s < ST_N; s++) {
        enum state from = (enum state)s;
        add_row(verb, from, true, state_name(from), to);
        if (explain_kinds_differ(verb, from))
            add_row(verb, from, false, "transient", to);
    }
    add_tools(verb, to);
}

static void add_heading(const char *name, enum state state, bool managed, struct str *to)
{
    str_add_escaped(to, name, strlen(name));
    if (state == ST_ABSENT)
        str_add(to, " is absent.\n");
    else
        str_addf(to, " is %s and %s.\n", state_name(state),
                 managed ? "managed: it is kept when it ends"
                         : "transient: it is gone when it ends");
    add_wrapped(to, 0, 0, state_texts[state]);
}

/* The verbs whose outcome is a refusal, or is not, each with it. */
static size_t add_verbs(const char *name, enum state state, bool managed, bool refused,
                        struct str *to)
{
    size_t count = 0;

    for (int v = 0; v < VERB_N; v++) {
        const struct outcome *o = lifecycle_outcome((enum verb)v, state, managed);
        if ((o->kind == OUT_REFUSES) != refused)
            continue;
        AUTO_STR struct str text = {0};
        add_outcome(o, (enum verb)v, name, state, &text);
        add_label(to, verb_name((enum verb)v), VERB_WIDTH, text.data);
        count++;
    }
    return count;
}

void explain_state(const char *name, enum state state, bool managed, struct str *to)
{
    add_heading(name, state, managed, to);
    str_add(to, "\nWhat can be done with it now:\n\n");
    add_verbs(name, state, managed, false, to);
    str_add(to, "\nWhat would be refused, and what works instead:\n\n");
    add_verbs(name, state, managed, true, to);
}

void explain_verb_on(enum verb verb, const char *name, enum state state, bool managed,
                     struct str *to)
{
    const struct outcome *o = lifecycle_outcome(verb, state, managed);
    AUTO_STR struct str text = {0};

    add_heading(name, state, managed, to);
    str_addf(to, "\nreeve %s\n\n", verb_text(verb)->usage);
    add_outcome(o, verb, name, state, &text);
    add_label(to, o->kind == OUT_REFUSES ? "refused" : "now", STATE_WIDTH, text.data);
    if (o->kind == OUT_REFUSES) {
        AUTO_STR struct str tries = {0};
        add_tries(o, &tries);
        if (tries.len)
            add_label(to, "instead", STATE_WIDTH, tries.data);
        if (o->option)
            str_addf(to, "  %-*s%s leads to %s\n", STATE_WIDTH, "or with", o->option,
                     state_name(o->option_to));
    } else if (o->kind != OUT_SAME) {
        add_label(to, "then", STATE_WIDTH, lifecycle_done_hint_of(verb, managed));
    }
    str_addc(to, '\n');
    add_wrapped(to, 0, 0, verb_text(verb)->what);
    str_addc(to, '\n');
    add_counterpart(verb, to);
    add_tools(verb, to);
}
