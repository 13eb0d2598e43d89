/* SPDX-License-Identifier: MIT */
/* vCPUs are plugged in and out as devices, from the first up, so that a domain with n of them
 * always has the first n and is built alike after a save. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/live.h"

enum { STAT_MAX = 4096, ID_MAX = 24 };

/* ---- plugging ---- */

/* QEMU's slots for CPUs, in the order of their indexes: it lists them from the last one down. */
static int slots(struct live *l, const struct op *op, json_t **ret, struct err *e)
{
    AUTO_JSON json_t *down = NULL;

    if (qmp_run(&l->s.qmp, "query-hotpluggable-cpus", NULL, op, &down, e) < 0)
        return -1;
    json_t *up = json_array();
    for (size_t i = json_array_size(down); i > 0; i--)
        json_array_append(up, json_array_get(down, i - 1));
    *ret = up;
    return 0;
}

static unsigned plugged(const json_t *all)
{
    unsigned count = 0;

    while (json_object_get(json_array_get(all, count), "qom-path"))
        count++;
    return count;
}

static int plug(struct live *l, const json_t *slot, unsigned index, const struct op *op,
                struct err *e)
{
    json_t *arguments = json_deep_copy(json_object_get(slot, "props"));
    AUTO_FREE char *id = x_asprintf("cpu%u", index);

    json_set_string(arguments, "driver", json_get_string(slot, "type", ""));
    json_set_string(arguments, "id", id);
    return qmp_run(&l->s.qmp, "device_add", arguments, op, NULL, e);
}

/* A CPU that was there from the start has no id of its own and cannot be taken out: QEMU wants an
 * id, or the device's path in its tree, which it takes as well. */
static int unplug(struct live *l, const json_t *slot, unsigned index, const struct op *op,
                  struct err *e)
{
    const char *path = json_get_string(slot, "qom-path", "");
    const char *lead = "/machine/peripheral/";
    AUTO_FREE char *what = x_asprintf("CPU %u", index);
    struct err why;

    if (str_starts(path, lead))
        return live_unplug(l, path + strlen(lead), what, op, e);
    if (qmp_run(&l->s.qmp, "device_del", json_pack("{s:s}", "id", path), op, NULL, &why) < 0 &&
        !strstr(why.msg, "already in the process of unplug")) {
        *e = why;
        return -1;
    }
    for (;;) {
        AUTO_JSON json_t *all = NULL;
        if (slots(l, op, &all, e) < 0)
            return -1;
        if (plugged(all) <= index)
            return 0;
        qmp_forget_events(&l->s.qmp);
        if (live_wait(l, 500, op, "unplug", &why) == 0)
            continue;
        if (why.code == ERR_TIMED_OUT)
            return live_timed_out(e, "unplug",
                                  "the guest was asked to give up %s and has not; it may yet do so",
                                  what);
        *e = why;
        return -1;
    }
}

/* Under TCG QEMU keeps a listener of a CPU that is gone (it is registered in
 * cpu_address_space_init, softmmu/physmem.c, and never taken back), and the next change of the
 * guest's memory map ends the process: seen with 7.2 as "double free or corruption". KVM has no
 * such listener. */
static int may_unplug(const struct live *l, struct err *e)
{
    if (str_eq(l->meta.accel, "tcg"))
        return err_set(e, ERR_UNSUPPORTED,
                       "QEMU under TCG can plug CPUs in and not out (the guest would not survive "
                       "it); fewer CPUs act at the next boot");
    if (l->paused)
        return err_set(e, ERR_WRONG_STATE,
                       "it is paused, and the guest has to give CPUs up by itself; unpause it "
                       "first");
    return 0;
}

static int change(struct live *l, unsigned wanted, const struct op *op, unsigned *ret_online,
                  struct err *e)
{
    AUTO_JSON json_t *all = NULL;

    if (slots(l, op, &all, e) < 0)
        return -1;
    for (*ret_online = plugged(all); *ret_online < wanted; (*ret_online)++)
        if (plug(l, json_array_get(all, *ret_online), *ret_online, op, e) < 0)
            return -1;
    if (*ret_online > wanted && may_unplug(l, e) < 0)
        return -1;
    for (; *ret_online > wanted; (*ret_online)--)
        if (unplug(l, json_array_get(all, *ret_online - 1), *ret_online - 1, op, e) < 0)
            return -1;
    return 0;
}

int vcpus_set(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
              const struct op *op, unsigned *ret_online, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    struct err stuck;

    *ret_online = 0;
    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    *ret_online = l.meta.vcpus;
    if (vcpus < 1 || vcpus > l.meta.max_vcpus)
        return err_set(e, ERR_BAD_REQUEST,
                       "it can have from 1 to %u CPUs; more than that is maxvcpus' and acts at the "
                       "next boot",
                       l.meta.max_vcpus);
    if (l.machine->places == 0 && vcpus != l.meta.vcpus)
        return err_set(e, ERR_UNSUPPORTED,
                       "the machine %s cannot change its CPUs while it runs; pc and q35 can",
                       l.machine->name);
    if (l.machine->places == 0)
        return 0;
    int result = change(&l, vcpus, op, ret_online, e);
    if (result == 0)
        result = fault_point("qemu.resized", e);
    l.meta.vcpus = *ret_online > 0 ? *ret_online : l.meta.vcpus;
    if (meta_write(l.s.dirfd, &l.meta, &stuck) < 0 && result == 0) {
        *e = stuck;
        return -1;
    }
    return result;
}

/* ---- looking ---- */

/* The text of a file of the thread. */
static bool read_task(const struct live *l, int thread, const char *name, char text[STAT_MAX])
{
    AUTO_FREE char *path = x_asprintf("/proc/%d/task/%d/%s", (int)l->meta.pid, thread, name);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, STAT_MAX - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = '\0';
    return n > 0;
}

/* State (field 3) and last CPU (field 39) of proc(5)'s stat; the time of schedstat. */
static void look_at(const struct live *l, int thread, struct vcpu_info *ret)
{
    char text[STAT_MAX];
    char *rest = NULL;

    if (read_task(l, thread, "schedstat", text))
        ret->cpu_ns = strtoull(text, NULL, 10);
    if (sched_getaffinity(thread, sizeof ret->affinity, &ret->affinity) < 0)
        CPU_ZERO(&ret->affinity);
    if (!read_task(l, thread, "stat", text) || !strrchr(text, ')'))
        return;
    char *word = strtok_r(strrchr(text, ')') + 1, " ", &rest);
    ret->running = word && word[0] == 'R';
    for (int field = 3; word && field < 39; field++)
        word = strtok_r(NULL, " ", &rest);
    if (word)
        ret->host_cpu = atoi(word);
}

/* The thread of each vCPU, by index. */
static int threads(struct live *l, const struct op *op, int *ret, unsigned count, struct err *e)
{
    AUTO_JSON json_t *all = NULL;
    size_t i;
    json_t *cpu;

    if (qmp_run(&l->s.qmp, "query-cpus-fast", NULL, op, &all, e) < 0)
        return -1;
    for (unsigned k = 0; k < count; k++)
        ret[k] = -1;
    json_array_foreach(all, i, cpu)
    {
        int64_t index = json_get_int(cpu, "cpu-index", -1);
        if (index >= 0 && index < (int64_t)count)
            ret[index] = (int)json_get_int(cpu, "thread-id", -1);
    }
    return 0;
}

int vcpus_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct vcpu_info **ret, size_t *ret_count, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;

    if (live_open(&l, h, ref, true, op, e) < 0)
        return -1;
    unsigned count = l.meta.max_vcpus;
    AUTO_FREE int *ids = x_calloc(count + 1, sizeof *ids);
    if (threads(&l, op, ids, count, e) < 0)
        return -1;
    struct vcpu_info *all = x_calloc(count + 1, sizeof *all);
    for (unsigned i = 0; i < count; i++) {
        all[i] = (struct vcpu_info){.index = i, .online = ids[i] > 0, .host_cpu = -1};
        if (ids[i] > 0)
            look_at(&l, ids[i], &all[i]);
    }
    *ret = all;
    *ret_count = count;
    return 0;
}

int vcpus_pin(struct driver_handle *h, const struct domain_ref *ref, int vcpu,
              const cpu_set_t *cpus, const struct op *op, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;

    if (live_open(&l, h, ref, true, op, e) < 0)
        return -1;
    unsigned count = l.meta.max_vcpus;
    AUTO_FREE int *ids = x_calloc(count + 1, sizeof *ids);
    if (threads(&l, op, ids, count, e) < 0)
        return -1;
    if (vcpu < -1 || vcpu >= (int)count || (vcpu >= 0 && ids[vcpu] < 0))
        return err_set(e, ERR_BAD_REQUEST, "it has no CPU %d now", vcpu);
    for (unsigned i = 0; i < count; i++) {
        if (ids[i] < 0 || (vcpu >= 0 && i != (unsigned)vcpu))
            continue;
        if (sched_setaffinity(ids[i], sizeof *cpus, cpus) == 0)
            continue;
        return errno == EINVAL
                   ? err_set(e, ERR_BAD_REQUEST, "the host has none of these CPUs for CPU %u", i)
                   : err_errno(e, ERR_FAILED, errno, "cannot pin CPU %u", i);
    }
    return 0;
}
