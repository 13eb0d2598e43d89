/* SPDX-License-Identifier: MIT */
/* save, suspend, restore, resume: the order of steps that loses nothing (design, "Save images").
 * Out: space reserved, stream written, guest standing, disks looked at, image durable under its
 * name, store committed, and only then is the guest let go. In: loaded paused, claimed by rename,
 * and only then does a vCPU run. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
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
#include "core/image.h"
#include "core/job.h"

enum {
    UNDO_MS = 30 * 1000,
    LOAD_MS = 600 * 1000,
    QUICK_MS = 15 * 1000,
    INFO_MS = 2 * 1000,
    PIPE_BYTES = 1024 * 1024,
    SPACE_SLACK = 32 * 1024 * 1024, /* device state and framing, beside the memory */
};

/* The other end of the driver's stream: a thread that carries it to or from the image. */
struct pump {
    struct job *job;
    struct image_writer *writer; /* saving; borrowed */
    struct image_reader *reader; /* loading; borrowed */
    int fd;                      /* owned by the pump */
    pthread_t thread;
    bool hung_up; /* loading: the driver's end was closed when it failed */
    int result;
    struct err err;
};

/* The driver goes on writing until it has heard of the cancel: it must not meet a closed pipe. */
static void drain(int fd)
{
    char sink[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (poll(&p, 1, UNDO_MS) == 1 && read(fd, sink, sizeof sink) > 0)
        continue;
}

static void *pump_main(void *arg)
{
    struct pump *pump = arg;
    struct op op = pump->job->op;

    if (pump->writer) {
        pump->result = image_writer_stream(pump->writer, pump->fd, &op, &pump->err);
        if (pump->result < 0) {
            uint64_t one = 1;
            if (write(op.cancel_fd, &one, sizeof one) == (ssize_t)sizeof one)
                drain(pump->fd);
        }
    } else {
        /* With memory beside it the stream is but a small part. */
        if (image_reader_memory_bytes(pump->reader) > 0)
            op.progress = NULL;
        pump->result = image_reader_stream(pump->reader, pump->fd, &op, &pump->err);
        struct pollfd p = {.fd = pump->fd};
        pump->hung_up = poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
    }
    close(pump->fd);
    return NULL;
}

/* Makes the pipe and starts the thread. *ret_fd is the driver's end, owned by the caller. */
static int pump_start(struct pump *pump, int *ret_fd, struct err *e)
{
    int fds[2];
    bool saving = pump->writer != NULL;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    /* A larger pipe is fewer switches; the kernel's default does as well. */
    fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
    pump->fd = saving ? fds[0] : fds[1];
    *ret_fd = saving ? fds[1] : fds[0];
    int failed = pthread_create(&pump->thread, NULL, pump_main, pump);
    if (failed) {
        close(fds[0]);
        close(fds[1]);
        return err_errno(e, ERR_FAILED, failed, "cannot start a thread");
    }
    return 0;
}

/* Waits for the thread; its failure is the cause where the driver's is but the consequence. */
static int pump_finish(struct pump *pump, int driver_result, struct err *e)
{
    pthread_join(pump->thread, NULL);
    if (pump->result < 0 && (driver_result == 0 || pump->err.code != ERR_CANCELLED)) {
        bool consequence = !pump->writer && driver_result < 0 && pump->hung_up;
        if (!consequence)
            *e = pump->err;
        return -1;
    }
    return driver_result;
}

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
    int result = image_writer_finish(w, ret_size, e);
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
    struct pump pump = {.job = j, .writer = w};
    struct saved saved;
    int fd;

    if ((j->args.as_xl ? write_xl_header(j, w, e) : write_header(j, w, e)) < 0 ||
        pump_start(&pump, &fd, e) < 0)
        return -1;
    job_phase(j, "saving");
    int done = save_state(j, fd, &saved, e);
    UNUSED AUTO_CLOSE int memory_fd = saved.memory_fd; /* closed on every way out */
    close(fd);
    int result = pump_finish(&pump, done, e);
    if (done < 0)
        return -1;
    saved.in_place = in_place && guest_memory_is(j, memory_fd);
    if (result < 0 || write_rest(j, w, &saved, e) < 0)
        return guest_goes_on(j, e);
    job_phase(j, "syncing");
    if (j->args.checkpoint)
        return finish_checkpoint(j, w, &saved, ret_size, e);
    return image_writer_finish(w, ret_size, e) < 0 ? guest_goes_on(j, e) : 0;
}

/* Takes the finished image away again: the guest goes on, so it is not the truth. When the guest
 * cannot go on, the image may be all that is left of it. */
static int take_back(struct job *j, const char *path, const struct fs_user *user, struct err *e)
{
    struct err second;

    if (go_on_in_place(j, &second) < 0)
        return err_set(e, e->code, "%s; and the guest could not go on: %s; its state is in %s",
                       e->msg, second.msg, path);
    if (fs_as_begin(user, &second) == 0) {
        if (image_unlink(path, &second) < 0)
            err_set(e, e->code, "%s; and %s could not be removed", e->msg, path);
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

static int open_writer(struct job *j, const char *path, const struct fs_user *user, bool in_place,
                       struct image_writer **ret, struct err *e)
{
    uint64_t memory = in_place ? 0 : j->obs.memory_kib * 1024;

    atomic_store(&j->total_bytes, memory);
    return image_writer_open(path, user, memory + SPACE_SLACK, ret, e);
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
    image_writer_free(w);
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

int saving_suspend(struct job *j, struct err *e)
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
    struct pump pump = {.job = j, .reader = reader};
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
    if (driver->check(j->engine->handle, &args, e) < 0 || pump_start(&pump, &fd, e) < 0)
        return -1;
    job_phase(j, "loading");
    int loaded = driver->restore(j->engine->handle, &args, fd, &op, &j->obs, e);
    close(fd);
    int result = pump_finish(&pump, loaded, e);
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
    if (load(j, reader, e) < 0) {
        if (e->code == ERR_DAMAGED)
            mark_broken(j, REASON_IMAGE_DAMAGED, e);
        return -1;
    }
    if (claim_and_run(j, path, spent, e) < 0)
        return -1;
    /* It runs: whatever fails from here on, the record must say so. */
    j->no_return = true;
    j->changed = true;
    free(j->r->image.path);
    j->r->image = (struct image_record){0};
    j->r->broken = REASON_NONE;
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

int saving_resume(struct job *j, struct err *e)
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

int saving_restore(struct job *j, struct err *e)
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
