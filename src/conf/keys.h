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
    void (*clear)(struct conf *conf, const struct key *row);         /* frees; NULL: nothing */
    /* Writes what json made as a value of the language. NULL: strings, numbers, booleans and
     * lists of them as they are. Sets ERR_BAD_CONFIG for what json would not have made. */
    int (*text)(const struct key *row, const json_t *json, struct str *to, struct err *e);
};

struct spec_kind;

struct key {
    const char *name;
    const struct keys_type *type; /* NULL: the key is known, and nothing here acts on it */
    size_t offset;                /* in struct conf */
    int64_t min, max;             /* of numbers, in unit; max also of a string's bytes. 0: none */
    const char *def;              /* as text of the language; NULL: unset, or the help says it */
    bool later;                   /* def is the driver's: the member stays unset */
    const char *unit;             /* of numbers */
    const struct keys_word_row *words;
    const struct spec_kind *spec; /* of keys_specs */
    const char *example;          /* of the value, as text of the language; for lists and specs */
    const char *json;             /* the member's name when it is not the key's */
    const char *help;             /* without a full stop */
    const char *refused; /* why a value is refused where the key does not act; NULL: a warning */
    bool acts[KEYS_DRIVERS];
    bool
        live[KEYS_DRIVERS]; /* a change acts on a running guest too, without a call of the driver */
    const char *verb;       /* the verbs that change it on a running guest at once; NULL: none */
};

/* The rows by subject, each in its file. */
struct keys_table {
    const struct key *rows;
    size_t count;
};
extern const struct keys_table keys_general, keys_cpu, keys_boot, keys_hvm, keys_devices;
extern const struct keys_table keys_display, keys_model, keys_legacy, keys_host;

/* Row i of all tables; NULL after the last. */
const struct key *keys_row(size_t i);

/* The row of that name; NULL for none. */
const struct key *keys_find(const char *name);

#define KEYS_TABLE(rows)                                                                           \
    {                                                                                              \
        rows, sizeof(rows) / sizeof *(rows)                                                        \
    }
#define KEYS_AT(member) offsetof(struct conf, member)
#define KEYS_EVERYWHERE                                                                            \
    {                                                                                              \
        true, true, true                                                                           \
    }
#define KEYS_NOT_ON_XEN                                                                            \
    {                                                                                              \
        true, true, false                                                                          \
    }
#define KEYS_ON_QEMU_ONLY                                                                          \
    {                                                                                              \
        true, false, false                                                                         \
    }
#define KEYS_NOT_ON_QEMU                                                                           \
    {                                                                                              \
        false, true, true                                                                          \
    }
#define KEYS_ON_XEN                                                                                \
    {                                                                                              \
        false, false, true                                                                         \
    }

/* -1 for an unknown driver. */
int keys_driver_of(const char *name);

/* The types, in set.c, set_disk.c, set_vif.c and set_more.c. */
extern const struct keys_type keys_name, keys_uuid, keys_string, keys_text, keys_number, keys_mib;
extern const struct keys_type keys_bool, keys_word, keys_builder, keys_order, keys_serial;
extern const struct keys_type keys_bios, keys_bios_old, keys_disk, keys_vif;
extern const struct keys_type keys_disk_create; /* its row is after that of disk */
/* Members: enum conf_flag, struct conf_number, enum (0 is unset), struct conf_strings. */
extern const struct keys_type keys_flag, keys_whole, keys_choice, keys_list, keys_words, keys_args,
    keys_pick;
/* In files of their own. */
extern const struct keys_type keys_specs, keys_cpus, keys_cpuid, keys_viridian, keys_vsnd;

/* The member of row in conf. */
void *keys_member(struct conf *conf, const struct key *row);
const void *keys_member_const(const struct conf *conf, const struct key *row);

/* A string as JSON; {"escaped": "..."} when it is not UTF-8, so that none is taken for another. */
json_t *keys_json_string(const char *text);
/* The other way, of either form: owned by the caller; NULL for any other JSON. */
char *keys_json_text(const json_t *json);
/* Adds a copy of text, or frees all. */
void keys_strings_add(struct conf_strings *strings, const char *text);
void keys_strings_clear(struct conf_strings *strings);
json_t *keys_strings_json(const struct conf_strings *strings);

/* For setters: fails with the place of v and "KEY: " before the sentence. Returns -1. */
int keys_error(const struct keys_context *c, const struct value *v, struct err *e,
               enum err_code code, const char *fmt, ...) PRINTF(5, 6);

/* For setters: warns likewise. */
void keys_warn(const struct keys_context *c, const struct value *v, const char *fmt, ...)
    PRINTF(3, 4);

/* For setters: a whole number within the row's bounds. */
int keys_read_number(const struct keys_context *c, const struct value *v, int64_t *ret,
                     struct err *e) MUST_CHECK;

/* For setters: fails unless v is a string (a number counts as one). */
int keys_want_string(const struct keys_context *c, const struct value *v, struct err *e) MUST_CHECK;

#endif
