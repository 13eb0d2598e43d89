/* SPDX-License-Identifier: MIT */
#include "cli/screen.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

/* The second screen, no cursor, no wrapped lines; and back. */
static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave_text[] = "\033[?7h\033[?25h\033[?1049l";

enum { ROWS = 24, COLUMNS = 80, SIZE_MAX_CELLS = 1000 };

static void measure(struct screen *s)
{
    struct winsize size;

    s->rows = ROWS;
    s->columns = COLUMNS;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return;
    if (size.ws_row > 0 && size.ws_row <= SIZE_MAX_CELLS)
        s->rows = size.ws_row;
    if (size.ws_col > 0 && size.ws_col <= SIZE_MAX_CELLS)
        s->columns = size.ws_col;
}

static int enter(struct screen *s, struct err *e)
{
    struct termios raw = s->before;

    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot set up the terminal");
    s->entered = true;
    measure(s);
    return fs_write_all(STDOUT_FILENO, enter_text, sizeof enter_text - 1, "the terminal", e);
}

static void leave(struct screen *s)
{
    struct err ignored;

    if (!s->entered)
        return;
    s->entered = false;
    /* The terminal may be gone: there is nobody left to tell then. */
    if (fs_write_all(STDOUT_FILENO, leave_text, sizeof leave_text - 1, "", &ignored) < 0 ||
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before) < 0)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
}

int screen_open(struct screen *s, struct err *e)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    sigset_t set;

    *s = (struct screen){.signals = -1};
    sigprocmask(SIG_SETMASK, NULL, &s->mask_before);
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &s->before) < 0)
        return err_set(e, ERR_BAD_REQUEST,
                       "this needs a terminal for its screen; --batch prints without one");
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(caught); i++)
        sigaddset(&set, caught[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot watch for signals");
    return enter(s, e);
}

void screen_close(struct screen *s)
{
    leave(s);
    if (s->signals >= 0)
        close(s->signals);
    s->signals = -1;
    sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
}

enum screen_news screen_signal(struct screen *s)
{
    enum screen_news news = SCREEN_NOTHING;
    struct signalfd_siginfo info;
    struct err e;

    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGWINCH:
            measure(s);
            news = SCREEN_RESIZED;
            break;
        case SIGTSTP:
            leave(s);
            raise(SIGSTOP);
            if (enter(s, &e) < 0)
                return SCREEN_END;
            news = SCREEN_RESIZED;
            break;
        case SIGCONT:
            break;
        default:
            return SCREEN_END;
        }
    }
    return news;
}

/* One line, cut to the width; marks take no room. */
static const char *add_line(const struct screen *s, const char *text, struct str *to)
{
    unsigned column = 0;

    for (; *text && *text != '\n'; text++) {
        if (*text == '\001')
            str_add(to, "\033[7m");
        else if (*text == '\002')
            str_add(to, "\033[0m");
        else if (column++ < s->columns)
            str_addc(to, *text);
    }
    str_add(to, "\033[0m\033[K");
    return *text ? text + 1 : text;
}

int screen_show(const struct screen *s, const char *text, struct err *e)
{
    AUTO_STR struct str to = {0};

    str_add(&to, "\033[H");
    for (unsigned row = 0; row < s->rows && *text; row++) {
        str_add(&to, row ? "\r\n" : "");
        text = add_line(s, text, &to);
    }
    str_add(&to, "\033[J");
    return fs_write_all(STDOUT_FILENO, to.data, to.len, "the terminal", e);
}

int screen_key(const char *bytes, size_t len, size_t *at)
{
    static const struct {
        const char *text;
        int key;
    } sequences[] = {
        {"\033[A",  KEY_UP       },
        {"\033OA",  KEY_UP       },
        {"\033[B",  KEY_DOWN     },
        {"\033OB",  KEY_DOWN     },
        {"\033[D",  KEY_LEFT     },
        {"\033OD",  KEY_LEFT     },
        {"\033[C",  KEY_RIGHT    },
        {"\033OC",  KEY_RIGHT    },
        {"\033[5~", KEY_PAGE_UP  },
        {"\033[6~", KEY_PAGE_DOWN},
    };

    if (*at >= len)
        return KEY_NONE;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        size_t n = strlen(sequences[i].text);
        if (len - *at >= n && memcmp(bytes + *at, sequences[i].text, n) == 0) {
            *at += n;
            return sequences[i].key;
        }
    }
    int byte = (unsigned char)bytes[*at];
    *at = byte == '\033' ? len : *at + 1;
    return byte == '\033' ? KEY_NONE : byte;
}
