/* SPDX-License-Identifier: MIT */
/* A domain as the wire shows it: one row a field. */
#include "core/view.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/foreign.h"
#include "core/job.h"

typedef json_t *getter(const struct engine *g, const struct domain *d);

#define FIELD(name, value)                                                                         \
    static json_t *get_##name(const struct engine *g, const struct domain *d)                      \
    {                                                                                              \
        (void)g, (void)d;                                                                          \
        return value;                                                                              \
    }

static bool live(const struct domain *d)
{
    return d->seen && d->obs.memory_kib > 0;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static const char *tag_of(const struct domain *d)
{
    static char tag[CONFIG_TAG_LEN + 1]; /* loop thread only */

    config_tag(d->r->config, tag);
    return tag;
}

static bool has_guest(const struct domain *d)
{
    return d->seen || d->r->image.path;
}

FIELD(uuid, json_string(d->r->uuid))
FIELD(name, json_text(d->r->name))
FIELD(id, d->seen ? number(d->obs.ref.id) : json_null())
FIELD(managed, json_boolean(d->r->managed))
FIELD(driver, json_string(g->driver->name))
FIELD(state, json_string(state_name(engine_state(g, d))))
FIELD(reason, json_string(reason_name(d->r->reason)))
FIELD(reason_text, json_text(record_why(d->r, d->r->reason)))
FIELD(since, json_time(d->r->since_ms))
FIELD(wanted, json_string(state_name(d->r->wanted)))
FIELD(observed_at, json_time(g->observed_at_ms))
FIELD(memory_kib, number(live(d) ? d->obs.memory_kib : d->memory_kib))
FIELD(max_memory_kib, number(live(d) ? d->obs.max_memory_kib : d->max_memory_kib))
FIELD(vcpus, number(live(d) ? d->obs.vcpus : d->vcpus))
FIELD(max_vcpus, number(live(d) ? d->obs.max_vcpus : d->max_vcpus))
FIELD(cpu_seconds, json_real(d->seen ? (double)(d->obs.cpu_ns / 1000000) / 1000.0 : 0.0))
FIELD(autostart, json_boolean(d->autostart))
FIELD(job, d->job ? job_json(d->job) : json_null())
FIELD(vnc, d->seen && d->obs.vnc[0] ? json_text(d->obs.vnc) : json_null())
FIELD(starts, number(d->r->starts))
FIELD(crashes, number(d->r->crashes))
FIELD(config, json_text(d->r->config))
FIELD(directory, json_text(d->r->directory))
FIELD(config_tag, json_string(tag_of(d)))
/* Null when the guest has what is stored, or there is none. */
FIELD(live_config, has_guest(d) ? json_text(d->r->live_config) : json_null())
FIELD(saved_file, json_text(d->r->saved_file))

static json_t *get_can(const struct engine *g, const struct domain *d)
{
    json_t *can = json_array();
    enum verb verbs[VERB_N];
    size_t count = lifecycle_can(engine_state(g, d), d->r->managed, verbs);

    if (d->foreign) {
        struct err e;
        if (foreign_judge(g, d, VERB_ADOPT, &e) == 0)
            json_array_append_new(can, json_string(verb_name(VERB_ADOPT)));
        return can;
    }
    /* Only what this daemon would do: not every row of the table has its steps yet. */
    for (size_t i = 0; i < count; i++)
        if ((job_kind_of(verbs[i]) || verbs[i] == VERB_CONSOLE) && engine_driver_has(g, verbs[i]))
            json_array_append_new(can, json_string(verb_name(verbs[i])));
    return can;
}

static json_t *get_image(const struct engine *g, const struct domain *d)
{
    const struct record *r = d->r;
    const struct image_record *image = &r->image;

    (void)g;
    if (!image->path)
        return json_null();
    json_t *json = json_object();
    json_set_string(json, "path", image->path);
    json_set_int(json, "size_bytes", (int64_t)image->size_bytes);
    json_set_int(json, "memory_kib", (int64_t)image->memory_kib);
    json_set_time(json, "saved_at", image->saved_at_ms);
    json_set_string(json, "state",
                    r->broken == REASON_IMAGE_SPENT ? "spent"
                    : r->broken                     ? "unusable"
                    : image->was_paused             ? "paused"
                                                    : "running");
    json_set_string(json, "driver", image->driver);
    return json;
}

static json_t *get_console(const struct engine *g, const struct domain *d)
{
    AUTO_FREE char *path = g->driver->console ? engine_console_path(g, d->r->name) : NULL;

    return json_text(path);
}

static const struct {
    const char *name;
    getter *get;
    bool of_config; /* shown with the config only */
} fields[] = {
    {"uuid",           get_uuid,           false},
    {"name",           get_name,           false},
    {"id",             get_id,             false},
    {"managed",        get_managed,        false},
    {"driver",         get_driver,         false},
    {"state",          get_state,          false},
    {"reason",         get_reason,         false},
    {"reason_text",    get_reason_text,    false},
    {"since",          get_since,          false},
    {"wanted",         get_wanted,         false},
    {"observed_at",    get_observed_at,    false},
    {"memory_kib",     get_memory_kib,     false},
    {"max_memory_kib", get_max_memory_kib, false},
    {"vcpus",          get_vcpus,          false},
    {"max_vcpus",      get_max_vcpus,      false},
    {"cpu_seconds",    get_cpu_seconds,    false},
    {"autostart",      get_autostart,      false},
    {"job",            get_job,            false},
    {"can",            get_can,            false},
    {"image",          get_image,          false},
    {"console",        get_console,        false},
    {"vnc",            get_vnc,            false},
    {"starts",         get_starts,         false},
    {"crashes",        get_crashes,        false},
    {"config",         get_config,         true },
    {"config_tag",     get_config_tag,     true },
    {"live_config",    get_live_config,    true },
    {"directory",      get_directory,      true },
    {"saved_file",     get_saved_file,     true },
};

json_t *view_domain(const struct engine *g, const struct domain *d, bool with_config)
{
    json_t *json = json_object();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (with_config || !fields[i].of_config)
            json_object_set_new_nocheck(json, fields[i].name, fields[i].get(g, d));
    return json;
}

static size_t find(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(fields) && (fields[i].of_config || !str_eq(fields[i].name, name)))
        i++;
    return i;
}

int view_check(const json_t *names, struct err *e)
{
    size_t i;
    json_t *name;

    json_array_foreach(
        names, i,
        name) if (find(json_string_value(name)) ==
                  ARRAY_LEN(fields)) return err_set(e, ERR_BAD_REQUEST,
                                                    "list: a domain has no field \"%.40s\"",
                                                    json_string_value(name));
    return 0;
}

json_t *view_fields(const struct engine *g, const struct domain *d, const json_t *names)
{
    json_t *json = json_object();
    size_t i;
    json_t *name;

    json_array_foreach(names, i, name)
    {
        size_t row = find(json_string_value(name));
        json_object_set_new_nocheck(json, fields[row].name, fields[row].get(g, d));
    }
    return json;
}
