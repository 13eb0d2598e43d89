/* SPDX-License-Identifier: MIT */
/* What a disk looks like, and whether it still does: an image on disks that went on is a broken
 * filesystem in the guest. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/image_format.h"

enum { HASHED_BYTES = 1024 * 1024 };

const char *image_kind_of_file(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a FIFO";
    case S_IFBLK:
        return "a block device";
    case S_IFCHR:
        return "a character device";
    case S_IFSOCK:
        return "a socket";
    case S_IFLNK:
        return "a symbolic link";
    default:
        return "something else";
    }
}

/* Hashes what there is of HASHED_BYTES at offset. */
static int hash_at(int fd, uint64_t offset, const char *path, uint64_t *ret, struct err *e)
{
    AUTO_FREE char *buf = x_malloc(HASHED_BYTES);
    size_t have = 0;

    while (have < HASHED_BYTES) {
        ssize_t n = pread(fd, buf + have, HASHED_BYTES - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot read the disk %s", path);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *ret = XXH3_64bits(buf, have);
    return 0;
}

/* Field 7 of the device's statistics (kernel documentation: block/stat.rst), in units of 512
 * bytes whatever the device's own sectors. */
static int read_written(dev_t device, const char *path, uint64_t *ret, struct err *e)
{
    AUTO_FREE char *name = x_asprintf("/sys/dev/block/%u:%u/stat", major(device), minor(device));
    AUTO_FREE char *text = NULL;
    size_t len;

    if (fs_read_file(name, 4096, &text, &len, e) < 0)
        return err_wrap(e, "cannot see whether the disk %s changes", path);
    if (sscanf(text, "%*u %*u %*u %*u %*u %*u %" SCNu64, ret) != 1)
        return err_set(e, ERR_FAILED,
                       "cannot see whether the disk %s changes: %s has no count of "
                       "written sectors",
                       path, name);
    return 0;
}

static int look_block(int fd, dev_t device, struct image_disk *d, struct err *e)
{
    uint64_t tail;

    d->block = true;
    if (ioctl(fd, BLKGETSIZE64, &d->size_bytes) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot ask the disk %s for its size", d->path);
    tail = d->size_bytes > HASHED_BYTES ? d->size_bytes - HASHED_BYTES : 0;
    if (hash_at(fd, 0, d->path, &d->head_hash, e) < 0 ||
        hash_at(fd, tail, d->path, &d->tail_hash, e) < 0)
        return -1;
    return read_written(device, d->path, &d->written_sectors, e);
}

static int look(int fd, struct image_disk *d, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot stat the disk %s", d->path);
    if (S_ISBLK(st.st_mode))
        return look_block(fd, st.st_rdev, d, e);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FAILED, "%s cannot be a disk: it is %s", d->path,
                       image_kind_of_file(st.st_mode));
    d->size_bytes = (uint64_t)st.st_size;
    /* Unsigned: past the year 2262 it goes round, which is as good for a comparison. */
    d->mtime_ns =
        (int64_t)((uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec);
    return hash_at(fd, 0, d->path, &d->head_hash, e);
}

int image_disk_look(const char *path, bool read_only, struct image_disk *d, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct image_disk seen = {.path = x_strdup(path), .read_only = read_only};

    if (fd < 0)
        err_errno(e, ERR_FAILED, errno, "cannot open the disk %s", path);
    if (fd < 0 || look(fd, &seen, e) < 0) {
        image_disk_finish(&seen);
        return -1;
    }
    *d = seen;
    return 0;
}

/* RFC 3339 with all nine digits: two times of one second often differ in the last only. */
static void add_time(struct str *to, int64_t ns)
{
    char text[CLOCK_TEXT_MAX];
    int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);

    clock_rfc3339(seconds * 1000, text);
    char *dot = strrchr(text, '.');
    if (dot)
        *dot = '\0';
    str_addf(to, "%s.%09" PRId64 "Z", text, ns - seconds * 1000000000);
}

void image_disk_difference(struct str *to, const struct image_disk *was,
                           const struct image_disk *is, bool same_boot)
{
    if (was->block != is->block) {
        str_addf(to, "it was %s and is %s", was->block ? "a block device" : "a file",
                 is->block ? "a block device" : "a file");
    } else if (was->size_bytes != is->size_bytes) {
        str_addf(to, "its size went from %" PRIu64 " to %" PRIu64 " bytes", was->size_bytes,
                 is->size_bytes);
    } else if (!was->block && was->mtime_ns != is->mtime_ns) {
        str_add(to, "its mtime went from ");
        add_time(to, was->mtime_ns);
        str_add(to, " to ");
        add_time(to, is->mtime_ns);
    } else if (was->block && same_boot && was->written_sectors != is->written_sectors) {
        str_addf(to, "its written sectors went from %" PRIu64 " to %" PRIu64, was->written_sectors,
                 is->written_sectors);
    } else if (was->head_hash != is->head_hash) {
        str_add(to, "its first MiB is another");
    } else if (was->block && was->tail_hash != is->tail_hash) {
        str_add(to, "its last MiB is another");
    }
}

static int check_disk(const struct image_disk *was, bool same_boot, struct err *e)
{
    AUTO_STR struct str difference = {0};
    struct image_disk is;

    if (access(was->path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, ERR_DISK_CHANGED, "disk %s is no longer there", was->path);
    if (image_disk_look(was->path, was->read_only, &is, e) < 0)
        return -1;
    image_disk_difference(&difference, was, &is, same_boot);
    image_disk_finish(&is);
    if (difference.len == 0)
        return 0;
    return err_set(e, ERR_DISK_CHANGED, "disk %s changed since the save: %s", was->path,
                   difference.data);
}

int image_disks_check(const struct image_header *h, struct err *e)
{
    const char *boot_id = clock_boot_id();
    bool same_boot = boot_id[0] != '\0' && str_eq(boot_id, h->boot_id);

    for (size_t i = 0; i < h->disk_count; i++)
        if (!h->disks[i].read_only && check_disk(&h->disks[i], same_boot, e) < 0)
            return -1;
    return 0;
}
