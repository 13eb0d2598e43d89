/* SPDX-License-Identifier: MIT */
#include "core/post.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct item {
    post_fn *fn;
    void *arg;
    struct item *next;
};

struct post {
    pthread_mutex_t mutex; /* guards first and last */
    struct item *first;
    struct item *last;
    void (*wake)(void *arg);
    void *wake_arg;
};

struct post *post_new(void (*wake)(void *arg), void *wake_arg)
{
    struct post *p = x_calloc(1, sizeof *p);

    pthread_mutex_init(&p->mutex, NULL);
    p->wake = wake;
    p->wake_arg = wake_arg;
    return p;
}

static struct item *take_all(struct post *p)
{
    pthread_mutex_lock(&p->mutex);
    struct item *all = p->first;
    p->first = p->last = NULL;
    pthread_mutex_unlock(&p->mutex);
    return all;
}

void post_free(struct post *p)
{
    for (struct item *item = take_all(p), *next; item; item = next) {
        next = item->next;
        free(item);
    }
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void post_send(struct post *p, post_fn *fn, void *arg)
{
    struct item *item = x_calloc(1, sizeof *item);

    item->fn = fn;
    item->arg = arg;
    pthread_mutex_lock(&p->mutex);
    if (p->last)
        p->last->next = item;
    else
        p->first = item;
    p->last = item;
    /* With the lock, so that who runs the item may end the queue: nothing of it is touched after.
     */
    p->wake(p->wake_arg);
    pthread_mutex_unlock(&p->mutex);
}

void post_run(struct post *p)
{
    for (struct item *item = take_all(p), *next; item; item = next) {
        next = item->next;
        item->fn(item->arg);
        free(item);
    }
}
