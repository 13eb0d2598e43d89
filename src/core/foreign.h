/* SPDX-License-Identifier: MIT */
/* Domains that another tool made (on Xen, where the driver lists the host's): shown as transient,
 * in no store, and left alone until they are adopted. */
#ifndef CORE_FOREIGN_H
#define CORE_FOREIGN_H

#include "core/engine.h"

/* Takes those into the table that were seen and that no record tells of. Loop thread. */
void foreign_take(struct engine *g, const struct observation *seen, size_t count);

/* What was seen of one, now that it is d->obs: name and state follow. It is never acted on. One
 * that is not seen any more is taken out of the table, and d is freed. */
void foreign_follow(struct engine *g, struct domain *d);

/* Whether the verb may be done to d at all: 0, or -1 with ERR_WRONG_STATE (adopt is the way),
 * ERR_UNSUPPORTED (domain 0), ERR_EXISTS (adopt: its name is another domain's too). */
int foreign_judge(const struct engine *g, const struct domain *d, enum verb verb,
                  struct err *e) MUST_CHECK;

struct job;
/* The step of adopt: takes it over from its tool, with a config that describes it. */
int foreign_adopt(struct job *j, struct err *e) MUST_CHECK;

#endif
