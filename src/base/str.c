/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NEAREST_MAX = 64 };

static void reserve(struct str *s, size_t more)
{
    if (s->len + more + 1 <= s->cap)
        return;
    size_t cap = s->cap ? s->cap * 2 : 64;
    while (cap < s->len + more + 1)
        cap *= 2;
    s->data = x_realloc(s->data, cap);
    s->cap = cap;
}

void str_finish(struct str *s)
{
    free(s->data);
    *s = (struct str){0};
}

void str_addn(struct str *s, const void *bytes, size_t len)
{
    reserve(s, len);
    if (len > 0)
        memcpy(s->data + s->len, bytes, len);
    s->len += len;
    s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len > 0) {
        reserve(s, (size_t)len);
        vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
        s->len += (size_t)len;
    }
    va_end(again);
}

char *str_take(struct str *s)
{
    char *data = s->data ? s->data : x_strdup("");

    *s = (struct str){0};
    return data;
}

void str_add_escaped(struct str *s, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\\')
            str_add(s, "\\\\");
        else if (c >= 0x20 && c < 0x7f)
            str_addc(s, (char)c);
        else
            str_addf(s, "\\x%02x", c);
    }
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = strlen(s), tail = strlen(suffix);

    return len >= tail && strcmp(s + len - tail, suffix) == 0;
}

bool str_copy(char *to, size_t size, const char *text)
{
    size_t len = strlen(text);
    bool whole = len < size;

    if (!whole)
        len = size - 1;
    memcpy(to, text, len);
    to[len] = '\0';
    return whole;
}

/* The number of letters added, left out, changed or exchanged with their neighbour (optimal string
 * alignment), with three rows kept; both words are at most NEAREST_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t la = strlen(a), lb = strlen(b);

    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *twice = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (exchanged && twice[j - 2] + 1 < best)
                best = twice[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *str_nearest(const char *word, const char *(*next)(size_t i))
{
    size_t len = strlen(word);
    const char *best = NULL;
    size_t best_distance = len < 3 ? 1 : len / 3;

    if (len > NEAREST_MAX)
        return NULL;
    const char *candidate;
    for (size_t i = 0; (candidate = next(i)); i++) {
        if (strlen(candidate) > NEAREST_MAX)
            continue;
        size_t d = distance(word, candidate);
        if (d < best_distance || (d == best_distance && !best)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}
