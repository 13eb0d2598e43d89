/* SPDX-License-Identifier: MIT */
/* Guests' consoles: each is read all the time, kept in a bounded log, and shown to the clients
 * that are attached to it. Loop thread only. */
#ifndef DAEMON_CONSOLES_H
#define DAEMON_CONSOLES_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"

/* A log has at most this many bytes, and one older file beside it (NAME.log.1) the same. */
enum { CONSOLE_LOG_MAX = 1024 * 1024, CONSOLE_TAIL = 4096 };

struct consoles;

struct consoles *consoles_new(uv_loop_t *loop, const char *dir);
/* Closes everything; the loop must run once more to free it. */
void consoles_free(struct consoles *c);

/* The console of a domain; fd is owned from here. One that is there already is replaced, with its
 * attached clients kept. A log that cannot be written is a warning in the daemon's log. */
void consoles_add(struct consoles *c, const char *uuid, const char *name, int fd);
/* The domain was renamed: its log, and the older one beside it, get the new name. */
void consoles_rename(struct consoles *c, const char *uuid, const char *old, const char *name);
/* It is over: attached clients are told by the end of their connection. */
void consoles_end(struct consoles *c, const char *uuid);

bool consoles_has(struct consoles *c, const char *uuid);

/* Attaches a client to a console that is there. show(arg, bytes, len) is called with the last
 * CONSOLE_TAIL bytes and then with what comes; with len 0 at its end, after which the view is
 * gone. */
struct console_view;
typedef void console_show(void *arg, const char *bytes, size_t len);
struct console_view *consoles_attach(struct consoles *c, const char *uuid, console_show *show,
                                     void *arg);
/* Types to the guest; bytes that a guest does not take (64 KiB waiting) are dropped. */
void console_type(struct console_view *v, const char *bytes, size_t len);
void console_detach(struct console_view *v);

#endif
