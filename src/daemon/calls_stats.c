/* SPDX-License-Identifier: MIT */
/* stats: what all domains use, from one call of the driver that no job is in the way of. Who asks
 * gets counters that are not older than STATS_FRESH_MS; when the look takes longer than
 * STATS_WAIT_MS, those that are known, with their time. */
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/view.h"
#include "daemon/daemon.h"

enum { STATS_FRESH_MS = 250, STATS_WAIT_MS = 500 };

struct stats {
    struct list waiting;          /* struct stats_wait.link */
    struct domain_counters *list; /* owned; the newest, sorted by uuid */
    size_t count;
    int64_t wall_ms; /* of the newest; 0: there are none yet */
    int64_t mono_ns;
};

struct stats_wait {
    struct list link;
    fresh_fn *answer;
    struct daemon *daemon;
    struct request *request;
    uv_timer_t timer;
};

static void free_counters(struct domain_counters *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].stats.disks);
        free(list[i].stats.nics);
    }
    free(list);
}

void stats_open(struct daemon *d)
{
    d->stats = x_calloc(1, sizeof *d->stats);
    list_init(&d->stats->waiting);
}

static void freed(uv_handle_t *handle)
{
    free(handle->data);
}

void stats_close(struct daemon *d)
{
    struct err e;

    LIST_EACH (&d->stats->waiting, w, struct stats_wait, link) {
        list_remove(&w->link);
        err_set(&e, ERR_FAILED, "the daemon stops");
        request_fail(w->request, &e, NULL);
        uv_close((uv_handle_t *)&w->timer, freed);
    }
    free_counters(d->stats->list, d->stats->count);
    free(d->stats);
}

/* ---- as the wire shows it ---- */

static void set_number(json_t *to, const char *key, uint64_t value)
{
    json_set_int(to, key, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static json_t *disks_json(const struct domain_stats *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->disk_count; i++) {
        const struct disk_stats *disk = &s->disks[i];
        json_t *one = json_object();
        json_set_string(one, "vdev", disk->vdev);
        set_number(one, "read_bytes", disk->read_bytes);
        set_number(one, "read_ops", disk->read_ops);
        set_number(one, "write_bytes", disk->write_bytes);
        set_number(one, "write_ops", disk->write_ops);
        json_array_append_new(list, one);
    }
    return list;
}

/* Of an interface that is not counted the figures are null: 0 would be a lie. */
static json_t *nics_json(const struct domain_stats *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->nic_count; i++) {
        const struct nic_stats *nic = &s->nics[i];
        const struct {
            const char *key;
            uint64_t value;
        } figures[] = {
            {"rx_bytes",   nic->rx_bytes  },
            {"rx_packets", nic->rx_packets},
            {"tx_bytes",   nic->tx_bytes  },
            {"tx_packets", nic->tx_packets},
        };
        json_t *one = json_object();
        json_set_string(one, "mac", nic->mac);
        for (size_t k = 0; k < ARRAY_LEN(figures); k++) {
            if (nic->counted)
                set_number(one, figures[k].key, figures[k].value);
            else
                json_object_set_new(one, figures[k].key, json_null());
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *counters_json(const struct domain_stats *s)
{
    json_t *json = json_object();

    json_object_set_new(json, "cpu_seconds", json_real((double)(s->cpu_ns / 1000000) / 1000.0));
    set_number(json, "host_memory_kib", s->host_memory_kib);
    set_number(json, "balloon_kib", s->balloon_kib);
    json_object_set_new(json, "disks", disks_json(s));
    json_object_set_new(json, "nics", nics_json(s));
    return json;
}

static int compare_key(const void *uuid, const void *counters)
{
    return strcmp(uuid, ((const struct domain_counters *)counters)->uuid);
}

static int compare(const void *left, const void *right)
{
    return compare_key(((const struct domain_counters *)left)->uuid, right);
}

static const struct domain_stats *counters_of(const struct stats *s, const struct domain *dom)
{
    const struct domain_counters *found =
        dom->seen && s->count > 0
            ? bsearch(dom->r->uuid, s->list, s->count, sizeof *s->list, compare_key)
            : NULL;

    return found ? &found->stats : NULL;
}

static json_t *domain_json(const struct daemon *d, const struct domain *dom)
{
    static const char *const fields[] = {"uuid",       "name",           "id",    "state",
                                         "memory_kib", "max_memory_kib", "vcpus", "can"};
    AUTO_JSON json_t *wanted = json_array();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        json_array_append_new(wanted, json_string(fields[i]));
    json_t *json = view_fields(&d->engine, dom, wanted);
    json_object_set_new(json, "counters", stats_counters(d, dom));
    return json;
}

static json_t *host_json(void)
{
    json_t *json = json_object();
    struct sysinfo info;

    json_set_int(json, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    if (sysinfo(&info) == 0) {
        set_number(json, "memory_kib", (uint64_t)info.totalram * info.mem_unit / 1024);
        set_number(json, "free_memory_kib", (uint64_t)info.freeram * info.mem_unit / 1024);
    }
    return json;
}

static void answer(struct daemon *d, struct request *r)
{
    const json_t *names = json_object_get(r->args, "domains");
    json_t *domains = json_array();

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *word = json_string_value(json_array_get(names, i));
        struct err e;
        const struct domain *dom = engine_find(&d->engine, word, &e);
        if (!dom) {
            json_decref(domains);
            request_fail(r, &e, json_pack("{s:s}", "domain", word));
            return;
        }
        json_array_append_new(domains, domain_json(d, dom));
    }
    if (!names) {
        LIST_EACH (&d->engine.domains, dom, struct domain, link)
            json_array_append_new(domains, domain_json(d, dom));
    }
    json_t *result = json_object();
    json_set_time(result, "at", d->stats->wall_ms);
    json_set_int(result, "monotonic_ms", d->stats->mono_ns / 1000000);
    json_object_set_new(result, "host", host_json());
    json_object_set_new(result, "domains", domains);
    request_return(r, result);
}

/* ---- the wait for them ---- */

static void finish(struct stats_wait *w)
{
    list_remove(&w->link);
    w->answer(w->daemon, w->request);
    uv_close((uv_handle_t *)&w->timer, freed);
}

static void on_late(uv_timer_t *timer)
{
    finish(timer->data);
}

static bool fresh(const struct stats *s)
{
    return s->wall_ms != 0 && clock_mono_ns() - s->mono_ns <= STATS_FRESH_MS * 1000000LL;
}

void stats_arrived(void *arg, struct domain_counters *list, size_t count, int64_t wall_ms,
                   int64_t mono_ns)
{
    struct daemon *d = arg;
    struct stats *s = d->stats;

    free_counters(s->list, s->count);
    if (count > 0)
        qsort(list, count, sizeof *list, compare);
    s->list = list;
    s->count = count;
    s->wall_ms = wall_ms;
    s->mono_ns = mono_ns;
    LIST_EACH (&s->waiting, w, struct stats_wait, link)
        finish(w);
}

void stats_wait(struct daemon *d, struct request *r, int64_t ms, fresh_fn *then)
{
    if (fresh(d->stats)) {
        then(d, r);
        return;
    }
    struct stats_wait *w = x_calloc(1, sizeof *w);
    w->daemon = d;
    w->request = r;
    w->answer = then;
    w->timer.data = w;
    list_append(&d->stats->waiting, &w->link);
    uv_timer_init(d->loop, &w->timer);
    uv_timer_start(&w->timer, on_late, (uint64_t)ms, 0);
    observer_stats(d->observer);
}

json_t *stats_counters(const struct daemon *d, const struct domain *dom)
{
    const struct domain_stats *s = counters_of(d->stats, dom);

    return s ? counters_json(s) : json_null();
}

void call_stats(struct daemon *d, struct request *r)
{
    struct err e;

    if (!d->engine.driver->stats_all) {
        err_set(&e, ERR_UNSUPPORTED, "the %s driver cannot count what domains use",
                d->engine.driver->name);
        request_fail(r, &e, NULL);
        return;
    }
    stats_wait(d, r, STATS_WAIT_MS, answer);
}
