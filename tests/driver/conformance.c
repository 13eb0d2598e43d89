/* SPDX-License-Identifier: MIT */
/* The conformance suite: what core/driver.h promises, on each driver. A case is left out only
 * where the driver has NULL for a member that it needs.
 *
 *     conformance null [CASE]
 *     conformance qemu GUESTDIR [CASE]
 *     conformance xen MODULE GUESTDIR [CASE]     in a Xen dom0
 *
 * CASE may have * and ?; K/N is every Nth case from the Kth on, so that N processes share them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "resources.h"
#include "rig.h"
#include "saves.h"

enum { AWAY_MS = 1500, FILL_MS = 20 * 1000 };

static const struct subject *subject;

/* The observer's thread: looks again whenever `watch` says so. */
static struct watcher {
    struct rig *rig;
    char uuid[IDENT_UUID_LEN + 1];
    bool started;
    pthread_t thread;
    int wake_fd;
    atomic_int state; /* as last listed; -1 not at all */
    atomic_int wakes;
    atomic_bool failed;
} watcher;

static void *watch_main(void *arg)
{
    struct watcher *w = arg;
    struct rig *r = w->rig;
    struct err e;

    for (;;) {
        struct op op = rig_op(r);
        struct observation *all;
        size_t count;
        if (r->driver->list(r->handle, &op, &all, &count, &e) < 0)
            break;
        int state = -1;
        for (size_t i = 0; i < count; i++) {
            if (str_eq(all[i].ref.uuid, w->uuid))
                state = (int)all[i].state;
        }
        free(all);
        atomic_store(&w->state, state);
        int woken = r->driver->watch(r->handle, w->wake_fd, &e);
        if (woken == 0)
            return NULL;
        if (woken < 0)
            break;
        atomic_fetch_add(&w->wakes, 1);
    }
    atomic_store(&w->failed, true);
    return NULL;
}

static void watcher_start(struct guest *g)
{
    watcher = (struct watcher){.rig = g->rig, .wake_fd = eventfd(0, EFD_CLOEXEC), .state = -1};
    str_copy(watcher.uuid, sizeof watcher.uuid, g->ref.uuid);
    assert_true(watcher.wake_fd >= 0);
    assert_int_equal(pthread_create(&watcher.thread, NULL, watch_main, &watcher), 0);
    watcher.started = true;
}

static void watcher_await(int state)
{
    int64_t deadline = clock_mono_ms() + watcher.rig->subject->boot_ms;

    while (atomic_load(&watcher.state) != state) {
        if (clock_mono_ms() > deadline)
            fail_msg("watch lost a change: state %d, not %d", atomic_load(&watcher.state), state);
        poll(NULL, 0, 5);
    }
}

static void watcher_stop(void)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    assert_int_equal(eventfd_write(watcher.wake_fd, 1), 0);
    assert_int_equal(pthread_timedjoin_np(watcher.thread, NULL, &deadline), 0);
    watcher.started = false;
    close(watcher.wake_fd);
    assert_false(atomic_load(&watcher.failed));
}

static int setup(void **state)
{
    *state = rig_open(subject);
    return 0;
}

static int teardown(void **state)
{
    if (watcher.started) /* the case has failed */
        watcher_stop();
    rig_close(*state);
    return 0;
}

/* ---- Making and looking ---- */

static void create_is_paused_and_nothing_runs(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    struct observation seen;

    guest_create(g);
    seen = guest_info(g);
    assert_int_equal(seen.state, OBS_PAUSED);
    int64_t value = guest_expect_standing(g);
    assert_true(value <= 0);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

static void info_and_list_echo_the_domain(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    struct observation seen[2];

    guest_create(g);
    seen[0] = guest_info(g);
    assert_true(guest_listed(g, &seen[1]));
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_string_equal(seen[i].ref.uuid, g->ref.uuid);
        assert_string_equal(seen[i].ref.name, g->ref.name);
        if (r->driver->id_is_ours)
            assert_int_equal(seen[i].ref.id, g->ref.id);
        assert_int_equal(seen[i].state, OBS_PAUSED);
        assert_int_equal(seen[i].memory_kib, g->conf->memory_kib);
        assert_int_equal(seen[i].max_memory_kib, g->conf->max_memory_kib);
        assert_int_equal(seen[i].vcpus, g->conf->vcpus);
        assert_int_equal(seen[i].max_vcpus, g->conf->max_vcpus);
        assert_string_equal(seen[i].vnc, "");
    }
    guest_destroy(g);
    assert_false(guest_listed(g, &seen[0]));
    guest_free(g);
}

static void create_that_fails_leaves_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, CANNOT_BE_MADE);
    struct op op = rig_op(r);
    struct observation seen;
    struct err e = {.code = ERR_NONE};

    assert_int_equal(r->driver->create(r->handle, &g->args, &op, &seen, &e), -1);
    assert_int_not_equal(e.code, ERR_NONE);
    assert_true(e.msg[0] != '\0');
    assert_false(guest_listed(g, &seen));
    rig_expect_no_trace(r);
    guest_free(g);
}

static void create_of_the_same_uuid_harms_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    assert_int_equal(r->driver->create(r->handle, &g->args, &op, &seen, &e), -1);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

static void check_takes_a_good_config(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    struct err e;

    EXPECT_OK(r->driver->check(r->handle, &g->args, &e));
    rig_expect_no_trace(r);
    guest_free(g);
}

/* Every call on a domain that is not there says so; to destroy it is no error. */
static void expect_unknown(struct guest *g)
{
    struct rig *r = g->rig;
    const struct driver *d = r->driver;
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    EXPECT_ERR(d->info(r->handle, &g->ref, &op, &seen, &e), ERR_NO_SUCH_DOMAIN);
    EXPECT_ERR(d->pause(r->handle, &g->ref, &op, &e), ERR_NO_SUCH_DOMAIN);
    EXPECT_ERR(d->unpause(r->handle, &g->ref, &op, &e), ERR_NO_SUCH_DOMAIN);
    EXPECT_ERR(d->shutdown(r->handle, &g->ref, &op, &e), ERR_NO_SUCH_DOMAIN);
    EXPECT_ERR(d->reboot(r->handle, &g->ref, &op, &e), ERR_NO_SUCH_DOMAIN);
    EXPECT_ERR(d->reset(r->handle, &g->ref, &op, &e), ERR_NO_SUCH_DOMAIN);
    if (d->save)
        EXPECT_ERR(d->save(r->handle, &g->ref, fds[1], &op, &e), ERR_NO_SUCH_DOMAIN);
    if (d->save_undo)
        EXPECT_ERR(d->save_undo(r->handle, &g->ref, false, &op, &e), ERR_NO_SUCH_DOMAIN);
    if (d->console) {
        int fd;
        EXPECT_ERR(d->console(r->handle, &g->ref, &fd, &e), ERR_NO_SUCH_DOMAIN);
    }
    EXPECT_OK(d->destroy(r->handle, &g->ref, &op, &e));
    close(fds[0]);
    close(fds[1]);
}

static void unknown_domains_are_refused(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);

    expect_unknown(g);
    guest_free(g);
}

/* A host gives the id of a domain that is gone to another: what is meant for the first does not
 * reach the second. */
static void an_id_that_another_has_now_harms_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN), *gone = guest_new(r, PLAIN);

    gone->ref.id = guest_info(g).ref.id;
    expect_unknown(gone);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(gone);
    guest_free(g);
}

/* ---- Standing and running ---- */

static void pause_stands_and_unpause_goes_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);

    for (int round = 0; round < 2; round++) {
        guest_pause(g);
        assert_int_equal(guest_info(g).state, OBS_PAUSED);
        int64_t value = guest_expect_standing(g);
        guest_pause(g); /* idempotent */
        assert_int_equal(guest_info(g).state, OBS_PAUSED);
        assert_int_equal(guest_expect_standing(g), value);
        guest_expect_goes_on(g, value, false);
        guest_unpause(g); /* idempotent */
        guest_expect_runs(g);
    }
    guest_destroy(g);
    guest_free(g);
}

static void reset_starts_over_from_running_and_paused(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    for (int paused = 0; paused < 2; paused++) {
        guest_await_above(g, r->subject->enough);
        if (paused)
            guest_pause(g);
        int64_t value = r->subject->value(g);
        EXPECT_OK(r->driver->reset(r->handle, &g->ref, &op, &e));
        assert_int_equal(guest_info(g).state, OBS_RUNNING);
        guest_await_over(g, value);
        guest_expect_runs(g);
    }
    guest_destroy(g);
    guest_free(g);
}

/* ---- Ends ---- */

static void shutdown_is_orderly(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    EXPECT_OK(r->driver->shutdown(r->handle, &g->ref, &op, &e));
    seen = guest_info(g);
    assert_int_equal(seen.state, OBS_SHUTDOWN);
    assert_int_equal(seen.reason, REASON_GUEST_POWEROFF);
    assert_true(guest_listed(g, &seen));
    assert_int_equal(seen.state, OBS_SHUTDOWN);
    assert_int_equal(seen.reason, REASON_GUEST_POWEROFF);
    /* What is left of it can be looked at, and boots again by reset. */
    EXPECT_OK(r->driver->reset(r->handle, &g->ref, &op, &e));
    assert_int_equal(guest_info(g).state, OBS_RUNNING);
    g->seen = -1;
    guest_await_above(g, 0);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

/* A guest that answers says when it has heard it; others are deaf from the start. */
static void make_deaf(struct guest *g)
{
    const struct subject *s = g->rig->subject;

    if (s->ask)
        s->ask(g, "ignore-power", "ignoring the power button");
    else
        s->provoke(g, DEAF);
}

static void an_ignored_power_button_times_out(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, DEAF);
    struct op op;
    struct err e;

    make_deaf(g);
    op = op_within(1500);
    EXPECT_ERR(r->driver->shutdown(r->handle, &g->ref, &op, &e), ERR_TIMED_OUT);
    assert_true(e.phase[0] != '\0');
    guest_expect_runs(g);
    op = op_within(1500);
    EXPECT_ERR(r->driver->reboot(r->handle, &g->ref, &op, &e), ERR_TIMED_OUT);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

static void a_cancelled_shutdown_runs_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, DEAF);
    struct op op;
    struct err e;

    make_deaf(g);
    op = rig_op(r);
    op.cancel_fd = eventfd(1, EFD_CLOEXEC);
    EXPECT_ERR(r->driver->shutdown(r->handle, &g->ref, &op, &e), ERR_CANCELLED);
    close(op.cancel_fd);
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

static void reboot_starts_over(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    for (int round = 0; round < 2; round++) {
        guest_await_above(g, r->subject->enough);
        int64_t value = r->subject->value(g);
        EXPECT_OK(r->driver->reboot(r->handle, &g->ref, &op, &e));
        assert_int_equal(guest_info(g).state, OBS_RUNNING);
        guest_await_over(g, value);
        guest_expect_runs(g);
    }
    guest_destroy(g);
    guest_free(g);
}

/* The guest ends by itself and is seen to; reset boots it again. */
static void ends(struct rig *r, enum behaviour b, enum observed want, enum reason reason)
{
    struct guest *g = guest_running(r, b);
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    r->subject->provoke(g, b);
    seen = guest_await(g, want);
    assert_int_equal(seen.reason, reason);
    assert_true(guest_listed(g, &seen));
    assert_int_equal(seen.state, want);
    assert_int_equal(seen.reason, reason);
    int64_t value = guest_expect_standing(g);
    assert_int_equal(r->driver->pause(r->handle, &g->ref, &op, &e), -1);
    assert_int_equal(r->driver->unpause(r->handle, &g->ref, &op, &e), -1);
    assert_int_equal(guest_info(g).state, want);
    EXPECT_OK(r->driver->reset(r->handle, &g->ref, &op, &e));
    assert_int_equal(guest_info(g).state, OBS_RUNNING);
    guest_await_over(g, value);
    guest_destroy(g);
    guest_free(g);
}

static void a_guest_that_powers_off_is_seen(void **state)
{
    ends(*state, POWERS_OFF, OBS_SHUTDOWN, REASON_GUEST_POWEROFF);
}

static void a_guest_that_reboots_is_seen(void **state)
{
    ends(*state, REBOOTS, OBS_SHUTDOWN, REASON_GUEST_REBOOT);
}

static void a_guest_that_crashes_is_seen(void **state)
{
    ends(*state, CRASHES, OBS_CRASHED, REASON_GUEST_CRASH);
}

static void a_guest_that_its_watchdog_ends_is_seen(void **state)
{
    ends(*state, HANGS, OBS_CRASHED, REASON_WATCHDOG);
}

static void what_an_end_left_is_kept_beside(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, CRASHES);
    struct domain_ref as = {.id = g->ref.id};
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    ident_uuid_draw(as.uuid);
    str_copy(as.name, sizeof as.name, "left");
    assert_int_equal(r->driver->set_aside(r->handle, &g->ref, &as, &op, &e), -1);
    assert_int_equal(e.code, ERR_WRONG_STATE);
    r->subject->provoke(g, CRASHES);
    guest_await(g, OBS_CRASHED);
    EXPECT_OK(r->driver->set_aside(r->handle, &g->ref, &as, &op, &e));
    EXPECT_ERR(r->driver->info(r->handle, &g->ref, &op, &seen, &e), ERR_NO_SUCH_DOMAIN);
    rig_reopen(r);
    EXPECT_OK(r->driver->info(r->handle, &as, &op, &seen, &e));
    assert_int_equal(seen.state, OBS_CRASHED);
    assert_string_equal(seen.ref.name, "left");
    guest_create(g);
    EXPECT_OK(r->driver->info(r->handle, &as, &op, &seen, &e));
    assert_int_equal(seen.state, OBS_CRASHED);
    guest_destroy(g);
    EXPECT_OK(r->driver->destroy(r->handle, &as, &op, &e));
    guest_free(g);
}

static void whether_a_reboot_stands_is_changed_while_it_runs(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    assert_true(guest_info(g).reboots);
    EXPECT_OK(r->driver->set_reboots(r->handle, &g->ref, false, &op, &e));
    assert_false(guest_info(g).reboots);
    r->subject->provoke(g, REBOOTS);
    assert_int_equal(guest_await(g, OBS_SHUTDOWN).reason, REASON_GUEST_REBOOT);
    int64_t value = guest_expect_standing(g);
    EXPECT_OK(r->driver->reset(r->handle, &g->ref, &op, &e));
    guest_await_over(g, value);
    assert_false(guest_info(g).reboots);
    EXPECT_OK(r->driver->set_reboots(r->handle, &g->ref, true, &op, &e));
    guest_await_above(g, r->subject->enough);
    value = r->subject->value(g);
    r->subject->provoke(g, REBOOTS);
    guest_await_over(g, value);
    assert_true(guest_info(g).reboots);
    guest_destroy(g);
    guest_free(g);
}

/* Looks, as the observer does all the time, until so many are counted. */
static void await_own_reboots(struct guest *g, uint64_t wanted)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms;
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    struct observation seen;

    for (;;) {
        assert_true(guest_listed(g, &seen));
        if (seen.state != OBS_UNKNOWN && seen.own_reboots == wanted)
            return;
        if (seen.own_reboots > wanted || clock_mono_ms() > deadline)
            fail_msg("%ju reboots of its own are counted, not %ju", (uintmax_t)seen.own_reboots,
                     (uintmax_t)wanted);
        nanosleep(&pause, NULL);
    }
}

static void await_boot_looking(struct guest *g, int64_t below)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms, value;
    struct observation seen;

    while ((value = g->rig->subject->value(g)) >= below || value < 0) {
        assert_true(guest_listed(g, &seen));
        if (clock_mono_ms() > deadline)
            fail_msg("it does not boot again");
    }
}

static void a_guests_own_reboots_are_counted(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    await_own_reboots(g, 0);
    for (uint64_t i = 1; i <= 2; i++) {
        guest_await_above(g, r->subject->enough);
        int64_t value = r->subject->value(g);
        r->subject->provoke(g, REBOOTS);
        await_own_reboots(g, i);
        await_boot_looking(g, value);
        await_own_reboots(g, i);
    }
    /* A reset is nobody's own, and what the firmware does after one is the guest's neither. */
    guest_await_above(g, r->subject->enough);
    int64_t value = r->subject->value(g);
    EXPECT_OK(r->driver->reset(r->handle, &g->ref, &op, &e));
    await_boot_looking(g, value);
    await_own_reboots(g, 2);
    assert_int_equal(guest_info(g).own_reboots, 2);
    rig_reopen(r);
    await_own_reboots(g, 2);
    guest_destroy(g);
    guest_free(g);
}

static void destroy_leaves_no_trace(void **state)
{
    struct rig *r = *state;
    struct observation seen;

    for (int paused = 0; paused < 2; paused++) {
        struct guest *g = guest_running(r, PLAIN);
        if (paused)
            guest_pause(g);
        guest_destroy(g);
        rig_expect_no_trace(r);
        assert_false(guest_listed(g, &seen));
        guest_destroy(g); /* nothing is there */
        guest_free(g);
    }
    struct guest *ended = guest_running(r, POWERS_OFF);
    r->subject->provoke(ended, POWERS_OFF);
    guest_await(ended, OBS_SHUTDOWN);
    guest_destroy(ended);
    rig_expect_no_trace(r);
    guest_free(ended);
}

/* A restore from a pipe into which nobody writes, in a thread of its own. */
struct half_made {
    struct guest *g;
    int fd;
    int result;
    struct err e;
};

static void *half_make(void *arg)
{
    struct half_made *half = arg;
    struct rig *r = half->g->rig;
    struct op op = op_within(15000);
    struct observation seen;

    half->result = r->driver->restore(r->handle, &half->g->args, half->fd, &op, &seen, &half->e);
    return NULL;
}

static void destroy_of_a_half_made_one_leaves_no_trace(void **state)
{
    struct rig *r = *state;
    struct half_made half = {.g = guest_new(r, PLAIN), .result = 1};
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;
    pthread_t thread;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    half.fd = fds[0];
    if (r->subject->stream_head)
        EXPECT_OK(fs_write_all(fds[1], r->subject->stream_head, r->subject->stream_head_len,
                               "a pipe", &e));
    assert_int_equal(pthread_create(&thread, NULL, half_make, &half), 0);
    bool begun = rig_await_trace(r);
    /* Judged only when the thread has ended, which has `half`. */
    int destroyed = r->driver->destroy(r->handle, &half.g->ref, &op, &e);
    bool listed = guest_listed(half.g, &seen);
    /* Its process is gone; a driver that still reads the stream finds its end. */
    close(fds[1]);
    pthread_join(thread, NULL);
    assert_true(begun);
    EXPECT_OK(destroyed);
    assert_false(listed);
    assert_int_equal(half.result, -1);
    assert_false(guest_listed(half.g, &seen));
    rig_expect_no_trace(r);
    close(fds[0]);
    guest_free(half.g);
}

/* ---- Saving ---- */

/* An empty file without a name in any folder that is looked at. */
static int scratch(void)
{
    int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static int save_to_file(struct guest *g, int fd, struct err *e)
{
    struct op op = rig_op(g->rig);

    return g->rig->driver->save(g->rig->handle, &g->ref, fd, &op, e);
}

/* By way of a pipe, as the daemon does it. */
static int save_by_pipe(struct guest *g, int fd, struct err *e)
{
    struct pump pump;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pump_start(&pump, fds[0], fcntl(fd, F_DUPFD_CLOEXEC, 0));
    int r = save_to_file(g, fds[1], e);
    close(fds[1]);
    pump_join(&pump);
    return r;
}

static int restore_from(struct guest *g, int fd, const char *platform, struct err *e)
{
    struct rig *r = g->rig;
    struct op op = rig_op(r);
    struct observation seen;

    g->args.platform = platform;
    int result = r->driver->restore(r->handle, &g->args, fd, &op, &seen, e);
    g->args.platform = NULL;
    if (result == 0) {
        assert_string_equal(seen.ref.uuid, g->ref.uuid);
        assert_int_equal(seen.state, OBS_PAUSED);
    }
    return result;
}

static int restore_from_file(struct guest *g, int fd, const char *platform, struct err *e)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return restore_from(g, fd, platform, e);
}

static int restore_by_pipe(struct guest *g, int fd, const char *platform, struct err *e)
{
    struct pump pump;
    int fds[2];

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pump_start(&pump, fcntl(fd, F_DUPFD_CLOEXEC, 0), fds[1]);
    int r = restore_from(g, fds[0], platform, e);
    close(fds[0]);
    pump_join(&pump);
    return r;
}

/* After a save that succeeded: it is there and stands still. */
static int64_t expect_saved(struct guest *g)
{
    struct observation seen = guest_info(g);

    assert_true(seen.state == OBS_PAUSED || seen.state == OBS_BUSY);
    assert_true(guest_listed(g, &seen));
    return guest_expect_standing(g);
}

/* What was saved somewhere else is refused, with what differs, and nothing is left of it. */
static void expect_refused_elsewhere(struct guest *g, int fd, const char *platform)
{
    const struct elsewhere *where = g->rig->subject->elsewhere;
    struct err e;

    for (; where && where->word; where++) {
        const char *at = strstr(platform, where->word);
        assert_non_null(at);
        AUTO_FREE char *other = x_asprintf("%.*s%s%s", (int)(at - platform), platform,
                                           where->instead, at + strlen(where->word));
        assert_int_equal(restore_by_pipe(g, fd, other, &e), -1);
        if (!strstr(e.msg, where->named))
            fail_msg("\"%s\" is not named: %s", where->named, e.msg);
        rig_expect_no_trace(g->rig);
    }
}

static void saved_state_goes_on_after_destroy_and_restore(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    char *platform;
    struct err e;

    for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
        int fd = scratch();
        EXPECT_OK(r->driver->platform(r->handle, &g->ref, &platform, &e));
        assert_true(platform[0] != '\0' && !strchr(platform, '\n'));
        EXPECT_OK((by_pipe ? save_by_pipe : save_to_file)(g, fd, &e));
        int64_t value = expect_saved(g);
        guest_destroy(g);
        rig_expect_no_trace(r);
        if (by_pipe)
            expect_refused_elsewhere(g, fd, platform);
        EXPECT_OK((by_pipe ? restore_by_pipe : restore_from_file)(g, fd, platform, &e));
        assert_int_equal(guest_info(g).state, OBS_PAUSED);
        guest_expect_goes_on(g, value, true);
        guest_expect_runs(g);
        free(platform);
        close(fd);
    }
    guest_destroy(g);
    guest_free(g);
}

static void paused_guests_are_saved_too(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct err e;
    int fd = scratch();

    guest_pause(g);
    int64_t value = guest_expect_standing(g);
    if (!r->driver->saves_paused) {
        assert_int_equal(save_by_pipe(g, fd, &e), -1);
        assert_int_equal(guest_info(g).state, OBS_PAUSED);
    } else {
        EXPECT_OK(save_by_pipe(g, fd, &e));
        assert_int_equal(expect_saved(g), value);
        guest_destroy(g);
        EXPECT_OK(restore_by_pipe(g, fd, NULL, &e));
        guest_expect_goes_on(g, value, true);
    }
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

static void save_undo_goes_on_in_place(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    for (int round = 0; round < 2; round++) {
        int fd = scratch();
        EXPECT_OK(save_by_pipe(g, fd, &e));
        int64_t value = expect_saved(g);
        EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e));
        guest_await_above(g, value);
        assert_true(r->subject->value(g) > value);
        guest_expect_runs(g);
        EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e)); /* is so already */
        guest_expect_runs(g);
        close(fd);
    }
    if (r->driver->saves_paused) {
        int fd = scratch();
        guest_pause(g);
        int64_t value = guest_expect_standing(g);
        EXPECT_OK(save_by_pipe(g, fd, &e));
        EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, true, &op, &e));
        assert_int_equal(guest_info(g).state, OBS_PAUSED);
        EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, true, &op, &e));
        assert_int_equal(guest_expect_standing(g), value);
        guest_expect_goes_on(g, value, false);
        close(fd);
    }
    guest_destroy(g);
    guest_free(g);
}

static void a_checkpoint_can_be_restored_later(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;
    int fd = scratch();

    EXPECT_OK(save_by_pipe(g, fd, &e));
    int64_t value = expect_saved(g);
    EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e));
    guest_await_above(g, value + r->subject->enough);
    guest_destroy(g);
    EXPECT_OK(restore_by_pipe(g, fd, NULL, &e));
    guest_expect_goes_on(g, value, true);
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

/* Memory that was read beside the stream: a file with its bytes. */
struct memory_copy {
    int fd; /* owned */
    uint64_t bytes;
    unsigned filled; /* how often it was asked for */
};

static void copy_bytes(int from, int to, uint64_t bytes)
{
    static char buf[1 << 20];
    struct err e;

    for (uint64_t at = 0; at < bytes;) {
        ssize_t n = pread(from, buf, sizeof buf, (off_t)at);
        assert_true(n > 0);
        EXPECT_OK(fs_write_at(to, buf, (size_t)n, at, "memory", &e));
        at += (uint64_t)n;
    }
}

static int fill_from_copy(void *arg, int fd, uint64_t bytes, const struct op *op, struct err *e)
{
    struct memory_copy *copy = arg;

    copy->filled++;
    assert_int_equal(bytes, copy->bytes);
    if (op_check(op, e) < 0)
        return -1;
    copy_bytes(copy->fd, fd, bytes);
    return 0;
}

static int refuse_to_fill(void *arg, int fd, uint64_t bytes, const struct op *op, struct err *e)
{
    (void)arg;
    (void)fd;
    (void)bytes;
    (void)op;
    return err_set(e, ERR_DAMAGED, "the memory is not to be had");
}

/* One that goes on for as long as it is let: it ends when the start beside it has failed. */
static int fill_until_cancelled(void *arg, int fd, uint64_t bytes, const struct op *op,
                                struct err *e)
{
    struct op bounded = op_narrow(op, FILL_MS);

    (void)arg;
    (void)fd;
    (void)bytes;
    assert_int_equal(op_wait(&bounded, -1, 0, "its cancel", e), -1);
    assert_int_equal(e->code, ERR_CANCELLED);
    return -1;
}

/* Saves with the memory apart, its stream to fd, and takes the memory once the guest stands. */
static struct memory_copy save_apart_to(struct guest *g, int fd, int64_t *ret_value)
{
    struct rig *r = g->rig;
    struct op op = rig_op(r);
    struct memory_copy copy = {.fd = scratch()};
    struct err e;
    struct stat st;
    int memory;

    EXPECT_OK(r->driver->save_apart(r->handle, &g->ref, fd, &op, &memory, &copy.bytes, &e));
    *ret_value = expect_saved(g);
    assert_true(copy.bytes >= g->conf->max_memory_kib * 1024 && copy.bytes % 4096 == 0);
    copy_bytes(memory, copy.fd, copy.bytes);
    close(memory);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_size < copy.bytes / 4);
    return copy;
}

/* The stream without the memory, and the memory by hand; also after a daemon's restart, of a
 * paused guest, and after it went on in place. */
static void memory_apart_comes_back(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;
    int64_t value;
    char *platform;

    EXPECT_OK(r->driver->platform(r->handle, &g->ref, &platform, &e));
    for (int round = 0; round < 2; round++) {
        int fd = scratch();
        rig_reopen(r);
        if (round == 1) {
            guest_pause(g);
            guest_expect_standing(g);
        }
        struct memory_copy copy = save_apart_to(g, fd, &value);
        struct guest_memory memory = {-1, true, refuse_to_fill, &copy};
        guest_destroy(g);
        g->args.memory = &memory;
        EXPECT_ERR(restore_by_pipe(g, fd, NULL, &e), ERR_DAMAGED);
        rig_expect_no_trace(r);
        memory.fill = fill_until_cancelled;
        expect_refused_elsewhere(g, fd, platform);
        memory.fill = fill_from_copy;
        EXPECT_OK(restore_by_pipe(g, fd, NULL, &e));
        g->args.memory = NULL;
        assert_int_equal(copy.filled, 1);
        guest_expect_goes_on(g, value, true);
        guest_expect_runs(g);
        close(copy.fd);
        close(fd);
    }
    free(platform);
    int fd = scratch();
    struct memory_copy copy = save_apart_to(g, fd, &value);
    EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e));
    guest_await_above(g, value);
    guest_expect_runs(g);
    /* The next save has all in its stream again. */
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    EXPECT_OK(save_by_pipe(g, fd, &e));
    value = expect_saved(g);
    guest_destroy(g);
    EXPECT_OK(restore_by_pipe(g, fd, NULL, &e));
    guest_expect_goes_on(g, value, true);
    close(copy.fd);
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

static void a_live_save_stops_at_its_end(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;
    int64_t stopped = 0, before = clock_mono_ms();
    int fd = scratch();

    if (r->subject->saved_standing) {
        EXPECT_ERR(r->driver->save_live(r->handle, &g->ref, fd, &op, &stopped, &e),
                   ERR_UNSUPPORTED);
        assert_int_equal(lseek(fd, 0, SEEK_END), 0);
        guest_expect_runs(g);
        close(fd);
        guest_destroy(g);
        guest_free(g);
        return;
    }
    EXPECT_OK(r->driver->save_live(r->handle, &g->ref, fd, &op, &stopped, &e));
    int64_t value = expect_saved(g);
    assert_in_range(stopped, before, clock_mono_ms());
    guest_destroy(g);
    EXPECT_OK(restore_from_file(g, fd, NULL, &e));
    guest_expect_goes_on(g, value, true);
    guest_expect_runs(g);
    /* Cancelled in the middle, it runs on. */
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    op.cancel_fd = eventfd(1, EFD_CLOEXEC);
    EXPECT_ERR(r->driver->save_live(r->handle, &g->ref, fds[1], &op, &stopped, &e), ERR_CANCELLED);
    guest_expect_runs(g);
    close(op.cancel_fd);
    close(fds[0]);
    close(fds[1]);
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

/* A save of this guest fails with `code` and leaves it as it was. */
static void expect_save_fails(struct guest *g, int fd, struct op op, enum err_code code)
{
    struct rig *r = g->rig;
    struct err e;

    EXPECT_ERR(r->driver->save(r->handle, &g->ref, fd, &op, &e), code);
    guest_expect_runs(g);
    if (!r->driver->saves_paused)
        return;
    guest_pause(g);
    int64_t value = guest_expect_standing(g);
    EXPECT_ERR(r->driver->save(r->handle, &g->ref, fd, &op, &e), code);
    assert_int_equal(guest_info(g).state, OBS_PAUSED);
    guest_expect_goes_on(g, value, false);
    guest_expect_runs(g);
}

static void a_cancelled_save_runs_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;
    int fds[2], fd = scratch();

    /* Nobody reads: it cannot be done before it is cancelled. */
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    op.cancel_fd = eventfd(1, EFD_CLOEXEC);
    expect_save_fails(g, fds[1], op, ERR_CANCELLED);
    close(op.cancel_fd);
    close(fds[0]);
    close(fds[1]);
    /* And the next one is whole. */
    EXPECT_OK(save_by_pipe(g, fd, &e));
    int64_t value = expect_saved(g);
    guest_destroy(g);
    EXPECT_OK(restore_by_pipe(g, fd, NULL, &e));
    guest_expect_goes_on(g, value, true);
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

static void a_save_that_times_out_runs_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct err e;
    struct op op = op_within(700);
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    EXPECT_ERR(r->driver->save(r->handle, &g->ref, fds[1], &op, &e), ERR_TIMED_OUT);
    guest_expect_runs(g);
    close(fds[0]);
    close(fds[1]);
    guest_destroy(g);
    guest_free(g);
}

static void a_save_whose_reader_goes_away_runs_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    expect_save_fails(g, fds[1], rig_op(r), ERR_FAILED);
    close(fds[1]);
    guest_destroy(g);
    guest_free(g);
}

static void a_save_to_a_full_disk_runs_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(r->driver->save(r->handle, &g->ref, fd, &op, &e), -1);
    guest_expect_runs(g);
    close(fd);
    guest_destroy(g);
    guest_free(g);
}

/* ---- Restoring what is none ---- */

static void expect_no_restore(struct guest *g, int fd, const char *platform)
{
    struct observation seen;
    struct err e = {.code = ERR_NONE};

    assert_int_equal(restore_by_pipe(g, fd, platform, &e), -1);
    assert_int_not_equal(e.code, ERR_NONE);
    assert_false(guest_listed(g, &seen));
    rig_expect_no_trace(g->rig);
}

static void bad_streams_leave_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct stat st;
    struct err e;
    int fd = scratch(), junk = scratch();
    char block[65536];

    EXPECT_OK(save_by_pipe(g, fd, &e));
    guest_destroy(g);
    assert_int_equal(fstat(fd, &st), 0);

    expect_no_restore(g, junk, NULL); /* empty */
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 2654435761u >> 11);
    for (int i = 0; i < 8; i++)
        EXPECT_OK(fs_write_all(junk, block, sizeof block, "the scratch file", &e));
    expect_no_restore(g, junk, NULL);
    expect_no_restore(g, fd, "another machine of another time");
    static const int cut_percent[] = {99, 50, 1};
    for (size_t i = 0; i < ARRAY_LEN(cut_percent); i++) {
        assert_int_equal(ftruncate(fd, st.st_size * cut_percent[i] / 100), 0);
        expect_no_restore(g, fd, NULL);
    }
    close(fd);
    close(junk);
    guest_free(g);
}

/* ---- Without a daemon ---- */

static void close_consoles(struct guest **guests)
{
    for (; *guests; guests++) {
        if ((*guests)->console >= 0)
            close((*guests)->console);
        (*guests)->console = -1;
    }
}

static void guests_are_found_again(void **state)
{
    struct rig *r = *state;
    struct guest *ended = guest_running(r, POWERS_OFF), *paused, *running;
    struct observation seen;

    r->subject->provoke(ended, POWERS_OFF);
    guest_await(ended, OBS_SHUTDOWN);
    paused = guest_running(r, PLAIN);
    guest_pause(paused);
    int64_t value = guest_expect_standing(paused);
    /* The last: a console that is not read for long falls behind its guest. */
    running = guest_running(r, PLAIN);
    int64_t since = clock_mono_ms(), running_value = r->subject->value(running);
    unsigned running_id = guest_info(running).ref.id, paused_id = guest_info(paused).ref.id;
    close_consoles((struct guest *[]){running, paused, ended, NULL});
    rig_reopen(r);
    assert_true(guest_listed(running, &seen));
    assert_int_equal(seen.state, OBS_RUNNING);
    assert_int_equal(seen.ref.id, running_id);
    assert_string_equal(seen.ref.name, running->ref.name);
    assert_int_equal(seen.memory_kib, running->conf->memory_kib);
    assert_true(guest_listed(paused, &seen));
    assert_int_equal(seen.state, OBS_PAUSED);
    assert_int_equal(seen.ref.id, paused_id);
    assert_true(guest_listed(ended, &seen));
    assert_int_equal(seen.state, OBS_SHUTDOWN);
    assert_int_equal(seen.reason, REASON_GUEST_POWEROFF);
    r->subject->attach(running);
    guest_expect_near(running, running_value, since);
    guest_expect_runs(running);
    guest_expect_goes_on(paused, value, true);
    guest_destroy(running);
    guest_destroy(paused);
    guest_destroy(ended);
    guest_free(running);
    guest_free(paused);
    guest_free(ended);
}

static void a_guest_that_ends_while_nobody_looks_is_seen_later(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, CRASHES);
    struct observation seen;

    r->subject->provoke(g, CRASHES);
    r->driver->close(r->handle);
    r->handle = NULL;
    /* Time in which it can crash unseen. When it takes longer, the case holds no less. */
    poll(NULL, 0, AWAY_MS);
    rig_reopen(r);
    seen = guest_await(g, OBS_CRASHED);
    assert_int_equal(seen.reason, REASON_GUEST_CRASH);
    guest_destroy(g);
    guest_free(g);
}

/* Runs `first` in a process of its own, which is killed when it has said that it is ready. */
static void in_a_daemon_that_is_killed(struct rig *r, struct guest *g,
                                       void (*first)(struct guest *g, int ready_fd))
{
    int ready[2];
    char byte;

    r->driver->close(r->handle);
    r->handle = NULL;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err e;
        /* A check that fails in here ends this process alone. */
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        close(ready[0]);
        if (r->driver->open(&r->options, &r->handle, &e) == 0)
            first(g, ready[1]);
        _exit(1);
    }
    close(ready[1]);
    ssize_t n = read(ready[0], &byte, 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    assert_int_equal(n, 1);
    rig_reopen(r);
}

static void say_ready_and_wait(int ready_fd)
{
    if (write(ready_fd, "r", 1) == 1)
        poll(NULL, 0, 60000);
}

static void make_and_let_run(struct guest *g, int ready_fd)
{
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, g->rig->subject->enough);
    say_ready_and_wait(ready_fd);
}

static void guests_survive_a_killed_daemon(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    struct observation seen;

    in_a_daemon_that_is_killed(r, g, make_and_let_run);
    assert_true(guest_listed(g, &seen));
    assert_int_equal(seen.state, OBS_RUNNING);
    if (r->driver->id_is_ours)
        assert_int_equal(seen.ref.id, g->ref.id);
    r->subject->attach(g);
    guest_await_above(g, r->subject->enough); /* it has not started over */
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

static int unread_pipe[2];

static void *say_ready_soon(void *arg)
{
    struct pollfd full = {.fd = unread_pipe[0], .events = POLLIN};

    /* The save has begun when something is in the pipe. */
    if (poll(&full, 1, 60000) == 1)
        say_ready_and_wait(*(int *)arg);
    return NULL;
}

static void make_and_save_for_ever(struct guest *g, int ready_fd)
{
    struct rig *r = g->rig;
    struct op op = rig_op(r);
    pthread_t thread;
    struct err e;

    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    if (pipe2(unread_pipe, O_CLOEXEC) == 0 &&
        pthread_create(&thread, NULL, say_ready_soon, &ready_fd) == 0)
        EXPECT_OK(r->driver->save(r->handle, &g->ref, unread_pipe[1], &op, &e));
}

static void a_daemon_killed_while_saving_is_undone(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    in_a_daemon_that_is_killed(r, g, make_and_save_for_ever);
    assert_true(guest_listed(g, &seen));
    assert_true(seen.state == OBS_RUNNING || seen.state == OBS_PAUSED || seen.state == OBS_BUSY);
    EXPECT_OK(r->driver->save_undo(r->handle, &g->ref, false, &op, &e));
    r->subject->attach(g);
    guest_await_above(g, r->subject->enough); /* it has not started over */
    guest_expect_runs(g);
    guest_destroy(g);
    guest_free(g);
}

/* ---- Watching ---- */

static void watch_loses_no_change(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, POWERS_OFF);

    watcher_start(g);
    guest_create(g);
    watcher_await(OBS_PAUSED);
    guest_unpause(g);
    watcher_await(OBS_RUNNING);
    guest_await_above(g, r->subject->enough);
    guest_pause(g);
    watcher_await(OBS_PAUSED);
    guest_unpause(g);
    watcher_await(OBS_RUNNING);
    r->subject->provoke(g, POWERS_OFF);
    watcher_await(OBS_SHUTDOWN);
    guest_destroy(g);
    watcher_await(-1);
    watcher_stop();
    guest_free(g);
}

static void watch_sleeps_when_nothing_happens(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);

    guest_create(g);
    watcher_start(g);
    watcher_await(OBS_PAUSED);
    guest_expect_standing(g);
    int before = atomic_load(&watcher.wakes);
    guest_expect_standing(g);
    assert_true(atomic_load(&watcher.wakes) <= before + 1);
    watcher_stop();
    guest_destroy(g);
    guest_free(g);
}

/* ---- Several at once ---- */

static void *live(void *arg)
{
    struct guest *g = arg;

    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, g->rig->subject->enough);
    guest_pause(g);
    guest_unpause(g);
    guest_destroy(g);
    return NULL;
}

static void several_live_at_once(void **state)
{
    struct rig *r = *state;
    enum { MOST = 16 };
    struct guest *guests[MOST];
    pthread_t threads[MOST];
    struct observation seen;
    unsigned count = r->subject->parallel;

    assert_true(count <= MOST);
    for (unsigned i = 0; i < count; i++)
        guests[i] = guest_new(r, PLAIN);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live, guests[i]), 0);
    for (int i = 0; i < 50; i++)
        guest_listed(guests[0], &seen);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < count; i++) {
        assert_false(guest_listed(guests[i], &seen));
        guest_free(guests[i]);
    }
    rig_expect_no_trace(r);
}

/* ---- Console ---- */

static void console_can_be_had_again(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct pollfd readable;
    struct err e;

    close(g->console);
    g->console = -1;
    for (int round = 0; round < 3; round++) {
        int fd;
        EXPECT_OK(r->driver->console(r->handle, &g->ref, &fd, &e));
        readable = (struct pollfd){.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, 20000), 1);
        assert_true(readable.revents & POLLIN);
        close(fd);
    }
    guest_destroy(g);
    guest_free(g);
}

/* ---- The list ---- */

#define MEMBER(m) offsetof(struct driver, m)

static const struct {
    const char *name;
    CMUnitTestFunction run;
    size_t of;       /* 0, or where the subject says that its guests are what this is of */
    size_t needs[4]; /* members that it calls, beyond those that every driver has */
} cases[] = {
#define ROW(f, of, ...)                                                                            \
    {                                                                                              \
#f, f, of,                                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define CASE(f, ...) ROW(f, 0, __VA_ARGS__)
#define PROCESS_CASE(f, ...) ROW(f, offsetof(struct subject, has_process), __VA_ARGS__)
#define WATCHDOG_CASE(f, ...) ROW(f, offsetof(struct subject, has_watchdog), __VA_ARGS__)
    CASE(create_is_paused_and_nothing_runs, MEMBER(create)),
    CASE(info_and_list_echo_the_domain, MEMBER(info)),
    CASE(create_that_fails_leaves_nothing, MEMBER(create)),
    CASE(create_of_the_same_uuid_harms_nothing, MEMBER(create)),
    CASE(check_takes_a_good_config, MEMBER(check)),
    CASE(unknown_domains_are_refused, MEMBER(info)),
    CASE(an_id_that_another_has_now_harms_nothing, MEMBER(info)),
    CASE(pause_stands_and_unpause_goes_on, MEMBER(pause), MEMBER(unpause)),
    CASE(reset_starts_over_from_running_and_paused, MEMBER(reset)),
    CASE(shutdown_is_orderly, MEMBER(shutdown)),
    CASE(an_ignored_power_button_times_out, MEMBER(shutdown), MEMBER(reboot)),
    CASE(a_cancelled_shutdown_runs_on, MEMBER(shutdown)),
    CASE(reboot_starts_over, MEMBER(reboot)),
    CASE(a_guest_that_powers_off_is_seen, MEMBER(reset)),
    CASE(a_guest_that_reboots_is_seen, MEMBER(reset)),
    CASE(a_guest_that_crashes_is_seen, MEMBER(reset)),
    WATCHDOG_CASE(a_guest_that_its_watchdog_ends_is_seen, MEMBER(reset)),
    CASE(what_an_end_left_is_kept_beside, MEMBER(set_aside)),
    CASE(whether_a_reboot_stands_is_changed_while_it_runs, MEMBER(set_reboots)),
    CASE(a_guests_own_reboots_are_counted, MEMBER(set_reboots)),
    CASE(destroy_leaves_no_trace, MEMBER(destroy)),
    CASE(destroy_of_a_half_made_one_leaves_no_trace, MEMBER(restore)),
    CASE(saved_state_goes_on_after_destroy_and_restore, MEMBER(save), MEMBER(restore),
         MEMBER(platform)),
    CASE(paused_guests_are_saved_too, MEMBER(save), MEMBER(restore)),
    CASE(save_undo_goes_on_in_place, MEMBER(save), MEMBER(save_undo)),
    CASE(a_checkpoint_can_be_restored_later, MEMBER(save), MEMBER(save_undo), MEMBER(restore)),
    CASE(memory_apart_comes_back, MEMBER(save_apart), MEMBER(restore)),
    CASE(a_live_save_stops_at_its_end, MEMBER(save_live), MEMBER(restore)),
    CASE(a_cancelled_save_runs_on, MEMBER(save), MEMBER(restore)),
    CASE(a_save_that_times_out_runs_on, MEMBER(save)),
    CASE(a_save_whose_reader_goes_away_runs_on, MEMBER(save)),
    CASE(a_save_to_a_full_disk_runs_on, MEMBER(save)),
    CASE(saves_in_vain_harm_nothing, MEMBER(save), MEMBER(save_undo)),
    PROCESS_CASE(a_guest_that_sleeps_is_woken_first, MEMBER(save), MEMBER(trigger)),
    PROCESS_CASE(a_guest_that_ends_in_a_live_save_has_ended, MEMBER(save_live), MEMBER(save_undo)),
    CASE(bad_streams_leave_nothing, MEMBER(save), MEMBER(restore)),
    CASE(guests_are_found_again, MEMBER(list)),
    CASE(a_guest_that_ends_while_nobody_looks_is_seen_later, MEMBER(list)),
    CASE(guests_survive_a_killed_daemon, MEMBER(list)),
    CASE(a_daemon_killed_while_saving_is_undone, MEMBER(save), MEMBER(save_undo)),
    CASE(watch_loses_no_change, MEMBER(watch)),
    CASE(watch_sleeps_when_nothing_happens, MEMBER(watch)),
    CASE(several_live_at_once, MEMBER(create)),
    CASE(console_can_be_had_again, MEMBER(console)),
    CASE(disks_come_and_go, MEMBER(attach), MEMBER(detach), MEMBER(stats)),
    CASE(network_interfaces_come_and_go, MEMBER(attach), MEMBER(detach), MEMBER(stats)),
    CASE(what_came_later_survives_a_restart_and_a_save, MEMBER(attach), MEMBER(detach),
         MEMBER(stats)),
    CASE(what_came_later_is_saved_on_q35_too, MEMBER(attach), MEMBER(detach), MEMBER(stats)),
    CASE(a_device_that_went_is_not_saved, MEMBER(detach), MEMBER(stats)),
    PROCESS_CASE(a_guest_that_waits_for_its_console_is_saved, MEMBER(save), MEMBER(restore)),
    PROCESS_CASE(a_guest_that_waits_for_a_second_line_is_saved, MEMBER(save), MEMBER(restore)),
    CASE(what_cannot_be_attached_changes_nothing, MEMBER(attach), MEMBER(stats)),
    CASE(a_guest_that_stands_gives_nothing_up, MEMBER(attach), MEMBER(detach), MEMBER(stats)),
    CASE(a_guest_that_does_not_answer_keeps_its_device, MEMBER(detach), MEMBER(stats)),
    CASE(memory_goes_down_and_up, MEMBER(memory), MEMBER(stats)),
    CASE(cpus_come_and_go, MEMBER(vcpus)),
    CASE(cpus_that_came_are_saved, MEMBER(vcpus), MEMBER(save), MEMBER(restore)),
    CASE(cpus_are_listed_and_pinned, MEMBER(vcpu_list), MEMBER(vcpu_pin)),
    CASE(discs_are_changed, MEMBER(medium)),
    CASE(a_core_is_whole_and_the_guest_goes_on, MEMBER(dump_core)),
    CASE(a_cancelled_core_harms_nothing, MEMBER(dump_core)),
    CASE(sysrq_reaches_the_guest, MEMBER(sysrq)),
    CASE(triggers_reach_the_guest, MEMBER(trigger)),
    CASE(counters_count, MEMBER(stats), MEMBER(stats_all)),
    PROCESS_CASE(a_machine_without_places_says_so, MEMBER(attach), MEMBER(vcpus), MEMBER(memory)),
    PROCESS_CASE(a_bridge_port_goes_with_its_device, MEMBER(attach), MEMBER(detach), MEMBER(stats)),
};

static bool has(const struct driver *d, size_t member)
{
    void *function;

    memcpy(&function, (const char *)d + member, sizeof function);
    return function != NULL;
}

static int run(unsigned part, unsigned parts)
{
    struct CMUnitTest tests[ARRAY_LEN(cases)] = {0};
    size_t count = 0;

    for (size_t i = part - 1; i < ARRAY_LEN(cases); i += parts) {
        bool all = true;
        bool of;
        memcpy(&of, (const char *)subject + cases[i].of, sizeof of);
        if (cases[i].of != 0 && !of)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(cases[i].needs) && cases[i].needs[k] != 0; k++)
            all = all && has(subject->driver, cases[i].needs[k]);
        if (!all) {
            printf("left out, since the %s driver has no such call: %s\n", subject->driver->name,
                   cases[i].name);
            continue;
        }
        tests[count++] = (struct CMUnitTest){cases[i].name, cases[i].run, setup, teardown, NULL};
    }
    return _cmocka_run_group_tests(subject->driver->name, tests, count, NULL, NULL);
}

int main(int argc, char **argv)
{
    /* As in the daemon: a reader that goes away is an error of write. */
    signal(SIGPIPE, SIG_IGN);
    if (argc >= 2 && argc <= 3 && str_eq(argv[1], "null")) {
        subject = &subject_null;
    } else if (argc >= 3 && argc <= 4 && str_eq(argv[1], "qemu")) {
        subject = &subject_qemu;
        subject_guest_dir = argv[2];
        argv++;
        argc--;
    } else if (argc >= 5 && argc <= 6 && str_eq(argv[1], "xen")) {
        subject = subject_xen(argv[3], argv[2]);
        if (!subject)
            return 1;
        subject_guest_dir = argv[4];
        argv += 3;
        argc -= 3;
    } else {
        fprintf(stderr,
                "usage: %s null [CASE | K/N] | qemu GUESTDIR [CASE | K/N] | "
                "xen pv|pvh MODULE GUESTDIR [CASE | K/N]\n",
                argv[0]);
        return 2;
    }
    unsigned part = 1;
    unsigned parts = 1;
    if (argc == 3 && sscanf(argv[2], "%u/%u", &part, &parts) == 0)
        cmocka_set_test_filter(argv[2]);
    if (part == 0 || part > parts) {
        fprintf(stderr, "%s: K of K/N goes from 1 to N\n", argv[2]);
        return 2;
    }
    return run(part, parts) == 0 ? 0 : 1;
}
