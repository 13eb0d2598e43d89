/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* jansson's own depth limit is a constant of its build, so ours is counted before it parses. */
static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *json_parse_object(const char *text, size_t len, struct err *e)
{
    json_error_t why;

    if (too_deep(text, len)) {
        err_set(e, ERR_TOO_LARGE, "the request is nested more than %d deep", JSON_DEPTH_MAX);
        return NULL;
    }
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!json) {
        err_set(e, ERR_BAD_REQUEST, "not a JSON object: %s (byte %d)", why.text, why.position);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        err_set(e, ERR_BAD_REQUEST, "not a JSON object");
        return NULL;
    }
    return json;
}

static int add_bytes(const char *bytes, size_t len, void *to)
{
    str_addn(to, bytes, len);
    return 0;
}

void json_add_line(struct str *to, const json_t *json)
{
    json_dump_callback(json, add_bytes, to, JSON_COMPACT | JSON_ENCODE_ANY);
}

const char *json_get_string(const json_t *object, const char *key, const char *missing)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : missing;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t missing)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : missing;
}

bool json_get_bool(const json_t *object, const char *key, bool missing)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_boolean_value(value) : missing;
}

static void set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        abort();
}

json_t *json_text(const char *value)
{
    json_t *json = value ? json_string(value) : json_null();

    if (json)
        return json;
    AUTO_STR struct str escaped = {0};
    str_add_escaped(&escaped, value, strlen(value));
    return json_string(escaped.data);
}

json_t *json_time(int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];

    return wall_ms ? json_string(clock_rfc3339(wall_ms, text)) : json_null();
}

void json_set_string(json_t *object, const char *key, const char *value)
{
    set(object, key, json_text(value));
}

void json_set_int(json_t *object, const char *key, int64_t value)
{
    set(object, key, json_integer(value));
}

void json_set_bool(json_t *object, const char *key, bool value)
{
    set(object, key, json_boolean(value));
}

void json_set_time(json_t *object, const char *key, int64_t wall_ms)
{
    set(object, key, json_time(wall_ms));
}
