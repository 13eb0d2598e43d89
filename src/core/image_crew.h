/* SPDX-License-Identifier: MIT */
/* Several threads that pack, unpack or verify the chunks of one image. Each takes the next chunk
 * for itself until there is none, so nothing is queued and memory is bounded by the threads. */
#ifndef CORE_IMAGE_CREW_H
#define CORE_IMAGE_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { IMAGE_THREADS_MAX = 8 };

struct image_crew {
    pthread_mutex_t lock; /* for what the work function shares */
    pthread_cond_t turn;  /* with lock; image_crew_fail wakes all who wait on it */
    atomic_bool failed;   /* somebody's work failed: the others are to end */
    struct err err;       /* of the first who failed; under lock */
};

/* Runs work(arg, crew) on this thread and beside it on as many as the process may use CPUs (at
 * most IMAGE_THREADS_MAX and `most` in all; fewer when no thread can be had), and waits for them.
 * Each call works until nothing is left, or until crew->failed; when it cannot go on itself it says
 * so by image_crew_fail. Returns 0, or -1 with the error of who failed first. Blocks. */
int image_crew_run(void (*work)(void *arg, struct image_crew *crew), void *arg, uint64_t most,
                   struct err *e) MUST_CHECK;

/* Takes note of *e unless another failed before, and wakes who waits. Without the lock. */
void image_crew_fail(struct image_crew *crew, const struct err *e);

#endif
