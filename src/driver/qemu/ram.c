/* SPDX-License-Identifier: MIT */
#include "driver/qemu/ram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/* What /proc shows of memory-backend-memfd (backends/hostmem-memfd.c in QEMU's source). */
static const char LINK[] = "/memfd:memory-backend-memfd";

uint64_t ram_bytes(uint64_t max_memory_kib)
{
    return ((max_memory_kib + 7) & ~UINT64_C(7)) * 1024;
}

static bool is_ram(int dirfd, const char *name, uint64_t inode, uint64_t bytes)
{
    char link[sizeof LINK];
    struct stat st;

    if (fstatat(dirfd, name, &st, 0) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes)
        return false;
    if (inode != 0)
        return st.st_ino == inode;
    return readlinkat(dirfd, name, link, sizeof link) >= (ssize_t)strlen(LINK) &&
           memcmp(link, LINK, strlen(LINK)) == 0;
}

int ram_open(pid_t pid, uint64_t inode, uint64_t max_memory_kib, int flags, int *ret_fd,
             struct err *e)
{
    char path[64];
    struct dirent *entry;
    int fd = -1;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(e, ERR_UNSUPPORTED, errno, "cannot look at QEMU's descriptors");
    while (fd < 0 && (entry = readdir(dir)))
        if (is_ram(dirfd(dir), entry->d_name, inode, ram_bytes(max_memory_kib)))
            fd = openat(dirfd(dir), entry->d_name, flags | O_CLOEXEC);
    closedir(dir);
    if (fd < 0)
        return err_set(e, ERR_UNSUPPORTED, "QEMU has no shared memory of the guest's size");
    *ret_fd = fd;
    return 0;
}

int ram_set_apart(struct qmp *q, bool apart, const struct op *op, struct err *e)
{
    json_t *both = json_pack("{s:[{s:s, s:b}, {s:s, s:b}]}", "capabilities", "capability", "events",
                             "state", 1, "capability", "x-ignore-shared", "state", apart);

    return qmp_run(q, "migrate-set-capabilities", both, op, NULL, e);
}
