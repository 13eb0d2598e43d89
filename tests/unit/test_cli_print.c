/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static void cell_name(const json_t *row, bool people, struct str *to)
{
    const char *name = json_get_string(row, "name", "");

    (void)people;
    str_add_escaped(to, name, strlen(name));
}

static void cell_id(const json_t *row, bool people, struct str *to)
{
    (void)people;
    if (json_is_integer(json_object_get(row, "id")))
        str_addf(to, "%jd", (intmax_t)json_get_int(row, "id", 0));
}

static void cell_text(const json_t *row, bool people, struct str *to)
{
    str_add(to, people ? json_get_string(row, "text", "") : json_get_string(row, "raw", ""));
}

static const struct column columns[] = {
    {"name", "NAME", false, cell_name},
    {"id", "ID", true, cell_id},
    {"text",      "TEXT", false, cell_text},
    {0 },
};
static const struct column *const all[] = {&columns[0], &columns[1], &columns[2]};

static json_t *two_rows(void)
{
    return json_pack("[{s:s,s:i,s:s,s:s},{s:s}]", "name", "a\x1b[2Jb", "id", 1234, "text", "t",
                     "raw", "x,\"y\"\nz", "name", "c");
}

static void tables_are_aligned_and_escaped(void **state)
{
    AUTO_JSON json_t *rows = two_rows();
    AUTO_STR struct str text = {0};

    (void)state;
    print_rows(all, 3, rows, PRINT_TABLE, &text);
    assert_string_equal(text.data, "NAME         ID  TEXT\n"
                                   "a\\x1b[2Jb  1234  t\n"
                                   "c             -  -\n");
}

static void csv_is_quoted(void **state)
{
    AUTO_JSON json_t *rows = two_rows();
    AUTO_STR struct str text = {0};

    (void)state;
    print_rows(all, 3, rows, PRINT_CSV, &text);
    assert_string_equal(text.data, "name,id,text\na\\x1b[2Jb,1234,\"x,\"\"y\"\"\nz\"\nc,,\n");
}

static void an_empty_table_is_its_titles(void **state)
{
    AUTO_JSON json_t *rows = json_array();
    AUTO_STR struct str text = {0};

    (void)state;
    print_rows(all, 3, rows, PRINT_TABLE, &text);
    assert_string_equal(text.data, "NAME  ID  TEXT\n");
}

static void columns_are_chosen_by_name(void **state)
{
    const struct column *chosen[2];
    struct err e;

    (void)state;
    assert_int_equal(print_columns(columns, "id,name", chosen, 2, &e), 2);
    assert_ptr_equal(chosen[0], &columns[1]);
    assert_int_equal(print_columns(columns, "id,nam", chosen, 2, &e), -1);
    assert_string_equal(e.msg, "there is no column \"nam\"; did you mean name?");
    assert_int_equal(print_columns(columns, "", chosen, 2, &e), -1);
    assert_int_equal(print_columns(columns, "id,", chosen, 2, &e), -1);
    assert_int_equal(print_columns(columns, "id,id,id", chosen, 2, &e), -1);
}

static void sentences_keep_utf8_and_lose_control(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"caf\xc3\xa9 a\\b", "caf\xc3\xa9 a\\b"    },
        {"a\x1b[31m\r\n",    "a\\x1b[31m\\x0d\\x0a"},
        {"\xc2\x9b"
         "2J",      "\\xc2\\x9b"
         "2J"               },
        {"\xe2\x80\xaeok",   "\\xe2\\x80\\xaeok"   },
        {"\x7f",             "\\x7f"               },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_STR struct str text = {0};
        print_sentence(cases[i].text, &text);
        assert_string_equal(text.data, cases[i].shown);
    }
}

static void fields_are_flat_and_in_mib(void **state)
{
    AUTO_JSON json_t *object =
        json_pack("{s:s,s:i,s:n,s:{s:b},s:[s,s],s:[]}", "name", "web1", "memory_kib", 1536, "x",
                  "job", "wait", 1, "can", "pause", "destroy", "none");
    AUTO_STR struct str text = {0};

    (void)state;
    print_fields(object, &text);
    assert_string_equal(text.data, "name:     web1\n"
                                   "memory:   1.5 MiB\n"
                                   "job.wait: yes\n"
                                   "can:      pause destroy\n");
}

static void ages_and_progress(void **state)
{
    static const struct {
        int64_t seconds;
        const char *shown;
    } cases[] = {
        {-100,  "0 s"      },
        {150,   "2 min"    },
        {7500,  "2 h 5 min"},
        {90010, "1 d 1 h"  }
    };
    char at[CLOCK_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_STR struct str text = {0};
        print_age(clock_rfc3339(clock_wall_ms() - cases[i].seconds * 1000, at), &text);
        assert_string_equal(text.data, cases[i].shown);
    }
    AUTO_JSON json_t *half = json_pack("{s:i,s:i}", "done_bytes", 43, "total_bytes", 100);
    AUTO_JSON json_t *open = json_pack("{s:i}", "done_bytes", 1572864);
    AUTO_STR struct str text = {0};
    print_age("yesterday", &text);
    print_age(NULL, &text);
    assert_int_equal(text.len, 0);
    print_progress(half, &text);
    print_progress(open, &text);
    assert_string_equal(text.data, "43 %1.5 MiB");
    AUTO_STR struct str whole = {0}, early = {0};
    AUTO_JSON json_t *job =
        json_pack("{s:I,s:I,s:s}", "done_bytes", (json_int_t)430 << 20, "total_bytes",
                  (json_int_t)1000 << 20, "started", "2026-01-31T12:00:00.000Z");
    int64_t started;
    struct err e;
    assert_int_equal(clock_parse("2026-01-31T12:00:00.000Z", &started, &e), 0);
    print_progress_rate(job, started + 2000, &whole);
    assert_string_equal(whole.data, "43 %, 430.0 of 1000.0 MiB, 215.0 MiB/s, 3 s left");
    print_progress_rate(job, started + 100, &early);
    assert_string_equal(early.data, "43 %, 430.0 of 1000.0 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_aligned_and_escaped),
        cmocka_unit_test(csv_is_quoted),
        cmocka_unit_test(an_empty_table_is_its_titles),
        cmocka_unit_test(columns_are_chosen_by_name),
        cmocka_unit_test(sentences_keep_utf8_and_lose_control),
        cmocka_unit_test(fields_are_flat_and_in_mib),
        cmocka_unit_test(ages_and_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
