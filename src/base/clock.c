/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int clock_left_ms(int64_t deadline_ms)
{
    if (deadline_ms == 0)
        return -1;
    int64_t left = deadline_ms - clock_mono_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

const char *clock_rfc3339(int64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t len = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, CLOCK_TEXT_MAX - len, ".%03dZ", (int)(wall_ms % 1000));
    return text;
}

const char *clock_compact(int64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, CLOCK_TEXT_MAX, "%Y%m%dT%H%M%SZ", &tm);
    return text;
}

int clock_parse(const char *text, int64_t *ret_wall_ms, struct err *e)
{
    struct tm tm = {0};
    int ms = 0, offset_s = 0;
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!at)
        at = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    if (!at)
        goto bad;
    if (*at == '.') {
        size_t digits = strspn(++at, "0123456789");
        if (digits == 0)
            goto bad;
        for (size_t i = 0, unit = 100; i < digits && unit > 0; i++, unit /= 10)
            ms += (at[i] - '0') * (int)unit;
        at += digits;
    }
    if (*at == '+' || *at == '-') {
        int hours, minutes, used = 0;
        if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            goto bad;
        offset_s = (hours * 60 + minutes) * 60 * (*at == '-' ? -1 : 1);
        at += 6;
    } else if (*at == 'Z') {
        at++;
    }
    if (*at != '\0')
        goto bad;
    *ret_wall_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return 0;
bad:
    return err_set(e, ERR_BAD_REQUEST, "\"%.40s\" is not a time like 2026-01-31T12:00:00Z", text);
}

const char *clock_boot_id(void)
{
    static char id[CLOCK_BOOT_ID_LEN + 1];
    static _Bool known;

    const char *told = known ? NULL : getenv("REEVE_BOOT_ID");
    if (told && strlen(told) == CLOCK_BOOT_ID_LEN) {
        memcpy(id, told, sizeof id);
        known = 1;
    }
    if (!known) {
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, id, CLOCK_BOOT_ID_LEN) != CLOCK_BOOT_ID_LEN)
                id[0] = '\0';
            close(fd);
        }
        known = 1;
    }
    return id;
}
