/* SPDX-License-Identifier: MIT */
#include "conf/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { FILE_SHOWN = 120, TEXT_SHOWN = 56 };

static const char command_line[] = "command line";

/* The end of a long path says more than its beginning. */
static void add_place(struct str *to, const struct place *at)
{
    const char *file = at->line ? at->file : command_line;
    size_t len = strlen(file);

    if (len > FILE_SHOWN) {
        str_add(to, "...");
        file += len - FILE_SHOWN;
        len = FILE_SHOWN;
    }
    str_add_escaped(to, file, len);
    if (at->line)
        str_addf(to, ":%d", at->line);
    str_add(to, ": ");
}

int place_error(struct err *e, const struct place *at, enum err_code code, const char *fmt, ...)
{
    char body[sizeof e->msg];
    va_list ap;
    AUTO_STR struct str prefix = {0};
    struct place copy = *at;

    va_start(ap, fmt);
    vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    add_place(&prefix, at);
    err_set(e, code, "%s%s", prefix.data, body);
    e->line = copy.line;
    str_copy(e->file, sizeof e->file, copy.line ? copy.file : command_line);
    str_copy(e->key, sizeof e->key, copy.key ? copy.key : "");
    return -1;
}

static void add_line(struct conf_warnings *warnings, char *line)
{
    warnings->lines = x_reallocarray(warnings->lines, warnings->count + 1, sizeof *warnings->lines);
    warnings->lines[warnings->count++] = line;
}

bool place_warned_enough(const struct conf_warnings *warnings)
{
    return warnings->count > PLACE_WARNINGS_MAX;
}

void place_warn(struct conf_warnings *warnings, const struct place *at, const char *fmt, ...)
{
    AUTO_STR struct str line = {0};
    char body[512];
    va_list ap;

    if (place_warned_enough(warnings))
        return;
    add_place(&line, at);
    if (warnings->count == PLACE_WARNINGS_MAX) {
        str_add(&line, "there are more warnings; they are left out");
    } else {
        va_start(ap, fmt);
        vsnprintf(body, sizeof body, fmt, ap);
        va_end(ap);
        str_add(&line, body);
    }
    add_line(warnings, str_take(&line));
}

const char *place_show(const char *text, char shown[PLACE_SHOWN])
{
    AUTO_STR struct str s = {0};
    size_t len = strlen(text);
    size_t cut = len > TEXT_SHOWN ? TEXT_SHOWN : len;

    str_addc(&s, '"');
    str_add_escaped(&s, text, cut);
    str_add(&s, cut < len ? "...\"" : "\"");
    str_copy(shown, PLACE_SHOWN, s.data);
    return shown;
}
