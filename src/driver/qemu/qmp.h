/* SPDX-License-Identifier: MIT */
/* A small client of the QEMU Machine Protocol (docs/interop/qmp-spec in QEMU's source): blocking,
 * every wait under an op. What QEMU says is checked like any input from outside: a QEMU that a
 * guest has taken over must not be able to take over its manager. */
#ifndef DRIVER_QEMU_QMP_H
#define DRIVER_QEMU_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "core/op.h"

enum {
    QMP_LINE_MAX = 1024 * 1024, /* bytes of one message; more is refused */
    QMP_EVENTS_MAX = 256,       /* events kept while nobody asks; then the oldest goes */
    QMP_COMMAND_MS = 30 * 1000, /* for an answer to one command */
};

/* Bytes to messages; apart from the socket, for the observer's own loop and for the fuzzer. */
struct qmp_lines {
    struct str in;
    size_t used; /* bytes of `in` that are taken already */
};
void qmp_lines_finish(struct qmp_lines *lines);
void qmp_lines_add(struct qmp_lines *lines, const char *bytes, size_t len);
/* The next whole message: 1 and *ret is a new reference, or 0 when more bytes are needed. -1 with
 * ERR_FAILED for what is no QMP; the connection is of no use then. */
int qmp_lines_next(struct qmp_lines *lines, json_t **ret, struct err *e) MUST_CHECK;
/* Reads what the non-blocking fd has. 1: something, 0: nothing now, -1 with ERR_FAILED: the end. */
int qmp_lines_read(struct qmp_lines *lines, int fd, struct err *e) MUST_CHECK;

struct qmp {
    int fd; /* owned, non-blocking */
    struct qmp_lines lines;
    json_t *events; /* array, the oldest first */
    int64_t last_id;
};

/* Takes over the connected fd (also on failure), awaits the greeting and enters command mode.
 * ERR_TIMED_OUT, ERR_CANCELLED or ERR_FAILED (the other end is gone or no QMP). */
int qmp_open(struct qmp *q, int fd, const struct op *op, struct err *e) MUST_CHECK;
void qmp_close(struct qmp *q); /* also on one that is zeroed with fd -1 */

/* Sends the command and awaits its answer. Takes over the arguments (NULL for none). *ret, unless
 * ret is NULL, is a new reference. QEMU's refusal is ERR_FAILED with QEMU's words. Events that
 * come in between are kept. */
int qmp_run(struct qmp *q, const char *command, json_t *arguments, const struct op *op,
            json_t **ret, struct err *e) MUST_CHECK;

/* Gives QEMU a descriptor under a name (getfd). fd stays the caller's. */
int qmp_give_fd(struct qmp *q, const char *name, int fd, const struct op *op,
                struct err *e) MUST_CHECK;

/* qmp_run with a descriptor passed along (add-fd). fd stays the caller's. */
int qmp_run_with_fd(struct qmp *q, const char *command, json_t *arguments, int fd,
                    const struct op *op, json_t **ret, struct err *e) MUST_CHECK;

/* Awaits the next event, of those kept first. *ret is a new reference: {"event": NAME, "data":
 * {...}}. Errors as of qmp_open; `phase` names the wait. */
int qmp_event(struct qmp *q, const struct op *op, const char *phase, json_t **ret,
              struct err *e) MUST_CHECK;

/* Forgets the events that were kept. */
void qmp_forget_events(struct qmp *q);

/* The status word of query-status ("running", "paused", ...) into status. */
enum { QMP_STATUS_MAX = 32 };
int qmp_status(struct qmp *q, const struct op *op, char status[QMP_STATUS_MAX],
               struct err *e) MUST_CHECK;

#endif
