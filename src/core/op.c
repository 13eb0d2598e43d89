/* SPDX-License-Identifier: MIT */
#include "core/op.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/str.h"

struct op op_within(int64_t ms)
{
    return (struct op){.deadline_ms = clock_mono_ms() + ms, .cancel_fd = -1};
}

struct op op_narrow(const struct op *op, int64_t ms)
{
    struct op step = *op;
    int64_t deadline = clock_mono_ms() + ms;

    if (step.deadline_ms == 0 || deadline < step.deadline_ms)
        step.deadline_ms = deadline;
    return step;
}

int op_wait(const struct op *op, int fd, short events, const char *phase, struct err *e)
{
    struct pollfd fds[2] = {
        {.fd = fd,            .events = events},
        {.fd = op->cancel_fd, .events = POLLIN}
    };

    for (;;) {
        int n = poll(fds, 2, clock_left_ms(op->deadline_ms));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot wait for %s", phase);
        if (fds[1].revents)
            return err_set(e, ERR_CANCELLED, "cancelled while waiting for %s", phase);
        /* A descriptor that is always ready must not hide that the time is over. */
        bool late = op->deadline_ms != 0 && clock_mono_ms() > op->deadline_ms;
        if (fds[0].revents && !late)
            return 0;
        if (n == 0 || late) {
            err_set(e, ERR_TIMED_OUT, "%s did not happen in time", phase);
            str_copy(e->phase, sizeof e->phase, phase);
            return -1;
        }
    }
}

int op_nap(const struct op *op, int64_t ms, const char *phase, struct err *e)
{
    struct op step = op_narrow(op, ms);
    struct err ended;

    if (op_wait(&step, -1, 0, phase, &ended) == 0 ||
        (ended.code == ERR_TIMED_OUT && step.deadline_ms != op->deadline_ms))
        return 0; /* its own time is over, not the op's */
    *e = ended;
    return -1;
}

int op_check(const struct op *op, struct err *e)
{
    struct pollfd fd = {.fd = op->cancel_fd, .events = POLLIN};

    if (op->cancel_fd >= 0 && poll(&fd, 1, 0) == 1)
        return err_set(e, ERR_CANCELLED, "cancelled");
    return 0;
}

void op_progress(const struct op *op, uint64_t done_bytes, uint64_t total_bytes)
{
    if (op->progress)
        op->progress(op->progress_arg, done_bytes, total_bytes);
}
