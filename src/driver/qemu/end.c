/* SPDX-License-Identifier: MIT */
#include "driver/qemu/end.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/host.h"
#include "driver/qemu/meta.h"

/* The domain's live process, of a whole folder or a half-made one: 1, or 0 for none. -1 when nobody
 * can tell: a folder that is removed under a process hides it for good. */
static int find_process(int dirfd, const char *uuid, int *ret_pidfd, struct err *e)
{
    struct meta meta;

    errno = 0;
    if (meta_read(dirfd, &meta, e) == 0) {
        if (proc_open(meta.pid, meta.start, ret_pidfd, e) == 0)
            return 1;
        return e->code == ERR_BUSY ? -1 : 0;
    }
    if (proc_is_shortage(errno))
        return -1;
    return folder_process(dirfd, uuid, ret_pidfd, e);
}

/* 1 when there is a folder, 0 when there is none. */
static int open_if_there(struct driver_handle *h, const char *uuid, int *ret_dirfd, struct err *e)
{
    struct err why;

    if (folder_open(h->dirfd, uuid, ret_dirfd, &why) == 0)
        return 1;
    if (why.code == ERR_NO_SUCH_DOMAIN)
        return 0;
    *e = why;
    return -1;
}

int end_destroy(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    AUTO_CLOSE int pidfd = -1;
    int there = open_if_there(h, ref->uuid, &dirfd, e);

    if (there <= 0)
        return there;
    int lives = find_process(dirfd, ref->uuid, &pidfd, e);
    if (lives < 0)
        return -1;
    if (lives) {
        int left = clock_left_ms(op->deadline_ms);
        int64_t grace = left < 0 || left > END_GRACE_MS ? END_GRACE_MS : left;
        if (proc_end(pidfd, grace, END_MS - END_GRACE_MS, e) < 0)
            return err_wrap(e, "QEMU");
    }
    return fault_point("qemu.ended", e) < 0 ? -1 : fs_remove_tree(h->dirfd, ref->uuid, e);
}

int end_leftover(struct driver_handle *h, const struct domain_ref *ref, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    AUTO_CLOSE int pidfd = -1;
    int there = open_if_there(h, ref->uuid, &dirfd, e);

    if (there <= 0)
        return there;
    int lives = find_process(dirfd, ref->uuid, &pidfd, e);
    if (lives < 0)
        return -1;
    if (lives)
        return err_set(e, ERR_EXISTS, "a QEMU of this domain is running already");
    return fs_remove_tree(h->dirfd, ref->uuid, e);
}
