/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "driver/xen/live.h"
#include "driver/xen/room.h"

enum { LOOK_MS = 100, SLACK_KIB = 1024 };

static bool is_near(uint64_t now_kib, uint64_t wanted_kib)
{
    uint64_t off = now_kib > wanted_kib ? now_kib - wanted_kib : wanted_kib - now_kib;

    return off <= wanted_kib / 100;
}

/* Waits until the guest's balloon has it there. */
static int await_balloon(struct session *s, uint32_t domid, uint64_t wanted_kib,
                         const struct op *op, uint64_t *reached, struct err *e)
{
    for (;;) {
        AUTO_DOMINFO libxl_dominfo info = {0};
        libxl_dominfo_init(&info);
        session_begin(s);
        int rc = libxl_domain_info(s->ctx, &info, domid);
        if (rc < 0)
            return session_result(s, rc, "cannot look at the guest", e);
        *reached = info.current_memkb;
        if (is_near(info.current_memkb, wanted_kib))
            return 0;
        if (op_nap(op, LOOK_MS, "balloon", e) == 0)
            continue;
        if (e->code != ERR_TIMED_OUT)
            return -1;
        err_set(e, ERR_TIMED_OUT,
                "the guest has %llu MiB and not yet %llu MiB; its balloon is asked for them",
                (unsigned long long)(info.current_memkb / 1024),
                (unsigned long long)(wanted_kib / 1024));
        str_copy(e->phase, sizeof e->phase, "balloon");
        return -1;
    }
}

int memory_set(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
               const struct op *op, uint64_t *ret_reached_kib, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_ROOM struct room room = {.lock_fd = -1};
    AUTO_DOMINFO libxl_dominfo info = {0};

    *ret_reached_kib = 0;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    *ret_reached_kib = info.current_memkb;
    uint64_t most = session_read_number(&s, info.domid, "memory/static-max", info.max_memkb);
    if (memory_kib > most)
        return err_set(e, ERR_BAD_REQUEST, "%llu MiB are more than the guest's maximum of %llu MiB",
                       (unsigned long long)(memory_kib / 1024), (unsigned long long)(most / 1024));
    if (memory_kib > info.current_memkb &&
        room_make(&s, info.domid, memory_kib - info.current_memkb + SLACK_KIB, op, &room, e) < 0)
        return -1;
    session_begin(&s);
    int rc = libxl_set_memory_target(s.ctx, info.domid, (int64_t)memory_kib, 0, 1);
    if (session_result(&s, rc, "cannot set the guest's memory", e) < 0)
        return -1;
    /* One that stands does it when it goes on; and others wait for the lock. */
    room_leave(&room);
    if (info.paused) {
        host_changed(h);
        return 0;
    }
    int result = await_balloon(&s, info.domid, memory_kib, op, ret_reached_kib, e);
    host_changed(h);
    return result;
}
