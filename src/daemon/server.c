/* SPDX-License-Identifier: MIT */
#include "daemon/server.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum { BACKLOG = 1024, READ_BYTES = 65536 };

struct server {
    uv_loop_t *loop;
    uv_pipe_t listener;
    char *path; /* owned */
    server_dispatch *dispatch;
    void *arg;
    struct list clients; /* struct client.link */
    size_t count;
    const struct role_rule *rules; /* borrowed */
    size_t rule_count;
    char read_buffer[READ_BYTES]; /* one for all clients: a read is used before the next begins */
    int closing;                  /* handles of the server itself still open after server_stop */
};

struct client {
    struct list link; /* server.clients */
    struct server *server;
    uv_pipe_t pipe;
    uv_timer_t slow; /* runs while something is unsent */
    uv_timer_t more; /* goes on reading from the loop, never from inside a call */
    int open_handles;
    bool closing;
    bool broken;      /* a write failed: to be closed from the loop */
    bool finished;    /* it has shut down its sending half: what it asked is still answered */
    int64_t taken_ms; /* monotonic; when it last took something of what is unsent */
    bool ending;      /* closes once all is sent */
    bool reading;
    bool subscribed;
    bool holding;      /* a replay is being read: events wait in `held` */
    uint64_t replayed; /* the last row of the replay: what is told of it later, it has had */
    struct list held;
    struct peer peer;
    enum role role;
    char *actor;          /* owned */
    struct str line;      /* an unfinished request line */
    struct list requests; /* struct request.link */
    size_t request_count;
    size_t unsent;
    struct console_view *console; /* raw mode; NULL before and after */
    bool raw;
};

/* An event that waits until the replay before it has been sent. */
struct held {
    struct list link; /* client.held */
    uint64_t seq;
    char *line; /* owned */
};

struct sent {
    uv_write_t write;
    struct client *client;
    size_t len;
    char bytes[];
};

static void client_close(struct client *c);
static void read_more(struct client *c);

static void client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;

    if (--c->open_handles > 0)
        return;
    str_finish(&c->line);
    peer_finish(&c->peer);
    free(c->actor);
    free(c);
}

static void request_free(struct request *r)
{
    if (r->drop)
        r->drop(r);
    if (r->client)
        r->client->request_count--;
    list_remove(&r->link);
    json_decref(r->id);
    json_decref(r->args);
    free(r);
}

static void held_free(struct held *held)
{
    list_remove(&held->link);
    free(held->line);
    free(held);
}

static void client_close(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    LIST_EACH (&c->held, held, struct held, link)
        held_free(held);
    if (c->console)
        console_detach(TAKE(c->console));
    /* What is under way goes on without it: a client that goes away cancels nothing. */
    LIST_EACH (&c->requests, r, struct request, link) {
        r->client = NULL;
        list_remove(&r->link);
        if (r->drop)
            request_free(r);
    }
    list_remove(&c->link);
    c->server->count--;
    uv_close((uv_handle_t *)&c->pipe, client_closed);
    uv_close((uv_handle_t *)&c->slow, client_closed);
    uv_close((uv_handle_t *)&c->more, client_closed);
}

/* Both halves of the connection are shut down: nobody is there any more. */
static bool hung_up(const struct client *c)
{
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->pipe, &fd) < 0)
        return true;
    struct pollfd p = {.fd = fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_slow(uv_timer_t *timer)
{
    struct client *c = timer->data;

    if (c->unsent > 0 && clock_mono_ms() - c->taken_ms >= SERVER_SLOW_MS) {
        log_info("a client (%s) takes nothing of what it is sent; dropped", c->actor);
        client_close(c);
    } else if (c->broken || (!c->reading && hung_up(c))) {
        client_close(c);
    }
}

static void on_sent(uv_write_t *write, int status)
{
    struct sent *sent = write->data;
    struct client *c = sent->client;

    c->unsent -= sent->len;
    free(sent);
    if (c->closing)
        return;
    if (status < 0 || (c->ending && c->unsent == 0)) {
        client_close(c);
        return;
    }
    c->taken_ms = clock_mono_ms();
    read_more(c);
    if (c->unsent == 0 && c->reading)
        uv_timer_stop(&c->slow);
}

/* Sends what the socket takes now and queues the rest. */
static void watch_client(struct client *c, int64_t ms)
{
    uv_timer_start(&c->slow, on_slow, (uint64_t)ms, (uint64_t)ms);
}

static void client_send(struct client *c, const char *bytes, size_t len)
{
    if (c->closing || c->ending)
        return;
    if (c->unsent == 0) {
        uv_buf_t now = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
        int n = uv_try_write((uv_stream_t *)&c->pipe, &now, 1);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    if (len == 0)
        return;
    struct sent *sent = x_malloc(sizeof *sent + len);
    sent->client = c;
    sent->len = len;
    sent->write.data = sent;
    memcpy(sent->bytes, bytes, len);
    uv_buf_t rest = uv_buf_init(sent->bytes, (unsigned)len);
    c->unsent += len;
    if (c->unsent == len)
        c->taken_ms = clock_mono_ms();
    if (!uv_is_active((uv_handle_t *)&c->slow))
        watch_client(c, SERVER_SLOW_MS);
    if (uv_write(&sent->write, (uv_stream_t *)&c->pipe, &rest, 1, on_sent) < 0) {
        c->unsent -= len;
        free(sent);
        /* Not at once: the caller may be going through a list that this client is in. */
        c->broken = true;
        watch_client(c, 0);
    }
}

static void client_send_json(struct client *c, const json_t *json)
{
    AUTO_STR struct str line = {0};

    json_add_line(&line, json);
    str_addc(&line, '\n');
    client_send(c, line.data, line.len);
}

/* The connection ends when what is queued has gone out. */
static void client_end(struct client *c)
{
    if (c->closing)
        return;
    if (c->unsent == 0) {
        client_close(c);
        return;
    }
    c->ending = true;
    uv_read_stop((uv_stream_t *)&c->pipe);
    c->reading = false;
}

static json_t *error_json(const struct err *e)
{
    json_t *error = json_object();

    json_set_string(error, "code", err_name(e->code));
    json_set_string(error, "message", e->msg);
    if (e->code == ERR_BAD_CONFIG || e->line > 0) {
        json_set_string(error, "file", e->file[0] ? e->file : NULL);
        json_object_set_new(error, "line", e->line > 0 ? json_integer(e->line) : json_null());
        json_set_string(error, "key", e->key[0] ? e->key : NULL);
    }
    if (e->code == ERR_TIMED_OUT)
        json_set_string(error, "phase", e->phase);
    return error;
}

static void answer(struct request *r, const char *key, json_t *value)
{
    if (r->client) {
        AUTO_JSON json_t *line = json_object();
        json_object_set(line, key, value);
        if (r->id)
            json_object_set(line, "id", r->id);
        client_send_json(r->client, line);
    }
    json_decref(value);
}

static void on_more(uv_timer_t *timer)
{
    read_more(timer->data);
}

/* Who answers may be in the middle of a change: the client's next line is taken after it. */
static void read_later(struct client *c)
{
    if (!c->closing && !c->reading)
        uv_timer_start(&c->more, on_more, 0, 0);
}

void request_return(struct request *r, json_t *result)
{
    struct client *c = r->client;

    answer(r, "return", result);
    request_free(r);
    if (c)
        read_later(c);
}

void request_fail(struct request *r, const struct err *e, json_t *detail)
{
    struct client *c = r->client;
    json_t *error = error_json(e);

    if (detail)
        json_object_update_missing(error, detail);
    json_decref(detail);
    answer(r, "error", error);
    request_free(r);
    if (c)
        read_later(c);
}

void request_interim(struct request *r, const char *key, json_t *value)
{
    answer(r, key, value);
}

/* An error that belongs to no request: the line was none. */
static void line_fails(struct client *c, json_t *id, const struct err *e)
{
    AUTO_JSON json_t *line = json_object();

    json_object_set_new(line, "error", error_json(e));
    if (id)
        json_object_set(line, "id", id);
    client_send_json(c, line);
}

static bool known_member(const char *key)
{
    return str_eq(key, "execute") || str_eq(key, "arguments") || str_eq(key, "id");
}

static int check_members(json_t *line, struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach(line, key, value) if (!known_member(key)) return err_set(
        e, ERR_BAD_REQUEST,
        "a request has execute, arguments and id; not "
        "\"%.40s\"",
        key);
    if (!json_is_string(json_object_get(line, "execute")))
        return err_set(e, ERR_BAD_REQUEST, "\"execute\" is missing or not a string");
    json_t *args = json_object_get(line, "arguments");
    if (args && !json_is_object(args))
        return err_set(e, ERR_BAD_REQUEST, "\"arguments\" is not an object");
    return 0;
}

static void on_line(struct client *c, const char *text, size_t len)
{
    struct err e;
    AUTO_JSON json_t *line = json_parse_object(text, len, &e);
    json_t *id = json_object_get(line, "id");

    if (!line || check_members(line, &e) < 0) {
        line_fails(c, id, &e);
        if (e.code == ERR_TOO_LARGE)
            client_end(c);
        return;
    }
    struct request *r = x_calloc(1, sizeof *r);
    json_t *args = json_object_get(line, "arguments");
    r->client = c;
    r->id = json_incref(id);
    r->args = args ? json_incref(args) : json_object();
    list_append(&c->requests, &r->link);
    c->request_count++;
    c->server->dispatch(c->server->arg, r, json_string_value(json_object_get(line, "execute")));
}

static bool may_read(const struct client *c)
{
    return !c->closing && !c->ending && c->unsent < SERVER_UNSENT_READ &&
           c->request_count < SERVER_REQUESTS_MAX;
}

/* Handles the whole lines that are there, as long as the client may ask more. */
static void take_lines(struct client *c)
{
    size_t done = 0;

    while (!c->raw && c->line.len > done && may_read(c)) {
        char *start = c->line.data + done;
        char *end = memchr(start, '\n', c->line.len - done);
        if (!end || (size_t)(end - start) > JSON_LINE_MAX)
            break;
        done = (size_t)(end - c->line.data) + 1;
        on_line(c, start, (size_t)(end - start));
    }
    if (c->closing)
        return;
    if (done > 0) {
        memmove(c->line.data, c->line.data + done, c->line.len - done);
        c->line.len -= done;
    }
    if (c->raw && c->console) {
        console_type(c->console, c->line.data, c->line.len);
        c->line.len = 0;
    } else if (!c->raw && c->line.len > JSON_LINE_MAX && may_read(c)) {
        struct err e;
        err_set(&e, ERR_TOO_LARGE, "a request line has at most %d bytes", JSON_LINE_MAX);
        line_fails(c, NULL, &e);
        c->line.len = 0;
        client_end(c);
    }
    if (c->line.len == 0 && c->line.cap > READ_BYTES)
        str_finish(&c->line);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct client *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->server->read_buffer, READ_BYTES);
}

static void read_less(struct client *c)
{
    if (may_read(c) || !c->reading || c->closing)
        return;
    uv_read_stop((uv_stream_t *)&c->pipe);
    c->reading = false;
    /* Nothing else would tell that it goes away. */
    if (!uv_is_active((uv_handle_t *)&c->slow))
        watch_client(c, SERVER_LOOK_MS);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;

    if (n == UV_EOF && !c->raw && c->request_count > 0 && !hung_up(c)) {
        c->finished = true;
        uv_read_stop(stream);
        c->reading = false;
        watch_client(c, SERVER_LOOK_MS);
        return;
    }
    if (n < 0) {
        client_end(c);
        return;
    }
    if (n == 0)
        return;
    if (c->raw && c->console && c->line.len == 0) {
        console_type(c->console, buf->base, (size_t)n);
        return;
    }
    str_addn(&c->line, buf->base, (size_t)n);
    take_lines(c);
    read_less(c);
}

static void read_more(struct client *c)
{
    if (c->reading || !may_read(c))
        return;
    if (c->finished) {
        take_lines(c);
        if (c->request_count == 0)
            client_end(c);
        return;
    }
    c->reading = true;
    if (c->unsent == 0)
        uv_timer_stop(&c->slow);
    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    take_lines(c);
    read_less(c);
}

static void greet(struct client *c)
{
    AUTO_JSON json_t *greeting =
        json_pack("{s:{s:s,s:i}}", "reeve", "version", REEVE_VERSION, "api", 1);

    client_send_json(c, greeting);
}

static char *actor_text(const struct peer *peer)
{
    AUTO_FREE char *path = x_asprintf("/proc/%d/comm", (int)peer->pid);
    AUTO_FREE char *program = NULL;
    AUTO_STR struct str text = {0};
    size_t len = 0;
    struct err e;

    str_addf(&text, "uid %u", peer->user.uid);
    if (fs_read_file(path, 64, &program, &len, &e) == 0 && len > 1) {
        str_add(&text, " (");
        str_add_escaped(&text, program, len - 1);
        str_addc(&text, ')');
    }
    return str_take(&text);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *s = listener->data;
    struct client *c = x_calloc(1, sizeof *c);
    struct err e;
    uv_os_fd_t fd;

    c->server = s;
    c->pipe.data = c->slow.data = c->more.data = c;
    c->open_handles = 3;
    list_init(&c->requests);
    list_init(&c->held);
    list_append(&s->clients, &c->link);
    s->count++;
    uv_pipe_init(s->loop, &c->pipe, 0);
    uv_timer_init(s->loop, &c->slow);
    uv_timer_init(s->loop, &c->more);
    if (status < 0 || uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 || peer_of(fd, &c->peer, &e) < 0) {
        client_close(c);
        return;
    }
    c->actor = actor_text(&c->peer);
    c->role = role_of(&c->peer, s->rules, s->rule_count);
    if (s->count > SERVER_CLIENTS_MAX) {
        err_set(&e, ERR_TOO_MANY, "more than %d clients are connected", SERVER_CLIENTS_MAX);
        line_fails(c, NULL, &e);
        client_end(c);
        return;
    }
    greet(c);
    read_more(c);
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
}

static int make_socket(const char *path, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!str_copy(address.sun_path, sizeof address.sun_path, path))
        return err_set(e, ERR_BAD_REQUEST,
                       "the socket's path %s is too long: at most %zu bytes; "
                       "give a shorter --run-dir",
                       path, sizeof address.sun_path - 1);
    if (somebody_listens(&address))
        return err_set(e, ERR_BUSY, "another reeved listens on %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, ERR_FAILED, errno, "cannot remove the old %s", path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody may connect before mode and group are set, so umask hides it first. */
    mode_t mask = umask(0177);
    int failed = bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    umask(mask);
    if (fd < 0 || failed)
        return err_errno(e, ERR_FAILED, failed, "cannot bind %s", path);
    const struct group *group = geteuid() == 0 ? getgrnam("reeve") : NULL;
    if (group && (chown(path, (uid_t)-1, group->gr_gid) < 0 || chmod(path, 0660) < 0))
        return err_errno(e, ERR_FAILED, errno, "cannot give %s to the group reeve", path);
    return TAKE_FD(fd);
}

int server_start(uv_loop_t *loop, const char *run_dir, server_dispatch *dispatch, void *arg,
                 struct server **ret, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.sock", run_dir);
    int fd = make_socket(path, e);

    if (fd < 0)
        return -1;
    struct server *s = x_calloc(1, sizeof *s);
    s->loop = loop;
    s->path = TAKE(path);
    s->dispatch = dispatch;
    s->arg = arg;
    s->listener.data = s;
    list_init(&s->clients);
    uv_pipe_init(loop, &s->listener, 0);
    int failed = uv_pipe_open(&s->listener, fd);
    if (!failed)
        failed = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (failed)
        return err_set(e, ERR_FAILED, "cannot listen on %s: %s", s->path, uv_strerror(failed));
    *ret = s;
    return 0;
}

static void listener_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;

    free(s->path);
    free(s);
}

void server_stop(struct server *s)
{
    unlink(s->path);
    LIST_EACH (&s->clients, c, struct client, link)
        client_close(c);
    uv_close((uv_handle_t *)&s->listener, listener_closed);
}

void server_set_rules(struct server *s, const struct role_rule *rules, size_t count)
{
    s->rules = rules;
    s->rule_count = count;
}

size_t server_clients(const struct server *s)
{
    return s->count;
}

enum role client_role(const struct client *c)
{
    return c->role;
}

const struct fs_user *client_user(const struct client *c)
{
    return &c->peer.user;
}

const char *client_actor(const struct client *c)
{
    return c->actor;
}

void client_subscribe(struct client *c, bool hold)
{
    c->subscribed = true;
    c->holding = hold;
    c->replayed = 0;
}

/* A subscriber that does not read costs memory for every event: past the bound it is dropped. */
static void send_or_drop(struct client *c, const char *bytes, size_t len)
{
    if (c->unsent > SERVER_UNSENT_MAX) {
        log_info("a client (%s) has %zu bytes unread; dropped", c->actor, c->unsent);
        client_close(c);
        return;
    }
    client_send(c, bytes, len);
}

static char *event_line(const char *kind, uint64_t seq, json_t *data)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_STR struct str line = {0};

    json_set_string(json, "event", kind);
    json_set_int(json, "seq", (int64_t)seq);
    json_object_set_new(json, "data", data);
    json_add_line(&line, json);
    str_addc(&line, '\n');
    return str_take(&line);
}

void client_event(struct client *c, const char *kind, uint64_t seq, json_t *data)
{
    AUTO_FREE char *line = event_line(kind, seq, data);

    send_or_drop(c, line, strlen(line));
}

void client_release(struct client *c, uint64_t seq)
{
    c->holding = false;
    c->replayed = seq;
    LIST_EACH (&c->held, held, struct held, link) {
        if (!c->closing && (held->seq == 0 || held->seq > seq))
            send_or_drop(c, held->line, strlen(held->line));
        if (c->closing)
            return; /* which has freed the rest */
        held_free(held);
    }
}

void server_event(struct server *s, const char *kind, uint64_t seq, json_t *data)
{
    AUTO_FREE char *line = event_line(kind, seq, data);
    size_t len = strlen(line);

    LIST_EACH (&s->clients, c, struct client, link) {
        if (c->subscribed && c->holding) {
            struct held *held = x_calloc(1, sizeof *held);
            held->seq = seq;
            held->line = x_strdup(line);
            list_append(&c->held, &held->link);
        } else if (c->subscribed && (seq == 0 || seq > c->replayed)) {
            send_or_drop(c, line, len);
        }
    }
}

static void show_console(void *arg, const char *bytes, size_t len)
{
    struct client *c = arg;

    if (len == 0) {
        c->console = NULL;
        client_end(c);
    } else {
        send_or_drop(c, bytes, len);
    }
}

int client_to_console(struct request *r, json_t *result, struct consoles *consoles,
                      const char *uuid, const char *name, struct err *e)
{
    struct client *c = r->client;
    struct console_view *view = NULL;

    if (!consoles_has(consoles, uuid)) {
        json_decref(result);
        return err_set(e, ERR_WRONG_STATE, "%s has no console now", name);
    }
    /* Raw before the answer, so that what the client typed behind its request is no request. */
    c->raw = true;
    request_return(r, result);
    if (!c->closing)
        view = consoles_attach(consoles, uuid, show_console, c);
    c->console = view;
    return 0;
}
