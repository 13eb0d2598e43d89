/* SPDX-License-Identifier: MIT */
/* Steps after a guest has ended by itself: what on_poweroff, on_reboot, on_crash, on_watchdog and
 * on_soft_reset (policy.c) say. The record keeps its name and uuid throughout; what cannot be
 * undone is finished by the next start (recover.c, "restarting"). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cores.h"
#include "core/job.h"
#include "core/last_words.h"
#include "core/policy.h"

enum {
    DUMP_MS = 30 * 60 * 1000,
    QUICK_MS = 15 * 1000,
    START_OVER_MS = 120 * 1000, /* with a device model, which is started anew */
    DESTROY_MS = 30 * 1000,
    ASIDE_NAMES = 20
};

static bool has_body(const struct job *j)
{
    return j->seen && j->obs.state != OBS_DEAD;
}

static int write_core(struct job *j, char **ret_path, struct err *e)
{
    const struct driver *driver = j->engine->driver;
    struct domain_ref ref = job_ref(j);
    struct op op = op_narrow(&j->op, DUMP_MS);
    struct core_file core;

    if (!driver->dump_core)
        return err_set(e, ERR_UNSUPPORTED, "the %s driver writes none", driver->name);
    if (cores_open(j->engine->state_dir, j->r->name, j->obs.max_memory_kib * 1024, &core, e) < 0)
        return -1;
    int result = driver->dump_core(j->engine->handle, &ref, core.fd, &op, e);
    if (result == 0)
        result = cores_keep(&core, e);
    if (result == 0)
        *ret_path = TAKE(core.path);
    cores_finish(&core);
    return result;
}

/* What became of the core, for the history; a core that cannot be had stops nothing. NULL when
 * there is to be none. */
static char *core_word(struct job *j, const struct policy *p)
{
    AUTO_FREE char *path = NULL;
    struct err e;

    if (!p->core || !has_body(j))
        return NULL;
    job_phase(j, "writing the core");
    if (write_core(j, &path, &e) == 0)
        return x_asprintf("its memory is in %s", path);
    log_error("%s: no core: %s", j->r->name, e.msg);
    return x_asprintf("there is no core of it: %s", e.msg);
}

/* The last that a guest that crashed has said, for the history; NULL for none. */
static char *words_of(const struct job *j)
{
    AUTO_FREE char *path = engine_console_path(j->engine, j->r->name);
    AUTO_FREE char *words = last_words_of(j->obs.reason) ? last_words(path) : NULL;

    return words ? x_asprintf("; the last on its console: %s", words) : NULL;
}

int ends_end(struct job *j, struct err *e)
{
    enum reason reason = j->obs.reason;
    bool suspended = j->r->image.path != NULL;
    AUTO_FREE char *core = core_word(j, policy_of(j->args.action));
    AUTO_FREE char *words = words_of(j);

    if (steps_let_go(j, suspended ? REASON_SUSPENDED : reason, e) < 0)
        return -1;
    if (suspended)
        j->r->wanted = ST_SUSPENDED;
    j->r->reason_text = TAKE(j->args.why);
    j->message = x_asprintf("%s ended: %s%s%s%s", j->r->name, record_why(j->r, j->r->reason),
                            core ? "; " : "", core ? core : "", words ? words : "");
    return 0;
}

/* ---- rename-restart ---- */

/* The record of what is left of the guest, under another name and uuid. */
static struct record *aside_record(const struct job *j, unsigned n)
{
    struct record *r = record_copy(j->r);
    char when[CLOCK_TEXT_MAX], tail[CLOCK_TEXT_MAX + 16];

    clock_compact(clock_wall_ms(), when);
    if (n == 1)
        snprintf(tail, sizeof tail, "-%s", when);
    else
        snprintf(tail, sizeof tail, "-%s-%u", when, n);
    size_t room = IDENT_NAME_MAX - strlen(tail);
    snprintf(r->name, sizeof r->name, "%.*s%s", (int)room, j->r->name, tail);
    ident_uuid_draw(r->uuid);
    r->managed = false;
    r->state = j->obs.state == OBS_CRASHED ? ST_CRASHED : ST_SHUTDOWN;
    r->reason = j->obs.reason;
    free(r->reason_text);
    r->reason_text =
        x_asprintf("what its end left of %s, which was booted again; destroy clears it "
                   "away",
                   j->r->name);
    free(TAKE(r->saved_file));
    r->restart_at_ms = r->reboot_until_ms = 0;
    r->since_ms = clock_wall_ms();
    return r;
}

/* The store first: a domain of the driver's that no record tells of would be nobody's. Its names
 * are unique, so one that is taken is seen here. */
static int commit_aside(struct job *j, struct err *e)
{
    for (unsigned n = 1; n <= ASIDE_NAMES; n++) {
        record_free(j->aside);
        j->aside = aside_record(j, n);
        if (job_commit(j, "restarting", j->aside->uuid, e) == 0)
            return 0;
        if (e->code != ERR_EXISTS)
            break;
    }
    record_free(TAKE(j->aside));
    return -1;
}

static int drop_aside(struct job *j)
{
    struct store_batch *b = store_batch_new();
    struct err e;

    store_delete_domain(b, j->aside->uuid);
    if (store_commit(j->engine->store, b, &e) < 0)
        log_error("%s: %s", j->aside->name, e.msg);
    record_free(TAKE(j->aside));
    return -1;
}

static int set_aside(struct job *j, struct err *e)
{
    struct op op = op_narrow(&j->op, DESTROY_MS);
    struct domain_ref ref = job_ref(j), as = ref;

    if (commit_aside(j, e) < 0)
        return -1;
    str_copy(as.uuid, sizeof as.uuid, j->aside->uuid);
    str_copy(as.name, sizeof as.name, j->aside->name);
    if (fault_point("restart.intent", e) < 0 ||
        j->engine->driver->set_aside(j->engine->handle, &ref, &as, &op, e) < 0)
        return drop_aside(j);
    j->aside_obs = j->obs;
    j->aside_obs.ref = as;
    j->seen = false;
    j->changed = true; /* also when the start fails, it is not there any more */
    return 0;
}

/* ---- and boot ---- */

static int clear_away(struct job *j, struct err *e)
{
    if (job_commit(j, "restarting", NULL, e) < 0 || fault_point("restart.intent", e) < 0)
        return -1;
    if (j->seen && steps_driver(j, j->engine->driver->destroy, DESTROY_MS, e) < 0)
        return -1;
    j->seen = false;
    j->changed = true;
    return 0;
}

static int build_anew(struct job *j, const char *point, struct err *e)
{
    if (fault_point(point, e) == 0 && steps_boot(j, "restarting", e) == 0)
        return 0;
    steps_now_ended(j, REASON_START_FAILED);
    j->r->reason_text = x_strdup(e->msg);
    return -1;
}

int ends_build_again(struct job *j, struct err *e)
{
    return clear_away(j, e) < 0 ? -1 : build_anew(j, "restart.gone", e);
}

static int booted_in_place(struct job *j, struct err *e)
{
    steps_booted(j);
    return fault_point("restart.running", e);
}

/* In the same domain, by its reset button. */
static int boot_in_place(struct job *j, struct err *e)
{
    if (job_commit(j, "restarting", NULL, e) < 0 || fault_point("restart.intent", e) < 0 ||
        steps_driver(j, j->engine->driver->reset, QUICK_MS, e) < 0)
        return -1;
    return booted_in_place(j, e);
}

/* In the same domain and memory, as the guest asked. */
static int start_over(struct job *j, struct err *e)
{
    if (job_commit(j, "restarting", NULL, e) < 0 || fault_point("restart.intent", e) < 0 ||
        steps_driver(j, j->engine->driver->soft_reset, START_OVER_MS, e) < 0)
        return -1;
    steps_console(j); /* its terminal may be another */
    return 0;
}

int ends_restart(struct job *j, struct err *e)
{
    const struct policy *p = policy_of(j->args.action);
    AUTO_FREE char *core = core_word(j, p);
    AUTO_FREE char *words = words_of(j);
    enum reason reason = j->obs.reason;
    const struct driver *driver = j->engine->driver;
    bool aside = p->rename && has_body(j) && driver->set_aside;
    bool soft = p->soft && has_body(j) && driver->soft_reset && reason == REASON_SOFT_RESET;
    bool kept = aside ? set_aside(j, e) == 0 : soft && start_over(j, e) == 0;
    AUTO_FREE char *not_kept =
        (aside || soft) && !kept ? x_asprintf("; %s could not be kept: %s",
                                              aside ? "what was left of it" : "its memory", e->msg)
                                 : NULL;
    int result;

    if (kept)
        result = aside ? build_anew(j, "restart.aside", e) : booted_in_place(j, e);
    else if (aside && e->code != ERR_UNSUPPORTED)
        result = -1;
    else if (has_body(j) && !j->r->live_config && !driver->builds_anew)
        result = boot_in_place(j, e);
    else
        result = ends_build_again(j, e); /* also for a config that waits for the next boot */
    if (result < 0)
        return -1;
    AUTO_STR struct str text = {0};
    str_addf(&text, "%s was booted again: %s", j->r->name, reason_text(reason));
    if (j->aside)
        str_addf(&text, "; what was left of it is %s", j->aside->name);
    str_add(&text, not_kept ? not_kept : "");
    if (core)
        str_addf(&text, "; %s", core);
    str_add(&text, words ? words : "");
    j->message = str_take(&text);
    return 0;
}

int ends_reboots(struct job *j, struct err *e)
{
    bool wanted = j->args.action == CONF_RESTART;
    struct op op = op_narrow(&j->op, DESTROY_MS);
    struct domain_ref ref = job_ref(j);

    if (j->engine->driver->set_reboots(j->engine->handle, &ref, wanted, &op, e) < 0)
        return -1;
    j->obs.reboots = wanted;
    j->message = x_asprintf("%s: a reboot of the guest's own %s from now on", j->r->name,
                            wanted ? "needs nobody" : "is seen to by reeved");
    return 0;
}
