/* SPDX-License-Identifier: MIT */
/* The grammar of xl.cfg(5): text into settings (key, value, place), before any key has meaning. */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/place.h"

enum { TREE_DEPTH_MAX = 16 };

enum value_kind { VALUE_STRING, VALUE_NUMBER, VALUE_LIST, VALUE_NULL };

struct value {
    enum value_kind kind;
    int line;            /* 0: from the command line */
    size_t begin, end;   /* its bytes in the text */
    bool joined;         /* made by +=, which numbers do not allow */
    bool none;           /* a word that ends with its "=" */
    char *text;          /* owned; a number as it is written; NULL for a list */
    struct value *items; /* owned */
    size_t count;
    size_t cap;
};

struct setting {
    char *key; /* owned */
    struct value value;
    size_t order; /* of appearance */
    int line;     /* 0: from the command line */
    bool append;  /* += */
    size_t begin; /* its bytes in the text, with a comment that follows */
    size_t end;
    size_t value_begin; /* and those of its value */
    size_t value_end;
};

struct tree {
    const char *file; /* borrowed */
    struct setting *settings;
    size_t count;
    size_t cap;
};

/* Parses text. Sets ERR_BAD_CONFIG. *tree is to be finished in either case. */
int tree_parse(struct tree *tree, const char *file, const char *text, size_t len,
               struct err *e) MUST_CHECK;
void tree_finish(struct tree *tree);

/* Adds one key=value or key+=value of the command line. A value that begins with a quote or [ is
 * of the language; digits are a number; anything else is a string as it stands. */
int tree_add_override(struct tree *tree, const char *word, struct err *e) MUST_CHECK;

/* Leaves one setting a key, sorted by key: the last = and the += after it. Warns where a key is
 * given twice in the text, or twice on the command line. Sets ERR_BAD_CONFIG where += meets
 * another kind of value. */
int tree_fold(struct tree *tree, struct conf_warnings *warnings, struct err *e) MUST_CHECK;

/* The setting of key in a folded tree; NULL when there is none. */
struct setting *tree_find(struct tree *tree, const char *key);

/* A string in quotes. */
void tree_write_string(struct str *to, const char *text);

/* The value as text of the language, on one line. */
void tree_write_value(struct str *to, const struct value *value);

#endif
