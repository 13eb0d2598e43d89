/* SPDX-License-Identifier: MIT */
/* The disc in a drive. The new one is opened whole before the old one leaves. */
#include <stdlib.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/files.h"
#include "driver/qemu/live.h"
#include "driver/qemu/nodes.h"

/* What is in the drive: the name of its node after "disk-", "" for nothing. Owned by the caller.
 * ERR_FAILED when there is no such drive. */
static int inserted(struct live *l, const char *vdev, const struct op *op, char **ret,
                    struct err *e)
{
    AUTO_FREE char *path = x_asprintf("/machine/peripheral/%s", vdev);
    AUTO_JSON json_t *all = NULL;
    size_t i;
    json_t *item;

    if (qmp_run(&l->s.qmp, "query-block", NULL, op, &all, e) < 0)
        return -1;
    json_array_foreach(all, i, item)
    {
        if (!str_eq(json_get_string(item, "qdev", NULL), path) &&
            !str_eq(json_get_string(item, "qdev", NULL), vdev))
            continue;
        if (!json_get_bool(item, "removable", false))
            break;
        const char *node = json_get_string(json_object_get(item, "inserted"), "node-name", "disk-");
        *ret = x_strdup(str_starts(node, "disk-") ? node + 5 : node);
        return 0;
    }
    return err_set(e, ERR_FAILED, "it has no cdrom drive %s", vdev);
}

static int tray(struct live *l, const char *command, const char *vdev, const struct op *op,
                struct err *e)
{
    json_t *arguments = json_pack("{s:s}", "id", vdev);

    if (str_eq(command, "blockdev-open-tray"))
        json_set_bool(arguments, "force", true);
    return qmp_run(&l->s.qmp, command, arguments, op, NULL, e);
}

static int insert(struct live *l, const char *vdev, const char *name, const struct op *op,
                  struct err *e)
{
    AUTO_FREE char *node = x_asprintf("disk-%s", name);

    return qmp_run(&l->s.qmp, "blockdev-insert-medium",
                   json_pack("{s:s, s:s}", "id", vdev, "node-name", node), op, NULL, e);
}

/* Takes out `old` and puts in `next`; "" for none. On failure the old one is put in again. */
static int swap(struct live *l, const char *vdev, const char *old, const char *next,
                const struct op *op, struct err *e)
{
    struct op undo = op_within(QMP_COMMAND_MS);
    struct err ignored;

    if (tray(l, "blockdev-open-tray", vdev, op, e) < 0)
        return -1;
    if ((!old[0] || tray(l, "blockdev-remove-medium", vdev, op, e) == 0) &&
        fault_point("qemu.ejected", e) == 0 && (!next[0] || insert(l, vdev, next, op, e) == 0) &&
        tray(l, "blockdev-close-tray", vdev, op, e) == 0)
        return 0;
    /* Refused where it has not left yet. */
    if (old[0] && insert(l, vdev, old, &undo, &ignored) < 0 && ignored.code != ERR_FAILED)
        err_wrap(e, "%s; and before", ignored.msg);
    if (tray(l, "blockdev-close-tray", vdev, &undo, &ignored) < 0)
        err_wrap(e, "%s; and before", ignored.msg);
    return -1;
}

static int change(struct live *l, struct launch *launch, const struct op *op, struct err *e)
{
    const struct launch_disk *disk = &launch->disks[0];
    const char *vdev = disk->conf->vdev;
    struct op undo = op_within(QMP_COMMAND_MS);
    AUTO_FREE char *old = NULL;
    AUTO_FREE char *other = x_asprintf("%s-b", vdev);
    struct files files = {0};
    struct err second;
    int result = -1;

    if (inserted(l, vdev, op, &old, e) < 0 || files_open(NULL, launch, false, &files, e) < 0)
        return -1;
    const char *next = disk->fd < 0 ? "" : str_eq(old, vdev) ? other : vdev;
    const char *leftover = str_eq(old, vdev) ? other : vdev;
    /* Of a change that we died in. */
    if (nodes_remove(l, leftover, op, e) == 0 &&
        (!next[0] || nodes_add(l, next, disk, files.fds[0].from, op, e) == 0)) {
        result = swap(l, vdev, old, next, op, e);
        const char *unused = result == 0 ? old : next;
        if (unused[0] && nodes_remove(l, unused, &undo, &second) < 0 && result == 0) {
            *e = second;
            result = -1;
        }
    }
    files_finish(&files);
    return result;
}

int medium_change(struct driver_handle *h, const struct domain_ref *ref,
                  const struct conf_disk *disk, const char *directory, const struct fs_user *user,
                  const struct op *op, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;

    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    struct conf conf = {.machine = l.machine->kind};
    struct conf_disk drive = *disk;
    drive.cdrom = true;
    struct create_args args = {
        .ref = l.meta.ref, .conf = &conf, .directory = directory, .user = *user};
    struct launch_disk one = {.conf = &drive, .fd = -1, .boot_index = -1, .place = -1};
    struct launch launch = launch_of(&args);

    launch.disks = &one;
    launch.disk_count = 1;
    return change(&l, &launch, op, e);
}
