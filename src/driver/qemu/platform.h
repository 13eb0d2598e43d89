/* SPDX-License-Identifier: MIT */
/* What a restore must have alike, as one line: "qemu-7.2.22 machine=pc-i440fx-7.2 accel=tcg
 * cpu=max places=vda:0 queues=4 features=aes,avx", the places as of place.h. */
#ifndef DRIVER_QEMU_PLATFORM_H
#define DRIVER_QEMU_PLATFORM_H

#include "base/err.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/qmp.h"

enum { PLATFORM_FEATURES_MAX = 8192 };

struct platform {
    char qemu[META_VERSION_MAX];
    char machine[META_MACHINE_MAX];
    char accel[8];
    char cpu[16];
    struct places places;
    unsigned queues;                      /* as launch.queues; may be missing */
    char features[PLATFORM_FEATURES_MAX]; /* of the guest's CPU, by commas; "": not known */
};

/* Owned by the caller. */
char *platform_text(const struct platform *platform);
/* ERR_DAMAGED for what platform_text does not write. */
int platform_parse(const char *text, struct platform *ret, struct err *e) MUST_CHECK;

/* Fills in the features that the CPU model p->cpu has in the QEMU behind q, on this host; where
 * QEMU cannot tell for its architecture, none. Blocks, about a millisecond. */
int platform_ask_features(struct qmp *q, struct platform *p, const struct op *op,
                          struct err *e) MUST_CHECK;
/* ERR_UNSUPPORTED when the guest was saved with features that `here` has not, naming them. More of
 * them do no harm: a guest that runs does not look again. */
int platform_compare_features(const struct platform *saved, const struct platform *here,
                              struct err *e) MUST_CHECK;

#endif
