/* SPDX-License-Identifier: MIT */
/* Where a device is on the guest's bus. A guest that goes on must find each device where it was,
 * whether that was built with it or came later, so each has a numbered place, and which device has
 * which is kept: in meta.json while it lives, in the line of `platform` when it is saved.
 *
 * A new guest's disks have the place of their letter, its network interfaces count from the end
 * down, and what comes later has its own wish when that is free, else the first free place. On pc
 * a place is a slot of pci.0, on q35 a root port that is there from the start (a bus without
 * bridges can take nothing later). */
#ifndef DRIVER_QEMU_PLACE_H
#define DRIVER_QEMU_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "driver/qemu/machine.h"

enum { PLACES_MAX = 24, PLACE_ID_MAX = 24, PLACES_TEXT_MAX = PLACES_MAX * (PLACE_ID_MAX + 4) };

#define PLACE_SCSI "scsi" /* the id of the SCSI controller */

/* By number of the place: the id of the device in QEMU, "" for a free one. A value. */
struct places {
    char id[PLACES_MAX][PLACE_ID_MAX];
};

/* "vda:0,nic-00163e000001:23"; "-" for none. ret[PLACES_TEXT_MAX]. */
void places_text(const struct places *places, char *ret);
/* ERR_DAMAGED for what places_text does not write. */
int places_parse(const char *text, struct places *ret, struct err *e) MUST_CHECK;

/* The place that the id has; -1 for none. */
int place_find(const struct places *places, const char *id);
/* The place that it has or now gets: `wish` (taken modulo the machine's places), or the next free
 * one. ERR_UNSUPPORTED when there is no free one. */
int place_take(struct places *places, const struct machine *machine, const char *id, unsigned wish,
               int *ret, struct err *e) MUST_CHECK;
void place_drop(struct places *places, const char *id);

/* The wish of network interface i. */
unsigned place_wish_nic(const struct machine *machine, size_t i);

/* A network interface's id in QEMU: "nic-" and the digits of its MAC, in small letters. */
void place_nic_id(const char *mac, char ret[PLACE_ID_MAX]);

/* The bus of a place and its address there, "pci.0" and "0x5"; ret[16] each. */
void place_bus(const struct machine *machine, int place, char *ret_bus, char *ret_addr);

#endif
