/* SPDX-License-Identifier: MIT */
/* resume, restore: the order of steps that loses nothing (design, "Save images"). Loaded paused,
 * claimed by rename, and only then does a vCPU run; what the image says is compared with domain,
 * driver and disks before. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/image_pump.h"

enum {
    LOAD_MS = 600 * 1000,
    QUICK_MS = 15 * 1000,
    INFO_MS = 2 * 1000,
};

static int check_image(struct job *j, const struct image_header *h, const char *path, struct err *e)
{
    const char *driver = j->engine->driver->name;

    if (!str_eq(h->driver, driver))
        return err_set(e, ERR_WRONG_STATE,
                       "cannot load %s: it was saved by the %s driver, this "
                       "daemon runs the %s driver",
                       path, h->driver, driver);
    /* Where there is no uuid in it (xl's older files) it can be a new domain alone, and such a one
     * is not managed. */
    if (!h->uuid[0] && j->r->managed)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot load %s: it does not say by a uuid that it is of %s; with another "
                       "name (name=...) it can be restored",
                       path, j->r->name);
    if (h->uuid[0] && !str_eq(h->uuid, j->r->uuid))
        return err_set(e, ERR_WRONG_STATE,
                       "cannot load %s: it is of the domain with uuid %s, not "
                       "%s",
                       path, h->uuid, j->r->uuid);
    return 0;
}

static int check_disks(struct job *j, const struct image_header *h, bool may_skip, struct err *e)
{
    if (may_skip && j->args.force)
        return 0;
    if (fs_as_begin(&j->r->user, e) < 0)
        return -1;
    int result = image_disks_check(h, e);
    fs_as_end();
    return result;
}

/* For the driver: writes the memory that the image keeps beside the stream to fd. */
static int fill_memory(void *arg, int fd, uint64_t bytes, const struct op *op, struct err *e)
{
    struct image_reader *reader = arg;
    uint64_t has = image_reader_memory_bytes(reader);

    if (has != bytes)
        return err_set(e, ERR_DAMAGED, "the image has %ju KiB of memory, its config gives %ju KiB",
                       (uintmax_t)(has / 1024), (uintmax_t)(bytes / 1024));
    return image_reader_memory(reader, fd, op, e);
}

/* What the new domain's memory is: the file that the image is bound to, a new file, or none. */
static int take_memory(struct job *j, struct image_reader *reader, int *ret_fd, struct err *e)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);
    const struct image_memory_file *file = &image_reader_header(reader)->memory_file;

    return file->bound ? image_memory_open(path, file, NULL, ret_fd, e)
                       : guest_memory_make(j, ret_fd, e);
}

/* A new file is of no use without its guest; one that the image is bound to is its memory. */
static void give_memory_up(struct job *j, struct image_reader *reader)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);
    struct err ignored;

    if (!image_reader_header(reader)->memory_file.bound && access(path, F_OK) == 0 &&
        image_remove(path, &ignored) < 0)
        return; /* the next start replaces it */
}

static int load_into(struct job *j, struct image_reader *reader, int memory_fd, struct err *e)
{
    const struct driver *driver = j->engine->driver;
    struct image_pump pump = {.job = j, .reader = reader};
    AUTO_FREE char **macs = NULL;
    struct op op = op_narrow(&j->op, LOAD_MS);
    int fd;

    /* The image freezes config, folder and MACs: the record's may have changed since. */
    const struct image_header *h = image_reader_header(reader);
    bool apart = image_reader_memory_bytes(reader) > 0;
    const struct guest_memory memory = {.file_fd = memory_fd,
                                        .apart = apart || h->memory_file.bound,
                                        .fill = apart ? fill_memory : NULL,
                                        .arg = reader};
    struct create_args args =
        steps_create_args(j, h->directory ? h->directory : "/", h->macs ? h->macs : "", &macs);
    args.platform = h->platform;
    args.memory = memory.apart || memory_fd >= 0 ? &memory : NULL;
    if (driver->check(j->engine->handle, &args, e) < 0 || image_pump_start(&pump, &fd, e) < 0)
        return -1;
    job_phase(j, "loading");
    int loaded = driver->restore(j->engine->handle, &args, fd, &op, &j->obs, e);
    close(fd);
    int result = image_pump_finish(&pump, loaded, e);
    j->seen = loaded == 0;
    if (loaded == 0) {
        j->r->id = j->obs.ref.id;
        if (result < 0 || fault_point("resume.loaded", e) < 0 || op_check(&j->op, e) < 0)
            return steps_unmake(j, e);
    }
    return result;
}

/* Loads the image into a new domain, paused. On failure nothing is left. */
static int load(struct job *j, struct image_reader *reader, struct err *e)
{
    AUTO_CLOSE int memory_fd = -1;

    if (take_memory(j, reader, &memory_fd, e) < 0)
        return -1;
    int result = load_into(j, reader, memory_fd, e);
    if (result < 0)
        give_memory_up(j, reader);
    return result;
}

/* Not of a restore, whose image may come from a slow pipe. */
static int load_in_turn(struct job *j, struct image_reader *reader, struct err *e)
{
    if (job_take_place(j, e) < 0)
        return -1;
    int result = load(j, reader, e);
    job_leave_place(j);
    return result;
}

static int let_run(struct job *j, struct err *e)
{
    struct op op = op_narrow(&j->op, QUICK_MS);
    struct domain_ref ref = job_ref(j);

    j->obs.state = OBS_PAUSED;
    j->obs.reason = REASON_NONE;
    steps_console(j);
    if (j->args.paused)
        return 0;
    if (j->engine->driver->unpause(j->engine->handle, &ref, &op, e) < 0)
        return -1;
    j->obs.state = OBS_RUNNING;
    return 0;
}

/* A damaged or missing image makes the domain broken: it must not look as if it could resume. */
static void mark_broken(struct job *j, enum reason why, const struct err *e)
{
    j->r->broken = why;
    j->r->reason = why;
    x_replace(&j->r->reason_text, x_strdup(e->msg));
    j->changed = true;
}

/* No vCPU has run: the image is as good as before. A guest that ran for a moment, or does not say,
 * may have written to its disks. */
static bool stands_still(const struct job *j)
{
    struct op op = op_within(INFO_MS);
    struct domain_ref ref = job_ref(j);
    struct observation now;
    struct err e;

    return j->engine->driver->info(j->engine->handle, &ref, &op, &now, &e) == 0 &&
           now.state == OBS_PAUSED;
}

/* From the claim on, the image is never loaded again unattended: not one whose claim cannot be
 * taken back either. */
static int claim_and_run(struct job *j, const char *path, bool spent, struct err *e)
{
    struct err second;
    bool claimed = spent || image_claim(path, e) == 0;

    if (claimed && fault_point("resume.claimed", e) == 0 && let_run(j, e) == 0)
        return 0;
    bool stood = !claimed || stands_still(j);
    steps_unmake(j, e);
    if (claimed && stood && !spent && image_unclaim(path, &second) < 0)
        err_wrap(e, "%s", second.msg);
    AUTO_FREE char *spent_path = x_asprintf("%s.spent", path);
    if (!stood || (!spent && access(spent_path, F_OK) == 0))
        mark_broken(j, REASON_IMAGE_SPENT, e);
    return -1;
}

static int resume_from(struct job *j, struct image_reader *reader, const char *path, bool spent,
                       struct err *e)
{
    AUTO_FREE char *spent_path = x_asprintf("%s.spent", path);
    const struct image_header *h = image_reader_header(reader);

    /* By its time alone it cannot be known whether the disk has what the guest wrote after that. */
    if (spent && h->memory_file.bound)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot resume %s: its memory was in a file, in which it has run on since; "
                       "discard gives it up",
                       j->r->name);
    if (check_image(j, h, path, e) < 0 || check_disks(j, h, !spent, e) < 0 ||
        steps_conf(j, h->config, e) < 0)
        return -1;
    j->args.paused = j->args.paused || h->was_paused;
    config_guest_is(j, h->config, h->directory, h->macs);
    if (job_commit(j, j->args.paused ? "resuming-paused" : "resuming", path, e) < 0 ||
        fault_point("resume.intent", e) < 0)
        return -1;
    if (load_in_turn(j, reader, e) < 0) {
        if (e->code == ERR_DAMAGED)
            mark_broken(j, REASON_IMAGE_DAMAGED, e);
        return -1;
    }
    if (claim_and_run(j, path, spent, e) < 0)
        return -1;
    /* It runs: whatever fails from here on, the record must say so. */
    j->no_return = true;
    j->changed = true;
    record_forget_image(j->r);
    steps_now_live(j, j->args.paused ? REASON_PAUSED_BY_USER : REASON_RESUMED);
    j->r->id = j->obs.ref.id;
    if (fault_point("resume.running", e) < 0 || job_commit(j, "resumed", path, e) < 0 ||
        fault_point("resume.committed", e) < 0)
        return -1;
    struct err left;
    if (image_clear(spent_path, &left) < 0)
        job_warn(j, "%s runs, and its spent image is left until the next start of reeved: %s",
                 j->r->name, left.msg);
    return 0;
}

int loading_resume(struct job *j, struct err *e)
{
    AUTO_FREE char *path = x_strdup(j->r->image.path);
    AUTO_FREE char *spent_path = x_asprintf("%s.spent", path);
    bool spent = j->r->broken == REASON_IMAGE_SPENT;
    struct fs_user self = {.uid = geteuid(), .gid = getegid()};
    struct image_reader *reader = NULL;

    if (image_reader_open(spent ? spent_path : path, &self, &reader, e) < 0) {
        if (e->code == ERR_DAMAGED || e->code == ERR_NO_SUCH_IMAGE)
            mark_broken(j, e->code == ERR_DAMAGED ? REASON_IMAGE_DAMAGED : REASON_IMAGE_MISSING, e);
        return -1;
    }
    int result = resume_from(j, reader, path, spent, e);
    image_reader_free(reader);
    return result;
}

static int restore_from(struct job *j, struct image_reader *reader, struct err *e)
{
    const struct image_header *h = image_reader_header(reader);

    if (h->memory_file.bound)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot restore %s: the guest's memory is not in it but in a file of its "
                       "domain; image export writes an image that has it",
                       j->args.file);
    if (check_image(j, h, j->args.file, e) < 0 || check_disks(j, h, true, e) < 0 ||
        steps_conf(j, j->args.config ? j->args.config : h->config, e) < 0)
        return -1;
    j->args.paused = j->args.paused || h->was_paused;
    steps_now_live(j, j->args.paused ? REASON_PAUSED_BY_USER : REASON_RESTORED);
    config_guest_is(j, j->args.config ? j->args.config : h->config, h->directory, h->macs);
    if (job_commit(j, "starting", NULL, e) < 0 || load(j, reader, e) < 0)
        return -1;
    if (let_run(j, e) < 0)
        return steps_unmake(j, e);
    free(TAKE(j->r->saved_file));
    j->r->id = j->obs.ref.id;
    return 0;
}

int loading_restore(struct job *j, struct err *e)
{
    struct image_reader *reader = NULL;

    if (image_reader_open(j->args.file, &j->args.user, &reader, e) < 0)
        return -1;
    int result = image_reader_translate(reader, j->engine->driver, j->engine->handle, e);
    if (result == 0)
        result = restore_from(j, reader, e);
    image_reader_free(reader);
    if (result == 0)
        j->message = x_asprintf("restored %s from %s", j->r->name, j->args.file);
    return result;
}
