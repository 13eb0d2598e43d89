/* SPDX-License-Identifier: MIT */
/* What domains use: two answers of the daemon's stats call become rows with rates. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/print.h"

enum usage_sort { USAGE_CPU, USAGE_MEMORY, USAGE_DISK, USAGE_NET, USAGE_NAME, USAGE_SORTS };

/* Reads "cpu", "memory", "disk", "net" or "name". Sets ERR_BAD_REQUEST. */
int usage_sort_of(const char *text, enum usage_sort *ret, struct err *e) MUST_CHECK;
const char *usage_sort_name(enum usage_sort sort);

/* The rows of `now` (as the daemon answered), with rates since `before` (NULL: none): an array of
 * objects, the most first (names in order), or the other way round with `reverse`. A rate that is
 * not known (the domain was not there before, or began anew) is null. New reference. */
json_t *usage_rows(const json_t *before, const json_t *now, enum usage_sort sort, bool reverse);

/* The columns of such rows; ended by one without a key. */
extern const struct column usage_columns[];

#endif
