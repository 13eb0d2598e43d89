/* SPDX-License-Identifier: MIT */
#include "driver/qemu/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ident.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

int folder_open(int parent, const char *uuid, int *ret_dirfd, struct err *e)
{
    int fd = openat(parent, uuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return err_set(e, ERR_NO_SUCH_DOMAIN, "QEMU has no domain %s", uuid);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open the folder of domain %s", uuid);
    *ret_dirfd = fd;
    return 0;
}

/* An address holds 107 bytes; by the descriptor's path any folder fits. */
static int address(int dirfd, const char *name, struct sockaddr_un *ret, struct err *e)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dirfd, name);
    if (n < 0 || (size_t)n >= sizeof ret->sun_path)
        return err_set(e, ERR_BAD_CONFIG, "the socket name %s is too long", name);
    return 0;
}

int folder_listen(int dirfd, const char *name, int *ret_fd, struct err *e)
{
    struct sockaddr_un to;

    if (address(dirfd, name, &to, e) < 0)
        return -1;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a socket");
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
        unlinkat(dirfd, name, 0);
    if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 4) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make the socket %s", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int folder_connect(int dirfd, const char *name, int *ret_fd, struct err *e)
{
    struct sockaddr_un to;

    if (address(dirfd, name, &to, e) < 0)
        return -1;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a socket");
    /* Does not block: a queue that is full answers EAGAIN. */
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot connect to QEMU's %s", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static ssize_t read_small(int dirfd, const char *name, char *buf, size_t size)
{
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

    buf[n < 0 ? 0 : n] = '\0';
    return n;
}

int folder_process(int dirfd, const char *uuid, int *ret_pidfd, struct err *e)
{
    char pid_text[32], path[64], command[8192];

    ssize_t got = read_small(dirfd, FOLDER_PID, pid_text, sizeof pid_text);
    if (got < 0 && proc_is_shortage(errno))
        return err_errno(e, ERR_BUSY, errno, "cannot read %s", FOLDER_PID);
    long pid = got > 0 ? strtol(pid_text, NULL, 10) : 0;
    AUTO_CLOSE int pidfd = -1;
    if (pid <= 0 || pid > INT32_MAX)
        return 0;
    if (proc_open((pid_t)pid, 0, &pidfd, e) < 0)
        return e->code == ERR_BUSY ? -1 : 0;
    /* The number may have come round to somebody else's process. */
    snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
    ssize_t n = read_small(AT_FDCWD, path, command, sizeof command);
    if (n < 0 && proc_is_shortage(errno))
        return err_errno(e, ERR_BUSY, errno, "cannot read %s", path);
    if (n <= 0 || !memmem(command, (size_t)n, uuid, strlen(uuid)))
        return 0;
    *ret_pidfd = TAKE_FD(pidfd);
    return 1;
}

bool folder_marked(int dirfd, const char *name)
{
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int folder_mark(int dirfd, const char *name, struct err *e)
{
    AUTO_CLOSE int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd < 0 ? err_errno(e, ERR_FAILED, errno, "cannot write %s", name) : 0;
}

void folder_unmark(int dirfd, const char *name)
{
    unlinkat(dirfd, name, 0);
}
