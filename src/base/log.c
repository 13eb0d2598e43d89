/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level most = LOG_INFO;
static bool prefixed = true;

void log_init(enum log_level level)
{
    most = level;
    prefixed = !isatty(STDERR_FILENO);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > most)
        return;
    int saved = errno;
    char line[1024];
    int at = prefixed ? snprintf(line, sizeof line, "<%d>reeved: ", (int)level)
                      : snprintf(line, sizeof line, "reeved: ");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line + at, sizeof line - (size_t)at - 1, fmt, ap);
    va_end(ap);
    for (char *c = line + at; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    strcat(line, "\n");
    /* One write, so that lines of several threads do not mix; a lost log line is no error. */
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        errno = saved;
    errno = saved;
}
