/* SPDX-License-Identifier: MIT */
/* A save is QEMU's migration into a descriptor.
 *
 * The guest is not stopped first: QEMU stops it itself, at once, since it is told that a downtime
 * of any length will do. So it is QEMU that remembers that the guest was running, and that lets it
 * run on by itself when the save fails, is cancelled, or loses its reader because we died.
 *
 * A guest that was paused stands in QEMU's status "postmigrate" after any save, failed ones too,
 * and nothing but running leads out of that. So "stands still on purpose" is a marker in its
 * folder, which observation.c reads. */
#include "driver/qemu/save.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/session.h"

enum {
    DOWNTIME_MS = 2000 * 1000, /* the most that QEMU takes */
    LOOK_MS = 250,             /* between two looks at the progress */
    ROLLBACK_MS = 30 * 1000,
};

static int set_up(struct session *s, int stream_fd, const struct op *op, struct err *e)
{
    json_t *events = json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "events", "state",
                               1);
    json_t *limits = json_pack("{s:I, s:I}", "max-bandwidth", (json_int_t)INT64_MAX,
                               "downtime-limit", (json_int_t)DOWNTIME_MS);

    if (qmp_run(&s->qmp, "migrate-set-capabilities", events, op, NULL, e) < 0) {
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
    if (*ret_done || str_eq(status, "cancelled"))
        return 1;
    if (!str_eq(status, "failed"))
        return 0;
    const char *why = json_get_string(info, "error-desc", "it did not say why");
    return err_set(e, ERR_FAILED, "QEMU could not write the guest's state: %s", why);
}

/* Waits for the migration's end, with progress, under the op. */
static int await(struct session *s, const struct op *op, bool *ret_done, struct err *e)
{
    for (;;) {
        struct op step = op_narrow(op, LOOK_MS);
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

/* After a failure or cancel: ends the migration and waits until QEMU has let the guest go on. The
 * reason for it all in *e stays. */
static int roll_back(struct session *s, bool was_paused, const struct err *e)
{
    struct op op = op_within(ROLLBACK_MS);
    struct err ignored;
    bool done = false;

    if (qmp_run(&s->qmp, "migrate_cancel", NULL, &op, NULL, &ignored) < 0 ||
        (await(s, &op, &done, &ignored) < 0 && ignored.code != ERR_FAILED))
        return -1;
    /* It may have been just ready: then it stands, and is to be woken. */
    (void)e;
    if (was_paused)
        return folder_mark(s->dirfd, FOLDER_HELD, &ignored);
    return qmp_run(&s->qmp, "cont", NULL, &op, NULL, &ignored);
}

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    char status[QMP_STATUS_MAX];
    bool done = false;

    if (session_open(&s, h, ref, op, e) < 0 || qmp_status(&s.qmp, op, status, e) < 0)
        return -1;
    bool running = str_eq(status, "running") || str_eq(status, "suspended");
    if (str_eq(status, "postmigrate"))
        return err_set(e, ERR_UNSUPPORTED,
                       "QEMU cannot save a guest a second time that was kept paused after a save; "
                       "unpause it first");
    if (set_up(&s, stream_fd, op, e) < 0)
        return -1;
    qmp_forget_events(&s.qmp);
    folder_unmark(s.dirfd, FOLDER_HELD);
    if (qmp_run(&s.qmp, "migrate", json_pack("{s:s}", "uri", "fd:stream"), op, NULL, e) < 0)
        return -1;
    if (await(&s, op, &done, e) == 0) {
        if (done)
            return 0;
        err_set(e, ERR_FAILED, "the save was cancelled in QEMU by somebody else");
    }
    if (roll_back(&s, !running, e) < 0)
        err_wrap(e, "and QEMU did not let the guest go on");
    return -1;
}

int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    char status[QMP_STATUS_MAX];

    if (session_open(&s, h, ref, op, e) < 0)
        return -1;
    /* A migration of before we died may still go on; without one this does nothing. */
    if (qmp_run(&s.qmp, "migrate_cancel", NULL, op, NULL, e) < 0 ||
        qmp_status(&s.qmp, op, status, e) < 0)
        return -1;
    if (paused)
        return folder_mark(s.dirfd, FOLDER_HELD, e);
    if (str_eq(status, "running") || str_eq(status, "suspended"))
        return 0;
    if (qmp_run(&s.qmp, "cont", NULL, op, NULL, e) < 0)
        return -1;
    folder_unmark(s.dirfd, FOLDER_HELD);
    return 0;
}

/* ---- core dump ---- */

int save_dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd,
                   const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;

    if (session_open(&s, h, ref, op, e) < 0 || qmp_give_fd(&s.qmp, "core", fd, op, e) < 0)
        return -1;
    return qmp_run(&s.qmp, "dump-guest-memory",
                   json_pack("{s:b, s:s}", "paging", 0, "protocol", "fd:core"), op, NULL, e);
}
