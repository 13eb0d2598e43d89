/* SPDX-License-Identifier: MIT */
/* libxl's end of a guest's saved state is always a pipe of ours, and what goes through it is
 * carried between that and the caller's descriptor. libxl must meet neither a closed pipe when it
 * writes nor, when it reads, an end or an abort before it has come to the stream's part for its
 * helper (libxl__save_helper_abort of one that never began calls a callback that is NULL): its
 * process dies of each. */
#ifndef DRIVER_XEN_RELAY_H
#define DRIVER_XEN_RELAY_H

#include "driver/xen/session.h"

struct relay {
    int fd;  /* libxl's end; owned */
    int in;  /* read from; ours when saving */
    int out; /* written to; ours when loading; -1: what comes is thrown away */
    bool saving;
    bool begun; /* a load: libxl has read the beginning and has its helper */
    const struct op *op;
    uint64_t done_bytes, total_bytes;
    bool waiting; /* there is something for out, which does not take it yet */
    bool at_end;
};

/* For a save; `to` is the caller's pipe or file. */
int relay_open_save(struct relay *r, int to, uint64_t total_bytes, const struct op *op,
                    struct err *e) MUST_CHECK;
/* For a load: reads the beginning of `from`. ERR_DAMAGED: it is none of libxl's. */
int relay_open_load(struct relay *r, int from, uint64_t total_bytes, const struct op *op,
                    struct err *e) MUST_CHECK;
/* In either case. */
void relay_finish(struct relay *r);

/* What a wait for libxl does besides. */
struct session_beside relay_beside(struct relay *r);

/* After libxl has written all: the rest of it goes on its way. */
int relay_flush(struct relay *r, struct err *e) MUST_CHECK;
/* After libxl has read all that it wants: the rest is read up to its end. */
int relay_drain(struct relay *r, struct err *e) MUST_CHECK;

#endif
