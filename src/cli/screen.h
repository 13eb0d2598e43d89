/* SPDX-License-Identifier: MIT */
/* The terminal as a screen: entered, written whole, and left as it was on every way out that a
 * program has (return, Ctrl-C, SIGTERM, SIGHUP, and Ctrl-Z until it is continued). Plain ECMA-48
 * sequences, which every terminal of today knows. One at a time. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct screen {
    int signals;  /* owned; a signalfd: readable when screen_signal has news; -1 */
    bool entered; /* the terminal is ours */
    struct termios before;
    sigset_t mask_before;
    unsigned rows, columns;
};

/* Keys beyond bytes. */
enum { KEY_NONE = -1, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_PAGE_UP, KEY_PAGE_DOWN };

enum screen_news { SCREEN_NOTHING, SCREEN_RESIZED, SCREEN_END };

/* Takes the terminal of stdin and stdout. Sets ERR_BAD_REQUEST when these are none, ERR_FAILED. */
int screen_open(struct screen *s, struct err *e) MUST_CHECK;
/* Gives it back as it was; also after a screen_open that failed. */
void screen_close(struct screen *s);

/* What the signals say: the size is another (also after a stop by Ctrl-Z), or it is over. */
enum screen_news screen_signal(struct screen *s);

/* Shows the lines of `text` (each cut to the width, at most the height) in place of what there was.
 * The bytes between \x01 and \x02 are shown inverse. Sets ERR_FAILED. */
int screen_show(const struct screen *s, const char *text, struct err *e) MUST_CHECK;

/* The next key out of the bytes of a read: *at is moved on. KEY_NONE at the end, and for sequences
 * that mean nothing here. */
int screen_key(const char *bytes, size_t len, size_t *at);

#endif
