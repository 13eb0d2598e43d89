/* SPDX-License-Identifier: MIT */
/* What a QEMU process is to be started with, decided from the config before anything is opened:
 * argv.c writes it as arguments, files.c opens what it names. */
#ifndef DRIVER_QEMU_LAUNCH_H
#define DRIVER_QEMU_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "core/driver.h"
#include "driver/qemu/machine.h"
#include "driver/qemu/place.h"

enum disk_kind { DISK_BLOCK, DISK_SCSI, DISK_SCSI_CDROM, DISK_IDE_CDROM };

/* Descriptors here are numbers in QEMU; -1 for none. */
struct launch_disk {
    const struct conf_disk *conf; /* borrowed */
    enum disk_kind kind;
    int fd;
    bool host_device; /* a block device of the host, not a file */
    int boot_index;   /* -1: not booted from */
    int place;        /* -1: it is on a controller, or the machine has no places */
};

enum serial_kind { SERIAL_CONSOLE, SERIAL_FILE, SERIAL_SOCKET };

struct launch_serial {
    enum serial_kind kind;
    const char *path; /* borrowed, as in the config; NULL for the console */
    int fd;
    /* Owned; of a socket, somebody at its other end while a saved guest is loaded: a transmitter
     * that was saved waiting for its reader waits for ever when there is none as it is loaded
     * (QEMU, hw/char/serial.c, serial_post_load: a socket nobody has connected to cannot be
     * watched). */
    int reader;
};

struct launch_nic {
    const struct conf_vif *conf; /* borrowed */
    const char *device;          /* QEMU's name for the model */
    bool pci_rom;                /* it can carry a boot ROM, which is left out unless needed */
    int tap;
    int boot_index;
    int place;             /* -1: the machine has no places */
    char id[PLACE_ID_MAX]; /* QEMU's for the device */
};

struct launch {
    const struct create_args *args; /* borrowed */
    const struct machine *machine;
    const char *machine_name; /* borrowed; with its version */
    const char *accel;        /* "kvm", "tcg" */
    const char *cpu;
    bool reboots; /* a guest that reboots itself comes up again by itself */
    bool incoming;
    struct launch_disk *disks; /* owned; virtio ones in the order of their names */
    size_t disk_count;
    struct launch_serial *serials; /* owned */
    size_t serial_count;
    struct launch_nic *nics; /* owned */
    size_t nic_count;
    /* Of each virtio disk and controller, also of those that come later. Without it QEMU takes the
     * CPUs that there are at its start, which are more for a guest that was saved with CPUs that
     * came later: then its disks are others than those in the saved state, which is not loaded. 0:
     * QEMU's own choice, where images and guests of an earlier version have it. */
    unsigned queues;
    bool has_scsi;
    int scsi_place;
    struct places places; /* given: those of a saved guest; launch_place adds the rest */
    bool has_console;
    const char *firmware_path; /* borrowed, as in the config; NULL: the host's, or the machine's */
    bool flash;                /* it is OVMF, in flash (firmware.h) */
    bool variables_made;       /* the domain had no variables before this launch */
    int firmware, variables;
    int control, events, journal, journal_log, kernel, ramdisk;
    int ram_file; /* borrowed: the file that is to be the guest's memory; -1: QEMU makes it */
    int ram;
};

/* One without devices and descriptors, on which it is safe to call the rest and files_open. */
struct launch launch_of(const struct create_args *args);
/* Fills in all but the descriptors and machine_name, accel, cpu. ERR_UNSUPPORTED or ERR_BAD_CONFIG
 * for what this machine cannot have. Opens nothing. On failure nothing is to be freed. */
int launch_init(struct launch *ret, const struct create_args *args, struct err *e) MUST_CHECK;
/* Gives each device its place. ERR_UNSUPPORTED when there are not enough. */
int launch_place(struct launch *launch, struct err *e) MUST_CHECK;
void launch_finish(struct launch *launch);

#endif
