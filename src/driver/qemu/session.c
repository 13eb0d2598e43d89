/* SPDX-License-Identifier: MIT */
#include "driver/qemu/session.h"

#include <unistd.h>

#include "base/mem.h"
#include "driver/qemu/folder.h"

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

void session_close(struct session *s)
{
    qmp_close(&s->qmp);
    if (s->dirfd >= 0)
        close(TAKE_FD(s->dirfd));
}
