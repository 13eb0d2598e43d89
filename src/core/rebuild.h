/* SPDX-License-Identifier: MIT */
/* Records that the store has lost, made anew from what is beside it. */
#ifndef CORE_REBUILD_H
#define CORE_REBUILD_H

#include <jansson.h>

#include "core/engine.h"

/* For each copy domains/UUID.cfg without a record: a managed domain of that uuid, alive when the
 * driver has it, suspended when a whole image of it is there, else halted. Returns a line about
 * each, also about those that could not be made; new reference. Nothing that is there is changed.
 * Reads files; on the loop thread. */
json_t *rebuild_records(struct engine *g);

#endif
