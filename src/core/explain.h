/* SPDX-License-Identifier: MIT */
/* The pieces that `explain` and docs/lifecycle.md share. */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include <stdbool.h>

#include "base/str.h"
#include "core/lifecycle.h"

/* One cell of the table: "-> paused", "=", "stays", "stored", "x resume" with the first verb that
 * would work, or with `all` "x: resume, discard; new --replace". */
void explain_cell(const struct outcome *o, enum verb verb, bool all, struct str *to);

/* True when the domain's kind makes a difference to the verb in that state. */
bool explain_kinds_differ(enum verb verb, enum state from);

/* One sentence of what a state is, with a full stop. */
const char *explain_state_text(enum state state);

#endif
