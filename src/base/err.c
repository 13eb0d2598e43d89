/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct {
    const char *name;
    int exit;
    int http;
} codes[ERR_N] = {
    [ERR_NONE] = {"none",               0, 200},
    [ERR_BAD_REQUEST] = {"bad-request",        2, 400},
    [ERR_BAD_CONFIG] = {"bad-config",         2, 400},
    [ERR_NOT_AUTHENTICATED] = {"not-authenticated",  7, 401},
    [ERR_NOT_ALLOWED] = {"not-allowed",        7, 403},
    [ERR_NO_SUCH_DOMAIN] = {"no-such-domain",     3, 404},
    [ERR_NO_SUCH_JOB] = {"no-such-job",        3, 404},
    [ERR_NO_SUCH_IMAGE] = {"no-such-image",      3, 404},
    [ERR_NO_SUCH_VERB] = {"no-such-verb",       2, 404},
    [ERR_WRONG_STATE] = {"wrong-state",        4, 409},
    [ERR_EXISTS] = {"exists",             4, 409},
    [ERR_DISK_CHANGED] = {"disk-changed",       4, 409},
    [ERR_BUSY] = {"busy",               6, 409},
    [ERR_STALE] = {"stale",              6, 412},
    [ERR_TOO_LARGE] = {"too-large",          1, 413},
    [ERR_TOO_MANY] = {"too-many",           1, 429},
    [ERR_TIMED_OUT] = {"timed-out",          5, 504},
    [ERR_CANCELLED] = {"cancelled",          1, 409},
    [ERR_UNSUPPORTED] = {"unsupported",        9, 501},
    [ERR_DRIVER_UNAVAILABLE] = {"driver-unavailable", 9, 503},
    [ERR_NO_SPACE] = {"no-space",           1, 507},
    [ERR_DAMAGED] = {"damaged",            1, 422},
    [ERR_FAILED] = {"failed",             1, 500},
    [ERR_UNREACHABLE] = {"unreachable",        8, 503},
};

static void fill(struct err *e, enum err_code code, const char *msg)
{
    memset(e, 0, sizeof *e);
    e->code = code;
    snprintf(e->msg, sizeof e->msg, "%s", msg);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    char msg[sizeof e->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    fill(e, code, msg);
    return -1;
}

int err_set_key(struct err *e, enum err_code code, const char *key, const char *fmt, ...)
{
    char text[sizeof e->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(e, code, "%s: %s", key, text);
    str_copy(e->key, sizeof e->key, key);
    return -1;
}

int err_errno(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
{
    char msg[sizeof e->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    if (errnum == ENOSPC || errnum == EDQUOT)
        code = ERR_NO_SPACE;
    char reason[128];
    size_t len = strlen(msg);
    snprintf(msg + len, sizeof msg - len, ": %s", strerror_r(errnum, reason, sizeof reason));
    fill(e, code, msg);
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char msg[sizeof e->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    size_t len = strlen(msg);
    snprintf(msg + len, sizeof msg - len, ": %.*s", (int)(sizeof msg - len), e->msg);
    memcpy(e->msg, msg, sizeof msg);
    return -1;
}

const char *err_name(enum err_code code)
{
    return codes[code].name;
}

int err_exit(enum err_code code)
{
    return codes[code].exit;
}

int err_http(enum err_code code)
{
    return codes[code].http;
}

enum err_code err_code_of(const char *name)
{
    for (int code = 0; code < ERR_N; code++)
        if (strcmp(codes[code].name, name) == 0)
            return (enum err_code)code;
    return ERR_FAILED;
}
