/* SPDX-License-Identifier: MIT */
/* The saved state of a simulated guest: a header of fixed length (one JSON object, filled up with
 * spaces), bytes that stand for memory, an end mark. Our own format; version 1. */
#ifndef DRIVER_NULL_STREAM_H
#define DRIVER_NULL_STREAM_H

#include <stdint.h>

#include "base/err.h"
#include "core/op.h"

struct stream_state {
    int64_t count_ms;
    int64_t fired_ms;
    uint64_t memory_kib;
    uint64_t bytes; /* of what stands for memory */
};

/* Header and half of the bytes; then the other half and the end mark. Each write waits within
 * op for a slow reader. Sets ERR_FAILED, ERR_NO_SPACE, ERR_CANCELLED or ERR_TIMED_OUT. SIGPIPE
 * must be ignored. */
int stream_write_begin(int fd, const struct stream_state *st, const struct op *op,
                       struct err *e) MUST_CHECK;
int stream_write_end(int fd, const struct stream_state *st, const struct op *op,
                     struct err *e) MUST_CHECK;

/* The same for reading. Sets ERR_DAMAGED too: no such stream, cut off, other bytes, more after
 * the end. */
int stream_read_begin(int fd, struct stream_state *st, const struct op *op,
                      struct err *e) MUST_CHECK;
int stream_read_end(int fd, const struct stream_state *st, const struct op *op,
                    struct err *e) MUST_CHECK;

#endif
