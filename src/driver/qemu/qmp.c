/* SPDX-License-Identifier: MIT */
#include "driver/qemu/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

static const char answer_phase[] = "QEMU's answer";

void qmp_lines_finish(struct qmp_lines *lines)
{
    str_finish(&lines->in);
    lines->used = 0;
}

void qmp_lines_add(struct qmp_lines *lines, const char *bytes, size_t len)
{
    /* Room is made here and not at each message, so that a burst costs one move. */
    if (lines->used > 0) {
        size_t left = lines->in.len - lines->used;
        memmove(lines->in.data, lines->in.data + lines->used, left);
        lines->in.len = left;
        lines->in.data[left] = '\0';
        lines->used = 0;
    }
    str_addn(&lines->in, bytes, len);
}

int qmp_lines_next(struct qmp_lines *lines, json_t **ret, struct err *e)
{
    for (;;) {
        const char *start = lines->in.data ? lines->in.data + lines->used : NULL;
        size_t left = lines->in.len - lines->used;
        const char *end = left > 0 ? memchr(start, '\n', left) : NULL;

        if (!end && left > QMP_LINE_MAX)
            return err_set(e, ERR_FAILED, "QEMU sent a message of more than %d bytes",
                           QMP_LINE_MAX);
        if (!end)
            return 0;
        size_t len = (size_t)(end - start);
        lines->used += len + 1;
        while (len > 0 && (start[len - 1] == '\r' || start[len - 1] == ' '))
            len--;
        if (len == 0)
            continue;
        struct err why;
        json_t *message = len > QMP_LINE_MAX ? NULL : json_parse_object(start, len, &why);
        if (!message)
            return err_set(e, ERR_FAILED, "QEMU sent what is not QMP: %s",
                           len > QMP_LINE_MAX ? "too long a message" : why.msg);
        *ret = message;
        return 1;
    }
}

int qmp_lines_read(struct qmp_lines *lines, int fd, struct err *e)
{
    char buf[16384];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) < 0 && errno == EINTR)
        ;
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot read from QEMU");
    if (n == 0)
        return err_set(e, ERR_FAILED, "QEMU closed its control socket");
    qmp_lines_add(lines, buf, (size_t)n);
    return 1;
}

void qmp_close(struct qmp *q)
{
    if (q->fd >= 0)
        close(TAKE_FD(q->fd));
    qmp_lines_finish(&q->lines);
    json_decref(q->events);
    q->events = NULL;
}

/* The next message of any kind. */
static int receive(struct qmp *q, const struct op *op, const char *phase, json_t **ret,
                   struct err *e)
{
    for (;;) {
        int got = qmp_lines_next(&q->lines, ret, e);
        if (got != 0)
            return got < 0 ? -1 : 0;
        /* A QEMU that never stops talking must not hold us either. */
        bool late = op->deadline_ms != 0 && clock_mono_ms() > op->deadline_ms;
        if (op_wait(op, late ? -1 : q->fd, POLLIN, phase, e) < 0 ||
            qmp_lines_read(&q->lines, q->fd, e) < 0)
            return -1;
    }
}

static void keep_event(struct qmp *q, json_t *event)
{
    if (json_array_size(q->events) >= QMP_EVENTS_MAX)
        json_array_remove(q->events, 0);
    json_array_append_new(q->events, event);
}

void qmp_forget_events(struct qmp *q)
{
    json_array_clear(q->events);
}

/* Sends the bytes, with passed_fd beside the first of them unless it is -1. */
static int send_all(struct qmp *q, const char *bytes, size_t len, int passed_fd,
                    const struct op *op, struct err *e)
{
    while (len > 0) {
        union {
            char space[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control = {0};
        struct iovec part = {(char *)bytes, len};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (passed_fd >= 0) {
            message.msg_control = &control;
            message.msg_controllen = sizeof control.space;
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
            header->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(header), &passed_fd, sizeof passed_fd);
        }
        ssize_t n = sendmsg(q->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (op_wait(op, q->fd, POLLOUT, answer_phase, e) < 0)
                return -1;
            continue;
        }
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot write to QEMU");
        passed_fd = -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The answer with the id of the last command. */
static int answer(struct qmp *q, const char *command, const struct op *op, json_t **ret,
                  struct err *e)
{
    for (;;) {
        AUTO_JSON json_t *message = NULL;
        if (receive(q, op, answer_phase, &message, e) < 0)
            return -1;
        if (json_object_get(message, "event")) {
            keep_event(q, TAKE(message));
            continue;
        }
        /* An error without an id is of a line that QEMU could not even read. */
        if (json_get_int(message, "id", q->last_id) != q->last_id)
            continue;
        const json_t *error = json_object_get(message, "error");
        if (error)
            return err_set(e, ERR_FAILED, "QEMU refused %s: %s", command,
                           json_get_string(error, "desc", "it did not say why"));
        json_t *value = json_object_get(message, "return");
        if (!value)
            continue;
        if (ret)
            *ret = json_incref(value);
        return 0;
    }
}

static int run(struct qmp *q, const char *command, json_t *arguments, int passed_fd,
               const struct op *op, json_t **ret, struct err *e)
{
    struct op step = op_narrow(op, QMP_COMMAND_MS);
    AUTO_STR struct str line = {0};
    AUTO_JSON json_t *request = json_object();

    json_object_set_new(request, "execute", json_string(command));
    if (arguments)
        json_object_set_new(request, "arguments", arguments);
    json_object_set_new(request, "id", json_integer(++q->last_id));
    json_add_line(&line, request);
    str_add(&line, "\n");
    if (send_all(q, line.data, line.len, passed_fd, &step, e) < 0)
        return -1;
    return answer(q, command, &step, ret, e);
}

int qmp_run(struct qmp *q, const char *command, json_t *arguments, const struct op *op,
            json_t **ret, struct err *e)
{
    return run(q, command, arguments, -1, op, ret, e);
}

int qmp_run_with_fd(struct qmp *q, const char *command, json_t *arguments, int fd,
                    const struct op *op, json_t **ret, struct err *e)
{
    return run(q, command, arguments, fd, op, ret, e);
}

int qmp_give_fd(struct qmp *q, const char *name, int fd, const struct op *op, struct err *e)
{
    return run(q, "getfd", json_pack("{s:s}", "fdname", name), fd, op, NULL, e);
}

/* An event that comes while QEMU goes from the connection before to this one is sent ahead of the
 * greeting. */
static int await_greeting(struct qmp *q, const struct op *op, struct err *e)
{
    for (;;) {
        AUTO_JSON json_t *message = NULL;
        if (receive(q, op, answer_phase, &message, e) < 0)
            return -1;
        if (json_object_get(message, "QMP"))
            return 0;
        if (!json_object_get(message, "event"))
            return err_set(e, ERR_FAILED, "QEMU sent what is not QMP: no greeting");
    }
}

int qmp_open(struct qmp *q, int fd, const struct op *op, struct err *e)
{
    struct op step = op_narrow(op, QMP_COMMAND_MS);

    *q = (struct qmp){.fd = fd, .events = json_array()};
    if (await_greeting(q, &step, e) < 0)
        goto fail;
    if (qmp_run(q, "qmp_capabilities", NULL, &step, NULL, e) == 0)
        return 0;
fail:
    qmp_close(q);
    return -1;
}

int qmp_event(struct qmp *q, const struct op *op, const char *phase, json_t **ret, struct err *e)
{
    if (json_array_size(q->events) > 0) {
        *ret = json_incref(json_array_get(q->events, 0));
        json_array_remove(q->events, 0);
        return 0;
    }
    for (;;) {
        AUTO_JSON json_t *message = NULL;
        if (receive(q, op, phase, &message, e) < 0)
            return -1;
        if (!json_is_string(json_object_get(message, "event")))
            continue;
        *ret = TAKE(message);
        return 0;
    }
}

int qmp_status(struct qmp *q, const struct op *op, char status[QMP_STATUS_MAX], struct err *e)
{
    AUTO_JSON json_t *value = NULL;

    if (qmp_run(q, "query-status", NULL, op, &value, e) < 0)
        return -1;
    if (!str_copy(status, QMP_STATUS_MAX, json_get_string(value, "status", "")) || !status[0])
        return err_set(e, ERR_FAILED, "QEMU did not say its status");
    return 0;
}
