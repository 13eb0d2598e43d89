/* SPDX-License-Identifier: MIT */
/* Config keys: one row a key. The parser, JSON, the manual and docs/drivers.md all read the rows.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/place.h"
#include "conf/tree.h"

enum keys_driver { KEYS_QEMU, KEYS_NULL, KEYS_XEN, KEYS_DRIVERS };

/* A word that a key takes, and the drivers that cannot do it (yet). */
struct keys_word_row {
    const char *name;
    unsigned value;
    bool refused[KEYS_DRIVERS];
};

/* What a setter works with. */
struct keys_context {
    struct conf *conf;
    const struct key *row;
    const char *driver_name;
    enum keys_driver driver;
    const char *file;
    struct conf_warnings *warnings;
};

/* What a key takes, how it is stored and how it is shown. */
struct keys_type {
    const char *takes; /* for people */
    int (*set)(const struct keys_context *c, const struct value *v, struct err *e);
    json_t *(*json)(const struct conf *conf, const struct key *row); /* NULL: not set */
};

struct key {
    const char *name;
    const struct keys_type *type; /* NULL: the key is known, and nothing here acts on it */
    size_t offset;                /* in struct conf */
    uint64_t min, max;            /* of numbers, in unit; max also of a string's bytes. 0: none */
    const char *def;              /* as text of the language; NULL: unset, or the help says it */
    const char *unit;             /* of numbers */
    const struct keys_word_row *words;
    const char *json;    /* the member's name when it is not the key's */
    const char *help;    /* without a full stop */
    const char *refused; /* why a value is refused where the key does not act; NULL: a warning */
    bool acts[KEYS_DRIVERS];
};

extern const struct key keys[];       /* ended by a row without a name */
extern const struct key keys_known[]; /* names of xl.cfg(5) that nothing here acts on; likewise */

/* Row i of both tables; NULL after the last. */
const struct key *keys_row(size_t i);

/* -1 for an unknown driver. */
int keys_driver_of(const char *name);

/* The types, in set.c, set_disk.c and set_vif.c. */
extern const struct keys_type keys_name, keys_uuid, keys_string, keys_text, keys_number, keys_mib;
extern const struct keys_type keys_bool, keys_word, keys_builder, keys_boot, keys_serial, keys_bios;
extern const struct keys_type keys_disk, keys_vif;

/* For setters: fails with the place of v and "KEY: " before the sentence. Returns -1. */
int keys_error(const struct keys_context *c, const struct value *v, struct err *e,
               enum err_code code, const char *fmt, ...) PRINTF(5, 6);

/* For setters: warns likewise. */
void keys_warn(const struct keys_context *c, const struct value *v, const char *fmt, ...)
    PRINTF(3, 4);

/* For setters: fails unless v is a string (a number counts as one). */
int keys_want_string(const struct keys_context *c, const struct value *v, struct err *e) MUST_CHECK;

#endif
