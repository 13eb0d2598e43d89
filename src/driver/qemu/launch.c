/* SPDX-License-Identifier: MIT */
#include "driver/qemu/launch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/* SCSI ids of a virtio-scsi bus; 256 are possible, names go to z. */
enum { SCSI_MAX = 26 };

/* ---- disks ---- */

static int disk_kind(const struct machine *machine, const struct conf_disk *disk,
                     enum disk_kind *ret, struct err *e)
{
    bool scsi = str_starts(disk->vdev, "sd");

    if (scsi && disk->index >= SCSI_MAX)
        return err_set_key(e, ERR_BAD_CONFIG, "disk", "%s: there are only sda to sdz", disk->vdev);
    if (!disk->cdrom) {
        *ret = scsi ? DISK_SCSI : DISK_BLOCK;
        if (disk->target)
            return 0;
        return err_set_key(e, ERR_BAD_CONFIG, "disk", "%s has no target; only a cdrom can be empty",
                           disk->vdev);
    }
    if (!scsi && !machine->cdrom) {
        return err_set_key(e, ERR_UNSUPPORTED, "disk",
                           "%s: the machine %s has no IDE for a cdrom; name it sdX "
                           "instead",
                           disk->vdev, machine->name);
    }
    unsigned drives = machine->cdrom_buses * machine->cdrom_units;
    if (!scsi && disk->index >= drives)
        return err_set_key(e, ERR_UNSUPPORTED, "disk",
                           "%s: the machine %s has only %u drives for a cdrom", disk->vdev,
                           machine->name, drives);
    *ret = scsi ? DISK_SCSI_CDROM : DISK_IDE_CDROM;
    return 0;
}

/* The controller that a kind of disk is on; two disks there cannot have one number. */
static int controller(enum disk_kind kind)
{
    return kind == DISK_BLOCK ? 0 : kind == DISK_IDE_CDROM ? 1 : 2;
}

static int by_place(const void *a, const void *b)
{
    const struct launch_disk *x = a, *y = b;
    int order = controller(x->kind) - controller(y->kind);

    return order != 0 ? order : (int)x->conf->index - (int)y->conf->index;
}

static int plan_disks(struct launch *l, struct err *e)
{
    const struct conf *conf = l->args->conf;

    l->disks = x_calloc(conf->disk_count + 1, sizeof *l->disks);
    for (size_t i = 0; i < conf->disk_count; i++) {
        struct launch_disk *disk = &l->disks[l->disk_count++];
        *disk =
            (struct launch_disk){.conf = &conf->disks[i], .fd = -1, .boot_index = -1, .place = -1};
        if (disk_kind(l->machine, disk->conf, &disk->kind, e) < 0)
            return -1;
        l->has_scsi = l->has_scsi || disk->kind == DISK_SCSI || disk->kind == DISK_SCSI_CDROM;
    }
    qsort(l->disks, l->disk_count, sizeof *l->disks, by_place);
    for (size_t i = 1; i < l->disk_count; i++) {
        if (by_place(&l->disks[i - 1], &l->disks[i]) != 0)
            continue;
        return err_set_key(e, ERR_BAD_CONFIG, "disk",
                           "%s and %s are the same drive on QEMU; give them "
                           "different letters",
                           l->disks[i - 1].conf->vdev, l->disks[i].conf->vdev);
    }
    return 0;
}

/* ---- network ---- */

/* A config's model and QEMU's device; NULL is the machine's own virtio. */
static const struct {
    const char *model;
    const char *device;
} models[] = {
    {"",           NULL     },
    {"virtio",     NULL     },
    {"virtio-net", NULL     },
    {"e1000",      "e1000"  },
    {"e1000e",     "e1000e" },
    {"rtl8139",    "rtl8139"},
};

static int plan_nic(struct launch *l, const struct conf_vif *vif, struct err *e)
{
    struct launch_nic *nic = &l->nics[l->nic_count++];
    size_t i = 0;

    while (i < ARRAY_LEN(models) && !str_eq(models[i].model, vif->model))
        i++;
    if (i == ARRAY_LEN(models)) {
        return err_set_key(e, ERR_UNSUPPORTED, "vif",
                           "no network card \"%s\" here; virtio, e1000, e1000e and "
                           "rtl8139 are known",
                           vif->model);
    }
    if (models[i].device && !l->machine->pci_nics)
        return err_set_key(e, ERR_UNSUPPORTED, "vif", "the machine %s has no %s, only virtio",
                           l->machine->name, vif->model);
    if (vif->ifname && !vif->bridge)
        return err_set_key(e, ERR_BAD_CONFIG, "vif",
                           "vifname=%s names an interface of the host, which there "
                           "is only with bridge=",
                           vif->ifname);
    *nic = (struct launch_nic){
        .conf = vif, .tap = -1, .boot_index = -1, .place = -1, .pci_rom = l->machine->pci_nics};
    place_nic_id(l->args->macs[l->nic_count - 1], nic->id);
    nic->device = models[i].device ? models[i].device : l->machine->net;
    return 0;
}

static int plan_nics(struct launch *l, struct err *e)
{
    const struct conf *conf = l->args->conf;

    l->nics = x_calloc(conf->vif_count + 1, sizeof *l->nics);
    for (size_t i = 0; i < conf->vif_count; i++)
        if (plan_nic(l, &conf->vifs[i], e) < 0)
            return -1;
    return 0;
}

/* ---- serial lines ---- */

static int plan_serial(struct launch *l, const char *word, struct err *e)
{
    struct launch_serial *serial = &l->serials[l->serial_count++];

    *serial = (struct launch_serial){.fd = -1, .reader = -1};
    if (str_eq(word, "pty") && !l->has_console) {
        serial->kind = SERIAL_CONSOLE;
        l->has_console = true;
        return 0;
    }
    if (str_starts(word, "file:") && word[5]) {
        serial->kind = SERIAL_FILE;
        serial->path = word + 5;
        return 0;
    }
    if (str_starts(word, "unix:") && word[5]) {
        serial->kind = SERIAL_SOCKET;
        serial->path = word + 5;
        return 0;
    }
    if (str_eq(word, "pty"))
        return err_set_key(e, ERR_UNSUPPORTED, "serial",
                           "only one line can be \"pty\", the console; "
                           "further ones are file:PATH or unix:PATH");
    return err_set_key(e, ERR_UNSUPPORTED, "serial",
                       "\"%s\" is not known; pty, file:PATH and "
                       "unix:PATH are",
                       word);
}

static int plan_serials(struct launch *l, struct err *e)
{
    const struct conf *conf = l->args->conf;

    l->serials = x_calloc(conf->serial_count + 1, sizeof *l->serials);
    if (conf->serial_count == 0)
        return plan_serial(l, "pty", e);
    for (size_t i = 0; i < conf->serial_count; i++)
        if (plan_serial(l, conf->serials[i], e) < 0)
            return -1;
    return 0;
}

/* ---- boot order ---- */

static bool is_cdrom(const struct launch_disk *disk)
{
    return disk->kind == DISK_IDE_CDROM || disk->kind == DISK_SCSI_CDROM;
}

/* The letters of `boot` to numbers on the devices. With a kernel given none is asked. */
static void plan_boot(struct launch *l)
{
    const char *letters = l->args->conf->boot ? l->args->conf->boot : "cd";
    int next = 0;

    if (l->args->conf->kernel)
        return;
    for (; *letters; letters++) {
        for (size_t i = 0; i < l->disk_count; i++)
            if (l->disks[i].boot_index < 0 && *letters == (is_cdrom(&l->disks[i]) ? 'd' : 'c'))
                l->disks[i].boot_index = next++;
        for (size_t i = 0; i < l->nic_count && *letters == 'n'; i++)
            if (l->nics[i].boot_index < 0)
                l->nics[i].boot_index = next++;
    }
}

/* ---- firmware ---- */

static int plan_firmware(struct launch *l, struct err *e)
{
    const struct conf_boot *boot = &l->args->conf->booting;

    l->flash = boot->firmware == CONF_FIRMWARE_OVMF;
    l->firmware_path =
        boot->bios_path_override ? boot->bios_path_override : boot->firmware_override;
    if (l->flash && !l->machine->flash)
        return err_set_key(e, ERR_UNSUPPORTED, "firmware",
                           "the machine %s has no flash for OVMF; take pc or q35 as reeve_machine",
                           l->machine->name);
    if (l->firmware_path && !l->machine->flash)
        return err_set_key(e, ERR_UNSUPPORTED, "bios_path_override",
                           "the machine %s boots with its own firmware alone", l->machine->name);
    return 0;
}

static int plan(struct launch *l, struct err *e)
{
    const struct conf *conf = l->args->conf;

    if (plan_firmware(l, e) < 0 || plan_disks(l, e) < 0 || plan_nics(l, e) < 0 ||
        plan_serials(l, e) < 0)
        return -1;
    if (conf->vnc == CONF_FLAG_ON && !l->machine->video)
        return err_set_key(e, ERR_UNSUPPORTED, "vnc", "the machine %s has no screen",
                           l->machine->name);
    if (conf->watchdog && !l->machine->watchdog_place)
        return err_set_key(e, ERR_UNSUPPORTED, "reeve_watchdog", "the machine %s has no PCI for it",
                           l->machine->name);
    if (l->machine->needs_kernel && !conf->kernel)
        return err_set_key(e, ERR_BAD_CONFIG, "kernel",
                           "the machine %s boots no disk, only a kernel; name one, or take another "
                           "reeve_machine",
                           l->machine->name);
    if (conf->ramdisk && !conf->kernel)
        return err_set_key(e, ERR_BAD_CONFIG, "ramdisk", "it needs a kernel");
    if (conf->cmdline && !conf->kernel) {
        return err_set_key(e, ERR_BAD_CONFIG, "cmdline",
                           "it needs a kernel; a disk's boot loader has its own");
    }
    plan_boot(l);
    return 0;
}

int launch_place(struct launch *l, struct err *e)
{
    const struct machine *m = l->machine;

    if (m->places == 0)
        return 0;
    /* A controller whose last disk was taken away is still there in the saved guest. */
    l->has_scsi = l->has_scsi || place_find(&l->places, PLACE_SCSI) >= 0;
    for (size_t i = 0; i < l->disk_count; i++) {
        struct launch_disk *disk = &l->disks[i];
        if (disk->kind == DISK_BLOCK &&
            place_take(&l->places, m, disk->conf->vdev, disk->conf->index, &disk->place, e) < 0)
            return err_wrap(e, "disk");
    }
    for (size_t i = 0; i < l->nic_count; i++) {
        struct launch_nic *nic = &l->nics[i];
        if (place_take(&l->places, m, nic->id, place_wish_nic(m, i), &nic->place, e) < 0)
            return err_wrap(e, "vif");
    }
    if (l->has_scsi && place_take(&l->places, m, PLACE_SCSI, m->places / 2, &l->scsi_place, e) < 0)
        return err_wrap(e, "disk");
    return 0;
}

struct launch launch_of(const struct create_args *args)
{
    return (struct launch){.args = args,
                           .machine = machine_of(args->conf->machine),
                           .reboots = args->conf->on_reboot == CONF_RESTART,
                           .control = -1,
                           .events = -1,
                           .journal = -1,
                           .journal_log = -1,
                           .kernel = -1,
                           .ramdisk = -1,
                           .firmware = -1,
                           .variables = -1,
                           .ram_file = -1,
                           .ram = -1,
                           .scsi_place = -1};
}

int launch_init(struct launch *ret, const struct create_args *args, struct err *e)
{
    struct launch l = launch_of(args);

    if (plan(&l, e) < 0) {
        launch_finish(&l);
        return -1;
    }
    *ret = l;
    return 0;
}

void launch_finish(struct launch *launch)
{
    for (size_t i = 0; i < launch->serial_count; i++)
        if (launch->serials[i].reader >= 0)
            close(launch->serials[i].reader);
    launch->serial_count = 0;
    free(TAKE(launch->disks));
    free(TAKE(launch->serials));
    free(TAKE(launch->nics));
}
