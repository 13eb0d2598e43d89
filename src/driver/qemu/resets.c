/* SPDX-License-Identifier: MIT */
#include "driver/qemu/resets.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/folder.h"

/* The journal's end that is looked at. It is emptied long before it has so much (observation.c),
 * but not while no daemon is there. */
enum { JOURNAL_READ_MAX = 256 * 1024, TEXT_MAX = 128 };

/* A message that comes in both ways has one time; the clock may be set back in between. */
enum { SAME_WITHIN_US = 10 * 1000 * 1000 };

static int64_t time_us(const json_t *message)
{
    const json_t *at = json_object_get(message, "timestamp");

    return json_get_int(at, "seconds", 0) * 1000000 + json_get_int(at, "microseconds", 0);
}

bool resets_take(struct resets *r, const json_t *message, int64_t since_ms, int64_t window_ms)
{
    bool by_guest = json_get_bool(json_object_get(message, "data"), "guest", false);
    int64_t at_us = time_us(message);

    if (!str_eq(json_get_string(message, "event", NULL), "RESET"))
        return false;
    if (at_us <= r->last_us && r->last_us - at_us < SAME_WITHIN_US)
        return false;
    bool firmware =
        by_guest && r->last_us != 0 && since_ms < window_ms && r->folded < RESETS_FOLDED_MAX;
    r->folded = firmware ? r->folded + 1 : 0;
    r->reboots += by_guest && !firmware;
    r->last_us = at_us;
    return true;
}

static void keep(const struct resets *r, int dirfd)
{
    char text[TEXT_MAX];
    struct err ignored; /* the journal has it as well */
    int len = snprintf(text, sizeof text, "%" PRIu64 " %" PRId64 " %" PRIu64 " %u\n", r->reboots,
                       r->last_us, r->cpu_ns, r->folded);
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_RESETS ".new",
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0 && fs_write_all(fd, text, (size_t)len, FOLDER_RESETS, &ignored) == 0)
        renameat(dirfd, FOLDER_RESETS ".new", dirfd, FOLDER_RESETS);
}

void resets_read(int dirfd, struct resets *ret)
{
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_RESETS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char text[TEXT_MAX];
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    struct resets r = {0};

    text[n < 0 ? 0 : n] = '\0';
    if (sscanf(text, "%" SCNu64 " %" SCNd64 " %" SCNu64 " %u", &r.reboots, &r.last_us, &r.cpu_ns,
               &r.folded) != 4)
        r = (struct resets){0};
    *ret = r;
}

static int64_t cpu_ms_since(const struct resets *r, uint64_t cpu_ns)
{
    return cpu_ns < r->cpu_ns ? 0 : (int64_t)((cpu_ns - r->cpu_ns) / 1000000);
}

void resets_event(struct resets *r, int dirfd, pid_t pid, const json_t *message)
{
    uint64_t cpu_ns = proc_cpu_ns(pid);
    int64_t since_ms = cpu_ms_since(r, cpu_ns);
    int64_t clock_ms = (time_us(message) - r->last_us) / 1000;

    /* It may be read late, with more CPU time used since it was sent. */
    if (clock_ms >= 0 && clock_ms < since_ms)
        since_ms = clock_ms;
    if (!resets_take(r, message, since_ms, RESETS_FIRMWARE_CPU_MS))
        return;
    r->cpu_ns = cpu_ns;
    keep(r, dirfd);
}

/* The RESET of the journal's next line that has an end; NULL for another message. */
static json_t *next_reset(const char **at, const char *end)
{
    const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    struct err e;

    *at = stop ? stop + 1 : end; /* the rest is still to come: on events.sock */
    bool maybe = stop && memmem(line, (size_t)(stop - line), "\"RESET\"", strlen("\"RESET\""));
    json_t *message = maybe ? json_parse_object(line, (size_t)(stop - line), &e) : NULL;
    if (message && str_eq(json_get_string(message, "event", NULL), "RESET"))
        return message;
    json_decref(message);
    return NULL;
}

void resets_catch_up(struct resets *r, int dirfd, pid_t pid)
{
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_JOURNAL_LOG, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_FREE char *text = x_malloc(JOURNAL_READ_MAX);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t len = fd < 0 ? 0
                         : pread(fd, text, JOURNAL_READ_MAX,
                                 size > JOURNAL_READ_MAX ? size - JOURNAL_READ_MAX : 0);
    const char *end = text + (len < 0 ? 0 : len), *from = text;
    bool changed = false;

    resets_read(dirfd, r);
    for (const char *at = text; at < end;) {
        AUTO_JSON json_t *message = next_reset(&at, end);
        if (message && time_us(message) == r->last_us)
            from = at;
    }
    for (const char *at = from; at < end;) {
        AUTO_JSON json_t *message = next_reset(&at, end);
        int64_t since_ms = message ? (time_us(message) - r->last_us) / 1000 : 0;
        changed =
            (message && resets_take(r, message, since_ms, RESETS_FIRMWARE_CLOCK_MS)) || changed;
    }
    if (!changed)
        return;
    r->cpu_ns = proc_cpu_ns(pid); /* not before that time */
    keep(r, dirfd);
}

bool resets_fresh(int dirfd, pid_t pid)
{
    struct resets r;

    resets_read(dirfd, &r);
    return r.last_us != 0 && cpu_ms_since(&r, proc_cpu_ns(pid)) < RESETS_FIRMWARE_CPU_MS;
}
