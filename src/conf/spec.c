/* SPDX-License-Identifier: MIT */
#include "conf/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/lex.h"

/* The rows that str_nearest looks through: it takes a function without a context. */
static _Thread_local const struct spec_param *candidates;

static const char *candidate(size_t i)
{
    return candidates[i].name;
}

char *spec_trim(char *text)
{
    text += strspn(text, " \t\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int unknown(struct spec *spec, const char *name, struct err *e)
{
    char shown[PLACE_SHOWN];

    candidates = spec->params;
    const char *near = str_nearest(name, candidate);
    place_show(name, shown);
    if (near)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a parameter; did you mean %s?", shown, near);
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s is not a parameter%s", shown,
                      str_eq(spec->params[0].name, "target")
                          ? "; a path with = or , in it goes last, as target=PATH"
                          : "");
}

bool spec_number(const char *text, int base, int64_t *ret)
{
    char *end;

    if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
        return false;
    errno = 0;
    long long value = strtoll(text, &end, base);
    *ret = value;
    return errno == 0 && end != text && *end == '\0';
}

bool spec_range(const char *text, int base, int64_t max, int64_t *ret_first, int64_t *ret_last)
{
    AUTO_FREE char *copy = x_strdup(text);
    char *dash = strchr(copy, '-');

    if (dash)
        *dash = '\0';
    return spec_number(copy, base, ret_first) &&
           spec_number(dash ? dash + 1 : copy, base, ret_last) && *ret_first <= *ret_last &&
           *ret_last <= max;
}

/* ---- reading ---- */

static void *member(const struct spec *spec, const struct spec_param *param)
{
    return (char *)spec->to + param->offset;
}

static int store_number(struct spec *spec, const struct spec_param *param, const char *value,
                        struct err *e)
{
    struct conf_number *to = member(spec, param);
    bool hex = param->store == SPEC_HEX;
    char shown[PLACE_SHOWN];
    uint64_t number = 0;
    int64_t small = 0;
    bool good = hex ? spec_number(value, 16, &small)
                    : lex_number_read(value, strlen(value), &number) == LEX_NUMBER_OK &&
                          number <= INT64_MAX;

    if (!hex && good)
        small = (int64_t)number;
    if (!good || small < param->min || small > param->max)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          hex ? "%s=%s is not a number in hexadecimal from %llx to %llx"
                              : "%s=%s is not a number from %lld to %lld",
                          param->name, place_show(value, shown), (long long)param->min,
                          (long long)param->max);
    *to = (struct conf_number){.given = true, .value = small};
    return 0;
}

static int store_flag(struct spec *spec, const struct spec_param *param, const char *value,
                      struct err *e)
{
    enum conf_flag *to = member(spec, param);
    enum conf_flag is = (enum conf_flag)param->value;
    char shown[PLACE_SHOWN];
    uint64_t number;

    if (!param->flag) {
        if (lex_number_read(value, strlen(value), &number) != LEX_NUMBER_OK)
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s=%s is neither 0 nor 1",
                              param->name, place_show(value, shown));
        is = number ? CONF_FLAG_ON : CONF_FLAG_OFF;
    } else if (*to != CONF_FLAG_UNSET && *to != is) {
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s contradicts what stands before",
                          param->name);
    }
    *to = is;
    return 0;
}

static int store_word(struct spec *spec, const struct spec_param *param, const char *value,
                      struct err *e)
{
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];

    for (const struct keys_word_row *word = param->words; word->name; word++) {
        if (strcasecmp(word->name, value) == 0) {
            memcpy(member(spec, param), &word->value, sizeof word->value);
            return 0;
        }
        str_addf(&all, "%s%s", all.len ? ", " : "", word->name);
    }
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s %s is not one of: %s", param->name,
                      place_show(value, shown), all.data);
}

/* An empty value is as if the parameter were not given. */
static int store(struct spec *spec, const struct spec_param *param, const char *value,
                 struct err *e)
{
    if (!*value && !param->flag)
        return 0;
    switch (param->store) {
    case SPEC_STRING: {
        char **to = member(spec, param);
        x_replace(to, x_strdup(value));
        return 0;
    }
    case SPEC_NUMBER:
    case SPEC_HEX:
        return store_number(spec, param, value, e);
    case SPEC_WORD:
        return store_word(spec, param, value, e);
    case SPEC_FLAG:
        return store_flag(spec, param, value, e);
    case SPEC_NONE:
        break;
    }
    return 0;
}

static int take(struct spec *spec, const struct spec_param *param, const char *value, struct err *e)
{
    bool elsewhere = spec->c->driver != KEYS_XEN;

    if (param->refused && (!param->xen || elsewhere))
        return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED, "%s is not supported on %s: %s",
                          param->name, spec->c->driver_name, param->refused);
    if (param->set && param->set(spec, value, e) < 0)
        return -1;
    if (!param->set && store(spec, param, value, e) < 0)
        return -1;
    /* When the whole key is ignored, that has been said. */
    bool silent = !spec->c->row->acts[spec->c->driver];
    if (!silent && ((param->xen && elsewhere) || (!param->set && param->store == SPEC_NONE)))
        keys_warn(spec->c, spec->v, "%s is ignored on %s", param->name, spec->c->driver_name);
    return 0;
}

int spec_apply(struct spec *spec, char *word, bool *ret_known, struct err *e)
{
    char *equals = strchr(word, '=');
    size_t i = 0;

    if (equals)
        *equals = '\0';
    const char *name = spec_trim(word);
    while (spec->params[i].name &&
           !(str_eq(spec->params[i].name, name) && spec->params[i].flag == (equals == NULL)))
        i++;
    const struct spec_param *param = &spec->params[i];
    *ret_known = param->name != NULL;
    if (!param->name)
        return equals ? unknown(spec, name, e) : 0;
    if (spec->seen[i])
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s is given twice", param->name);
    spec->seen[i] = true;
    return take(spec, param, equals ? spec_trim(equals + 1) : "", e);
}

int spec_parse(struct spec *spec, char *text,
               int (*bare)(struct spec *spec, char *word, struct err *e), struct err *e)
{
    char *word;
    bool known;

    while ((word = strsep(&text, ","))) {
        char shown[PLACE_SHOWN];
        word = spec_trim(word);
        if (!*word)
            continue;
        if (spec_apply(spec, word, &known, e) < 0)
            return -1;
        if (known)
            continue;
        if (!bare)
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "%s is not of the form parameter=value, as in %s=...",
                              place_show(word, shown), spec->params[0].name);
        if (bare(spec, word, e) < 0)
            return -1;
    }
    return 0;
}

int spec_check_backend(struct spec *spec, const char *value, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (*value == '\0' || str_eq(value, "0") || str_eq(value, "Domain-0"))
        return 0;
    if (spec->c->driver == KEYS_XEN)
        return 1;
    return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED,
                      "backend %s is not supported on %s, where the host itself is the backend",
                      place_show(value, shown), spec->c->driver_name);
}

/* ---- showing ---- */

static json_t *show_number(const struct spec_param *param, const struct conf_number *from)
{
    char hex[24];

    if (!from->given)
        return NULL;
    if (param->store == SPEC_NUMBER)
        return json_integer(from->value);
    snprintf(hex, sizeof hex, "%llx", (unsigned long long)from->value);
    return json_string(hex);
}

static json_t *show_word(const struct spec_param *param, const void *from)
{
    unsigned value;

    memcpy(&value, from, sizeof value);
    for (const struct keys_word_row *word = param->words; value && word->name; word++)
        if (word->value == value)
            return json_string(word->name);
    return NULL;
}

static json_t *show_flag(const struct spec_param *param, const enum conf_flag *from)
{
    if (*from == CONF_FLAG_UNSET || (param->flag && *from != (enum conf_flag)param->value))
        return NULL;
    return json_boolean(param->flag || *from == CONF_FLAG_ON);
}

static json_t *show(const struct spec_param *param, const void *item)
{
    const void *from = (const char *)item + param->offset;

    switch (param->store) {
    case SPEC_STRING: {
        char *const *text = from;
        return *text ? keys_json_string(*text) : NULL;
    }
    case SPEC_NUMBER:
    case SPEC_HEX:
        return show_number(param, from);
    case SPEC_WORD:
        return show_word(param, from);
    case SPEC_FLAG:
        return show_flag(param, from);
    case SPEC_NONE:
        break;
    }
    return NULL;
}

void spec_show(const struct spec_param *params, const void *item, json_t *object)
{
    for (; params->name; params++) {
        json_t *value = show(params, item);
        if (value)
            json_object_set_new(object, params->name, value);
    }
}

void spec_clear(const struct spec_param *params, void *item)
{
    for (; params->name; params++) {
        if (params->store != SPEC_STRING)
            continue;
        char **text = (char **)((char *)item + params->offset);
        free(*text);
        *text = NULL;
    }
}

static int param_text(const struct spec_param *param, const json_t *value, struct str *to,
                      struct err *e)
{
    const char *comma = to->len ? "," : "";

    if (param->flag) {
        if (json_is_true(value))
            str_addf(to, "%s%s", comma, param->name);
        return json_is_boolean(value)
                   ? 0
                   : err_set(e, ERR_BAD_CONFIG, "%s: it takes true or false", param->name);
    }
    if (json_is_integer(value)) {
        str_addf(to, "%s%s=%lld", comma, param->name, (long long)json_integer_value(value));
        return 0;
    }
    if (json_is_boolean(value)) {
        str_addf(to, "%s%s=%d", comma, param->name, json_is_true(value));
        return 0;
    }
    AUTO_FREE char *text = keys_json_text(value);
    if (!text)
        return err_set(e, ERR_BAD_CONFIG, "%s: it takes a string, a number or a boolean",
                       param->name);
    str_addf(to, "%s%s=", comma, param->name);
    str_add(to, text);
    return 0;
}

int spec_text(const struct spec_param *params, const json_t *object, struct str *to, struct err *e)
{
    for (; params->name; params++) {
        const json_t *value = json_object_get(object, params->name);
        if (value && params->store != SPEC_NONE && param_text(params, value, to, e) < 0)
            return -1;
    }
    return 0;
}
