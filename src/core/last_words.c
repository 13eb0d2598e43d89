/* SPDX-License-Identifier: MIT */
#include "core/last_words.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { LINES = 60, BYTES = 4096 };

bool last_words_of(enum reason end)
{
    return end == REASON_GUEST_CRASH || end == REASON_WATCHDOG || end == REASON_BACKEND_DIED;
}

static bool blank(char c)
{
    return c == '\n' || c == '\r' || c == ' ';
}

/* A guest writes what it likes: nothing of it reaches a terminal or the store unescaped. */
static void add_line(struct str *to, const char *line, size_t len)
{
    while (len > 0 && blank(line[len - 1]))
        len--;
    if (len == 0)
        return;
    if (to->len > 0)
        str_add(to, " | ");
    str_add_escaped(to, line, len);
}

char *last_words(const char *console_path)
{
    AUTO_CLOSE int fd = open(console_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[BYTES];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    off_t from = st.st_size > BYTES ? st.st_size - BYTES : 0;
    ssize_t n = pread(fd, text, sizeof text, from);
    if (n <= 0)
        return NULL;
    /* Back over the last lines; a line that is cut at the front is left out when there are more. */
    size_t len = (size_t)n, begin = len;
    for (int lines = 0; lines < LINES && begin > 0; lines++) {
        while (begin > 0 && blank(text[begin - 1]))
            begin--;
        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
    }
    if (begin == 0 && from > 0) {
        const char *whole = memchr(text, '\n', len);
        begin = whole && whole + 1 < text + len ? (size_t)(whole + 1 - text) : 0;
    }
    AUTO_STR struct str words = {0};
    while (begin < len) {
        const char *end = memchr(text + begin, '\n', len - begin);
        size_t line = end ? (size_t)(end - text) - begin : len - begin;
        add_line(&words, text + begin, line);
        begin += line + 1;
    }
    return words.len > 0 ? str_take(&words) : NULL;
}
