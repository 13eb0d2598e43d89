/* SPDX-License-Identifier: MIT */
/* Devices that come and go. A device's place is written down before QEMU has it and forgotten after
 * it is gone, so that a death of ours in between leaves a place taken and never two devices for
 * one. What QEMU has is asked of QEMU: a half-done detach is finished by the next one. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/files.h"
#include "driver/qemu/live.h"
#include "driver/qemu/nodes.h"

struct plug {
    struct live l;
    struct conf conf; /* of the one device; borrowed parts */
    struct conf_disk disk;
    struct conf_vif vif;
    struct create_args args;
    const char *macs[1];
    struct launch launch;
    struct files files;
    char id[PLACE_ID_MAX];
};

static void plug_finish(struct plug *p)
{
    files_finish(&p->files);
    launch_finish(&p->launch);
    live_close(&p->l);
}

/* ---- attach ---- */

/* The device as a config that has nothing else, so that it is planned and opened as at a start. */
static int plan(struct plug *p, const struct device *device, struct err *e)
{
    p->conf.machine = p->l.machine->kind;
    p->args = (struct create_args){.ref = p->l.meta.ref,
                                   .conf = &p->conf,
                                   .directory = device->directory,
                                   .macs = p->macs,
                                   .user = device->user};
    if (device->kind == DEVICE_DISK) {
        p->disk = *device->disk;
        p->conf.disks = &p->disk;
        p->conf.disk_count = 1;
        str_copy(p->id, sizeof p->id, p->disk.vdev);
    } else {
        p->vif = *device->vif;
        p->conf.vifs = &p->vif;
        p->conf.vif_count = 1;
        p->macs[0] = device->mac;
        place_nic_id(device->mac, p->id);
    }
    if (launch_init(&p->launch, &p->args, e) < 0)
        return -1;
    if (device->kind == DEVICE_DISK && p->launch.disks[0].kind == DISK_IDE_CDROM)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: a drive on IDE cannot come while the domain lives; name it sdX, or "
                       "have an empty one from the start and put the disc in",
                       p->disk.vdev);
    return 0;
}

/* Puts "bus" and "addr" of a place. */
static void set_place(json_t *arguments, const struct machine *machine, int place)
{
    char bus[16], addr[16];

    place_bus(machine, place, bus, addr);
    json_set_string(arguments, "bus", bus);
    json_set_string(arguments, "addr", addr);
}

static int add_device(struct plug *p, json_t *arguments, const struct op *op, struct err *e)
{
    return qmp_run(&p->l.s.qmp, "device_add", arguments, op, NULL, e);
}

/* The controller, which stays once it is there. */
static int need_scsi(struct plug *p, const struct op *op, struct err *e)
{
    int there = live_has_device(&p->l, PLACE_SCSI, op, e);

    if (there != 0)
        return there < 0 ? -1 : 0;
    json_t *arguments = json_pack("{s:s, s:s}", "driver", p->l.machine->scsi, "id", PLACE_SCSI);
    set_place(arguments, p->l.machine, p->launch.scsi_place);
    if (p->l.meta.queues > 0)
        json_set_int(arguments, "num_queues", p->l.meta.queues);
    return add_device(p, arguments, op, e);
}

static json_t *disk_device(const struct plug *p)
{
    const struct launch_disk *disk = &p->launch.disks[0];
    json_t *arguments = json_pack("{s:s}", "id", p->id);

    if (disk->kind == DISK_BLOCK) {
        json_set_string(arguments, "driver", p->l.machine->block);
        set_place(arguments, p->l.machine, disk->place);
        if (p->l.meta.queues > 0)
            json_set_int(arguments, "num-queues", p->l.meta.queues);
    } else {
        json_set_string(arguments, "driver", disk->kind == DISK_SCSI ? "scsi-hd" : "scsi-cd");
        json_set_string(arguments, "bus", "scsi.0");
        json_set_int(arguments, "scsi-id", disk->conf->index);
    }
    if (disk->fd >= 0) {
        AUTO_FREE char *node = x_asprintf("disk-%s", p->id);
        json_set_string(arguments, "drive", node);
    }
    return arguments;
}

static int attach_disk(struct plug *p, const struct op *op, struct err *e)
{
    const struct launch_disk *disk = &p->launch.disks[0];
    struct op undo = op_within(QMP_COMMAND_MS);
    struct err second;

    if (disk->fd >= 0 && nodes_add(&p->l, p->id, disk, p->files.fds[0].from, op, e) < 0)
        return -1;
    if (fault_point("qemu.plugged", e) == 0 &&
        (disk->kind == DISK_BLOCK || need_scsi(p, op, e) == 0) &&
        add_device(p, disk_device(p), op, e) == 0)
        return 0;
    if (nodes_remove(&p->l, p->id, &undo, &second) < 0)
        err_wrap(e, "%s; and before", second.msg);
    return -1;
}

static int attach_nic(struct plug *p, const struct op *op, struct err *e)
{
    const struct launch_nic *nic = &p->launch.nics[0];
    struct op undo = op_within(QMP_COMMAND_MS);
    AUTO_FREE char *netdev = x_asprintf("net-%s", p->id);
    struct err second;

    if (nic->tap >= 0 && qmp_give_fd(&p->l.s.qmp, netdev, p->files.fds[0].from, op, e) < 0)
        return -1;
    json_t *backend = nic->tap >= 0
                          ? json_pack("{s:s, s:s, s:s}", "type", "tap", "id", netdev, "fd", netdev)
                          : json_pack("{s:s, s:s}", "type", "user", "id", netdev);
    if (qmp_run(&p->l.s.qmp, "netdev_add", backend, op, NULL, e) < 0)
        return -1;
    AUTO_JSON json_t *arguments = json_pack("{s:s, s:s, s:s, s:s}", "driver", nic->device, "id",
                                            p->id, "netdev", netdev, "mac", p->macs[0]);
    if (nic->pci_rom)
        json_set_string(arguments, "romfile", "");
    set_place(arguments, p->l.machine, nic->place);
    if (fault_point("qemu.plugged", e) == 0 && add_device(p, json_incref(arguments), op, e) == 0)
        return 0;
    if (qmp_run(&p->l.s.qmp, "netdev_del", json_pack("{s:s}", "id", netdev), &undo, NULL, &second) <
        0)
        err_wrap(e, "%s; and before", second.msg);
    return -1;
}

static int forget_place(struct live *l, const char *id, struct err *e)
{
    place_drop(&l->meta.places, id);
    return meta_write(l->s.dirfd, &l->meta, e);
}

/* What a device that the guest gave up late has left behind. */
static int remove_backend(struct live *l, enum device_kind kind, const char *id,
                          const struct op *op, bool *ret_any, struct err *e);

static int attach(struct plug *p, const struct device *device, const struct op *op, struct err *e)
{
    struct live *l = &p->l;
    struct err second;
    bool any;

    if (plan(p, device, e) < 0)
        return -1;
    int there = live_has_device(l, p->id, op, e);
    if (there != 0)
        return there < 0 ? -1 : err_set(e, ERR_EXISTS, "it has a device %s already", p->id);
    if (remove_backend(l, device->kind, p->id, op, &any, e) < 0 ||
        files_open(NULL, &p->launch, false, &p->files, e) < 0)
        return -1;
    p->launch.places = l->meta.places;
    if (launch_place(&p->launch, e) < 0)
        return -1;
    l->meta.places = p->launch.places;
    if (meta_write(l->s.dirfd, &l->meta, e) < 0)
        return -1;
    int result = device->kind == DEVICE_DISK ? attach_disk(p, op, e) : attach_nic(p, op, e);
    if (result < 0 && forget_place(l, p->id, &second) < 0)
        err_wrap(e, "%s; and before", second.msg);
    return result;
}

int hotplug_attach(struct driver_handle *h, const struct domain_ref *ref,
                   const struct device *device, const struct op *op, struct err *e)
{
    struct plug p = {.l = LIVE_NONE};
    int result = -1;

    if (live_open(&p.l, h, ref, false, op, e) < 0)
        return -1;
    if (p.l.machine->places == 0)
        err_set(e, ERR_UNSUPPORTED, "the machine %s takes no device while it runs; pc and q35 do",
                p.l.machine->name);
    else
        result = attach(&p, device, op, e);
    plug_finish(&p);
    return result;
}

/* ---- detach ---- */

static int remove_netdev(struct live *l, const char *id, const struct op *op, bool *ret_any,
                         struct err *e)
{
    AUTO_FREE char *netdev = x_asprintf("net-%s", id);
    struct err why;

    /* There is no way to ask for the netdevs, and the answer for one that is not there has no
     * name of its own. */
    *ret_any =
        qmp_run(&l->s.qmp, "netdev_del", json_pack("{s:s}", "id", netdev), op, NULL, &why) == 0;
    if (!*ret_any && (why.code != ERR_FAILED || !strstr(why.msg, "not found"))) {
        *e = why;
        return -1;
    }
    return 0;
}

static int remove_backend(struct live *l, enum device_kind kind, const char *id,
                          const struct op *op, bool *ret_any, struct err *e)
{
    if (kind == DEVICE_NIC)
        return remove_netdev(l, id, op, ret_any, e);
    int there = nodes_there(l, id, op, e);
    if (there < 0)
        return -1;
    *ret_any = there > 0;
    return nodes_remove(l, id, op, e);
}

static int detach(struct live *l, enum device_kind kind, const char *id, const char *what,
                  const struct op *op, struct err *e)
{
    bool any = false;
    int there = live_has_device(l, id, op, e);

    if (there < 0)
        return -1;
    if (there > 0 && l->paused)
        return err_set(e, ERR_WRONG_STATE,
                       "it is paused, and the guest has to let go of %s; unpause it first", what);
    if (there > 0 && live_unplug(l, id, what, op, e) < 0)
        return -1;
    struct op rest = op_within(QMP_COMMAND_MS); /* the guest has done its part: no half way back */
    if ((there > 0 && fault_point("qemu.unplugged", e) < 0) ||
        remove_backend(l, kind, id, &rest, &any, e) < 0 || forget_place(l, id, e) < 0)
        return -1;
    return there > 0 || any ? 0 : err_set(e, ERR_FAILED, "it has no %s", what);
}

int hotplug_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                   const char *name, const struct op *op, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    char id[PLACE_ID_MAX];

    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    AUTO_FREE char *what =
        x_asprintf("%s %s", kind == DEVICE_DISK ? "disk" : "network interface", name);
    if (kind == DEVICE_NIC)
        place_nic_id(name, id);
    else if (!str_copy(id, sizeof id, name))
        return err_set(e, ERR_FAILED, "it has no %s", what);
    if (l.machine->places == 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "the machine %s gives up no device while it runs; pc and q35 do",
                       l.machine->name);
    /* Other devices are QEMU's by the same kind of name. */
    if (kind == DEVICE_DISK &&
        (str_eq(id, PLACE_SCSI) || str_starts(id, "nic-") || str_starts(id, "port") ||
         str_starts(id, "cpu") || str_eq(id, "balloon")))
        return err_set(e, ERR_FAILED, "it has no %s", what);
    return detach(&l, kind, id, what, op, e);
}
