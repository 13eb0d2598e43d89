/* SPDX-License-Identifier: MIT */
/* Keys that contradict each other. */
#ifndef CONF_RULES_H
#define CONF_RULES_H

#include "conf/keys.h"

/* Refuses settings of `tree` (folded) that cannot hold together, at the later of the two. `c->conf`
 * is filled. */
int rules_check(const struct keys_context *c, struct tree *tree, struct err *e) MUST_CHECK;

#endif
