/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define SYSTEM_SOCKET "/run/reeve/reeve.sock"
#define HOW_TO_START                                                                               \
    "start it with `systemctl start reeved`, or `reeved --driver auto &` for your own"

enum { API = 1, CONNECT_SECONDS = 10, READ_SIZE = 64 * 1024 };

/* Returns a connected descriptor, or -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    /* Bounds connect(2) while the daemon's backlog is full, and a send that it does not read. */
    struct timeval limit = {.tv_sec = CONNECT_SECONDS};

    if (!str_copy(addr.sun_path, sizeof addr.sun_path, path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    return TAKE_FD(fd);
}

static bool runs_as_us(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* Where a daemon of this user listens when it is not told where (daemon/settings.c); NULL: it has
 * no place of its own. Owned by the caller. */
static char *own_path(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime && runtime[0] == '/')
        return x_asprintf("%s/reeve/reeve.sock", runtime);
    return geteuid() == 0 ? NULL : x_asprintf("/tmp/reeve-%u/reeve.sock", geteuid());
}

static int connect_own(struct client *c)
{
    AUTO_FREE char *path = own_path();

    if (!path)
        return -1;
    AUTO_CLOSE int fd = connect_to(path);
    if (fd < 0 || !runs_as_us(fd))
        return -1;
    c->path = TAKE(path);
    return TAKE_FD(fd);
}

static int refuse(const char *path, int errnum, struct err *e)
{
    char reason[128];
    AUTO_STR struct str shown = {0};

    str_add_escaped(&shown, path, strlen(path));
    if (errnum == EACCES || errnum == EPERM)
        return err_set(e, ERR_NOT_ALLOWED,
                       "cannot talk to reeved at %s: permission denied; be root or in the group "
                       "reeve",
                       shown.data);
    if (errnum == EAGAIN)
        return err_set(e, ERR_UNREACHABLE,
                       "reeved at %s does not accept connections: it is busy "
                       "or stopped",
                       shown.data);
    return err_set(e, ERR_UNREACHABLE, "no reeved at %s (%s); " HOW_TO_START, shown.data,
                   strerror_r(errnum, reason, sizeof reason));
}

int client_open(struct client *c, const char *path, struct err *e)
{
    const char *given = path ? path : getenv("REEVE_SOCKET");

    *c = (struct client){.fd = -1};
    if (given && given[0] == '\0')
        given = NULL;
    if (!given)
        c->fd = connect_own(c);
    if (c->fd >= 0)
        return 0;
    c->path = x_strdup(given ? given : SYSTEM_SOCKET);
    c->fd = connect_to(c->path);
    return c->fd < 0 ? refuse(c->path, errno, e) : 0;
}

void client_close(struct client *c)
{
    mem_cleanup_close(&c->fd);
    c->fd = -1;
    free(c->path);
    c->path = NULL;
    str_finish(&c->in);
    json_decref(c->error);
    c->error = NULL;
}

int client_send(struct client *c, const char *call, json_t *args, int64_t *ret_id, struct err *e)
{
    AUTO_JSON json_t *request = json_object();
    AUTO_STR struct str line = {0};

    json_set_string(request, "execute", call);
    if (args && json_object_set_new(request, "arguments", args) < 0)
        abort();
    json_set_int(request, "id", ++c->last_id);
    json_add_line(&line, request);
    if (line.len + 1 > JSON_LINE_MAX)
        return err_set(e, ERR_TOO_LARGE, "the request has %zu bytes; at most %d are allowed",
                       line.len, JSON_LINE_MAX);
    str_addc(&line, '\n');
    for (size_t sent = 0; sent < line.len;) {
        ssize_t n = send(c->fd, line.data + sent, line.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        /* A daemon that closes has said why: whoever reads the answer finds it. */
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            break;
        if (n < 0)
            return err_errno(e, ERR_UNREACHABLE, errno, "cannot send to reeved at %s", c->path);
        sent += (size_t)n;
    }
    *ret_id = c->last_id;
    return 0;
}

int client_failed(struct client *c, const json_t *error, struct err *e)
{
    json_decref(c->error);
    c->error = json_incref((json_t *)(uintptr_t)error);
    return err_set(e, err_code_of(json_get_string(error, "code", "failed")), "%s",
                   json_get_string(error, "message", "the daemon gave no reason"));
}

static int check_greeting(struct client *c, const json_t *greeting, struct err *e)
{
    int64_t api = json_get_int(greeting, "api", -1);

    if (api != API)
        return err_set(e, ERR_UNREACHABLE,
                       "what answers at %s speaks version %jd of the protocol; "
                       "this reeve speaks %d",
                       c->path, (intmax_t)api, API);
    c->greeted = true;
    return 0;
}

int client_take(struct client *c, json_t **ret_line, struct err *e)
{
    for (;;) {
        if (c->in.len == c->at)
            return 0;
        const char *end = memchr(c->in.data + c->searched, '\n', c->in.len - c->searched);
        if (!end) {
            c->searched = c->in.len;
            return 0;
        }
        const char *start = c->in.data + c->at;
        AUTO_JSON json_t *line = json_parse_object(start, (size_t)(end - start), e);
        c->at = c->searched = (size_t)(end - c->in.data) + 1;
        if (!line)
            return err_set(e, ERR_UNREACHABLE, "what answers at %s is no reeved", c->path);
        const json_t *error = json_object_get(line, "error");
        if (error && !json_is_integer(json_object_get(line, "id")))
            return client_failed(c, error, e);
        const json_t *greeting = json_object_get(line, "reeve");
        if (c->greeted) {
            *ret_line = TAKE(line);
            return 1;
        }
        if (check_greeting(c, greeting, e) < 0)
            return -1;
    }
}

int client_fill(struct client *c, struct err *e)
{
    static char buf[READ_SIZE];
    ssize_t n;

    if (c->at == c->in.len) {
        c->in.len = 0;
        c->at = c->searched = 0;
    }
    do
        n = recv(c->fd, buf, sizeof buf, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        return err_errno(e, ERR_UNREACHABLE, errno, "cannot read from reeved at %s", c->path);
    if (n <= 0)
        return err_set(e, ERR_UNREACHABLE,
                       "reeved at %s closed the connection; what it had begun "
                       "goes on or is undone at its next start",
                       c->path);
    str_addn(&c->in, buf, (size_t)n);
    return 0;
}

json_t *client_next(struct client *c, int64_t deadline_ms, struct err *e)
{
    json_t *line;

    for (;;) {
        int got = client_take(c, &line, e);
        if (got != 0)
            return got < 0 ? NULL : line;
        int64_t until = deadline_ms;
        if (!c->greeted && until == 0)
            until = clock_mono_ms() + CONNECT_SECONDS * 1000;
        struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
        int n = poll(&poll_fd, 1, clock_left_ms(until));
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0) {
            err_set(e, c->greeted ? ERR_TIMED_OUT : ERR_UNREACHABLE, "reeved at %s does not answer",
                    c->path);
            return NULL;
        }
        if (client_fill(c, e) < 0)
            return NULL;
    }
}

json_t *client_call(struct client *c, const char *call, json_t *args, int64_t limit_ms,
                    struct err *e)
{
    int64_t deadline = limit_ms ? clock_mono_ms() + limit_ms : 0;
    int64_t id;

    if (client_send(c, call, args, &id, e) < 0)
        return NULL;
    for (;;) {
        AUTO_JSON json_t *line = client_next(c, deadline, e);
        if (!line)
            return NULL;
        if (json_get_int(line, "id", -1) != id)
            continue;
        const json_t *error = json_object_get(line, "error");
        if (error) {
            client_failed(c, error, e);
            return NULL;
        }
        json_t *answer = json_object_get(line, "return");
        if (answer)
            return json_incref(answer);
    }
}
