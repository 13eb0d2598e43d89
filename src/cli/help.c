/* SPDX-License-Identifier: MIT */
/* What is printed from the verb rows: help, completion, the manual's list of verbs. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

static void add_option(const struct option_row *row, struct str *to)
{
    AUTO_STR struct str left = {0};

    if (row->letter)
        str_addf(&left, "-%c, ", row->letter);
    str_addf(&left, "--%s%s%s", row->name, row->arg ? " " : "", row->arg ? row->arg : "");
    str_addf(to, "  %-24s %s\n", left.data, row->help);
}

static void add_options(const struct option_row *rows, struct str *to)
{
    for (; rows && rows->name; rows++)
        add_option(rows, to);
}

static void add_all(struct str *to)
{
    const struct verb_row *row;

    str_add(to, "usage: reeve [options] VERB [options] [DOMAIN ...]\n\n");
    for (size_t i = 0; (row = verbs_row(i)); i++)
        if (row->run)
            str_addf(to, "  %-10s %s\n", row->name, row->help);
    str_add(to, "\noptions of every verb, before or after it:\n");
    add_options(verbs_global_options, to);
    str_add(to, "\nDOMAIN is a name, id:N or a uuid. `reeve help VERB` tells all about a verb, "
                "`reeve explain VERB`\nwhat it does in each state, its counterpart, and what xm, "
                "xl, virsh and xe call it.\n");
}

void help_verb(const struct verb_row *row, struct str *to)
{
    str_addf(to, "reeve %s%s%s: %s\n", row->name, row->operands[0] ? " " : "", row->operands,
             row->help);
    if (row->aliases)
        str_addf(to, "also: %s\n", row->aliases);
    if (row->text)
        str_addf(to, "\n%s\n", row->text);
    if (str_eq(row->name, "list")) {
        str_add(to, "\ncolumns: ");
        list_column_names(to);
        str_addc(to, '\n');
    }
    if (row->options || row->kind == KIND_CHANGES)
        str_add(to, "\noptions:\n");
    add_options(row->options, to);
    if (row->kind == KIND_CHANGES)
        add_options(verbs_wait_options, to);
}

static void add_names(const struct option_row *rows, struct str *to)
{
    for (; rows && rows->name; rows++)
        str_addf(to, " --%s", rows->name);
}

/* The words that stand for an operand, as "on|off" in "DOMAIN on|off", separated by spaces. */
static void add_operand_words(const char *operands, struct str *to)
{
    size_t len;

    bool first = true;

    for (const char *at = operands; *at; at += len + (at[len] == ' ')) {
        len = strcspn(at, " ");
        bool alternative = at > operands + 1 && at[-2] == '|';
        if (*at == '[' || !(alternative || (len >= 3 && memchr(at + 1, '|', len - 2))))
            continue;
        /* Words for people, as DOMAIN|FILE, are in capitals. */
        if (*at >= 'A' && *at <= 'Z')
            continue;
        str_add(to, first ? "" : " ");
        first = false;
        for (size_t i = 0; i < len; i++)
            str_addc(to, at[i] == '|' ? ' ' : at[i]);
    }
}

/* A function for bash: verbs, the options of each, domains by name (asked of the daemon). */
static void add_bash(struct str *to)
{
    const struct verb_row *row;

    str_add(to,
            "# Completion of reeve for bash; printed by `reeve help --bash`.\n"
            "_reeve()\n{\n"
            "    local cur=${COMP_WORDS[COMP_CWORD]} verb= word opts words= files= domains= keys=\n"
            "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
            "        case $word in -*) ;; *) verb=$word; break ;; esac\n"
            "    done\n"
            "    case $verb in\n"
            "    '') COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; (row = verbs_row(i)); i++)
        if (row->run)
            str_addf(to, "%s ", row->name);
    str_add(to, "\" -- \"$cur\")); return ;;\n");
    for (size_t i = 0; (row = verbs_row(i)); i++) {
        if (!row->run)
            continue;
        str_addf(to, "    %s) opts=\"", row->name);
        add_names(row->options, to);
        if (row->kind == KIND_CHANGES)
            add_names(verbs_wait_options, to);
        str_add(to, "\"; words=\"");
        add_operand_words(row->operands, to);
        str_addf(to, "\"%s%s%s ;;\n", strstr(row->operands, "FILE") ? "; files=1" : "",
                 strstr(row->operands, "DOMAIN") ? "; domains=1" : "",
                 strstr(row->operands, "key=value") ? "; keys=1" : "");
    }
    str_add(to, "    esac\n    opts+=\"");
    add_names(verbs_global_options, to);
    str_add(to,
            "\"\n"
            "    if [[ $cur == -* ]]; then\n"
            "        COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n"
            "        return\n"
            "    fi\n"
            "    if [[ $keys ]] && declare -F _reeve_key >/dev/null && _reeve_key \"$cur\"; then\n"
            "        return\n"
            "    fi\n"
            "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
            "    [[ $domains ]] && COMPREPLY+=($(compgen -W \"$(\n"
            "        reeve --format csv list --columns name 2>/dev/null | tail -n +2\n"
            "    )\" -- \"$cur\"))\n"
            "    [[ $files ]] && COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
            "    return 0\n"
            "}\n"
            "complete -o filenames -F _reeve reeve\n");
}

/* scdoc(5) takes "*" and "_" as marks. */
static void add_scdoc_text(const char *text, struct str *to)
{
    for (; *text; text++) {
        if (strchr("*_\\#", *text))
            str_addc(to, '\\');
        str_addc(to, *text);
    }
}

static void add_scdoc_options(const struct option_row *rows, struct str *to)
{
    for (; rows && rows->name; rows++) {
        str_add(to, "\t*");
        if (rows->letter)
            str_addf(to, "-%c*, *", rows->letter);
        str_addf(to, "--%s*", rows->name);
        if (rows->arg)
            str_addf(to, " _%s_", rows->arg);
        str_add(to, ": ");
        add_scdoc_text(rows->help, to);
        str_add(to, "\n\n");
    }
}

static void add_scdoc(struct str *to)
{
    const struct verb_row *row;

    for (size_t i = 0; (row = verbs_row(i)); i++) {
        if (!row->run)
            continue;
        str_addf(to, "*%s* ", row->name);
        add_scdoc_text(row->operands, to);
        str_add(to, "\n\t");
        add_scdoc_text(row->help, to);
        str_add(to, ".");
        if (row->text) {
            str_addc(to, ' ');
            add_scdoc_text(row->text, to);
        }
        if (str_eq(row->name, "list")) {
            str_add(to, " Columns: ");
            AUTO_STR struct str names = {0};
            list_column_names(&names);
            add_scdoc_text(names.data, to);
            str_addc(to, '.');
        }
        str_add(to, "\n\n");
        add_scdoc_options(row->options, to);
        if (row->kind == KIND_CHANGES)
            add_scdoc_options(verbs_wait_options, to);
    }
}

int run_help(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_STR struct str text = {0};

    if (o->given[OPT_BASH]) {
        add_bash(&text);
    } else if (o->given[OPT_SCDOC]) {
        add_scdoc(&text);
    } else if (o->operand_count == 0) {
        add_all(&text);
    } else {
        const struct verb_row *row = verbs_find(o->operands[0], e);
        if (!row)
            return -1;
        help_verb(row, &text);
        if (row->kind == KIND_HOST)
            str_add(&text, "\nIt belongs to the host: use xl.\n");
    }
    return print_out(&text, e);
}
