/* SPDX-License-Identifier: MIT */
/* op: waits with an end; post: from many threads to one; fault: points on request only. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cpus.h"
#include "core/op.h"
#include "core/post.h"

static void raise_fd(int fd)
{
    uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof one), sizeof one);
}

static void test_wait(void **state)
{
    AUTO_CLOSE int fd = eventfd(0, EFD_CLOEXEC), cancel = -1;
    struct err e = {0};

    (void)state;
    cancel = eventfd(0, EFD_CLOEXEC);
    struct op op = op_within(30);
    int64_t begun = clock_mono_ms();
    assert_int_equal(op_wait(&op, fd, POLLIN, "the guest", &e), -1);
    assert_int_equal(e.code, ERR_TIMED_OUT);
    assert_string_equal(e.phase, "the guest");
    assert_true(clock_mono_ms() - begun >= 29);
    /* Past its time, at once; also when what it waits for is there. */
    raise_fd(fd);
    op.deadline_ms = clock_mono_ms() - 1;
    assert_int_equal(op_wait(&op, fd, POLLIN, "late", &e), -1);
    assert_int_equal(e.code, ERR_TIMED_OUT);
    op = op_within(30000);
    assert_int_equal(op_wait(&op, fd, POLLIN, "there", &e), 0);
    /* A cancel goes before it, and stays. */
    op.cancel_fd = cancel;
    assert_int_equal(op_check(&op, &e), 0);
    raise_fd(cancel);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(op_wait(&op, fd, POLLIN, "there", &e), -1);
        assert_int_equal(e.code, ERR_CANCELLED);
        assert_int_equal(op_check(&op, &e), -1);
        assert_int_equal(e.code, ERR_CANCELLED);
    }
}

static void test_narrow(void **state)
{
    struct op none = {.cancel_fd = -1}, near = op_within(10), far = op_within(100000);
    int64_t now = clock_mono_ms();

    (void)state;
    assert_true(op_narrow(&none, 50).deadline_ms >= now + 50);
    assert_true(op_narrow(&near, 100000).deadline_ms == near.deadline_ms);
    assert_true(op_narrow(&far, 50).deadline_ms < far.deadline_ms);
}

enum { THREADS = 4, EACH = 5000 };

struct item {
    int thread, number;
};

static struct post *queue;
static atomic_uint wakes;
static int last[THREADS];
static unsigned taken;

static void wake(void *arg)
{
    assert_ptr_equal(arg, &wakes);
    atomic_fetch_add(&wakes, 1);
}

static void take(void *arg)
{
    struct item *item = arg;

    /* In the order of each thread. */
    assert_int_equal(item->number, last[item->thread] + 1);
    last[item->thread] = item->number;
    taken++;
    free(item);
}

static void *send_all(void *arg)
{
    for (int i = 1; i <= EACH; i++) {
        struct item *item = x_calloc(1, sizeof *item);
        item->thread = *(int *)arg;
        item->number = i;
        post_send(queue, take, item);
    }
    return NULL;
}

static void test_post(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int64_t deadline = clock_mono_ms() + 30000;

    (void)state;
    queue = post_new(wake, &wakes);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &numbers[i]), 0);
    }
    while (taken < THREADS * EACH && clock_mono_ms() < deadline)
        post_run(queue);
    assert_int_equal(taken, THREADS * EACH);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wakes), THREADS * EACH);
    post_run(queue);
    /* What is queued and never run is dropped with the queue. */
    post_send(queue, take, NULL);
    post_free(queue);
}

/* In a process of its own, since REEVE_FAULT is read once. */
static int with_fault(const char *value, const char *point)
{
    struct err e;
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("REEVE_FAULT", value, 1);
        if (fault_init(&e) < 0)
            _exit(2);
        _exit(fault_point(point, &e) < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_faults(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(fault_point("save.intent", &e), 0);
    assert_non_null(fault_name(0));
    for (size_t i = 0; fault_name(i); i++) {
        AUTO_FREE char *kill_it = x_asprintf("%s=kill", fault_name(i));
        AUTO_FREE char *fail_it = x_asprintf("%s=fail", fault_name(i));
        assert_int_equal(with_fault(kill_it, fault_name(i)), -SIGKILL);
        assert_int_equal(with_fault(fail_it, fault_name(i)), 1);
        if (i > 0)
            assert_int_equal(with_fault(kill_it, fault_name(0)), 0);
    }
    assert_int_equal(with_fault("save.intent=fail,store.commit=fail", "store.commit"), 1);
    assert_int_equal(with_fault("save.intent", "save.intent"), 2);
    assert_int_equal(with_fault("save.intent=explode", "save.intent"), 2);
    assert_int_equal(with_fault("save.intended=kill", "save.intent"), 2);
    assert_int_equal(with_fault("=kill", "save.intent"), 2);
}

static void test_cpus(void **state)
{
    static const struct {
        const char *text, *shown;
    } good[] = {
        {"0",          "0"    },
        {"0-3,^1",     "0,2-3"},
        {"7,5,6",      "5-7"  },
        {"1023",       "1023" },
        {"0-2,4-5,^4", "0-2,5"},
    };
    static const char *const bad[] = {"",   "x",    "0-",  "3-1", "1024",       "0,",
                                      "^0", "1,^1", "0 1", "-1",  "99999999999"};
    cpu_set_t cpus;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO_STR struct str shown = {0};
        assert_int_equal(cpus_parse(good[i].text, &cpus, &e), 0);
        cpus_text(&cpus, &shown);
        assert_string_equal(shown.data, good[i].shown);
    }
    assert_int_equal(cpus_parse("all", &cpus, &e), 0);
    assert_true(CPU_ISSET(0, &cpus));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(cpus_parse(bad[i], &cpus, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),   cmocka_unit_test(test_narrow), cmocka_unit_test(test_post),
        cmocka_unit_test(test_faults), cmocka_unit_test(test_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
