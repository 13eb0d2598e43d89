/* SPDX-License-Identifier: MIT */
/* The console: after the answer the connection is raw bytes both ways. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

enum { ESCAPE = 0x1d /* Ctrl-] */, EXIT_SIGNAL = 128, CHUNK = 4096 };

struct terminal {
    bool raw;
    struct termios before;
};

static int terminal_raw(struct terminal *t, struct err *e)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO))
        return 0;
    if (tcgetattr(STDIN_FILENO, &t->before) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot use the terminal");
    raw = t->before;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot use the terminal");
    t->raw = true;
    return 0;
}

static void terminal_restore(struct terminal *t)
{
    if (t->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
    t->raw = false;
}

struct console {
    struct client *client; /* borrowed */
    struct terminal terminal;
    int signals;
    bool input_ended;
    char pending[CHUNK]; /* typed, not yet sent */
    size_t pending_at;
    size_t pending_len;
};

enum step { STEP_ON, STEP_LEFT, STEP_ENDED, STEP_FAILED };

static enum step take_input(struct console *k, struct err *e)
{
    ssize_t n = read(STDIN_FILENO, k->pending, sizeof k->pending);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return STEP_ON;
    /* A terminal that is gone reads as an error: the same as its end. */
    if (n < 0 && errno != EIO) {
        err_errno(e, ERR_FAILED, errno, "cannot read stdin");
        return STEP_FAILED;
    }
    if (n <= 0) {
        k->input_ended = true;
        return k->terminal.raw ? STEP_LEFT : STEP_ON;
    }
    k->pending_at = 0;
    k->pending_len = (size_t)n;
    const char *escape = k->terminal.raw ? memchr(k->pending, ESCAPE, (size_t)n) : NULL;
    if (!escape)
        return STEP_ON;
    /* What was pasted before it is the guest's, as far as the connection takes it at once. */
    send(k->client->fd, k->pending, (size_t)(escape - k->pending), MSG_NOSIGNAL | MSG_DONTWAIT);
    return STEP_LEFT;
}

static enum step send_input(struct console *k, struct err *e)
{
    ssize_t n = send(k->client->fd, k->pending + k->pending_at, k->pending_len - k->pending_at,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        return STEP_ENDED;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        err_errno(e, ERR_UNREACHABLE, errno, "cannot send to the console");
        return STEP_FAILED;
    }
    if (n > 0)
        k->pending_at += (size_t)n;
    if (k->pending_at == k->pending_len)
        k->pending_at = k->pending_len = 0;
    return STEP_ON;
}

static enum step take_output(struct console *k, struct err *e)
{
    char buf[CHUNK];
    ssize_t n = recv(k->client->fd, buf, sizeof buf, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return STEP_ON;
    if (n <= 0)
        return STEP_ENDED;
    return fs_write_all(STDOUT_FILENO, buf, (size_t)n, "to stdout", e) < 0 ? STEP_FAILED : STEP_ON;
}

/* Stopped from outside (kill -TSTP): the shell gets its terminal as it was, and we take it again
 * when we go on. */
static enum step stop(struct console *k, struct err *e)
{
    bool was_raw = k->terminal.raw;

    terminal_restore(&k->terminal);
    raise(SIGSTOP);
    return was_raw && terminal_raw(&k->terminal, e) < 0 ? STEP_FAILED : STEP_ON;
}

/* Returns STEP_ON to go on; otherwise *ret_status is set for STEP_LEFT. */
static enum step take_signal(struct console *k, int *ret_status, struct err *e)
{
    struct signalfd_siginfo info;

    if (read(k->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return STEP_ON;
    if (info.ssi_signo == SIGTSTP)
        return stop(k, e);
    *ret_status = EXIT_SIGNAL + (int)info.ssi_signo;
    return STEP_LEFT;
}

static enum step pump_once(struct console *k, int *ret_status, struct err *e)
{
    bool sending = k->pending_len > 0;
    struct pollfd daemon = {.fd = k->client->fd, .events = POLLIN};
    struct pollfd input = {.fd = sending || k->input_ended ? -1 : STDIN_FILENO, .events = POLLIN};
    struct pollfd signals = {.fd = k->signals, .events = POLLIN};
    if (sending)
        daemon.events = POLLIN | POLLOUT;
    struct pollfd fds[] = {daemon, input, signals};

    if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
        if (errno == EINTR)
            return STEP_ON;
        err_errno(e, ERR_FAILED, errno, "cannot wait");
        return STEP_FAILED;
    }
    if (fds[2].revents)
        return take_signal(k, ret_status, e);
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        enum step step = take_output(k, e);
        if (step != STEP_ON)
            return step;
    }
    if (fds[0].revents & POLLOUT)
        return send_input(k, e);
    return fds[1].revents ? take_input(k, e) : STEP_ON;
}

static int pump(struct console *k, const char *shown, struct err *e)
{
    int status = 0;
    enum step step = STEP_ON;

    while (step == STEP_ON)
        step = pump_once(k, &status, e);
    bool on_terminal = k->terminal.raw;
    terminal_restore(&k->terminal);
    if (step == STEP_FAILED)
        return -1;
    if (on_terminal) {
        AUTO_FREE char *line = x_asprintf(
            step == STEP_ENDED ? "the console of %s ended" : "left the console of %s", shown);
        struct err ignored;
        if (fs_write_all(STDERR_FILENO, "\r\n", 2, "", &ignored) == 0)
            print_failure(line);
    }
    return status;
}

/* Bytes that came in one read with the answer belong to the console. */
static int print_read_ahead(struct client *c, struct err *e)
{
    size_t len = c->in.len - c->at;
    const char *bytes = len ? c->in.data + c->at : "";

    c->at = c->in.len;
    return fs_write_all(STDOUT_FILENO, bytes, len, "to stdout", e);
}

int console_attach(struct command *cmd, const char *domain, struct err *e)
{
    struct console k = {.client = &cmd->client};
    AUTO_JSON json_t *args = json_object();
    AUTO_STR struct str shown = {0};
    sigset_t ends, before;

    json_set_string(args, "domain", domain);
    AUTO_JSON json_t *answer = client_call(&cmd->client, "console", TAKE(args), CLIENT_LIMIT_MS, e);
    if (!answer)
        return -1;
    str_add(&shown, "");
    str_add_escaped(&shown, domain, strlen(domain));
    if (isatty(STDIN_FILENO)) {
        AUTO_FREE char *line = x_asprintf("console of %s; Ctrl-] leaves it", shown.data);
        print_failure(line);
    }
    if (print_read_ahead(&cmd->client, e) < 0)
        return -1;
    sigemptyset(&ends);
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    for (size_t i = 0; i < ARRAY_LEN(caught); i++)
        sigaddset(&ends, caught[i]);
    sigprocmask(SIG_BLOCK, &ends, &before);
    AUTO_CLOSE int signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    k.signals = signals;
    int result = -1;
    if (signals < 0)
        err_errno(e, ERR_FAILED, errno, "cannot watch for signals");
    else if (terminal_raw(&k.terminal, e) == 0)
        result = pump(&k, shown.data, e);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}

int run_console(struct command *cmd, struct err *e)
{
    if (cmd->format != PRINT_TABLE)
        return err_set(e, ERR_BAD_REQUEST, "a console has no --format");
    if (command_connect(cmd, e) < 0)
        return -1;
    return console_attach(cmd, cmd->options.operands[0], e);
}
