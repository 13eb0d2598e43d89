/* SPDX-License-Identifier: MIT */
/* A domain as the wire shows it (contract, "Socket"). Loop thread; new references. */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "core/engine.h"

/* Every field; with_config adds config, directory and saved_file. */
json_t *view_domain(const struct engine *g, const struct domain *d, bool with_config);

/* Only the fields of `names`, an array of strings that view_check has passed: for a list of many
 * domains most of the work is in fields that nobody looks at. */
json_t *view_fields(const struct engine *g, const struct domain *d, const json_t *names);

/* Sets ERR_BAD_REQUEST for a name that is no field, or one of the config. */
int view_check(const json_t *names, struct err *e) MUST_CHECK;

#endif
