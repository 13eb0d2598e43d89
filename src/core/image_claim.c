/* SPDX-License-Identifier: MIT */
/* The names of an image on its way: NAME, NAME.spent once claimed, NAME.discarded-TIME when set
 * aside. Each step is durable when its function returns, but for image_clear's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/image_format.h"

enum { ASIDE_TRIES = 100 };

static int open_folder(const char *path, int *ret_fd, const char **ret_name, struct err *e)
{
    AUTO_FREE char *dir = NULL;
    const char *name = fs_split(path, &dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, errno == ENOENT ? ERR_NO_SUCH_IMAGE : ERR_FAILED, errno,
                         "cannot open the folder %s", dir);
    *ret_fd = fd;
    *ret_name = name;
    return 0;
}

/* 0, or -1 with errno; EEXIST when `to` is there. Not every filesystem can refuse by itself. */
static int rename_to_free(int dirfd, const char *from, const char *to)
{
    if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (faccessat(dirfd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(dirfd, from, dirfd, to);
}

static int cannot_rename(const char *path, const char *from, const char *to, struct err *e)
{
    if (errno == ENOENT)
        return err_set(e, ERR_NO_SUCH_IMAGE, "there is no image %s in the folder of %s", from,
                       path);
    return err_errno(e, errno == EEXIST ? ERR_EXISTS : ERR_FAILED, errno,
                     "cannot rename the image %s to %s in the folder of %s", from, to, path);
}

/* Makes the rename durable, or takes it back. */
static int seal(int dirfd, const char *path, const char *from, const char *to, struct err *e)
{
    if (fs_sync_dir(dirfd, path, e) == 0)
        return 0;
    (void)rename_to_free(dirfd, to, from);
    return -1;
}

int image_claim(const char *path, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    const char *name = NULL;

    if (open_folder(path, &dirfd, &name, e) < 0)
        return -1;
    AUTO_FREE char *spent = x_asprintf("%s.spent", name);
    /* An older spent image is worth nothing beside this one. */
    if (renameat(dirfd, name, dirfd, spent) < 0)
        return cannot_rename(path, name, spent, e);
    return seal(dirfd, path, name, spent, e);
}

int image_claim_settle(const char *path, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    const char *name = NULL;

    return open_folder(path, &dirfd, &name, e) < 0 ? -1 : fs_sync_dir(dirfd, path, e);
}

int image_unclaim(const char *path, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    const char *name = NULL;

    if (open_folder(path, &dirfd, &name, e) < 0)
        return -1;
    AUTO_FREE char *spent = x_asprintf("%s.spent", name);
    if (rename_to_free(dirfd, spent, name) < 0)
        return cannot_rename(path, spent, name, e);
    return seal(dirfd, path, spent, name, e);
}

int image_unlink(const char *path, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    const char *name = NULL;

    if (open_folder(path, &dirfd, &name, e) < 0)
        return e->code == ERR_NO_SUCH_IMAGE ? 0 : -1;
    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return err_errno(e, ERR_FAILED, errno, "cannot remove the image %s", path);
    return fs_sync_dir(dirfd, path, e);
}

/* A folder that stays, because others are in it or it is not ours, does no harm. */
static void remove_folder_of(const char *path)
{
    AUTO_FREE char *dir = NULL;

    fs_split(path, &dir);
    (void)rmdir(dir);
}

int image_remove(const char *path, struct err *e)
{
    int result = image_unlink(path, e);

    remove_folder_of(path);
    return result;
}

int image_clear(const char *path, struct err *e)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, ERR_FAILED, errno, "cannot remove the image %s", path);
    remove_folder_of(path);
    return 0;
}

int image_set_aside(const char *path, char **ret_path, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    const char *name = NULL;
    char when[CLOCK_TEXT_MAX];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;

    if (open_folder(path, &dirfd, &name, e) < 0)
        return -1;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
    AUTO_FREE char *aside = x_asprintf("%s.discarded-%s", name, when);
    int result = rename_to_free(dirfd, name, aside);
    for (int i = 2; result < 0 && errno == EEXIST && i < ASIDE_TRIES; i++) {
        free(aside);
        aside = x_asprintf("%s.discarded-%s-%d", name, when, i);
        result = rename_to_free(dirfd, name, aside);
    }
    if (result < 0)
        return cannot_rename(path, name, aside, e);
    if (seal(dirfd, path, name, aside, e) < 0)
        return -1;
    *ret_path = x_asprintf("%.*s%s", (int)(name - path), path, aside);
    return 0;
}
