/* SPDX-License-Identifier: MIT */
#include "core/disk_make.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* A folder with less than this is full. */
enum { FREE_LEAST = 1024 * 1024 };

/* A disk on its way. */
struct making {
    const char *path;
    const char *name; /* its last part */
    char *temporary;  /* owned; NULL: the file has no name yet */
    int dirfd;
    int fd;
};

static void making_finish(struct making *m)
{
    if (m->temporary)
        unlinkat(m->dirfd, m->temporary, 0);
    free(TAKE(m->temporary));
    if (m->fd >= 0)
        close(m->fd);
    if (m->dirfd >= 0)
        close(m->dirfd);
}

static int open_folder(const char *path, struct making *ret, struct err *e)
{
    AUTO_FREE char *folder = NULL;

    *ret = (struct making){.path = path, .dirfd = -1, .fd = -1};
    ret->name = fs_split(path, &folder);
    if (str_starts(path, "/dev/") && !str_starts(path, "/dev/shm/"))
        return err_set(e, ERR_BAD_CONFIG,
                       "cannot make %s: devices are not made by reeve, only files", path);
    ret->dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->dirfd < 0)
        return err_errno(e, ERR_BAD_CONFIG, errno, "cannot make %s: the folder %s cannot be used",
                         path, folder);
    int64_t left = fs_free_bytes(ret->dirfd, e);
    if (left >= 0 && left < FREE_LEAST)
        return err_set(e, ERR_NO_SPACE, "cannot make %s: its file system is full (%lld bytes free)",
                       path, (long long)left);
    return left < 0 ? -1 : 0;
}

/* 1: open, 0: this file system has no such files. */
static int open_unnamed(struct making *m, struct err *e)
{
    m->fd = openat(m->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (m->fd >= 0)
        return 1;
    /* What open(2) names, and what kernels say that know no such flag. */
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)
        return 0;
    return err_errno(e, ERR_BAD_CONFIG, errno, "cannot make %s", m->path);
}

static int open_named(struct making *m, struct err *e)
{
    AUTO_FREE char *temporary = x_asprintf(".%s.reeve-new", m->name);

    if (unlinkat(m->dirfd, temporary, 0) < 0 && errno != ENOENT)
        return err_errno(e, ERR_BAD_CONFIG, errno, "cannot make %s: cannot remove %s", m->path,
                         temporary);
    m->fd = openat(m->dirfd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (m->fd < 0)
        return err_errno(e, ERR_BAD_CONFIG, errno, "cannot make %s", m->path);
    m->temporary = TAKE(temporary);
    return 0;
}

/* ---- what is in it ---- */

/* docs/interop/qcow2.txt of QEMU: version 3, clusters of 64 KiB, 16-bit reference counts. Clusters:
 * header, table of reference counts, a block of them, the table that finds the data (L1). The one
 * block counts 2 GiB of file, so it covers the L1 table of any size that is allowed. */
enum {
    QCOW2_VERSION = 3,
    QCOW2_CLUSTER_BITS = 16,
    QCOW2_CLUSTER = 1 << QCOW2_CLUSTER_BITS,
    QCOW2_REFCOUNT_ORDER = 4,
    QCOW2_HEADER = 104,
    QCOW2_L1_AT = 3, /* in clusters */
};

static void put_32(unsigned char *at, uint64_t value)
{
    uint32_t big = htobe32((uint32_t)value);
    memcpy(at, &big, sizeof big);
}

static void put_64(unsigned char *at, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(at, &big, sizeof big);
}

static int write_qcow2(const struct making *m, uint64_t bytes, struct err *e)
{
    const uint64_t covers = (uint64_t)QCOW2_CLUSTER * (QCOW2_CLUSTER / 8); /* by an L1 entry */
    uint64_t entries = (bytes + covers - 1) / covers;
    uint64_t clusters = QCOW2_L1_AT + (entries * 8 + QCOW2_CLUSTER - 1) / QCOW2_CLUSTER;
    size_t size = (size_t)QCOW2_L1_AT * QCOW2_CLUSTER;
    AUTO_FREE unsigned char *head = x_calloc(1, size);

    memcpy(head, "QFI\xfb", 4);
    put_32(head + 4, QCOW2_VERSION);
    put_32(head + 20, QCOW2_CLUSTER_BITS);
    put_64(head + 24, bytes);
    put_32(head + 36, entries);
    put_64(head + 40, (uint64_t)QCOW2_L1_AT * QCOW2_CLUSTER);
    put_64(head + 48, QCOW2_CLUSTER);
    put_32(head + 56, 1); /* clusters of the table of reference counts */
    put_32(head + 96, QCOW2_REFCOUNT_ORDER);
    put_32(head + 100, QCOW2_HEADER);
    put_64(head + QCOW2_CLUSTER, 2 * QCOW2_CLUSTER);
    for (uint64_t i = 0; i < clusters; i++)
        head[2 * QCOW2_CLUSTER + 2 * i + 1] = 1;
    if (fs_write_all(m->fd, head, size, m->path, e) < 0)
        return -1;
    if (ftruncate(m->fd, (off_t)(clusters * QCOW2_CLUSTER)) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make %s", m->path);
    return 0;
}

static int fill(const struct making *m, enum conf_format format, uint64_t bytes, struct err *e)
{
    if (format == CONF_QCOW2)
        return write_qcow2(m, bytes, e);
    if (ftruncate(m->fd, (off_t)bytes) == 0)
        return 0;
    if (errno == EFBIG)
        return err_set(e, ERR_BAD_CONFIG,
                       "cannot make %s: its file system holds no file of %llu MiB", m->path,
                       (unsigned long long)(bytes >> 20));
    return err_errno(e, ERR_FAILED, errno, "cannot make %s", m->path);
}

/* ---- its name ---- */

static int name_unnamed(const struct making *m)
{
    char self[64];

    snprintf(self, sizeof self, "/proc/self/fd/%d", m->fd);
    return linkat(AT_FDCWD, self, m->dirfd, m->name, AT_SYMLINK_FOLLOW);
}

static int rename_named(struct making *m)
{
    if (renameat2(m->dirfd, m->temporary, m->dirfd, m->name, RENAME_NOREPLACE) == 0) {
        free(TAKE(m->temporary));
        return 0;
    }
    /* NFS: both names for a moment, and then making_finish takes the first away. */
    return errno == EINVAL ? linkat(m->dirfd, m->temporary, m->dirfd, m->name, 0) : -1;
}

static int finish(struct making *m, struct err *e)
{
    if (fsync(m->fd) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make %s: it cannot be synced", m->path);
    if ((m->temporary ? rename_named(m) : name_unnamed(m)) == 0)
        return fs_sync_dir(m->dirfd, m->path, e);
    if (errno == EEXIST)
        return err_set(e, ERR_BAD_CONFIG,
                       "cannot make %s: something of that name is there, which leads to no file",
                       m->path);
    return err_errno(e, ERR_FAILED, errno, "cannot make %s", m->path);
}

static int make(const char *path, enum conf_format format, uint64_t bytes, bool by_name,
                int *ret_fd, struct err *e)
{
    struct making m;
    int result = open_folder(path, &m, e);

    if (result == 0)
        result = by_name ? 0 : open_unnamed(&m, e);
    if (result == 0)
        result = open_named(&m, e);
    if (result >= 0)
        result = fill(&m, format, bytes, e);
    if (result == 0)
        result = finish(&m, e);
    if (result == 0)
        *ret_fd = TAKE_FD(m.fd);
    making_finish(&m);
    return result;
}

int disk_make(const char *path, enum conf_format format, uint64_t bytes, int *ret_fd, struct err *e)
{
    return make(path, format, bytes, false, ret_fd, e);
}

int disk_make_by_name(const char *path, enum conf_format format, uint64_t bytes, int *ret_fd,
                      struct err *e)
{
    return make(path, format, bytes, true, ret_fd, e);
}

int disk_make_check(const char *path, struct err *e)
{
    struct making m;
    struct stat st;
    int result = open_folder(path, &m, e);

    if (result == 0 && fstatat(m.dirfd, m.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        result = err_set(e, ERR_BAD_CONFIG,
                         "cannot make %s: something of that name is there, which leads to no file",
                         path);
    if (result == 0)
        result = open_unnamed(&m, e);
    if (result == 0)
        result = open_named(&m, e);
    making_finish(&m);
    return result < 0 ? -1 : 0;
}
