/* SPDX-License-Identifier: MIT */
#include "saves.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rig.h"

/* How a save ends in vain: the cancel and the reader's end come when so much has been read. */
enum end { CANCELLED, CLOSED, TAKEN_BACK, ENDS };

/* Who reads what is saved, in a thread of its own. */
struct reader {
    enum end end;
    uint64_t most; /* bytes that are read before the end */
    int fd;
    int cancel_fd;
};

static void *read_and_end(void *arg)
{
    struct reader *r = arg;
    char sink[65536];
    uint64_t done = 0;
    bool over = false;
    ssize_t n;

    while ((n = read(r->fd, sink, sizeof sink)) > 0) {
        done += (uint64_t)n;
        if (over || r->end == TAKEN_BACK || done < r->most)
            continue;
        over = true;
        if (r->end == CLOSED)
            break;
        eventfd_write(r->cancel_fd, 1);
    }
    close(r->fd);
    return NULL;
}

/* One save; returns its result. */
static int save_in_vain(struct guest *g, enum end end, uint64_t most, struct err *e)
{
    struct rig *r = g->rig;
    AUTO_CLOSE int cancel = eventfd(0, EFD_CLOEXEC);
    struct reader reader = {.end = end, .most = most, .cancel_fd = cancel};
    struct op op = rig_op(r);
    pthread_t thread;
    int fds[2];

    op.cancel_fd = cancel;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    reader.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, read_and_end, &reader), 0);
    int result = r->driver->save(r->handle, &g->ref, fds[1], &op, e);
    close(fds[1]);
    pthread_join(thread, NULL);
    return result;
}

/* At all points of the stream, one after the other; the guest goes on where it was each time. */
void saves_in_vain_harm_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    unsigned rounds = r->subject->vain_saves;
    uint64_t bytes = r->subject->ask ? g->conf->memory_kib * 1024 : 300000;
    struct err e;

    for (unsigned round = 0; round < rounds; round++) {
        int64_t value = r->subject->value(g);
        int result = save_in_vain(g, round % ENDS, bytes / rounds * round, &e);
        /* A stream that is shorter than that is whole when its end would come. */
        if (result == 0) {
            struct op op = rig_op(r);
            EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e));
        } else {
            assert_true(e.code == ERR_CANCELLED || e.code == ERR_FAILED);
        }
        assert_int_equal(guest_info(g).state, OBS_RUNNING);
        guest_await_above(g, value);
    }
    guest_destroy(g);
    guest_free(g);
}

struct live_save {
    struct guest *g;
    int fd;
    int result;
    struct err e;
};

static void *save_live(void *arg)
{
    struct live_save *s = arg;
    struct rig *r = s->g->rig;
    struct op op = rig_op(r);
    int64_t stopped_ms;

    s->result = r->driver->save_live(r->handle, &s->g->ref, s->fd, &op, &stopped_ms, &s->e);
    close(s->fd);
    return NULL;
}

/* A save has the guest's only line to its driver: a list asks by another. */
static void await_listed(struct guest *g, enum observed state)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms;
    struct observation seen = {0};

    while (!guest_listed(g, &seen) || seen.state != state) {
        if (clock_mono_ms() > deadline)
            fail_msg("state %d did not come; it is %d", (int)state, (int)seen.state);
        g->rig->subject->value(g);
        poll(NULL, 0, 10);
    }
}

/* It is not let run on, and how it ended is seen. */
void a_guest_that_ends_in_a_live_save_has_ended(void **state)
{
    static const struct {
        enum behaviour behaviour;
        enum observed end;
    } ends[] = {
        {POWERS_OFF, OBS_SHUTDOWN},
        {CRASHES,    OBS_CRASHED },
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct guest *g = guest_running(r, ends[i].behaviour);
        struct live_save save = {.g = g};
        struct op op = rig_op(r);
        char bytes[65536];
        pthread_t thread;
        struct err e;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        save.fd = fds[1];
        assert_int_equal(pthread_create(&thread, NULL, save_live, &save), 0);
        /* It has begun, and cannot end while nobody reads. */
        assert_true(read(fds[0], bytes, sizeof bytes) > 0);
        r->subject->provoke(g, ends[i].behaviour);
        await_listed(g, ends[i].end);
        while (read(fds[0], bytes, sizeof bytes) > 0)
            continue;
        pthread_join(thread, NULL);
        close(fds[0]);
        assert_int_equal(save.result, -1);
        assert_int_equal(save.e.code, ERR_WRONG_STATE);
        assert_int_equal(guest_info(g).state, ends[i].end);
        EXPECT_ERR(r->driver->save_undo(r->handle, &g->ref, false, &op, &e), ERR_WRONG_STATE);
        assert_int_equal(guest_info(g).state, ends[i].end);
        guest_destroy(g);
        guest_free(g);
    }
}

/* QEMU 7.2 to 8.2 cannot hold a guest in its own sleep: `stop` does nothing to it, and a save wakes
 * it in the saved state alone. */
void a_guest_that_sleeps_is_woken_first(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    int64_t deadline = clock_mono_ms() + r->subject->boot_ms;
    AUTO_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct op op = rig_op(r);
    struct err e;

    r->subject->ask(g, "sleep", "going to sleep");
    /* It does not sleep at once. */
    while (r->driver->pause(r->handle, &g->ref, &op, &e) == 0) {
        guest_unpause(g);
        assert_true(clock_mono_ms() < deadline);
    }
    assert_int_equal(e.code, ERR_WRONG_STATE);
    EXPECT_ERR(r->driver->save(r->handle, &g->ref, null, &op, &e), ERR_WRONG_STATE);
    EXPECT_OK(r->driver->trigger(r->handle, &g->ref, "s3resume", -1, &op, &e));
    r->subject->ask(g, "", "awake");
    guest_pause(g);
    guest_unpause(g);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}
