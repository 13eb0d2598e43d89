/* SPDX-License-Identifier: MIT */
/* A library that stands before libc in reeved (LD_PRELOAD) and breaks one call of its job threads
 * on the files of saved state and on the driver's stream: the N-th, as a test asks through a file
 * that both have mapped. A real call of the system fails then, as one of a bad disk does. */
#ifndef TESTS_DAEMON_BROKEN_CALLS_H
#define TESTS_DAEMON_BROKEN_CALLS_H

#include <stdatomic.h>

enum broken_how {
    BROKEN_NOT,
    BROKEN_FAIL,  /* EIO */
    BROKEN_SPACE, /* ENOSPC, of this call and all after it that need space */
    BROKEN_SHORT, /* a read or write does but half of what was asked */
    BROKEN_KILL,  /* SIGKILL of the process instead of the call */
    BROKEN_HOLD,  /* the call waits until `how` is something else */
};

/* The mapped file. Its path is in the environment variable BROKEN_CALLS. */
struct broken_calls {
    _Atomic int how;  /* enum broken_how; set last */
    _Atomic int left; /* calls until the one that breaks, which makes it 0 */
    _Atomic int met;  /* 1 once it has come */
    char what[160];   /* then: the call and its file */
    char only[16];    /* calls of this name alone count; empty: all */
};

#endif
