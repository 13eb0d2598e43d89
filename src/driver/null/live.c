/* SPDX-License-Identifier: MIT */
#include "driver/null/live.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/null/enter.h"

enum { MEMORY_MIN_KIB = 4 * 1024 };

int live_memory(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
                const struct op *op, uint64_t *ret_reached_kib, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_MEMORY, op, e);

    *ret_reached_kib = 0;
    if (!s)
        return -1;
    *ret_reached_kib = s->memory_kib;
    int r = enter_check(s, CALL_MEMORY, e);
    if (r == 0 && (memory_kib > s->max_memory_kib || memory_kib < MEMORY_MIN_KIB))
        r = err_set(
            e, ERR_BAD_REQUEST,
            "it can have from %d to %llu KiB of memory; more than that is maxmem's and acts "
            "at the next boot",
            MEMORY_MIN_KIB, (unsigned long long)s->max_memory_kib);
    if (r == 0) {
        struct sim before = *s;
        s->memory_kib = memory_kib;
        r = table_commit(h, s, &before, e);
    }
    *ret_reached_kib = s->memory_kib;
    return table_leave(h, r);
}

int live_vcpus(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
               const struct op *op, unsigned *ret_online, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_VCPUS, op, e);

    *ret_online = 0;
    if (!s)
        return -1;
    int r = enter_check(s, CALL_VCPUS, e);
    if (r == 0 && (vcpus < 1 || vcpus > s->max_vcpus))
        r = err_set(e, ERR_BAD_REQUEST,
                    "it can have from 1 to %u CPUs; more than that is maxvcpus' and acts at the "
                    "next boot",
                    s->max_vcpus);
    if (r == 0) {
        struct sim before = *s;
        s->vcpus = vcpus;
        r = table_commit(h, s, &before, e);
    }
    *ret_online = s->vcpus;
    return table_leave(h, r);
}

int live_vcpu_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                   struct vcpu_info **ret, size_t *ret_count, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_INFO, op, e);

    if (!s)
        return -1;
    struct vcpu_info *all = x_calloc(s->max_vcpus + 1, sizeof *all);
    for (unsigned i = 0; i < s->max_vcpus; i++)
        all[i] = (struct vcpu_info){.index = i, .online = i < s->vcpus, .host_cpu = -1};
    /* The counter is the first one's. */
    all[0].cpu_ns = (uint64_t)sim_count(s, clock_mono_ms()) * 1000000;
    all[0].running = s->state == OBS_RUNNING;
    *ret = all;
    *ret_count = s->max_vcpus;
    return table_leave(h, 0);
}

int live_attach(struct driver_handle *h, const struct domain_ref *ref, const struct device *device,
                const struct op *op, struct err *e)
{
    struct sim_device new = device->kind == DEVICE_DISK ? sim_device_of_disk(device->disk)
                                                        : sim_device_of_nic(device->mac);
    struct sim *s = enter_call(h, ref, CALL_ATTACH, op, e);

    if (!s)
        return -1;
    int r = enter_check(s, CALL_ATTACH, e);
    if (r == 0 && sim_device(s, new.kind, new.name))
        r = err_set(e, ERR_EXISTS, "it has a device %s already", new.name);
    struct sim before = *s;
    if (r == 0)
        r = sim_device_add(s, new, e);
    if (r == 0)
        r = table_commit(h, s, &before, e);
    return table_leave(h, r);
}

int live_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                const char *name, const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_DETACH, op, e);

    if (!s)
        return -1;
    struct sim_device *device = sim_device(s, kind, name);
    int r = enter_check(s, CALL_DETACH, e);
    if (r == 0 && !device)
        r = err_set(e, ERR_FAILED, "it has no %s %s",
                    kind == DEVICE_DISK ? "disk" : "network interface", name);
    if (r == 0 && s->state == OBS_PAUSED)
        r = err_set(e, ERR_WRONG_STATE,
                    "it is paused, and the guest has to let go of %s; unpause it first", name);
    if (r == 0) {
        struct sim before = *s;
        sim_device_remove(s, device);
        r = table_commit(h, s, &before, e);
    }
    return table_leave(h, r);
}

int live_medium(struct driver_handle *h, const struct domain_ref *ref, const struct conf_disk *disk,
                const char *directory UNUSED, const struct fs_user *user UNUSED,
                const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_MEDIUM, op, e);

    if (!s)
        return -1;
    struct sim_device *drive = sim_device(s, DEVICE_DISK, disk->vdev);
    int r = enter_check(s, CALL_MEDIUM, e);
    if (r == 0 && (!drive || !drive->cdrom))
        r = err_set(e, ERR_FAILED, "it has no cdrom drive %s", disk->vdev);
    if (r == 0) {
        struct sim before = *s;
        drive->disc = disk->target != NULL;
        r = table_commit(h, s, &before, e);
    }
    return table_leave(h, r);
}

/* It does nothing with its devices, so all of their counters are 0. */
static struct domain_stats count(const struct sim *s)
{
    struct domain_stats stats = {
        .cpu_ns = (uint64_t)sim_count(s, clock_mono_ms()) * 1000000,
        .balloon_kib = s->memory_kib,
        .disks = x_calloc(s->device_count + 1, sizeof *stats.disks),
        .nics = x_calloc(s->device_count + 1, sizeof *stats.nics),
    };

    for (size_t i = 0; i < s->device_count; i++) {
        const struct sim_device *d = &s->devices[i];
        if (d->kind == DEVICE_DISK)
            str_copy(stats.disks[stats.disk_count++].vdev, DOMAIN_STATS_NAME_MAX, d->name);
        else
            str_copy(stats.nics[stats.nic_count++].mac, DOMAIN_STATS_NAME_MAX, d->name);
    }
    return stats;
}

int live_stats(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_INFO, op, e);

    if (!s)
        return -1;
    *ret = count(s);
    return table_leave(h, 0);
}

int live_stats_all(struct driver_handle *h, const char *uuid, const struct op *op UNUSED,
                   struct domain_counters **ret, size_t *ret_count, struct err *e UNUSED)
{
    pthread_mutex_lock(&h->lock);
    struct domain_counters *all = x_calloc(h->guest_count + 1, sizeof *all);
    size_t n = 0;
    LIST_EACH (&h->guests, s, struct sim, link) {
        if (s->state == OBS_DEAD || (uuid && !str_eq(uuid, s->ref.uuid)))
            continue;
        table_settle(h, s);
        str_copy(all[n].uuid, sizeof all[n].uuid, s->ref.uuid);
        all[n++].stats = count(s);
    }
    *ret = all;
    *ret_count = n;
    return table_leave(h, 0);
}
