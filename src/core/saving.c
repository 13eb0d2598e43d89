/* SPDX-License-Identifier: MIT */
/* save, suspend: the order of steps that loses nothing (design, "Save images"). Space reserved,
 * stream written, guest standing, disks looked at, image durable under its name, store committed,
 * and only then is the guest let go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/image_pump.h"

enum {
    UNDO_MS = 30 * 1000,
    SPACE_SLACK = 32 * 1024 * 1024, /* device state and framing, beside the memory */
    SPACE_WAIT_MS = 10 * 60 * 1000, /* for space that others hold, who may be stuck */
    SPACE_LOOK_MS = 250,            /* between two looks for it */
};

static int look_at_disks(struct job *j, struct image_disk **ret, size_t *ret_count, struct err *e)
{
    size_t count = 0;
    struct image_disk *disks = x_calloc(j->conf->disk_count + 1, sizeof *disks);

    if (fs_as_begin(&j->r->user, e) < 0) {
        free(disks);
        return -1;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < j->conf->disk_count; i++) {
        const struct conf_disk *disk = &j->conf->disks[i];
        if (!disk->target)
            continue;
        AUTO_FREE char *path = fs_join(record_live_directory(j->r), disk->target);
        result = image_disk_look(path, disk->read_only, &disks[count], e);
        count += result == 0;
    }
    fs_as_end();
    *ret = disks;
    *ret_count = count;
    return result;
}

static void free_disks(struct image_disk *disks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_disk_finish(&disks[i]);
    free(disks);
}

static int write_header(struct job *j, struct image_writer *w, struct err *e)
{
    const struct driver *driver = j->engine->driver;
    struct domain_ref ref = job_ref(j);
    struct utsname host;
    struct image_header h = {.saved_at_ms = clock_wall_ms(),
                             .memory_kib = j->obs.memory_kib,
                             .was_paused = j->obs.state == OBS_PAUSED};

    if (driver->platform(j->engine->handle, &ref, &h.platform, e) < 0)
        return -1;
    uname(&host);
    h.driver = x_strdup(driver->name);
    h.driver_version = x_strdup(REEVE_VERSION);
    str_copy(h.uuid, sizeof h.uuid, j->r->uuid);
    h.name = x_strdup(j->r->name);
    h.config = x_strdup(record_live_config(j->r));
    h.directory = x_strdup(record_live_directory(j->r));
    h.macs = x_strdup(record_live_macs(j->r));
    h.host = x_strdup(host.nodename);
    h.boot_id = x_strdup(clock_boot_id());
    int result = image_writer_header(w, &h, e);
    image_header_finish(&h);
    return result;
}

/* What a save file of xl has there. */
static int write_xl_header(struct job *j, struct image_writer *w, struct err *e)
{
    AUTO_FREE char **macs = NULL;
    struct create_args args =
        steps_create_args(j, record_live_directory(j->r), record_live_macs(j->r), &macs);

    return image_writer_xl(w, &args, j->engine->driver, j->engine->handle, e);
}

static int go_on_in_place(struct job *j, struct err *e)
{
    struct op op = op_within(UNDO_MS);
    struct domain_ref ref = job_ref(j);

    if (atomic_load(&j->abandoned))
        return err_set(e, ERR_CANCELLED, "a destroy went past this, and what lives now is newer");
    return j->engine->driver->save_undo(j->engine->handle, &ref, j->obs.state == OBS_PAUSED, &op,
                                        e);
}

/* The guest goes on in place after *e; a second failure is added to it. */
static int guest_goes_on(struct job *j, struct err *e)
{
    struct err second;

    if (go_on_in_place(j, &second) < 0)
        err_set(e, e->code, "%s; and the guest could not go on: %s", e->msg, second.msg);
    return -1;
}

/* How the driver has saved. */
struct saved {
    int memory_fd; /* owned; -1: the memory is in the stream */
    uint64_t memory_bytes;
    int64_t stopped_ms; /* since when the guest stands still (monotonic) */
    bool in_place;      /* memory_fd is the file that stays, and is bound to the image */
};

/* The driver's part. A checkpoint is taken while the guest runs, where the driver can; else the
 * memory is read beside the stream, where it can; the stream alone is the way that each has. */
static int save_state(struct job *j, int fd, struct saved *ret, struct err *e)
{
    const struct driver *driver = j->engine->driver;
    struct driver_handle *h = j->engine->handle;
    struct domain_ref ref = job_ref(j);

    *ret = (struct saved){.memory_fd = -1, .stopped_ms = clock_mono_ms()};
    if (j->args.checkpoint && driver->save_live && j->obs.state == OBS_RUNNING) {
        int result = driver->save_live(h, &ref, fd, &j->op, &ret->stopped_ms, e);
        if (result == 0 || e->code != ERR_UNSUPPORTED)
            return result;
        job_warn(j, "%s stands still while it is saved: %s", j->r->name, e->msg);
        ret->stopped_ms = clock_mono_ms();
    }
    if (driver->save_apart) {
        int result =
            driver->save_apart(h, &ref, fd, &j->op, &ret->memory_fd, &ret->memory_bytes, e);
        if (result == 0 || e->code != ERR_UNSUPPORTED)
            return result;
        job_warn(j, "the memory of %s goes through the driver's stream, which is slower: %s",
                 j->r->name, e->msg);
    }
    return driver->save(h, &ref, fd, &j->op, e);
}

/* The memory is in a file that stays: it is made durable and known again by what it is now. */
static int bind_memory(struct image_writer *w, int fd, struct err *e)
{
    struct image_memory_file file;

    if (fsync(fd) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot sync the file of the guest's memory");
    if (image_memory_look(fd, &file, e) < 0)
        return -1;
    image_writer_bind(w, &file);
    return 0;
}

/* What is read while the guest stands still: its memory, unless the stream has it, and its disks.
 */
static int write_rest(struct job *j, struct image_writer *w, const struct saved *saved,
                      struct err *e)
{
    struct image_disk *disks = NULL;
    size_t count = 0;
    int result = 0;

    if (saved->in_place)
        result = bind_memory(w, saved->memory_fd, e);
    else if (saved->memory_fd >= 0)
        result = image_writer_memory(w, saved->memory_fd, saved->memory_bytes, &j->op, e);
    if (result == 0)
        result = op_check(&j->op, e);
    if (result == 0)
        result = fault_point("save.stopped", e);
    if (result == 0 && !j->args.as_xl)
        result = look_at_disks(j, &disks, &count, e);
    if (result == 0)
        result = image_writer_disks(w, disks, count, e);
    free_disks(disks, count);
    return result;
}

/* Nothing of a checkpoint is left to be read: the guest goes on before the disk has it. When it
 * cannot, the image may be all that is left of it. */
static int finish_checkpoint(struct job *j, struct image_writer *w, const struct saved *saved,
                             uint64_t *ret_size, struct err *e)
{
    struct err stuck;
    int went_on = go_on_in_place(j, &stuck);

    if (j->obs.state == OBS_RUNNING) {
        j->details = json_object();
        json_set_int(j->details, "stopped_ms", clock_mono_ms() - saved->stopped_ms);
    }
    int result = image_writer_finish(w, ret_size, &j->op, e);
    if (went_on == 0)
        return result;
    if (result == 0)
        return err_set(e, stuck.code, "the guest could not go on: %s; its state is in %s",
                       stuck.msg, j->args.file);
    return err_wrap(e, "the guest could not go on: %s", stuck.msg);
}

/* Until the image is durable under its name. On failure the guest is as it was and there is no
 * new file; on success it stands still, after a checkpoint it goes on. */
static int write_image(struct job *j, struct image_writer *w, bool in_place, uint64_t *ret_size,
                       struct err *e)
{
    struct image_pump pump = {.job = j, .writer = w};
    struct saved saved;
    int fd;

    if ((j->args.as_xl ? write_xl_header(j, w, e) : write_header(j, w, e)) < 0 ||
        image_pump_start(&pump, &fd, e) < 0)
        return -1;
    job_phase(j, "saving");
    int done = save_state(j, fd, &saved, e);
    UNUSED AUTO_CLOSE int memory_fd = saved.memory_fd; /* closed on every way out */
    close(fd);
    int result = image_pump_finish(&pump, done, e);
    if (done < 0)
        return -1;
    saved.in_place = in_place && guest_memory_is(j, memory_fd);
    if (result < 0 || write_rest(j, w, &saved, e) < 0)
        return guest_goes_on(j, e);
    job_phase(j, "syncing");
    if (j->args.checkpoint)
        return finish_checkpoint(j, w, &saved, ret_size, e);
    return image_writer_finish(w, ret_size, &j->op, e) < 0 ? guest_goes_on(j, e) : 0;
}

/* Takes the finished image away again: the guest goes on, so it is not the truth. When the guest
 * cannot go on, the image may be all that is left of it. */
static int take_back(struct job *j, const char *path, const struct fs_user *user, struct err *e)
{
    AUTO_FREE char *own = engine_image_path(j->engine, j->r->uuid);
    AUTO_FREE char *spent = x_asprintf("%s.spent", path);
    struct err second, third;

    if (atomic_load(&j->abandoned))
        return -1; /* the file of that name may be a newer one */
    /* Ours must not be taken for the guest's state by the next start, once that has gone on: power
     * may go before it is removed. */
    bool claimed = str_eq(path, own) && image_claim(path, &second) == 0;

    if (go_on_in_place(j, &second) < 0) {
        bool back = !claimed || image_unclaim(path, &third) == 0;
        return err_set(e, e->code, "%s; and the guest could not go on: %s; its state is in %s",
                       e->msg, second.msg, back ? path : spent);
    }
    if (fs_as_begin(user, &second) == 0) {
        if (image_unlink(claimed ? spent : path, &second) < 0)
            err_set(e, e->code, "%s; and %s could not be removed", e->msg, claimed ? spent : path);
        fs_as_end();
    }
    return -1;
}

/* Of a domain whose memory is a file, a suspend leaves it there: what the guest has changed in it
 * is written now, while it runs. *ret_in_place: it is so. */
static int write_back_memory(struct job *j, bool *ret_in_place, struct err *e)
{
    AUTO_FREE char *path = guest_memory_path(j->engine, j->r->uuid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    *ret_in_place = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(e, ERR_FAILED, errno, "cannot open %s", path);
    job_phase(j, "writing back");
    return guest_memory_write_back(j, fd, e);
}

/* Others reserve more than they will need, and give the rest back when they end: what does not fit
 * beside them is refused only once it is alone, or they take too long. */
static int open_writer(struct job *j, const char *path, const struct fs_user *user, bool in_place,
                       struct image_writer **ret, struct err *e)
{
    uint64_t memory = in_place ? 0 : j->obs.memory_kib * 1024;
    int64_t until = clock_mono_ms() + SPACE_WAIT_MS;
    struct engine *g = j->engine;

    atomic_store(&j->total_bytes, memory);
    for (;;) {
        bool alone = atomic_fetch_add(&g->writing, 1) == 0;
        if (image_writer_open(path, user, memory + SPACE_SLACK, ret, e) == 0)
            return 0;
        alone = atomic_fetch_sub(&g->writing, 1) == 1 && alone;
        if (e->code != ERR_NO_SPACE || alone || clock_left_ms(until) == 0)
            return -1;
        job_phase(j, "waiting for space");
        if (op_nap(&j->op, SPACE_LOOK_MS, "space", e) < 0)
            return -1;
    }
}

static void close_writer(struct job *j, struct image_writer *w)
{
    image_writer_free(w);
    atomic_fetch_sub(&j->engine->writing, 1);
}

/* The guest has been saved; its end. When it cannot be ended the image is still whole and the
 * record says so: the next look ends it. */
static int let_go(struct job *j, struct err *e)
{
    struct op op = op_within(UNDO_MS);
    struct domain_ref ref = job_ref(j);

    job_phase(j, "letting go");
    if (fault_point("save.committed", e) < 0)
        return -1;
    return j->engine->driver->destroy(j->engine->handle, &ref, &op, e);
}

static void note_saved_file(struct job *j, const char *path, uint64_t size)
{
    (void)size;
    steps_now_ended(j, REASON_SAVED);
    x_replace(&j->r->saved_file, x_strdup(path));
}

static void note_image(struct job *j, const char *path, uint64_t size)
{
    struct image_record *image = &j->r->image;
    bool paused = j->obs.state == OBS_PAUSED;
    char *live[] = {TAKE(j->r->live_config), TAKE(j->r->live_directory), TAKE(j->r->live_macs)};

    steps_now_ended(j, REASON_SUSPENDED);
    j->r->live_config = live[0]; /* the image goes on with it */
    j->r->live_directory = live[1];
    j->r->live_macs = live[2];
    j->r->wanted = ST_SUSPENDED;
    image->path = x_strdup(path);
    image->size_bytes = size;
    image->memory_kib = j->obs.memory_kib;
    image->saved_at_ms = clock_wall_ms();
    image->was_paused = paused;
    str_copy(image->driver, sizeof image->driver, j->engine->driver->name);
}

/* Writes the image to path and notes it in the record as `note` says, durable, with the guest gone;
 * or nothing has changed. */
static int save_and_let_go(struct job *j, const char *path, const struct fs_user *user,
                           void (*note)(struct job *, const char *, uint64_t), struct err *e)
{
    struct image_writer *w = NULL;
    uint64_t size = 0;
    bool in_place = false;

    if (j->r->broken == REASON_IMAGE_SPENT)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot %s %s: its guest has not answered since its resume was cut, and its "
                       "image is kept until it does",
                       j->rec.verb, j->r->name);
    if (steps_conf(j, record_live_config(j->r), e) < 0 ||
        (note == note_image && write_back_memory(j, &in_place, e) < 0) ||
        open_writer(j, path, user, in_place, &w, e) < 0)
        return -1;
    AUTO_FREE char *files = image_writer_intent(w, e);
    image_writer_level(w, j->args.level);
    j->r->state = j->obs.state == OBS_PAUSED ? ST_PAUSED : ST_RUNNING;
    int result =
        files ? job_commit(j, j->args.checkpoint ? "checkpointing" : "saving", files, e) : -1;
    if (result == 0)
        result = fault_point("save.intent", e);
    if (result == 0)
        result = write_image(j, w, in_place, &size, e);
    close_writer(j, w);
    if (result < 0)
        return -1;
    if (j->args.checkpoint)
        return 0;
    if (fault_point("save.renamed", e) < 0)
        return take_back(j, path, user, e);
    bool seen = j->seen, gone = j->gone;
    struct record *before = record_copy(j->r);
    note(j, path, size);
    if (job_commit(j, "letting-go", path, e) < 0) {
        record_free(j->r);
        j->r = before;
        j->seen = seen;
        j->gone = gone;
        return take_back(j, path, user, e);
    }
    record_free(before);
    j->changed = true;
    if (let_go(j, e) == 0)
        return 0;
    j->gone = false; /* what is left of it needs its record until it can be ended */
    return -1;
}

int saving_save(struct job *j, struct err *e)
{
    if (j->args.as_xl && !j->engine->driver->to_xl)
        return err_set(e, ERR_UNSUPPORTED,
                       "cannot save %s as xl does: that is for guests on Xen, and this daemon's "
                       "driver is %s",
                       j->r->name, j->engine->driver->name);
    /* A temporary file in a folder of the user's is removed after a crash only if it is on record
     * before it is made. (The daemon's own folder is swept.) */
    if (job_commit(j, "opening", j->args.file, e) < 0)
        return -1;
    if (save_and_let_go(j, j->args.file, &j->args.user, note_saved_file, e) < 0)
        return -1;
    const char *name = j->r->name, *file = j->args.file;
    if (!j->args.checkpoint)
        j->message = x_asprintf("saved %s to %s (%srestore brings it back)", name, file,
                                j->args.as_xl ? "xl restore or reeve " : "");
    else if (j->obs.state == OBS_PAUSED)
        j->message = x_asprintf("saved %s to %s; it stays paused", name, file);
    else
        j->message = x_asprintf("saved %s to %s; it runs on, and stood still for %lld ms", name,
                                file, (long long)json_get_int(j->details, "stopped_ms", 0));
    return 0;
}

static int suspend(struct job *j, struct err *e)
{
    AUTO_FREE char *path = engine_image_path(j->engine, j->r->uuid);
    AUTO_FREE char *dir = NULL;
    struct fs_user self = {.uid = geteuid(), .gid = getegid()};

    fs_split(path, &dir);
    if (fs_make_dirs(dir, 0700, e) < 0)
        return -1;
    j->r->host_resume = j->args.host_stop;
    j->r->host_paused = j->args.host_stop && j->args.host_paused;
    if (save_and_let_go(j, path, &self, note_image, e) == 0)
        return 0;
    rmdir(dir); /* only when it is empty; an image in it stays */
    return -1;
}

/* A save does not take turns: its file may be in a place that is slow or hangs. */
int saving_suspend(struct job *j, struct err *e)
{
    if (job_take_place(j, e) < 0)
        return -1;
    int result = suspend(j, e);
    job_leave_place(j);
    return result;
}
