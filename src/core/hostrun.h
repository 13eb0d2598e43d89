/* SPDX-License-Identifier: MIT */
/* The host stops or starts: a job for each domain that is concerned, in their order, several at
 * once, and none stopped by another's failure. Loop thread only. */
#ifndef CORE_HOSTRUN_H
#define CORE_HOSTRUN_H

#include <jansson.h>

#include "core/engine.h"

enum hostrun_kind { HOSTRUN_STOP, HOSTRUN_START };

enum { HOSTRUN_PARALLEL = 4, HOSTRUN_PARALLEL_MAX = 64 };

/* result: {"domains":[{"domain","action","done","message"}], "failed":N}; borrowed. */
typedef void hostrun_done(void *arg, const json_t *result);

/* Begins a run with at most `parallel` jobs at once, for `actor`, and calls done(arg, ...) when the
 * last has ended (never, when the engine closes before), at the earliest in the next turn of the
 * loop. Stop: each domain that lives is suspended or shut down as reeve_on_host_stop says, what
 * cannot be suspended is shut down, what does not shut down is destroyed where reeve_host_destroy
 * allows it. Start: what host-stop suspended is resumed, paused when it was; what has
 * reeve_autostart and is halted is started, once in a boot of the host. One of the kind that is
 * under way is joined: its end is told. A stop cuts a start: what has not begun is not started, and
 * when the rest is done the stop begins. A start while a stop is under way sets ERR_BUSY. */
int hostrun_begin(struct engine *g, enum hostrun_kind kind, unsigned parallel, const char *actor,
                  hostrun_done *done, void *arg, struct err *e) MUST_CHECK;
/* Forgets the one who waits: the run goes on. */
void hostrun_forget(struct engine *g, void *arg);
/* At the engine's end. */
void hostrun_free(struct engine *g);

#endif
