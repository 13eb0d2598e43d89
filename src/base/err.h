/* SPDX-License-Identifier: MIT */
/* Errors are values: a code and one sentence for the person who asked. The caller owns the
 * struct; a function that fails fills it and returns -1. One table (err.c) gives each code its
 * JSON name, exit status and HTTP status. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

enum err_code {
    ERR_NONE,
    ERR_BAD_REQUEST,
    ERR_BAD_CONFIG,
    ERR_NOT_AUTHENTICATED,
    ERR_NOT_ALLOWED,
    ERR_NO_SUCH_DOMAIN,
    ERR_NO_SUCH_JOB,
    ERR_NO_SUCH_IMAGE,
    ERR_NO_SUCH_VERB,
    ERR_WRONG_STATE,
    ERR_EXISTS,
    ERR_DISK_CHANGED,
    ERR_BUSY,
    ERR_STALE,
    ERR_TOO_LARGE,
    ERR_TOO_MANY,
    ERR_TIMED_OUT,
    ERR_CANCELLED,
    ERR_UNSUPPORTED,
    ERR_DRIVER_UNAVAILABLE,
    ERR_NO_SPACE,
    ERR_DAMAGED,
    ERR_FAILED,
    ERR_UNREACHABLE,
    ERR_N
};

struct err {
    enum err_code code;
    int line;       /* of the config, for ERR_BAD_CONFIG; 0 when there is none */
    char file[160]; /* of the config, for ERR_BAD_CONFIG; "" when there is none */
    char key[48];   /* the config key, for ERR_BAD_CONFIG; "" when there is none */
    char phase[32]; /* what was waited for, for ERR_TIMED_OUT; "" when there is none */
    char msg[600];
};

/* Fills *e with `code` and the formatted sentence (cut to fit) and clears the other fields.
 * Returns -1, so that a caller can write `return err_set(e, ...)`. The arguments may point
 * into e itself. Never blocks. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

/* As err_set, with "KEY: " before the sentence and that key of a config in e->key. */
int err_set_key(struct err *e, enum err_code code, const char *key, const char *fmt, ...)
    PRINTF(4, 5);

/* As err_set, and appends ": " and strerror(errnum). ENOSPC and EDQUOT turn `code` into
 * ERR_NO_SPACE. Returns -1. */
int err_errno(struct err *e, enum err_code code, int errnum, const char *fmt, ...) PRINTF(4, 5);

/* Puts "context: " before the message that *e has; code and fields stay. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* The code's name in JSON ("wrong-state"), its process exit status and its HTTP status. */
const char *err_name(enum err_code code);
int err_exit(enum err_code code);
int err_http(enum err_code code);

/* The code of a JSON name; ERR_FAILED for a name that this version does not know. */
enum err_code err_code_of(const char *name);

#endif
