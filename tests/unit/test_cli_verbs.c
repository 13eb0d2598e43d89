/* SPDX-License-Identifier: MIT */
/* The verb rows agree with each other and with the names of the lifecycle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "cli/verbs.h"
#include "core/names.h"

static void names_are_found_and_are_one_rows(void **state)
{
    const struct verb_row *row;
    struct err e;

    (void)state;
    for (size_t i = 0; (row = verbs_row(i)); i++)
        assert_ptr_equal(verbs_find(row->name, &e), row);
    assert_string_equal(verbs_find("ls", &e)->name, "list");
    assert_int_equal(verbs_find("sched-credit2", &e)->kind, KIND_HOST);
    assert_int_equal(verbs_find("cpupool-list", &e)->kind, KIND_HOST);
}

static void rows_are_whole(void **state)
{
    const struct verb_row *row;

    (void)state;
    for (size_t i = 0; (row = verbs_row(i)); i++) {
        bool ours = row->kind == KIND_READS || row->kind == KIND_CHANGES;
        assert_non_null(row->operands);
        assert_non_null(row->help);
        assert_int_equal(row->run != NULL, ours);
        assert_int_equal(row->doing != NULL, row->kind == KIND_CHANGES);
        assert_true(row->max < 0 || row->min <= row->max);
    }
}

static void check_set(const struct option_row *set, bool used[OPT_N], bool letters[128])
{
    for (; set && set->name; set++) {
        assert_false(used[set->opt]);
        used[set->opt] = true;
        assert_non_null(set->help);
        if (!set->letter)
            continue;
        assert_false(letters[(size_t)set->letter]);
        letters[(size_t)set->letter] = true;
    }
}

static void no_verb_has_an_option_or_letter_twice(void **state)
{
    const struct verb_row *row;

    (void)state;
    for (size_t i = 0; (row = verbs_row(i)); i++) {
        bool used[OPT_N] = {0};
        bool letters[128] = {0};
        check_set(verbs_global_options, used, letters);
        check_set(row->options, used, letters);
        if (row->kind == KIND_CHANGES)
            check_set(verbs_wait_options, used, letters);
    }
}

static void changing_verbs_are_the_lifecycles(void **state)
{
    const struct verb_row *row;

    (void)state;
    for (size_t i = 0; (row = verbs_row(i)); i++)
        if (row->kind == KIND_CHANGES)
            assert_int_not_equal(verb_of(row->name), VERB_N);
}

static void unknown_verbs_get_a_hint(void **state)
{
    static const struct {
        const char *word;
        const char *says;
    } cases[] = {
        {"pauze",       "there is no verb \"pauze\"; did you mean pause?"                 },
        {"undefine",    "there is no verb \"undefine\"; reeve's word for it is delete"    },
        {"managedsave", "there is no verb \"managedsave\"; reeve's word for it is suspend"},
        {"qqqqqqqq",    "there is no verb \"qqqqqqqq\"; reeve help lists them"            },
        {"",            "there is no verb \"\"; reeve help lists them"                    },
        {"\x1b[2J",     "there is no verb \"\\x1b[2J\""                                   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        assert_null(verbs_find(cases[i].word, &e));
        assert_int_equal(e.code, ERR_NO_SUCH_VERB);
        assert_true(str_starts(e.msg, cases[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_and_are_one_rows),
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(no_verb_has_an_option_or_letter_twice),
        cmocka_unit_test(changing_verbs_are_the_lifecycles),
        cmocka_unit_test(unknown_verbs_get_a_hint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
