/* SPDX-License-Identifier: MIT */
/* The daemon's socket from the client's side: one JSON object a line (contract: "Socket").
 * Requests may be sent ahead; answers come in any order and are told apart by id. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct client {
    int fd;          /* -1 when closed */
    char *path;      /* owned; the socket's path, for messages */
    struct str in;   /* what has been received */
    size_t at;       /* the first byte of `in` that has not been taken */
    size_t searched; /* `in` has no line end between `at` and here */
    int64_t last_id;
    bool greeted;
    json_t *error; /* owned; the error object of the daemon behind the last failure, or NULL */
};

/* Connects to `path`; NULL: to REEVE_SOCKET, else the user's own daemon, else the system's. A
 * daemon in the user's runtime folder counts as the user's own only when it runs as the user.
 * Blocks at most 10 s. Sets ERR_UNREACHABLE with how to start the daemon, or ERR_NOT_ALLOWED. */
int client_open(struct client *c, const char *path, struct err *e) MUST_CHECK;
void client_close(struct client *c);

/* Sends one request; `args` is taken over (NULL: none). May block while the daemon does not read,
 * at most 10 s. Sets ERR_TOO_LARGE for a line above the limit, ERR_UNREACHABLE. */
int client_send(struct client *c, const char *call, json_t *args, int64_t *ret_id,
                struct err *e) MUST_CHECK;

/* The next line that has been received whole: 1 with a new reference, 0 when more must be read,
 * -1 with ERR_UNREACHABLE for a line that is no answer, or the daemon's own error when it closes
 * the connection with one. The greeting is checked and left out. Never blocks. */
int client_take(struct client *c, json_t **ret_line, struct err *e) MUST_CHECK;

/* Reads once from the socket; blocks when it is not readable. Sets ERR_UNREACHABLE at its end. */
int client_fill(struct client *c, struct err *e) MUST_CHECK;

/* The next line, waiting for it until the monotonic deadline (0: for ever). New reference, NULL
 * with ERR_TIMED_OUT or an error of client_take and client_fill. */
json_t *client_next(struct client *c, int64_t deadline_ms, struct err *e) MUST_CHECK;

/* Sends a request and waits up to limit_ms (0: for ever) for its answer; lines of others are
 * dropped. Returns what is under "return", a new reference; NULL with the daemon's error (kept in
 * c->error as well) or one of this side's. */
json_t *client_call(struct client *c, const char *call, json_t *args, int64_t limit_ms,
                    struct err *e) MUST_CHECK;

/* Fills *e and c->error from the error object of an answer. Returns -1. */
int client_failed(struct client *c, const json_t *error, struct err *e);

enum { CLIENT_LIMIT_MS = 30000 }; /* for calls that do not wait for a domain */

#endif
