/* SPDX-License-Identifier: MIT */
/* What a restore must have alike, as one line: "qemu-7.2.22 machine=pc-i440fx-7.2 accel=tcg
 * cpu=max places=vda:0", the last as of place.h. */
#ifndef DRIVER_QEMU_PLATFORM_H
#define DRIVER_QEMU_PLATFORM_H

#include "base/err.h"
#include "driver/qemu/meta.h"

struct platform {
    char qemu[META_VERSION_MAX];
    char machine[META_MACHINE_MAX];
    char accel[8];
    char cpu[16];
    struct places places;
};

/* Owned by the caller. */
char *platform_text(const struct platform *platform);
/* ERR_DAMAGED for what platform_text does not write. */
int platform_parse(const char *text, struct platform *ret, struct err *e) MUST_CHECK;

#endif
