/* SPDX-License-Identifier: MIT */
/* Saves, resumes and their like that a crash cut, by what is under the image's names. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/image.h"
#include "core/job.h"
#include "core/recover.h"

enum { STEP_MS = 30 * 1000 };

static bool exists(const char *path)
{
    struct stat st;

    return path && lstat(path, &st) == 0;
}

static void unlink_logged(const char *path)
{
    if (path && unlink(path) < 0 && errno != ENOENT)
        log_error("cannot remove %s: %s", path, strerror(errno));
}

/* The folder of a domain's own images goes with the last of them. */
static void remove_empty_folder(const struct cut *c)
{
    AUTO_FREE char *managed = engine_image_path(c->g, c->job->uuid);
    AUTO_FREE char *dir = NULL;

    fs_split(managed, &dir);
    (void)rmdir(dir);
}

/* The file of its memory, when the image is without. */
static bool memory_is_there(const struct cut *c, const struct image_reader *reader)
{
    AUTO_FREE char *path = image_memory_path(c->path);
    AUTO_CLOSE int fd = -1;
    const struct image_memory_file *file = &image_reader_header(reader)->memory_file;
    struct err e;

    return !file->bound || image_memory_open(path, file, NULL, &fd, &e) == 0;
}

/* The managed one, of which the store is to know. */
static bool is_own_image(const struct cut *c)
{
    AUTO_FREE char *own = engine_image_path(c->g, c->job->uuid);

    return str_eq(c->path, own);
}

/* The image is whole (under that name, its own or as a spent one) and the guest did not survive: it
 * is what is left of it. */
static bool take_image(struct cut *c, const char *name)
{
    struct fs_user self = {.uid = geteuid(), .gid = getegid()};
    struct image_reader *reader = NULL;
    struct op op = {.cancel_fd = -1};
    struct err e;

    if (!is_own_image(c) || image_reader_open(name, &self, &reader, &e) < 0)
        return false;
    bool whole = image_reader_verify(reader, &op, &e) == 0 && memory_is_there(c, reader);
    if (whole) {
        const struct image_header *h = image_reader_header(reader);
        struct image_record *image = &c->d->r->image;
        x_replace(&image->path, x_strdup(c->path));
        image->size_bytes = image_reader_size(reader);
        image->memory_kib = h->memory_kib;
        image->saved_at_ms = h->saved_at_ms;
        image->was_paused = h->was_paused;
        str_copy(image->driver, sizeof image->driver, h->driver);
        recover_now(c, ST_SUSPENDED, REASON_SUSPENDED);
    }
    image_reader_free(reader);
    return whole;
}

static bool go_on(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct err e;
    bool paused = c->d->r->state == ST_PAUSED;

    if (c->g->driver->save_undo(c->g->handle, &c->d->obs.ref, paused, &op, &e) < 0) {
        log_error("%s: its save was cut and it could not go on: %s", c->d->r->name, e.msg);
        return false;
    }
    c->d->obs.state = paused ? OBS_PAUSED : OBS_RUNNING;
    c->d->obs.reason = REASON_NONE;
    return true;
}

/* Removes temporary files of image_writer_open for that path. */
static void remove_temporaries(const char *path)
{
    AUTO_FREE char *dir_path = NULL;
    const char *name = fs_split(path, &dir_path);
    DIR *dir = opendir(dir_path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (image_is_temporary_of(name, entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

void recover_images_opening(struct cut *c)
{
    if (c->path)
        remove_temporaries(c->path);
}

/* What is under that name is this save's image, and not an older one that it was to replace: the
 * temporary may be gone without a rename too, since a save that fails removes it. */
static bool is_image(const struct cut *c, const char *name)
{
    struct stat st;

    return name && lstat(name, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == c->inode;
}

/* A whole image beside a guest that goes on is an old state of it; one beside a guest that does not
 * may be all that is left. Ours is spent before, as in take_back (saving.c). */
static void go_on_without(struct cut *c, bool renamed, bool claimed, const char *spent)
{
    struct err e;

    if (renamed && is_own_image(c))
        claimed = image_claim(c->path, &e) == 0;
    if (go_on(c) && (renamed || claimed))
        unlink_logged(claimed ? spent : c->path);
    else if (claimed && image_unclaim(c->path, &e) < 0)
        log_error("%s: %s", c->job->name, e.msg);
}

void recover_images_saving(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);
    bool renamed = is_image(c, c->path), claimed = is_image(c, spent);

    unlink_logged(c->temporary);
    if (recover_alive(c)) {
        go_on_without(c, renamed, claimed, spent);
        remove_empty_folder(c);
        return;
    }
    remove_empty_folder(c);
    if (!c->d)
        return;
    if (c->d->seen)
        recover_end_guest(c);
    if ((renamed || claimed) && take_image(c, renamed ? c->path : spent))
        return;
    if (renamed)
        x_replace(&c->d->r->saved_file, x_strdup(c->path));
    recover_now(c, ST_HALTED, renamed ? REASON_SAVED : REASON_HOST_REBOOTED);
    recover_removed(c);
}

void recover_images_checkpointing(struct cut *c)
{
    unlink_logged(c->temporary);
    if (recover_alive(c))
        go_on(c);
}

/* A commit that failed may be on the disk all the same: its guest went on, and its image was
 * removed. */
void recover_images_letting_go(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    if (!recover_alive(c) || !is_own_image(c) || exists(c->path)) {
        recover_end_guest(c);
        return;
    }
    struct record *r = c->d->r;
    r->state = r->image.was_paused ? ST_PAUSED : ST_RUNNING;
    free(r->image.path);
    r->image = (struct image_record){0};
    recover_now(c, r->state, r->state == ST_PAUSED ? REASON_PAUSED_BY_USER : REASON_RESUMED);
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    if (go_on(c))
        unlink_logged(spent);
    remove_empty_folder(c);
}

void recover_images_resuming(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    if (!c->d)
        return;
    if (!recover_alive(c) || c->d->obs.state == OBS_BUSY || exists(c->path)) {
        /* Not claimed or not loaded: no vCPU has run, the image is as it was. Claimed and no
         * guest: the look at images, later, finds it spent. With neither of its names there it was
         * claimed, and a start before this one was cut after it had removed what was spent. */
        recover_end_guest(c);
        return;
    }
    struct record *r = c->d->r;
    struct err e;
    bool paused = str_eq(c->job->phase, "resuming-paused");
    if (c->d->obs.state == OBS_PAUSED && image_claim_settle(c->path, &e) < 0) {
        log_error("%s: %s", c->job->name, e.msg);
        recover_end_guest(c);
        return;
    }
    bool stands = c->d->obs.state == OBS_PAUSED && !paused;
    if (c->d->obs.state == OBS_UNKNOWN || (stands && !recover_let_run(c))) {
        /* Nobody tells whether a vCPU has run, nor whether what was seen still stands. `wanted`
         * stays: its end is followed by no boot. */
        c->d->obs.state = OBS_UNKNOWN;
        r->broken = r->reason = REASON_IMAGE_SPENT;
        free(TAKE(r->reason_text));
        c->note = x_strdup("its guest does not answer, so its image is kept, spent");
        return;
    }
    record_forget_image(r);
    recover_now(c, paused ? ST_PAUSED : ST_RUNNING, REASON_RESUMED);
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    unlink_logged(spent);
    remove_empty_folder(c);
}

void recover_images_resumed(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    unlink_logged(spent);
    remove_empty_folder(c);
}

void recover_images_discarding(struct cut *c)
{
    unlink_logged(c->path);
    remove_empty_folder(c);
}

void recover_images_setting_aside(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);
    AUTO_FREE char *kept = NULL;
    const char *there = exists(spent) ? spent : c->path;
    struct err e;

    if (exists(there) && image_set_aside(there, &kept, &e) < 0)
        log_error("%s: %s", c->job->name, e.msg);
    AUTO_FREE char *memory = image_memory_path(c->path);
    AUTO_FREE char *memory_kept = NULL;
    if (exists(memory) && image_set_aside(memory, &memory_kept, &e) < 0)
        log_error("%s: %s", c->job->name, e.msg);
}

void recover_images_look(struct engine *g, struct domain *d)
{
    struct record *r = d->r;
    AUTO_FREE char *spent = x_asprintf("%s.spent", r->image.path);
    enum reason broken = exists(r->image.path) ? REASON_NONE
                         : exists(spent)       ? REASON_IMAGE_SPENT
                                               : REASON_IMAGE_MISSING;

    if (broken == r->broken || r->broken == REASON_IMAGE_DAMAGED ||
        r->broken == REASON_RECORD_DAMAGED || r->broken == REASON_CONFIG_UNREADABLE)
        return;
    r->broken = broken;
    r->reason = broken ? broken : REASON_SUSPENDED;
    free(TAKE(r->reason_text));
    r->state = engine_state(g, d);
    engine_changed(g, d, state_name(r->state), reason_text(r->reason));
}

/* A used image is there when its job failed, or the host went, before it was removed. */
void recover_images_sweep(struct engine *g, const struct domain *d)
{
    AUTO_FREE char *path = engine_image_path(g, d->r->uuid);
    AUTO_FREE char *spent = x_asprintf("%s.spent", path);
    AUTO_FREE char *dir = NULL;
    struct err e;

    fs_split(path, &dir);
    if (!exists(dir))
        return;
    remove_temporaries(path);
    if (!d->r->image.path && !d->r->broken && exists(spent) && image_unlink(spent, &e) < 0)
        log_error("%s: %s", d->r->name, e.msg);
    (void)rmdir(dir); /* only when it is empty */
}

void recover_images_sweep_memory(struct engine *g)
{
    AUTO_FREE char *path = x_asprintf("%s/images", g->state_dir);
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct err e;

    while (dir && (entry = readdir(dir))) {
        const struct domain *d = engine_by_uuid(g, entry->d_name);
        AUTO_FREE char *memory = guest_memory_path(g, entry->d_name);
        AUTO_FREE char *image = engine_image_path(g, entry->d_name);
        AUTO_FREE char *spent = x_asprintf("%s.spent", image);
        if (entry->d_name[0] == '.' || (d && (d->seen || d->r->image.path)) || !exists(memory))
            continue;
        /* An image of which no record tells, since that is lost or damaged, has its memory there.
         */
        if (exists(image) || exists(spent))
            continue;
        if (image_remove(memory, &e) < 0)
            log_error("%s", e.msg);
    }
    if (dir)
        closedir(dir);
}
