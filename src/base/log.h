/* SPDX-License-Identifier: MIT */
/* The daemon's log: lines on stderr, with systemd's priority prefix when it is not a terminal
 * (sd-daemon(3)). Thread-safe; errno is kept. Code that returns an error does not log it. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/attr.h"

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

/* Lines above `level` are dropped; LOG_INFO until it is called. */
void log_init(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
