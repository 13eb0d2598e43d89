/* SPDX-License-Identifier: MIT */
#include "driver/qemu/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/meta.h"

int session_open(struct session *s, const struct driver_handle *h, const struct domain_ref *ref,
                 const struct op *op, struct err *e)
{
    int fd;

    *s = SESSION_NONE;
    if (folder_open(h->dirfd, ref->uuid, &s->dirfd, e) < 0)
        return -1;
    if (folder_connect(s->dirfd, FOLDER_CONTROL, &fd, e) < 0 || qmp_open(&s->qmp, fd, op, e) < 0) {
        session_close(s);
        return -1;
    }
    return 0;
}

int session_refuse_asleep(struct session *s, const char *status, struct err *e)
{
    enum { HOLDS_SINCE = 9 };
    struct meta meta;

    if (!str_eq(status, "suspended"))
        return 0;
    if (meta_read(s->dirfd, &meta, e) < 0)
        return -1;
    if (strtol(meta.qemu, NULL, 10) >= HOLDS_SINCE)
        return 0;
    return err_set(e, ERR_WRONG_STATE,
                   "the guest sleeps, and QEMU %s can hold no guest that does; trigger s3resume "
                   "wakes it",
                   meta.qemu);
}

void session_close(struct session *s)
{
    qmp_close(&s->qmp);
    if (s->dirfd >= 0)
        close(TAKE_FD(s->dirfd));
}
