/* SPDX-License-Identifier: MIT */
/* What the tests of conf share: parse a text and look at the outcome. */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

struct outcome {
    struct conf *conf; /* NULL when it failed */
    struct conf_warnings warnings;
    struct err e;
};

static inline void parse_bytes(struct outcome *o, const char *text, size_t len, const char *driver,
                               const char *const *overrides, size_t count)
{
    *o = (struct outcome){0};
    int rc =
        conf_parse(text, len, "t.cfg", overrides, count, driver, &o->conf, &o->warnings, &o->e);
    assert_int_equal(rc, o->conf ? 0 : -1);
    if (rc < 0)
        assert_int_not_equal(o->e.code, ERR_NONE);
}

static inline void parse_text(struct outcome *o, const char *text)
{
    parse_bytes(o, text, strlen(text), "qemu", NULL, 0);
}

static inline void finish(struct outcome *o)
{
    conf_free(o->conf);
    conf_warnings_finish(&o->warnings);
}

/* Parses text, which must be good and without a warning. */
static inline struct conf *good(struct outcome *o, const char *text)
{
    parse_text(o, text);
    if (!o->conf)
        fail_msg("refused: %s\n%s", text, o->e.msg);
    if (o->warnings.count)
        fail_msg("warned: %s\n%s", text, o->warnings.lines[0]);
    return o->conf;
}

/* The text must be refused with `code` at that line and key, and the message must hold `says`. */
static inline void refuse(const char *text, enum err_code code, int line, const char *key,
                          const char *says)
{
    struct outcome o;

    parse_text(&o, text);
    if (o.conf)
        fail_msg("accepted: %s", text);
    if (o.e.code != code || o.e.line != line || !str_eq(o.e.key, key) || !strstr(o.e.msg, says))
        fail_msg("%s\ngot %s, line %d, key \"%s\": %s", text, err_name(o.e.code), o.e.line, o.e.key,
                 o.e.msg);
    assert_string_equal(o.e.file, "t.cfg");
    assert_true(str_starts(o.e.msg, "t.cfg:"));
    assert_null(strchr(o.e.msg, '\n'));
    finish(&o);
}

/* The text must be accepted on the driver with one warning that holds `says`. */
static inline void warn_on(const char *driver, const char *text, const char *says)
{
    struct outcome o;

    parse_bytes(&o, text, strlen(text), driver, NULL, 0);
    if (!o.conf)
        fail_msg("refused: %s\n%s", text, o.e.msg);
    if (o.warnings.count != 1 || !strstr(o.warnings.lines[0], says))
        fail_msg("%s\n%zu warnings, the first: %s", text, o.warnings.count,
                 o.warnings.count ? o.warnings.lines[0] : "-");
    finish(&o);
}

static inline char *json_text(const struct conf *conf)
{
    AUTO_JSON json_t *json = conf_json(conf);

    return json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
}

#endif
