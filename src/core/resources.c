/* SPDX-License-Identifier: MIT */
/* Steps of the verbs that change what a domain has: its name, its config, its resources. Guest and
 * stored config change together: the intent is stored, the guest is changed, the record is stored;
 * a half that fails takes the other one back. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/resources.h"

enum {
    GUEST_MS = 60 * 1000, /* what a guest has to do its part, unless --timeout says otherwise */
    QUICK_MS = 15 * 1000,
};

int resources_add(struct err *e, const char *fmt, ...)
{
    size_t len = strlen(e->msg);
    va_list ap;

    if (len + 2 < sizeof e->msg) {
        va_start(ap, fmt);
        vsnprintf(e->msg + len + 2, sizeof e->msg - len - 2, fmt, ap);
        va_end(ap);
        e->msg[len] = ';';
        e->msg[len + 1] = ' ';
    }
    return -1;
}

static void take_config(struct job *j)
{
    if (j->seen)
        record_keep_live(j->r);
    x_replace(&j->r->config, TAKE(j->args.config));
    if (j->args.macs) {
        x_replace(&j->r->macs, TAKE(j->args.macs));
    }
}

int resources_check(struct job *j, const char *config, const char *macs, const struct fs_user *user,
                    struct err *e)
{
    AUTO_FREE char **list = NULL;

    if (steps_conf(j, config, e) < 0)
        return -1;
    struct create_args args = steps_create_args(j, j->r->directory, macs, &list);
    args.user = *user;
    int result = j->engine->driver->check(j->engine->handle, &args, e);
    conf_free(TAKE(j->conf));
    return result;
}

int resources_rename(struct job *j, struct err *e)
{
    AUTO_FREE char *old = x_strdup(j->r->name);

    x_replace(&j->r->config, TAKE(j->args.config));
    if (j->args.live_config) {
        x_replace(&j->r->live_config, TAKE(j->args.live_config));
    }
    str_copy(j->r->name, sizeof j->r->name, j->args.name);
    if (job_commit(j, "renamed", NULL, e) < 0)
        return -1;
    j->message = x_asprintf("renamed %s to %s", old, j->r->name);
    return 0;
}

/* ---- guest and record together ---- */

/* The record's new texts, of the guest as well as of the next boot. */
static void take_both(struct job *j)
{
    struct record *r = j->r;

    x_replace(&r->config, TAKE(j->args.config));
    if (j->args.macs) {
        x_replace(&r->macs, TAKE(j->args.macs));
    }
    if (r->live_config && j->args.live_config) {
        AUTO_FREE char *directory = x_strdup(r->live_directory);
        AUTO_FREE char *macs = x_strdup(j->args.live_macs ? j->args.live_macs : r->live_macs);
        record_set_live(r, j->args.live_config, directory, macs);
    }
}

/* A guest that reboots itself is to come up with the config that waits, so it must not do so
 * unseen. A failure is left to reconcile, which tries again. */
static void reboot_is_ours(struct job *j)
{
    const struct driver *driver = j->engine->driver;
    struct op op = op_within(QUICK_MS);
    struct domain_ref ref = job_ref(j);
    struct err ignored;

    if (driver->set_reboots && j->seen && j->r->live_config && j->obs.reboots &&
        driver->set_reboots(j->engine->handle, &ref, false, &op, &ignored) == 0)
        j->obs.reboots = false;
}

int resources_store(struct job *j, char *message, struct err *e)
{
    AUTO_FREE char *said = message;

    take_config(j);
    if (job_commit(j, "configured", NULL, e) < 0)
        return -1;
    reboot_is_ours(j);
    j->message = TAKE(said);
    return 0;
}

bool resources_stored_only(const struct job *j)
{
    return !j->seen || j->args.next_boot;
}

const char *resources_when(const struct job *j)
{
    return j->seen ? "it acts at the next boot" : "start boots it so";
}

int resources_change(struct job *j, json_t *what, int (*do_it)(struct job *, struct err *),
                     int (*undo)(struct job *, struct err *), struct err *e)
{
    AUTO_FREE char *intent = resources_intent(j, what);
    struct err second;

    if (job_commit(j, "changing", intent, e) < 0 || fault_point("change.intent", e) < 0)
        return -1;
    job_phase(j, "waiting for the guest");
    if (do_it(j, e) < 0)
        return -1;
    if (fault_point("change.live", e) == 0) {
        struct record *before = record_copy(j->r);
        take_both(j);
        if (job_commit(j, "changed", NULL, e) == 0) {
            record_free(before);
            return 0;
        }
        record_free(j->r);
        j->r = before;
    }
    if (undo(j, &second) < 0)
        resources_add(
            e,
            "the guest keeps what it was given, since that could not be taken back (%s), and "
            "the stored config is as it was",
            second.msg);
    return -1;
}

struct op resources_op(const struct job *j)
{
    return op_narrow(&j->op, j->args.timeout_ms ? j->args.timeout_ms : GUEST_MS);
}

/* ---- memory ---- */

/* "96 MiB", or KiB where that is not whole. Owned by the caller. */
static char *size_text(uint64_t kib)
{
    return kib % 1024 == 0 ? x_asprintf("%ju MiB", (uintmax_t)(kib / 1024))
                           : x_asprintf("%ju KiB", (uintmax_t)kib);
}

static int memory_to(struct job *j, uint64_t kib, const struct op *op, uint64_t *ret_reached,
                     struct err *e)
{
    struct domain_ref ref = job_ref(j);

    return j->engine->driver->memory(j->engine->handle, &ref, kib, op, ret_reached, e);
}

static int undo_memory(struct job *j, struct err *e)
{
    struct op op = op_within(RESOURCES_UNDO_MS);
    uint64_t reached;

    return memory_to(j, j->obs.memory_kib, &op, &reached, e);
}

static int do_memory(struct job *j, struct err *e)
{
    struct op op = resources_op(j);
    uint64_t reached = 0;
    struct err second;

    if (memory_to(j, j->args.memory_kib, &op, &reached, e) == 0) {
        AUTO_FREE char *asked = size_text(j->args.memory_kib);
        AUTO_FREE char *before = size_text(j->obs.memory_kib);
        AUTO_FREE char *now = size_text(reached);
        j->message = j->obs.state == OBS_PAUSED
                         ? x_asprintf("set the memory of %s to %s; it is paused and has %s until "
                                      "it runs on (it was %s)",
                                      j->r->name, asked, now, before)
                         : x_asprintf("set the memory of %s to %s; its guest has %s now (it was "
                                      "%s)",
                                      j->r->name, asked, now, before);
        j->details = json_pack("{s:I}", "reached_kib", (json_int_t)reached);
        return 0;
    }
    if (e->code != ERR_TIMED_OUT && e->code != ERR_CANCELLED)
        return err_wrap(e, "cannot mem-set %s", j->r->name);
    AUTO_FREE char *asked = size_text(j->args.memory_kib);
    AUTO_FREE char *got = size_text(reached);
    AUTO_FREE char *before = size_text(j->obs.memory_kib);
    bool back = undo_memory(j, &second) == 0;
    struct err why = *e;
    err_set(e, why.code,
            "cannot mem-set %s: its guest was asked to come to %s and had %s when %s; it %s its "
            "%s%s%s, and nothing is stored",
            j->r->name, asked, got,
            why.code == ERR_CANCELLED ? "that was cancelled" : "the time was over",
            back ? "has" : "was asked to come back to", before, back ? " again" : "; ",
            back ? "" : second.msg);
    str_copy(e->phase, sizeof e->phase, why.phase);
    return -1;
}

int resources_mem_set(struct job *j, struct err *e)
{
    json_int_t kib = (json_int_t)j->args.memory_kib;
    AUTO_FREE char *asked = size_text(j->args.memory_kib);

    if (resources_stored_only(j))
        return resources_store(
            j, x_asprintf("set the memory of %s to %s (%s)", j->r->name, asked, resources_when(j)),
            e);
    if (j->args.memory_kib > j->obs.max_memory_kib) {
        AUTO_FREE char *most = size_text(j->obs.max_memory_kib);
        return err_set(e, ERR_BAD_REQUEST,
                       "cannot mem-set %s to %s: it has at most %s while it lives; mem-max raises "
                       "that for its next boot",
                       j->r->name, asked, most);
    }
    if (resources_change(j, json_pack("{s:I}", "memory_kib", kib), do_memory, undo_memory, e) < 0)
        return -1;
    j->obs.memory_kib = j->args.memory_kib;
    return 0;
}

int resources_mem_max(struct job *j, struct err *e)
{
    AUTO_FREE char *asked = size_text(j->args.memory_kib);

    return resources_store(
        j, x_asprintf("set the most memory of %s to %s (%s)", j->r->name, asked, resources_when(j)),
        e);
}

/* ---- virtual CPUs ---- */

static int vcpus_to(struct job *j, unsigned vcpus, const struct op *op, unsigned *ret_online,
                    struct err *e)
{
    struct domain_ref ref = job_ref(j);

    return j->engine->driver->vcpus(j->engine->handle, &ref, vcpus, op, ret_online, e);
}

static int undo_vcpus(struct job *j, struct err *e)
{
    struct op op = op_within(RESOURCES_UNDO_MS);
    unsigned online;

    return vcpus_to(j, j->obs.vcpus, &op, &online, e);
}

static int do_vcpus(struct job *j, struct err *e)
{
    struct op op = resources_op(j);
    unsigned online = 0;
    struct err second;

    if (vcpus_to(j, j->args.vcpus, &op, &online, e) == 0) {
        j->message = x_asprintf("set the vcpus of %s to %u (vcpu-set with %u undoes it)",
                                j->r->name, j->args.vcpus, j->obs.vcpus);
        return 0;
    }
    err_wrap(e, "cannot vcpu-set %s", j->r->name);
    if (online != 0 && online != j->obs.vcpus && undo_vcpus(j, &second) < 0)
        resources_add(e, "it has %u vcpus now, and could not be given back its %u (%s)", online,
                      j->obs.vcpus, second.msg);
    return -1;
}

int resources_vcpu_set(struct job *j, struct err *e)
{
    unsigned vcpus = j->args.vcpus;

    if (resources_stored_only(j))
        return resources_store(
            j, x_asprintf("set the vcpus of %s to %u (%s)", j->r->name, vcpus, resources_when(j)),
            e);
    if (vcpus > j->obs.max_vcpus)
        return err_set(e, ERR_BAD_REQUEST,
                       "cannot vcpu-set %s to %u: it has at most %u while it lives; --next-boot "
                       "stores more for its next boot",
                       j->r->name, vcpus, j->obs.max_vcpus);
    if (resources_change(j, json_pack("{s:i}", "vcpus", (int)vcpus), do_vcpus, undo_vcpus, e) < 0)
        return -1;
    j->obs.vcpus = vcpus;
    return 0;
}

int resources_vcpu_pin(struct job *j, struct err *e)
{
    struct op op = op_narrow(&j->op, QUICK_MS);
    struct domain_ref ref = job_ref(j);

    if (j->engine->driver->vcpu_pin(j->engine->handle, &ref, j->args.vcpu, &j->args.cpus, &op, e) <
        0)
        return -1;
    j->message = j->args.vcpu < 0
                     ? x_asprintf("pinned all vcpus of %s to %s (it holds until the domain ends)",
                                  j->r->name, j->args.name)
                     : x_asprintf("pinned vcpu %d of %s to %s (it holds until the domain ends)",
                                  j->args.vcpu, j->r->name, j->args.name);
    return 0;
}
