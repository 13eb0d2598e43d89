/* SPDX-License-Identifier: MIT */
/* The QMP client against a fake QEMU: a thread at the other end of a socket pair that plays one
 * script. What a sane QEMU never sends must be an error, not a hang and not a crash. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define READY GREETING "<{\"return\": {}, \"id\": 1}\r\n"

enum { PATIENCE_MS = 10000, SHORT_MS = 150 };

/* The script: text to send; '<' waits for a line from the client first, '#' sends a megabyte of
 * 'x', '@' floods events until the client is gone, '$' stays silent until it is. At the end it
 * hangs up. */
struct fake {
    pthread_t thread;
    int fd;
    const char *script;
    struct str heard;
    int passed_fd;
};

static void hear_line(struct fake *fake)
{
    char c = '\0';

    while (c != '\n') {
        union {
            char space[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec part = {&c, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        if (recvmsg(fake->fd, &message, MSG_CMSG_CLOEXEC) != 1)
            return;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
            memcpy(&fake->passed_fd, CMSG_DATA(header), sizeof fake->passed_fd);
        str_addc(&fake->heard, c);
    }
}

static bool say(struct fake *fake, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fake->fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static void flood(struct fake *fake)
{
    static const char event[] = "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\n";

    while (say(fake, event, sizeof event - 1))
        ;
}

static void *play(void *arg)
{
    struct fake *fake = arg;
    AUTO_FREE char *much = x_malloc(1024 * 1024);
    struct pollfd end = {.fd = fake->fd, .events = POLLRDHUP};

    memset(much, 'x', 1024 * 1024);
    for (const char *at = fake->script; *at; at++) {
        if (*at == '<')
            hear_line(fake);
        else if (*at == '#')
            say(fake, much, 1024 * 1024);
        else if (*at == '@')
            flood(fake);
        else if (*at == '$')
            poll(&end, 1, PATIENCE_MS);
        else
            say(fake, at, 1);
    }
    close(fake->fd);
    return NULL;
}

/* Begins the script; returns the client's end. */
static int fake_start(struct fake *fake, const char *script)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    *fake = (struct fake){.fd = ends[1], .script = script, .passed_fd = -1};
    assert_int_equal(pthread_create(&fake->thread, NULL, play, fake), 0);
    return ends[0];
}

static void fake_end(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    if (fake->passed_fd >= 0)
        close(fake->passed_fd);
    str_finish(&fake->heard);
}

/* ---- sane ones ---- */

static void open_sane(struct fake *fake, struct qmp *q, const char *script)
{
    struct op op = op_within(PATIENCE_MS);
    struct err e;

    if (qmp_open(q, fake_start(fake, script), &op, &e) < 0)
        fail_msg("%s", e.msg);
}

static void test_run(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    AUTO_JSON json_t *value = NULL;
    struct fake fake;
    struct qmp q;
    struct err e;

    (void)state;
    open_sane(&fake, &q,
              READY "<{\"event\": \"STOP\"}\n{\"return\": {\"n\": 5}, \"id\": 2}\n"
                    "<{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}, "
                    "\"id\": 3}\n<{\"return\": {\"status\": \"paused\"}, \"id\": 4}\n");
    assert_int_equal(qmp_run(&q, "stop", json_pack("{s:s}", "a", "b"), &op, &value, &e), 0);
    assert_int_equal(json_get_int(value, "n", 0), 5);
    assert_int_equal(qmp_run(&q, "eject", NULL, &op, NULL, &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    assert_string_equal(e.msg, "QEMU refused eject: no such thing");
    /* The event that came before an answer was kept. */
    AUTO_JSON json_t *event = NULL;
    assert_int_equal(qmp_event(&q, &op, "x", &event, &e), 0);
    assert_string_equal(json_get_string(event, "event", ""), "STOP");
    char status[QMP_STATUS_MAX];
    assert_int_equal(qmp_status(&q, &op, status, &e), 0);
    assert_string_equal(status, "paused");
    qmp_close(&q);
    pthread_join(fake.thread, NULL);
    assert_string_equal(
        fake.heard.data,
        "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
        "{\"execute\":\"stop\",\"arguments\":{\"a\":\"b\"},\"id\":2}\n"
        "{\"execute\":\"eject\",\"id\":3}\n{\"execute\":\"query-status\",\"id\":4}\n");
    str_finish(&fake.heard);
}

static void test_passes_a_descriptor(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    struct fake fake;
    struct qmp q;
    struct err e;
    int ends[2];
    char c = '\0';

    (void)state;
    open_sane(&fake, &q, READY "<{\"return\": {}, \"id\": 2}\n");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(qmp_give_fd(&q, "stream", ends[1], &op, &e), 0);
    qmp_close(&q);
    pthread_join(fake.thread, NULL);
    assert_true(fake.passed_fd >= 0);
    assert_int_equal(write(fake.passed_fd, "y", 1), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    close(fake.passed_fd);
    close(ends[0]);
    close(ends[1]);
    str_finish(&fake.heard);
}

/* Answers to others, and answers without an id, are not ours. */
static void test_other_ids_are_skipped(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    AUTO_JSON json_t *value = NULL;
    struct fake fake;
    struct qmp q;
    struct err e;

    (void)state;
    open_sane(&fake, &q,
              READY "<{\"return\": {\"n\": 1}, \"id\": 99}\n\n{\"odd\": 1}\n"
                    "{\"return\": {\"n\": 2}, \"id\": 2}\n");
    assert_int_equal(qmp_run(&q, "x", NULL, &op, &value, &e), 0);
    assert_int_equal(json_get_int(value, "n", 0), 2);
    qmp_close(&q);
    fake_end(&fake);
}

static void test_event_before_the_greeting(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    struct fake fake;
    struct qmp q;

    (void)state;
    open_sane(&fake, &q, "{\"event\": \"DEVICE_DELETED\", \"data\": {}}\n" READY);
    AUTO_JSON json_t *event = NULL;
    struct err e;
    assert_int_equal(qmp_event(&q, &op, "an event", &event, &e), -1); /* of before: not kept */
    qmp_close(&q);
    fake_end(&fake);
}

/* ---- insane ones ---- */

/* What opening, or a command after it, gives for a script. */
static const struct {
    const char *script;
    enum err_code code;
    const char *says; /* part of the message */
} insane[] = {
    {"",                                                                                           ERR_FAILED,    "closed its control socket"},
    {"$",                                                                                          ERR_TIMED_OUT, "QEMU's answer"            },
    {"garbage\n$",                                                                                 ERR_FAILED,    "not QMP"                  },
    {"{\"QMP\": {}$",                                                                              ERR_TIMED_OUT, "QEMU's answer"            },
    {"{\"hello\": 1}\n$",                                                                          ERR_FAILED,    "no greeting"              },
    {"[]\n$",                                                                                      ERR_FAILED,    "not QMP"                  },
    {"{\"QMP\": {}, \"QMP\": {}}\n$",                                                              ERR_FAILED,    "not QMP"                  },
    {"\xff\xfe\n$",                                                                                ERR_FAILED,    "not QMP"                  },
    {"##$",                                                                                        ERR_FAILED,    "more than"                },
    {GREETING "$",                                                                                 ERR_TIMED_OUT, "QEMU's answer"            },
    {GREETING "<",                                                                                 ERR_FAILED,    "closed its control socket"},
    {GREETING "@",                                                                                 ERR_TIMED_OUT, "QEMU's answer"            },
    {READY "",                                                                                     ERR_FAILED,    ""                         },
    {READY "<$",                                                                                   ERR_TIMED_OUT, "QEMU's answer"            },
    {READY "<@",                                                                                   ERR_TIMED_OUT, "QEMU's answer"            },
    {READY "<{\"return\": {}, \"id",                                                               ERR_FAILED,    "closed its control socket"},
    {READY "<{\"error\": 7, \"id\": 2}\n$",                                                        ERR_FAILED,    "did not say why"          },
    {READY "<{\"return\": {\"status\": 5}, \"id\": 2}\n$",                                         ERR_FAILED,    "did not say its status"   },
    {READY "<{\"return\": [], \"id\": 2}\n$",                                                      ERR_FAILED,    "did not say its status"   },
    {READY "<{\"return\": {\"status\": \"a-word-that-is-longer-than-any-status\"}, \"id\": 2}\n$",
     ERR_FAILED,                                                                                                  "did not say its status"   },
};

static void test_insane(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(insane); i++) {
        struct op op = op_within(insane[i].code == ERR_TIMED_OUT ? SHORT_MS : PATIENCE_MS);
        char status[QMP_STATUS_MAX];
        struct fake fake;
        struct qmp q;
        struct err e;
        int64_t began = clock_mono_ms();
        int result = qmp_open(&q, fake_start(&fake, insane[i].script), &op, &e);
        if (result == 0) {
            result = qmp_status(&q, &op, status, &e);
            qmp_close(&q);
        }
        if (result == 0 || e.code != insane[i].code || !strstr(e.msg, insane[i].says))
            fail_msg("script %zu: result %d, %s: %s", i, result, err_name(e.code), e.msg);
        assert_true(clock_mono_ms() - began < PATIENCE_MS);
        fake_end(&fake);
    }
}

static void test_cancel(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    struct fake fake;
    struct qmp q;
    struct err e;

    (void)state;
    open_sane(&fake, &q, READY "<$");
    op.cancel_fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(qmp_run(&q, "stop", NULL, &op, NULL, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    close(op.cancel_fd);
    qmp_close(&q);
    fake_end(&fake);
}

/* Events that nobody asks for do not pile up. */
static void test_events_are_bounded(void **state)
{
    struct op op = op_within(PATIENCE_MS);
    AUTO_STR struct str script = {0};
    struct fake fake;
    struct qmp q;
    struct err e;

    (void)state;
    str_add(&script, READY "<");
    for (int i = 0; i < QMP_EVENTS_MAX + 10; i++)
        str_add(&script, "{\"event\": \"RTC_CHANGE\"}\n");
    str_add(&script, "{\"return\": {}, \"id\": 2}\n");
    open_sane(&fake, &q, script.data);
    assert_int_equal(qmp_run(&q, "stop", NULL, &op, NULL, &e), 0);
    assert_int_equal(json_array_size(q.events), QMP_EVENTS_MAX);
    qmp_forget_events(&q);
    assert_int_equal(json_array_size(q.events), 0);
    qmp_close(&q);
    fake_end(&fake);
}

/* Messages cut at every byte give the same. */
static void test_lines_in_pieces(void **state)
{
    static const char text[] = "{\"a\": 1}\r\n\n  \n{\"b\": \"x\\ny\"}\n{\"c\": 3}\n";
    static const char *const keys[] = {"a", "b", "c"};

    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct qmp_lines lines = {0};
        size_t found = 0;
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            size_t len = sizeof text - 1 - at < piece ? sizeof text - 1 - at : piece;
            json_t *message;
            struct err e;
            qmp_lines_add(&lines, text + at, len);
            while (qmp_lines_next(&lines, &message, &e) == 1) {
                assert_true(found < ARRAY_LEN(keys));
                assert_non_null(json_object_get(message, keys[found++]));
                json_decref(message);
            }
        }
        assert_int_equal(found, ARRAY_LEN(keys));
        qmp_lines_finish(&lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_passes_a_descriptor),
        cmocka_unit_test(test_other_ids_are_skipped),
        cmocka_unit_test(test_event_before_the_greeting),
        cmocka_unit_test(test_insane),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_events_are_bounded),
        cmocka_unit_test(test_lines_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
