/* SPDX-License-Identifier: MIT */
/* A libxl context for the work of one thread: its log is kept for error messages, its long calls
 * are waited for here with the deadline and the cancel of an op. A context has one lock that a few
 * calls hold throughout (a core dump), so each job has its own; libxl and the hypervisor see to
 * it that several do no harm to each other. To open and close one takes dozens of system calls, so
 * a few stay open for the next jobs. */
#ifndef DRIVER_XEN_SESSION_H
#define DRIVER_XEN_SESSION_H

#ifndef LIBXL_API_VERSION
#define LIBXL_API_VERSION 0x041400
#endif
#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>
#include <poll.h>
#include <stdbool.h>
#include <xenstore.h>

#include "base/err.h"
#include "core/op.h"

enum { SESSION_WHY_MAX = 420 };

/* libxl's INVALID_DOMID, without its sign. */
#define NO_DOMID ((uint32_t)INVALID_DOMID)

struct channel; /* what stays open; libxl knows it by its address */

struct session {
    struct channel *channel; /* owned; NULL: it is not open */
    libxl_ctx *ctx;
    struct xs_handle *xs;      /* a connection of its own to xenstored */
    char why[SESSION_WHY_MAX]; /* what libxl has complained of since the last call began */
    int why_errno;             /* of the last of these that had one; 0: none */
    bool disaster;             /* libxl has said that it cannot go on */
    bool once;                 /* nobody else is to get its context or connection afterwards */
    libxl_asyncop_how how;
};

/* A connection to xenstored of its own, for the caller to close. NULL with ERR_DRIVER_UNAVAILABLE
 * where there is none to ask: not xs_open, which would wait for ever for one that has ended. */
struct xs_handle *session_connect(struct err *e) MUST_CHECK;

/* Opens a context. s is the caller's, stays where it is, and is for session_close in either case.
 * Sets ERR_DRIVER_UNAVAILABLE with libxl's reason. */
int session_open(struct session *s, struct err *e) MUST_CHECK;
void session_close(struct session *s);
/* Closes those that stay open between sessions. */
void session_close_idle(void);
#define AUTO_SESSION __attribute__((cleanup(session_close)))
#define SESSION_NONE                                                                               \
    {                                                                                              \
        .channel = NULL                                                                            \
    }

/* Has xenstored tell s->xs of every domain that ends or goes (@releaseDomain). ERR_FAILED. */
int session_watch_ends(struct session *s, struct err *e) MUST_CHECK;

/* A value of xenstore below the domain's folder (/local/domain/ID), owned by the caller (free);
 * NULL when there is none. */
char *session_read(struct session *s, uint32_t domid, const char *key);
/* The same as a number; `otherwise` when there is none. */
uint64_t session_read_number(struct session *s, uint32_t domid, const char *key,
                             uint64_t otherwise);

/* What to give a long call of libxl as its ao_how. Its outcome is to be had by session_await. */
const libxl_asyncop_how *session_how(struct session *s);

/* What a wait does besides: `fill` names `count` descriptors to poll, `ready` is told what poll
 * found, and a failure of it (-1 with *e) aborts the call that is waited for. `aborted` is called
 * once, after an abort, which waits as long as may_abort says no. What is not needed may be NULL.
 */
struct session_beside {
    void *arg;
    int count;
    void (*fill)(void *arg, struct pollfd *fds);
    int (*ready)(void *arg, const struct pollfd *fds, struct err *e);
    bool (*may_abort)(void *arg);
    void (*aborted)(void *arg);
};

/* Waits for the outcome of a call that was given session_how and returned `started`. A cancel or
 * the deadline aborts it, and then its end is waited for all the same: libxl has steps that cannot
 * be cut short, the longest of 60 s. Returns 0, or -1 with ERR_CANCELLED, ERR_TIMED_OUT (phase) or,
 * made of `what` and libxl's own reason, another code; *ret_rc (may be NULL) is libxl's. A call
 * that succeeds in spite of a cancel has succeeded. Blocks. */
int session_await(struct session *s, int started, const struct op *op,
                  const struct session_beside *beside, const char *what, int *ret_rc,
                  struct err *e) MUST_CHECK;

/* For calls without ao_how: forgets what was complained of before. */
void session_begin(struct session *s);
/* 0 when rc is not negative; else -1, with *e made of `what` and libxl's reason. */
int session_result(struct session *s, int rc, const char *what, struct err *e) MUST_CHECK;

#endif
