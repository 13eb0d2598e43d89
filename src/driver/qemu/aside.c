/* SPDX-License-Identifier: MIT */
#include "driver/qemu/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/host.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/save.h"
#include "driver/qemu/session.h"

/* ---- what is written down ---- */

struct note {
    char status[QMP_STATUS_MAX];
    char name[IDENT_NAME_MAX + 1];
};

enum { NOTE_MAX = QMP_STATUS_MAX + IDENT_NAME_MAX + 2 };

int aside_note(int dirfd, const char *status, const char *name, struct err *e)
{
    AUTO_FREE char *text = x_asprintf("%s %s\n", status, name);
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_ASIDE ".new",
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_ASIDE);
    if (fs_write_all(fd, text, strlen(text), FOLDER_ASIDE, e) < 0)
        return -1;
    if (renameat(dirfd, FOLDER_ASIDE ".new", dirfd, FOLDER_ASIDE) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_ASIDE);
    return 0;
}

static bool read_note(int dirfd, struct note *ret)
{
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_ASIDE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char text[NOTE_MAX + 1];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n < 0 ? 0 : n] = '\0';
    char *name = strchr(text, ' '), *end = strchr(text, '\n');
    if (!name || !end || end < name)
        return false;
    *name++ = *end = '\0';
    return str_copy(ret->status, sizeof ret->status, text) &&
           str_copy(ret->name, sizeof ret->name, name);
}

void aside_status(int dirfd, char status[QMP_STATUS_MAX])
{
    struct note note;

    if ((str_eq(status, "postmigrate") || str_eq(status, "finish-migrate")) &&
        read_note(dirfd, &note))
        str_copy(status, QMP_STATUS_MAX, note.status);
}

void aside_rehome(int dirfd, const char *dir, const char *uuid, struct meta *meta)
{
    struct note note;

    if (str_eq(meta->ref.uuid, uuid))
        return;
    str_copy(meta->ref.uuid, sizeof meta->ref.uuid, uuid);
    if (read_note(dirfd, &note))
        str_copy(meta->ref.name, sizeof meta->ref.name, note.name);
    if (meta->vnc[0])
        snprintf(meta->vnc, sizeof meta->vnc, "%s/%s/%s", dir, uuid, FOLDER_VNC);
}

int aside_refuse(const struct meta *meta, const char *uuid, struct err *e)
{
    if (str_eq(meta->ref.uuid, uuid))
        return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "it is what an end left of another domain, without disks and network: "
                   "dump-core writes its memory and destroy clears it away");
}

/* Held: it stands still on purpose until it runs. */
int aside_forget(int dirfd, struct err *e)
{
    if (!folder_marked(dirfd, FOLDER_ASIDE))
        return 0;
    if (folder_mark(dirfd, FOLDER_HELD, e) < 0)
        return -1;
    folder_unmark(dirfd, FOLDER_ASIDE);
    return 0;
}

/* ---- the steps ---- */

/* What was begun by a daemon that died goes on by itself in QEMU, and is waited for. */
static int give_away_disks(struct session *s, const char *name, const struct op *op, struct err *e)
{
    struct observation now = {0};
    char status[QMP_STATUS_MAX];

    if (qmp_status(&s->qmp, op, status, e) < 0)
        return -1;
    observation_set_status(&now, s->dirfd, status);
    if (now.state != OBS_SHUTDOWN && now.state != OBS_CRASHED)
        return err_set(e, ERR_WRONG_STATE, "the guest has not ended");
    aside_status(s->dirfd, status);
    return aside_note(s->dirfd, status, name, e) < 0 ? -1 : save_nowhere(s, op, e);
}

/* QEMU does not tell of netdevs, and refuses for one that is not there. A card of which the host's
 * end is gone stays in the machine. */
static int drop_network(struct session *s, const struct op *op, struct err *e)
{
    AUTO_JSON json_t *devices = NULL;
    const json_t *device;
    size_t i;

    if (qmp_run(&s->qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), op,
                &devices, e) < 0)
        return -1;
    json_array_foreach(devices, i, device)
    {
        const char *id = json_get_string(device, "name", "");
        AUTO_FREE char *netdev = x_asprintf("net-%s", id);
        struct err why;
        if (!str_starts(id, "nic-") ||
            qmp_run(&s->qmp, "netdev_del", json_pack("{s:s}", "id", netdev), op, NULL, &why) == 0 ||
            why.code == ERR_FAILED)
            continue;
        *e = why;
        return -1;
    }
    return 0;
}

int aside_set(struct driver_handle *h, const struct domain_ref *ref, const struct domain_ref *as,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    struct meta meta;

    if (session_open(&s, h, ref, op, e) < 0 || meta_read(s.dirfd, &meta, e) < 0)
        return -1;
    if (meta.ram_inode)
        return err_set(e, ERR_UNSUPPORTED,
                       "its memory is a file (reeve_memory), which its next boot makes anew");
    if (!str_eq(ref->uuid, as->uuid)) {
        if (give_away_disks(&s, as->name, op, e) < 0 || fault_point("qemu.given", e) < 0)
            return -1;
        if (renameat(h->dirfd, ref->uuid, h->dirfd, as->uuid) < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot rename the folder of %s", ref->uuid);
    }
    /* What fails from here on fails the next start too, with its own reason: an interface that is
     * busy. Nothing is lost by that, and what was set aside is kept. */
    struct err ignored;
    if (fault_point("qemu.aside", &ignored) == 0)
        (void)drop_network(&s, op, &ignored);
    return 0;
}
