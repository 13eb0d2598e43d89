/* SPDX-License-Identifier: MIT */
/* Programs of the host's administrator around the verbs: the executable files of one folder, in the
 * order of their names, each with the event as one JSON object a line on stdin. Before a verb, the
 * first that fails refuses it with the last line that it printed; after a verb they are told what
 * became of it, one event after the other, and nobody waits for them. Each has 10 s, then its
 * process group is killed; of its output the last 4 KiB are kept. A folder that is missing costs
 * one failed open. */
#ifndef CORE_HOOKS_H
#define CORE_HOOKS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct hooks;

/* dir is copied; it need not be there, and is looked into anew each time. */
struct hooks *hooks_new(const char *dir);
/* Kills the hook that runs, drops those that wait. NULL is accepted. Blocks for as long as that
 * takes. */
void hooks_free(struct hooks *h);

/* True when there is something to run. Thread-safe, as are the next two. */
bool hooks_any(const struct hooks *h);
/* Runs all with event; 0, or -1 with ERR_FAILED that names the hook and its last line (escaped). A
 * file that others than root and the daemon's user may write is not run and refuses. Blocks. */
int hooks_before(struct hooks *h, const json_t *event, struct err *e) MUST_CHECK;
/* Queues the event (copied as text); past 256 that wait one is dropped, and the log says so. */
void hooks_after(struct hooks *h, const json_t *event);

#endif
