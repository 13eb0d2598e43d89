/* SPDX-License-Identifier: MIT */
#include "daemon/guest_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { READ_MAX = 1 << 20 };

static int64_t all_counts;

int64_t guest_log_counts(void)
{
    return all_counts;
}

void guest_log_skip(struct guest_log *log)
{
    struct stat st;

    log->at = stat(log->path, &st) == 0 ? st.st_size : 0;
}

static const char *take_line(struct guest_log *log, struct guest_progress *p, const char *line)
{
    static char wrong[160];
    long long count;
    int end = 0;

    if (str_eq(line, "reeve-guest: powering off in order"))
        log->powers_off = true;
    if (str_eq(line, "reeve-guest: up (boot)")) {
        if (!p->boots && !p->may_boot) {
            snprintf(wrong, sizeof wrong, "booted, and had counted to %lld", (long long)p->count);
            return wrong;
        }
        *p = (struct guest_progress){0};
        return NULL;
    }
    if (p->boots || sscanf(line, "reeve-guest: count %lld%n", &count, &end) != 1 || line[end])
        return NULL;
    if (count <= p->count) {
        snprintf(wrong, sizeof wrong, "counts %lld after %lld", count, (long long)p->count);
        return wrong;
    }
    p->count = count;
    p->counts++;
    all_counts++;
    return NULL;
}

const char *guest_log_read(struct guest_log *log, struct guest_progress *p)
{
    AUTO_CLOSE int fd = open(log->path, O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *text = x_calloc(1, READ_MAX + 1);
    const char *wrong = NULL;
    ssize_t n = fd < 0 ? 0 : pread(fd, text, READ_MAX, log->at);
    char *end;

    if (n > 0)
        text[n] = '\0';
    for (char *line = text; !wrong && n > 0 && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        log->at += end + 1 - line;
        line[strcspn(line, "\r")] = '\0';
        wrong = take_line(log, p, line);
    }
    return wrong;
}
