/* SPDX-License-Identifier: MIT */
#include "driver/xen/life.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/build.h"

enum {
    PAUSES_MAX = 255, /* the most that the hypervisor counts */
    LOOK_MS = 1000,   /* between two looks while xenstored should tell */
    ANSWER_LOOK_MS = 200,
};

/* ---- pause and unpause ---- */

static int expect_living(const libxl_dominfo *info, struct err *e)
{
    if (!info->shutdown)
        return 0;
    if (info->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return err_set(e, ERR_WRONG_STATE, "the guest is being saved");
    return err_set(e, ERR_WRONG_STATE, "the guest has %s; reset boots it again",
                   info->shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH ? "crashed" : "ended");
}

int life_pause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0 || expect_living(&info, e) < 0)
        return -1;
    /* A second one would ask for a second unpause. */
    if (info.paused)
        return 0;
    int rc = libxl_domain_pause(s.ctx, info.domid, session_how(&s));
    int result = session_await(&s, rc, op, NULL, "cannot pause the guest", NULL, e);
    host_changed(h);
    return result;
}

int life_let_run(struct session *s, uint32_t domid, const struct op *op, struct err *e)
{
    for (int i = 0; i <= PAUSES_MAX; i++) {
        AUTO_DOMINFO libxl_dominfo info = {0};
        libxl_dominfo_init(&info);
        session_begin(s);
        int rc = libxl_domain_info(s->ctx, &info, domid);
        if (rc < 0)
            return session_result(s, rc, "cannot look at the guest", e);
        if (!info.paused)
            return 0;
        rc = libxl_domain_unpause(s->ctx, domid, session_how(s));
        if (session_await(s, rc, op, NULL, "cannot unpause the guest", NULL, e) < 0)
            return -1;
    }
    return err_set(e, ERR_FAILED, "the guest is paused again and again by something else");
}

int life_unpause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0 || expect_living(&info, e) < 0)
        return -1;
    int result = life_let_run(&s, info.domid, op, e);
    host_changed(h);
    return result;
}

/* ---- shutdown ---- */

/* Takes an unanswered request back, by which libxl's wait for the answer ends too. */
struct request {
    struct session *s;
    uint32_t domid;
    bool withdrawn;
};

static void withdraw(void *arg)
{
    struct request *r = arg;
    char path[64];

    AUTO_FREE char *asked = session_read(r->s, r->domid, "control/shutdown");
    if (!asked || !asked[0])
        return;
    snprintf(path, sizeof path, "/local/domain/%u/control/shutdown", r->domid);
    r->withdrawn = xs_write(r->s->xs, XBT_NULL, path, "", 0);
}

static int64_t seconds_since(int64_t start_ms)
{
    return (clock_mono_ms() - start_ms + 500) / 1000;
}

static int late(struct err *e, const char *what, int64_t began, const char *phase)
{
    err_set(e, ERR_TIMED_OUT, "the guest %s within %lld s", what, (long long)seconds_since(began));
    str_copy(e->phase, sizeof e->phase, phase);
    return -1;
}

/* libxl waits a minute for the answer; here the op says how long. */
static int await_answer(struct request *r, const struct op *op, struct err *e)
{
    for (;;) {
        AUTO_FREE char *asked = session_read(r->s, r->domid, "control/shutdown");
        if (!asked || !asked[0])
            return 0;
        if (op_nap(op, ANSWER_LOOK_MS, "acknowledgement", e) < 0)
            break;
    }
    withdraw(r);
    return -1;
}

/* Asks by the PV control interface, or presses the power button of a guest that has not got it. */
static int ask(struct session *s, uint32_t domid, bool reboot, const struct op *op, struct err *e)
{
    struct request request = {.s = s, .domid = domid};
    const struct session_beside beside = {.arg = &request, .aborted = withdraw};
    int64_t began = clock_mono_ms();

    int rc = reboot ? libxl_domain_reboot(s->ctx, domid, session_how(s))
                    : libxl_domain_shutdown(s->ctx, domid, session_how(s));
    int result = session_await(s, rc, op, &beside, "cannot ask the guest", &rc, e);
    if (result < 0 && rc == ERROR_TIMEDOUT && !request.withdrawn)
        result = await_answer(&request, op, e);
    if (result == 0 && !request.withdrawn)
        return 0;
    if (rc == ERROR_NOPARAVIRT) {
        rc = libxl_send_trigger(s->ctx, domid, LIBXL_TRIGGER_POWER, 0, session_how(s));
        return session_await(s, rc, op, NULL, "cannot press the guest's power button", NULL, e);
    }
    if (result < 0 && e->code != ERR_TIMED_OUT)
        return -1;
    if (op_check(op, e) < 0)
        return -1;
    return late(e, "did not acknowledge the request", began, "acknowledgement");
}

/* 1: it is off, or gone, as its xl monitor may have it; 0: not yet. */
static int is_off(struct session *s, const struct domain_ref *ref, struct err *e)
{
    AUTO_DOMINFO libxl_dominfo info = {0};

    libxl_dominfo_init(&info);
    int found = host_find(s, ref, &info, e);
    if (found <= 0)
        return found < 0 ? -1 : 1;
    if (!info.shutdown || info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return 0;
    if (info.shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH)
        return err_set(e, ERR_FAILED, "the guest crashed on its way to power off");
    return 1;
}

/* Waits for the power-off itself: the answer of before says only that the guest has read it. */
static int await_off(struct session *s, const struct domain_ref *ref, const struct op *op,
                     struct err *e)
{
    int64_t began = clock_mono_ms();
    int off;

    if (session_watch_ends(s, e) < 0)
        return -1;
    while ((off = is_off(s, ref, e)) == 0) {
        struct op step = op_narrow(op, LOOK_MS);
        char **told;
        if (op_wait(&step, xs_fileno(s->xs), POLLIN, "power-off", e) < 0) {
            bool over = step.deadline_ms == op->deadline_ms;
            if (e->code == ERR_TIMED_OUT && over)
                return late(e, "acknowledged the request and did not power off", began,
                            "power-off");
            if (e->code != ERR_TIMED_OUT)
                return -1;
        }
        while ((told = xs_check_watch(s->xs)))
            free(told);
    }
    return off < 0 ? -1 : 0;
}

/* Off, for shutdown and reboot. A guest that stands is not asked. */
static int power_off(struct session *s, const struct domain_ref *ref, const libxl_dominfo *info,
                     bool reboot, const struct op *op, struct err *e)
{
    if (info->shutdown && info->shutdown_reason != LIBXL_SHUTDOWN_REASON_SUSPEND)
        return 0;
    if (ask(s, info->domid, reboot, op, e) < 0)
        return -1;
    return await_off(s, ref, op, e);
}

int life_shutdown(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                  struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    (void)h;
    return host_enter(&s, ref, &info, e) < 0 ? -1 : power_off(&s, ref, &info, false, op, e);
}

/* ---- destroy ---- */

static bool is_gone(struct session *s, uint32_t domid)
{
    AUTO_DOMINFO libxl_dominfo info = {0};

    libxl_dominfo_init(&info);
    return libxl_domain_info(s->ctx, &info, domid) == ERROR_DOMAIN_NOTFOUND;
}

static int end(struct session *s, uint32_t domid, const struct op *op, struct err *e)
{
    int rc = libxl_domain_destroy(s->ctx, domid, session_how(s));

    if (session_await(s, rc, op, NULL, "cannot destroy the guest", &rc, e) == 0)
        return 0;
    /* Somebody else was faster: also in the middle, when libxl says what else it missed. */
    if (rc == ERROR_DOMAIN_NOTFOUND || rc == ERROR_DOMAIN_DESTROYED)
        return 0;
    if (!is_gone(s, domid))
        return -1;
    log_warn("domain %u is gone: %s", domid, e->msg);
    return 0;
}

int life_destroy(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0)
        return e->code == ERR_NO_SUCH_DOMAIN ? 0 : -1;
    int result = end(&s, info.domid, op, e);
    host_changed(h);
    return result;
}

/* ---- reset ---- */

/* libxl's own record of the domain, which has the devices that came and went while it lived.
 * *config is the caller's to dispose, also after a failure. */
static int read_record(struct session *s, uint32_t domid, libxl_domain_config *config,
                       const struct op *op, struct err *e)
{
    libxl_domain_config_init(config);
    int rc = libxl_retrieve_domain_configuration(s->ctx, domid, config, session_how(s));
    return session_await(s, rc, op, NULL, "cannot read libxl's record of the guest", NULL, e);
}

/* Xen has no reset button: the domain is built anew. */
static int build_again(struct session *s, uint32_t domid, const struct op *op, struct err *e)
{
    libxl_domain_config config;

    int result = read_record(s, domid, &config, op, e);
    if (result == 0)
        result = end(s, domid, op, e);
    if (result == 0) {
        config.c_info.domid = NO_DOMID;
        result = build_new(s, &config, op, &domid, e);
        if (result < 0)
            err_wrap(e, "the guest is gone, since it could not be built again");
        else
            result = life_let_run(s, domid, op, e);
    }
    libxl_domain_config_dispose(&config);
    return result;
}

int life_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (info.shutdown && info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return expect_living(&info, e);
    int result = build_again(&s, info.domid, op, e);
    host_changed(h);
    return result;
}

int life_reboot(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    if (host_enter(&s, ref, &info, e) < 0 || power_off(&s, ref, &info, true, op, e) < 0)
        return -1;
    int result = build_again(&s, info.domid, op, e);
    host_changed(h);
    return result;
}

/* ---- soft reset ---- */

/* The loop device of each disk, NULL where there is none; owned by the caller, with what is in it.
 */
static char **loops_of(struct session *s, uint32_t domid, const libxl_domain_config *config)
{
    char **loops = x_calloc((size_t)config->num_disks + 1, sizeof *loops);
    unsigned len;

    for (int i = 0; i < config->num_disks; i++) {
        libxl_diskinfo info;
        libxl_diskinfo_init(&info);
        if (libxl_device_disk_getinfo(s->ctx, domid, &config->disks[i], &info) == 0) {
            AUTO_FREE char *key = x_asprintf("%s/physical-device-path", info.backend);
            AUTO_FREE char *path = xs_read(s->xs, XBT_NULL, key, &len);
            if (path && str_starts(path, "/dev/loop"))
                loops[i] = TAKE(path);
        }
        libxl_diskinfo_dispose(&info);
    }
    return loops;
}

static void let_go_of(const char *loop)
{
    AUTO_CLOSE int fd = open(loop, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, LOOP_CLR_FD, 0) < 0)
        log_warn("%s is left over, losetup -d removes it: %s", loop, strerror(errno));
}

/* libxl gives the disks other loop devices and forgets those of before. */
static void free_loops(char **before, char **now, int count)
{
    for (int i = 0; i < count; i++) {
        bool used = !before[i];
        for (int k = 0; k < count && !used; k++)
            used = now[k] && str_eq(now[k], before[i]);
        if (!used)
            let_go_of(before[i]);
    }
    for (int i = 0; i < count; i++) {
        free(before[i]);
        free(now[i]);
    }
    free(before);
    free(now);
}

int life_soft_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                    struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_domain_config config;

    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (!info.shutdown || info.shutdown_reason != LIBXL_SHUTDOWN_REASON_SOFT_RESET)
        return err_set(e, ERR_WRONG_STATE, "the guest has not asked for a soft reset");
    if (host_type(&s, &info) != LIBXL_DOMAIN_TYPE_HVM)
        return err_set(e, ERR_UNSUPPORTED,
                       "Xen's library starts guests of type hvm alone over in their memory");
    int result = read_record(&s, info.domid, &config, op, e);
    if (result == 0) {
        char **before = loops_of(&s, info.domid, &config);
        /* Not with an ao_how: libxl would write the id at the end into a frame of its stack that is
         * gone by then (do_domain_soft_reset's domid_out). Its steps have their own limits. */
        session_begin(&s);
        int rc = libxl_domain_soft_reset(s.ctx, &config, info.domid, NULL, NULL);
        result = session_result(&s, rc, "cannot start the guest over", e);
        free_loops(before, loops_of(&s, info.domid, &config), config.num_disks);
    }
    libxl_domain_config_dispose(&config);
    if (result == 0)
        result = life_let_run(&s, info.domid, op, e);
    host_changed(h);
    return result;
}
