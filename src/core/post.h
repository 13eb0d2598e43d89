/* SPDX-License-Identifier: MIT */
/* The one way from any thread to the loop thread: functions queued to run there. */
#ifndef CORE_POST_H
#define CORE_POST_H

struct post;

typedef void post_fn(void *arg);

/* wake(wake_arg) is called after a function was queued, on the queueing thread; it makes the loop
 * thread call post_run soon. */
struct post *post_new(void (*wake)(void *arg), void *wake_arg);
/* Functions still queued are dropped: call after the threads have ended. */
void post_free(struct post *p);

/* Thread-safe; does not block. What `arg` points to belongs to the loop thread from here. */
void post_send(struct post *p, post_fn *fn, void *arg);

/* Runs what is queued, in order. Loop thread only. */
void post_run(struct post *p);

#endif
