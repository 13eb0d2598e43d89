/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum action { NOTHING, KILL, FAIL };

/* In the order in which a domain's life meets them. */
static struct {
    const char *name;
    enum action action;
} points[] = {
    {"start.intent",     NOTHING}, /* the job is in the store, no guest yet */
    {"start.created",    NOTHING}, /* the guest exists, paused */
    {"start.running",    NOTHING}, /* the guest runs, its job has not ended in the store */
    {"save.intent",      NOTHING}, /* the job and the temporary name are in the store */
    {"save.stopped",     NOTHING}, /* the stream is written, the guest stands still */
    {"save.renamed",     NOTHING}, /* the image has its name, the store does not know it */
    {"save.committed",   NOTHING}, /* the store knows the image, the guest still exists */
    {"resume.intent",    NOTHING}, /* the job is in the store, the image untouched */
    {"resume.loaded",    NOTHING}, /* the guest is loaded, paused; the image is unclaimed */
    {"resume.claimed",   NOTHING}, /* the image is NAME.spent, no vCPU has run */
    {"resume.running",   NOTHING}, /* the guest runs, the store does not know it */
    {"resume.committed", NOTHING}, /* the store says running, the spent image is still there */
    {"destroy.intent",   NOTHING}, /* the job is in the store, the guest exists */
    {"shutdown.off",     NOTHING}, /* the guest has powered off, the job is in the store */
    {"destroy.gone",     NOTHING}, /* the guest is gone, the store does not know it */
    {"change.intent",    NOTHING}, /* the job is in the store, guest and record are as before */
    {"change.live",      NOTHING}, /* the guest has it, the store does not know it */
    {"reset.intent",     NOTHING}, /* the job is in the store, the guest is as it was */
    {"restart.intent",   NOTHING}, /* an ended guest's restart is in the store, nothing is done */
    {"restart.aside",    NOTHING}, /* what was left of it has its other name, no guest yet */
    {"restart.gone",     NOTHING}, /* what was left of it is gone, no guest yet */
    {"restart.running",  NOTHING}, /* it runs again, its job has not ended in the store */
    {"core.written",     NOTHING}, /* a core is in its temporary file, and has no name yet */
    {"store.commit",     NOTHING}, /* before a group commit */
    {"qemu.spawned",     NOTHING}, /* a process, and no meta.json yet */
    {"qemu.answered",    NOTHING}, /* it has answered (and loaded its state), still no meta.json */
    {"qemu.ended",       NOTHING}, /* the process is gone, its folder is not */
    {"qemu.plugged",     NOTHING}, /* the host's side of a device that comes is there */
    {"qemu.unplugged",   NOTHING}, /* the guest has let go of a device, the host has not */
    {"qemu.resized",     NOTHING}, /* CPUs have come or gone, meta.json does not say so */
    {"qemu.ejected",     NOTHING}, /* a drive is empty for the next disc */
    {"qemu.lifted",      NOTHING}, /* a guest that is not to reboot by itself may, for a reset */
    {"qemu.given",       NOTHING}, /* what an end left has given its disks away */
    {"qemu.aside",       NOTHING}, /* it has its other uuid, and the network still */
};
static bool armed;

static int arm(const char *item, struct err *e)
{
    const char *equals = strchr(item, '=');
    enum action action = !equals                      ? NOTHING
                         : str_eq(equals + 1, "kill") ? KILL
                         : str_eq(equals + 1, "fail") ? FAIL
                                                      : NOTHING;

    for (size_t i = 0; action != NOTHING && i < ARRAY_LEN(points); i++) {
        if (strlen(points[i].name) == (size_t)(equals - item) && str_starts(item, points[i].name)) {
            points[i].action = action;
            armed = true;
            return 0;
        }
    }
    return err_set(e, ERR_BAD_REQUEST, "REEVE_FAULT: \"%s\" is not POINT=kill or POINT=fail", item);
}

int fault_init(struct err *e)
{
    AUTO_FREE char *copy = x_strdup(getenv("REEVE_FAULT"));
    char *rest = NULL;

    for (char *item = copy ? strtok_r(copy, ",", &rest) : NULL; item;
         item = strtok_r(NULL, ",", &rest))
        if (arm(item, e) < 0)
            return -1;
    return 0;
}

int fault_point(const char *name, struct err *e)
{
    if (!armed)
        return 0;
    size_t i = 0;
    while (i < ARRAY_LEN(points) && !str_eq(points[i].name, name))
        i++;
    if (i == ARRAY_LEN(points))
        abort();
    if (points[i].action == KILL)
        kill(getpid(), SIGKILL);
    if (points[i].action == FAIL)
        return err_set(e, ERR_FAILED, "fault point %s", name);
    return 0;
}

const char *fault_name(size_t i)
{
    return i < ARRAY_LEN(points) ? points[i].name : NULL;
}
