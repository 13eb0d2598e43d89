/* SPDX-License-Identifier: MIT */
/* The machines that guests can be: one row each, with the devices that differ between them. */
#ifndef DRIVER_QEMU_MACHINE_H
#define DRIVER_QEMU_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

struct machine {
    enum conf_machine kind;
    const char *name;    /* QEMU's, an alias of a versioned one where there are versions */
    const char *family;  /* how its versioned names begin */
    bool versioned;      /* false: a saved guest needs the very same QEMU */
    const char *options; /* further -machine properties, with a leading comma; "" for none */
    const char *block;   /* devices; NULL where it has none */
    const char *net;
    const char *scsi;
    const char *balloon;
    const char *cdrom;    /* on bus ide.0, ide.1, ... */
    unsigned cdrom_buses; /* IDE buses, and drives on each */
    unsigned cdrom_units;
    const char *video;
    const char *panic; /* tells us of a guest's panic */
    /* place.h: how many there are; 0: it has no PCI and no device comes later */
    unsigned places;
    unsigned first_slot; /* of the places on pc, of the root ports on q35 */
    bool root_ports;
    const char *video_place;    /* with a leading comma */
    const char *watchdog_place; /* NULL: there is no bus for one */
    const char *balloon_place;  /* the same; "" for none */
    bool pci_nics;              /* e1000 and rtl8139 fit in */
    bool flash;                 /* for OVMF; and its SeaBIOS can be another file */
    bool needs_kernel;          /* its firmware boots no disk */
    bool slow_clock;            /* see argv.c, cmdline */
};

/* The row of a kind; that of a versioned name ("pc-q35-7.2"), or NULL. */
const struct machine *machine_of(enum conf_machine kind);
const struct machine *machine_of_versioned(const char *name);

#endif
