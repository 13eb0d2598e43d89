/* SPDX-License-Identifier: MIT */
/* Requests that change domains: sent ahead of each other, waited for together, with progress on a
 * terminal and Ctrl-C as cancel. */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/verbs.h"

enum change_step { CHANGE_WAITS, CHANGE_SENT, CHANGE_DONE };

struct change {
    const char *target; /* borrowed; the domain or file, for messages */
    json_t *args;       /* owned until it is sent */
    enum change_step step;
    int64_t id;     /* of the request, once sent */
    int64_t job;    /* 0: not known */
    json_t *at;     /* owned; the job object of the last progress; NULL */
    json_t *answer; /* owned; the answer's line; NULL */
};

/* The arguments that the verb's options give: a new object. Sets ERR_BAD_REQUEST. */
json_t *change_args(const struct command *cmd, struct err *e) MUST_CHECK;

/* Sends all of them (at most 64 at a time; two for one target one after the other), prints each
 * outcome as it comes, and at the end with --format json the one document: {"results":[...]} with
 * `list` or for several, else the answer itself. Returns the exit
 * status: 0, or that of the first in order that failed; 130 after a second Ctrl-C; -1 when the
 * connection failed. Takes the items' references over. */
int change_all(struct command *cmd, struct change *items, size_t count, bool list,
               struct err *e) MUST_CHECK;

/* One request about one domain; takes args over. As change_all. */
int change_one(struct command *cmd, const char *domain, json_t *args, struct err *e) MUST_CHECK;

void change_finish(struct change *items, size_t count);

#endif
