/* SPDX-License-Identifier: MIT */
/* One row a verb: all that the command line knows of it. Help, completion and the manual's list
 * of verbs are printed from the rows. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/print.h"

enum verb_kind {
    KIND_READS,
    KIND_CHANGES, /* makes a job: has --no-wait, answers with a message */
    KIND_HOST,    /* of the host, not of a domain's life: xl does it */
};

struct command;

/* Does the verb. Returns the exit status; -1 with an error that the caller prints. */
typedef int verb_run(struct command *cmd, struct err *e);

struct verb_row {
    const char *name;
    const char *aliases;              /* separated by spaces; NULL */
    const char *elsewhere;            /* other tools' words for it, for "did you mean"; NULL */
    const char *operands;             /* as in the synopsis: "DOMAIN ..." */
    int min;                          /* operands at least */
    int max;                          /* operands at most; -1: any number */
    const struct option_row *options; /* NULL: none of its own */
    enum verb_kind kind;
    bool csv;          /* prints a table */
    const char *doing; /* KIND_CHANGES: "saving", for progress */
    const char *help;  /* one line */
    const char *text;  /* more, for `help VERB`; NULL */
    verb_run *run;     /* NULL: KIND_HOST */
};

/* One command as typed. */
struct command {
    const struct verb_row *row;
    struct options options;
    enum print_format format;
    struct client client; /* connected by command_connect */
};

extern const struct option_row verbs_global_options[];
extern const struct option_row verbs_wait_options[]; /* for KIND_CHANGES */

/* Row i, NULL after the last. */
const struct verb_row *verbs_row(size_t i);

/* The row of a word (name, alias, or for KIND_HOST the beginning of a family). NULL with
 * ERR_NO_SUCH_VERB, naming the nearest verb or reeve's word for it. */
const struct verb_row *verbs_find(const char *word, struct err *e) MUST_CHECK;

/* Connects once; later calls do nothing. Sets what client_open sets. */
int command_connect(struct command *cmd, struct err *e) MUST_CHECK;

#endif
