/* SPDX-License-Identifier: MIT */
/* Options by rows. They may stand before or after operands; "--" ends them; letters may be
 * clustered ("-pc"); a value follows as "--name=VALUE", "--name VALUE", "-xVALUE" or "-x VALUE". */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum opt {
    OPT_ALL,
    OPT_AS,
    OPT_BASH,
    OPT_BATCH,
    OPT_CHECKPOINT,
    OPT_COLUMNS,
    OPT_CONSOLE,
    OPT_DELAY,
    OPT_DESTROY,
    OPT_DRY_RUN,
    OPT_FOLLOW,
    OPT_FOR,
    OPT_FORCE,
    OPT_FORMAT,
    OPT_HELP,
    OPT_LEVEL,
    OPT_LONG,
    OPT_NEXT_BOOT,
    OPT_NO_WAIT,
    OPT_PARALLEL,
    OPT_PAUSED,
    OPT_QUIET,
    OPT_REPAIR,
    OPT_REPLACE,
    OPT_ROUNDS,
    OPT_SCDOC,
    OPT_SINCE,
    OPT_SOCKET,
    OPT_SORT,
    OPT_STATE,
    OPT_TIMEOUT,
    OPT_VERSION,
    OPT_N
};

struct option_row {
    enum opt opt;
    char letter;      /* 0: none */
    const char *name; /* without the dashes; NULL ends the rows */
    const char *arg;  /* what its value is called; NULL: it takes none */
    const char *help;
};

enum { OPTIONS_SETS_MAX = 4 };

struct options {
    /* The rows that are known here; the user of the struct fills them in. Borrowed. */
    const struct option_row *sets[OPTIONS_SETS_MAX];
    bool given[OPT_N];
    const char *value[OPT_N]; /* borrowed from argv; the last one wins */
    const char **operands;    /* owned array of strings borrowed from argv */
    size_t operand_count;
};

/* Reads the words argv[0] to argv[count - 1]. With `head` it stops at the first operand, so that
 * what follows can be read by that word's rows. Returns the number of words read; -1 with
 * ERR_BAD_REQUEST for an option that is not known (naming a near one), has no value or takes
 * none. `who` names the owner of the options in messages. */
int options_parse(struct options *o, const char *who, char *const *argv, int count, bool head,
                  struct err *e) MUST_CHECK;
void options_finish(struct options *o);

/* Reads seconds, "90" or "0.5", at most a year, as milliseconds. Sets ERR_BAD_REQUEST. */
int options_seconds(const char *text, int64_t *ret_ms, struct err *e) MUST_CHECK;

/* Reads "job:7" or "7". Sets ERR_BAD_REQUEST. */
int options_job(const char *text, int64_t *ret_job, struct err *e) MUST_CHECK;

/* Reads a size as xl does: "512" and "512m" are MiB, "2g", "1t", "2048k" and "...b" as they say;
 * whole MiB, at least 1. Sets ERR_BAD_REQUEST. */
int options_size(const char *text, int64_t *ret_kib, struct err *e) MUST_CHECK;

/* Reads a whole number of at most 9 digits; `what` names it in the message. Sets
 * ERR_BAD_REQUEST. */
int options_number(const char *text, const char *what, int64_t *ret, struct err *e) MUST_CHECK;

/* True for one or more decimal digits. */
bool options_digits(const char *text);

#endif
