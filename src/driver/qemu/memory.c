/* SPDX-License-Identifier: MIT */
/* Memory comes and goes by virtio's balloon: QEMU has max_memory_kib from the start, and the guest
 * gives back what it is not to have. */
#include "base/json.h"
#include "base/mem.h"
#include "driver/qemu/live.h"

/* Between two looks at the balloon; its events come at most once a second. */
enum { LOOK_MS = 100, MEMORY_MIN_KIB = 4 * 1024 };

static int look(struct live *l, const struct op *op, uint64_t *ret_kib, struct err *e)
{
    AUTO_JSON json_t *info = NULL;

    if (qmp_run(&l->s.qmp, "query-balloon", NULL, op, &info, e) < 0)
        return -1;
    *ret_kib = (uint64_t)json_get_int(info, "actual", 0) / 1024;
    return 0;
}

static bool near(uint64_t reached, uint64_t wanted)
{
    uint64_t off = reached > wanted ? reached - wanted : wanted - reached;

    return off <= wanted / 100;
}

static int await(struct live *l, uint64_t wanted, const struct op *op, uint64_t *ret_reached,
                 struct err *e)
{
    struct err why;

    for (;;) {
        if (look(l, op, ret_reached, &why) < 0)
            break;
        if (near(*ret_reached, wanted))
            return 0;
        if (live_wait(l, LOOK_MS, op, "balloon", &why) < 0)
            break;
        qmp_forget_events(&l->s.qmp);
    }
    if (why.code != ERR_TIMED_OUT) {
        *e = why;
        return -1;
    }
    return live_timed_out(e, "balloon",
                          "the guest was asked to come to %llu KiB of memory and has %llu",
                          (unsigned long long)wanted, (unsigned long long)*ret_reached);
}

int memory_set(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
               const struct op *op, uint64_t *ret_reached_kib, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;

    *ret_reached_kib = 0;
    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    *ret_reached_kib = l.meta.memory_kib;
    if (memory_kib > l.meta.max_memory_kib || memory_kib < MEMORY_MIN_KIB)
        return err_set(e, ERR_BAD_REQUEST,
                       "it can have from %d to %llu KiB of memory; more than that is maxmem's and "
                       "acts at the next boot",
                       MEMORY_MIN_KIB, (unsigned long long)l.meta.max_memory_kib);
    if (l.meta.ram_inode != 0 && memory_kib != l.meta.memory_kib)
        return err_set(
            e, ERR_UNSUPPORTED,
            "its memory is a file (reeve_memory), of which it has all; memory and maxmem "
            "together act at the next boot");
    if (qmp_run(&l.s.qmp, "balloon", json_pack("{s:I}", "value", (json_int_t)memory_kib * 1024), op,
                NULL, e) < 0)
        return -1;
    l.meta.memory_kib = memory_kib;
    if (meta_write(l.s.dirfd, &l.meta, e) < 0)
        return -1;
    /* One that stands does it when it goes on. */
    return l.paused ? look(&l, op, ret_reached_kib, e)
                    : await(&l, memory_kib, op, ret_reached_kib, e);
}
