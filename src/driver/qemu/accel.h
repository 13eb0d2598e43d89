/* SPDX-License-Identifier: MIT */
/* Which accelerator a guest gets. /dev/kvm opening proves nothing (there are hosts where it opens
 * and no guest ever runs), so KVM is proved by a guest of five instructions, once a host boot. */
#ifndef DRIVER_QEMU_ACCEL_H
#define DRIVER_QEMU_ACCEL_H

#include <sys/types.h>

#include "base/err.h"
#include "conf/conf.h"
#include "driver/qemu/host.h"

struct accel {
    const char *name; /* "kvm", "tcg" */
    const char *cpu;  /* "host", "max" */
    gid_t groups[1];  /* that QEMU needs for it */
    size_t group_count;
};

/* The accelerator for a config. ERR_UNSUPPORTED for kvm where it is not proved, with the reason.
 * May block for up to some seconds, the first time after a host boot. */
int accel_choose(const struct driver_handle *h, enum conf_accel wanted, struct accel *ret,
                 struct err *e) MUST_CHECK;

/* For the test: runs the tiny guest under the accelerator; 0 when it ran. ERR_FAILED with what
 * QEMU said. Blocks for at most PROOF_MS. */
int accel_prove(const char *binary, const char *accel, struct err *e) MUST_CHECK;

#endif
