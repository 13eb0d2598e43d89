/* SPDX-License-Identifier: MIT */
#include "driver/qemu/live.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/observation.h"

/* Between two looks at whether a device is gone, beside its event, and between two requests: a
 * guest that is still booting forgets the first. */
enum { UNPLUG_LOOK_MS = 500, UNPLUG_AGAIN_MS = 2000 };

int live_open(struct live *l, const struct driver_handle *h, const struct domain_ref *ref,
              bool ended, const struct op *op, struct err *e)
{
    struct observation now = {0};
    char status[QMP_STATUS_MAX];

    *l = LIVE_NONE;
    if (session_open(&l->s, h, ref, op, e) < 0)
        return -1;
    if (meta_read(l->s.dirfd, &l->meta, e) < 0 || qmp_status(&l->s.qmp, op, status, e) < 0)
        goto fail;
    observation_set_status(&now, l->s.dirfd, status);
    l->machine = machine_of_versioned(l->meta.machine);
    l->paused = now.state == OBS_PAUSED;
    l->ended = now.state == OBS_SHUTDOWN || now.state == OBS_CRASHED;
    if (!l->machine) {
        err_set(e, ERR_DAMAGED, "it runs on a machine that is not known: %s", l->meta.machine);
        goto fail;
    }
    if (l->ended && !ended) {
        err_set(e, ERR_WRONG_STATE, "the guest has %s; reset boots it again",
                now.state == OBS_SHUTDOWN ? "ended" : "crashed");
        goto fail;
    }
    if (now.state == OBS_BUSY) {
        err_set(e, ERR_WRONG_STATE, "the guest is being saved or built");
        goto fail;
    }
    return 0;
fail:
    live_close(l);
    return -1;
}

void live_close(struct live *l)
{
    session_close(&l->s);
}

int live_wait(struct live *l, int64_t ms, const struct op *op, const char *phase, struct err *e)
{
    struct op step = op_narrow(op, ms);
    AUTO_JSON json_t *event = NULL;
    struct err late;

    if (qmp_event(&l->s.qmp, &step, phase, &event, &late) == 0 ||
        (late.code == ERR_TIMED_OUT && step.deadline_ms != op->deadline_ms))
        return 0;
    *e = late;
    return -1;
}

int live_timed_out(struct err *e, const char *phase, const char *fmt, ...)
{
    char text[sizeof e->msg];
    va_list list;

    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    err_set(e, ERR_TIMED_OUT, "%s", text);
    str_copy(e->phase, sizeof e->phase, phase);
    return -1;
}

int live_has_device(struct live *l, const char *id, const struct op *op, struct err *e)
{
    AUTO_JSON json_t *list = NULL;
    size_t i;
    json_t *item;

    if (qmp_run(&l->s.qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), op, &list,
                e) < 0)
        return -1;
    json_array_foreach(list, i, item) if (str_eq(json_get_string(item, "name", NULL), id)) return 1;
    return 0;
}

/* QEMU refuses a request while the guest has not answered the one before. It also refuses one for a
 * device that has just gone; the next look sees that. */
static int request(struct live *l, const char *id, const struct op *op, struct err *e)
{
    struct err why;

    if (qmp_run(&l->s.qmp, "device_del", json_pack("{s:s}", "id", id), op, NULL, &why) == 0 ||
        strstr(why.msg, "already in the process of unplug") || strstr(why.msg, "not found"))
        return 0;
    *e = why;
    return -1;
}

/* Takes the events there are; true when one says that the guest refuses to give up the device. */
static bool refused(struct live *l, const char *id)
{
    size_t i;
    json_t *event;
    bool found = false;

    json_array_foreach(
        l->s.qmp.events, i,
        event) if (str_eq(json_get_string(event, "event", NULL), "DEVICE_UNPLUG_GUEST_ERROR") &&
                   str_eq(json_get_string(json_object_get(event, "data"), "device", NULL), id))
        found = true;
    qmp_forget_events(&l->s.qmp);
    return found;
}

int live_unplug(struct live *l, const char *id, const char *what, const struct op *op,
                struct err *e)
{
    int64_t again = 0;
    struct err why;

    qmp_forget_events(&l->s.qmp);
    for (;;) {
        if (clock_mono_ms() >= again && request(l, id, op, e) < 0)
            return -1;
        again = again > clock_mono_ms() ? again : clock_mono_ms() + UNPLUG_AGAIN_MS;
        int there = live_has_device(l, id, op, &why);
        if (there == 0)
            return 0;
        if (there > 0 && refused(l, id))
            return err_set(e, ERR_FAILED, "the guest refused to give up %s", what);
        if (there < 0 || live_wait(l, UNPLUG_LOOK_MS, op, "unplug", &why) < 0)
            break;
    }
    if (why.code != ERR_TIMED_OUT) {
        *e = why;
        return -1;
    }
    return live_timed_out(e, "unplug",
                          "the guest was asked to give up %s and has not; it may yet do so", what);
}
