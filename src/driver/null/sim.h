/* SPDX-License-Identifier: MIT */
/* One simulated guest: a counter of milliseconds that goes on with time while it runs, stands
 * while it is paused, and starts over at a boot. Its file in the driver's folder says from when
 * it counts, so it "runs on" without any process, also while no daemon is there. */
#ifndef DRIVER_NULL_SIM_H
#define DRIVER_NULL_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "core/driver.h"
#include "driver/null/plan.h"

enum { SIM_DEVICES_MAX = 64, SIM_DEVICE_NAME_MAX = 24 };

/* A disk or network interface, by its vdev or MAC. */
struct sim_device {
    enum device_kind kind;
    bool cdrom;
    bool disc; /* in the cdrom */
    char name[SIM_DEVICE_NAME_MAX];
};

/* Assignment copies one for later undo: what its pointers point to does not change in its life. */
struct sim {
    struct list link; /* in null.c's handle, `guests` */
    uint64_t serial;  /* tells it from a later one of the same uuid; in this process only */
    struct domain_ref ref;
    enum observed state;
    enum reason reason;
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    unsigned vcpus;
    unsigned max_vcpus;
    struct sim_device devices[SIM_DEVICES_MAX];
    size_t device_count;
    char *cmdline; /* owned; NULL */
    struct plan plan;
    int64_t count_ms;         /* the counter when it was last started or stopped */
    int64_t running_since_ms; /* monotonic; meaningful in OBS_RUNNING only */
    int64_t fired_ms;         /* the counter at the last event of the plan */
};

/* A guest of this config that has not run, OBS_BUSY. Sets ERR_BAD_CONFIG (plan_parse). */
int sim_new(const struct create_args *args, struct sim **ret, struct err *e) MUST_CHECK;
void sim_free(struct sim *s);

/* The device of that name, NULL for none. */
struct sim_device *sim_device(struct sim *s, enum device_kind kind, const char *name);
/* ERR_UNSUPPORTED when there is no room for one more. */
int sim_device_add(struct sim *s, struct sim_device device, struct err *e) MUST_CHECK;
void sim_device_remove(struct sim *s, struct sim_device *device);
struct sim_device sim_device_of_disk(const struct conf_disk *disk);
struct sim_device sim_device_of_nic(const char *mac);

/* The counter now. */
int64_t sim_count(const struct sim *s, int64_t now_ms);

/* It stands still from now on (or begins to run), and is what state and reason say. */
void sim_set(struct sim *s, enum observed state, enum reason reason, int64_t now_ms);
/* Runs from the start of its boot. */
void sim_boot(struct sim *s, int64_t now_ms);
/* Lets happen what was due by now. True when something did. */
bool sim_settle(struct sim *s, int64_t now_ms);
/* When the next event of its own is due (monotonic), 0 for never. */
int64_t sim_due(const struct sim *s);

void sim_observe(const struct sim *s, int64_t now_ms, struct observation *ret);

/* Writes its file, dirfd/UUID, by a temporary and rename. Without fsync: the folder does not
 * outlive the host's boot, and neither does the guest. Sets ERR_FAILED or ERR_NO_SPACE; the old
 * file is then as it was. */
int sim_store(const struct sim *s, int dirfd, struct err *e) MUST_CHECK;

/* Reads dirfd/name. *ret is NULL when it is of an earlier boot of the host. Sets ERR_DAMAGED or
 * ERR_FAILED. */
int sim_load(int dirfd, const char *name, struct sim **ret, struct err *e) MUST_CHECK;

#endif
