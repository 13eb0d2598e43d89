/* SPDX-License-Identifier: MIT */
/* Specs: the comma-separated parameters inside one string of disk, vif, pci and so on. Each
 * parameter is a row, which parsing, JSON and text all read. */
#ifndef CONF_SPEC_H
#define CONF_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/keys.h"

enum { SPEC_PARAMS_MAX = 32, SPEC_ITEMS_MAX = 256 };

struct spec;

/* What the member at `offset` is. */
enum spec_store {
    SPEC_NONE,   /* nothing is stored by itself; `set` may do it */
    SPEC_STRING, /* char * */
    SPEC_NUMBER, /* struct conf_number */
    SPEC_HEX,    /* likewise, written in hexadecimal */
    SPEC_WORD,   /* an enum whose 0 is "not given" */
    SPEC_FLAG,   /* enum conf_flag, from 0 or 1; bare: `value` */
};

/* A parameter, NAME=VALUE or the bare NAME. With `set` that reads it; else `store` says how; with
 * neither it is ignored with a warning. */
struct spec_param {
    const char *name;
    bool flag; /* bare: set gets "" */
    int (*set)(struct spec *spec, const char *value, struct err *e);
    const char *refused; /* why; everywhere, or with xen everywhere else */
    bool xen;            /* acts on Xen only: elsewhere read, and ignored with a warning */
    enum spec_store store;
    size_t offset;
    int64_t min, max; /* of numbers */
    const struct keys_word_row *words;
    unsigned value;
};

struct spec {
    const struct keys_context *c;
    const struct value *v;
    const struct spec_param *params; /* ended by a row without a name */
    void *to;                        /* the struct being filled */
    bool seen[SPEC_PARAMS_MAX];
};

/* One string of keys_specs, or one list of strings. */
struct spec_kind {
    const struct spec_param *params;
    size_t size; /* of the struct that an item fills */
    bool single; /* the key takes one string, and the member is the struct itself */
    bool lists;  /* each item is a list with a parameter a string */
    bool whole;  /* an item is not cut at commas: `bare` gets all of it */
    /* A word without "=" that is no flag; NULL: refused. */
    int (*bare)(struct spec *spec, char *word, struct err *e);
    int (*check)(struct spec *spec, struct err *e); /* of a whole item; may be NULL */
    /* Of all items together; `v` is the list. May be NULL. */
    int (*check_all)(const struct keys_context *c, const struct value *v, struct err *e);
    char *(*text)(const void *item); /* NULL: the parameters with commas. Owned by the caller */
    bool (*given)(const void *item); /* of single */
};

/* The member of a key with a list of items. */
struct spec_items {
    void *items;
    size_t count;
};

/* Applies one parameter as written; it may be changed. *ret_known is false, and nothing is done,
 * when it is neither a flag nor has a "=". Sets ERR_BAD_CONFIG or ERR_UNSUPPORTED. */
int spec_apply(struct spec *spec, char *word, bool *ret_known, struct err *e) MUST_CHECK;

/* Applies the comma-separated parameters; bare may be NULL. */
int spec_parse(struct spec *spec, char *text,
               int (*bare)(struct spec *spec, char *word, struct err *e), struct err *e) MUST_CHECK;

/* What is stored, into the object, one member a parameter that was given. */
void spec_show(const struct spec_param *params, const void *item, json_t *object);
/* Frees what spec_apply stored. */
void spec_clear(const struct spec_param *params, void *item);
/* Members of the object as parameters, each behind a comma when something stands before it;
 * members that are no parameter are left out. */
int spec_text(const struct spec_param *params, const json_t *object, struct str *to,
              struct err *e) MUST_CHECK;

/* Cuts blanks off both ends of *text, in place, and returns the new start. */
char *spec_trim(char *text);

/* A range of hexadecimal or decimal numbers "A" or "A-B", both within max. */
bool spec_range(const char *text, int base, int64_t max, int64_t *ret_first, int64_t *ret_last);
/* A number in that base with nothing behind it. */
bool spec_number(const char *text, int base, int64_t *ret);

/* backend=: elsewhere than on Xen anything but the host itself is refused. The value is stored at
 * the parameter's offset by the caller on Xen; returns 1 when there is something to store. */
int spec_check_backend(struct spec *spec, const char *value, struct err *e) MUST_CHECK;

#endif
