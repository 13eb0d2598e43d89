/* SPDX-License-Identifier: MIT */
/* Each key by its row: what it takes and refuses, its bounds, its default, and that its value comes
 * back from text and JSON. On the Xen driver, where nearly every key acts. */
#include "conf_fixture.h"

enum { TEXT_MAX = 100000 };

static const char *takes_of(size_t i)
{
    return conf_key_takes(i) ? conf_key_takes(i) : "";
}

static bool parse_on(struct outcome *o, const char *driver, const char *text)
{
    parse_bytes(o, text, strlen(text), driver, NULL, 0);
    return o->conf != NULL;
}

/* reeve_machine and the like act elsewhere than on Xen. */
static const char *driver_of(size_t i)
{
    return conf_key_acts(i, "xen") ? "xen" : "qemu";
}

/* What stands beside the key so that nothing contradicts it: most are of an HVM guest. */
static const char *beside(size_t i, const char *value)
{
    static const struct {
        const char *key, *value, *with;
    } rows[] = {
        {"type",                    NULL,         ""                                           },
        {"builder",                 NULL,         ""                                           },
        {"cmdline",                 NULL,         "kernel = '/k'; "                            },
        {"root",                    NULL,         "kernel = '/k'; "                            },
        {"extra",                   NULL,         "kernel = '/k'; "                            },
        {"ramdisk",                 NULL,         "kernel = '/k'; "                            },
        {"firmware",                "'pvgrub32'", "type = 'pv'; "                              },
        {"firmware",                "'pvgrub64'", "type = 'pv'; "                              },
        {"firmware",                "'rombios'",  "device_model_stubdomain_override = 1; "     },
        {"bios",                    "'rombios'",  "device_model_stubdomain_override = 1; "     },
        {"pvshim",                  NULL,         "type = 'pvh'; "                             },
        {"spice",                   NULL,         "spicedisable_ticketing = 1; spiceport = 1; "},
        {"spice_clipboard_sharing", NULL,         "spicevdagent = 1; "                         },
        {"videoram",                NULL,         "vga = 'none'; "                             },
        {"device_model_version",    NULL,         ""                                           },
    };

    if (!str_eq(driver_of(i), "xen"))
        return "";
    for (size_t n = 0; n < ARRAY_LEN(rows); n++)
        if (str_eq(rows[n].key, conf_key_name(i)) &&
            (!rows[n].value || str_eq(rows[n].value, value)))
            return rows[n].with;
    return "";
}

/* KEY = VALUE with what it takes. */
static char *whole(size_t i, const char *value)
{
    const char *with = beside(i, value);
    bool type = strstr(with, "type = ") || str_eq(conf_key_name(i), "type") ||
                str_eq(conf_key_name(i), "builder") || !str_eq(driver_of(i), "xen");

    return x_asprintf("%s%s\n%s = %s", type ? "" : "type = 'hvm'; ", with, conf_key_name(i), value);
}

static void accepts(size_t i, const char *value)
{
    AUTO_FREE char *text = whole(i, value);
    struct outcome o;

    if (!parse_on(&o, driver_of(i), text))
        fail_msg("%s\n%s", text, o.e.msg);
    finish(&o);
}

/* With the place, and the key's name in the message. */
static void refuses(size_t i, const char *value)
{
    AUTO_FREE char *text = whole(i, value);
    struct outcome o;

    if (parse_on(&o, driver_of(i), text))
        fail_msg("accepted: %s", text);
    if (o.e.code != ERR_BAD_CONFIG || o.e.line != 2 || !str_eq(o.e.key, conf_key_name(i)) ||
        !strstr(o.e.msg, conf_key_name(i)))
        fail_msg("%s\n%s, line %d, key %s: %s", text, err_name(o.e.code), o.e.line, o.e.key,
                 o.e.msg);
    finish(&o);
}

/* conf -> text -> conf and conf -> JSON -> conf are equal. */
static void comes_back(const struct conf *conf, const char *driver, const char *of)
{
    AUTO_FREE char *text = conf_text(conf);
    AUTO_JSON json_t *json = conf_json(conf);
    struct conf_warnings warnings;
    struct conf *from_json = NULL;
    struct outcome o;

    if (!parse_on(&o, driver, text))
        fail_msg("%s\nbecame\n%s\n%s", of, text, o.e.msg);
    if (!conf_equal(conf, o.conf))
        fail_msg("%s\nis another after\n%s\n%s\n%s", of, text, json_text(conf), json_text(o.conf));
    AUTO_FREE char *again = conf_text(o.conf);
    assert_string_equal(text, again);
    finish(&o);
    if (conf_from_json(json, driver, &from_json, &warnings, &o.e) < 0)
        fail_msg("%s\nas JSON: %s", of, o.e.msg);
    if (!conf_equal(conf, from_json))
        fail_msg("%s\nis another after JSON", of);
    conf_free(from_json);
    conf_warnings_finish(&warnings);
}

static void value_comes_back(size_t i, const char *value)
{
    AUTO_FREE char *text = whole(i, value);
    struct outcome o;

    if (!parse_on(&o, driver_of(i), text))
        fail_msg("%s\n%s", text, o.e.msg);
    comes_back(o.conf, driver_of(i), text);
    finish(&o);
}

static void numbers(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        int64_t min, max;
        char low[32], high[32], under[32], over[32];
        if (!str_eq(takes_of(i), "a number"))
            continue;
        count++;
        if (!conf_key_bounds(i, &min, &max))
            fail_msg("%s is a number without bounds", conf_key_name(i));
        snprintf(low, sizeof low, min < 0 ? "\"%lld\"" : "%lld", (long long)min);
        snprintf(high, sizeof high, "%lld", (long long)max);
        snprintf(under, sizeof under, "\"%lld\"", (long long)min - 1);
        snprintf(over, sizeof over, "%lld", (long long)max + 1);
        accepts(i, low);
        accepts(i, high);
        accepts(i, "null");
        refuses(i, under);
        refuses(i, over);
        refuses(i, "99999999999999999999999999");
        refuses(i, "[1]");
        refuses(i, "'x'");
        refuses(i, "'1M'");
        value_comes_back(i, low);
        value_comes_back(i, high);
    }
    assert_true(count > 25);
}

static void flags(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        if (!str_starts(takes_of(i), "0 or 1"))
            continue;
        count++;
        accepts(i, "0");
        accepts(i, "'1'");
        accepts(i, "False");
        refuses(i, "'x'");
        refuses(i, "''");
        refuses(i, "[['a']]");
        value_comes_back(i, "0");
        value_comes_back(i, "1");
    }
    assert_true(count > 40);
}

static void words(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        if (!conf_key_word(i, 0) || !str_eq(takes_of(i), "a string"))
            continue;
        count++;
        for (size_t n = 0; conf_key_word(i, n); n++) {
            AUTO_FREE char *value = x_asprintf("'%s'", conf_key_word(i, n));
            /* Words that the rows know and refuse. */
            bool gone = str_eq(conf_key_name(i), "tsc_mode") &&
                        (str_eq(value, "'native_paravirt'") || str_eq(value, "'3'"));
            if (!gone)
                value_comes_back(i, value);
        }
        refuses(i, "'no such word'");
        refuses(i, "['a']");
    }
    assert_true(count > 25);
}

/* A string of its most bytes is taken and one of a byte more is not. */
static void strings(void **state)
{
    static char longest[TEXT_MAX];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        int64_t min, max;
        if (!str_eq(takes_of(i), "a string") || conf_key_word(i, 0) ||
            !conf_key_bounds(i, &min, &max))
            continue;
        count++;
        assert_true(max + 3 < TEXT_MAX);
        memset(longest, 'a', sizeof longest);
        longest[0] = longest[max + 1] = '\'';
        longest[max + 2] = '\0';
        accepts(i, longest);
        longest[max + 1] = 'a';
        longest[max + 2] = '\'';
        longest[max + 3] = '\0';
        refuses(i, longest);
        refuses(i, "['a']");
        value_comes_back(i, "'a \"b\" \\\\ \\n \\r \\t \\' \\x01 \\xff,=;#'");
        value_comes_back(i, "''");
    }
    assert_true(count > 30);
}

/* Keys with lists and specs have an example, which is right and comes back. */
static void examples(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        const char *name = conf_key_name(i);
        if (!conf_key_example(i)) {
            if (strstr(takes_of(i), "list"))
                fail_msg("%s takes a list and has no example", name);
            continue;
        }
        count++;
        value_comes_back(i, conf_key_example(i));
        if (conf_key_example(i)[0] == '[')
            value_comes_back(i, "[]");
        refuses(i, "[[[['a']]]]");
        AUTO_FREE char *text = whole(i, conf_key_example(i));
        struct outcome o;
        parse_on(&o, "xen", text);
        AUTO_JSON json_t *json = conf_json(o.conf);
        if (!json_object_get(json, name))
            fail_msg("%s is read and not shown", text);
        finish(&o);
    }
    assert_true(count > 30);
}

/* A default that is applied is what the key would give when written; another leaves it unset. */
static void defaults(void **state)
{
    size_t applied = 0, later = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        struct outcome empty, written;
        if (!conf_key_default(i))
            continue;
        AUTO_FREE char *none = whole(i, "null");
        AUTO_FREE char *quoted = x_asprintf("'%s'", conf_key_default(i));
        AUTO_FREE char *text = whole(i, quoted);
        assert_true(parse_on(&empty, driver_of(i), none));
        if (!parse_on(&written, driver_of(i), text))
            fail_msg("%s\n%s", text, written.e.msg);
        if (conf_equal(empty.conf, written.conf) != conf_key_default_applied(i))
            fail_msg("%s is not the default", text);
        *(conf_key_default_applied(i) ? &applied : &later) += 1;
        finish(&empty);
        finish(&written);
    }
    assert_true(applied > 8);
    assert_true(later > 50);
}

/* On QEMU a key of Xen's is read and checked too, and then ignored with a warning or refused. */
static void elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        struct outcome o;
        if (conf_key_acts(i, "qemu") || conf_key_refused(i) || !conf_key_takes(i))
            continue;
        AUTO_FREE char *text = x_asprintf("%s = [[[['x']]]]", conf_key_name(i));
        if (parse_on(&o, "qemu", text))
            fail_msg("accepted on qemu: %s", text);
        assert_string_equal(o.e.key, conf_key_name(i));
        finish(&o);
        if (!conf_key_example(i))
            continue;
        AUTO_FREE char *right = x_asprintf("%s = %s", conf_key_name(i), conf_key_example(i));
        warn_on("qemu", right, "is ignored on qemu");
    }
}

static void empty_comes_back(void **state)
{
    static const char *const drivers[] = {"qemu", "null", "xen"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        struct outcome o, again;
        assert_true(parse_on(&o, drivers[i], ""));
        comes_back(o.conf, drivers[i], drivers[i]);
        AUTO_FREE char *text = conf_text(o.conf);
        assert_true(parse_on(&again, drivers[i], text));
        assert_int_equal(again.warnings.count, 0);
        finish(&again);
        finish(&o);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),   cmocka_unit_test(flags),
        cmocka_unit_test(words),     cmocka_unit_test(strings),
        cmocka_unit_test(examples),  cmocka_unit_test(defaults),
        cmocka_unit_test(elsewhere), cmocka_unit_test(empty_comes_back),
    };

    return cmocka_run_group_tests_name("conf_rows", tests, NULL, NULL);
}
