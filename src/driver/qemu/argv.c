/* SPDX-License-Identifier: MIT */
#include "driver/qemu/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/ram.h"

struct args {
    char **items; /* owned, as are the strings */
    size_t count;
    size_t cap;
};

/* Takes over the text; NULL ends the list. */
static void push(struct args *args, char *text)
{
    if (args->count == args->cap) {
        args->cap = args->cap ? 2 * args->cap : 64;
        args->items = x_reallocarray(args->items, args->cap, sizeof *args->items);
    }
    args->items[args->count++] = text;
}

static void PRINTF(3, 4) option(struct args *args, const char *name, const char *fmt, ...)
{
    va_list list;
    char *text = NULL;

    push(args, x_strdup(name));
    va_start(list, fmt);
    if (vasprintf(&text, fmt, list) < 0)
        abort();
    va_end(list);
    push(args, text);
}

/* ---- the process ---- */

static void add_name(struct args *a, const struct launch *l)
{
    option(a, "-name", "guest=%s,debug-threads=on", l->args->ref.name);
}

static void add_uuid(struct args *a, const struct launch *l)
{
    option(a, "-uuid", "%s", l->args->ref.uuid);
}

/* Nothing but what the rows below name, and no configuration of the host's. */
static void add_bare(struct args *a, const struct launch *l)
{
    (void)l;
    push(a, x_strdup("-nodefaults"));
    push(a, x_strdup("-no-user-config"));
    option(a, "-msg", "timestamp=off");
    option(a, "-sandbox",
           "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
           "resourcecontrol=deny");
}

/* What the guest's own ends do: it is kept for us to look at, or it just comes up again. */
static void add_ends(struct args *a, const struct launch *l)
{
    push(a, x_strdup("-S"));
    option(a, "-action", "shutdown=pause,panic=pause,reboot=%s%s",
           l->reboots ? "reset" : "shutdown", l->args->conf->watchdog ? ",watchdog=pause" : "");
}

/* ---- the machine ---- */

/* Shared, so that a save can read the pages itself (ram.h). */
static void add_memory(struct args *a, const struct launch *l)
{
    uint64_t kib = ram_bytes(l->args->conf->max_memory_kib) / 1024;

    if (l->ram >= 0)
        option(a, "-object",
               "memory-backend-file,id=ram,size=%lluK,mem-path=/proc/self/fd/%d,share=on",
               (unsigned long long)kib, l->ram);
    else
        option(a, "-object", "memory-backend-memfd,id=ram,size=%lluK,share=on",
               (unsigned long long)kib);
    option(a, "-m", "%lluK", (unsigned long long)kib);
}

static void add_machine(struct args *a, const struct launch *l)
{
    const char *flash = !l->flash          ? ""
                        : l->firmware >= 0 ? ",pflash0=firmware,pflash1=variables"
                                           : ",pflash0=variables";

    option(a, "-machine", "%s,memory-backend=ram%s%s", l->machine_name, l->machine->options, flash);
}

static void add_accel(struct args *a, const struct launch *l)
{
    option(a, "-accel", "%s%s", l->accel, str_eq(l->accel, "tcg") ? ",thread=multi" : "");
}

static void add_cpu(struct args *a, const struct launch *l)
{
    option(a, "-cpu", "%s", l->cpu);
    option(a, "-smp", "cpus=%u,maxcpus=%u", l->args->conf->vcpus, l->args->conf->max_vcpus);
}

static void add_clock(struct args *a, const struct launch *l)
{
    (void)l;
    option(a, "-rtc", "base=utc");
}

static void add_screen(struct args *a, const struct launch *l)
{
    option(a, "-display", "none");
    if (l->args->conf->vnc != CONF_FLAG_ON)
        return;
    /* It gets its socket over QMP (display-update): an address here would have to be a path. */
    option(a, "-vnc", "none");
    option(a, "-device", "%s%s", l->machine->video, l->machine->video_place);
}

/* ---- control ---- */

static void add_monitor(struct args *a, const char *name, int fd, const char *more)
{
    option(a, "-chardev", "socket,id=%s,fd=%d,server=on,wait=off%s", name, fd, more);
    option(a, "-mon", "chardev=%s,mode=control", name);
}

static void add_fdset(struct args *a, int fd)
{
    option(a, "-add-fd", "set=%d,fd=%d", fd, fd);
}

/* ---- firmware ---- */

static void add_flash(struct args *a, const char *node, int fd, bool read_only)
{
    const char *state = read_only ? "on" : "off";

    if (fd < 0)
        return;
    add_fdset(a, fd);
    option(a, "-blockdev", "driver=file,node-name=file-%s,filename=/dev/fdset/%d,read-only=%s%s",
           node, fd, state, read_only ? "" : ",locking=on");
    option(a, "-blockdev", "driver=raw,node-name=%s,file=file-%s,read-only=%s", node, node, state);
}

static void add_firmware(struct args *a, const struct launch *l)
{
    if (l->flash) {
        add_flash(a, "firmware", l->firmware, true);
        add_flash(a, "variables", l->variables, false);
    } else if (l->firmware >= 0) {
        option(a, "-bios", "/proc/self/fd/%d", l->firmware);
    }
}

static void add_monitors(struct args *a, const struct launch *l)
{
    add_monitor(a, "control", l->control, "");
    add_monitor(a, "events", l->events, "");
    AUTO_FREE char *log = x_asprintf(",logfile=/dev/fdset/%d,logappend=on", l->journal_log);
    add_fdset(a, l->journal_log);
    add_monitor(a, "journal", l->journal, log);
}

/* ---- boot ---- */

/* Under TCG microvm has no clock by which Linux can measure the TSC: half of the boots hang after
 * "Marking TSC unstable" unless it is told a rate. */
static void add_cmdline(struct args *a, const struct launch *l)
{
    const char *given = l->args->conf->cmdline ? l->args->conf->cmdline : "";
    bool tell =
        l->machine->slow_clock && str_eq(l->accel, "tcg") && !strstr(given, "tsc_early_khz=");

    if (tell)
        option(a, "-append", "%s%stsc_early_khz=2000000", given, given[0] ? " " : "");
    else if (given[0])
        option(a, "-append", "%s", given);
}

static void add_kernel(struct args *a, const struct launch *l)
{
    if (l->kernel < 0)
        return;
    option(a, "-kernel", "/proc/self/fd/%d", l->kernel);
    if (l->ramdisk >= 0)
        option(a, "-initrd", "/proc/self/fd/%d", l->ramdisk);
    add_cmdline(a, l);
}

/* ---- devices ---- */

static void add_console(struct args *a, const struct launch *l)
{
    for (size_t i = 0; i < l->serial_count; i++) {
        const struct launch_serial *serial = &l->serials[i];
        if (serial->kind == SERIAL_FILE) {
            add_fdset(a, serial->fd);
            option(a, "-chardev", "file,id=serial%zu,path=/dev/fdset/%d,append=on", i, serial->fd);
        } else {
            option(a, "-chardev", "socket,id=serial%zu,fd=%d,server=on,wait=off", i, serial->fd);
        }
        option(a, "-serial", "chardev:serial%zu", i);
    }
}

/* Its slot is behind those of the places, so that no device that comes or goes moves it. */
static void add_watchdog(struct args *a, const struct launch *l)
{
    if (l->args->conf->watchdog)
        option(a, "-device", "i6300esb%s", l->machine->watchdog_place);
}

static void add_panic(struct args *a, const struct launch *l)
{
    if (l->machine->panic)
        option(a, "-device", "%s", l->machine->panic);
}

/* Always, so that any guest's memory can be changed, and so that a saved one has the same devices
 * whatever its figures were. */
static void add_balloon(struct args *a, const struct launch *l)
{
    option(a, "-device", "%s,id=balloon%s", l->machine->balloon, l->machine->balloon_place);
}

/* See place.h. Eight to a slot. */
static void add_ports(struct args *a, const struct launch *l)
{
    const struct machine *m = l->machine;

    for (unsigned i = 0; m->root_ports && i < m->places; i++)
        option(
            a, "-device",
            "pcie-root-port,id=port%u,bus=pcie.0,multifunction=on,addr=0x%x.%u,chassis=%u,slot=%u",
            i, m->first_slot + i / 8, i % 8, i + 1, i + 1);
}

static void add_place(struct str *device, const struct launch *l, int place)
{
    char bus[16], addr[16];

    if (place < 0)
        return;
    place_bus(l->machine, place, bus, addr);
    str_addf(device, ",bus=%s,addr=%s", bus, addr);
}

static void add_scsi(struct args *a, const struct launch *l)
{
    AUTO_STR struct str device = {0};

    if (!l->has_scsi)
        return;
    str_addf(&device, "%s,id=" PLACE_SCSI, l->machine->scsi);
    add_place(&device, l, l->scsi_place);
    if (l->queues > 0)
        str_addf(&device, ",num_queues=%u", l->queues);
    option(a, "-device", "%s", device.data);
}

/* The image: the descriptor as a node, and a node for its format, which is never guessed. */
static void add_image(struct args *a, const struct launch_disk *disk)
{
    const char *vdev = disk->conf->vdev;
    const char *read_only = disk->conf->read_only || disk->conf->cdrom ? "on" : "off";

    /* By its name it is found when it is taken away (disk.h). */
    option(a, "-add-fd", "set=%d,fd=%d,opaque=disk-%s", disk->fd, disk->fd, vdev);
    option(a, "-blockdev", "driver=%s,node-name=file-%s,filename=/dev/fdset/%d,read-only=%s%s",
           disk->host_device ? "host_device" : "file", vdev, disk->fd, read_only,
           disk->host_device ? "" : ",locking=on");
    option(a, "-blockdev", "driver=%s,node-name=disk-%s,file=file-%s,read-only=%s",
           disk->conf->format == CONF_QCOW2 ? "qcow2" : "raw", vdev, vdev, read_only);
}

static void add_disk(struct args *a, const struct launch *l, size_t i)
{
    const struct launch_disk *disk = &l->disks[i];
    AUTO_STR struct str device = {0};
    unsigned index = disk->conf->index;

    if (disk->fd >= 0)
        add_image(a, disk);
    switch (disk->kind) {
    case DISK_BLOCK:
        str_add(&device, l->machine->block);
        add_place(&device, l, disk->place);
        if (l->queues > 0)
            str_addf(&device, ",num-queues=%u", l->queues);
        break;
    case DISK_SCSI:
    case DISK_SCSI_CDROM:
        str_addf(&device, "%s,bus=scsi.0,scsi-id=%u",
                 disk->kind == DISK_SCSI ? "scsi-hd" : "scsi-cd", index);
        break;
    case DISK_IDE_CDROM:
        str_addf(&device, "%s,bus=ide.%u,unit=%u", l->machine->cdrom,
                 index / l->machine->cdrom_units, index % l->machine->cdrom_units);
        break;
    }
    str_addf(&device, ",id=%s", disk->conf->vdev);
    if (disk->fd >= 0)
        str_addf(&device, ",drive=disk-%s", disk->conf->vdev);
    if (disk->boot_index >= 0)
        str_addf(&device, ",bootindex=%d", disk->boot_index);
    option(a, "-device", "%s", device.data);
}

static void add_disks(struct args *a, const struct launch *l)
{
    for (size_t i = 0; i < l->disk_count; i++)
        add_disk(a, l, i);
}

static void add_nic(struct args *a, const struct launch *l, size_t i)
{
    const struct launch_nic *nic = &l->nics[i];
    AUTO_STR struct str device = {0};

    if (nic->tap >= 0)
        option(a, "-netdev", "tap,id=net-%s,fd=%d", nic->id, nic->tap);
    else
        option(a, "-netdev", "user,id=net-%s", nic->id);
    str_addf(&device, "%s,id=%s,netdev=net-%s,mac=%s", nic->device, nic->id, nic->id,
             l->args->macs[i]);
    add_place(&device, l, nic->place);
    if (nic->boot_index >= 0)
        str_addf(&device, ",bootindex=%d", nic->boot_index);
    else if (nic->pci_rom)
        str_add(&device, ",romfile=");
    option(a, "-device", "%s", device.data);
}

static void add_nics(struct args *a, const struct launch *l)
{
    for (size_t i = 0; i < l->nic_count; i++)
        add_nic(a, l, i);
}

static void add_incoming(struct args *a, const struct launch *l)
{
    if (l->incoming)
        option(a, "-incoming", "defer");
}

/* In this order on the command line. The order of the devices is that of their places on the bus:
 * a change here makes images of before unloadable. */
static void (*const rows[])(struct args *a, const struct launch *l) = {
    add_name,   add_uuid,    add_bare,     add_ends,     add_memory,   add_machine,
    add_accel,  add_cpu,     add_clock,    add_screen,   add_monitors, add_firmware,
    add_kernel, add_console, add_panic,    add_balloon,  add_ports,    add_scsi,
    add_disks,  add_nics,    add_watchdog, add_incoming,
};

char **argv_build(const char *binary, const struct launch *launch)
{
    struct args args = {0};

    push(&args, x_strdup(binary));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rows[i](&args, launch);
    push(&args, NULL);
    return args.items;
}

void argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}
