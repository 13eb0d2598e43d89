/* SPDX-License-Identifier: MIT */
#include "daemon/consoles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ident.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum { READ_BYTES = 16384, TYPE_MAX = 65536 };

struct console {
    struct consoles *all;
    struct list link;  /* consoles.list */
    struct list views; /* struct console_view.link */
    uv_poll_t poll;
    int fd;
    bool open; /* poll is active; fd itself is closed with the handle (freed) */
    int log_fd;
    off_t log_size;
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    struct str typed; /* what the guest has not taken yet */
};

struct console_view {
    struct list link; /* console.views */
    struct console *console;
    console_show *show;
    void *arg;
};

struct consoles {
    uv_loop_t *loop;
    char *dir;        /* owned */
    struct list list; /* struct console.link */
};

struct consoles *consoles_new(uv_loop_t *loop, const char *dir)
{
    struct consoles *c = x_calloc(1, sizeof *c);

    c->loop = loop;
    c->dir = x_strdup(dir);
    list_init(&c->list);
    return c;
}

static void freed(uv_handle_t *handle)
{
    struct console *con = handle->data;

    /* Not before: uv_close takes fd's number out of the epoll set once more, and that number may
     * be a client's by then. */
    close(con->fd);
    free(con);
}

static void shut(struct console *con)
{
    if (!con->open)
        return;
    con->open = false;
    uv_poll_stop(&con->poll);
}

static void end(struct console *con)
{
    LIST_EACH (&con->views, v, struct console_view, link) {
        list_remove(&v->link);
        v->show(v->arg, NULL, 0);
        free(v);
    }
    list_remove(&con->link);
    shut(con);
    if (con->log_fd >= 0)
        close(con->log_fd);
    str_finish(&con->typed);
    uv_close((uv_handle_t *)&con->poll, freed);
}

void consoles_free(struct consoles *c)
{
    LIST_EACH (&c->list, con, struct console, link)
        end(con);
    free(c->dir);
    free(c);
}

static void open_log(struct console *con)
{
    AUTO_FREE char *path = x_asprintf("%s/%s.log", con->all->dir, con->name);
    struct stat st;

    con->log_fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (con->log_fd < 0 || fstat(con->log_fd, &st) < 0)
        log_warn("%s: its console is not logged: %s: %s", con->name, path, strerror(errno));
    else
        con->log_size = st.st_size;
}

static void keep(struct console *con, const char *bytes, size_t len)
{
    if (con->log_fd < 0)
        return;
    if (con->log_size + (off_t)len > CONSOLE_LOG_MAX) {
        AUTO_FREE char *path = x_asprintf("%s/%s.log", con->all->dir, con->name);
        AUTO_FREE char *old = x_asprintf("%s.1", path);
        close(con->log_fd);
        if (rename(path, old) < 0)
            log_warn("%s: cannot rename its console log: %s", con->name, strerror(errno));
        con->log_size = 0;
        open_log(con);
    }
    /* A full disk loses log lines, not the guest. */
    ssize_t n = con->log_fd >= 0 ? write(con->log_fd, bytes, len) : -1;
    if (n > 0)
        con->log_size += n;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void listen_to(struct console *con)
{
    uv_poll_start(&con->poll, UV_READABLE | (con->typed.len > 0 ? UV_WRITABLE : 0), on_ready);
}

static void give_typed(struct console *con)
{
    while (con->typed.len > 0) {
        ssize_t n = write(con->fd, con->typed.data, con->typed.len);
        if (n <= 0)
            break;
        con->typed.len -= (size_t)n;
        memmove(con->typed.data, con->typed.data + n, con->typed.len);
    }
    listen_to(con);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct console *con = poll->data;
    char bytes[READ_BYTES];

    if (status == 0 && (events & UV_WRITABLE))
        give_typed(con);
    if (status == 0 && !(events & UV_READABLE))
        return;
    ssize_t n = read(con->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        /* The backend is gone. The views stay until the engine says that the domain has ended,
         * or gives another descriptor. */
        shut(con);
        return;
    }
    keep(con, bytes, (size_t)n);
    LIST_EACH (&con->views, v, struct console_view, link)
        v->show(v->arg, bytes, (size_t)n);
}

static struct console *find(struct consoles *c, const char *uuid)
{
    LIST_EACH (&c->list, con, struct console, link)
        if (str_eq(con->uuid, uuid))
            return con;
    return NULL;
}

void consoles_add(struct consoles *c, const char *uuid, const char *name, int fd)
{
    struct console *old = find(c, uuid);
    struct console *con = x_calloc(1, sizeof *con);

    con->all = c;
    con->fd = fd;
    con->open = true;
    con->poll.data = con;
    list_init(&con->views);
    str_copy(con->uuid, sizeof con->uuid, uuid);
    str_copy(con->name, sizeof con->name, name);
    open_log(con);
    if (old) {
        LIST_EACH (&old->views, v, struct console_view, link) {
            list_remove(&v->link);
            list_append(&con->views, &v->link);
            v->console = con;
        }
        end(old);
    }
    list_append(&c->list, &con->link);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    uv_poll_init(c->loop, &con->poll, fd);
    listen_to(con);
}

static void rename_log(struct consoles *c, const char *old, const char *name, const char *tail)
{
    AUTO_FREE char *from = x_asprintf("%s/%s.log%s", c->dir, old, tail);
    AUTO_FREE char *to = x_asprintf("%s/%s.log%s", c->dir, name, tail);

    if (rename(from, to) < 0 && errno != ENOENT)
        log_warn("cannot rename %s to %s: %s", from, to, strerror(errno));
}

void consoles_rename(struct consoles *c, const char *uuid, const char *old, const char *name)
{
    struct console *con = find(c, uuid);

    rename_log(c, old, name, "");
    rename_log(c, old, name, ".1");
    if (con)
        str_copy(con->name, sizeof con->name, name);
}

void consoles_end(struct consoles *c, const char *uuid)
{
    struct console *con = find(c, uuid);

    if (!con)
        return;
    /* What the guest said last is still in the socket. */
    char bytes[READ_BYTES];
    ssize_t n;
    while (con->open && (n = read(con->fd, bytes, sizeof bytes)) > 0) {
        keep(con, bytes, (size_t)n);
        LIST_EACH (&con->views, v, struct console_view, link)
            v->show(v->arg, bytes, (size_t)n);
    }
    end(con);
}

static void show_tail(struct console_view *v)
{
    const struct console *con = v->console;
    AUTO_FREE char *path = x_asprintf("%s/%s.log", con->all->dir, con->name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char tail[CONSOLE_TAIL];

    if (fd < 0)
        return;
    off_t from = con->log_size > CONSOLE_TAIL ? con->log_size - CONSOLE_TAIL : 0;
    ssize_t n = pread(fd, tail, sizeof tail, from);
    if (n > 0)
        v->show(v->arg, tail, (size_t)n);
}

bool consoles_has(struct consoles *c, const char *uuid)
{
    return find(c, uuid) != NULL;
}

struct console_view *consoles_attach(struct consoles *c, const char *uuid, console_show *show,
                                     void *arg)
{
    struct console_view *v = x_calloc(1, sizeof *v);

    v->console = find(c, uuid);
    v->show = show;
    v->arg = arg;
    list_append(&v->console->views, &v->link);
    show_tail(v);
    return v;
}

void console_type(struct console_view *v, const char *bytes, size_t len)
{
    struct console *con = v->console;

    if (!con->open || con->typed.len + len > TYPE_MAX)
        return;
    str_addn(&con->typed, bytes, len);
    give_typed(con);
}

void console_detach(struct console_view *v)
{
    list_remove(&v->link);
    free(v);
}
