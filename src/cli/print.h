/* SPDX-License-Identifier: MIT */
/* What is printed: tables, CSV and JSON on stdout, messages on stderr. Names that others may have
 * written are escaped, so that they cannot act on a terminal. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum print_format { PRINT_TABLE, PRINT_JSON, PRINT_CSV };

/* Reads "table", "json" or "csv". Sets ERR_BAD_REQUEST. */
int print_format_of(const char *text, enum print_format *ret, struct err *e) MUST_CHECK;

struct column {
    const char *key;   /* as in --columns and in CSV's first line */
    const char *title; /* above the table */
    bool right;        /* numbers stand right */
    /* Adds the cell of one row; nothing when it has no value. `people`: for reading, with ages
     * instead of times; else for programs. */
    void (*cell)(const json_t *row, bool people, struct str *to);
};

/* Adds the rows (an array of objects) as a table with titles, or as CSV (RFC 4180, but lines end
 * by LF). */
void print_rows(const struct column *const *columns, size_t count, const json_t *rows,
                enum print_format format, struct str *to);

/* Chooses from `all` (ended by a row without a key) by "a,b,c"; chosen has room for max. Returns
 * how many; -1 with ERR_BAD_REQUEST for a name that is none (naming a near one), or too many. */
int print_columns(const struct column *all, const char *names, const struct column **chosen,
                  size_t max, struct err *e) MUST_CHECK;

/* Adds one "name: value" line a member, aligned; nested objects as "outer.inner", null left out. */
void print_fields(const json_t *object, struct str *to);

/* Adds a sentence of the daemon's: UTF-8 stays, control characters and what could reorder the
 * line are escaped. */
void print_sentence(const char *text, struct str *to);

/* Adds "45 s", "3 min", "2 h 5 min", "4 d 7 h": the time from a wire time until now; nothing for
 * a text that is no time. */
void print_age(const char *since, struct str *to);

/* Adds "43 %" when both are known, else "12.5 MiB", else nothing. */
void print_progress(const json_t *job, struct str *to);

/* The same and more, for a job that is waited for: "43 %, 430.0 of 1000.0 MiB, 215.0 MiB/s, 3 s
 * left"; now_ms is the time of day by which the rate is told, from the job's start. */
void print_progress_rate(const json_t *job, int64_t now_ms, struct str *to);

/* Writes to stdout. Sets ERR_FAILED or ERR_NO_SPACE. */
int print_out(const struct str *text, struct err *e) MUST_CHECK;
/* The document in one line on stdout. */
int print_json(const json_t *json, struct err *e) MUST_CHECK;

/* "reeve: SENTENCE" as one line on stderr. */
void print_failure(const char *sentence);
/* The same with "warning: ", one line for each string of the array; nothing for NULL. */
void print_warnings(const json_t *warnings);

#endif
