/* SPDX-License-Identifier: MIT */
#include "daemon/broken_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HOLD_MAX_MS = 20 * 1000 };

/* libc's own, in which a thread can be cancelled: libxenstore ends its reader so. */
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len);

static struct broken_calls *shared;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BROKEN_CALLS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    shared = at == MAP_FAILED ? NULL : at;
    close(fd);
}

/* What a call is to the table of `how`. */
enum kind { OTHER, TAKES_SPACE, READS, WRITES };

static bool counts(enum kind kind, int how)
{
    switch (how) {
    case BROKEN_SPACE:
        return kind == TAKES_SPACE || kind == WRITES;
    case BROKEN_SHORT:
        return kind == READS || kind == WRITES;
    default:
        return how != BROKEN_NOT;
    }
}

/* The files of saved state and the driver's stream; other pipes of job threads are rare. */
static bool is_of_state(const char *path)
{
    return strstr(path, "/images") || strstr(path, "/files") || strstr(path, "/memfd:") ||
           strncmp(path, "pipe:", 5) == 0;
}

static bool path_of(int fd, char path[256])
{
    char link[64];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 255);
    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void hold(void)
{
    const struct timespec nap = {.tv_nsec = 1000 * 1000};

    for (int i = 0; i < HOLD_MAX_MS && atomic_load(&shared->how) == BROKEN_HOLD; i++)
        nanosleep(&nap, NULL);
}

/* True when this call is the one: errno is set, or (BROKEN_SHORT) it is to do half of its work. */
static bool breaks(const char *name, enum kind kind, const char *path)
{
    int how = shared ? atomic_load(&shared->how) : BROKEN_NOT;

    /* The loop's own thread does nothing of it after its start. */
    if (!counts(kind, how) || syscall(SYS_gettid) == getpid() || !is_of_state(path) ||
        (shared->only[0] && strncmp(shared->only, name, sizeof shared->only) != 0))
        return false;
    int left = atomic_fetch_sub(&shared->left, 1);
    if (left > 1 || (left < 1 && how != BROKEN_SPACE))
        return false;
    if (left == 1) {
        snprintf(shared->what, sizeof shared->what, "%s of %.120s", name, path);
        atomic_store(&shared->met, 1);
    }
    if (how == BROKEN_KILL)
        kill(getpid(), SIGKILL);
    if (how == BROKEN_HOLD) {
        hold();
        return false;
    }
    errno = how == BROKEN_SPACE ? ENOSPC : EIO;
    return true;
}

static bool breaks_fd(const char *name, enum kind kind, int fd)
{
    char path[256];

    return shared && atomic_load(&shared->how) != BROKEN_NOT && path_of(fd, path) &&
           breaks(name, kind, path);
}

static bool breaks_at(const char *name, enum kind kind, int dirfd, const char *file)
{
    char path[256];

    return file[0] == '/'
               ? breaks(name, kind, file)
               : dirfd != AT_FDCWD && shared && path_of(dirfd, path) && breaks(name, kind, path);
}

/* How much of len a call may do; -1: it fails. */
static ssize_t allowed(const char *name, enum kind kind, int fd, size_t len)
{
    if (!breaks_fd(name, kind, fd))
        return (ssize_t)len;
    return atomic_load(&shared->how) == BROKEN_SHORT ? (ssize_t)(len + 1) / 2 : -1;
}

ssize_t write(int fd, const void *buf, size_t len)
{
    ssize_t n = allowed("write", WRITES, fd, len);

    return n < 0 ? -1 : __write(fd, buf, (size_t)n);
}

ssize_t read(int fd, void *buf, size_t len)
{
    ssize_t n = allowed("read", READS, fd, len);

    return n < 0 ? -1 : __read(fd, buf, (size_t)n);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
    ssize_t n = allowed("pwrite", WRITES, fd, len);

    return n < 0 ? -1 : syscall(SYS_pwrite64, fd, buf, (size_t)n, offset);
}

ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
    ssize_t n = allowed("pread", READS, fd, len);

    return n < 0 ? -1 : syscall(SYS_pread64, fd, buf, (size_t)n, offset);
}

/* From one pipe to another: Xen's stream. */
ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    ssize_t n = allowed("splice", WRITES, in, len);

    return n < 0 ? -1 : syscall(SYS_splice, in, in_at, out, out_at, (size_t)n, flags);
}

int fsync(int fd)
{
    return breaks_fd("fsync", OTHER, fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate64(int fd, off64_t length)
{
    return breaks_fd("ftruncate", OTHER, fd) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return breaks_fd("fallocate", TAKES_SPACE, fd)
               ? -1
               : (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return breaks_at("rename", OTHER, from_dir, from)
               ? -1
               : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int unlinkat(int dirfd, const char *name, int flags)
{
    return breaks_at("unlink", OTHER, dirfd, name) ? -1
                                                   : (int)syscall(SYS_unlinkat, dirfd, name, flags);
}

int mkdir(const char *path, mode_t mode)
{
    return breaks_at("mkdir", TAKES_SPACE, AT_FDCWD, path) ? -1
                                                           : (int)syscall(SYS_mkdir, path, mode);
}

static int open_as(int dirfd, const char *path, int flags, mode_t mode)
{
    return breaks_at("open", flags & O_CREAT ? TAKES_SPACE : OTHER, dirfd, path)
               ? -1
               : (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    int fd = open_as(dirfd, path, flags, mode_of(flags, ap));
    va_end(ap);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    int fd = open_as(AT_FDCWD, path, flags, mode_of(flags, ap));
    va_end(ap);
    return fd;
}
