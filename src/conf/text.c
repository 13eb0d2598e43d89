/* SPDX-License-Identifier: MIT */
/* struct conf as text, and back from JSON. Text is made from what the rows show as JSON, so that
 * a key has one place that knows its members. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/keys.h"

static const char json_file[] = "json";

/* ---- strings in JSON ---- */

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* What str_add_escaped wrote. NULL: it did not write that. */
static char *unescape(const char *text)
{
    AUTO_STR struct str plain = {0};

    for (; *text; text++) {
        if (*text != '\\') {
            str_addc(&plain, *text);
            continue;
        }
        text++;
        if (*text == '\\') {
            str_addc(&plain, '\\');
            continue;
        }
        if (*text != 'x' || hex_value(text[1]) < 0 || hex_value(text[2]) < 0)
            return NULL;
        int byte = hex_value(text[1]) * 16 + hex_value(text[2]);
        if (byte == 0)
            return NULL;
        str_addc(&plain, (char)byte);
        text += 2;
    }
    return str_take(&plain);
}

char *keys_json_text(const json_t *json)
{
    if (json_is_string(json) && strlen(json_string_value(json)) == json_string_length(json))
        return x_strdup(json_string_value(json));
    const char *escaped = json_get_string(json, "escaped", NULL);
    return escaped && json_object_size(json) == 1 ? unescape(escaped) : NULL;
}

/* ---- text ---- */

static int write_json(const struct key *row, const json_t *json, struct str *to, int depth,
                      struct err *e)
{
    const json_t *item;
    size_t i;

    if (json_is_boolean(json)) {
        str_addc(to, json_is_true(json) ? '1' : '0');
        return 0;
    }
    if (json_is_integer(json)) {
        json_int_t value = json_integer_value(json);
        str_addf(to, value < 0 ? "\"%lld\"" : "%lld", (long long)value);
        return 0;
    }
    if (json_is_array(json) && depth == 0) {
        str_addc(to, '[');
        json_array_foreach(json, i, item)
        {
            str_add(to, i ? ", " : "");
            if (write_json(row, item, to, depth + 1, e) < 0)
                return -1;
        }
        str_addc(to, ']');
        return 0;
    }
    AUTO_FREE char *text = keys_json_text(json);
    if (!text)
        return err_set(e, ERR_BAD_CONFIG, "%s: it takes %s", row->name, row->type->takes);
    tree_write_string(to, text);
    return 0;
}

/* The value of a row that shows itself as json. */
static int write_value(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    return row->type->text ? row->type->text(row, json, to, e) : write_json(row, json, to, 0, e);
}

/* NULL: not set. Owned by the caller. */
static char *row_text(const struct conf *conf, const struct key *row)
{
    AUTO_STR struct str text = {0};
    struct err e;

    if (!row->type || !row->type->json)
        return NULL;
    AUTO_JSON json_t *json = row->type->json(conf, row);
    if (!json || write_value(row, json, &text, &e) < 0)
        return NULL;
    return str_take(&text);
}

/* A row that a driver ignores would warn on it, even where nobody has written the key. */
static bool is_default(const struct key *row, const char *text)
{
    bool everywhere = true;

    for (int i = 0; i < KEYS_DRIVERS; i++)
        everywhere = everywhere && row->acts[i];
    if (everywhere || !row->def)
        return false;
    AUTO_STR struct str quoted = {0};
    tree_write_string(&quoted, row->def);
    return str_eq(text, row->def) || str_eq(text, quoted.data);
}

char *conf_text(const struct conf *conf)
{
    AUTO_STR struct str to = {0};
    const struct key *row;

    for (size_t i = 0; (row = keys_row(i)); i++) {
        AUTO_FREE char *text = row_text(conf, row);
        if (!text || (is_default(row, text) && !row->later))
            continue;
        str_addf(&to, "%s = ", row->name);
        str_add(&to, text);
        str_addc(&to, '\n');
    }
    return str_take(&to);
}

/* ---- JSON ---- */

static const struct key *row_of_member(const char *member)
{
    const struct key *row;

    for (size_t i = 0; (row = keys_row(i)); i++)
        if (row->type && row->type->json && str_eq(row->json ? row->json : row->name, member))
            return row;
    return NULL;
}

int conf_from_json(const json_t *json, const char *driver, struct conf **ret,
                   struct conf_warnings *warnings, struct err *e)
{
    AUTO_STR struct str text = {0};
    const char *member;
    json_t *value;

    *warnings = (struct conf_warnings){0};
    json_object_foreach((json_t *)json, member, value)
    {
        const struct key *row = row_of_member(member);
        if (!row)
            return err_set(e, ERR_BAD_CONFIG, "%.64s is not a member of a config", member);
        str_addf(&text, "%s = ", row->name);
        if (write_value(row, value, &text, e) < 0)
            return -1;
        str_addc(&text, '\n');
    }
    if (!text.data)
        str_add(&text, "");
    return conf_parse(text.data ? text.data : "", text.len, json_file, NULL, 0, driver, ret,
                      warnings, e);
}

bool conf_equal(const struct conf *a, const struct conf *b)
{
    AUTO_JSON json_t *one = conf_json(a);
    AUTO_JSON json_t *other = conf_json(b);

    return json_equal(one, other);
}

/* ---- differences ---- */

void conf_diff(const struct conf *a, const struct conf *b, struct conf_changes *ret)
{
    const struct key *row;

    *ret = (struct conf_changes){0};
    for (size_t i = 0; (row = keys_row(i)); i++) {
        AUTO_FREE char *old_text = row_text(a, row);
        AUTO_FREE char *new_text = row_text(b, row);
        if (str_eq(old_text, new_text))
            continue;
        ret->rows = x_reallocarray(ret->rows, ret->count + 1, sizeof *ret->rows);
        ret->rows[ret->count++] = (struct conf_change){
            .key = row->name, .old_text = TAKE(old_text), .new_text = TAKE(new_text)};
    }
}

void conf_changes_finish(struct conf_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->rows[i].old_text);
        free(changes->rows[i].new_text);
    }
    free(changes->rows);
    *changes = (struct conf_changes){0};
}
