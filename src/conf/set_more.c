/* SPDX-License-Identifier: MIT */
/* The types of members that can be unset, and lists of strings. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/keys.h"
#include "conf/lex.h"

enum { LIST_MAX = 1024, ITEM_MAX = 65535 };

static int set_flag(const struct keys_context *c, const struct value *v, struct err *e)
{
    enum conf_flag *to = keys_member(c->conf, c->row);
    char shown[PLACE_SHOWN];
    uint64_t number;

    if (v->kind == VALUE_LIST || v->joined ||
        lex_number_read(v->text, strlen(v->text), &number) != LEX_NUMBER_OK)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is neither 0 nor 1",
                          v->kind == VALUE_LIST ? "a list" : place_show(v->text, shown));
    *to = number ? CONF_FLAG_ON : CONF_FLAG_OFF;
    return 0;
}

static json_t *show_flag(const struct conf *conf, const struct key *row)
{
    const enum conf_flag *from = keys_member_const(conf, row);

    return *from == CONF_FLAG_UNSET ? NULL : json_boolean(*from == CONF_FLAG_ON);
}

static int set_whole(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_number *to = keys_member(c->conf, c->row);

    if (keys_read_number(c, v, &to->value, e) < 0)
        return -1;
    to->given = true;
    return 0;
}

static json_t *show_whole(const struct conf *conf, const struct key *row)
{
    const struct conf_number *from = keys_member_const(conf, row);

    return from->given ? json_integer(from->value) : NULL;
}

/* Numbers below 0 are in quotes in the language. */
static int text_whole(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    json_int_t value = json_integer_value(json);

    if (!json_is_integer(json))
        return err_set(e, ERR_BAD_CONFIG, "%s: it takes a number", row->name);
    str_addf(to, value < 0 ? "\"%lld\"" : "%lld", (long long)value);
    return 0;
}

/* ---- lists of strings ---- */

void keys_strings_add(struct conf_strings *strings, const char *text)
{
    size_t count = strings->count;

    /* Room for the next power of two, so that adding one by one stays linear. */
    if ((count & (count - 1)) == 0)
        strings->items =
            x_reallocarray(strings->items, count ? count * 2 : 1, sizeof *strings->items);
    strings->items[strings->count++] = x_strdup(text);
}

void keys_strings_clear(struct conf_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct conf_strings){0};
}

json_t *keys_strings_json(const struct conf_strings *strings)
{
    if (strings->count == 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(list, keys_json_string(strings->items[i]));
    return list;
}

static int add_item(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_strings *to = keys_member(c->conf, c->row);

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each item is a string");
    if (to->count == LIST_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d items", LIST_MAX);
    if (strlen(v->text) > ITEM_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "an item has %zu bytes; at most %d",
                          strlen(v->text), ITEM_MAX);
    keys_strings_add(to, v->text);
    return 0;
}

/* One string is a list of one; "" is none. */
static int set_list(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return *v->text ? add_item(c, v, e) : 0;
    for (size_t i = 0; i < v->count; i++)
        if (add_item(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_list(const struct conf *conf, const struct key *row)
{
    return keys_strings_json(keys_member_const(conf, row));
}

static void clear_list(struct conf *conf, const struct key *row)
{
    keys_strings_clear(keys_member(conf, row));
}

/* Each string is a word of the row or, where the word's value is not 0, the word with "=VALUE". */
static int check_words(const struct keys_context *c, const struct value *v, struct err *e)
{
    const struct keys_word_row *word = c->row->words;
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];

    if (v->kind == VALUE_LIST) {
        for (size_t i = 0; i < v->count; i++)
            if (v->items[i].kind != VALUE_LIST && check_words(c, &v->items[i], e) < 0)
                return -1;
        return 0;
    }
    if (!*v->text)
        return 0;
    for (; word->name; word++) {
        size_t len = strlen(word->name);
        if (word->value ? strncmp(v->text, word->name, len) == 0 && v->text[len] == '='
                        : strcmp(v->text, word->name) == 0)
            return 0;
        str_addf(&all, "%s%s%s", all.len ? ", " : "", word->name, word->value ? "=..." : "");
    }
    return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: %s", place_show(v->text, shown),
                      all.data);
}

static int set_words(const struct keys_context *c, const struct value *v, struct err *e)
{
    return check_words(c, v, e) < 0 ? -1 : set_list(c, v, e);
}

/* A string is cut at its blanks: the old way to write several arguments. */
static int set_args(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind == VALUE_LIST)
        return set_list(c, v, e);
    AUTO_FREE char *text = x_strdup(v->text);
    char *rest = text, *word;
    while ((word = strsep(&rest, " \t\n"))) {
        struct value one = {.kind = VALUE_STRING, .line = v->line, .text = word};
        if (*word && add_item(c, &one, e) < 0)
            return -1;
    }
    return 0;
}

/* One word of the row, stored as a string. */
static int set_pick(const struct keys_context *c, const struct value *v, struct err *e)
{
    char **to = keys_member(c->conf, c->row);
    const struct keys_word_row *word = c->row->words;
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];

    if (keys_want_string(c, v, e) < 0)
        return -1;
    if (!*v->text)
        return 0;
    for (; word->name && strcasecmp(word->name, v->text) != 0; word++)
        str_addf(&all, "%s%s", all.len ? ", " : "", word->name);
    if (!word->name)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: %s",
                          place_show(v->text, shown), all.data);
    *to = x_strdup(word->name);
    return 0;
}

static json_t *show_pick(const struct conf *conf, const struct key *row)
{
    char *const *from = keys_member_const(conf, row);

    return *from ? keys_json_string(*from) : NULL;
}

static void clear_pick(struct conf *conf, const struct key *row)
{
    char **at = keys_member(conf, row);

    free(*at);
    *at = NULL;
}

const struct keys_type keys_flag = {"0 or 1", set_flag, show_flag, NULL, NULL};
const struct keys_type keys_whole = {"a number", set_whole, show_whole, NULL, text_whole};
const struct keys_type keys_list = {"a string or a list of strings", set_list, show_list,
                                    clear_list, NULL};
const struct keys_type keys_words = {"a string or a list of strings", set_words, show_list,
                                     clear_list, NULL};
const struct keys_type keys_args = {"a string or a list of strings", set_args, show_list,
                                    clear_list, NULL};
const struct keys_type keys_pick = {"a string", set_pick, show_pick, clear_pick, NULL};
