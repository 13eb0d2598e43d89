/* SPDX-License-Identifier: MIT */
/* A dump goes through a pipe of ours: QEMU cannot be told to stop one, but a pipe that nobody reads
 * ends it, and then the guest goes on by itself. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/live.h"

enum { BLOCK = 64 * 1024, END_MS = 30 * 1000 };

static int begin(struct live *l, int write_end, const struct op *op, struct err *e)
{
    if (qmp_give_fd(&l->s.qmp, "core", write_end, op, e) < 0)
        return -1;
    return qmp_run(&l->s.qmp, "dump-guest-memory",
                   json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", "fd:core", "detach", 1),
                   op, NULL, e);
}

/* Most of a guest's memory is zeros, and holes cost nothing. */
static bool all_zero(const char *block, size_t len)
{
    return len > 0 && block[0] == 0 && memcmp(block, block + 1, len - 1) == 0;
}

static int put(int fd, const char *block, size_t len, bool holes, struct err *e)
{
    if (!holes || !all_zero(block, len))
        return fs_write_all(fd, block, len, "the core", e);
    return lseek(fd, (off_t)len, SEEK_CUR) < 0
               ? err_errno(e, ERR_FAILED, errno, "cannot write the core")
               : 0;
}

/* Everything that QEMU writes, until it closes its end. */
static int pump(int from, int to, uint64_t total, const struct op *op, struct err *e)
{
    bool holes = ftruncate(to, 0) == 0 && lseek(to, 0, SEEK_SET) == 0;
    AUTO_FREE char *block = x_malloc(BLOCK);
    uint64_t done = 0;

    for (;;) {
        ssize_t n = read(from, block, BLOCK);
        if (n == 0)
            break;
        if (n < 0 && errno == EAGAIN) {
            if (op_wait(op, from, POLLIN, "the core", e) < 0)
                return -1;
            continue;
        }
        if (n < 0 && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot read the core");
        if (n < 0)
            continue;
        if (op_check(op, e) < 0 || put(to, block, (size_t)n, holes, e) < 0)
            return -1;
        done += (uint64_t)n;
        op_progress(op, done, total > done ? total : done);
    }
    if (holes && ftruncate(to, (off_t)done) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write the core");
    return 0;
}

/* Waits until QEMU has ended the dump, and with it let the guest go on. */
static int end(struct live *l, bool *ret_whole, struct err *e)
{
    struct op op = op_within(END_MS);

    for (;;) {
        AUTO_JSON json_t *info = NULL;
        if (qmp_run(&l->s.qmp, "query-dump", NULL, &op, &info, e) < 0)
            return -1;
        const char *status = json_get_string(info, "status", "");
        *ret_whole = str_eq(status, "completed");
        if (!str_eq(status, "active"))
            return 0;
        qmp_forget_events(&l->s.qmp);
        if (live_wait(l, 20, &op, "the core's end", e) < 0)
            return -1;
    }
}

int dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd, const struct op *op,
              struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    AUTO_CLOSE int from = -1;
    AUTO_CLOSE int to = -1;
    struct err second;
    bool whole = false;
    int ends[2];

    if (live_open(&l, h, ref, true, op, e) < 0)
        return -1;
    if (fs_wide_pipe(ends, e) < 0)
        return -1;
    from = ends[0];
    to = ends[1];
    if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    if (begin(&l, to, op, e) < 0)
        return -1;
    close(TAKE_FD(to));
    int result = pump(from, fd, l.meta.max_memory_kib * 1024, op, e);
    close(TAKE_FD(from));
    if (end(&l, &whole, &second) < 0) {
        if (result == 0)
            *e = second;
        else
            err_wrap(e, "the guest may stand still now (%s)", second.msg);
        return -1;
    }
    if (result == 0 && !whole)
        return err_set(e, ERR_FAILED, "QEMU could not write the core");
    return result;
}
