/* SPDX-License-Identifier: MIT */
/* The socket: JSON lines between clients and calls (contract, "Socket"). Loop thread only. */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "daemon/consoles.h"
#include "daemon/roles.h"

enum {
    SERVER_CLIENTS_MAX = 4096,
    SERVER_REQUESTS_MAX = 256,            /* unanswered ones of a client; then it is not read */
    SERVER_UNSENT_READ = 1024 * 1024,     /* a client with this much unsent is not read */
    SERVER_UNSENT_MAX = 16 * 1024 * 1024, /* unsent before an event or console bytes: dropped */
    SERVER_LOOK_MS = 1000,      /* between two looks whether a client that has shut down its
                                   sending half is still there */
    SERVER_SLOW_MS = 30 * 1000, /* nothing of it taken for so long: dropped */
};

struct server;
struct client;

/* A request line that parsed, on its way through a call. */
struct request {
    struct list link;      /* client.requests */
    struct client *client; /* NULL once the client is gone: then answers are dropped */
    json_t *id;            /* owned; NULL when it had none */
    const char *name;      /* of the call; borrowed from the row */
    json_t *args;          /* owned; an object */
    void *state;           /* the call's own */
    /* NULL, or what lets go of `state` before the request is freed. A request with it is freed,
     * unanswered, when its client goes away; one without it waits for its answer all the same. */
    void (*drop)(struct request *r);
};

/* Called for every request. Must answer it once, now or later, with request_return or
 * request_fail. */
typedef void server_dispatch(void *arg, struct request *r, const char *name);

/* Binds run_dir/reeve.sock (0660, group reeve when there is one; 0600 when not root) and listens.
 * Sets ERR_BUSY when another daemon answers there. */
int server_start(uv_loop_t *loop, const char *run_dir, server_dispatch *dispatch, void *arg,
                 struct server **ret, struct err *e) MUST_CHECK;
/* Closes all connections and removes the socket; the loop must run once more. */
void server_stop(struct server *s);
void server_set_rules(struct server *s, const struct role_rule *rules, size_t count); /* borrowed */
size_t server_clients(const struct server *s);

enum role client_role(const struct client *c);
const struct fs_user *client_user(const struct client *c);
const char *client_actor(const struct client *c); /* "uid 1000 (reeve)" */

/* Answers and frees the request. result is owned by the callee. */
void request_return(struct request *r, json_t *result);
/* detail (owned; NULL for none) has further members of the error object. */
void request_fail(struct request *r, const struct err *e, json_t *detail);
/* An interim line {key: value, "id": ...}; value is owned by the callee. */
void request_interim(struct request *r, const char *key, json_t *value);

/* The client gets events from here on; with hold they wait until client_release, which sends those
 * that are not in the replay (rows of the history up to seq). */
void client_subscribe(struct client *c, bool hold);
void client_release(struct client *c, uint64_t seq);
/* Sends {"event":kind,"seq":seq,"data":data} to all subscribers; data is owned by the callee. */
void server_event(struct server *s, const char *kind, uint64_t seq, json_t *data);
/* One such line to one client, for the replay. */
void client_event(struct client *c, const char *kind, uint64_t seq, json_t *data);

/* Answers the request with result (owned by the callee); after that the connection is the raw
 * bytes of the console. Sets ERR_WRONG_STATE when there is none: then the request is still to be
 * answered. */
int client_to_console(struct request *r, json_t *result, struct consoles *consoles,
                      const char *uuid, const char *name, struct err *e) MUST_CHECK;

#endif
