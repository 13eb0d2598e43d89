/* SPDX-License-Identifier: MIT */
#include "driver/qemu/ram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* The memfd's name is that of memory-backend-memfd (backends/hostmem-memfd.c in QEMU's source). */
#define NAME "memory-backend-memfd"
static const char LINK[] = "/memfd:" NAME;

uint64_t ram_bytes(uint64_t max_memory_kib)
{
    return ((max_memory_kib + 7) & ~UINT64_C(7)) * 1024;
}

int ram_make(uint64_t bytes, int *ret_fd, struct err *e)
{
    AUTO_CLOSE int fd = memfd_create(NAME, MFD_CLOEXEC);

    /* QEMU opens it again, as its own user; others shall not. */
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || fchmod(fd, 0600) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make the guest's memory");
    *ret_fd = TAKE_FD(fd);
    return 0;
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

int ram_open(pid_t pid, uint64_t inode, uint64_t max_memory_kib, int *ret_fd, struct err *e)
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
            fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
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

/* ---- filling ---- */

static void *fill_main(void *arg)
{
    struct ram_fill *f = arg;

    f->result = f->memory->fill(f->memory->arg, f->fd, f->bytes, &f->op, &f->err);
    fs_raise(f->over_fd);
    return NULL;
}

int ram_fill_begin(struct ram_fill *f, const struct guest_memory *memory, int fd, uint64_t bytes,
                   const struct op *op, struct err *e)
{
    f->memory = memory;
    f->fd = fd;
    f->bytes = bytes;
    f->op = *op;
    f->op.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->over_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->op.cancel_fd < 0 || f->over_fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make an eventfd");
    int failed = pthread_create(&f->thread, NULL, fill_main, f);
    if (failed)
        return err_errno(e, ERR_FAILED, failed, "cannot start a thread");
    f->joinable = true;
    return 0;
}

int ram_fill_await(struct ram_fill *f, const struct op *op, struct err *e)
{
    if (!f->joinable)
        return 0;
    if (op_wait(op, f->over_fd, POLLIN, "the guest's memory", e) < 0)
        return -1;
    pthread_join(f->thread, NULL);
    f->joinable = false;
    if (f->result < 0)
        *e = f->err;
    return f->result;
}

void ram_fill_finish(struct ram_fill *f)
{
    if (f->joinable) {
        fs_raise(f->op.cancel_fd);
        pthread_join(f->thread, NULL);
        f->joinable = false;
    }
    mem_cleanup_close(&f->op.cancel_fd);
    mem_cleanup_close(&f->over_fd);
}
