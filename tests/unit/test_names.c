/* SPDX-License-Identifier: MIT */
/* The words of a domain's life: each is spelled once, and reads back. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* */
#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/attr.h"
#include "core/names.h"

/* Lower case, digits and single dashes: fit for JSON, the command line and a file of goldens. */
static void assert_word(const char *word)
{
    assert_non_null(word);
    assert_true(islower((unsigned char)word[0]));
    for (const char *c = word; *c; c++)
        assert_true(islower((unsigned char)*c) || (*c == '-' && islower((unsigned char)c[1])));
}

static void states_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < ST_N; i++) {
        assert_word(state_name((enum state)i));
        assert_int_equal(state_of(state_name((enum state)i)), i);
    }
}

static void verbs_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < VERB_N; i++) {
        assert_word(verb_name((enum verb)i));
        assert_int_equal(verb_of(verb_name((enum verb)i)), i);
    }
}

static void reasons_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < REASON_N; i++) {
        assert_non_null(reason_name((enum reason)i));
        assert_int_equal(reason_of(reason_name((enum reason)i)), i);
    }
}

static void no_reason_has_no_words(void **state)
{
    (void)state;
    assert_string_equal(reason_name(REASON_NONE), "");
    assert_string_equal(reason_text(REASON_NONE), "");
}

/* The texts go into longer sentences: no capital, no full stop, no line end. */
static void reasons_have_texts(void **state)
{
    (void)state;
    for (int i = REASON_NONE + 1; i < REASON_N; i++) {
        const char *text = reason_text((enum reason)i);
        assert_word(reason_name((enum reason)i));
        assert_non_null(text);
        assert_true(strlen(text) > 10);
        assert_true(islower((unsigned char)text[0]));
        assert_int_not_equal(text[strlen(text) - 1], '.');
        assert_null(strchr(text, '\n'));
        assert_null(strstr(text, "  "));
    }
}

static void command_words_share_verbs(void **state)
{
    static const struct {
        const char *word;
        enum verb verb;
    } shared[] = {
        {"block-attach",   VERB_ATTACH    },
        {"network-attach", VERB_ATTACH    },
        {"cd-insert",      VERB_ATTACH    },
        {"block-detach",   VERB_DETACH    },
        {"network-detach", VERB_DETACH    },
        {"cd-eject",       VERB_DETACH    },
        {"config set",     VERB_CONFIG_SET},
        {"config edit",    VERB_CONFIG_SET},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        assert_int_equal(verb_of(shared[i].word), shared[i].verb);
}

static void other_words_are_none(void **state)
{
    static const char *const words[] = {"frobnicate", "Pause", "pause ", " pause", "pau", "-"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_int_equal(state_of(words[i]), ST_N);
        assert_int_equal(verb_of(words[i]), VERB_N);
        assert_int_equal(reason_of(words[i]), REASON_N);
    }
    assert_int_equal(verb_of(""), VERB_N);
    assert_int_equal(state_of(""), ST_N);
    assert_int_equal(verb_of(NULL), VERB_N);
    assert_int_equal(state_of(NULL), ST_N);
    assert_int_equal(reason_of(NULL), REASON_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_read_back),     cmocka_unit_test(verbs_read_back),
        cmocka_unit_test(reasons_read_back),    cmocka_unit_test(no_reason_has_no_words),
        cmocka_unit_test(reasons_have_texts),   cmocka_unit_test(command_words_share_verbs),
        cmocka_unit_test(other_words_are_none),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
