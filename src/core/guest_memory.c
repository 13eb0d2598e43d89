/* SPDX-License-Identifier: MIT */
/* The file of a guest's memory in the life of its domain (reeve_memory = "file"): made for a
 * start, kept while it lives or is suspended, gone with its end. It is beside the managed image. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/image.h"
#include "core/job.h"

/* While the guest runs its dirty pages are written, again and again until little is left. */
enum { ROUNDS_MAX = 4, LITTLE_MS = 50 };

char *guest_memory_path(const struct engine *g, const char *uuid)
{
    AUTO_FREE char *image = engine_image_path(g, uuid);

    return image_memory_path(image);
}

int guest_memory_make(struct job *j, int *ret_fd, struct err *e)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);

    *ret_fd = -1;
    if (j->conf->memory != CONF_MEMORY_FILE || !j->engine->driver->file_memory)
        return access(path, F_OK) < 0 ? 0 : image_remove(path, e);
    uint64_t kib = (j->conf->max_memory_kib + 7) & ~UINT64_C(7); /* as guest_memory.file_fd says */
    return image_memory_make(path, kib * 1024, ret_fd, e);
}

void guest_memory_drop(struct job *j)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);
    struct err e;

    if (j->seen || j->r->image.path || access(path, F_OK) < 0)
        return;
    if (image_remove(path, &e) < 0)
        job_warn(j, "the file of the memory of %s is left: %s", j->r->name, e.msg);
}

int guest_memory_write_back(struct job *j, int fd, struct err *e)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int64_t before = clock_mono_ms();
        if (op_check(&j->op, e) < 0)
            return -1;
        if (fsync(fd) < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot sync the file of the guest's memory");
        if (clock_mono_ms() - before < LITTLE_MS)
            break;
    }
    return 0;
}

bool guest_memory_is(const struct job *j, int fd)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);
    struct stat there, is;

    return fd >= 0 && lstat(path, &there) == 0 && fstat(fd, &is) == 0 &&
           there.st_ino == is.st_ino && there.st_dev == is.st_dev;
}
