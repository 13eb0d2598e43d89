/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { YEAR_SECONDS = 366 * 24 * 3600 };

static const struct option_row *find_letter(const struct options *o, char letter)
{
    for (size_t set = 0; set < OPTIONS_SETS_MAX && o->sets[set]; set++)
        for (const struct option_row *row = o->sets[set]; row->name; row++)
            if (row->letter == letter)
                return row;
    return NULL;
}

static const struct option_row *find_name(const struct options *o, const char *name, size_t len)
{
    for (size_t set = 0; set < OPTIONS_SETS_MAX && o->sets[set]; set++)
        for (const struct option_row *row = o->sets[set]; row->name; row++)
            if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
                return row;
    return NULL;
}

/* str_nearest asks for candidates by number alone. */
static const struct options *nearest_in;

static const char *name_at(size_t i)
{
    for (size_t set = 0; set < OPTIONS_SETS_MAX && nearest_in->sets[set]; set++)
        for (const struct option_row *row = nearest_in->sets[set]; row->name; row++)
            if (i-- == 0)
                return row->name;
    return NULL;
}

static int unknown(const struct options *o, const char *who, const char *word, struct err *e)
{
    AUTO_STR struct str shown = {0};

    str_add_escaped(&shown, word, strcspn(word, "="));
    if (word[1] != '-')
        return err_set(e, ERR_BAD_REQUEST, "%s has no option %s", who, shown.data);
    AUTO_FREE char *name = x_strndup(word + 2, strcspn(word + 2, "="));
    nearest_in = o;
    const char *near = str_nearest(name, name_at);
    if (near)
        return err_set(e, ERR_BAD_REQUEST, "%s has no option %s; did you mean --%s?", who,
                       shown.data, near);
    return err_set(e, ERR_BAD_REQUEST, "%s has no option %s", who, shown.data);
}

static void give(struct options *o, const struct option_row *row, const char *value)
{
    o->given[row->opt] = true;
    o->value[row->opt] = value;
}

/* "--name", "--name=VALUE" or "--name VALUE". Returns the words used. */
static int parse_long(struct options *o, const char *who, char *const *argv, int left,
                      struct err *e)
{
    const char *name = argv[0] + 2;
    size_t len = strcspn(name, "=");
    const struct option_row *row = find_name(o, name, len);

    if (!row)
        return unknown(o, who, argv[0], e);
    if (!row->arg) {
        if (name[len] == '=')
            return err_set(e, ERR_BAD_REQUEST, "--%s takes no value", row->name);
        give(o, row, NULL);
        return 1;
    }
    if (name[len] == '=') {
        give(o, row, name + len + 1);
        return 1;
    }
    if (left < 2)
        return err_set(e, ERR_BAD_REQUEST, "--%s needs a value: %s", row->name, row->arg);
    give(o, row, argv[1]);
    return 2;
}

/* "-p", "-pc", "-xVALUE" or "-x VALUE". Returns the words used. */
static int parse_letters(struct options *o, const char *who, char *const *argv, int left,
                         struct err *e)
{
    for (const char *at = argv[0] + 1; *at; at++) {
        const struct option_row *row = find_letter(o, *at);
        if (!row)
            return unknown(o, who, (char[]){'-', *at, '\0'}, e);
        if (!row->arg) {
            give(o, row, NULL);
            continue;
        }
        if (at[1]) {
            give(o, row, at + 1);
            return 1;
        }
        if (left < 2)
            return err_set(e, ERR_BAD_REQUEST, "-%c needs a value: %s", row->letter, row->arg);
        give(o, row, argv[1]);
        return 2;
    }
    return 1;
}

int options_parse(struct options *o, const char *who, char *const *argv, int count, bool head,
                  struct err *e)
{
    bool ended = false;
    int at = 0;

    while (at < count) {
        const char *word = argv[at];
        int used = 1;
        if (ended || word[0] != '-' || word[1] == '\0') {
            if (head)
                break;
            o->operands = x_reallocarray(o->operands, o->operand_count + 1, sizeof *o->operands);
            o->operands[o->operand_count++] = word;
        } else if (str_eq(word, "--")) {
            ended = true;
        } else if (word[1] == '-') {
            used = parse_long(o, who, argv + at, count - at, e);
        } else {
            used = parse_letters(o, who, argv + at, count - at, e);
        }
        if (used < 0)
            return -1;
        at += used;
    }
    return at;
}

void options_finish(struct options *o)
{
    free(o->operands);
    o->operands = NULL;
    o->operand_count = 0;
}

bool options_digits(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

int options_seconds(const char *text, int64_t *ret_ms, struct err *e)
{
    const char *dot = strchr(text, '.');
    AUTO_FREE char *whole = dot ? x_strndup(text, (size_t)(dot - text)) : x_strdup(text);
    int64_t scale = 100;
    int64_t ms = 0;

    if (!options_digits(whole) || strlen(whole) > 9 || (dot && !options_digits(dot + 1)))
        goto refuse;
    ms = strtoll(whole, NULL, 10) * 1000;
    for (const char *digit = dot ? dot + 1 : ""; *digit && scale > 0; digit++, scale /= 10)
        ms += (*digit - '0') * scale;
    if (ms > (int64_t)YEAR_SECONDS * 1000)
        goto refuse;
    *ret_ms = ms;
    return 0;
refuse:;
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, text, strlen(text));
    return err_set(e, ERR_BAD_REQUEST, "--timeout %s is no time: give seconds, like 90 or 0.5",
                   shown.data ? shown.data : "\"\"");
}

int options_job(const char *text, int64_t *ret_job, struct err *e)
{
    const char *number = str_starts(text, "job:") ? text + 4 : text;

    if (options_digits(number) && strlen(number) <= 18) {
        *ret_job = strtoll(number, NULL, 10);
        return 0;
    }
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, text, strlen(text));
    return err_set(e, ERR_BAD_REQUEST,
                   "%s is no job: jobs are written job:7 (reeve jobs lists "
                   "them)",
                   shown.data ? shown.data : "\"\"");
}

int options_size(const char *text, int64_t *ret_kib, struct err *e)
{
    enum { KIB = 1024, MIB = 1024 * KIB, DIGITS_MAX = 12 };
    static const struct {
        char letter;
        int64_t bytes;
    } units[] = {
        {'b', 1                 },
        {'k', KIB               },
        {'m', MIB               },
        {'g', (int64_t)KIB * MIB},
        {'t', (int64_t)MIB * MIB}
    };
    size_t digits = strspn(text, "0123456789");
    int64_t unit = text[digits] == '\0' ? MIB : 0;
    AUTO_STR struct str shown = {0};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (text[digits] && tolower((unsigned char)text[digits]) == units[i].letter &&
            text[digits + 1] == '\0')
            unit = units[i].bytes;
    str_add(&shown, "");
    str_add_escaped(&shown, text, strlen(text));
    int64_t count = digits <= DIGITS_MAX ? strtoll(text, NULL, 10) : 0;
    if (digits == 0 || digits > DIGITS_MAX || unit == 0 || count > INT64_MAX / 2 / unit)
        return err_set(
            e, ERR_BAD_REQUEST,
            "\"%s\" is no size: give MiB, or a number with k, m, g or t, as in 512 or 2g",
            shown.data);
    if (count == 0 || count * unit % MIB != 0)
        return err_set(e, ERR_BAD_REQUEST, "\"%s\" is not a whole number of MiB, 1 or more",
                       shown.data);
    *ret_kib = count * unit / KIB;
    return 0;
}

int options_number(const char *text, const char *what, int64_t *ret, struct err *e)
{
    AUTO_STR struct str shown = {0};

    if (options_digits(text) && strlen(text) <= 9) {
        *ret = strtoll(text, NULL, 10);
        return 0;
    }
    str_add(&shown, "");
    str_add_escaped(&shown, text, strlen(text));
    return err_set(e, ERR_BAD_REQUEST, "\"%s\" is no %s: give a number", shown.data, what);
}
