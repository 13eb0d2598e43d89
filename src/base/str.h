/* SPDX-License-Identifier: MIT */
/* Strings: one that grows, and what is asked of strings from outside (escape, compare, suggest). */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* A string that grows. {0} is an empty one; data is NULL or ended by NUL. */
struct str {
    char *data; /* owned */
    size_t len;
    size_t cap;
};

void str_finish(struct str *s); /* frees; s is empty afterwards and may be used again */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *bytes, size_t len);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
/* Gives the text away (never NULL; the caller frees it) and leaves s empty. */
char *str_take(struct str *s);

#define AUTO_STR __attribute__((cleanup(str_finish)))

/* Adds text with every byte that is not printable ASCII as \xNN and \ as \\, so that a hostile
 * string cannot move a terminal's cursor. */
void str_add_escaped(struct str *s, const char *text, size_t len);

bool str_eq(const char *a, const char *b); /* either may be NULL; NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Copies text into to[size], cut to fit and always ended by NUL. False when it was cut. */
bool str_copy(char *to, size_t size, const char *text);

/* The candidate nearest to word by edit distance, for "did you mean"; NULL when none is near
 * (more than a third of the word's length away). next(i) gives candidate i, NULL after the last.
 * Time is bounded: a word of more than 64 bytes has no neighbours. */
const char *str_nearest(const char *word, const char *(*next)(size_t i));

#endif
