/* SPDX-License-Identifier: MIT */
/* Core files of guests, STATE_DIR/cores/NAME-TIME.core, 0600, the folder 0700: a bounded number of
 * them, the newest. All of these block. */
#ifndef CORE_CORES_H
#define CORE_CORES_H

#include <stdint.h>

#include "base/err.h"

enum { CORES_KEPT = 8 };

/* A file being written; a value of zeros with fd -1 is none. */
struct core_file {
    char *path; /* owned; its name when it is whole. Until then it has ".incomplete" behind it */
    int fd;     /* owned */
};

/* A new file for a domain of that name with `bytes` of memory. Sets ERR_NO_SPACE when the
 * filesystem has less free than that, or ERR_FAILED; then there is no file. */
int cores_open(const char *state_dir, const char *name, uint64_t bytes, struct core_file *ret,
               struct err *e) MUST_CHECK;
/* It is whole: durable under its name, and the oldest beyond CORES_KEPT are removed. On failure it
 * is removed. *core keeps its path until cores_finish. */
int cores_keep(struct core_file *core, struct err *e) MUST_CHECK;
/* Frees it; a file that was not kept is removed. */
void cores_finish(struct core_file *core);
/* At start, when nobody writes one: removes what a crash left incomplete. */
void cores_sweep(const char *state_dir);

#endif
