/* SPDX-License-Identifier: MIT */
/* JSON from outside, strictly, and small helpers over jansson. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

/* The limits of a request line (contract: "Socket"). */
enum { JSON_LINE_MAX = 1024 * 1024, JSON_DEPTH_MAX = 32 };

/* Parses one whole document of len bytes: an object, UTF-8, no duplicate keys, no NUL (raw or
 * \u0000), nested at most JSON_DEPTH_MAX deep. Returns a new reference, or NULL with
 * ERR_BAD_REQUEST, or ERR_TOO_LARGE for the depth. */
json_t *json_parse_object(const char *text, size_t len, struct err *e) MUST_CHECK;

/* Appends the document in one line (no line end). */
void json_add_line(struct str *to, const json_t *json);

/* The member as that type; the default when it is missing or of another type. Borrowed. */
const char *json_get_string(const json_t *object, const char *key, const char *missing);
int64_t json_get_int(const json_t *object, const char *key, int64_t missing);
bool json_get_bool(const json_t *object, const char *key, bool missing);

/* A new string, or null for NULL. One that is not UTF-8 is escaped byte by byte (a guest, a file
 * or another tool may have written it). */
json_t *json_text(const char *value);
/* A wall-clock time in RFC 3339, or null for 0. */
json_t *json_time(int64_t wall_ms);

/* Sets key to json_text, an integer, a boolean, or json_time. */
void json_set_string(json_t *object, const char *key, const char *value);
void json_set_int(json_t *object, const char *key, int64_t value);
void json_set_bool(json_t *object, const char *key, bool value);
void json_set_time(json_t *object, const char *key, int64_t wall_ms);

#endif
