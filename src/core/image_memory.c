/* SPDX-License-Identifier: MIT */
/* A guest's memory in a file: made whole before the start, bound to its image by what the
 * filesystem says of it. A guest that runs writes to it, which changes its time, so a state of
 * before is told from one of after. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/image_format.h"

char *image_memory_path(const char *image_path)
{
    AUTO_FREE char *dir = NULL;

    fs_split(image_path, &dir);
    return x_asprintf("%s/memory.ram", dir);
}

static int allocate(int fd, const char *path, uint64_t bytes, struct err *e)
{
    int result;

    do {
        result = fallocate(fd, 0, 0, (off_t)bytes);
    } while (result < 0 && errno == EINTR);
    if (result == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return err_set(e, ERR_FAILED,
                       "reeve_memory: the filesystem of %s cannot allocate a file beforehand; "
                       "\"ram\" needs none",
                       path);
    return err_errno(e, errno == EFBIG ? ERR_NO_SPACE : ERR_FAILED, errno,
                     "reeve_memory: cannot allocate %ju MiB in %s", (uintmax_t)(bytes >> 20), path);
}

int image_memory_make(const char *path, uint64_t bytes, int *ret_fd, struct err *e)
{
    AUTO_FREE char *dir = NULL;

    fs_split(path, &dir);
    if (fs_make_dirs(dir, 0700, e) < 0)
        return -1;
    /* Never the file of a guest of before: a new inode. */
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, ERR_FAILED, errno, "reeve_memory: cannot remove %s", path);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "reeve_memory: cannot make %s", path);
    if (allocate(fd, path, bytes, e) < 0) {
        unlink(path);
        return -1;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int image_memory_look(int fd, struct image_memory_file *ret, struct err *e)
{
    struct stat st;
    int generation = 0;

    if (fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot look at the file of the guest's memory");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FAILED, "the guest's memory cannot be in %s",
                       image_kind_of_file(st.st_mode));
    if (ioctl(fd, FS_IOC_GETVERSION, &generation) < 0)
        generation = 0;
    *ret = (struct image_memory_file){.bound = true,
                                      .size_bytes = (uint64_t)st.st_size,
                                      .inode = st.st_ino,
                                      .generation = (unsigned)generation,
                                      .mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) +
                                                  st.st_mtim.tv_nsec};
    return 0;
}

static int open_as(const char *path, const struct fs_user *user, int *ret_fd, struct err *e)
{
    struct fs_user self = {geteuid(), getegid()};

    if (fs_as_begin(user ? user : &self, e) < 0)
        return -1;
    *ret_fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int failed = errno;
    fs_as_end();
    errno = failed;
    return 0;
}

int image_memory_open(const char *path, const struct image_memory_file *was,
                      const struct fs_user *user, int *ret_fd, struct err *e)
{
    struct image_memory_file is;
    AUTO_CLOSE int fd = -1;

    if (open_as(path, user, &fd, e) < 0)
        return -1;
    if (fd < 0 && errno == ENOENT)
        return err_set(e, ERR_DAMAGED, "the guest's memory was in %s, which is gone", path);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", path);
    if (image_memory_look(fd, &is, e) < 0)
        return -1;
    const char *differs = is.inode != was->inode             ? "it is another file"
                          : is.generation != was->generation ? "it is another file"
                          : is.size_bytes != was->size_bytes ? "its size is another"
                          : is.mtime_ns != was->mtime_ns     ? "it was written to since"
                                                             : NULL;
    if (differs)
        return err_set(e, ERR_DAMAGED, "the guest's memory in %s is not as it was saved: %s", path,
                       differs);
    *ret_fd = TAKE_FD(fd);
    return 0;
}
