/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/host_config.h"
#include "driver/xen/live.h"
#include "driver/xen/observe.h"

enum { LOOK_MS = 100 };

int live_enter(struct session *s, const struct domain_ref *ref, libxl_dominfo *info, struct err *e)
{
    if (host_enter(s, ref, info, e) < 0)
        return -1;
    if (info->shutdown)
        return err_set(e, ERR_WRONG_STATE, "the guest does not live");
    return 0;
}

/* How many the guest runs on; 0 when that cannot be asked. */
static unsigned started(struct session *s, uint32_t domid)
{
    AUTO_DOMINFO libxl_dominfo info = {0};

    libxl_dominfo_init(&info);
    return libxl_domain_info(s->ctx, &info, domid) == 0 ? info.vcpu_online : 0;
}

/* The guest has let go of those above `vcpus`. Those that it gets are its own to start. */
static int await_fewer(struct session *s, uint32_t domid, unsigned vcpus, const struct op *op,
                       unsigned *ret_online, struct err *e)
{
    unsigned now;

    while ((now = started(s, domid)) > vcpus) {
        *ret_online = now;
        if (op_nap(op, LOOK_MS, "unplug", e) == 0)
            continue;
        if (e->code != ERR_TIMED_OUT)
            return -1;
        err_set(e, ERR_TIMED_OUT,
                "the guest runs on %u vCPUs and has not come down to %u; it is "
                "asked to",
                now, vcpus);
        str_copy(e->phase, sizeof e->phase, "unplug");
        return -1;
    }
    *ret_online = vcpus;
    return 0;
}

int vcpus_set(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
              const struct op *op, unsigned *ret_online, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_bitmap map;

    *ret_online = 0;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    *ret_online = observe_vcpus(&s, &info);
    unsigned most = info.vcpu_max_id + 1;
    if (vcpus == 0 || vcpus > most)
        return err_set(e, ERR_BAD_REQUEST, "%u vCPUs are not 1 to %u", vcpus, most);
    libxl_bitmap_init(&map);
    if (libxl_bitmap_alloc(s.ctx, &map, (int)most) < 0)
        return err_set(e, ERR_FAILED, "libxl cannot make a bitmap");
    for (unsigned i = 0; i < vcpus; i++)
        libxl_bitmap_set(&map, (int)i);
    int rc = libxl_set_vcpuonline(s.ctx, info.domid, &map, session_how(&s));
    int result = session_await(&s, rc, op, NULL, "cannot change the vCPUs", NULL, e);
    libxl_bitmap_dispose(&map);
    if (result == 0)
        result = await_fewer(&s, info.domid, vcpus, op, ret_online, e);
    host_changed(h);
    return result;
}

int vcpus_list(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct vcpu_info **ret, size_t *ret_count, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    int count, cpus;

    (void)h;
    (void)op;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    session_begin(&s);
    libxl_vcpuinfo *all = libxl_list_vcpu(s.ctx, info.domid, &count, &cpus);
    if (!all)
        return session_result(&s, ERROR_FAIL, "cannot list the vCPUs", e);
    struct vcpu_info *list = x_calloc((size_t)count, sizeof *list);
    for (int i = 0; i < count; i++) {
        const libxl_vcpuinfo *v = &all[i];
        list[i] = (struct vcpu_info){.index = v->vcpuid,
                                     .online = observe_has_vcpu(&s, &info, v->vcpuid),
                                     .running = v->running && !v->blocked,
                                     .host_cpu = v->online ? (int)v->cpu : -1,
                                     .cpu_ns = v->vcpu_time};
        CPU_ZERO(&list[i].affinity);
        for (int cpu = 0; cpu < cpus && cpu < CPU_SETSIZE; cpu++)
            if (libxl_bitmap_test(&v->cpumap, cpu))
                CPU_SET((size_t)cpu, &list[i].affinity);
    }
    libxl_vcpuinfo_list_free(all, count);
    *ret = list;
    *ret_count = (size_t)count;
    return 0;
}

/* cpus as libxl's bitmap, to be disposed of when 0 is returned. */
static int host_cpus(struct session *s, const cpu_set_t *cpus, libxl_bitmap *map, struct err *e)
{
    int most = libxl_get_max_cpus(s->ctx);

    libxl_bitmap_init(map);
    if (most <= 0 || libxl_cpu_bitmap_alloc(s->ctx, map, 0) < 0)
        return err_set(e, ERR_FAILED, "libxl cannot tell the host's CPUs");
    int online_cpus = libxl_get_online_cpus(s->ctx);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, cpus))
            continue;
        if (cpu >= most || (online_cpus > 0 && cpu >= online_cpus)) {
            libxl_bitmap_dispose(map);
            return err_set(e, ERR_BAD_REQUEST, "the host has no CPU %d; the last is %d", cpu,
                           (online_cpus > 0 ? online_cpus : most) - 1);
        }
        libxl_bitmap_set(map, cpu);
    }
    if (!libxl_bitmap_is_empty(map))
        return 0;
    libxl_bitmap_dispose(map);
    return err_set(e, ERR_BAD_REQUEST, "a vCPU needs a CPU of the host to run on");
}

/* xl.conf may keep guests off some CPUs, as those that are domain 0's own. */
static int mask(struct session *s, const libxl_dominfo *info, libxl_bitmap *map, struct err *e)
{
    struct host_config host;

    if (host_config_read(s->ctx, &host, e) < 0)
        return -1;
    int result = xen_config_mask(&host, host_type(s, info), "cpus", map, e);
    host_config_finish(&host);
    if (result < 0 && e->code == ERR_BAD_CONFIG)
        e->code = ERR_BAD_REQUEST;
    return result;
}

int vcpus_pin(struct driver_handle *h, const struct domain_ref *ref, int vcpu,
              const cpu_set_t *cpus, const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_bitmap map;

    (void)h;
    (void)op;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    if (vcpu > (int)info.vcpu_max_id)
        return err_set(e, ERR_BAD_REQUEST, "there is no vCPU %d; the last is %u", vcpu,
                       info.vcpu_max_id);
    if (host_cpus(&s, cpus, &map, e) < 0)
        return -1;
    if (mask(&s, &info, &map, e) < 0) {
        libxl_bitmap_dispose(&map);
        return -1;
    }
    session_begin(&s);
    int rc = vcpu < 0
                 ? libxl_set_vcpuaffinity_all(s.ctx, info.domid, info.vcpu_max_id + 1, &map, NULL)
                 : libxl_set_vcpuaffinity(s.ctx, info.domid, (uint32_t)vcpu, &map, NULL);
    libxl_bitmap_dispose(&map);
    return session_result(&s, rc, "cannot pin the vCPU", e);
}
