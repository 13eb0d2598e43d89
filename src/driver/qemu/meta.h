/* SPDX-License-Identifier: MIT */
/* What is known of a domain's QEMU process from its start on, kept in its folder as meta.json. The
 * file is there if and only if QEMU has answered: a folder without it belongs to a job, or is
 * left over from one that died. */
#ifndef DRIVER_QEMU_META_H
#define DRIVER_QEMU_META_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/driver.h"
#include "driver/qemu/place.h"

enum { META_MACHINE_MAX = 64, META_VERSION_MAX = 32, META_QUEUES_MAX = 64 };

struct meta {
    struct domain_ref ref;
    pid_t pid;
    uint64_t start; /* of the process, as proc_start gives it */
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    unsigned vcpus;
    unsigned max_vcpus;
    char machine[META_MACHINE_MAX]; /* with its version: "pc-i440fx-7.2" */
    char accel[8];                  /* "kvm", "tcg" */
    char cpu[16];                   /* "host", "max" */
    char qemu[META_VERSION_MAX];    /* "7.2.22" */
    struct places places;           /* of its devices */
    char vnc[OBSERVATION_VNC_MAX];  /* "" for none */
    uint64_t ram_inode;             /* of the file that is its memory; 0: it is a memfd */
    unsigned queues;                /* of its disks, as launch.queues */
    bool console;                   /* console.sock is there */
    bool reboots;                   /* a guest that reboots itself comes up again by itself */
};

/* Replaces the file in one step (not durably: RUN_DIR does not outlive the host). ERR_FAILED. */
int meta_write(int dirfd, const struct meta *meta, struct err *e) MUST_CHECK;

/* ERR_NO_SUCH_DOMAIN when there is no file; ERR_DAMAGED when it is not what we write. */
int meta_read(int dirfd, struct meta *ret, struct err *e) MUST_CHECK;

#endif
