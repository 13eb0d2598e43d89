/* SPDX-License-Identifier: MIT */
#include "driver/null/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

void table_changed(struct driver_handle *h)
{
    fs_raise(h->changed_fd);
}

void table_settle(struct driver_handle *h, struct sim *s)
{
    while (sim_settle(s, clock_mono_ms()))
        table_changed(h);
}

/* The guest of this uuid (serial 0), or only the very same one as before; NULL for none. */
struct sim *table_find(struct driver_handle *h, const char *uuid, uint64_t serial)
{
    LIST_EACH (&h->guests, s, struct sim, link) {
        if (!str_eq(s->ref.uuid, uuid) || (serial != 0 && s->serial != serial))
            continue;
        table_settle(h, s);
        return s;
    }
    return NULL;
}

void table_add(struct driver_handle *h, struct sim *s)
{
    s->serial = ++h->last_serial;
    list_append(&h->guests, &s->link);
    h->guest_count++;
}

void table_drop(struct driver_handle *h, struct sim *s)
{
    list_remove(&s->link);
    h->guest_count--;
    sim_free(s);
    table_changed(h);
}

/* Puts the guest into its file. On failure it is as `before` again. */
int table_commit(struct driver_handle *h, struct sim *s, const struct sim *before, struct err *e)
{
    if (sim_store(s, h->dirfd, e) < 0) {
        struct list link = s->link;
        *s = *before;
        s->link = link; /* its neighbours may have changed since */
        return -1;
    }
    table_changed(h);
    return 0;
}

int table_set(struct driver_handle *h, struct sim *s, enum observed state, enum reason reason,
              struct err *e)
{
    struct sim before = *s;

    sim_set(s, state, reason, clock_mono_ms());
    return table_commit(h, s, &before, e);
}

/* One file of the folder. One that cannot be used is left for people to look at. */
static void load(struct driver_handle *h, const char *name)
{
    struct sim *s;
    struct err e;

    if (sim_load(h->dirfd, name, &s, &e) < 0)
        log_warn("null driver: %s is left out: %s", name, e.msg);
    else if (s)
        table_add(h, s);
    else
        unlinkat(h->dirfd, name, 0); /* it went with the host's last boot */
}

static int load_all(struct driver_handle *h, struct err *e)
{
    int fd = openat(h->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        err_errno(e, ERR_FAILED, errno, "cannot read the null driver's folder");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while ((entry = readdir(dir))) {
        if (ident_uuid_valid(entry->d_name))
            load(h, entry->d_name);
        else if (entry->d_name[0] == '.' && str_ends(entry->d_name, ".new"))
            unlinkat(h->dirfd, entry->d_name, 0); /* a write that a crash cut off */
    }
    closedir(dir);
    return 0;
}

void table_close(struct driver_handle *h)
{
    if (!h)
        return;
    LIST_EACH (&h->guests, s, struct sim, link) {
        list_remove(&s->link);
        sim_free(s);
    }
    if (h->dirfd >= 0)
        close(h->dirfd);
    if (h->changed_fd >= 0)
        close(h->changed_fd);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

int table_open(const struct driver_options *options, struct driver_handle **ret, struct err *e)
{
    AUTO_FREE char *folder = fs_join(options->run_dir, "null");

    if (fs_make_dirs(folder, 0700, e) < 0)
        return -1;
    struct driver_handle *h = x_calloc(1, sizeof *h);
    list_init(&h->guests);
    pthread_mutex_init(&h->lock, NULL);
    h->dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    h->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->dirfd < 0 || h->changed_fd < 0)
        err_errno(e, ERR_FAILED, errno, "cannot open the null driver's folder %s", folder);
    else if (load_all(h, e) == 0) {
        *ret = h;
        return 0;
    }
    table_close(h);
    return -1;
}

/* What is left of `enter` when the call itself is over. */
int table_leave(struct driver_handle *h, int r)
{
    pthread_mutex_unlock(&h->lock);
    return r;
}
