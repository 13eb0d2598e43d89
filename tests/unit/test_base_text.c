/* SPDX-License-Identifier: MIT */
/* str, ident, json, err, clock. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/ident.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static void test_str(void **state)
{
    AUTO_STR struct str s = {0};

    (void)state;
    AUTO_FREE char *empty = str_take(&s);
    assert_string_equal(empty, "");
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "%d,", i);
    assert_int_equal(s.len, strlen(s.data));
    assert_true(str_starts(s.data, "0,1,2,") && str_ends(s.data, ",998,999,"));
    AUTO_FREE char *all = str_take(&s);
    assert_true(s.len == 0 && strlen(all) == 3890);
    str_addn(&s, "a\0b", 3);
    assert_true(s.len == 3 && s.data[3] == '\0');
    assert_true(str_eq(NULL, NULL) && !str_eq(NULL, "") && str_eq("a", "a"));
    assert_false(str_ends("a", "aa"));
}

static void test_escaped(void **state)
{
    static const char bytes[] = "a\\b\x1b[2J\n\x7f\xc3\xa9";
    AUTO_STR struct str s = {0};

    (void)state;
    str_add_escaped(&s, bytes, sizeof bytes - 1);
    assert_string_equal(s.data, "a\\\\b\\x1b[2J\\x0a\\x7f\\xc3\\xa9");
}

static void test_copy(void **state)
{
    char to[4];

    (void)state;
    assert_true(str_copy(to, sizeof to, "abc"));
    assert_string_equal(to, "abc");
    assert_false(str_copy(to, sizeof to, "abcd"));
    assert_string_equal(to, "abc");
    assert_true(str_copy(to, sizeof to, ""));
    assert_string_equal(to, "");
}

static const char *word(size_t i)
{
    static const char *const words[] = {"pause", "unpause", "shutdown", "list", NULL};

    return words[i];
}

static void test_nearest(void **state)
{
    char over_long[200];

    (void)state;
    assert_string_equal(str_nearest("pase", word), "pause");
    assert_string_equal(str_nearest("shutdwon", word), "shutdown");
    assert_string_equal(str_nearest("lst", word), "list");
    assert_null(str_nearest("reverse", word));
    memset(over_long, 'a', sizeof over_long - 1);
    over_long[sizeof over_long - 1] = '\0';
    assert_null(str_nearest(over_long, word));
}

static void test_names(void **state)
{
    static const char *const good[] = {"a", "web1", "A-z_0.9:+", "1a", ".", "ids:1", "jobs"};
    static const char *const bad[] = {"",
                                      "7",
                                      "0123456789",
                                      "-a",
                                      "id:7",
                                      "id:web",
                                      "job:1",
                                      "a b",
                                      "a/b",
                                      "a\n",
                                      "\xc3\xa9",
                                      "a\x1b[2J",
                                      "00000000-0000-4000-8000-00000000000A"};
    char name[IDENT_NAME_MAX + 2];
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(ident_name_check(good[i], &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ident_name_check(bad[i], &e), -1);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        /* What is said about it moves no cursor. */
        for (const char *at = e.msg; *at; at++)
            assert_true(*at >= ' ' && *at <= '~');
    }
    memset(name, 'x', sizeof name);
    name[IDENT_NAME_MAX] = '\0';
    assert_int_equal(ident_name_check(name, &e), 0);
    name[IDENT_NAME_MAX] = 'x';
    name[IDENT_NAME_MAX + 1] = '\0';
    assert_int_equal(ident_name_check(name, &e), -1);
}

static void test_uuids(void **state)
{
    char a[IDENT_UUID_LEN + 1], b[IDENT_UUID_LEN + 1], mac[IDENT_MAC_LEN + 1];

    (void)state;
    ident_uuid_draw(a);
    ident_uuid_draw(b);
    assert_true(ident_uuid_valid(a) && ident_uuid_valid(b) && !str_eq(a, b));
    assert_true(a[14] == '4' && strchr("89ab", a[19]));
    assert_false(ident_uuid_valid(""));
    assert_false(ident_uuid_valid("00000000-0000-4000-8000-00000000000"));
    assert_false(ident_uuid_valid("00000000-0000-4000-8000-0000000000000"));
    assert_false(ident_uuid_valid("00000000-0000-4000-8000-00000000000g"));
    assert_false(ident_uuid_valid("000000000000-4000-8000-0000-00000000"));
    ident_uuid_normal("ABCDEF00-0000-4000-8000-00000000000F", a);
    assert_string_equal(a, "abcdef00-0000-4000-8000-00000000000f");
    ident_mac_draw("52:54:00", mac);
    assert_true(str_starts(mac, "52:54:00:") && strlen(mac) == IDENT_MAC_LEN);
}

static void test_json(void **state)
{
    static const struct {
        const char *text;
        size_t len; /* 0: to its NUL */
        enum err_code code;
    } rows[] = {
        {"{}",                           0, ERR_NONE       },
        {" {\"a\":[1,{\"b\":null}]} ",   0, ERR_NONE       },
        {"{\"a\":\"[[[{{{\"}",           0, ERR_NONE       },
        {"",                             0, ERR_BAD_REQUEST},
        {"[]",                           0, ERR_BAD_REQUEST},
        {"{}x",                          0, ERR_BAD_REQUEST},
        {"{\"a\":1,\"a\":1}",            0, ERR_BAD_REQUEST},
        {"{\"a\":\"\\u0000\"}",          0, ERR_BAD_REQUEST},
        {"{\"a\\u0000b\":1}",            0, ERR_BAD_REQUEST},
        {"{}\0",                         3, ERR_BAD_REQUEST},
        {"{\"a\":\"\xff\"}",             0, ERR_BAD_REQUEST},
        {"{\"a\":\"\\ud800\"}",          0, ERR_BAD_REQUEST},
        {"{\"a\":01}",                   0, ERR_BAD_REQUEST},
        {"{\"a\":1e999}",                0, ERR_BAD_REQUEST},
        {"{\"a\":99999999999999999999}", 0, ERR_BAD_REQUEST},
        {"{'a':1}",                      0, ERR_BAD_REQUEST},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);
        AUTO_JSON json_t *json = json_parse_object(rows[i].text, len, &e);
        if ((json == NULL) != (rows[i].code != ERR_NONE) || e.code != rows[i].code)
            fail_msg("%s: %s", rows[i].text, json ? "taken" : e.msg);
    }
}

static void test_json_depth(void **state)
{
    (void)state;
    for (int depth = JSON_DEPTH_MAX - 1; depth <= 100 * 1000; depth = depth * 2 + 1) {
        AUTO_STR struct str text = {0};
        struct err e = {0};
        str_add(&text, "{\"a\":");
        for (int i = 1; i < depth; i++)
            str_addc(&text, '[');
        for (int i = 1; i < depth; i++)
            str_addc(&text, ']');
        str_addc(&text, '}');
        AUTO_JSON json_t *json = json_parse_object(text.data, text.len, &e);
        assert_true((json != NULL) == (depth <= JSON_DEPTH_MAX));
        assert_true(json || e.code == ERR_TOO_LARGE);
    }
}

static void test_json_members(void **state)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_STR struct str line = {0};

    (void)state;
    json_set_string(json, "a", "\xff\n");
    json_set_string(json, "b", NULL);
    json_set_int(json, "c", 9007199254740993);
    json_set_bool(json, "d", true);
    json_set_time(json, "e", 0);
    json_set_time(json, "f", 1000);
    assert_string_equal(json_get_string(json, "a", ""), "\\xff\\x0a");
    assert_string_equal(json_get_string(json, "b", "missing"), "missing");
    assert_string_equal(json_get_string(json, "c", "other type"), "other type");
    assert_true(json_get_int(json, "c", 0) == 9007199254740993);
    assert_int_equal(json_get_int(json, "a", 7), 7);
    assert_true(json_get_bool(json, "d", false));
    assert_true(json_get_bool(json, "z", true));
    assert_true(json_is_null(json_object_get(json, "e")));
    assert_string_equal(json_get_string(json, "f", ""), "1970-01-01T00:00:01.000Z");
    json_add_line(&line, json);
    assert_null(strchr(line.data, '\n'));
}

static void test_errors(void **state)
{
    struct err e = {0};
    char big[2000];

    (void)state;
    assert_int_equal(err_set(&e, ERR_BUSY, "%s is busy", "web1"), -1);
    assert_int_equal(err_wrap(&e, "cannot start %s", "web1"), -1);
    assert_string_equal(e.msg, "cannot start web1: web1 is busy");
    assert_int_equal(e.code, ERR_BUSY);
    /* Its own text may be an argument, and a long one is cut. */
    assert_int_equal(err_set(&e, ERR_FAILED, "again: %s", e.msg), -1);
    assert_string_equal(e.msg, "again: cannot start web1: web1 is busy");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_FAILED, "%s", big), -1);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    assert_int_equal(err_wrap(&e, "%s", "front"), -1);
    assert_true(str_starts(e.msg, "front: xxx"));
    assert_int_equal(err_errno(&e, ERR_FAILED, ENOENT, "cannot open %s", "a"), -1);
    assert_string_equal(e.msg, "cannot open a: No such file or directory");
    assert_int_equal(err_errno(&e, ERR_FAILED, ENOSPC, "cannot write"), -1);
    assert_int_equal(e.code, ERR_NO_SPACE);
    for (int code = 0; code < ERR_N; code++)
        assert_int_equal(err_code_of(err_name((enum err_code)code)), code);
    assert_int_equal(err_code_of("unheard-of"), ERR_FAILED);
}

/* The table of the contract. */
static void test_error_numbers(void **state)
{
    static const struct {
        const char *name;
        int exit;
        int http;
    } rows[] = {
        {"bad-request",        2, 400},
        {"bad-config",         2, 400},
        {"not-authenticated",  7, 401},
        {"not-allowed",        7, 403},
        {"no-such-domain",     3, 404},
        {"no-such-job",        3, 404},
        {"no-such-image",      3, 404},
        {"no-such-verb",       2, 404},
        {"wrong-state",        4, 409},
        {"exists",             4, 409},
        {"disk-changed",       4, 409},
        {"busy",               6, 409},
        {"stale",              6, 412},
        {"too-large",          1, 413},
        {"too-many",           1, 429},
        {"timed-out",          5, 504},
        {"cancelled",          1, 409},
        {"unsupported",        9, 501},
        {"driver-unavailable", 9, 503},
        {"no-space",           1, 507},
        {"damaged",            1, 422},
        {"failed",             1, 500},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum err_code code = err_code_of(rows[i].name);
        assert_string_equal(err_name(code), rows[i].name);
        assert_int_equal(err_exit(code), rows[i].exit);
        assert_int_equal(err_http(code), rows[i].http);
    }
    assert_int_equal(err_exit(err_code_of("unreachable")), 8);
    assert_int_equal(ARRAY_LEN(rows) + 2, ERR_N);
}

static void test_clock(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z",           0            },
        {"1970-01-01T00:00:00",            0            },
        {"1970-01-01 00:00:01",            1000         },
        {"2026-01-31T12:00:00.000Z",       1769860800000},
        {"2026-01-31T12:00:00.5Z",         1769860800500},
        {"2026-01-31T12:00:00.123456789Z", 1769860800123},
        {"2026-01-31T13:30:00+01:30",      1769860800000},
        {"2026-01-31T10:00:00-02:00",      1769860800000},
        {"",                               -1           },
        {"now",                            -1           },
        {"2026-01-31",                     -1           },
        {"2026-01-31T12:00:00.Z",          -1           },
        {"2026-01-31T12:00:00.1e300Z",     -1           },
        {"2026-01-31T12:00:00.nanZ",       -1           },
        {"2026-01-31T12:00:00+1",          -1           },
        {"2026-01-31T12:00:00Zx",          -1           },
    };
    char text[CLOCK_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = -1;
        struct err e;
        int result = clock_parse(rows[i].text, &ms, &e);
        if (result != (rows[i].ms < 0 ? -1 : 0) || ms != rows[i].ms)
            fail_msg("%s: %lld", rows[i].text, (long long)ms);
    }
    assert_string_equal(clock_rfc3339(1769860800123, text), "2026-01-31T12:00:00.123Z");
    assert_int_equal(clock_left_ms(0), -1);
    assert_int_equal(clock_left_ms(1), 0);
    assert_true(clock_left_ms(INT64_MAX) > 1000 * 1000);
    assert_int_equal(strlen(clock_boot_id()), CLOCK_BOOT_ID_LEN);
    int64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before && clock_mono_ns() / 1000000 >= before / 1000000);
    assert_true(clock_mono_ms() >= before / 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str),           cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_copy),          cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_json),          cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_json_members),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_numbers), cmocka_unit_test(test_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
