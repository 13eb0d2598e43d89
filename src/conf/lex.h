/* SPDX-License-Identifier: MIT */
/* The tokens of xl.cfg(5), with their lines. */
#ifndef CONF_LEX_H
#define CONF_LEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum lex_kind {
    LEX_END,
    LEX_NEWLINE, /* also the end of a comment */
    LEX_SEMICOLON,
    LEX_NAME,
    LEX_NUMBER,
    LEX_STRING,
    LEX_OPEN,
    LEX_CLOSE,
    LEX_COMMA,
    LEX_ASSIGN,
    LEX_APPEND,
    LEX_ODD, /* a byte that begins no token */
};

struct lex {
    const char *file; /* borrowed; for messages */
    const char *text; /* borrowed */
    size_t len;
    size_t at;
    int line; /* 0 throughout for a word of the command line */
};

struct lex_token {
    enum lex_kind kind;
    int line;
    size_t begin; /* its bytes in the text */
    size_t end;
    struct str string; /* of LEX_STRING: without quotes and escapes. Owned by the caller */
};

void lex_init(struct lex *lex, const char *file, const char *text, size_t len, int line);

/* Fills *token, which is {0} or was filled before. Sets ERR_BAD_CONFIG for a string that is not
 * closed, a wrong escape and a word that begins with a digit and is no number. */
int lex_next(struct lex *lex, struct lex_token *token, struct err *e) MUST_CHECK;

/* Reads a whole number: decimal, octal with a leading 0, hexadecimal with 0x. */
enum lex_number { LEX_NUMBER_OK, LEX_NUMBER_NOT, LEX_NUMBER_OCTAL, LEX_NUMBER_RANGE };
enum lex_number lex_number_read(const char *text, size_t len, uint64_t *ret);

#endif
