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
