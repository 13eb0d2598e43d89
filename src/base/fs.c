/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

/* Who writes 4 MiB at once, as libxl's helper does, is to go on meanwhile. */
int fs_wide_pipe(int ends[2], struct err *e)
{
    static const int sizes[] = {8 * 1024 * 1024, 1024 * 1024};

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (fcntl(ends[0], F_SETPIPE_SZ, sizes[i]) >= 0)
            break;
    return 0;
}

int fs_write_all(int fd, const void *buf, size_t len, const char *what, struct err *e)
{
    const char *at = buf;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot write %s", what);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int fs_write_at(int fd, const void *buf, size_t len, uint64_t offset, const char *what,
                struct err *e)
{
    const char *at = buf;

    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot write %s", what);
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t fs_read_upto(int fd, void *buf, size_t len, const char *what, struct err *e)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = read(fd, (char *)buf + have, len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot read %s", what);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int fs_sync_dir(int dirfd, const char *what, struct err *e)
{
    if (fsync(dirfd) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot sync the folder of %s", what);
    return 0;
}

int fs_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
               struct err *e)
{
    AUTO_FREE char *temporary = x_asprintf(".%s.new", name);
    AUTO_CLOSE int fd =
        openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot create %s", temporary);
    if (fchmod(fd, mode) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot set the mode of %s", temporary);
        goto undo;
    }
    if (fs_write_all(fd, data, len, name, e) < 0)
        goto undo;
    if (fsync(fd) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot sync %s", name);
        goto undo;
    }
    if (renameat(dirfd, temporary, dirfd, name) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot rename %s to %s", temporary, name);
        goto undo;
    }
    return fs_sync_dir(dirfd, name, e);
undo:
    unlinkat(dirfd, temporary, 0);
    return -1;
}

int fs_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
    /* O_NONBLOCK: a FIFO without a writer must not hold us; it is refused below. */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", path);
    if (fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FAILED, "cannot read %s: it is %s", path,
                       S_ISDIR(st.st_mode) ? "a folder, not a file" : "not a regular file");
    if ((uintmax_t)st.st_size > max)
        return err_set(e, ERR_TOO_LARGE,
                       "cannot read %s: it has %jd bytes; at most %zu are "
                       "allowed",
                       path, (intmax_t)st.st_size, max);
    /* A file of /proc says 0 and a file may grow: the bound is on what is read. */
    size_t size = (size_t)st.st_size;
    size_t cap = size > 0 ? size + 1 : (max < 65536 ? max + 1 : 65536);
    AUTO_FREE char *text = x_malloc(cap + 1);
    ssize_t n = fs_read_upto(fd, text, cap, path, e);
    if (n < 0)
        return -1;
    if ((size_t)n > max)
        return err_set(e, ERR_TOO_LARGE, "cannot read %s: it has more than %zu bytes", path, max);
    text[n] = '\0';
    *ret_len = (size_t)n;
    *ret_text = TAKE(text);
    return 0;
}

int fs_make_dirs(const char *path, mode_t mode, struct err *e)
{
    AUTO_FREE char *copy = x_strdup(path);

    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char was = *at;
        *at = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return err_errno(e, ERR_FAILED, errno, "cannot make the folder %s", copy);
        *at = was;
        if (was == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot use the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_FAILED, "cannot use %s: it is not a folder", path);
    return 0;
}

int fs_remove_tree(int dirfd, const char *name, struct err *e)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0
                               : err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", name);
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int result = 0;
    while (result == 0 && (entry = readdir(dir))) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno == EISDIR || errno == EPERM)
            result = fs_remove_tree(fd, entry->d_name, e);
        else
            result = err_errno(e, ERR_FAILED, errno, "cannot remove %s/%s", name, entry->d_name);
    }
    closedir(dir);
    if (result == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = err_errno(e, ERR_FAILED, errno, "cannot remove the folder %s", name);
    return result;
}

int64_t fs_free_bytes(int fd, struct err *e)
{
    struct statvfs st;

    if (fstatvfs(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot ask for the free space");
    return (int64_t)st.f_bavail * (int64_t)st.f_frsize;
}

const char *fs_split(const char *path, char **ret_dir)
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        *ret_dir = x_strdup(".");
        return path;
    }
    *ret_dir = slash == path ? x_strdup("/") : x_strndup(path, (size_t)(slash - path));
    return slash + 1;
}

char *fs_join(const char *directory, const char *path)
{
    return path[0] == '/' ? x_strdup(path) : x_asprintf("%s/%s", directory, path);
}

void fs_raise(int event_fd)
{
    uint64_t one = 1;

    while (write(event_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

int fs_lock(int fd, int64_t ms, struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int64_t deadline = clock_mono_ms() + ms;

    while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot lock a file");
        if (clock_mono_ms() >= deadline)
            return err_set(e, ERR_BUSY, "another process has the lock");
        (void)poll(NULL, 0, 10);
    }
    return 0;
}
