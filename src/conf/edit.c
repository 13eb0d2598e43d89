/* SPDX-License-Identifier: MIT */
/* conf_edit: key=value words put into a text, with its comments and order kept. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/tree.h"

struct edit {
    const char *text;
    size_t at; /* what stands before is in `to` */
    struct str to;
    struct tree words; /* folded: one a key, sorted */
    bool *done;        /* one a word: it has its place */
};

/* A bare "key=" removes the key. */
static bool removes(const struct setting *word)
{
    return word->value.none && !word->value.joined;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* True when nothing but blanks stands before `at` on its line. */
static bool begins_line(const char *text, size_t at)
{
    while (at > 0 && blank(text[at - 1]))
        at--;
    return at == 0 || text[at - 1] == '\n';
}

static size_t line_begin(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

/* Leaves a setting out: with its line when it stands there alone, with the ";" behind it when
 * another follows. A comment stays. */
static void leave_out(struct edit *edit, const struct setting *setting)
{
    const char *text = edit->text;
    size_t from = setting->begin, to = setting->value_end;

    while (blank(text[to]))
        to++;
    if (text[to] == ';') {
        to++;
        while (blank(text[to]))
            to++;
    } else if ((text[to] == '\n' || text[to] == '\0') && begins_line(text, from)) {
        size_t line = line_begin(text, from);
        from = line > edit->at ? line : edit->at;
        to += text[to] == '\n';
    }
    str_addn(&edit->to, text + edit->at, from - edit->at);
    edit->at = to;
}

static void replace(struct edit *edit, const struct setting *setting, const struct setting *word)
{
    size_t keep = setting->append ? setting->begin : setting->value_begin;

    str_addn(&edit->to, edit->text + edit->at, keep - edit->at);
    if (setting->append)
        str_addf(&edit->to, "%s = ", setting->key);
    tree_write_value(&edit->to, &word->value);
    edit->at = setting->value_end;
}

static void apply(struct edit *edit, const struct setting *setting)
{
    struct setting *word = tree_find(&edit->words, setting->key);

    if (!word || word->append)
        return;
    bool *done = &edit->done[word - edit->words.settings];
    if (*done || removes(word))
        leave_out(edit, setting);
    else
        replace(edit, setting, word);
    *done = true;
}

static int compare_order(const void *left, const void *right)
{
    const struct setting *const *a = left, *const *b = right;

    return (*a)->order < (*b)->order ? -1 : (*a)->order > (*b)->order;
}

/* New keys, and what is added to old ones, in the order of the words. */
static void append_rest(struct edit *edit)
{
    size_t count = edit->words.count, n = 0;
    AUTO_FREE const struct setting **rest = x_calloc(count + 1, sizeof *rest);

    for (size_t i = 0; i < count; i++)
        if (!edit->done[i] && !(removes(&edit->words.settings[i])))
            rest[n++] = &edit->words.settings[i];
    if (n > 0)
        qsort(rest, n, sizeof *rest, compare_order);
    if (n > 0 && edit->to.len > 0 && edit->to.data[edit->to.len - 1] != '\n')
        str_addc(&edit->to, '\n');
    for (size_t i = 0; i < n; i++) {
        str_addf(&edit->to, "%s %s ", rest[i]->key, rest[i]->append ? "+=" : "=");
        tree_write_value(&edit->to, &rest[i]->value);
        str_addc(&edit->to, '\n');
    }
}

static int read_words(struct edit *edit, const char *const *overrides, size_t count, struct err *e)
{
    struct conf_warnings ignored = {0};
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = tree_add_override(&edit->words, overrides[i], e);
    if (rc == 0)
        rc = tree_fold(&edit->words, &ignored, e);
    conf_warnings_finish(&ignored);
    edit->done = x_calloc(edit->words.count + 1, sizeof *edit->done);
    return rc;
}

int conf_edit(const char *text, const char *file, const char *const *overrides, size_t count,
              char **ret_text, struct err *e)
{
    struct edit edit = {.text = text, .words = {.file = file}};
    struct tree tree = {.file = file};
    size_t total = strlen(text);

    for (size_t i = 0; i < count; i++)
        total += strlen(overrides[i]) + 1;
    if (total > CONF_TEXT_MAX)
        return err_set(e, ERR_TOO_LARGE,
                       "the config and the key=value words have %zu bytes, and %d are the most",
                       total, CONF_TEXT_MAX);
    int rc = read_words(&edit, overrides, count, e);
    if (rc == 0)
        rc = tree_parse(&tree, file, text, strlen(text), e);
    if (rc == 0) {
        for (size_t i = 0; i < tree.count; i++)
            apply(&edit, &tree.settings[i]);
        str_add(&edit.to, text + edit.at);
        append_rest(&edit);
        *ret_text = str_take(&edit.to);
    }
    str_finish(&edit.to);
    free(edit.done);
    tree_finish(&edit.words);
    tree_finish(&tree);
    return rc;
}
