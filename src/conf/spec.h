/* SPDX-License-Identifier: MIT */
/* Specs: the comma-separated parameters inside one string of disk and vif. */
#ifndef CONF_SPEC_H
#define CONF_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/keys.h"

enum { SPEC_PARAMS_MAX = 32 };

struct spec;

/* A parameter, NAME=VALUE or the bare NAME. Without `set` it is ignored with a warning, or
 * refused when `refused` says why that would be wrong. */
struct spec_param {
    const char *name;
    bool flag; /* bare: set gets "" */
    int (*set)(struct spec *spec, const char *value, struct err *e);
    const char *refused;
};

struct spec {
    const struct keys_context *c;
    const struct value *v;
    const struct spec_param *params;     /* ended by a row without a name */
    const char *(*param_name)(size_t i); /* of the same rows, for str_nearest */
    void *to;                            /* the struct being filled */
    bool seen[SPEC_PARAMS_MAX];
};

/* Applies one parameter as written; it may be changed. *ret_known is false, and nothing is done,
 * when it is neither a flag nor has a "=". Sets ERR_BAD_CONFIG or ERR_UNSUPPORTED. */
int spec_apply(struct spec *spec, char *word, bool *ret_known, struct err *e) MUST_CHECK;

/* Cuts blanks off both ends of *text, in place, and returns the new start. */
char *spec_trim(char *text);

/* backend=: anything but the host itself is refused. */
int spec_set_backend(struct spec *spec, const char *value, struct err *e) MUST_CHECK;

#endif
