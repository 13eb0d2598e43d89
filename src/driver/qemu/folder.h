/* SPDX-License-Identifier: MIT */
/* One folder a domain, RUN_DIR/qemu/UUID, 0700: everything that is known of a QEMU process is in
 * it, so that finding guests again after a restart is the same code as listing them. Its sockets
 * are bound by us and given to QEMU open: QEMU needs no rights here, a connection is taken before
 * it has started, and a long RUN_DIR does not matter. */
#ifndef DRIVER_QEMU_FOLDER_H
#define DRIVER_QEMU_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define FOLDER_PID "pid"              /* by the child, before it is QEMU */
#define FOLDER_META "meta.json"       /* once QEMU has answered: meta.h */
#define FOLDER_CONTROL "qmp.sock"     /* QMP for jobs: one call, one connection */
#define FOLDER_EVENTS "events.sock"   /* QMP for the observer, which stays connected */
#define FOLDER_JOURNAL "journal.sock" /* QMP that nobody stays connected to: see journal.h */
#define FOLDER_JOURNAL_LOG "journal"  /* the events that it wrote */
#define FOLDER_CONSOLE "console.sock" /* the first serial line */
#define FOLDER_VNC "vnc.sock"
#define FOLDER_RESETTING "resetting" /* marker: reboot=reset for the moment of a reset (life.c) */
#define FOLDER_RESETS "resets"       /* what resets.c has counted */
#define FOLDER_ASIDE "aside"         /* how it ended, and its name when it is set aside (aside.c) */
#define FOLDER_HELD "held"           /* marker: paused on purpose after a save (save.c) */

/* The folder as a descriptor, owned by the caller. ERR_NO_SUCH_DOMAIN when there is none. */
int folder_open(int parent, const char *uuid, int *ret_dirfd, struct err *e) MUST_CHECK;

/* A stream socket bound to the name in the folder and listening, or connected to it; owned by the
 * caller, O_CLOEXEC. An old socket of that name is replaced. ERR_FAILED. connect does not wait:
 * who listens has a queue. */
int folder_listen(int dirfd, const char *name, int *ret_fd, struct err *e) MUST_CHECK;
int folder_connect(int dirfd, const char *name, int *ret_fd, struct err *e) MUST_CHECK;

/* The process that the folder's pid file names, when it is alive and has uuid on its command
 * line: 1, else 0, and -1 with ERR_BUSY when nobody can tell. *ret_pidfd is owned by the caller.
 * For folders without meta.json. */
int folder_process(int dirfd, const char *uuid, int *ret_pidfd, struct err *e) MUST_CHECK;

/* The marker is there, is made, is removed (a missing one is fine). */
bool folder_marked(int dirfd, const char *name);
int folder_mark(int dirfd, const char *name, struct err *e) MUST_CHECK;
void folder_unmark(int dirfd, const char *name);

#endif
