/* SPDX-License-Identifier: MIT */
/* keys_specs: a key with a list of specs (or a single one), by the rows of its kind. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/spec.h"

static struct spec_items items_of(const void *member)
{
    struct spec_items items;

    memcpy(&items, member, sizeof items);
    return items;
}

/* The parameters of an item that is a list: one a string, which may hold commas. */
static int read_list(struct spec *spec, const struct value *v, struct err *e)
{
    bool known;

    for (size_t i = 0; i < v->count; i++) {
        char shown[PLACE_SHOWN];
        if (v->items[i].kind == VALUE_LIST)
            return keys_error(spec->c, &v->items[i], e, ERR_BAD_CONFIG,
                              "a list inside a list inside the list; it takes strings");
        AUTO_FREE char *word = x_strdup(v->items[i].text);
        if (spec_apply(spec, word, &known, e) < 0)
            return -1;
        if (!known)
            return keys_error(spec->c, &v->items[i], e, ERR_BAD_CONFIG,
                              "%s is not of the form parameter=value",
                              place_show(v->items[i].text, shown));
    }
    return 0;
}

static int read_item(const struct keys_context *c, const struct value *v, void *to, struct err *e)
{
    const struct spec_kind *kind = c->row->spec;
    struct spec spec = {.c = c, .v = v, .params = kind->params, .to = to};

    if (kind->lists != (v->kind == VALUE_LIST))
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          kind->lists ? "a string in the list; each item is a list of strings"
                                      : "a list inside the list; each item is a string");
    int rc;
    if (kind->lists) {
        rc = read_list(&spec, v, e);
    } else {
        AUTO_FREE char *text = x_strdup(v->text);
        rc = kind->whole ? kind->bare(&spec, spec_trim(text), e)
                         : spec_parse(&spec, text, kind->bare, e);
    }
    if (rc == 0 && kind->check)
        rc = kind->check(&spec, e);
    return rc;
}

static int add_item(const struct keys_context *c, const struct value *v, struct err *e)
{
    const struct spec_kind *kind = c->row->spec;
    void *member = keys_member(c->conf, c->row);
    struct spec_items list = items_of(member);
    AUTO_FREE void *item = x_calloc(1, kind->size);

    if (list.count == SPEC_ITEMS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d items", SPEC_ITEMS_MAX);
    if (read_item(c, v, item, e) < 0) {
        spec_clear(kind->params, item);
        return -1;
    }
    list.items = x_reallocarray(list.items, list.count + 1, kind->size);
    memcpy((char *)list.items + list.count * kind->size, item, kind->size);
    list.count++;
    memcpy(member, &list, sizeof list);
    return 0;
}

static int set_specs(const struct keys_context *c, const struct value *v, struct err *e)
{
    const struct spec_kind *kind = c->row->spec;

    if (kind->single && v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list is given, but it takes a string");
    if (kind->single)
        return read_item(c, v, keys_member(c->conf, c->row), e);
    /* 0 and "" are ways to write "none". */
    if (v->kind != VALUE_LIST && (!*v->text || str_eq(v->text, "0")))
        return 0;
    if (v->kind != VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "a single value is given, but it takes a list, as in %s",
                          c->row->example ? c->row->example : "[\"...\"]");
    for (size_t i = 0; i < v->count; i++)
        if (add_item(c, &v->items[i], e) < 0)
            return -1;
    return kind->check_all ? kind->check_all(c, v, e) : 0;
}

static json_t *show_item(const struct spec_kind *kind, const void *item)
{
    if (kind->text) {
        AUTO_FREE char *text = kind->text(item);
        return keys_json_string(text);
    }
    json_t *object = json_object();
    spec_show(kind->params, item, object);
    return object;
}

static json_t *show_specs(const struct conf *conf, const struct key *row)
{
    const struct spec_kind *kind = row->spec;
    const void *member = keys_member_const(conf, row);

    if (kind->single)
        return kind->given(member) ? show_item(kind, member) : NULL;
    struct spec_items list = items_of(member);
    if (list.count == 0)
        return NULL;
    json_t *all = json_array();
    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(all, show_item(kind, (char *)list.items + i * kind->size));
    return all;
}

static void clear_specs(struct conf *conf, const struct key *row)
{
    const struct spec_kind *kind = row->spec;
    void *member = keys_member(conf, row);

    if (kind->single) {
        spec_clear(kind->params, member);
        return;
    }
    struct spec_items list = items_of(member);
    for (size_t i = 0; i < list.count; i++)
        spec_clear(kind->params, (char *)list.items + i * kind->size);
    free(list.items);
    memset(member, 0, sizeof list);
}

/* An item as text of the language: a string, or a list with a parameter a string. */
static int text_item(const struct spec_kind *kind, const json_t *item, struct str *to,
                     struct err *e)
{
    AUTO_STR struct str spec = {0};
    size_t first = to->len + 1;

    if (kind->text) {
        AUTO_FREE char *text = keys_json_text(item);
        if (!text)
            return err_set(e, ERR_BAD_CONFIG, "each item is a string");
        tree_write_string(to, text);
        return 0;
    }
    if (!kind->lists) {
        if (spec_text(kind->params, item, &spec, e) < 0)
            return -1;
        tree_write_string(to, spec.data ? spec.data : "");
        return 0;
    }
    str_addc(to, '[');
    for (const struct spec_param *param = kind->params; param->name; param++) {
        struct spec_param one[2] = {*param, {0}};
        str_finish(&spec);
        if (spec_text(one, item, &spec, e) < 0)
            return -1;
        if (!spec.len)
            continue;
        str_add(to, to->len > first ? ", " : "");
        tree_write_string(to, spec.data);
    }
    str_addc(to, ']');
    return 0;
}

static int text_specs(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    const json_t *item;
    size_t i;

    if (row->spec->single)
        return text_item(row->spec, json, to, e);
    if (!json_is_array(json))
        return err_set(e, ERR_BAD_CONFIG, "%s: it takes a list", row->name);
    str_addc(to, '[');
    json_array_foreach(json, i, item)
    {
        str_add(to, i ? ", " : "");
        if (text_item(row->spec, item, to, e) < 0)
            return -1;
    }
    str_addc(to, ']');
    return 0;
}

const struct keys_type keys_specs = {"a list of strings", set_specs, show_specs, clear_specs,
                                     text_specs};
