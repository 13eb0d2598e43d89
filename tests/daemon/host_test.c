/* SPDX-License-Identifier: MIT */
/* The host stops and starts, by a real daemon with simulated guests: who is suspended, shut down,
 * destroyed, left; in which order and how many at once; what cuts it.
 *   host_test REEVED HASTY_TIMERS [PATTERN] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "daemon/bench.h"

static struct bench bench;
static const char *hasty_timers;

static int before(void **state)
{
    (void)state;
    bench_open(&bench);
    return 0;
}

static int after(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

/* The answer's row about a domain; NULL when there is none. */
static const json_t *row_of(const json_t *answer, const char *name)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(answer, "return"), "domains"), i, row)
    {
        if (str_eq(json_get_string(row, "domain", ""), name))
            return row;
    }
    return NULL;
}

static int64_t failed(const json_t *answer)
{
    return json_get_int(json_object_get(answer, "return"), "failed", -1);
}

static void test_a_host_stops_and_starts(void **state)
{
    struct bench *b = &bench;
    const json_t *row;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "sleeps", "reeve_on_host_stop='suspend'");
    bench_run(b, "stands", "reeve_on_host_stop='suspend'");
    bench_do(b, "pause", "%s", "{\"domain\":\"stands\"}");
    bench_run(b, "boots", "reeve_autostart=1");
    bench_run(b, "ends", "");
    bench_run(b, "cannot",
              "reeve_on_host_stop='suspend'\\ncmdline='null.save=fail'\\n"
              "reeve_autostart=1");
    bench_run(b, "deaf",
              "cmdline='null.ignore-power'\\nreeve_host_timeout=1\\n"
              "reeve_host_destroy=1");
    bench_run(b, "stays", "cmdline='null.ignore-power'\\nreeve_host_timeout=1");
    bench_run(b, "ignored", "reeve_on_host_stop='ignore'");
    bench_define(b, "create", "passes", "");
    bench_define(b, "new", "user", "");
    bench_do(b, "start", "%s", "{\"domain\":\"user\"}");
    bench_do(b, "suspend", "%s", "{\"domain\":\"user\"}");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "");
    assert_string_equal(bench_state(b, "sleeps"), "suspended");
    assert_string_equal(bench_state(b, "stands"), "suspended");
    assert_string_equal(bench_state(b, "boots"), "halted");
    assert_string_equal(bench_state(b, "ends"), "halted");
    assert_string_equal(bench_state(b, "cannot"), "halted");
    assert_string_equal(bench_state(b, "deaf"), "halted");
    assert_string_equal(bench_state(b, "stays"), "running");
    assert_string_equal(bench_state(b, "ignored"), "running");
    assert_string_equal(bench_state(b, "passes"), "absent");
    assert_int_equal(failed(stop), 1);
    assert_null(row_of(stop, "ignored"));
    assert_null(row_of(stop, "user"));
    row = row_of(stop, "deaf");
    assert_string_equal(json_get_string(row, "action", ""), "destroy");
    row = row_of(stop, "stays");
    assert_false(json_get_bool(row, "done", true));
    assert_non_null(strstr(json_get_string(row, "message", ""), "runs on"));
    /* The host goes down and comes up. */
    bench_power_cut(b);
    bench_start(b, NULL);
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(start), 0);
    assert_string_equal(bench_state(b, "sleeps"), "running");
    assert_string_equal(bench_state(b, "stands"), "paused");
    assert_string_equal(bench_state(b, "boots"), "running");
    assert_string_equal(bench_state(b, "cannot"), "running");
    assert_string_equal(bench_state(b, "ends"), "halted");
    assert_string_equal(bench_state(b, "user"), "suspended"); /* somebody's own wish */
    /* Once in a boot: what a person has shut down stays down. */
    bench_do(b, "shutdown", "%s", "{\"domain\":\"boots\"}");
    AUTO_JSON json_t *again = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(again), 0);
    assert_string_equal(bench_state(b, "boots"), "halted");
    /* A stop and start of the service within one boot is as good as a boot. */
    bench_do(b, "start", "%s", "{\"domain\":\"boots\"}");
    AUTO_JSON json_t *down = bench_call(b, "host-stop", "%s", "");
    assert_non_null(down);
    assert_string_equal(bench_state(b, "boots"), "halted");
    AUTO_JSON json_t *up = bench_call(b, "host-start", "%s", "");
    assert_non_null(up);
    assert_string_equal(bench_state(b, "boots"), "running");
    assert_string_equal(bench_state(b, "stands"), "paused");
    bench_tidy(b, false);
}

/* started of the last start or end of shutdown, as the history has them: the events' order. */
static size_t place_in_log(const struct bench *b, const char *name, const char *verb)
{
    AUTO_JSON json_t *answer = bench_call(b, "log", "%s", "");
    const json_t *events = json_object_get(json_object_get(answer, "return"), "events"), *ev;
    size_t i, found = 0;

    json_array_foreach(events, i, ev)
    {
        if (str_eq(json_get_string(ev, "domain", ""), name) &&
            str_eq(json_get_string(ev, "verb", ""), verb))
            found = i + 1;
    }
    return found;
}

static void test_order_and_dependence(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "app", "reeve_autostart=1\\nreeve_autostart_after=['db','cache']");
    bench_run(b, "cache", "reeve_autostart=1\\nreeve_host_order=200");
    bench_run(b, "db", "reeve_autostart=1\\ncmdline='null.create=slow:300'");
    bench_run(b, "first", "reeve_autostart=1\\nreeve_host_order=1\\nreeve_autostart_delay=1");
    bench_run(b, "orphan", "reeve_autostart=1\\nreeve_autostart_after=['nobody']");
    bench_run(b, "round1", "reeve_autostart=1\\nreeve_autostart_after=['round2']");
    bench_run(b, "round2", "reeve_autostart=1\\nreeve_autostart_after=['round1']");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "{\"parallel\":8}");
    assert_int_equal(failed(stop), 0);
    assert_true(place_in_log(b, "app", "shutdown") < place_in_log(b, "db", "shutdown"));
    assert_true(place_in_log(b, "app", "shutdown") < place_in_log(b, "cache", "shutdown"));
    assert_true(place_in_log(b, "db", "shutdown") < place_in_log(b, "first", "shutdown"));
    int64_t begun = bench_now_ms();
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "{\"parallel\":8}");
    assert_true(bench_now_ms() - begun >= 1000);
    assert_int_equal(failed(start), 3); /* orphan, round1, round2 */
    assert_non_null(strstr(json_get_string(row_of(start, "orphan"), "message", ""), "nobody"));
    assert_string_equal(bench_state(b, "app"), "running");
    assert_string_equal(bench_state(b, "orphan"), "halted");
    assert_true(place_in_log(b, "first", "start") < place_in_log(b, "db", "start"));
    assert_true(place_in_log(b, "db", "start") < place_in_log(b, "app", "start"));
    assert_true(place_in_log(b, "cache", "start") < place_in_log(b, "app", "start"));
}

/* Neither the names nor the numbers go round, but both together do: names count more. */
static void test_names_and_numbers_in_a_round(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "app", "reeve_autostart=1\\nreeve_autostart_after=['cache']");
    bench_run(b, "mid", "reeve_autostart=1\\nreeve_host_order=150");
    bench_run(b, "cache", "reeve_autostart=1\\nreeve_host_order=200");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "{\"parallel\":8}");
    assert_int_equal(failed(stop), 0);
    assert_true(place_in_log(b, "app", "shutdown") < place_in_log(b, "cache", "shutdown"));
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "{\"parallel\":8}");
    assert_int_equal(failed(start), 0);
    assert_true(place_in_log(b, "cache", "start") < place_in_log(b, "app", "start"));
    assert_string_equal(bench_state(b, "mid"), "running");
}

static void test_a_delay_is_whole_though_the_timer_is_early(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_preload(hasty_timers);
    bench_start(b, NULL);
    bench_preload(NULL);
    bench_run(b, "first", "reeve_autostart=1\\nreeve_host_order=1\\nreeve_autostart_delay=1");
    bench_run(b, "second", "reeve_autostart=1\\nreeve_host_order=2");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "");
    assert_int_equal(failed(stop), 0);
    int64_t begun = bench_now_ms();
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "");
    assert_true(bench_now_ms() - begun >= 1000);
    assert_int_equal(failed(start), 0);
    assert_string_equal(bench_state(b, "second"), "running");
}

static void test_a_domain_whose_resume_failed_is_not_booted(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1",
              "reeve_on_host_stop='suspend'\\nreeve_autostart=1\\n"
              "cmdline='null.restore=fail'");
    bench_run(b, "web2", "reeve_on_host_stop='suspend'");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "");
    assert_int_equal(failed(stop), 0);
    bench_power_cut(b);
    bench_start(b, NULL);
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(start), 1);
    assert_string_equal(bench_state(b, "web1"), "suspended");
    assert_string_equal(bench_state(b, "web2"), "running");
    AUTO_JSON json_t *again = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(again), 1);
    assert_string_equal(bench_state(b, "web1"), "suspended");
}

/* ---- What does not go as it should ---- */

static void test_no_space_for_a_suspend_is_a_shutdown(void **state)
{
    struct bench *b = &bench;
    struct rlimit small = {1 << 20, 1 << 20};

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1", "reeve_on_host_stop='suspend'\\nreeve_autostart=1");
    /* A file of the daemon's has no room for the guest's memory. */
    assert_int_equal(prlimit(b->pid, RLIMIT_FSIZE, &small, NULL), 0);
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "");
    assert_int_equal(failed(stop), 0);
    assert_string_equal(json_get_string(row_of(stop, "web1"), "action", ""), "shutdown");
    assert_string_equal(bench_state(b, "web1"), "halted");
    /* The history has the failure and its reason. */
    assert_true(place_in_log(b, "web1", "suspend") > 0);
    assert_true(place_in_log(b, "web1", "suspend") < place_in_log(b, "web1", "shutdown"));
    bench_power_cut(b);
    bench_start(b, NULL);
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(start), 0);
    assert_string_equal(bench_state(b, "web1"), "running");
    bench_tidy(b, false);
}

/* The most jobs that were under way at once until the answer to `id` came. */
static size_t most_at_once(struct bench *b, struct peer_conn *c, int id, json_t **ret_answer)
{
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    size_t most = 0;

    for (;;) {
        AUTO_JSON json_t *jobs = bench_call(b, "jobs", "%s", "");
        const json_t *all = json_object_get(json_object_get(jobs, "return"), "jobs"), *job;
        size_t i, now = 0;
        json_array_foreach(all, i, job)
        {
            now += !json_is_string(json_object_get(job, "ended"));
        }
        most = now > most ? now : most;
        if (conn_ready(c)) {
            *ret_answer = conn_answer(c, id, BENCH_WAIT_MS);
            return most;
        }
        bench_pause(deadline, "the host's stop");
    }
}

static void test_as_many_at_once_as_may_be(void **state)
{
    struct bench *b = &bench;
    struct peer_conn c;
    char name[16];

    (void)state;
    bench_start(b, NULL);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "web%d", i);
        bench_run(b, name, "reeve_on_host_stop='suspend'\\ncmdline='null.save=slow:1000'");
    }
    conn_open(&c, b);
    int64_t begun = bench_now_ms();
    int id = conn_request(&c, "host-stop", "{\"parallel\":2}");
    AUTO_JSON json_t *stop = NULL;
    size_t most = most_at_once(b, &c, id, &stop);
    conn_close(&c);
    assert_int_equal(failed(stop), 0);
    assert_int_equal(most, 2);
    assert_true(bench_now_ms() - begun >= 3 * 1000);
}

static void test_a_stop_is_joined(void **state)
{
    struct bench *b = &bench;
    struct peer_conn first, second;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1", "reeve_on_host_stop='suspend'\\ncmdline='null.save=slow:3000'");
    conn_open(&first, b);
    conn_open(&second, b);
    int one = conn_request(&first, "host-stop", "");
    int two = conn_request(&second, "host-stop", "");
    AUTO_JSON json_t *busy = bench_call(b, "host-start", "%s", "");
    assert_string_equal(json_get_string(json_object_get(busy, "error"), "code", ""), "busy");
    AUTO_JSON json_t *a = conn_answer(&first, one, BENCH_WAIT_MS);
    AUTO_JSON json_t *z = conn_answer(&second, two, BENCH_WAIT_MS);
    assert_string_equal(json_get_string(row_of(a, "web1"), "action", ""), "suspend");
    assert_true(json_equal(json_object_get(a, "return"), json_object_get(z, "return")));
    conn_close(&first);
    conn_close(&second);
    assert_string_equal(bench_state(b, "web1"), "suspended");
}

/* Until a job works on it. */
static void await_job(const struct bench *b, const char *name)
{
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;

    for (;;) {
        AUTO_JSON json_t *domain = bench_show(b, name);
        if (json_is_object(json_object_get(domain, "job")))
            return;
        bench_pause(deadline, "a job");
    }
}

/* The host is told to go down while it still comes up. */
static void test_a_stop_cuts_a_start(void **state)
{
    struct bench *b = &bench;
    struct peer_conn up, down, gone;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "goes", "reeve_on_host_stop='suspend'\\ncmdline='null.restore=slow:3000'");
    bench_run(b, "waits", "reeve_autostart=1\\nreeve_host_order=900");
    bench_do(b, "host-stop", "%s", "");
    bench_power_cut(b);
    bench_start(b, NULL);
    conn_open(&up, b);
    conn_open(&down, b);
    conn_open(&gone, b);
    int start = conn_request(&up, "host-start", "");
    await_job(b, "goes");
    int stop = conn_request(&down, "host-stop", "");
    (void)conn_request(&gone, "host-stop", "");
    conn_close(&gone); /* who goes away is not waited for */
    AUTO_JSON json_t *started = conn_answer(&up, start, BENCH_WAIT_MS);
    AUTO_JSON json_t *stopped = conn_answer(&down, stop, BENCH_WAIT_MS);
    conn_close(&up);
    conn_close(&down);
    assert_int_equal(failed(started), 1);
    assert_non_null(
        strstr(json_get_string(row_of(started, "waits"), "message", ""), "the host stops"));
    assert_true(json_get_bool(row_of(started, "goes"), "done", false));
    assert_int_equal(failed(stopped), 0);
    assert_null(row_of(stopped, "waits"));
    assert_string_equal(bench_state(b, "goes"), "suspended");
    assert_string_equal(bench_state(b, "waits"), "halted");
    /* And the next boot is one like any other. */
    bench_power_cut(b);
    bench_start(b, NULL);
    AUTO_JSON json_t *again = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(again), 0);
    assert_string_equal(bench_state(b, "goes"), "running");
    assert_string_equal(bench_state(b, "waits"), "running");
    bench_tidy(b, false);
}

/* The daemon dies in the middle, and is asked again by the next. */
static void test_a_stop_that_a_crash_cut_goes_on(void **state)
{
    struct bench *b = &bench;
    struct peer_conn c;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "slow", "reeve_on_host_stop='suspend'\\ncmdline='null.save=slow:6000'");
    bench_run(b, "quick", "reeve_on_host_stop='suspend'");
    bench_run(b, "stands", "reeve_on_host_stop='suspend'");
    bench_do(b, "pause", "%s", "{\"domain\":\"stands\"}");
    conn_open(&c, b);
    (void)conn_request(&c, "host-stop", "");
    bench_await_state(b, "quick", "suspended");
    bench_await_state(b, "stands", "suspended");
    bench_kill(b);
    conn_close(&c);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, "slow"), "running");
    AUTO_JSON json_t *stop = bench_call(b, "host-stop", "%s", "");
    assert_int_equal(failed(stop), 0);
    bench_power_cut(b);
    bench_start(b, NULL);
    AUTO_JSON json_t *start = bench_call(b, "host-start", "%s", "");
    assert_int_equal(failed(start), 0);
    assert_string_equal(bench_state(b, "quick"), "running");
    assert_string_equal(bench_state(b, "stands"), "paused");
    bench_tidy(b, false);
}

static size_t jobs_of(const struct bench *b, const char *verb)
{
    AUTO_JSON json_t *answer = bench_call(b, "jobs", "%s", "");
    const json_t *job;
    size_t i, count = 0;

    json_array_foreach(json_object_get(json_object_get(answer, "return"), "jobs"), i, job)
    {
        count += str_eq(json_get_string(job, "verb", ""), verb);
    }
    return count;
}

/* A user's destroy waits behind host-stop's shutdown, which it goes past after 5 s: host-stop,
 * which would destroy next, is told in the middle of that and waits for the user's. */
static void test_a_destroy_beside_a_stop_is_one(void **state)
{
    struct bench *b = &bench;
    struct peer_conn c;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1",
              "reeve_host_destroy=1\\ncmdline='null.shutdown=stuck:9000 null.destroy=slow:1000'");
    conn_open(&c, b);
    int id = conn_request(&c, "host-stop", "");
    await_job(b, "web1");
    bench_do(b, "destroy", "%s", "{\"domain\":\"web1\"}");
    AUTO_JSON json_t *stop = conn_answer(&c, id, BENCH_WAIT_MS);
    conn_close(&c);
    assert_int_equal(failed(stop), 0);
    assert_int_equal(jobs_of(b, "destroy"), 1);
    assert_string_equal(bench_state(b, "web1"), "halted");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, before, after)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_host_stops_and_starts),
        TEST(test_order_and_dependence),
        TEST(test_names_and_numbers_in_a_round),
        TEST(test_a_delay_is_whole_though_the_timer_is_early),
        TEST(test_a_domain_whose_resume_failed_is_not_booted),
        TEST(test_no_space_for_a_suspend_is_a_shutdown),
        TEST(test_as_many_at_once_as_may_be),
        TEST(test_a_stop_is_joined),
        TEST(test_a_stop_cuts_a_start),
        TEST(test_a_stop_that_a_crash_cut_goes_on),
        TEST(test_a_destroy_beside_a_stop_is_one),
    };

    if (argc < 3) {
        fprintf(stderr, "usage: host_test REEVED HASTY_TIMERS [PATTERN]\n");
        return 2;
    }
    bench_program(argv[1]);
    hasty_timers = argv[2];
    if (argc > 3)
        cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
