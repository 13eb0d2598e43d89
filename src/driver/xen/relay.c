/* SPDX-License-Identifier: MIT */
#include "driver/xen/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

enum { MOVE_BYTES = 1024 * 1024 };

/* Of libxl's stream (its migration stream specification): eight bytes of magic, a version, options;
 * then a record of eight bytes (type, length: 1, 0) by which its helper gets the stream. */
enum { HEADER_BYTES = 16, MAGIC_BYTES = 8, BEGINNING_BYTES = HEADER_BYTES + 8 };
static const char magic[MAGIC_BYTES + 1] = "LibxlFmt";
static const char for_helper[BEGINNING_BYTES - HEADER_BYTES] = {1};

static int open_pipe(struct relay *r, uint64_t total_bytes, const struct op *op, int *ours,
                     struct err *e)
{
    int fds[2];

    *r = (struct relay){.fd = -1, .in = -1, .out = -1, .op = op, .total_bytes = total_bytes};
    if (fs_wide_pipe(fds, e) < 0)
        return -1;
    r->fd = fds[*ours == 0 ? 1 : 0];
    *ours = fds[*ours];
    return 0;
}

int relay_open_save(struct relay *r, int to, uint64_t total_bytes, const struct op *op,
                    struct err *e)
{
    int ours = 0;

    if (open_pipe(r, total_bytes, op, &ours, e) < 0)
        return -1;
    r->saving = true;
    r->in = ours;
    r->out = to;
    return 0;
}

static int read_beginning(int from, const struct op *op, char bytes[BEGINNING_BYTES], struct err *e)
{
    size_t at = 0;

    while (at < BEGINNING_BYTES) {
        if (op_wait(op, from, POLLIN, "the saved state", e) < 0)
            return -1;
        ssize_t n = read(from, bytes + at, BEGINNING_BYTES - at);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot read the saved state");
        if (n == 0)
            break;
        at += (size_t)n;
    }
    if (at < BEGINNING_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0 ||
        memcmp(bytes + HEADER_BYTES, for_helper, sizeof for_helper) != 0)
        return err_set(e, ERR_DAMAGED, "the saved state does not begin as one of libxl's");
    return 0;
}

int relay_open_load(struct relay *r, int from, uint64_t total_bytes, const struct op *op,
                    struct err *e)
{
    char beginning[BEGINNING_BYTES];
    int ours = 1;

    if (open_pipe(r, total_bytes, op, &ours, e) < 0)
        return -1;
    r->in = from;
    r->out = ours;
    if (read_beginning(from, op, beginning, e) < 0)
        return -1;
    return fs_write_all(ours, beginning, sizeof beginning, "a pipe", e);
}

void relay_finish(struct relay *r)
{
    int ours = r->saving ? r->in : r->out;

    if (r->fd >= 0)
        close(r->fd);
    if (ours >= 0)
        close(ours);
    r->fd = r->in = r->out = -1;
}

/* Nothing more goes out. Of a load that is libxl's end of the stream. */
static void stop(struct relay *r)
{
    if (!r->saving && r->out >= 0)
        close(r->out);
    r->out = -1;
    r->waiting = false;
}

static void throw_away(struct relay *r)
{
    char sink[65536];

    ssize_t n = read(r->in, sink, sizeof sink);
    r->at_end = n == 0;
}

/* Moves what there is, without waiting for more of it or for room: both ends are polled. */
static int move(struct relay *r, struct err *e)
{
    if (r->out < 0) {
        throw_away(r);
        return 0;
    }
    ssize_t n = splice(r->in, NULL, r->out, NULL, MOVE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        r->done_bytes += (uint64_t)n;
        op_progress(r->op, r->done_bytes < r->total_bytes ? r->done_bytes : r->total_bytes,
                    r->total_bytes);
        return 0;
    }
    if (n == 0) {
        r->at_end = true;
        if (!r->saving)
            stop(r);
        return 0;
    }
    if (errno == EINTR)
        return 0;
    if (errno == EAGAIN) {
        r->waiting = true;
        return 0;
    }
    err_errno(e, ERR_FAILED, errno, "cannot %s the guest's state", r->saving ? "write" : "read");
    stop(r);
    return -1;
}

static void fill(void *arg, struct pollfd *fds)
{
    struct relay *r = arg;
    bool moves = (r->saving || r->begun) && !r->waiting && !r->at_end;

    fds[0] = (struct pollfd){.fd = moves ? r->in : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = r->waiting ? r->out : -1, .events = POLLOUT};
}

static int ready(void *arg, const struct pollfd *fds, struct err *e)
{
    struct relay *r = arg;
    int left;

    /* What libxl reads there it acts upon at once. */
    if (!r->saving && !r->begun)
        r->begun = ioctl(r->fd, FIONREAD, &left) == 0 && left == 0;
    if (fds[1].revents)
        r->waiting = false;
    return fds[0].revents || fds[1].revents ? move(r, e) : 0;
}

static bool may_abort(void *arg)
{
    const struct relay *r = arg;

    return r->saving || r->begun;
}

static void aborted(void *arg)
{
    struct relay *r = arg;

    stop(r);
    r->at_end = r->at_end || !r->saving;
}

struct session_beside relay_beside(struct relay *r)
{
    return (struct session_beside){.arg = r,
                                   .count = 2,
                                   .fill = fill,
                                   .ready = ready,
                                   .may_abort = may_abort,
                                   .aborted = aborted};
}

int relay_flush(struct relay *r, struct err *e)
{
    close(TAKE_FD(r->fd));
    while (!r->at_end) {
        if (r->waiting && op_wait(r->op, r->out, POLLOUT, "the saved state's reader", e) < 0)
            return -1;
        r->waiting = false;
        if (!r->at_end && op_wait(r->op, r->in, POLLIN, "the saved state", e) < 0)
            return -1;
        if (move(r, e) < 0)
            return -1;
    }
    return 0;
}

int relay_drain(struct relay *r, struct err *e)
{
    stop(r);
    while (!r->at_end) {
        if (op_wait(r->op, r->in, POLLIN, "the end of the saved state", e) < 0)
            return -1;
        throw_away(r);
    }
    return 0;
}
