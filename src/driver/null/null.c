/* SPDX-License-Identifier: MIT */
/* The null driver: guests that are simulated, for demonstration, scale and faults. */
#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/driver.h"
#include "driver/null/enter.h"
#include "driver/null/live.h"
#include "driver/null/plan.h"
#include "driver/null/sim.h"
#include "driver/null/stream.h"
#include "driver/null/table.h"

static const char platform_line[] = "null 1";

static int null_probe(const struct driver_options *options UNUSED, struct err *e UNUSED)
{
    return 0;
}

/* ---- Looking ---- */

/* How long the guests' plans hold up `list`: the longest that hears the op, and the longest that
 * does not. -1 with the error of one that makes it fail. With the lock. */
static int list_delay(struct driver_handle *h, int64_t *ret_wait_ms, int64_t *ret_stuck_ms,
                      struct err *e)
{
    *ret_wait_ms = *ret_stuck_ms = 0;
    LIST_EACH (&h->guests, s, struct sim, link) {
        for (size_t i = 0; i < s->plan.fault_count; i++) {
            const struct plan_fault *f = &s->plan.faults[i];
            int64_t ms = f->action == ACT_HANG ? PLAN_WAIT_MAX_MS : f->ms;
            int64_t *longest = f->action == ACT_STUCK ? ret_stuck_ms : ret_wait_ms;
            if (f->call != CALL_LIST)
                continue;
            if (f->action == ACT_FAIL)
                return err_set(e, ERR_FAILED, "cannot list: null.list=fail is in the cmdline of %s",
                               s->ref.name);
            if (f->action == ACT_DIE && s->state != OBS_DEAD &&
                table_set(h, s, OBS_DEAD, REASON_BACKEND_DIED, e) < 0)
                return -1;
            if (ms > *longest)
                *longest = ms;
        }
    }
    return 0;
}

/* True when its plan lets it answer `list` later than after waited_ms. */
static bool silent(const struct sim *s, int64_t waited_ms)
{
    for (size_t i = 0; i < s->plan.fault_count; i++) {
        const struct plan_fault *f = &s->plan.faults[i];
        if (f->call == CALL_LIST &&
            (f->action == ACT_HANG || (f->action == ACT_SLOW && f->ms > waited_ms)))
            return true;
    }
    return false;
}

static int null_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                     size_t *ret_count, struct err *e)
{
    int64_t wait, stuck, begun = clock_mono_ms();
    bool cut_off = false; /* the op ended first: who has not answered by then is unknown */

    pthread_mutex_lock(&h->lock);
    if (list_delay(h, &wait, &stuck, e) < 0)
        return table_leave(h, -1);
    if (wait > 0 || stuck > 0) {
        struct target nobody = {0};
        struct err ended;
        pthread_mutex_unlock(&h->lock);
        enter_stuck(stuck);
        cut_off = wait > 0 && enter_wait(&nobody, wait, op, "list", &ended) < 0;
        pthread_mutex_lock(&h->lock);
    }
    int64_t now = clock_mono_ms();
    struct observation *all = x_calloc(h->guest_count + 1, sizeof *all);
    size_t count = 0;
    LIST_EACH (&h->guests, s, struct sim, link) {
        table_settle(h, s);
        sim_observe(s, now, &all[count]);
        if (cut_off && silent(s, now - begun))
            all[count].state = OBS_UNKNOWN;
        count++;
    }
    *ret = all;
    *ret_count = count;
    return table_leave(h, 0);
}

static int null_info(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                     struct observation *ret, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_INFO, op, e);

    if (!s)
        return -1;
    sim_observe(s, clock_mono_ms(), ret);
    return table_leave(h, 0);
}

/* Lets happen what is due. When the next event of any guest comes, 0 for never. */
static int64_t next_due(struct driver_handle *h)
{
    int64_t next = 0;

    pthread_mutex_lock(&h->lock);
    LIST_EACH (&h->guests, s, struct sim, link) {
        table_settle(h, s);
        int64_t due = sim_due(s);
        if (due > 0 && (next == 0 || due < next))
            next = due;
    }
    pthread_mutex_unlock(&h->lock);
    return next;
}

static int null_watch(struct driver_handle *h, int wake_fd, struct err *e)
{
    struct pollfd fds[2] = {
        {.fd = h->changed_fd, .events = POLLIN},
        {.fd = wake_fd,       .events = POLLIN}
    };
    uint64_t count;

    /* A change that makes an event due sooner also wakes the poll by changed_fd. */
    int64_t due = next_due(h);
    int n = poll(fds, 2, clock_left_ms(due));
    if (n < 0 && errno != EINTR)
        return err_errno(e, ERR_FAILED, errno, "cannot watch the simulated guests");
    if (n > 0 && fds[0].revents) {
        if (read(h->changed_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            return err_errno(e, ERR_FAILED, errno, "cannot watch the simulated guests");
        return 1;
    }
    return n > 0 && fds[1].revents ? 0 : 1;
}

static int null_platform(struct driver_handle *h UNUSED, const struct domain_ref *ref UNUSED,
                         char **ret, struct err *e UNUSED)
{
    *ret = x_strdup(platform_line);
    return 0;
}

static int null_check(struct driver_handle *h UNUSED, const struct create_args *args, struct err *e)
{
    struct plan plan;

    return plan_parse(args->conf->cmdline, &plan, e);
}

/* ---- Making and ending ---- */

/* Puts a guest that is being built into the table and its file, and gives what is needed to find
 * it again. */
static int begin_build(struct driver_handle *h, const struct create_args *args, struct target *ret,
                       struct err *e)
{
    struct sim *s;

    if (sim_new(args, &s, e) < 0)
        return -1;
    pthread_mutex_lock(&h->lock);
    if (table_find(h, args->ref.uuid, 0)) {
        err_set(e, ERR_EXISTS, "cannot make %s: there is a domain %s", args->ref.name,
                args->ref.uuid);
        goto undo;
    }
    if (sim_store(s, h->dirfd, e) < 0)
        goto undo;
    table_add(h, s);
    table_changed(h);
    *ret = enter_target(s);
    return table_leave(h, 0);
undo:
    sim_free(s);
    return table_leave(h, -1);
}

/* Ends what begin_build began: the guest stands paused when r is 0, else nothing is left of it. */
static int end_build(struct driver_handle *h, const struct target *t, int r,
                     const struct stream_state *loaded, struct observation *ret, struct err *e)
{
    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, t->uuid, t->serial);
    if (!s) {
        if (r == 0)
            err_set(e, ERR_NO_SUCH_DOMAIN, "%s was destroyed while it was built", t->name);
        return table_leave(h, -1);
    }
    if (r == 0 && loaded) {
        s->count_ms = loaded->count_ms;
        s->fired_ms = loaded->fired_ms;
    }
    if (r == 0)
        r = table_set(h, s, OBS_PAUSED, loaded ? REASON_NONE : REASON_CREATED_PAUSED, e);
    if (r == 0) {
        sim_observe(s, clock_mono_ms(), ret);
    } else {
        unlinkat(h->dirfd, s->ref.uuid, 0);
        table_drop(h, s);
    }
    return table_leave(h, r);
}

static int null_create(struct driver_handle *h, const struct create_args *args, const struct op *op,
                       struct observation *ret, struct err *e)
{
    struct target t;

    if (begin_build(h, args, &t, e) < 0)
        return -1;
    int r = enter_misbehave(h, &t, CALL_CREATE, op, e);
    return end_build(h, &t, r, NULL, ret, e);
}

static int load_state(struct driver_handle *h, const struct target *t,
                      const struct create_args *args, int fd, struct stream_state *st,
                      const struct op *op, struct err *e)
{
    if (args->platform && !str_eq(args->platform, platform_line))
        return err_set(e, ERR_FAILED,
                       "cannot restore %s: it was saved on \"%s\", and this is "
                       "\"%s\"",
                       t->name, args->platform, platform_line);
    if (stream_read_begin(fd, st, op, e) < 0)
        return -1;
    if (st->memory_kib != args->conf->memory_kib)
        return err_set(e, ERR_FAILED,
                       "cannot restore %s: it was saved with %llu KiB of memory, "
                       "and the config has %llu",
                       t->name, (unsigned long long)st->memory_kib,
                       (unsigned long long)args->conf->memory_kib);
    if (enter_misbehave(h, t, CALL_RESTORE, op, e) < 0)
        return -1;
    return stream_read_end(fd, st, op, e);
}

static int null_restore(struct driver_handle *h, const struct create_args *args, int stream_fd,
                        const struct op *op, struct observation *ret, struct err *e)
{
    struct target t;
    struct stream_state st = {0};

    if (begin_build(h, args, &t, e) < 0)
        return -1;
    int r = load_state(h, &t, args, stream_fd, &st, op, e);
    return end_build(h, &t, r, &st, ret, e);
}

static int null_destroy(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                        struct err *e)
{
    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, ref->uuid, 0);
    /* A dead one is only cleaned up: nothing of it is there to misbehave. */
    if (s && s->plan.fault_count > 0 && s->state != OBS_DEAD) {
        struct target t = enter_target(s);
        pthread_mutex_unlock(&h->lock);
        if (enter_misbehave(h, &t, CALL_DESTROY, op, e) < 0)
            return -1;
        pthread_mutex_lock(&h->lock);
        s = table_find(h, ref->uuid, 0);
    }
    /* The file first: one that cannot be removed must not come back after a restart unseen. */
    if (unlinkat(h->dirfd, ref->uuid, 0) < 0 && errno != ENOENT) {
        err_errno(e, ERR_FAILED, errno, "cannot remove the guest's file %s", ref->uuid);
        return table_leave(h, -1);
    }
    if (s)
        table_drop(h, s);
    return table_leave(h, 0);
}

/* ---- Running, standing, ending ---- */

/* A call that only moves the guest to `state`. */
static int move(struct driver_handle *h, const struct domain_ref *ref, enum plan_call call,
                enum observed state, const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, call, op, e);

    if (!s)
        return -1;
    int r = enter_check(s, call, e);
    if (r == 0)
        r = table_set(h, s, state, REASON_NONE, e);
    return table_leave(h, r);
}

static int null_pause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                      struct err *e)
{
    return move(h, ref, CALL_PAUSE, OBS_PAUSED, op, e);
}

static int null_unpause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                        struct err *e)
{
    return move(h, ref, CALL_UNPAUSE, OBS_RUNNING, op, e);
}

static int null_save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
                          const struct op *op, struct err *e)
{
    return move(h, ref, CALL_SAVE_UNDO, paused ? OBS_PAUSED : OBS_RUNNING, op, e);
}

/* Stops the guest for its save. *ret_was is what it goes back to when the save fails. */
static int begin_save(struct driver_handle *h, const struct domain_ref *ref, struct target *ret,
                      enum observed *ret_was, struct stream_state *st, struct err *e)
{
    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, ref->uuid, 0);
    if (!s)
        return table_leave(h, err_set(e, ERR_NO_SUCH_DOMAIN, "there is no domain %s", ref->uuid));
    if (enter_check(s, CALL_SAVE, e) < 0)
        return table_leave(h, -1);
    *ret_was = s->state;
    if (table_set(h, s, OBS_BUSY, REASON_BEING_SAVED, e) < 0)
        return table_leave(h, -1);
    *ret = enter_target(s);
    *st = (struct stream_state){.count_ms = s->count_ms,
                                .fired_ms = s->fired_ms,
                                .memory_kib = s->memory_kib,
                                .bytes = s->plan.save_bytes};
    return table_leave(h, 0);
}

static int end_save(struct driver_handle *h, const struct target *t, enum observed was, int r,
                    struct err *e)
{
    struct err second;

    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, t->uuid, t->serial);
    if (!s) {
        if (r == 0)
            err_set(e, ERR_NO_SUCH_DOMAIN, "%s was destroyed while it was saved", t->name);
        return table_leave(h, -1);
    }
    if (s->state != OBS_BUSY) /* it died */
        return table_leave(h, r);
    if (r == 0)
        r = table_set(h, s, OBS_PAUSED, REASON_BEING_SAVED, e);
    if (r < 0) {
        sim_set(s, was, REASON_NONE, clock_mono_ms());
        /* It goes on in any case; its file is put right with the next change that is written. */
        if (sim_store(s, h->dirfd, &second) < 0)
            log_warn("null driver: %s", second.msg);
        table_changed(h);
    }
    return table_leave(h, r);
}

static int null_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
                     const struct op *op, struct err *e)
{
    struct target t;
    struct stream_state st;
    enum observed was = OBS_BUSY;

    if (begin_save(h, ref, &t, &was, &st, e) < 0)
        return -1;
    int r = stream_write_begin(stream_fd, &st, op, e);
    if (r == 0)
        r = enter_misbehave(h, &t, CALL_SAVE, op, e);
    if (r == 0)
        r = stream_write_end(stream_fd, &st, op, e);
    return end_save(h, &t, was, r, e);
}

static int null_shutdown(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                         struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_SHUTDOWN, op, e);

    if (!s)
        return -1;
    /* It may have powered off by itself while it was slow to hear the button. */
    if (s->state == OBS_SHUTDOWN && s->reason == REASON_GUEST_POWEROFF)
        return table_leave(h, 0);
    int r = enter_check(s, CALL_SHUTDOWN, e);
    if (r == 0)
        r = table_set(h, s, OBS_SHUTDOWN, REASON_GUEST_POWEROFF, e);
    return table_leave(h, r);
}

/* Reboot by button and reset differ in what they wait for, and here nothing is waited for. */
static int boot(struct driver_handle *h, const struct domain_ref *ref, enum plan_call call,
                const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, call, op, e);

    if (!s)
        return -1;
    int r = enter_check(s, call, e);
    if (r == 0) {
        struct sim before = *s;
        sim_boot(s, clock_mono_ms());
        r = table_commit(h, s, &before, e);
    }
    return table_leave(h, r);
}

static int null_reboot(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                       struct err *e)
{
    return boot(h, ref, CALL_REBOOT, op, e);
}

static int null_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                      struct err *e)
{
    return boot(h, ref, CALL_RESET, op, e);
}

/* Of its memory there is nothing to be said, so it is as a reset. */
static int null_soft_reset(struct driver_handle *h, const struct domain_ref *ref,
                           const struct op *op, struct err *e)
{
    return boot(h, ref, CALL_RESET, op, e);
}

/* The file of the new uuid first: one guest too many would be found by a restart, one too few is
 * lost. */
static int null_set_aside(struct driver_handle *h, const struct domain_ref *ref,
                          const struct domain_ref *as, const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_SET_ASIDE, op, e);

    if (!s)
        return -1;
    int r = enter_check(s, CALL_SET_ASIDE, e);
    bool done = str_eq(ref->uuid, as->uuid);
    if (r == 0 && !done) {
        struct sim before = *s;
        str_copy(s->ref.uuid, sizeof s->ref.uuid, as->uuid);
        str_copy(s->ref.name, sizeof s->ref.name, as->name);
        r = table_commit(h, s, &before, e);
    }
    if (r == 0 && !done)
        unlinkat(h->dirfd, ref->uuid, 0);
    return table_leave(h, r);
}

/* An ELF file as large as its memory, of which there is nothing to be said. */
static int null_dump_core(struct driver_handle *h, const struct domain_ref *ref, int fd,
                          const struct op *op, struct err *e)
{
    struct sim *s = enter_call(h, ref, CALL_DUMP_CORE, op, e);

    if (!s)
        return -1;
    Elf64_Ehdr head = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof head,
        .e_ehsize = sizeof head,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1
    };
    Elf64_Phdr memory = {.p_type = PT_LOAD,
                         .p_offset = sizeof head + sizeof memory,
                         .p_filesz = s->memory_kib * 1024,
                         .p_memsz = s->memory_kib * 1024};
    int r = enter_check(s, CALL_DUMP_CORE, e);
    table_leave(h, 0);
    if (r < 0 || op_check(op, e) < 0 || fs_write_all(fd, &head, sizeof head, "the core", e) < 0 ||
        fs_write_all(fd, &memory, sizeof memory, "the core", e) < 0)
        return -1;
    if (ftruncate(fd, (off_t)(memory.p_offset + memory.p_filesz)) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write the core");
    return 0;
}

const struct driver driver_null = {
    .name = "null",
    .id_is_ours = true,
    .saves_paused = true,
    .probe = null_probe,
    .open = table_open,
    .close = table_close,
    .list = null_list,
    .watch = null_watch,
    .create = null_create,
    .restore = null_restore,
    .destroy = null_destroy,
    .pause = null_pause,
    .unpause = null_unpause,
    .save = null_save,
    .save_undo = null_save_undo,
    .platform = null_platform,
    .shutdown = null_shutdown,
    .reboot = null_reboot,
    .reset = null_reset,
    .soft_reset = null_soft_reset,
    .set_aside = null_set_aside,
    .dump_core = null_dump_core,
    .info = null_info,
    .memory = live_memory,
    .vcpus = live_vcpus,
    .vcpu_list = live_vcpu_list,
    .attach = live_attach,
    .detach = live_detach,
    .medium = live_medium,
    .stats = live_stats,
    .stats_all = live_stats_all,
    .check = null_check,
};
