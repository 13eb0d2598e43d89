/* SPDX-License-Identifier: MIT */
/* A domain's stored config beside the one that its guest was built from: what a change is, what of
 * it acts at once, what waits for the next boot. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

struct job;

/* The step of config-set: j->args.config is the new text, parsed already, and args.macs are its
 * MACs. The driver is asked whether it could boot it; then it is stored. Of a live guest, keys
 * that act at once do so unless args.next_boot. Fills j->details (changes) and j->message. Sets
 * what the driver's check sets, or what job_commit sets: then nothing has changed. */
int config_set(struct job *j, struct err *e) MUST_CHECK;

/* The guest of j->r is being built from these (a saved image has them): noted where the stored
 * config is another one. A name that has changed since does not count. */
void config_guest_is(struct job *j, const char *config, const char *directory, const char *macs);

/* Puts key=value into what the guest was built from, where that is on record beside what is stored;
 * when both mean the same then, it is forgotten. Sets ERR_BAD_CONFIG for the word. */
int config_guest_edit(struct job *j, const char *word, struct err *e) MUST_CHECK;

/* What differs, as the wire shows it: [{"key","old","new"}], old and new as text of the language or
 * null. New reference. */
json_t *config_changes(const struct conf *old, const struct conf *new);

/* One MAC for each interface of `conf`, separated by spaces: its own, else that which the same
 * interface had before (old and old_macs; NULL: there was none), else one drawn for `driver`. Owned
 * by the caller. */
char *config_macs(const struct conf *conf, const char *driver, const struct conf *old,
                  const char *old_macs);

/* 16 hex digits that differ where the texts do, to notice that a config has changed. */
enum { CONFIG_TAG_LEN = 16 };
void config_tag(const char *text, char ret[CONFIG_TAG_LEN + 1]);

#endif
