/* SPDX-License-Identifier: MIT */
/* At start, before anything else happens: the jobs that a crash cut are finished or undone, by
 * their intent, by what the driver has and by what is on the disk; and what the end of the host
 * did to the rest is noted. It runs on the loop thread before the loop does and may block. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cores.h"
#include "core/image.h"
#include "core/job.h"

enum { STEP_MS = 30 * 1000 };

/* One cut job and its domain; d is NULL when the record is gone. */
struct cut {
    struct engine *g;
    const struct job_record *job;
    struct domain *d;
    char *temporary; /* owned; of an image; NULL */
    char *path;      /* owned; the image's final name; NULL */
    uint64_t inode;  /* of the image, by whatever name */
    char *note;      /* owned; what people should know of the outcome; NULL */
    bool restart;    /* it is on its way to be booted again, and its end is not told yet */
};

static bool exists(const char *path)
{
    struct stat st;

    return path && lstat(path, &st) == 0;
}

static void now(struct cut *c, enum state wanted, enum reason reason)
{
    struct record *r = c->d->r;

    r->wanted = wanted;
    r->reason = reason;
    free(TAKE(r->reason_text));
    r->since_ms = clock_wall_ms();
}

/* Destroys what the driver has of it, half-made or whole. */
static void end_guest(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct domain_ref ref = {0};
    struct err e;

    str_copy(ref.uuid, sizeof ref.uuid, c->job->uuid);
    str_copy(ref.name, sizeof ref.name, c->job->name);
    if (c->d && c->d->seen)
        ref.id = c->d->obs.ref.id;
    if (c->g->driver->destroy(c->g->handle, &ref, &op, &e) < 0)
        log_error("%s: %s", c->job->name, e.msg);
    else if (c->d)
        c->d->seen = false;
}

/* Of a domain that is no more. */
static void forget(struct engine *g, const char *uuid)
{
    struct err e;

    if (g->driver->forget && g->driver->forget(g->handle, uuid, &e) < 0)
        log_error("%s", e.msg);
}

static void removed(struct cut *c)
{
    if (c->d && !c->d->r->managed && !c->d->seen)
        c->d->forming = true; /* finish() takes it out of table and store */
}

static void let_run(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct domain *d = c->d;
    struct err e;

    if (c->g->driver->unpause(c->g->handle, &d->obs.ref, &op, &e) < 0) {
        log_error("%s: its %s was cut and it could not run on: %s", d->r->name, c->job->verb,
                  e.msg);
        return;
    }
    d->obs.state = OBS_RUNNING;
    d->obs.reason = REASON_NONE;
}

/* One that a user had paused and host-stop let run for its suspend: it stands again. */
static void let_stand(struct engine *g, struct domain *d)
{
    struct op op = op_within(STEP_MS);
    struct err e;

    d->r->host_resume = d->r->host_paused = false;
    if (g->driver->pause(g->handle, &d->obs.ref, &op, &e) < 0) {
        log_error("%s: it was paused before host-stop, and cannot be paused again: %s", d->r->name,
                  e.msg);
        return;
    }
    d->obs.state = OBS_PAUSED;
    d->r->wanted = ST_PAUSED;
    d->r->state = engine_state(g, d);
    d->r->reason = REASON_PAUSED_BY_USER;
    engine_changed(g, d, "paused", "host-stop was cut; it is paused as it was");
}

/* start, create, restore: all of it or nothing of it. */
static void cut_starting(struct cut *c)
{
    struct domain *d = c->d;

    if (!d)
        return;
    bool built = d->seen && d->obs.state != OBS_BUSY && d->obs.state != OBS_DEAD;
    /* A restored one stands still until it is let run for the first time. */
    if (built && str_eq(c->job->verb, "restore") && d->obs.state == OBS_PAUSED &&
        d->obs.reason != REASON_IO_ERROR && d->r->wanted == ST_RUNNING)
        let_run(c);
    bool as_wanted = built && (d->obs.state != OBS_PAUSED || d->r->wanted == ST_PAUSED ||
                               d->obs.reason != REASON_CREATED_PAUSED);
    if (as_wanted)
        return;
    end_guest(c);
    d->r->host_boot[0] = '\0'; /* host-start is to try again */
    now(c, ST_HALTED, REASON_START_FAILED);
    removed(c);
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
        now(c, ST_SUSPENDED, REASON_SUSPENDED);
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

static bool alive(const struct cut *c)
{
    return c->d && c->d->seen && c->d->obs.state != OBS_DEAD;
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

/* save to a file, before anything was written. */
static void cut_opening(struct cut *c)
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

/* save, suspend before the store knew the image: the guest goes on; without a guest the image is
 * taken when it is whole. */
static void cut_saving(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);
    bool renamed = is_image(c, c->path), claimed = is_image(c, spent);

    unlink_logged(c->temporary);
    if (alive(c)) {
        go_on_without(c, renamed, claimed, spent);
        remove_empty_folder(c);
        return;
    }
    remove_empty_folder(c);
    if (!c->d)
        return;
    if (c->d->seen)
        end_guest(c);
    if ((renamed || claimed) && take_image(c, renamed ? c->path : spent))
        return;
    if (renamed)
        x_replace(&c->d->r->saved_file, x_strdup(c->path));
    now(c, ST_HALTED, renamed ? REASON_SAVED : REASON_HOST_REBOOTED);
    removed(c);
}

static void cut_checkpointing(struct cut *c)
{
    unlink_logged(c->temporary);
    if (alive(c))
        go_on(c);
}

/* The store has the image, or the record is gone to a file: the guest is to be let go. A commit
 * that failed may be on the disk all the same: its guest went on, and its image was removed. */
static void cut_letting_go(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    if (!alive(c) || !is_own_image(c) || exists(c->path)) {
        end_guest(c);
        return;
    }
    struct record *r = c->d->r;
    r->state = r->image.was_paused ? ST_PAUSED : ST_RUNNING;
    free(r->image.path);
    r->image = (struct image_record){0};
    now(c, r->state, r->state == ST_PAUSED ? REASON_PAUSED_BY_USER : REASON_RESUMED);
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    if (go_on(c))
        unlink_logged(spent);
    remove_empty_folder(c);
}

static void cut_resuming(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    if (!c->d)
        return;
    if (!alive(c) || c->d->obs.state == OBS_BUSY || !exists(spent)) {
        /* Not claimed or not loaded: no vCPU has run, the image is as it was. Claimed and no
         * guest: the look at images, later, finds it spent. */
        end_guest(c);
        return;
    }
    struct record *r = c->d->r;
    struct err e;
    bool paused = str_eq(c->job->phase, "resuming-paused");
    if (c->d->obs.state == OBS_PAUSED && image_claim_settle(c->path, &e) < 0) {
        log_error("%s: %s", c->job->name, e.msg);
        end_guest(c);
        return;
    }
    if (!paused && c->d->obs.state == OBS_PAUSED)
        let_run(c);
    free(r->image.path);
    r->image = (struct image_record){0};
    r->broken = REASON_NONE;
    now(c, paused ? ST_PAUSED : ST_RUNNING, REASON_RESUMED);
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    unlink_logged(spent);
    remove_empty_folder(c);
}

/* The store says that it runs; only the spent image may be left. */
static void cut_resumed(struct cut *c)
{
    AUTO_FREE char *spent = x_asprintf("%s.spent", c->path);

    unlink_logged(spent);
    remove_empty_folder(c);
}

static bool lived_in_this_boot(const struct domain *d)
{
    return str_eq(d->r->boot_id, clock_boot_id());
}

static void cut_destroying(struct cut *c)
{
    end_guest(c);
    if (c->d) {
        now(c, ST_HALTED, REASON_DESTROYED);
        removed(c);
    }
}

/* A reset that was half done leaves the guest standing where it was not paused. */
static void cut_resetting(struct cut *c)
{
    const struct domain *d = c->d;

    if (d && d->seen && d->obs.state == OBS_PAUSED && d->obs.reason != REASON_IO_ERROR &&
        d->r->wanted == ST_RUNNING)
        let_run(c);
}

static void cut_rebooting(struct cut *c)
{
    struct op op = op_within(STEP_MS);
    struct err e;

    cut_resetting(c);
    if (!c->d || !c->d->seen || c->d->obs.state != OBS_SHUTDOWN)
        return;
    if (c->g->driver->reset(c->g->handle, &c->d->obs.ref, &op, &e) < 0)
        log_error("%s: its reboot was cut and could not be finished: %s", c->d->r->name, e.msg);
    else
        c->d->obs.state = OBS_RUNNING;
}

static void finish_aside(struct engine *g, const struct domain *aside)
{
    struct op op = op_within(STEP_MS);
    struct err e;

    if (g->driver->set_aside(g->handle, &aside->obs.ref, &aside->obs.ref, &op, &e) < 0)
        log_error("%s: %s", aside->r->name, e.msg);
}

/* What was to be left of it under another name, when it still has its own: nothing of that. */
static void forget_aside(struct cut *c)
{
    struct domain *aside = c->path ? engine_by_uuid(c->g, c->path) : NULL;
    struct store_batch *b;

    if (!aside)
        return;
    if (aside->seen) {
        finish_aside(c->g, aside);
        return;
    }
    b = store_batch_new();
    store_delete_domain(b, aside->r->uuid);
    engine_submit(c->g, b, engine_event_new(aside, NULL, NULL, "forgotten", "it was never made"));
    engine_remove(c->g, aside);
}

/* An ended guest that was to be booted again, and is, at whatever point that was cut. */
static void cut_restarting(struct cut *c)
{
    struct domain *d = c->d;

    forget_aside(c);
    if (!d || !lived_in_this_boot(d))
        return;
    bool ended = d->seen && (d->obs.state == OBS_SHUTDOWN || d->obs.state == OBS_CRASHED ||
                             d->obs.state == OBS_DEAD);
    bool unborn = d->seen && (d->obs.state == OBS_BUSY || (d->obs.state == OBS_PAUSED &&
                                                           d->obs.reason == REASON_CREATED_PAUSED));
    if (unborn)
        end_guest(c);
    if (d->seen && !ended)
        cut_resetting(c);
    c->restart = ended || !d->seen;
    if (ended && d->obs.state != OBS_DEAD) {
        /* Its end is told and counted, and its boot is due: whether or not it waited for that. */
        d->r->state = engine_state(c->g, d);
        d->r->restart_at_ms = clock_mono_ms();
    }
}

/* The store was committed and only a file is left to remove. */
static void cut_discarding(struct cut *c)
{
    unlink_logged(c->path);
    remove_empty_folder(c);
}

/* The same with an image that could not be used: it may be all that is left. */
static void cut_setting_aside(struct cut *c)
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

/* mem-set, vcpu-set, attach, detach: the guest has it and the record is to have it, or neither. */
static void cut_changing(struct cut *c)
{
    if (c->d && alive(c))
        resources_cut(c->g, c->d, c->job->intent_path, &c->note);
}

/* The record is gone and its last traces may not be. */
static void cut_deleted(struct cut *c)
{
    if (!c->d)
        forget(c->g, c->job->uuid);
}

/* It has powered off, and what is left of it was to be let go. */
static void cut_shut_down(struct cut *c)
{
    end_guest(c);
    now(c, ST_HALTED, REASON_SHUT_DOWN);
    removed(c);
}

/* The guest runs on and has not powered off: what was asked of it is over. */
static void cut_shutting_down(struct cut *c)
{
    if (alive(c) && c->d->obs.state == OBS_RUNNING)
        c->d->r->wanted = ST_RUNNING;
    else if (alive(c) && c->d->obs.state == OBS_SHUTDOWN &&
             c->d->obs.reason == REASON_GUEST_POWEROFF)
        cut_shut_down(c);
    else if (c->d && !c->d->seen && lived_in_this_boot(c->d))
        now(c, ST_HALTED, REASON_SHUT_DOWN);
}

/* recover_all pauses it again. */
static void cut_unpausing(struct cut *c)
{
    c->note = x_strdup("host-stop had let it run for its suspend");
}

static const struct {
    const char *intent;
    void (*recover)(struct cut *c);
} intents[] = {
    {"starting",        cut_starting     },
    {"opening",         cut_opening      },
    {"dumping",         cut_opening      },
    {"saving",          cut_saving       },
    {"checkpointing",   cut_checkpointing},
    {"letting-go",      cut_letting_go   },
    {"resuming",        cut_resuming     },
    {"resuming-paused", cut_resuming     },
    {"resumed",         cut_resumed      },
    {"destroying",      cut_destroying   },
    {"rebooting",       cut_rebooting    },
    {"resetting",       cut_resetting    },
    {"restarting",      cut_restarting   },
    {"discarding",      cut_discarding   },
    {"setting-aside",   cut_setting_aside},
    {"deleted",         cut_deleted      },
    {"shutting-down",   cut_shutting_down},
    {"changing",        cut_changing     },
    {"unpausing",       cut_unpausing    },
};

static void finish(struct cut *c)
{
    struct store_batch *b = store_batch_new();
    struct job_record *job = job_record_copy(c->job);
    struct domain *d = c->d;

    /* One that has ended, by whatever: a transient domain is gone with it. A managed one that was
     * wanted alive keeps its state until recover_all has found out why it is not. */
    bool missed = d && !d->seen && !d->r->image.path && !d->r->broken && !c->restart;
    if (missed)
        removed(c);
    missed = missed && (d->r->wanted == ST_RUNNING || d->r->wanted == ST_PAUSED);
    job->outcome = JOB_INTERRUPTED;
    job->ended_ms = clock_wall_ms();
    store_put_job(b, job);
    if (d && d->forming) {
        store_delete_domain(b, d->r->uuid);
    } else if (d) {
        if (!missed && !c->restart)
            d->r->state = engine_state(c->g, d);
        store_put_domain(b, d->r);
    }
    AUTO_FREE char *text =
        x_asprintf("%s was cut by the end of the daemon; %s is %s now%s%s", job->verb, job->name,
                   d && !d->forming ? state_name(engine_state(c->g, d)) : "absent",
                   c->note ? "; " : "", c->note ? c->note : "");
    log_info("%s", text);
    engine_submit(c->g, b, engine_event_new(d, job->actor, job->verb, "interrupted", text));
    if (d && d->forming) {
        forget(c->g, d->r->uuid);
        engine_remove(c->g, d);
    }
    job_record_free(job);
}

/* With a body it is due, or (a dead process) it ends anew; reconcile sees to both. */
static void restart_gone(struct cut *c)
{
    struct job_args args = {.action = CONF_RESTART};

    if (c->restart && !c->d->seen)
        job_start_unasked(c->g, c->d, &job_kind_restart, &args, NULL);
}

/* One path, or what image_writer_intent gave. */
static void read_intent(struct cut *c)
{
    AUTO_FREE char *text = x_strdup(c->job->intent_path);
    char *rest = text;
    const char *first = strsep(&rest, "\n"), *second = strsep(&rest, "\n");

    c->temporary = second ? x_strdup(first) : NULL;
    c->path = x_strdup(second ? second : first);
    c->inode = rest ? strtoull(rest, NULL, 10) : 0;
}

static void recover_job(struct engine *g, const struct job_record *job)
{
    struct cut c = {.g = g, .job = job, .d = engine_by_uuid(g, job->uuid)};

    read_intent(&c);
    for (size_t i = 0; i < ARRAY_LEN(intents); i++)
        if (str_eq(intents[i].intent, job->phase))
            intents[i].recover(&c);
    finish(&c);
    restart_gone(&c);
    free(c.temporary);
    free(c.note);
    free(c.path);
}

/* The image of a suspended domain: still there, and not spent? */
static void look_at_image(struct engine *g, struct domain *d)
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

/* In the folder of its images: temporary files, which no job writes any more; and an image that was
 * used, when the record does not need it: the job that used it failed before it could remove it. */
static void sweep_images(struct engine *g, const struct domain *d)
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

/* Files of guests' memory whose guests are gone, with the host or behind our back; also of domains
 * that there are not any more. */
static void sweep_memory(struct engine *g)
{
    AUTO_FREE char *path = x_asprintf("%s/images", g->state_dir);
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct err e;

    while (dir && (entry = readdir(dir))) {
        const struct domain *d = engine_by_uuid(g, entry->d_name);
        AUTO_FREE char *memory = guest_memory_path(g, entry->d_name);
        if (entry->d_name[0] == '.' || (d && (d->seen || d->r->image.path)) || !exists(memory))
            continue;
        if (image_remove(memory, &e) < 0)
            log_error("%s", e.msg);
    }
    if (dir)
        closedir(dir);
}

void recover_all(struct engine *g, const struct store_contents *contents)
{
    cores_sweep(g->state_dir);
    for (size_t i = 0; i < contents->unfinished_count; i++)
        recover_job(g, contents->unfinished[i]);
    LIST_EACH (&g->domains, d, struct domain, link) {
        bool lived = d->r->wanted == ST_RUNNING || d->r->wanted == ST_PAUSED ||
                     d->r->state == ST_RUNNING || d->r->state == ST_PAUSED;
        if (d->r->image.path && !d->seen)
            look_at_image(g, d);
        if (d->r->host_paused && d->seen && d->obs.state == OBS_RUNNING && !d->r->image.path)
            let_stand(g, d);
        sweep_images(g, d);
        if (!d->seen && !d->r->managed)
            forget(g, d->r->uuid); /* and its record goes now */
        if (!d->seen && lived && !str_eq(d->r->boot_id, clock_boot_id()))
            reconcile_gone(g, d, REASON_HOST_REBOOTED);
        else if (!d->job)
            reconcile(g, d);
    }
    sweep_memory(g);
}
