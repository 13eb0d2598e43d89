/* SPDX-License-Identifier: MIT */
#include "driver/null/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

static const char *const state_words[] = {
    [OBS_RUNNING] = "running", [OBS_PAUSED] = "paused", [OBS_SHUTDOWN] = "shutdown",
    [OBS_CRASHED] = "crashed", [OBS_DEAD] = "dead",     [OBS_BUSY] = "busy",
};

struct sim_device *sim_device(struct sim *s, enum device_kind kind, const char *name)
{
    for (size_t i = 0; i < s->device_count; i++)
        if (s->devices[i].kind == kind && strcasecmp(s->devices[i].name, name) == 0)
            return &s->devices[i];
    return NULL;
}

int sim_device_add(struct sim *s, struct sim_device device, struct err *e)
{
    if (s->device_count == SIM_DEVICES_MAX)
        return err_set(e, ERR_UNSUPPORTED, "a simulated guest has at most %d devices",
                       SIM_DEVICES_MAX);
    s->devices[s->device_count++] = device;
    return 0;
}

void sim_device_remove(struct sim *s, struct sim_device *device)
{
    *device = s->devices[--s->device_count];
}

struct sim_device sim_device_of_disk(const struct conf_disk *disk)
{
    struct sim_device device = {
        .kind = DEVICE_DISK, .cdrom = disk->cdrom, .disc = disk->cdrom && disk->target};

    str_copy(device.name, sizeof device.name, disk->vdev);
    return device;
}

struct sim_device sim_device_of_nic(const char *mac)
{
    struct sim_device device = {.kind = DEVICE_NIC};

    str_copy(device.name, sizeof device.name, mac);
    return device;
}

static int add_devices(struct sim *s, const struct create_args *args, struct err *e)
{
    for (size_t i = 0; i < args->conf->disk_count; i++)
        if (sim_device_add(s, sim_device_of_disk(&args->conf->disks[i]), e) < 0)
            return -1;
    for (size_t i = 0; i < args->conf->vif_count; i++)
        if (sim_device_add(s, sim_device_of_nic(args->macs[i]), e) < 0)
            return -1;
    return 0;
}

/* "disk", "cdrom" (empty), "disc" and "nic", each with the name after a space. */
static const struct sim_device device_words[] = {
    {DEVICE_DISK, false, false, "disk " },
    {DEVICE_DISK, true,  false, "cdrom "},
    {DEVICE_DISK, true,  true,  "disc " },
    {DEVICE_NIC,  false, false, "nic "  },
};

static json_t *devices_json(const struct sim *s)
{
    json_t *all = json_array();

    for (size_t i = 0; i < s->device_count; i++) {
        const struct sim_device *d = &s->devices[i];
        for (size_t k = 0; k < ARRAY_LEN(device_words); k++) {
            const struct sim_device *w = &device_words[k];
            if (w->kind == d->kind && w->cdrom == d->cdrom && w->disc == d->disc)
                json_array_append_new(all, json_sprintf("%s%s", w->name, d->name));
        }
    }
    return all;
}

static int read_devices(struct sim *s, const json_t *all, struct err *e)
{
    size_t i;
    json_t *item;

    json_array_foreach(all, i, item)
    {
        const char *text = json_is_string(item) ? json_string_value(item) : "";
        size_t k = 0;
        while (k < ARRAY_LEN(device_words) && !str_starts(text, device_words[k].name))
            k++;
        if (k == ARRAY_LEN(device_words))
            return err_set(e, ERR_DAMAGED, "a simulated guest has a device \"%s\"", text);
        struct sim_device device = device_words[k];
        str_copy(device.name, sizeof device.name, text + strlen(device_words[k].name));
        if (sim_device_add(s, device, e) < 0)
            return -1;
    }
    return 0;
}

int sim_new(const struct create_args *args, struct sim **ret, struct err *e)
{
    const struct conf *conf = args->conf;
    struct plan plan;

    if (plan_parse(conf->cmdline, &plan, e) < 0)
        return -1;
    struct sim *s = x_calloc(1, sizeof *s);
    list_init(&s->link);
    s->ref = args->ref;
    s->state = OBS_BUSY;
    s->memory_kib = conf->memory_kib;
    s->max_memory_kib = conf->max_memory_kib;
    s->vcpus = conf->vcpus;
    s->max_vcpus = conf->max_vcpus;
    s->cmdline = x_strdup(conf->cmdline);
    s->plan = plan;
    if (add_devices(s, args, e) < 0) {
        sim_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    free(s->cmdline);
    free(s);
}

int64_t sim_count(const struct sim *s, int64_t now_ms)
{
    return s->state == OBS_RUNNING ? s->count_ms + (now_ms - s->running_since_ms) : s->count_ms;
}

void sim_set(struct sim *s, enum observed state, enum reason reason, int64_t now_ms)
{
    s->count_ms = sim_count(s, now_ms);
    s->running_since_ms = now_ms;
    s->state = state;
    s->reason = reason;
}

void sim_boot(struct sim *s, int64_t now_ms)
{
    sim_set(s, OBS_RUNNING, REASON_NONE, now_ms);
    s->count_ms = 0;
    s->fired_ms = 0;
}

int64_t sim_due(const struct sim *s)
{
    enum plan_event event;
    int64_t at_ms;

    if (s->state != OBS_RUNNING || !plan_next(&s->plan, s->fired_ms, &event, &at_ms))
        return 0;
    return s->running_since_ms + (at_ms - s->count_ms);
}

bool sim_settle(struct sim *s, int64_t now_ms)
{
    enum plan_event event;
    int64_t at_ms, due_ms = sim_due(s);

    if (due_ms == 0 || due_ms > now_ms || !plan_next(&s->plan, s->fired_ms, &event, &at_ms))
        return false;
    s->fired_ms = at_ms;
    sim_set(s, plan_event_state(event), plan_event_reason(event), due_ms);
    return true;
}

void sim_observe(const struct sim *s, int64_t now_ms, struct observation *ret)
{
    *ret = (struct observation){
        .ref = s->ref,
        .state = s->state,
        .reason = s->reason,
        .memory_kib = s->memory_kib,
        .max_memory_kib = s->max_memory_kib,
        .vcpus = s->vcpus,
        .max_vcpus = s->max_vcpus,
        .cpu_ns = (uint64_t)sim_count(s, now_ms) * 1000000,
    };
}

int sim_store(const struct sim *s, int dirfd, struct err *e)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_STR struct str text = {0};
    AUTO_FREE char *temporary = x_asprintf(".%s.new", s->ref.uuid);

    json_set_string(json, "uuid", s->ref.uuid);
    json_set_string(json, "name", s->ref.name);
    json_set_int(json, "id", s->ref.id);
    json_set_string(json, "state", state_words[s->state]);
    json_set_string(json, "reason", reason_name(s->reason));
    json_set_int(json, "memory_kib", (int64_t)s->memory_kib);
    json_set_int(json, "max_memory_kib", (int64_t)s->max_memory_kib);
    json_set_int(json, "vcpus", s->vcpus);
    json_set_int(json, "max_vcpus", s->max_vcpus);
    json_object_set_new(json, "devices", devices_json(s));
    json_set_string(json, "cmdline", s->cmdline);
    json_set_int(json, "count_ms", s->count_ms);
    json_set_int(json, "running_since_ms", s->running_since_ms);
    json_set_int(json, "fired_ms", s->fired_ms);
    json_set_string(json, "boot_id", clock_boot_id());
    json_add_line(&text, json);
    str_addc(&text, '\n');

    AUTO_CLOSE int fd =
        openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot create the guest's file %s", temporary);
    if (fs_write_all(fd, text.data, text.len, "the guest's file", e) < 0)
        goto undo;
    if (renameat(dirfd, temporary, dirfd, s->ref.uuid) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot rename the guest's file %s", temporary);
        goto undo;
    }
    return 0;
undo:
    unlinkat(dirfd, temporary, 0);
    return -1;
}

/* The file as JSON. */
static json_t *read_json(int dirfd, const char *name, struct err *e)
{
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO_FREE char *text = x_malloc(FILE_MAX_BYTES);

    if (fd < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot open the guest's file %s", name);
        return NULL;
    }
    ssize_t len = fs_read_upto(fd, text, FILE_MAX_BYTES, name, e);
    if (len < 0)
        return NULL;
    return json_parse_object(text, (size_t)len, e);
}

static bool state_of_word(const char *word, enum observed *ret)
{
    for (unsigned i = 0; i < ARRAY_LEN(state_words); i++) {
        if (str_eq(word, state_words[i])) {
            *ret = (enum observed)i;
            return true;
        }
    }
    return false;
}

int sim_load(int dirfd, const char *name, struct sim **ret, struct err *e)
{
    AUTO_JSON json_t *json = read_json(dirfd, name, e);
    struct plan plan;
    enum observed state;

    *ret = NULL;
    if (!json)
        return -1;
    if (!str_eq(json_get_string(json, "boot_id", NULL), clock_boot_id()))
        return 0;
    if (plan_parse(json_get_string(json, "cmdline", NULL), &plan, e) < 0)
        return -1;
    if (!str_eq(json_get_string(json, "uuid", NULL), name) ||
        !state_of_word(json_get_string(json, "state", NULL), &state))
        return err_set(e, ERR_DAMAGED, "%s is not the file of a simulated guest", name);

    struct sim *s = x_calloc(1, sizeof *s);
    list_init(&s->link);
    str_copy(s->ref.uuid, sizeof s->ref.uuid, name);
    str_copy(s->ref.name, sizeof s->ref.name, json_get_string(json, "name", ""));
    s->ref.id = (unsigned)json_get_int(json, "id", 0);
    s->state = state;
    enum reason reason = reason_of(json_get_string(json, "reason", ""));
    s->reason = reason < REASON_N ? reason : REASON_NONE;
    s->memory_kib = (uint64_t)json_get_int(json, "memory_kib", 0);
    s->max_memory_kib = (uint64_t)json_get_int(json, "max_memory_kib", 0);
    s->vcpus = (unsigned)json_get_int(json, "vcpus", 1);
    s->max_vcpus = (unsigned)json_get_int(json, "max_vcpus", 1);
    s->cmdline = x_strdup(json_get_string(json, "cmdline", NULL));
    s->plan = plan;
    s->count_ms = json_get_int(json, "count_ms", 0);
    s->running_since_ms = json_get_int(json, "running_since_ms", 0);
    s->fired_ms = json_get_int(json, "fired_ms", 0);
    if (read_devices(s, json_object_get(json, "devices"), e) < 0) {
        sim_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}
