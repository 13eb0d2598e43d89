/* SPDX-License-Identifier: MIT */
#include "core/image_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

enum { DRAIN_MS = 30 * 1000 };

/* The driver goes on writing until it has heard of the cancel: it must not meet a closed pipe. */
static void drain(int fd)
{
    char sink[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (poll(&p, 1, DRAIN_MS) == 1 && read(fd, sink, sizeof sink) > 0)
        continue;
}

static void *pump_main(void *arg)
{
    struct image_pump *pump = arg;
    struct op op = pump->job->op;

    if (pump->writer) {
        pump->result = image_writer_stream(pump->writer, pump->fd, &op, &pump->err);
        if (pump->result < 0) {
            uint64_t one = 1;
            if (write(op.cancel_fd, &one, sizeof one) == (ssize_t)sizeof one)
                drain(pump->fd);
        }
    } else {
        /* With memory beside it the stream is but a small part. */
        if (image_reader_memory_bytes(pump->reader) > 0)
            op.progress = NULL;
        pump->result = image_reader_stream(pump->reader, pump->fd, &op, &pump->err);
        struct pollfd p = {.fd = pump->fd};
        pump->hung_up = poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
    }
    close(pump->fd);
    return NULL;
}

int image_pump_start(struct image_pump *pump, int *ret_fd, struct err *e)
{
    int fds[2];
    bool saving = pump->writer != NULL;

    if (fs_wide_pipe(fds, e) < 0)
        return -1;
    pump->fd = saving ? fds[0] : fds[1];
    *ret_fd = saving ? fds[1] : fds[0];
    int failed = pthread_create(&pump->thread, NULL, pump_main, pump);
    if (failed) {
        close(fds[0]);
        close(fds[1]);
        return err_errno(e, ERR_FAILED, failed, "cannot start a thread");
    }
    return 0;
}

int image_pump_finish(struct image_pump *pump, int driver_result, struct err *e)
{
    pthread_join(pump->thread, NULL);
    if (pump->result < 0 && (driver_result == 0 || pump->err.code != ERR_CANCELLED)) {
        bool consequence = !pump->writer && driver_result < 0 && pump->hung_up;
        if (!consequence)
            *e = pump->err;
        return -1;
    }
    return driver_result;
}
