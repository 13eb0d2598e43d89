/* SPDX-License-Identifier: MIT */
/* A guest's console is a terminal that xenconsoled keeps for it (or QEMU, for an HVM guest), named
 * in xenstore. xenconsoled keeps what nobody has read yet. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/inject.h"

enum { TTY_MS = 10 * 1000, LOOK_MS = 50 };

/* xenconsoled makes the terminal a moment after the domain. */
static int await_tty(struct session *s, uint32_t domid, char **ret, struct err *e)
{
    struct op op = op_within(TTY_MS);

    for (;;) {
        session_begin(s);
        int rc = libxl_primary_console_get_tty(s->ctx, domid, ret);
        if (rc == 0 && *ret && (*ret)[0])
            return 0;
        if (op_nap(&op, LOOK_MS, "the console's terminal", e) < 0)
            return err_set(e, ERR_FAILED, "xenconsoled has made no terminal for it%s%s",
                           s->why[0] ? ": " : "", s->why);
    }
}

int console_open(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    AUTO_FREE char *path = NULL;
    struct stat st;

    (void)h;
    if (host_enter(&s, ref, &info, e) < 0 || await_tty(&s, info.domid, &path, e) < 0)
        return -1;
    AUTO_CLOSE int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open its terminal %s", path);
    if (!S_ISCHR(st.st_mode))
        return err_set(e, ERR_FAILED, "%s is not a terminal", path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}
