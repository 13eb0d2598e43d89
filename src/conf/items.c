/* SPDX-License-Identifier: MIT */
/* One item of a list put into a text, replaced, or taken out, with comments and layout kept. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/lex.h"
#include "conf/tree.h"

/* A key's lists in a text: that of its last "=", and those of the "+=" after it. */
struct lists {
    struct tree tree;
    const struct value **values; /* owned; borrowed from the tree */
    size_t count;
};

static int find_lists(const char *text, const char *file, const char *key, struct lists *ret,
                      struct err *e)
{
    *ret = (struct lists){.tree = {.file = file}};
    if (tree_parse(&ret->tree, file, text, strlen(text), e) < 0)
        return -1;
    ret->values = x_calloc(ret->tree.count + 1, sizeof(const struct value *));
    for (size_t i = 0; i < ret->tree.count; i++) {
        const struct setting *setting = &ret->tree.settings[i];
        if (!str_eq(setting->key, key))
            continue;
        if (!setting->append)
            ret->count = 0;
        if (setting->value.kind == VALUE_LIST)
            ret->values[ret->count++] = &setting->value;
    }
    return 0;
}

static void finish_lists(struct lists *lists)
{
    free(lists->values);
    tree_finish(&lists->tree);
}

/* The next token from `at` on that is no line's end: its kind and place. The text has been parsed,
 * so that none is wrong. */
static enum lex_kind token_after(const char *text, size_t at, size_t *ret_begin)
{
    struct lex_token token = {0};
    struct lex lex;
    struct err ignored;

    lex_init(&lex, "", text, strlen(text), 1);
    lex.at = at;
    do {
        if (lex_next(&lex, &token, &ignored) < 0)
            token.kind = LEX_END;
    } while (token.kind == LEX_NEWLINE);
    enum lex_kind kind = token.kind;
    *ret_begin = token.begin;
    str_finish(&token.string);
    return kind;
}

static size_t line_begin(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

/* Adds text[from..to), and not the line that is left blank around a hole at `to`. */
static void add_up_to_hole(struct str *out, const char *text, size_t from, size_t to,
                           size_t *hole_end)
{
    size_t begin = line_begin(text, to), end = *hole_end;

    end += strspn(text + end, " \t\r");
    if (begin >= from && text[end] == '\n' && strspn(text + begin, " \t\r") >= to - begin &&
        begin > 0) {
        str_addn(out, text + from, begin - from);
        *hole_end = end + 1;
        return;
    }
    str_addn(out, text + from, to - from);
    /* No two blanks where one item stood between two. */
    if (to > 0 && (text[to - 1] == ' ' || text[to - 1] == '[') && text[*hole_end] == ' ')
        *hole_end = end;
}

/* Item i of the list, with the comma behind it, or the one before it when it is the last. */
static char *without(const char *text, const struct value *list, size_t i)
{
    const struct value *item = &list->items[i];
    AUTO_STR struct str out = {0};
    size_t at = 0, comma, end = item->end;

    if (token_after(text, item->end, &comma) == LEX_COMMA) {
        if (strspn(text + item->end, " \t") == comma - item->end) {
            end = comma + 1;
            add_up_to_hole(&out, text, at, item->begin, &end);
            str_add(&out, text + end);
            return str_take(&out);
        }
        add_up_to_hole(&out, text, at, item->begin, &end);
        str_addn(&out, text + end, comma - end);
        str_add(&out, text + comma + 1);
        return str_take(&out);
    }
    if (i > 0 && token_after(text, list->items[i - 1].end, &comma) == LEX_COMMA) {
        str_addn(&out, text, comma);
        at = comma + 1;
        /* On the same line nothing is left between them. */
        if (strspn(text + at, " \t") == item->begin - at)
            at = item->begin;
    }
    add_up_to_hole(&out, text, at, item->begin, &end);
    str_add(&out, text + end);
    return str_take(&out);
}

/* The item behind the last one of the list: on a line of its own where that one has one. */
static char *with(const char *text, const struct value *list, const char *item)
{
    AUTO_STR struct str out = {0};

    if (list->count == 0) {
        str_addn(&out, text, list->begin + 1);
        tree_write_string(&out, item);
        str_add(&out, text + list->begin + 1);
        return str_take(&out);
    }
    const struct value *last = &list->items[list->count - 1];
    size_t begin = line_begin(text, last->begin), comma;
    bool has_comma = token_after(text, last->end, &comma) == LEX_COMMA;
    size_t blanks = strspn(text + begin, " \t");
    bool own_line = begin > list->begin && begin + blanks == last->begin;
    size_t at = has_comma ? comma + 1 : last->end;

    str_addn(&out, text, at);
    if (!has_comma)
        str_addc(&out, ',');
    size_t line_end = at + strcspn(text + at, "\n");
    if (own_line && line_end < list->end) {
        str_addn(&out, text + at, line_end - at);
        str_addc(&out, '\n');
        str_addn(&out, text + begin, blanks);
        at = line_end;
    } else {
        str_addc(&out, ' ');
    }
    tree_write_string(&out, item);
    if (has_comma)
        str_addc(&out, ',');
    str_add(&out, text + at);
    return str_take(&out);
}

int conf_item_add(const char *text, const char *file, const char *key, const char *item,
                  char **ret_text, struct err *e)
{
    struct lists lists;
    int rc = find_lists(text, file, key, &lists, e);

    if (rc == 0 && lists.count > 0) {
        *ret_text = with(text, lists.values[lists.count - 1], item);
    } else if (rc == 0) {
        AUTO_STR struct str word = {0};
        str_addf(&word, "%s=[", key);
        tree_write_string(&word, item);
        str_addc(&word, ']');
        rc = conf_edit(text, file, (const char *const[]){word.data}, 1, ret_text, e);
    }
    finish_lists(&lists);
    return rc;
}

int conf_item_set(const char *text, const char *file, const char *key, size_t index,
                  const char *item, char **ret_text, struct err *e)
{
    struct lists lists;
    int rc = find_lists(text, file, key, &lists, e);
    size_t n = 0;

    while (rc == 0 && n < lists.count && index >= lists.values[n]->count)
        index -= lists.values[n++]->count;
    if (rc == 0 && n == lists.count)
        rc = err_set(e, ERR_BAD_CONFIG, "%s: %s has no such item", file, key);
    if (rc == 0 && item) {
        const struct value *old = &lists.values[n]->items[index];
        AUTO_STR struct str out = {0};
        str_addn(&out, text, old->begin);
        tree_write_string(&out, item);
        str_add(&out, text + old->end);
        *ret_text = str_take(&out);
    } else if (rc == 0) {
        *ret_text = without(text, lists.values[n], index);
    }
    finish_lists(&lists);
    return rc;
}
