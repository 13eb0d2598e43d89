/* SPDX-License-Identifier: MIT */
/* A save is QEMU's migration into a descriptor; the memory goes through it, or is left to our
 * caller (ram.h).
 *
 * The guest is not stopped first: QEMU stops it itself, at once, since it is told that a downtime
 * of any length will do. So it is QEMU that remembers that the guest was running, and that lets it
 * run on by itself when the save fails, is cancelled, or loses its reader because we died.
 *
 * A guest that was paused stands in QEMU's status "postmigrate" after any save, failed ones too,
 * and nothing but running leads out of that. So "stands still on purpose" is a marker in its
 * folder, which observation.c reads. */
#include "driver/qemu/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/ram.h"
#include "driver/qemu/session.h"

enum {
    AT_ONCE_MS = 2000 * 1000, /* a downtime of any length will do: the most that QEMU takes */
    LAST_ROUND_MS = 300,
    PATIENCE_MS = 60 * 1000, /* of a live save, for rounds that get no smaller */
    LOOK_MS = 250,           /* between two looks at the progress */
    DRAIN_MS = 10,           /* between two looks while a cancelled one ends */
    SETTLE_MS = 2,           /* between two looks at the status, which tells of no event */
    ROLLBACK_MS = 30 * 1000,
};

/* What kind of save. */
struct way {
    bool apart;          /* the memory is left out of the stream */
    int64_t downtime_ms; /* the guest is stopped when so long would do for the rest */
};

static int set_up(struct session *s, const struct way *way, int stream_fd, const struct op *op,
                  struct err *e)
{
    json_t *limits = json_pack("{s:I, s:I}", "max-bandwidth", (json_int_t)INT64_MAX,
                               "downtime-limit", (json_int_t)way->downtime_ms);

    if (ram_set_apart(&s->qmp, way->apart, op, e) < 0) {
        json_decref(limits);
        return -1;
    }
    if (qmp_run(&s->qmp, "migrate-set-parameters", limits, op, NULL, e) < 0)
        return -1;
    return qmp_give_fd(&s->qmp, "stream", stream_fd, op, e);
}

/* One look at the migration: 1 when it is over (*ret_done: and whole), 0 while it goes on. */
static int look(struct session *s, const struct op *op, bool *ret_done, struct err *e)
{
    AUTO_JSON json_t *info = NULL;

    if (qmp_run(&s->qmp, "query-migrate", NULL, op, &info, e) < 0)
        return -1;
    const char *status = json_get_string(info, "status", "");
    const json_t *ram = json_object_get(info, "ram");
    int64_t total = json_get_int(ram, "total", 0);
    int64_t remaining = json_get_int(ram, "remaining", 0);
    if (total > 0 && remaining >= 0 && remaining <= total)
        op_progress(op, (uint64_t)(total - remaining), (uint64_t)total);
    *ret_done = str_eq(status, "completed");
    /* "": there has been no migration yet. */
    if (*ret_done || str_eq(status, "cancelled") || str_eq(status, ""))
        return 1;
    if (!str_eq(status, "failed"))
        return 0;
    const char *why = json_get_string(info, "error-desc", "it did not say why");
    return err_set(e, ERR_FAILED, "QEMU could not write the guest's state: %s", why);
}

/* Takes what is in the pipe and throws it away; drain_fd may be -1. */
static void drain(int drain_fd)
{
    char buf[65536];

    while (drain_fd >= 0 && read(drain_fd, buf, sizeof buf) > 0)
        ;
}

/* Waits for the migration's end, with progress, under the op. */
static int await(struct session *s, int drain_fd, const struct op *op, bool *ret_done,
                 struct err *e)
{
    for (;;) {
        struct op step = op_narrow(op, drain_fd < 0 ? LOOK_MS : DRAIN_MS);
        drain(drain_fd);
        AUTO_JSON json_t *event = NULL;
        int over = look(s, op, ret_done, e);
        if (over != 0)
            return over < 0 ? -1 : 0;
        /* An event is a reason to look at once; without one the look is for the progress. */
        if (qmp_event(&s->qmp, &step, "the guest's state", &event, e) == 0)
            continue;
        if (e->code != ERR_TIMED_OUT || step.deadline_ms == op->deadline_ms)
            return -1;
    }
}

/* After a migration's end QEMU needs a moment to decide the guest's status, in which it refuses
 * everything. */
static int settle(struct session *s, const struct op *op, char status[QMP_STATUS_MAX],
                  struct err *e)
{
    struct op limit = op_narrow(op, QMP_COMMAND_MS);

    for (;;) {
        if (qmp_status(&s->qmp, &limit, status, e) < 0)
            return -1;
        if (!str_eq(status, "finish-migrate"))
            return 0;
        if (op_nap(&limit, SETTLE_MS, "the save's end", e) < 0)
            return -1;
    }
}

static bool runs(const char *status)
{
    return str_eq(status, "running") || str_eq(status, "suspended");
}

/* A guest that ran when its save began can end before it is stopped. It must not run on behind its
 * own end, so that is written down, and then it is no other than one that ended elsewhere. Returns
 * 1 when it has ended. */
static int note_end(struct session *s, const char *status, struct err *e)
{
    const char *end = runs(status) ? NULL : observation_journal_end(s->dirfd);
    struct meta meta;

    if (!end)
        return 0;
    if (meta_read(s->dirfd, &meta, e) < 0 || aside_note(s->dirfd, end, meta.ref.name, e) < 0)
        return -1;
    return 1;
}

static int set_ended(struct err *e)
{
    return err_set(e, ERR_WRONG_STATE, "the guest ended while it was saved");
}

/* Lets the guest go on, or stand still for good, after a migration that is over. One that has ended
 * is ERR_WRONG_STATE. */
static int leave(struct session *s, bool paused, const struct op *op, struct err *e)
{
    char status[QMP_STATUS_MAX];

    if (settle(s, op, status, e) < 0)
        return -1;
    int ended = note_end(s, status, e);
    if (ended != 0)
        return ended < 0 ? -1 : set_ended(e);
    if (paused && runs(status))
        return qmp_run(&s->qmp, "stop", NULL, op, NULL, e);
    if (paused)
        return folder_mark(s->dirfd, FOLDER_HELD, e);
    if (!runs(status) && qmp_run(&s->qmp, "cont", NULL, op, NULL, e) < 0)
        return -1;
    folder_unmark(s->dirfd, FOLDER_HELD);
    return 0;
}

/* After a failure or cancel. QEMU may hang in a write to a pipe that nobody reads any more, and
 * cannot be cancelled there; so the pipe is emptied by us: a pipe's other end can be opened from
 * any of its descriptors. */
static int roll_back(struct session *s, int stream_fd, bool paused, struct err *e)
{
    struct op op = op_within(ROLLBACK_MS);
    AUTO_FREE char *path = x_asprintf("/proc/self/fd/%d", stream_fd);
    AUTO_CLOSE int drain_fd = -1;
    struct stat st;
    struct err failed;
    bool done;

    if (fstat(stream_fd, &st) == 0 && S_ISFIFO(st.st_mode))
        drain_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (qmp_run(&s->qmp, "migrate_cancel", NULL, &op, NULL, e) < 0)
        return -1;
    /* A migration that never began has not taken its descriptor; the reader waits for its end. */
    if (qmp_run(&s->qmp, "closefd", json_pack("{s:s}", "fdname", "stream"), &op, NULL, &failed) <
            0 &&
        failed.code != ERR_FAILED) {
        *e = failed;
        return -1;
    }
    if (await(s, drain_fd, &op, &done, &failed) < 0 && failed.code != ERR_FAILED) {
        *e = failed;
        return -1;
    }
    return leave(s, paused, &op, e);
}

/* A guest that writes faster than we do never leaves little; after a while it is stopped anyway. */
static int await_way(struct session *s, const struct way *way, const struct op *op, bool *ret_done,
                     struct err *e)
{
    struct op patient = op_narrow(op, PATIENCE_MS);

    if (way->downtime_ms == AT_ONCE_MS)
        return await(s, -1, op, ret_done, e);
    if (await(s, -1, &patient, ret_done, e) == 0)
        return 0;
    if (e->code != ERR_TIMED_OUT || patient.deadline_ms == op->deadline_ms)
        return -1;
    json_t *limit = json_pack("{s:I}", "downtime-limit", (json_int_t)AT_ONCE_MS);
    return qmp_run(&s->qmp, "migrate-set-parameters", limit, op, NULL, e) < 0
               ? -1
               : await(s, -1, op, ret_done, e);
}

static int save(struct session *s, const struct way *way, int stream_fd, const struct op *op,
                struct err *e)
{
    char status[QMP_STATUS_MAX];
    bool done = false;

    if (qmp_status(&s->qmp, op, status, e) < 0)
        return -1;
    if (str_eq(status, "postmigrate"))
        return err_set(e, ERR_UNSUPPORTED,
                       "QEMU cannot save a guest a second time that was kept paused after a save; "
                       "unpause it first");
    if (session_refuse_asleep(s, status, e) < 0 || set_up(s, way, stream_fd, op, e) < 0)
        return -1;
    qmp_forget_events(&s->qmp);
    folder_unmark(s->dirfd, FOLDER_HELD);
    struct err stuck;
    bool paused = !runs(status);
    if (qmp_run(&s->qmp, "migrate", json_pack("{s:s}", "uri", "fd:stream"), op, NULL, e) == 0 &&
        await_way(s, way, op, &done, e) == 0) {
        char now[QMP_STATUS_MAX];
        int ended = 0;
        if (done && settle(s, op, now, e) == 0 && (paused || (ended = note_end(s, now, e)) == 0))
            return 0;
        if (ended > 0)
            return set_ended(e);
        if (!done)
            err_set(e, ERR_FAILED, "the save was cancelled in QEMU by somebody else");
    }
    if (roll_back(s, stream_fd, paused, &stuck) == 0)
        return -1;
    if (stuck.code == ERR_WRONG_STATE)
        return set_ended(e);
    return err_wrap(e, "the guest may stand still now (%s)", stuck.msg);
}

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    const struct way way = {.downtime_ms = AT_ONCE_MS};

    return session_open(&s, h, ref, op, e) < 0 ? -1 : save(&s, &way, stream_fd, op, e);
}

/* Opens the memory of the domain behind the session. */
static int open_memory(const struct session *s, int *ret_fd, uint64_t *ret_bytes, struct err *e)
{
    struct meta meta;
    AUTO_CLOSE int pidfd = -1;
    AUTO_CLOSE int fd = -1;

    if (meta_read(s->dirfd, &meta, e) < 0 ||
        ram_open(meta.pid, meta.ram_inode, meta.max_memory_kib, &fd, e) < 0 ||
        proc_open(meta.pid, meta.start, &pidfd, e) < 0) /* still the process that it was */
        return -1;
    *ret_fd = TAKE_FD(fd);
    *ret_bytes = ram_bytes(meta.max_memory_kib);
    return 0;
}

int save_apart(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
               const struct op *op, int *ret_memory_fd, uint64_t *ret_bytes, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_CLOSE int fd = -1;
    const struct way way = {.apart = true, .downtime_ms = AT_ONCE_MS};

    if (session_open(&s, h, ref, op, e) < 0 || open_memory(&s, &fd, ret_bytes, e) < 0)
        return -1;
    if (ram_set_apart(&s.qmp, true, op, e) < 0)
        return e->code == ERR_FAILED ? err_set(e, ERR_UNSUPPORTED, "%s", e->msg) : -1;
    if (save(&s, &way, stream_fd, op, e) < 0)
        return -1;
    *ret_memory_fd = TAKE_FD(fd);
    return 0;
}

/* How long ago the guest was stopped, of a migration that is complete; 0 when QEMU does not say. */
static int64_t downtime_ms(struct session *s, const struct op *op)
{
    AUTO_JSON json_t *info = NULL;
    struct err ignored;

    if (qmp_run(&s->qmp, "query-migrate", NULL, op, &info, &ignored) < 0)
        return 0;
    return json_get_int(info, "downtime", 0);
}

int save_live(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, int64_t *ret_stopped_ms, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    const struct way way = {.downtime_ms = LAST_ROUND_MS};

    if (session_open(&s, h, ref, op, e) < 0 || save(&s, &way, stream_fd, op, e) < 0)
        return -1;
    *ret_stopped_ms = clock_mono_ms() - downtime_ms(&s, op);
    return 0;
}

/* Memory that cannot be left out is written as well: it costs time, and nothing else. */
int save_nowhere(struct session *s, const struct op *op, struct err *e)
{
    AUTO_CLOSE int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char status[QMP_STATUS_MAX];
    struct err ignored;

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open /dev/null");
    if (settle(s, op, status, e) < 0)
        return -1;
    if (str_eq(status, "postmigrate"))
        return 0;
    const struct way way = {.apart = ram_set_apart(&s->qmp, true, op, &ignored) == 0,
                            .downtime_ms = AT_ONCE_MS};
    return save(s, &way, fd, op, e);
}

int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    struct err failed;
    bool done;

    /* A migration of before we died may still go on; without one the cancel does nothing. */
    if (session_open(&s, h, ref, op, e) < 0 ||
        qmp_run(&s.qmp, "migrate_cancel", NULL, op, NULL, e) < 0)
        return -1;
    if (await(&s, -1, op, &done, &failed) < 0 && failed.code != ERR_FAILED) {
        *e = failed;
        return -1;
    }
    return leave(&s, paused, op, e);
}
