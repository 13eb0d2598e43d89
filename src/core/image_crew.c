/* SPDX-License-Identifier: MIT */
#include "core/image_crew.h"

#include <sched.h>

enum { STACK_BYTES = 256 * 1024 };

struct shift {
    struct image_crew *crew;
    void (*work)(void *arg, struct image_crew *crew);
    void *arg;
};

static int threads_wanted(void)
{
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    return count < 1 ? 1 : count > IMAGE_THREADS_MAX ? IMAGE_THREADS_MAX : count;
}

static void *shift_main(void *arg)
{
    struct shift *shift = arg;

    shift->work(shift->arg, shift->crew);
    return NULL;
}

void image_crew_fail(struct image_crew *crew, const struct err *e)
{
    pthread_mutex_lock(&crew->lock);
    if (!atomic_exchange(&crew->failed, true))
        crew->err = *e;
    pthread_cond_broadcast(&crew->turn);
    pthread_mutex_unlock(&crew->lock);
}

int image_crew_run(void (*work)(void *arg, struct image_crew *crew), void *arg, uint64_t most,
                   struct err *e)
{
    struct image_crew crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};
    struct shift shift = {&crew, work, arg};
    pthread_t others[IMAGE_THREADS_MAX - 1];
    int count = 0, wanted = threads_wanted() - 1;
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    while (count < wanted && (uint64_t)count + 1 < most &&
           pthread_create(&others[count], &attr, shift_main, &shift) == 0)
        count++;
    pthread_attr_destroy(&attr);
    work(arg, &crew);
    while (count > 0)
        pthread_join(others[--count], NULL);
    pthread_cond_destroy(&crew.turn);
    pthread_mutex_destroy(&crew.lock);
    if (!atomic_load(&crew.failed))
        return 0;
    *e = crew.err;
    return -1;
}
