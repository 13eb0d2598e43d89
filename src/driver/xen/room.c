/* SPDX-License-Identifier: MIT */
#include "driver/xen/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "driver/xen/host_config.h"

#define XL_LOCK "/var/lock/xl"

enum {
    LOCK_LOOK_MS = 100,
    TRIES = 3,    /* domain 0 may need several rounds, as xl gives it */
    WAIT_S = 10,  /* for the hypervisor to have the memory */
    TARGET_S = 1, /* for domain 0 to reach its target */
};

static int take_lock(const char *path, const struct op *op, struct room *room, struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    room->lock_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (room->lock_fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open xl's lock %s", path);
    /* xl's lock is the process's; this one is the descriptor's, and the two exclude each other. */
    while (fcntl(room->lock_fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot lock %s", path);
        if (op_nap(op, LOCK_LOOK_MS, "xl's lock", e) < 0)
            return -1;
    }
    return 0;
}

void room_leave(struct room *room)
{
    if (room->lock_fd >= 0)
        close(room->lock_fd);
    room->lock_fd = -1;
}

static unsigned long long mib(uint64_t kib)
{
    return (unsigned long long)(kib / 1024);
}

static int too_little(uint64_t free_kib, uint64_t need_kib, struct err *e)
{
    return err_set(e, ERR_NO_SPACE,
                   "the guest needs %llu MiB of memory, the hypervisor has %llu MiB free, and "
                   "domain 0 gives up no more",
                   mib(need_kib + 1023), mib(free_kib));
}

static int balloon(struct session *s, uint32_t domid, uint64_t need_kib, const struct op *op,
                   struct err *e)
{
    uint64_t free_kib = 0;

    for (int left = TRIES;; left--) {
        session_begin(s);
        int rc = libxl_get_free_memory(s->ctx, &free_kib);
        if (rc < 0)
            return session_result(s, rc, "cannot ask for the free memory", e);
        if (free_kib >= need_kib)
            return 0;
        if (left == 0)
            return too_little(free_kib, need_kib, e);
        if (op_check(op, e) < 0)
            return -1;
        rc = libxl_set_memory_target(s->ctx, 0, (int64_t)free_kib - (int64_t)need_kib, 1, 0);
        if (rc < 0)
            return too_little(free_kib, need_kib, e);
        rc = libxl_wait_for_free_memory(s->ctx, domid, need_kib, WAIT_S);
        if (rc < 0 && rc != ERROR_NOMEM)
            return session_result(s, rc, "cannot wait for free memory", e);
        if (rc < 0)
            libxl_wait_for_memory_target(s->ctx, 0, TARGET_S); /* its outcome is looked at above */
    }
}

int room_make(struct session *s, uint32_t domid, uint64_t need_kib, const struct op *op,
              struct room *room, struct err *e)
{
    const libxl_version_info *xen = libxl_get_version_info(s->ctx);
    struct host_config host;
    int result = 0;

    room->lock_fd = -1;
    host_config_init(&host);
    host_config_read_file(&host);
    if (host_config_autoballoon(&host, xen ? xen->commandline : NULL)) {
        result = take_lock(host.lockfile ? host.lockfile : XL_LOCK, op, room, e);
        if (result == 0)
            result = balloon(s, domid, need_kib, op, e);
    }
    host_config_finish(&host);
    return result;
}

int room_explain(struct session *s, uint64_t need_kib, struct err *e)
{
    uint64_t free_kib;

    if (libxl_get_free_memory(s->ctx, &free_kib) == 0 && free_kib < need_kib)
        err_set(e, ERR_NO_SPACE,
                "the guest needs about %llu MiB of memory and the hypervisor has %llu MiB free "
                "(%s)",
                mib(need_kib + 1023), mib(free_kib), e->msg);
    return -1;
}
