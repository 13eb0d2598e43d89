/* SPDX-License-Identifier: MIT */
#include "driver/xen/logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* libxl's XEN_LOG_DIR and the names in it (libxl_dm.c, libxl__create_qemu_logfile). */
#define FOLDER "/var/log/xen"
#define PREFIX "qemu-dm-"
#define SUFFIX ".log"

/* Beside what libxl keeps of the domain; it goes with that. */
#define MARK "reeve-log"

void logs_mark(struct session *s, uint32_t domid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/libxl/%u/" MARK, domid);
    if (!xs_write(s->xs, XBT_NULL, path, name, (unsigned)strlen(name)))
        log_error("%s: the log of its device model is not bounded: xenstored does not keep %s: %s",
                  name, path, strerror(errno));
}

int logs_watch(struct err *e)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd >= 0 && inotify_add_watch(fd, FOLDER, IN_MODIFY | IN_ONLYDIR) >= 0)
        return fd;
    err_errno(e, ERR_FAILED, errno, "cannot watch " FOLDER);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Does a domain that lives have it, and is it ours? */
static bool is_marked(struct session *s, const char *name)
{
    unsigned count = 0, len;
    bool found = false;
    char **ids = xs_directory(s->xs, XBT_NULL, "/libxl", &count);

    for (unsigned i = 0; i < count && !found; i++) {
        char path[64];
        snprintf(path, sizeof path, "/libxl/%.10s/" MARK, ids[i]);
        AUTO_FREE char *mark = xs_read(s->xs, XBT_NULL, path, &len);
        found = mark && str_eq(mark, name);
    }
    free(ids);
    return found;
}

/* QEMU appends (O_APPEND), so what it says next comes after what is kept. What it says in between
 * may be lost. */
static int cut(int fd, off_t size, struct err *e)
{
    AUTO_FREE char *end = x_malloc(LOGS_KEPT);
    ssize_t len = pread(fd, end, LOGS_KEPT, size - LOGS_KEPT);
    AUTO_FREE char *head =
        x_asprintf("[reeved: cut here, since the log was longer than %d bytes]\n", (int)LOGS_MAX);

    if (len < 0 || ftruncate(fd, 0) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot cut it");
    if (fs_write_all(fd, head, strlen(head), "it", e) < 0)
        return -1;
    return fs_write_all(fd, end, (size_t)len, "it", e);
}

static void bound(struct session *s, int dirfd, const char *file)
{
    AUTO_FREE char *name = x_strdup(file + strlen(PREFIX));
    struct stat st;
    struct err e;

    name[strlen(name) - strlen(SUFFIX)] = '\0';
    if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size <= LOGS_MAX || !is_marked(s, name))
        return;
    AUTO_CLOSE int fd = openat(dirfd, file, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        err_errno(&e, ERR_FAILED, errno, "cannot open it");
    if (fd < 0 || cut(fd, st.st_size, &e) < 0)
        log_error("%s: its device model's log, " FOLDER "/%s, is too long: %s", name, file, e.msg);
    else
        log_info("%s: its device model had said %lld bytes; the last %d are kept", name,
                 (long long)st.st_size, (int)LOGS_KEPT);
}

void logs_bound(struct session *s, int fd)
{
    char told[4096];
    struct dirent *entry;
    DIR *dir = opendir(FOLDER);

    /* What is told is no more than a reason to look; a guest may make it more than can be read. */
    for (int i = 0; i < 64 && read(fd, told, sizeof told) > 0; i++)
        continue;
    while (dir && (entry = readdir(dir))) {
        const char *file = entry->d_name;
        if (strlen(file) > strlen(PREFIX SUFFIX) && str_starts(file, PREFIX) &&
            str_ends(file, SUFFIX))
            bound(s, dirfd(dir), file);
    }
    if (dir)
        closedir(dir);
}
