/* SPDX-License-Identifier: MIT */
/* The way of a saved state between libxl and the caller: whole, and never a closed pipe for libxl.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "driver/xen/relay.h"

enum { WAIT_MS = 60000 };

static const char head[24] = "LibxlFmt\0\0\0\2\0\0\0\0\1";
#define STATE "what the guest was"

static int scratch(const void *bytes, size_t len)
{
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* One round, as a wait for libxl does it, which libxl's own descriptors wake. */
static int turn(struct relay *r, struct err *e)
{
    struct session_beside beside = relay_beside(r);
    struct pollfd fds[2];

    beside.fill(beside.arg, fds);
    assert_true(poll(fds, 2, 0) >= 0);
    return beside.ready(beside.arg, fds, e);
}

static void a_save_arrives_whole(void **state)
{
    struct op op = op_within(WAIT_MS);
    struct relay relay;
    struct err e;
    char got[64] = "";
    int to = memfd_create("state", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(relay_open_save(&relay, to, sizeof STATE, &op, &e), 0);
    assert_int_equal(write(relay.fd, STATE, sizeof STATE), sizeof STATE);
    assert_int_equal(turn(&relay, &e), 0);
    assert_int_equal(write(relay.fd, "!", 1), 1); /* is still on its way when libxl has done */
    assert_int_equal(relay_flush(&relay, &e), 0);
    relay_finish(&relay);
    assert_int_equal(pread(to, got, sizeof got, 0), sizeof STATE + 1);
    assert_string_equal(got, STATE);
    assert_int_equal(got[sizeof STATE], '!');
    close(to);
}

static void a_reader_that_went_is_told_and_libxl_writes_on(void **state)
{
    struct op op = op_within(WAIT_MS);
    struct relay relay;
    struct err e = {.code = ERR_NONE};
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(relay_open_save(&relay, fds[1], 0, &op, &e), 0);
    close(fds[0]);
    assert_int_equal(write(relay.fd, STATE, sizeof STATE), sizeof STATE);
    assert_int_equal(turn(&relay, &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    for (int i = 0; i < 3; i++) { /* more than the pipe would hold if nobody took it */
        static char block[1024 * 1024];
        fcntl(relay.fd, F_SETFL, O_NONBLOCK);
        for (size_t at = 0; at < sizeof block;) {
            ssize_t n = write(relay.fd, block + at, sizeof block - at);
            at += n > 0 ? (size_t)n : 0;
            assert_int_equal(turn(&relay, &e), 0);
        }
    }
    relay_finish(&relay);
    close(fds[1]);
}

static void a_load_arrives_whole_with_its_header(void **state)
{
    struct op op = op_within(WAIT_MS);
    struct relay relay;
    struct err e;
    char bytes[sizeof head + sizeof STATE], got[64] = "";

    (void)state;
    memcpy(bytes, head, sizeof head);
    memcpy(bytes + sizeof head, STATE, sizeof STATE);
    int from = scratch(bytes, sizeof bytes);
    assert_int_equal(relay_open_load(&relay, from, 0, &op, &e), 0);
    /* Until libxl has read the beginning nothing more comes and nothing is to be aborted. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(turn(&relay, &e), 0);
        assert_false(relay_beside(&relay).may_abort(&relay));
    }
    assert_int_equal(read(relay.fd, got, sizeof got), sizeof head);
    while (!relay.at_end)
        assert_int_equal(turn(&relay, &e), 0);
    assert_true(relay_beside(&relay).may_abort(&relay));
    assert_int_equal(read(relay.fd, got + sizeof head, sizeof got - sizeof head), sizeof STATE);
    assert_memory_equal(got, bytes, sizeof bytes);
    assert_int_equal(read(relay.fd, got, sizeof got), 0); /* and its end */
    assert_int_equal(relay_drain(&relay, &e), 0);
    relay_finish(&relay);
    close(from);
}

static void what_is_no_state_never_gets_to_libxl(void **state)
{
    static const char *const bad[] = {"", "LibxlF", "Xen saved domain, xl format"};
    struct op op = op_within(WAIT_MS);
    struct relay relay;
    struct err e = {.code = ERR_NONE};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int from = scratch(bad[i], strlen(bad[i]));
        assert_int_equal(relay_open_load(&relay, from, 0, &op, &e), -1);
        assert_int_equal(e.code, ERR_DAMAGED);
        relay_finish(&relay);
        close(from);
    }
}

/* An end or another record there would end libxl's process. */
static void a_beginning_without_the_helpers_part_never_gets_to_libxl(void **state)
{
    struct op op = op_within(WAIT_MS);
    struct relay relay;
    struct err e = {.code = ERR_NONE};
    char other[sizeof head];

    (void)state;
    memcpy(other, head, sizeof head);
    other[16] = 2;
    for (size_t len = 16; len <= sizeof other; len++) {
        int from = scratch(len < sizeof other ? head : other, len);
        assert_int_equal(relay_open_load(&relay, from, 0, &op, &e), -1);
        assert_int_equal(e.code, ERR_DAMAGED);
        relay_finish(&relay);
        close(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_save_arrives_whole),
        cmocka_unit_test(a_reader_that_went_is_told_and_libxl_writes_on),
        cmocka_unit_test(a_load_arrives_whole_with_its_header),
        cmocka_unit_test(what_is_no_state_never_gets_to_libxl),
        cmocka_unit_test(a_beginning_without_the_helpers_part_never_gets_to_libxl),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
