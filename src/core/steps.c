/* SPDX-License-Identifier: MIT */
/* The verbs as straight-line code on the job thread: each step has its undo, and before a step
 * that cannot be undone its intent is in the store. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/foreign.h"
#include "core/image.h"
#include "core/job.h"

enum {
    CREATE_MS = 120 * 1000,
    QUICK_MS = 15 * 1000,
    DESTROY_MS = 30 * 1000,
    POWER_OFF_MS = 120 * 1000,
    REBOOT_MS = 10 * 60 * 1000
};

struct domain_ref job_ref(const struct job *j)
{
    struct domain_ref ref = j->obs.ref;

    if (!j->seen) {
        str_copy(ref.uuid, sizeof ref.uuid, j->r->uuid);
        ref.id = j->r->id;
    }
    str_copy(ref.name, sizeof ref.name, j->r->name);
    return ref;
}

int steps_conf(struct job *j, const char *text, struct err *e)
{
    struct conf_warnings warnings = {0};

    if (j->conf)
        return 0;
    int result = conf_parse(text, strlen(text), j->r->name, NULL, 0, j->engine->driver->name,
                            &j->conf, &warnings, e);
    conf_warnings_finish(&warnings);
    return result;
}

struct create_args steps_create_args(struct job *j, const char *directory, const char *macs,
                                     char ***ret_macs)
{
    struct create_args args = {.conf = j->conf, .directory = directory, .user = j->r->user};
    size_t count = j->conf->vif_count, len = strlen(macs) + 1;
    char *rest = NULL;

    str_copy(args.ref.uuid, sizeof args.ref.uuid, j->r->uuid);
    str_copy(args.ref.name, sizeof args.ref.name, j->r->name);
    args.ref.id = j->new_id;
    /* One block: the pointers, and behind them the words that they point to. */
    char **list = x_malloc((count + 1) * sizeof *list + len);
    char *words = (char *)(list + count + 1);
    memcpy(words, macs, len);
    for (size_t i = 0; i <= count; i++)
        list[i] = strtok_r(i == 0 ? words : NULL, " ", &rest);
    *ret_macs = list;
    args.macs = (const char *const *)list;
    return args;
}

void steps_now_live(struct job *j, enum reason reason)
{
    struct record *r = j->r;

    r->wanted = j->args.paused ? ST_PAUSED : ST_RUNNING;
    str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    r->id = j->new_id;
    r->own_reboots = 0;
    r->restart_at_ms = r->reboot_until_ms = 0;
    r->host_resume = r->host_paused = false;
    r->reason = reason;
    free(TAKE(r->reason_text));
}

void steps_now_ended(struct job *j, enum reason reason)
{
    struct record *r = j->r;

    j->seen = false;
    j->gone = !r->managed;
    r->wanted = ST_HALTED;
    r->restart_at_ms = r->reboot_until_ms = 0;
    r->reason = reason;
    free(TAKE(r->reason_text));
    record_forget_live(r);
}

void steps_console(struct job *j)
{
    const struct driver *driver = j->engine->driver;
    struct domain_ref ref = job_ref(j);
    struct err e;

    if (driver->console && driver->console(j->engine->handle, &ref, &j->console_fd, &e) < 0)
        job_warn(j, "%s has no console: %s", j->r->name, e.msg);
}

int steps_unmake(struct job *j, struct err *e)
{
    struct op op = op_within(DESTROY_MS);
    struct domain_ref ref = job_ref(j);
    struct err second;

    j->seen = false;
    if (j->engine->driver->destroy(j->engine->handle, &ref, &op, &second) < 0)
        err_set(e, e->code, "%s; and what was built could not be removed: %s", e->msg, second.msg);
    return -1;
}

int steps_driver(struct job *j, steps_call *call, int64_t ms, struct err *e)
{
    struct op op = op_narrow(&j->op, ms);
    struct domain_ref ref = job_ref(j);

    return call(j->engine->handle, &ref, &op, e);
}

int steps_check_config(struct job *j, struct err *e)
{
    AUTO_FREE char **macs = NULL;

    if (steps_conf(j, j->r->config, e) < 0)
        return -1;
    struct create_args args = steps_create_args(j, j->r->directory, j->r->macs, &macs);
    return j->engine->driver->check(j->engine->handle, &args, e);
}

static int run_new(struct job *j, struct err *e)
{
    if (j->args.config) {
        if (j->seen)
            record_keep_live(j->r);
        x_replace(&j->r->config, TAKE(j->args.config));
        x_replace(&j->r->directory, TAKE(j->args.directory));
        x_replace(&j->r->macs, TAKE(j->args.macs));
        j->r->user = j->args.user;
        /* A new config is the cure for one that could not be read. */
        if (!j->seen && j->r->broken == REASON_CONFIG_UNREADABLE)
            steps_now_ended(j, REASON_DEFINED);
    }
    if (steps_check_config(j, e) < 0)
        return -1;
    return job_commit(j, "defined", NULL, e);
}

static void warn_of_saved_file(struct job *j)
{
    if (j->r->saved_file && access(j->r->saved_file, F_OK) == 0)
        job_warn(j,
                 "%s starts anew although %s holds a saved state of it: do not restore that "
                 "file once its disks have changed",
                 j->r->name, j->r->saved_file);
    free(TAKE(j->r->saved_file));
}

static int build(struct job *j, struct err *e)
{
    AUTO_FREE char **macs = NULL;
    struct create_args args = steps_create_args(j, j->r->directory, j->r->macs, &macs);
    struct op op = op_narrow(&j->op, CREATE_MS);
    AUTO_CLOSE int memory_fd = -1;

    job_phase(j, "building");
    if (guest_memory_make(j, &memory_fd, e) < 0)
        return -1;
    const struct guest_memory memory = {.file_fd = memory_fd};
    args.memory = memory_fd >= 0 ? &memory : NULL;
    return j->engine->driver->create(j->engine->handle, &args, &op, &j->obs, e);
}

static int build_and_run(struct job *j, struct err *e)
{
    const struct driver *driver = j->engine->driver;

    if (job_take_place(j, e) < 0)
        return -1;
    int built = build(j, e);
    job_leave_place(j);
    if (built < 0)
        return -1;
    j->seen = true;
    j->r->id = j->obs.ref.id;
    if (fault_point("start.created", e) < 0 || op_check(&j->op, e) < 0)
        return steps_unmake(j, e);
    steps_console(j);
    if (!j->args.paused) {
        if (steps_driver(j, driver->unpause, QUICK_MS, e) < 0)
            return steps_unmake(j, e);
        j->obs.state = OBS_RUNNING;
    }
    if (fault_point("start.running", e) < 0)
        return steps_unmake(j, e);
    j->obs.reason = REASON_NONE;
    j->r->starts++;
    return 0;
}

int steps_boot(struct job *j, const char *intent, struct err *e)
{
    if (steps_check_config(j, e) < 0)
        return -1;
    warn_of_saved_file(j);
    record_forget_live(j->r);
    steps_now_live(j, j->args.paused ? REASON_CREATED_PAUSED : REASON_BOOTED);
    if (job_commit(j, intent, NULL, e) < 0 || fault_point("start.intent", e) < 0)
        return -1;
    return build_and_run(j, e);
}

static int run_start(struct job *j, struct err *e)
{
    j->r->quick_ends = 0;
    return steps_boot(j, "starting", e);
}

static int run_pause(struct job *j, struct err *e)
{
    if (steps_driver(j, j->engine->driver->pause, QUICK_MS, e) < 0)
        return -1;
    j->obs.state = OBS_PAUSED;
    j->r->wanted = ST_PAUSED;
    j->r->host_paused = false;
    j->r->reason = REASON_PAUSED_BY_USER;
    return 0;
}

static int run_unpause(struct job *j, struct err *e)
{
    /* For a suspend alone: a daemon that dies before that finds it so, and pauses it again. */
    j->r->host_paused = j->args.host_stop && j->args.host_paused;
    if (j->r->host_paused && job_commit(j, "unpausing", NULL, e) < 0)
        return -1;
    if (steps_driver(j, j->engine->driver->unpause, QUICK_MS, e) < 0)
        return -1;
    j->obs.state = OBS_RUNNING;
    j->r->wanted = ST_RUNNING;
    j->r->reason = REASON_UNPAUSED;
    return 0;
}

int steps_let_go(struct job *j, enum reason reason, struct err *e)
{
    if (steps_driver(j, j->engine->driver->destroy, DESTROY_MS, e) < 0)
        return -1;
    steps_now_ended(j, reason);
    j->changed = true; /* it is gone, whatever fails from here on */
    return fault_point("destroy.gone", e);
}

static int run_destroy(struct job *j, struct err *e)
{
    j->r->wanted = ST_HALTED;
    if (job_commit(j, "destroying", NULL, e) < 0 || fault_point("destroy.intent", e) < 0)
        return -1;
    job_phase(j, "destroying");
    return steps_let_go(j, REASON_DESTROYED, e);
}

/* Asks the guest, then forces it when that is wanted. */
static int ask_guest(struct job *j, steps_call *ask, const char *force_text, bool *ret_forced,
                     struct err *e)
{
    int64_t ms = j->args.timeout_ms ? j->args.timeout_ms : POWER_OFF_MS;

    *ret_forced = false;
    job_phase(j, "waiting for the guest");
    if (steps_driver(j, ask, ms, e) == 0)
        return 0;
    if (e->code == ERR_TIMED_OUT && j->args.force) {
        *ret_forced = true;
        return 0;
    }
    if (e->code == ERR_TIMED_OUT)
        return err_set(e, ERR_TIMED_OUT, "%s; %s runs on; %s", e->msg, j->r->name, force_text);
    return -1;
}

static int run_shutdown(struct job *j, struct err *e)
{
    enum state wanted = j->r->wanted;
    bool forced;

    j->r->wanted = ST_HALTED;
    j->r->reboot_until_ms = 0;
    if (job_commit(j, "shutting-down", NULL, e) < 0)
        return -1;
    if (ask_guest(j, j->engine->driver->shutdown, "destroy ends it without asking", &forced, e) <
        0) {
        /* It runs on, and a reboot that was asked for before stays called off. */
        j->r->wanted = wanted;
        j->changed = true;
        return -1;
    }
    if (fault_point("shutdown.off", e) < 0)
        return -1;
    if (forced)
        job_warn(j, "%s did not power off in time and was destroyed", j->r->name);
    job_phase(j, "letting go");
    return steps_let_go(j, forced ? REASON_DESTROYED : REASON_SHUT_DOWN, e);
}

void steps_booted(struct job *j)
{
    j->obs.state = OBS_RUNNING;
    j->obs.reason = REASON_NONE;
    j->r->wanted = ST_RUNNING;
    j->r->reason = REASON_BOOTED;
    j->r->starts++;
    j->r->restart_at_ms = j->r->reboot_until_ms = 0;
    free(TAKE(j->r->reason_text));
}

static int run_reset(struct job *j, struct err *e)
{
    j->r->quick_ends = 0;
    if (j->r->live_config || j->engine->driver->builds_anew) {
        bool waited = j->r->live_config != NULL;
        if (steps_check_config(j, e) < 0 || ends_build_again(j, e) < 0)
            return -1;
        free(TAKE(j->message));
        if (waited)
            j->message = x_asprintf("reset %s (with the config that waited for it)", j->r->name);
        return 0;
    }
    if (job_commit(j, "resetting", NULL, e) < 0 || fault_point("reset.intent", e) < 0)
        return -1;
    if (steps_driver(j, j->engine->driver->reset, QUICK_MS, e) < 0)
        return -1;
    steps_booted(j);
    return 0;
}

/* The button cannot be taken back: whatever becomes of this job, also by a kill, a guest that
 * powers off soon is booted again (reconcile), and not left off by a reboot. */
static int ask_to_reboot(struct job *j, steps_call *ask, bool *ret_forced, struct err *e)
{
    j->r->reboot_until_ms = clock_mono_ms() + REBOOT_MS;
    if (job_commit(j, "rebooting", NULL, e) < 0)
        return -1;
    if (ask_guest(j, ask,
                  "it is booted again when it powers off within ten minutes, and reset reboots it "
                  "without asking",
                  ret_forced, e) == 0)
        return 0;
    j->changed = e->code == ERR_TIMED_OUT || e->code == ERR_CANCELLED;
    return -1;
}

/* A config waits for this boot, or the driver has no other way: the machine is built anew. A config
 * that the driver would not boot is refused while the guest still runs. */
static int reboot_into_config(struct job *j, struct err *e)
{
    bool forced, waited = j->r->live_config != NULL;

    if (steps_check_config(j, e) < 0 ||
        ask_to_reboot(j, j->engine->driver->shutdown, &forced, e) < 0)
        return -1;
    if (forced)
        job_warn(j, "%s did not power off in time and was destroyed", j->r->name);
    if (waited)
        j->message = x_asprintf("rebooted %s (with the config that waited for it)", j->r->name);
    return ends_build_again(j, e);
}

static int run_reboot(struct job *j, struct err *e)
{
    bool forced;

    j->r->quick_ends = 0;
    if (j->r->live_config || j->engine->driver->builds_anew)
        return reboot_into_config(j, e);
    if (ask_to_reboot(j, j->engine->driver->reboot, &forced, e) < 0)
        return -1;
    if (forced)
        job_warn(j, "%s did not power off in time and was reset", j->r->name);
    if (forced && steps_driver(j, j->engine->driver->reset, QUICK_MS, e) < 0)
        return -1;
    steps_booted(j);
    return 0;
}

static int run_adopt(struct job *j, struct err *e)
{
    /* Of another tool's domain no config is on record. */
    if (!j->r->config[0])
        return foreign_adopt(j, e);
    j->r->managed = true;
    return job_commit(j, "adopted", NULL, e);
}

/* Removes the domain's image, or sets an unusable one aside: it may be all that is left. */
static int drop_image(struct job *j, struct err *e)
{
    AUTO_FREE char *path = TAKE(j->r->image.path);
    AUTO_FREE char *spent = path ? x_asprintf("%s.spent", path) : NULL;
    AUTO_FREE char *kept = NULL;
    bool broken = j->r->broken != REASON_NONE;

    if (!path)
        return 0;
    record_forget_image(j->r);
    /* The store first: an image without a record is a leftover, a record without its image is a
     * broken domain. */
    if (job_commit(j, broken ? "setting-aside" : "discarding", path, e) < 0)
        return -1;
    j->changed = true;
    if (!broken)
        return image_remove(path, e);
    AUTO_FREE char *memory = guest_memory_path(j->engine, j->r->uuid);
    AUTO_FREE char *memory_kept = NULL;
    if (access(memory, F_OK) == 0 && image_set_aside(memory, &memory_kept, e) < 0)
        return -1;
    const char *there = access(spent, F_OK) == 0 ? spent : path;
    if (access(there, F_OK) == 0) {
        if (image_set_aside(there, &kept, e) < 0)
            return -1;
        job_warn(j, "the image of %s was set aside as %s", j->r->name, kept);
    }
    return 0;
}

static int run_discard(struct job *j, struct err *e)
{
    if (drop_image(j, e) < 0)
        return -1;
    steps_now_ended(j, REASON_DISCARDED);
    return 0;
}

static int run_delete(struct job *j, struct err *e)
{
    if (j->seen && run_destroy(j, e) < 0)
        return -1;
    if (drop_image(j, e) < 0)
        return -1;
    j->gone = true;
    return job_commit(j, "deleted", NULL, e);
}

static const struct job_kind kinds[] = {
    {VERB_NEW,        "new",            run_new,                false, QUICK_MS  },
    {VERB_ADOPT,      "adopt",          run_adopt,              false, QUICK_MS  },
    {VERB_START,      "start",          run_start,              true,  CREATE_MS },
    {VERB_CREATE,     "create",         run_start,              true,  CREATE_MS },
    {VERB_PAUSE,      "pause",          run_pause,              false, QUICK_MS  },
    {VERB_UNPAUSE,    "unpause",        run_unpause,            false, QUICK_MS  },
    {VERB_SAVE,       "save",           saving_save,            true,  0         },
    {VERB_RESTORE,    "restore",        loading_restore,        true,  0         },
    {VERB_SUSPEND,    "suspend",        saving_suspend,         true,  0         },
    {VERB_RESUME,     "resume",         loading_resume,         true,  0         },
    {VERB_DISCARD,    "discard",        run_discard,            false, QUICK_MS  },
    {VERB_REBOOT,     "reboot",         run_reboot,             true,  0         },
    {VERB_RESET,      "reset",          run_reset,              false, CREATE_MS },
    {VERB_SHUTDOWN,   "shutdown",       run_shutdown,           true,  0         },
    {VERB_DESTROY,    "destroy",        run_destroy,            false, DESTROY_MS},
    {VERB_DELETE,     "delete",         run_delete,             false, DESTROY_MS},
    {VERB_RENAME,     "rename",         resources_rename,       false, QUICK_MS  },
    {VERB_CONFIG_SET, "config-set",     config_set,             false, QUICK_MS  },
    {VERB_MEM_SET,    "mem-set",        resources_mem_set,      true,  0         },
    {VERB_MEM_MAX,    "mem-max",        resources_mem_max,      false, QUICK_MS  },
    {VERB_VCPU_SET,   "vcpu-set",       resources_vcpu_set,     true,  0         },
    {VERB_VCPU_PIN,   "vcpu-pin",       resources_vcpu_pin,     false, QUICK_MS  },
    {VERB_DUMP_CORE,  "dump-core",      debug_dump_core,        true,  0         },
    {VERB_SYSRQ,      "sysrq",          debug_sysrq,            false, QUICK_MS  },
    {VERB_TRIGGER,    "trigger",        debug_trigger,          false, QUICK_MS  },
    {VERB_ATTACH,     "block-attach",   devices_block_attach,   true,  0         },
    {VERB_DETACH,     "block-detach",   devices_block_detach,   true,  0         },
    {VERB_ATTACH,     "network-attach", devices_network_attach, true,  0         },
    {VERB_DETACH,     "network-detach", devices_network_detach, true,  0         },
    {VERB_ATTACH,     "cd-insert",      devices_cd_insert,      true,  0         },
    {VERB_DETACH,     "cd-eject",       devices_cd_eject,       true,  0         },
};

/* Each of their steps has its time; a core takes as long as it takes. */
const struct job_kind job_kind_end = {VERB_DESTROY, "end", ends_end, false, 0};
const struct job_kind job_kind_restart = {VERB_RESET, "restart", ends_restart, false, 0};
const struct job_kind job_kind_reboots = {VERB_CONFIG_SET, "on-reboot", ends_reboots, false,
                                          DESTROY_MS};

const struct job_kind *job_kind_of(enum verb verb)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].verb == verb)
            return &kinds[i];
    return NULL;
}

const struct job_kind *job_kind_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}
