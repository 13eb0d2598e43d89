/* SPDX-License-Identifier: MIT */
#include "driver/xen/session.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore_lib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

/* As many stay open: what a person does one after the other, beside one more. */
enum { IDLE_MAX = 2 };

struct channel {
    xentoollog_logger log; /* first: libxl knows the channel by this */
    struct session *of;    /* NULL: it is idle */
    libxl_ctx *ctx;
    struct xs_handle *xs;
    int life_fd; /* a connection to xenstored that nothing is said on; -1: it has no socket */
};

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct channel *idle[IDLE_MAX];
static size_t idle_count;

/* ---- What libxl says ---- */

/* libxl's lines begin with where they come from, "libxl_x.c:12:function: Domain 7:"; people want
 * the rest. */
static const char *without_place(const char *line)
{
    const char *at = strstr(line, ".c:");

    if (at && strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_") == (size_t)(at - line)) {
        at += strlen(".c:");
        at += strspn(at, "0123456789");
        const char *end = *at == ':' ? strchr(at + 1, ':') : NULL;
        if (end)
            line = end + 1 + strspn(end + 1, " ");
    }
    if (str_starts(line, "Domain ")) {
        at = line + strlen("Domain ");
        at += strspn(at, "0123456789");
        if (*at == ':')
            line = at + 1 + strspn(at + 1, " ");
    }
    return line;
}

/* The first complaint is the nearest to the cause; those after it are added while they fit. The
 * text may have what a guest wrote in it. */
static void keep(struct session *s, const char *line)
{
    AUTO_STR struct str shown = {0};
    const char *text = without_place(line);

    str_add_escaped(&shown, text, strcspn(text, "\n"));
    size_t at = strlen(s->why);
    if (!shown.data || strstr(s->why, shown.data) || (at > 0 && at + shown.len + 3 > sizeof s->why))
        return;
    snprintf(s->why + at, sizeof s->why - at, "%s%s", at > 0 ? "; " : "", shown.data);
}

__attribute__((format(printf, 5, 0))) static void on_message(xentoollog_logger *logger,
                                                             xentoollog_level level, int errnum,
                                                             const char *context,
                                                             const char *format, va_list ap)
{
    struct session *s = ((struct channel *)logger)->of;
    char line[600];

    vsnprintf(line, sizeof line, format, ap);
    if (errnum > 0) {
        size_t at = strlen(line);
        snprintf(line + at, sizeof line - at, ": %s", strerror(errnum));
    }
    if (level >= XTL_ERROR && s) {
        keep(s, line);
        s->once = true;
        if (errnum > 0)
            s->why_errno = errnum;
    }
    if (level >= XTL_NOTICE)
        log_debug("%s: %s", context ? context : "libxl", line);
}

static void on_destroy(xentoollog_logger *logger)
{
    (void)logger; /* it is part of the channel */
}

static void on_disaster(void *user, libxl_event_type type, const char *msg, int errnum)
{
    struct channel *c = user;

    (void)type;
    if (c->of)
        c->of->disaster = true;
    log_error("libxl cannot go on: %s: %s", msg, strerror(errnum));
}

/* ---- Open and close ---- */

/* An abort sends SIGTERM to a helper that may not have come to its exec: the loop's handler would
 * tell the daemon of it. */
static pid_t fork_without_handlers(void *arg)
{
    (void)arg;
    return proc_fork();
}

/* Our children are held by pidfds and reaped by their own code; libxl is to reap its own. */
static const libxl_childproc_hooks children = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    .fork_replacement = fork_without_handlers,
};

/* Where xenstored's socket refuses it, Xen's library asks through dom0's kernel instead, which
 * waits for ever for the answer of one that has died. Where there is no socket, the store is in a
 * domain of its own and that way is right: *ret_fd is -1. Else it is a connection. */
static int check_xenstored(int *ret_fd, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *ret_fd = -1;
    if (fd < 0 || !str_copy(address.sun_path, sizeof address.sun_path, xs_daemon_socket()))
        return 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        *ret_fd = TAKE_FD(fd);
    else if (errno == ECONNREFUSED)
        return err_set(
            e, ERR_DRIVER_UNAVAILABLE,
            "xenstored has ended; its guests go on, but Xen cannot be asked for anything "
            "until it runs");
    return 0;
}

static struct xs_handle *connect_xenstored(int *ret_fd, struct err *e)
{
    if (check_xenstored(ret_fd, e) < 0)
        return NULL;
    struct xs_handle *xs = xs_open(0);
    if (!xs)
        err_errno(e, ERR_DRIVER_UNAVAILABLE, errno,
                  "xenstored does not answer; Xen's services must have been started");
    return xs;
}

struct xs_handle *session_connect(struct err *e)
{
    AUTO_CLOSE int life_fd = -1;

    return connect_xenstored(&life_fd, e);
}

static void channel_free(struct channel *c, bool disaster)
{
    mem_cleanup_close(&c->life_fd);
    if (c->xs)
        xs_close(c->xs);
    /* After a disaster a call may be open in it for ever, and freeing it would end the process. */
    if (disaster)
        return;
    if (c->ctx)
        libxl_ctx_free(c->ctx);
    free(c);
}

static struct channel *channel_new(struct session *s, struct err *e)
{
    static const libxl_event_hooks hooks = {.disaster = on_disaster};
    struct channel *c = x_calloc(1, sizeof *c);

    c->of = s;
    c->log.vmessage = on_message;
    c->log.destroy = on_destroy;
    c->xs = connect_xenstored(&c->life_fd, e);
    if (!c->xs) {
        channel_free(c, false);
        return NULL;
    }
    if (libxl_ctx_alloc(&c->ctx, LIBXL_VERSION, 0, &c->log) != 0) {
        c->ctx = NULL;
        channel_free(c, false);
        err_set(e, ERR_DRIVER_UNAVAILABLE, "cannot reach Xen%s%s", s->why[0] ? ": " : "", s->why);
        return NULL;
    }
    libxl_event_register_callbacks(c->ctx, &hooks, c);
    libxl_childproc_setmode(c->ctx, &children, c);
    return c;
}

static struct channel *take_idle(void)
{
    pthread_mutex_lock(&idle_lock);
    struct channel *c = idle_count > 0 ? idle[--idle_count] : NULL;
    pthread_mutex_unlock(&idle_lock);
    return c;
}

static bool make_idle(struct channel *c)
{
    pthread_mutex_lock(&idle_lock);
    bool room = idle_count < IDLE_MAX;
    if (room)
        idle[idle_count++] = c;
    pthread_mutex_unlock(&idle_lock);
    return room;
}

/* xenstored lives to which it is connected. */
static bool is_fresh(const struct channel *c)
{
    struct pollfd life = {.fd = c->life_fd, .events = POLLIN};

    return poll(&life, 1, 0) == 0;
}

int session_open(struct session *s, struct err *e)
{
    struct channel *c;

    *s = (struct session)SESSION_NONE;
    while ((c = take_idle()) && !is_fresh(c))
        channel_free(c, false);
    if (!c && !(c = channel_new(s, e)))
        return -1;
    c->of = s;
    s->channel = c;
    s->ctx = c->ctx;
    s->xs = c->xs;
    return 0;
}

void session_close(struct session *s)
{
    struct channel *c = s->channel;

    s->channel = NULL;
    if (!c)
        return;
    c->of = NULL;
    if (s->once || s->disaster || !make_idle(c))
        channel_free(c, s->disaster);
}

void session_close_idle(void)
{
    struct channel *c;

    while ((c = take_idle()))
        channel_free(c, false);
}

int session_watch_ends(struct session *s, struct err *e)
{
    s->once = true;
    return xs_watch(s->xs, "@releaseDomain", "reeve")
               ? 0
               : err_errno(e, ERR_FAILED, errno, "xenstored does not watch");
}

char *session_read(struct session *s, uint32_t domid, const char *key)
{
    char path[200];
    unsigned len;

    snprintf(path, sizeof path, "/local/domain/%u/%s", domid, key);
    return xs_read(s->xs, XBT_NULL, path, &len);
}

uint64_t session_read_number(struct session *s, uint32_t domid, const char *key, uint64_t otherwise)
{
    AUTO_FREE char *text = session_read(s, domid, key);
    char *end;

    if (!text || !isdigit((unsigned char)text[0]))
        return otherwise;
    uint64_t number = strtoull(text, &end, 10);
    return *end == '\0' ? number : otherwise;
}

/* ---- Calls ---- */

void session_begin(struct session *s)
{
    s->why[0] = '\0';
    s->why_errno = 0;
}

/* Of libxl's codes those that say more than that it failed. */
static enum err_code code_of(int rc)
{
    switch (rc) {
    case ERROR_NOMEM:
        return ERR_NO_SPACE;
    case ERROR_GUEST_TIMEDOUT:
    case ERROR_TIMEDOUT:
        return ERR_TIMED_OUT;
    case ERROR_NI:
    case ERROR_NOPARAVIRT:
    case ERROR_FEATURE_REMOVED:
        return ERR_UNSUPPORTED;
    case ERROR_DEVICE_EXISTS:
        return ERR_EXISTS;
    case ERROR_DOMAIN_NOTFOUND:
    case ERROR_DOMAIN_DESTROYED:
        return ERR_NO_SUCH_DOMAIN;
    case ERROR_ABORTED:
        return ERR_CANCELLED;
    default:
        return ERR_FAILED;
    }
}

int session_result(struct session *s, int rc, const char *what, struct err *e)
{
    if (rc >= 0)
        return 0;
    if (s->why[0])
        return err_set(e, code_of(rc), "%s: %s", what, s->why);
    return err_set(e, code_of(rc), "%s (libxl's error %d)", what, rc);
}

static uint64_t last_token;

const libxl_asyncop_how *session_how(struct session *s)
{
    s->how = (libxl_asyncop_how){.callback = NULL};
    s->how.u.for_event = __atomic_add_fetch(&last_token, 1, __ATOMIC_RELAXED);
    session_begin(s);
    return &s->how;
}

/* Takes the events that there are; true when one was the call's end. */
static bool completed(struct session *s, int *ret_rc)
{
    libxl_event *event;
    bool over = false;

    while (libxl_event_check(s->ctx, &event, LIBXL_EVENTMASK_ALL, NULL, NULL) == 0) {
        if (event->type == LIBXL_EVENT_TYPE_OPERATION_COMPLETE &&
            event->for_user == s->how.u.for_event) {
            over = true;
            *ret_rc = event->u.operation_complete.rc;
        }
        libxl_event_free(s->ctx, event);
    }
    return over;
}

/* libxl's descriptors in *fds (grown as needed; room for `more` is left before them), their count
 * in *count. */
static int ask_libxl(struct session *s, struct pollfd **fds, int *cap, int more, int *count,
                     int *timeout)
{
    struct timeval now;
    int rc;

    gettimeofday(&now, NULL);
    for (;;) {
        *count = *cap - more;
        rc = libxl_osevent_beforepoll(s->ctx, count, *fds + more, timeout, now);
        if (rc != ERROR_BUFFERFULL)
            return rc;
        *cap = *count + more + 8;
        *fds = x_reallocarray(*fds, (size_t)*cap, sizeof **fds);
    }
}

/* One round: waits until something is to be done, and does what is libxl's. Sets *e when the call
 * is to be aborted. */
static int turn(struct session *s, const struct op *op, const struct session_beside *beside,
                struct pollfd **fds, int *cap, struct err *e)
{
    int more = 1 + (beside ? beside->count : 0), count, timeout = -1;

    int rc = ask_libxl(s, fds, cap, more, &count, &timeout);
    if (rc < 0) {
        s->disaster = true;
        return err_set(e, ERR_FAILED, "libxl's events have failed (%d)", rc);
    }
    (*fds)[0] = (struct pollfd){.fd = op ? op->cancel_fd : -1, .events = POLLIN};
    if (beside && beside->fill)
        beside->fill(beside->arg, *fds + 1);
    int left = op ? clock_left_ms(op->deadline_ms) : -1;
    if (left >= 0 && (timeout < 0 || left < timeout))
        timeout = left;
    int n = poll(*fds, (nfds_t)(more + count), timeout);
    if (n < 0 && errno != EINTR)
        return err_errno(e, ERR_FAILED, errno, "cannot wait for libxl");
    if (n >= 0) {
        struct timeval now;
        gettimeofday(&now, NULL);
        libxl_osevent_afterpoll(s->ctx, count, *fds + more, now);
    }
    if (n > 0 && beside && beside->ready && beside->ready(beside->arg, *fds + 1, e) < 0)
        return -1;
    if (n > 0 && (*fds)[0].revents)
        return err_set(e, ERR_CANCELLED, "cancelled");
    if (op && op->deadline_ms != 0 && clock_mono_ms() > op->deadline_ms)
        return err_set(e, ERR_TIMED_OUT, "it took too long");
    return 0;
}

int session_await(struct session *s, int started, const struct op *op,
                  const struct session_beside *beside, const char *what, int *ret_rc, struct err *e)
{
    AUTO_FREE struct pollfd *fds = x_calloc(16, sizeof *fds);
    struct err ended = {.code = ERR_NONE};
    bool aborted = false;
    int cap = 16, rc = started;

    if (ret_rc)
        *ret_rc = rc;
    if (started != 0)
        return session_result(s, started, what, e);
    while (!completed(s, &rc)) {
        bool over = ended.code != ERR_NONE;
        struct err again;
        /* What is waited for is watched for, and once there is a watch, Xen's library has a thread
         * that reads the answers: two changes of thread for each question from then on. */
        s->once = true;
        (void)turn(s, over ? NULL : op, beside, &fds, &cap, over ? &again : &ended);
        if (s->disaster)
            return err_set(e, ERR_FAILED, "%s: libxl cannot go on%s%s", what, s->why[0] ? ": " : "",
                           s->why);
        if (ended.code != ERR_NONE && !aborted &&
            (!beside || !beside->may_abort || beside->may_abort(beside->arg))) {
            aborted = true;
            libxl_ao_abort(s->ctx, &s->how);
            if (beside && beside->aborted)
                beside->aborted(beside->arg);
        }
    }
    if (ret_rc)
        *ret_rc = rc;
    if (rc >= 0)
        return 0;
    if (ended.code == ERR_NONE)
        return session_result(s, rc, what, e);
    err_set(e, ended.code, "%s: %s", what, ended.msg);
    if (ended.code == ERR_TIMED_OUT)
        str_copy(e->phase, sizeof e->phase, "libxl");
    return -1;
}
