/* SPDX-License-Identifier: MIT */
/* What resources.c and devices.c share: a change of guest and record together. Job thread only. */
#ifndef CORE_RESOURCES_H
#define CORE_RESOURCES_H

#include "core/job.h"

enum { RESOURCES_UNDO_MS = 30 * 1000 };

/* The change is of the stored config alone: nothing lives, or --next-boot. */
bool resources_stored_only(const struct job *j);

/* Does that. `message` (taken over) is what is said then. Sets what job_commit sets. */
int resources_store(struct job *j, char *message, struct err *e) MUST_CHECK;

/* When the stored change acts, for the message: "start boots it so". */
const char *resources_when(const struct job *j);

/* Stores the intent (`what` is taken over: see resources_intent), changes the guest by do_it, and
 * stores the record with the new texts of j->args. do_it leaves the guest as it was when it fails;
 * `undo` takes back what it did. On failure guest and record are as they were, or the message says
 * what is not. */
int resources_change(struct job *j, json_t *what, int (*do_it)(struct job *, struct err *),
                     int (*undo)(struct job *, struct err *), struct err *e) MUST_CHECK;

/* The driver could boot a domain of that text, of the record's folder, with these MACs and the
 * rights of `user`. Sets what driver->check sets. */
int resources_check(struct job *j, const char *config, const char *macs, const struct fs_user *user,
                    struct err *e) MUST_CHECK;

/* For what the guest has to do: --timeout, else a minute. */
struct op resources_op(const struct job *j);

/* Adds "; text" to what *e says; its code and fields stay. Returns -1. */
int resources_add(struct err *e, const char *fmt, ...) PRINTF(2, 3);

#endif
