/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

static const struct option_row rows[] = {
    {OPT_PAUSED,  'p', "paused", NULL, ""},
    {OPT_CONSOLE,   'c', "console", NULL, ""},
    {OPT_TIMEOUT,         't', "timeout", "SECONDS", ""},
    {0},
};

#define WORDS(...) ((char *[]){__VA_ARGS__})

static int parse(struct options *o, char *const *argv, int count, bool head, struct err *e)
{
    *o = (struct options){.sets = {rows}};
    return options_parse(o, "start", argv, count, head, e);
}

static void options_stand_anywhere(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(parse(&o, WORDS("web1", "-pc", "web2", "--timeout=5", "-"), 5, false, &e), 5);
    assert_true(o.given[OPT_PAUSED] && o.given[OPT_CONSOLE] && o.given[OPT_TIMEOUT]);
    assert_string_equal(o.value[OPT_TIMEOUT], "5");
    assert_int_equal(o.operand_count, 3);
    assert_string_equal(o.operands[1], "web2");
    assert_string_equal(o.operands[2], "-");
    options_finish(&o);
}

static void every_way_to_give_a_value(void **state)
{
    static char *const ways[][2] = {
        {"--timeout",   "7"},
        {"--timeout=7", "x"},
        {"-t",          "7"},
        {"-t7",         "x"},
        {"-pt7",        "x"}
    };
    struct options o;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        assert_int_equal(parse(&o, ways[i], 2, false, &e), 2);
        assert_string_equal(o.value[OPT_TIMEOUT], "7");
        options_finish(&o);
    }
    assert_int_equal(parse(&o, WORDS("--timeout=1", "--timeout=2"), 2, false, &e), 2);
    assert_string_equal(o.value[OPT_TIMEOUT], "2");
    options_finish(&o);
}

static void two_dashes_end_options(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(parse(&o, WORDS("-p", "--", "-c", "--"), 4, false, &e), 4);
    assert_true(o.given[OPT_PAUSED]);
    assert_false(o.given[OPT_CONSOLE]);
    assert_int_equal(o.operand_count, 2);
    assert_string_equal(o.operands[0], "-c");
    options_finish(&o);
}

static void the_head_ends_at_the_first_operand(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(parse(&o, WORDS("-p", "start", "-x"), 3, true, &e), 1);
    assert_int_equal(o.operand_count, 0);
    options_finish(&o);
}

static void refusals_say_what_is_wrong(void **state)
{
    static const struct {
        char *word;
        const char *says;
    } cases[] = {
        {"--pause",      "start has no option --pause; did you mean --paused?"},
        {"--xyzzy=1",    "start has no option --xyzzy"                        },
        {"-px",          "start has no option -x"                             },
        {"--paused=yes", "--paused takes no value"                            },
        {"--timeout",    "--timeout needs a value: SECONDS"                   },
        {"-pt",          "-t needs a value: SECONDS"                          },
        {"--a\x1b[2J",   "start has no option --a\\x1b[2J"                    },
    };
    struct options o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        assert_int_equal(parse(&o, (char *[]){cases[i].word}, 1, false, &e), -1);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_string_equal(e.msg, cases[i].says);
        options_finish(&o);
    }
}

static void seconds(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0",        0          },
        {"90",       90000      },
        {"0.5",      500        },
        {"1.2345",   1234       },
        {"31622400", 31622400000}
    };
    static const char *const bad[] = {
        "", ".", "1.", ".5", "-1", "1s", "1e3", "31622401", "99999999999999999999", " 1"};
    int64_t ms;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(options_seconds(good[i].text, &ms, &e), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(options_seconds(bad[i], &ms, &e), -1);
}

static void jobs(void **state)
{
    static const char *const bad[] = {
        "", "job:", "job:x", "web1", "-1", "job:-1", "9999999999999999999"};
    int64_t job;
    struct err e;

    (void)state;
    assert_int_equal(options_job("job:7", &job, &e), 0);
    assert_int_equal(job, 7);
    assert_int_equal(options_job("12", &job, &e), 0);
    assert_int_equal(job, 12);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(options_job(bad[i], &job, &e), -1);
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t kib;
    } good[] = {
        {"512",      512 * 1024        },
        {"1m",       1024              },
        {"2G",       2 * 1024 * 1024   },
        {"1t",       1024 * 1024 * 1024},
        {"2048k",    2048              },
        {"1048576b", 1024              },
    };
    static const char *const bad[] = {
        "", "0", "m", "-1", "1.5g", "1500k", "1mb", "9999999999999", "99999999t", "12 "};
    int64_t kib;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(options_size(good[i].text, &kib, &e), 0);
        assert_int_equal(kib, good[i].kib);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(options_size(bad[i], &kib, &e), -1);
        assert_int_equal(e.code, ERR_BAD_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(every_way_to_give_a_value),
        cmocka_unit_test(two_dashes_end_options),
        cmocka_unit_test(the_head_ends_at_the_first_operand),
        cmocka_unit_test(refusals_say_what_is_wrong),
        cmocka_unit_test(seconds),
        cmocka_unit_test(jobs),
        cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
