/* SPDX-License-Identifier: MIT */
/* The lifecycle table: total, without contradictions, and the same in docs and golden file. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "core/lifecycle.h"
#include "core/verb_text.h"

/* One cell of the table: every test that loops goes over all of them. */
struct cell {
    enum verb verb;
    enum state from;
    bool managed;
    const struct outcome *o;
};

static void each_cell(void (*check)(const struct cell *c))
{
    for (int v = 0; v < VERB_N; v++)
        for (int s = 0; s < ST_N; s++)
            for (int managed = 0; managed < 2; managed++) {
                struct cell c = {(enum verb)v, (enum state)s, managed != 0, NULL};
                c.o = lifecycle_outcome(c.verb, c.from, c.managed);
                check(&c);
            }
}

/* Fails with the cell's name. */
static void require(bool holds, const struct cell *c, const char *what)
{
    if (!holds)
        fail_msg("%s of a %s domain that is %s: %s", verb_name(c->verb),
                 c->managed ? "managed" : "transient", state_name(c->from), what);
}

static void one_row(const struct cell *c)
{
    size_t own = lifecycle_rows(c->verb, c->from, c->managed);
    size_t of_every_verb = lifecycle_rows(VERB_N, c->from, c->managed);

    require(own <= 1 && of_every_verb <= 1, c, "more than one row");
    require(own == 1 || of_every_verb == 1, c, "no row");
    require(c->o != NULL, c, "no outcome");
}

static void every_cell_has_one_row(void **state)
{
    (void)state;
    each_cell(one_row);
}

/* lifecycle_can depends on it. */
static void rows_of_every_verb_refuse(void **state)
{
    (void)state;
    for (int s = 0; s < ST_N; s++)
        for (int managed = 0; managed < 2; managed++) {
            const struct outcome *o = lifecycle_outcome(VERB_N, (enum state)s, managed != 0);
            if (o)
                assert_int_equal(o->kind, OUT_REFUSES);
        }
}

static void whole(const struct cell *c)
{
    const struct outcome *o = c->o;
    bool refuses = o->kind == OUT_REFUSES;
    bool ended = false;

    require(o->because && o->way_out, c, "a text is missing");
    require(refuses == (*o->because != '\0'), c, "a reason is there for refusals and only there");
    require(refuses || (!*o->way_out && !o->option && o->try[0] == VERB_N), c,
            "a way out of what is not refused");
    require(!refuses || o->code == ERR_WRONG_STATE || o->code == ERR_EXISTS ||
                o->code == ERR_NO_SUCH_DOMAIN,
            c, "a code that no refusal has");
    require(refuses || o->code == ERR_NONE, c, "a code without a refusal");
    require((o->code == ERR_NO_SUCH_DOMAIN) == (refuses && c->from == ST_ABSENT), c,
            "no-such-domain is of absent domains and only of them");
    for (size_t i = 0; i < LIFECYCLE_TRY_MAX; i++)
        ended = ended || o->try[i] == VERB_N;
    require(ended, c, "the list of verbs to try has no end");
}

static void outcomes_are_whole(void **state)
{
    (void)state;
    each_cell(whole);
}

/* A way out that is itself refused is a lie. */
static void way_out_works(const struct cell *c)
{
    const struct outcome *o = c->o;

    for (size_t i = 0; i < LIFECYCLE_TRY_MAX && o->try[i] != VERB_N; i++) {
        const struct outcome *then = lifecycle_outcome(o->try[i], c->from, c->managed);
        require(o->try[i] != c->verb, c, "offers itself");
        require(then->kind != OUT_REFUSES, c, "offers a verb that is refused");
        require(then->kind != OUT_SAME, c, "offers a verb that changes nothing");
    }
    require(o->try[0] == VERB_N || *o->way_out, c, "offers a verb and does not say so");
    require(!o->option || strstr(o->way_out, o->option), c, "does not name its option");
}

static void ways_out_work(void **state)
{
    (void)state;
    each_cell(way_out_works);
}

static void ends_by_kind(const struct cell *c)
{
    bool there = c->from == ST_RUNNING || c->from == ST_PAUSED || c->from == ST_SHUTDOWN ||
                 c->from == ST_CRASHED;

    if (c->o->kind != OUT_MOVES || !there)
        return;
    if (c->managed)
        require(c->o->to != ST_ABSENT, c, "a managed domain vanishes");
    else
        require(c->o->to != ST_HALTED && c->o->to != ST_SUSPENDED, c,
                "a transient domain survives its end");
}

/* Nothing but delete makes a managed domain vanish, and it wants it halted. */
static void managed_domains_survive_their_end(void **state)
{
    (void)state;
    each_cell(ends_by_kind);
}

static void states_that_none_leads_to(const struct cell *c)
{
    if (c->o->kind != OUT_MOVES)
        return;
    require(c->o->to != ST_BROKEN && c->o->to != ST_SHUTDOWN && c->o->to != ST_CRASHED, c,
            "leads to a state that only accidents lead to");
    require(c->from != c->o->to || c->from == ST_RUNNING, c, "leads to where it is");
}

static void verbs_lead_to_sound_states(void **state)
{
    (void)state;
    each_cell(states_that_none_leads_to);
}

static void counterpart_works(const struct cell *c)
{
    enum verb back = lifecycle_counterpart(c->verb);

    if (c->o->kind != OUT_MOVES || back == VERB_N || !c->managed)
        return;
    const struct outcome *then = lifecycle_outcome(back, c->o->to, c->managed);
    require(then->kind == OUT_MOVES, c, "its counterpart is refused afterwards");
}

/* From every state that a verb leads a managed domain to, its counterpart leads away. */
static void counterparts_work(void **state)
{
    (void)state;
    each_cell(counterpart_works);
    assert_int_equal(lifecycle_counterpart(VERB_PAUSE), VERB_UNPAUSE);
    assert_int_equal(lifecycle_counterpart(VERB_UNPAUSE), VERB_PAUSE);
    assert_int_equal(lifecycle_counterpart(VERB_SUSPEND), VERB_RESUME);
    assert_int_equal(lifecycle_counterpart(VERB_SAVE), VERB_RESTORE);
    assert_int_equal(lifecycle_counterpart(VERB_RESTORE), VERB_SAVE);
    assert_int_equal(lifecycle_counterpart(VERB_NEW), VERB_DELETE);
    assert_int_equal(lifecycle_counterpart(VERB_DISCARD), VERB_N);
}

static void live(const struct cell *c)
{
    static const enum verb ends[] = {VERB_DESTROY, VERB_RESET};

    if (c->from != ST_RUNNING && c->from != ST_PAUSED && c->from != ST_SHUTDOWN &&
        c->from != ST_CRASHED)
        return;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (c->verb == ends[i])
            require(c->o->kind == OUT_MOVES, c, "does not work on what is there");
}

static void destroy_and_reset_work_on_what_is_there(void **state)
{
    (void)state;
    each_cell(live);
}

static void assert_refused(enum verb verb, enum state from, bool managed, enum err_code code,
                           const char *msg)
{
    struct err e = {0};

    assert_int_equal(lifecycle_check(verb, "web1", from, managed, &e), -1);
    assert_int_equal(e.code, code);
    assert_string_equal(e.msg, msg);
}

static void refusals_are_one_sentence(void **state)
{
    (void)state;
    assert_refused(VERB_RESUME, ST_PAUSED, true, ERR_WRONG_STATE,
                   "cannot resume web1: it is paused, not suspended; unpause lets it run on");
    assert_refused(VERB_DELETE, ST_RUNNING, true, ERR_WRONG_STATE,
                   "cannot delete web1: it is running; shut it down or destroy it first "
                   "(reeve delete --destroy web1 does both)");
    assert_refused(VERB_RESUME, ST_RUNNING, true, ERR_WRONG_STATE,
                   "cannot resume web1: it is running, not suspended");
    assert_refused(VERB_CREATE, ST_HALTED, true, ERR_EXISTS,
                   "cannot create web1: it exists and is halted; start boots it");
    assert_refused(VERB_PAUSE, ST_ABSENT, true, ERR_NO_SUCH_DOMAIN,
                   "cannot pause web1: there is no such domain; list shows those there are");
}

static void what_is_allowed_leaves_the_error_alone(void **state)
{
    struct err e = {.code = ERR_BUSY, .msg = "untouched"};

    (void)state;
    assert_int_equal(lifecycle_check(VERB_PAUSE, "web1", ST_RUNNING, true, &e), 0);
    assert_int_equal(lifecycle_check(VERB_PAUSE, "web1", ST_PAUSED, true, &e), 0);
    assert_int_equal(lifecycle_check(VERB_MEM_SET, "web1", ST_HALTED, true, &e), 0);
    assert_int_equal(e.code, ERR_BUSY);
    assert_string_equal(e.msg, "untouched");
}

static void a_broken_record_says_why(void **state)
{
    const struct outcome *o = lifecycle_outcome(VERB_START, ST_BROKEN, true);
    struct err e;

    (void)state;
    assert_int_equal(lifecycle_refuse(o, VERB_START, "web1", "line 3 of its config", &e), -1);
    assert_string_equal(e.msg, "cannot start web1: its record is broken (line 3 of its config); "
                               "show tells why; new --replace, discard or delete may mend it");
    assert_int_equal(lifecycle_refuse(o, VERB_START, "web1", NULL, &e), -1);
    assert_null(strchr(e.msg, '('));
}

static void odd_names_are_escaped(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(lifecycle_check(VERB_DELETE, "a\x1b[2Jb", ST_RUNNING, true, &e), -1);
    assert_null(strchr(e.msg, '\x1b'));
    assert_non_null(strstr(e.msg, "cannot delete a\\x1b[2Jb: "));
    assert_non_null(strstr(e.msg, "--destroy a\\x1b[2Jb does both"));
}

static void expected_states_are_those_that_work(void **state)
{
    enum state states[ST_N];

    (void)state;
    assert_int_equal(lifecycle_expected(VERB_RESUME, true, states), 1);
    assert_int_equal(states[0], ST_SUSPENDED);
    assert_int_equal(lifecycle_expected(VERB_PAUSE, true, states), 2);
    assert_int_equal(states[0], ST_RUNNING);
    assert_int_equal(states[1], ST_PAUSED);
    assert_int_equal(lifecycle_expected(VERB_RENAME, false, states), ST_N - 1);
}

static bool is_among(enum verb verb, const enum verb *verbs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (verbs[i] == verb)
            return true;
    return false;
}

static void can_agrees(const struct cell *c)
{
    enum verb verbs[VERB_N];
    size_t count = lifecycle_can(c->from, c->managed, verbs);
    bool acts = c->o->kind != OUT_REFUSES && c->o->kind != OUT_SAME;

    require(is_among(c->verb, verbs, count) == acts, c, "`can` says otherwise");
}

static void can_agrees_with_outcomes(void **state)
{
    (void)state;
    each_cell(can_agrees);
}

static void paused_domains_wait_where_a_driver_cannot_save_them(void **state)
{
    (void)state;
    for (int v = 0; v < VERB_N; v++) {
        const struct outcome *o = lifecycle_needs_unpause((enum verb)v);
        if (v != VERB_SAVE && v != VERB_SUSPEND) {
            assert_null(o);
            continue;
        }
        assert_non_null(o);
        assert_int_equal(o->kind, OUT_REFUSES);
        assert_int_equal(o->code, ERR_WRONG_STATE);
        assert_int_equal(o->try[0], VERB_UNPAUSE);
        assert_int_equal(o->try[1], VERB_N);
    }
}

static void every_verb_has_its_words(void **state)
{
    (void)state;
    for (int v = 0; v < VERB_N; v++) {
        const struct verb_text *t = verb_text((enum verb)v);
        assert_true(*lifecycle_done((enum verb)v));
        assert_true(*lifecycle_done_hint((enum verb)v));
        assert_true(*lifecycle_done_hint_of((enum verb)v, false));
        assert_string_equal(lifecycle_done_hint((enum verb)v),
                            lifecycle_done_hint_of((enum verb)v, true));
        assert_true(*t->usage && *t->what);
        assert_non_null(t->beware);
        for (int i = 0; i < TOOL_N; i++)
            assert_true(*t->named[i]);
    }
    assert_string_equal(lifecycle_done(VERB_PAUSE), "paused");
    assert_string_equal(lifecycle_done_hint(VERB_PAUSE), "unpause lets it run on");
}

static void nothing_to_do_is_said(void **state)
{
    AUTO_STR struct str text = {0};

    (void)state;
    lifecycle_same_text(VERB_PAUSE, ST_PAUSED, &text);
    assert_string_equal(text.data, "is paused already");
    str_finish(&text);
    lifecycle_same_text(VERB_ADOPT, ST_RUNNING, &text);
    assert_string_equal(text.data, "is managed already");
}

/* A terminal of 100 columns shows it without folding, and nothing is left to be replaced. */
static void assert_fits(const struct str *text)
{
    assert_true(text->len > 0);
    assert_int_equal(text->data[text->len - 1], '\n');
    for (const char *at = text->data; *at;) {
        size_t len = strcspn(at, "\n");
        if (len > 100)
            fail_msg("%zu columns: %.*s", len, (int)len, at);
        if (len > 0 && at[len - 1] == ' ')
            fail_msg("space at the end: %.*s", (int)len, at);
        at += len + 1;
    }
}

static void explaining_fits_a_terminal(void **state)
{
    AUTO_STR struct str text = {0};

    (void)state;
    explain_all(&text);
    assert_fits(&text);
    for (int v = 0; v < VERB_N; v++) {
        str_finish(&text);
        explain_verb((enum verb)v, &text);
        assert_fits(&text);
    }
    for (int s = 0; s < ST_N; s++)
        for (int managed = 0; managed < 2; managed++) {
            str_finish(&text);
            explain_state("web1", (enum state)s, managed != 0, &text);
            assert_fits(&text);
        }
}

static void explain_agrees(const struct cell *c)
{
    AUTO_STR struct str text = {0};

    explain_verb_on(c->verb, "web1", c->from, c->managed, &text);
    assert_fits(&text);
    bool says_refused = strstr(text.data, "\n  refused ") != NULL;
    require(says_refused == (c->o->kind == OUT_REFUSES), c, "explain says otherwise");
    require(!strstr(text.data, "NAME"), c, "explain does not name the domain");
}

static void explain_agrees_with_outcomes(void **state)
{
    (void)state;
    each_cell(explain_agrees);
}

static void explain_translates(void **state)
{
    AUTO_STR struct str text = {0};

    (void)state;
    explain_verb(VERB_PAUSE, &text);
    assert_non_null(strstr(text.data, "\n  virsh      suspend\n"));
    assert_non_null(strstr(text.data, "Its counterpart: unpause.\n"));
    str_finish(&text);
    explain_verb_on(VERB_RESUME, "web1", ST_PAUSED, true, &text);
    assert_non_null(strstr(text.data, "it is paused, not suspended; unpause lets it run on\n"));
    assert_non_null(strstr(text.data, "  instead    unpause\n"));
    assert_non_null(strstr(text.data, "virsh resume is unpause here."));
}

/* path is from the source folder, which the test's environment names. */
static void assert_stored(void (*print)(struct str *to), const char *path, const char *word)
{
    const char *source = getenv("REEVE_SOURCE");
    AUTO_FREE char *stored = NULL;
    size_t stored_len;
    AUTO_STR struct str text = {0};
    struct err e;

    assert_non_null(source);
    AUTO_FREE char *whole_path = fs_join(source, path);
    if (fs_read_file(whole_path, 1024 * 1024, &stored, &stored_len, &e) < 0)
        fail_msg("%s", e.msg);
    print(&text);
    if (!str_eq(text.data, stored))
        fail_msg("%s is not what the table says: read the difference, then "
                 "`lifecycle_print %s > %s`",
                 path, word, path);
}

static void the_golden_file_is_of_this_table(void **state)
{
    (void)state;
    assert_stored(lifecycle_golden, "tests/golden/lifecycle.txt", "golden");
}

static void the_document_is_of_this_table(void **state)
{
    (void)state;
    assert_stored(lifecycle_document, "docs/lifecycle.md", "doc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_has_one_row),
        cmocka_unit_test(rows_of_every_verb_refuse),
        cmocka_unit_test(outcomes_are_whole),
        cmocka_unit_test(ways_out_work),
        cmocka_unit_test(managed_domains_survive_their_end),
        cmocka_unit_test(verbs_lead_to_sound_states),
        cmocka_unit_test(counterparts_work),
        cmocka_unit_test(destroy_and_reset_work_on_what_is_there),
        cmocka_unit_test(refusals_are_one_sentence),
        cmocka_unit_test(what_is_allowed_leaves_the_error_alone),
        cmocka_unit_test(a_broken_record_says_why),
        cmocka_unit_test(odd_names_are_escaped),
        cmocka_unit_test(expected_states_are_those_that_work),
        cmocka_unit_test(can_agrees_with_outcomes),
        cmocka_unit_test(paused_domains_wait_where_a_driver_cannot_save_them),
        cmocka_unit_test(every_verb_has_its_words),
        cmocka_unit_test(nothing_to_do_is_said),
        cmocka_unit_test(explaining_fits_a_terminal),
        cmocka_unit_test(explain_agrees_with_outcomes),
        cmocka_unit_test(explain_translates),
        cmocka_unit_test(the_golden_file_is_of_this_table),
        cmocka_unit_test(the_document_is_of_this_table),
    };

    return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
