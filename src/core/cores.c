/* SPDX-License-Identifier: MIT */
#include "core/cores.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

static const char incomplete[] = ".incomplete";
static const char ending[] = ".core";

/* Beside the guest's memory: headers of the file, and a little for others. */
enum { ROOM_BYTES = 64 * 1024 * 1024, NAMES_MAX = 100 };

static char *incomplete_path(const char *path)
{
    return x_asprintf("%s%s", path, incomplete);
}

/* "FOLDER/NAME-20260131T120000Z.core", and -2, -3 ... before the end where that is taken. */
static char *core_path(const char *folder, const char *name, const char *when, unsigned n)
{
    return n == 1 ? x_asprintf("%s/%s-%s%s", folder, name, when, ending)
                  : x_asprintf("%s/%s-%s-%u%s", folder, name, when, n, ending);
}

static int create(const char *folder, const char *name, struct core_file *ret, struct err *e)
{
    char when[CLOCK_TEXT_MAX];

    clock_compact(clock_wall_ms(), when);
    for (unsigned n = 1; n <= NAMES_MAX; n++) {
        AUTO_FREE char *path = core_path(folder, name, when, n);
        AUTO_FREE char *part = incomplete_path(path);
        if (access(path, F_OK) == 0)
            continue;
        ret->fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (ret->fd >= 0) {
            ret->path = TAKE(path);
            return 0;
        }
        if (errno != EEXIST)
            return err_errno(e, ERR_FAILED, errno, "cannot create %s", part);
    }
    return err_set(e, ERR_FAILED, "%s has %d cores of %s of this second already", folder, NAMES_MAX,
                   name);
}

int cores_open(const char *state_dir, const char *name, uint64_t bytes, struct core_file *ret,
               struct err *e)
{
    AUTO_FREE char *folder = x_asprintf("%s/cores", state_dir);

    *ret = (struct core_file){.fd = -1};
    if (fs_make_dirs(folder, 0700, e) < 0 || create(folder, name, ret, e) < 0)
        return -1;
    int64_t room = fs_free_bytes(ret->fd, e);
    if (room >= 0 && (uint64_t)room >= bytes + ROOM_BYTES)
        return 0;
    if (room >= 0)
        err_set(e, ERR_NO_SPACE, "%s has %lld MiB free, and the guest has %llu MiB of memory",
                folder, (long long)(room >> 20), (unsigned long long)(bytes >> 20));
    cores_finish(ret);
    return -1;
}

struct found {
    char *name; /* owned */
    struct timespec written;
};

static int newest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->written.tv_sec != y->written.tv_sec)
        return x->written.tv_sec < y->written.tv_sec ? 1 : -1;
    if (x->written.tv_nsec != y->written.tv_nsec)
        return x->written.tv_nsec < y->written.tv_nsec ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void prune(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct found *all = NULL;
    size_t count = 0;

    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (!str_ends(entry->d_name, ending) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        all = x_realloc(all, (count + 1) * sizeof *all);
        all[count++] = (struct found){x_strdup(entry->d_name), st.st_mtim};
    }
    if (count > 0)
        qsort(all, count, sizeof *all, newest_first);
    for (size_t i = 0; i < count; i++) {
        if (i >= CORES_KEPT && unlinkat(dirfd(dir), all[i].name, 0) < 0)
            log_warn("cannot remove the core %s/%s: %s", folder, all[i].name, strerror(errno));
        free(all[i].name);
    }
    free(all);
    if (dir)
        closedir(dir);
}

int cores_keep(struct core_file *core, struct err *e)
{
    AUTO_FREE char *part = incomplete_path(core->path);
    AUTO_FREE char *folder = NULL;

    if (fsync(core->fd) < 0)
        err_errno(e, errno == ENOSPC ? ERR_NO_SPACE : ERR_FAILED, errno, "cannot write %s", part);
    else if (rename(part, core->path) < 0)
        err_errno(e, ERR_FAILED, errno, "cannot rename %s", part);
    else
        part[0] = '\0';
    if (part[0]) {
        unlink(part);
        return -1;
    }
    close(TAKE_FD(core->fd));
    fs_split(core->path, &folder);
    prune(folder);
    return 0;
}

void cores_finish(struct core_file *core)
{
    if (core->fd >= 0) {
        AUTO_FREE char *part = incomplete_path(core->path);
        close(core->fd);
        unlink(part);
    }
    free(core->path);
    *core = (struct core_file){.fd = -1};
}

void cores_sweep(const char *state_dir)
{
    AUTO_FREE char *folder = x_asprintf("%s/cores", state_dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (str_ends(entry->d_name, incomplete))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}
