/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *p, size_t size)
{
    if (!p && size > 0) {
        fprintf(stderr, "reeve: out of memory (asked for %zu bytes)\n", size);
        abort();
    }
    return p;
}

void *x_malloc(size_t size)
{
    return checked(malloc(size), size);
}

void *x_calloc(size_t count, size_t size)
{
    return checked(calloc(count, size), count * size);
}

void *x_realloc(void *p, size_t size)
{
    return checked(realloc(p, size), size);
}

void *x_reallocarray(void *p, size_t count, size_t size)
{
    return checked(reallocarray(p, count, size), count * size);
}

char *x_strdup(const char *s)
{
    return s ? checked(strdup(s), strlen(s) + 1) : NULL;
}

char *x_strndup(const char *s, size_t len)
{
    char *copy = x_malloc(len + 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *x_asprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    int len = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(len < 0 ? NULL : s, 1);
}

void x_replace(char **to, char *text)
{
    free(*to);
    *to = text;
}

void mem_cleanup_free(void *p)
{
    free(*(void **)p);
}

void mem_cleanup_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

void mem_cleanup_json(json_t **json)
{
    json_decref(*json);
}
