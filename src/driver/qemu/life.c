/* SPDX-License-Identifier: MIT */
#include "driver/qemu/life.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/platform.h"
#include "driver/qemu/resets.h"
#include "driver/qemu/session.h"

/* After a reset the firmware resets once more, by itself, when its process has used 30 to 50 ms of
 * CPU time (SeaBIOS under TCG). That time is counted instead of the clock's, since a loaded host
 * may not run it for seconds; the clock bounds the wait for a guest that sleeps. */
enum {
    FIRMWARE_ASLEEP_MS = 10 * 1000,
    FIRMWARE_LOOK_MS = 50,
    FIRMWARE_RESETS_MAX = 8,
};

/* ---- pause and unpause ---- */

/* What the guest does now; ERR_WRONG_STATE when it has ended, since only a reset wakes that. */
static int living(struct session *s, const struct op *op, char status[QMP_STATUS_MAX],
                  enum observed *ret, struct err *e)
{
    struct observation now = {0};

    if (qmp_status(&s->qmp, op, status, e) < 0)
        return -1;
    observation_set_status(&now, s->dirfd, status);
    if (now.state == OBS_SHUTDOWN || now.state == OBS_CRASHED)
        return err_set(e, ERR_WRONG_STATE, "the guest has %s; reset boots it again",
                       now.state == OBS_SHUTDOWN ? "ended" : "crashed");
    *ret = now.state;
    return 0;
}

int life_pause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    enum observed state;
    char status[QMP_STATUS_MAX];

    if (session_open(&s, h, ref, op, e) < 0 || living(&s, op, status, &state, e) < 0 ||
        session_refuse_asleep(&s, status, e) < 0)
        return -1;
    /* Answered when the vCPUs stand; on a guest that stands already it does nothing. */
    return qmp_run(&s.qmp, "stop", NULL, op, NULL, e);
}

int life_unpause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    enum observed state;
    char status[QMP_STATUS_MAX];

    if (session_open(&s, h, ref, op, e) < 0 || living(&s, op, status, &state, e) < 0)
        return -1;
    if (state != OBS_RUNNING && qmp_run(&s.qmp, "cont", NULL, op, NULL, e) < 0)
        return -1;
    folder_unmark(s.dirfd, FOLDER_HELD);
    return 0;
}

/* ---- shutdown ---- */

static int64_t seconds_since(int64_t start_ms)
{
    return (clock_mono_ms() - start_ms + 500) / 1000;
}

/* 1: it is off, 0: not yet. A guest that crashed instead is a failure: it will not power off. */
static int is_off(struct session *s, const struct op *op, struct err *e)
{
    char status[QMP_STATUS_MAX];

    if (qmp_status(&s->qmp, op, status, e) < 0)
        return -1;
    aside_status(s->dirfd, status);
    if (str_eq(status, "shutdown"))
        return 1;
    if (str_eq(status, "guest-panicked") || str_eq(status, "internal-error"))
        return err_set(e, ERR_FAILED, "the guest crashed on its way to power off");
    return 0;
}

/* Presses the power button and waits until the guest is off. */
static int power_off(struct session *s, const struct op *op, struct err *e)
{
    int64_t began = clock_mono_ms();
    int off = is_off(s, op, e);

    if (off == 0 && qmp_run(&s->qmp, "system_powerdown", NULL, op, NULL, e) < 0)
        return -1;
    while (off == 0) {
        AUTO_JSON json_t *event = NULL;
        if (qmp_event(&s->qmp, op, "power-off", &event, e) < 0) {
            if (e->code == ERR_TIMED_OUT)
                break;
            return -1;
        }
        /* Whichever it was, the status says what is so. */
        off = is_off(s, op, e);
    }
    if (off != 0)
        return off < 0 ? -1 : 0;
    err_set(e, ERR_TIMED_OUT, "the guest did not react to the power button within %lld s",
            (long long)seconds_since(began));
    str_copy(e->phase, sizeof e->phase, "power-off");
    return -1;
}

int life_shutdown(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                  struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;

    return session_open(&s, h, ref, op, e) < 0 ? -1 : power_off(&s, op, e);
}

/* ---- reset ---- */

static int set_reboot_action(struct session *s, const char *action, const struct op *op,
                             struct err *e)
{
    return qmp_run(&s->qmp, "set-action", json_pack("{s:s}", "reboot", action), op, NULL, e);
}

/* The reset is done by QEMU's main loop some time after the command; its event says when. A guest
 * may reset itself at the same time, which is told apart by "guest". */
static int await_reset(struct session *s, bool by_guest, const struct op *op, struct err *e)
{
    for (;;) {
        AUTO_JSON json_t *event = NULL;
        if (qmp_event(&s->qmp, op, "reset", &event, e) < 0)
            return -1;
        if (str_eq(json_get_string(event, "event", NULL), "RESET") &&
            json_get_bool(json_object_get(event, "data"), "guest", true) == by_guest)
            return 0;
    }
}

/* Waits until the firmware's resets are over. It may ask for several, and one that comes late
 * begins its boot once more, so each begins the wait again; more than a few are a guest that goes
 * round. Not to be cancelled: the guest was reset, there is no way back. */
static int firmware_settles(struct session *s, pid_t pid, struct err *e)
{
    uint64_t used_ns = proc_cpu_ns(pid);
    int64_t since_ms = clock_mono_ms();
    struct err late;

    for (int resets = 0; resets < FIRMWARE_RESETS_MAX;) {
        struct op look = op_within(FIRMWARE_LOOK_MS);
        if (await_reset(s, true, &look, &late) == 0) {
            used_ns = proc_cpu_ns(pid);
            since_ms = clock_mono_ms();
            resets++;
        } else if (late.code != ERR_TIMED_OUT) {
            *e = late;
            return -1;
        } else if (proc_cpu_ns(pid) - used_ns > RESETS_FIRMWARE_CPU_MS * UINT64_C(1000000) ||
                   clock_mono_ms() - since_ms > FIRMWARE_ASLEEP_MS) {
            return 0;
        }
    }
    return 0;
}

/* Back to reboot=shutdown. The firmware, when it finds that it has run before, resets the machine
 * once more by itself, early in its boot; that is not the guest's reboot and has to pass first. It
 * does not always come, so the wait for it ends in either case. */
static int end_reboots(struct session *s, pid_t pid, struct err *e)
{
    if (firmware_settles(s, pid, e) < 0)
        return -1;
    struct op after = op_within(QMP_COMMAND_MS);
    if (set_reboot_action(s, "shutdown", &after, e) < 0)
        return -1;
    folder_unmark(s->dirfd, FOLDER_RESETTING);
    return 0;
}

/* Under reboot=shutdown system_reset would end the guest, so that is lifted for a moment; a marker
 * says so, since a daemon that dies in that moment leaves it lifted (observation.reboots, and
 * reconcile asks for set_reboots). */
static int lift(struct session *s, const struct op *op, struct err *e)
{
    if (folder_mark(s->dirfd, FOLDER_RESETTING, e) < 0)
        return -1;
    return set_reboot_action(s, "reset", op, e);
}

static int reset(struct session *s, const char *uuid, const struct op *op, struct err *e)
{
    struct op step = op_narrow(op, QMP_COMMAND_MS);
    struct meta meta;

    if (meta_read(s->dirfd, &meta, e) < 0 || aside_refuse(&meta, uuid, e) < 0 ||
        aside_forget(s->dirfd, e) < 0 || (!meta.reboots && lift(s, &step, e) < 0))
        return -1;
    qmp_forget_events(&s->qmp);
    if ((!meta.reboots && fault_point("qemu.lifted", e) < 0) ||
        qmp_run(&s->qmp, "system_reset", NULL, &step, NULL, e) < 0 ||
        await_reset(s, false, &step, e) < 0 || qmp_run(&s->qmp, "cont", NULL, &step, NULL, e) < 0)
        return -1;
    folder_unmark(s->dirfd, FOLDER_HELD);
    return meta.reboots ? 0 : end_reboots(s, meta.pid, e);
}

/* What is on record in the folder comes first when it is to reboot, and last when it is not: cut in
 * between, it says "reboots", which is put right when it is not wanted. */
int life_set_reboots(struct driver_handle *h, const struct domain_ref *ref, bool reboots,
                     const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    struct meta meta;

    if (session_open(&s, h, ref, op, e) < 0 || meta_read(s.dirfd, &meta, e) < 0)
        return -1;
    if (!reboots && (folder_marked(s.dirfd, FOLDER_RESETTING) || resets_fresh(s.dirfd, meta.pid))) {
        qmp_forget_events(&s.qmp);
        if (end_reboots(&s, meta.pid, e) < 0)
            return -1;
    } else if (!reboots && set_reboot_action(&s, "shutdown", op, e) < 0) {
        return -1;
    }
    if (meta.reboots != reboots) {
        meta.reboots = reboots;
        if (meta_write(s.dirfd, &meta, e) < 0)
            return -1;
    }
    if (!reboots)
        return 0;
    if (set_reboot_action(&s, "reset", op, e) < 0)
        return -1;
    folder_unmark(s.dirfd, FOLDER_RESETTING);
    return 0;
}

int life_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;

    return session_open(&s, h, ref, op, e) < 0 ? -1 : reset(&s, ref->uuid, op, e);
}

int life_reboot(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;

    if (session_open(&s, h, ref, op, e) < 0 || power_off(&s, op, e) < 0)
        return -1;
    return reset(&s, ref->uuid, op, e);
}

/* ---- looking ---- */

/* Is the process of this folder alive? 1, 0, or -1: nobody can tell. */
static int alive(const struct meta *meta, struct err *e)
{
    AUTO_CLOSE int pidfd = -1;

    if (proc_open(meta->pid, meta->start, &pidfd, e) == 0)
        return 1;
    return e->code == ERR_BUSY ? -1 : 0;
}

int life_info(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
              struct observation *ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_CLOSE int dirfd = -1;
    struct meta meta;
    char status[QMP_STATUS_MAX];

    if (folder_open(h->dirfd, ref->uuid, &dirfd, e) < 0 || meta_read(dirfd, &meta, e) < 0)
        return -1;
    aside_rehome(dirfd, h->dir, ref->uuid, &meta);
    observation_init(ret, &meta);
    int lives = alive(&meta, e);
    if (lives < 0)
        return -1;
    if (!lives) {
        observation_set_dead(ret);
        return 0;
    }
    struct err why;
    if (session_open(&s, h, ref, op, &why) == 0 && qmp_status(&s.qmp, op, status, &why) == 0) {
        observation_set_status(ret, dirfd, status);
        return 0;
    }
    if (why.code == ERR_CANCELLED) {
        *e = why;
        return -1;
    }
    /* It lives and says nothing: that is an observation as well. */
    if (alive(&meta, &why) == 0)
        observation_set_dead(ret);
    return 0;
}

int life_console(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd, struct err *e)
{
    AUTO_CLOSE int dirfd = -1;
    struct meta meta;

    if (folder_open(h->dirfd, ref->uuid, &dirfd, e) < 0 || meta_read(dirfd, &meta, e) < 0)
        return -1;
    if (!meta.console)
        return err_set(e, ERR_UNSUPPORTED,
                       "it has no console: no serial line in its config is "
                       "\"pty\"");
    return folder_connect(dirfd, FOLDER_CONSOLE, ret_fd, e);
}

int life_platform(struct driver_handle *h, const struct domain_ref *ref, char **ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    struct op op = op_within(QMP_COMMAND_MS);
    struct platform platform;
    struct meta meta;

    if (session_open(&s, h, ref, &op, e) < 0 || meta_read(s.dirfd, &meta, e) < 0)
        return -1;
    str_copy(platform.qemu, sizeof platform.qemu, meta.qemu);
    str_copy(platform.machine, sizeof platform.machine, meta.machine);
    str_copy(platform.accel, sizeof platform.accel, meta.accel);
    str_copy(platform.cpu, sizeof platform.cpu, meta.cpu);
    platform.places = meta.places;
    platform.queues = meta.queues;
    if (platform_ask_features(&s.qmp, &platform, &op, e) < 0)
        return -1;
    *ret = platform_text(&platform);
    return 0;
}
