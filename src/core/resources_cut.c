/* SPDX-License-Identifier: MIT */
/* The intent of a change of guest and record, as JSON in the job's row, and what the next start
 * makes of it: what the guest has decides, since it cannot be asked to have it again. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/devices.h"
#include "core/job.h"

enum { STEP_MS = 2 * 1000 };

static void set_text(json_t *intent, const char *key, const char *text)
{
    if (text)
        json_set_string(intent, key, text);
}

char *resources_intent(const struct job *j, json_t *what)
{
    AUTO_JSON json_t *intent = what;
    AUTO_STR struct str text = {0};

    set_text(intent, "config", j->args.config);
    set_text(intent, "macs", j->args.macs);
    set_text(intent, "live_config", j->args.live_config);
    set_text(intent, "live_macs", j->args.live_macs);
    json_add_line(&text, intent);
    return str_take(&text);
}

static void put(char **to, const json_t *intent, const char *key)
{
    const char *text = json_get_string(intent, key, NULL);

    if (text)
        x_replace(to, x_strdup(text));
}

static void take_change(struct record *r, const json_t *intent)
{
    put(&r->config, intent, "config");
    put(&r->macs, intent, "macs");
    if (!r->live_config)
        return;
    put(&r->live_config, intent, "live_config");
    put(&r->live_macs, intent, "live_macs");
    AUTO_FREE char *config = x_strdup(r->live_config);
    AUTO_FREE char *directory = x_strdup(r->live_directory);
    AUTO_FREE char *macs = x_strdup(r->live_macs);
    record_set_live(r, config, directory, macs);
}

/* The figures that the guest was built with and has been given, as the record knows them. */
static bool known_figures(struct engine *g, const struct record *r, uint64_t *ret_memory_kib,
                          unsigned *ret_vcpus)
{
    struct conf_warnings warnings = {0};
    const char *text = record_live_config(r);
    struct conf *conf = NULL;
    struct err e;

    int result =
        conf_parse(text, strlen(text), r->name, NULL, 0, g->driver->name, &conf, &warnings, &e);
    conf_warnings_finish(&warnings);
    if (result == 0) {
        *ret_memory_kib = conf->memory_kib;
        *ret_vcpus = conf->vcpus;
    }
    conf_free(conf);
    return result == 0;
}

static char *drift_of_figures(struct engine *g, const struct domain *d)
{
    uint64_t memory_kib;
    unsigned vcpus;

    if (!known_figures(g, d->r, &memory_kib, &vcpus) ||
        (d->obs.memory_kib == memory_kib && d->obs.vcpus == vcpus))
        return NULL;
    return x_asprintf("its guest has %ju MiB and %u vcpus, and its config says %ju MiB and %u; "
                      "mem-set and vcpu-set make them agree",
                      (uintmax_t)(d->obs.memory_kib / 1024), d->obs.vcpus,
                      (uintmax_t)(memory_kib / 1024), vcpus);
}

/* The daemon may have died in the middle of the driver's call. What the guest is asked for again is
 * what the driver says that it has; the answer is the truth. */
static void settle_figures(struct engine *g, struct domain *d, bool memory, bool vcpus)
{
    struct op op = op_within(STEP_MS);
    uint64_t reached;
    unsigned online = 0;
    struct err e;

    if (memory &&
        g->driver->memory(g->handle, &d->obs.ref, d->obs.memory_kib, &op, &reached, &e) < 0)
        log_warn("%s: %s", d->r->name, e.msg);
    if (vcpus && g->driver->vcpus(g->handle, &d->obs.ref, d->obs.vcpus, &op, &online, &e) < 0) {
        log_warn("%s: %s", d->r->name, e.msg);
        d->obs.vcpus = online ? online : d->obs.vcpus;
    }
}

/* attach, detach. What a call that was cut has left of a device that the guest has not is removed:
 * a detach of what is not there does that, and fails. */
static void settle_device(struct engine *g, struct domain *d, const json_t *intent, char **ret_note)
{
    bool disk = str_eq(json_get_string(intent, "kind", ""), "disk");
    enum device_kind kind = disk ? DEVICE_DISK : DEVICE_NIC;
    const char *name = json_get_string(intent, "device", "");
    struct op op = op_within(STEP_MS);
    struct err e;
    int has = devices_guest_has(g, &d->obs.ref, kind, name, &op, &e);

    if (has < 0) {
        *ret_note = x_asprintf("whether its guest has %s is not known (%s)", name, e.msg);
        return;
    }
    if (has == 0 && g->driver->detach(g->handle, &d->obs.ref, kind, name, &op, &e) < 0 &&
        e.code != ERR_FAILED)
        log_warn("%s: %s", d->r->name, e.msg);
    if ((has > 0) == json_get_bool(intent, "there", false))
        take_change(d->r, intent);
}

/* cd-insert, cd-eject: there is no way to ask for the disc, so the drive gets the one on record. */
static void settle_disc(struct engine *g, struct domain *d, const char *vdev, char **ret_note)
{
    const char *text = record_live_config(d->r);
    struct conf_warnings warnings = {0};
    struct op op = op_within(STEP_MS);
    struct conf *conf = NULL;
    struct err e;
    size_t i;

    int result =
        conf_parse(text, strlen(text), d->r->name, NULL, 0, g->driver->name, &conf, &warnings, &e);
    if (result == 0 && devices_find(conf, "", DEVICE_DISK, vdev, &i))
        result = g->driver->medium(g->handle, &d->obs.ref, &conf->disks[i],
                                   record_live_directory(d->r), &d->r->user, &op, &e);
    if (result < 0)
        *ret_note = x_asprintf("which disc is in %s is not known (%s); cd-eject or cd-insert "
                               "settles it",
                               vdev, e.msg);
    conf_warnings_finish(&warnings);
    conf_free(conf);
}

void resources_cut(struct engine *g, struct domain *d, const char *text, char **ret_note)
{
    AUTO_JSON json_t *intent = text ? json_loads(text, 0, NULL) : NULL;
    uint64_t memory_kib = (uint64_t)json_get_int(intent, "memory_kib", 0);
    unsigned vcpus = (unsigned)json_get_int(intent, "vcpus", 0);

    if (!json_is_object(intent))
        return; /* not ours: the store was mended by hand */
    if (json_object_get(intent, "device")) {
        settle_device(g, d, intent, ret_note);
        return;
    }
    if (json_object_get(intent, "medium")) {
        settle_disc(g, d, json_get_string(intent, "medium", ""), ret_note);
        return;
    }
    settle_figures(g, d, memory_kib && d->obs.memory_kib != memory_kib,
                   vcpus && d->obs.vcpus != vcpus);
    if ((memory_kib && d->obs.memory_kib == memory_kib) || (vcpus && d->obs.vcpus == vcpus)) {
        take_change(d->r, intent);
        engine_read_config(g, d);
    }
    *ret_note = drift_of_figures(g, d);
}
