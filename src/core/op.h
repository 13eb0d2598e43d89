/* SPDX-License-Identifier: MIT */
/* What a call that may last is given: a deadline, a way to be cancelled, and somebody to tell
 * about progress. Waits inside drivers go through op_wait, so that each has an end. */
#ifndef CORE_OP_H
#define CORE_OP_H

#include <stdint.h>

#include "base/err.h"

struct op {
    int64_t deadline_ms; /* monotonic; 0 for none */
    int cancel_fd;       /* readable (and left so) once cancelled; -1 when it cannot be */
    void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes); /* or NULL */
    void *progress_arg;
};

/* An op with a deadline `ms` from now, not cancellable, without progress. */
struct op op_within(int64_t ms);

/* The same op with the nearer of its own deadline and `ms` from now, for one step in it. */
struct op op_narrow(const struct op *op, int64_t ms);

/* Waits until fd has one of `events` (poll(2); POLLERR and POLLHUP end the wait too), or with fd
 * -1 just for the end. Returns 0; -1 with ERR_CANCELLED, or with ERR_TIMED_OUT, `phase` and
 * "PHASE did not happen in time". Blocks. */
int op_wait(const struct op *op, int fd, short events, const char *phase, struct err *e) MUST_CHECK;

/* Waits ms, to look again, or until the op is over: then -1 with what op_wait sets. At 0 *e is as
 * it was. Blocks. */
int op_nap(const struct op *op, int64_t ms, const char *phase, struct err *e) MUST_CHECK;

/* -1 with ERR_CANCELLED when it is cancelled, else 0. Does not block. */
int op_check(const struct op *op, struct err *e) MUST_CHECK;

void op_progress(const struct op *op, uint64_t done_bytes, uint64_t total_bytes);

#endif
