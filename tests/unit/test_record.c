/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/record.h"

static void test_new_is_halted_and_empty(void **state UNUSED)
{
    struct record *r = record_new();

    assert_int_equal(r->state, ST_HALTED);
    assert_int_equal(r->wanted, ST_HALTED);
    assert_int_equal(r->broken, REASON_NONE);
    assert_null(r->config);
    assert_null(r->image.path);
    record_free(r);
}

static void test_copy_shares_nothing(void **state UNUSED)
{
    struct record *r = record_new();

    str_copy(r->name, sizeof r->name, "web1");
    r->config = x_strdup("name = \"web1\"\n");
    r->image.path = x_strdup("/images/1");
    r->saved_file = x_strdup("/tmp/web1.reeve");
    r->starts = 7;
    struct record *copy = record_copy(r);
    r->config[0] = 'X';
    r->image.path[0] = 'X';
    r->saved_file[0] = 'X';
    record_free(r);
    assert_string_equal(copy->name, "web1");
    assert_string_equal(copy->config, "name = \"web1\"\n");
    assert_string_equal(copy->image.path, "/images/1");
    assert_string_equal(copy->saved_file, "/tmp/web1.reeve");
    assert_null(copy->directory);
    assert_int_equal(copy->starts, 7);
    record_free(copy);
}

static void test_the_guests_config_is_kept_beside_the_stored_one(void **state UNUSED)
{
    struct record *r = record_new();

    r->config = x_strdup("memory = 64\n");
    r->directory = x_strdup("/a");
    r->macs = x_strdup("");
    assert_string_equal(record_live_config(r), "memory = 64\n");
    record_keep_live(r);
    r->config[9] = '9';
    record_keep_live(r); /* the first one is what the guest has */
    struct record *copy = record_copy(r);
    record_free(r);
    assert_string_equal(record_live_config(copy), "memory = 64\n");
    assert_string_equal(record_live_directory(copy), "/a");
    assert_string_equal(record_live_macs(copy), "");
    record_forget_live(copy);
    assert_string_equal(record_live_config(copy), "memory = 94\n");
    record_free(copy);
}

static void test_job_and_event_copies(void **state UNUSED)
{
    struct job_record j = {.id = 3, .verb = "save", .actor = x_strdup("uid 0")};
    struct event_record ev = {.seq = 4, .what = x_strdup("paused"), .text = x_strdup("it is")};
    struct job_record *job = job_record_copy(&j);
    struct event_record *event = event_record_copy(&ev);

    j.actor[0] = 'X';
    ev.what[0] = 'X';
    assert_int_equal(job->id, 3);
    assert_string_equal(job->verb, "save");
    assert_string_equal(job->actor, "uid 0");
    assert_null(job->error);
    assert_string_equal(event->what, "paused");
    assert_string_equal(event->text, "it is");
    assert_null(event->actor);
    job_record_free(job);
    event_record_free(event);
    free(j.actor);
    free(ev.what);
    free(ev.text);
}

static void test_free_takes_null(void **state UNUSED)
{
    record_free(NULL);
    job_record_free(NULL);
    event_record_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_halted_and_empty),
        cmocka_unit_test(test_copy_shares_nothing),
        cmocka_unit_test(test_the_guests_config_is_kept_beside_the_stored_one),
        cmocka_unit_test(test_job_and_event_copies),
        cmocka_unit_test(test_free_takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
