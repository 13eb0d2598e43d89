/* SPDX-License-Identifier: MIT */
#include "core/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/devices.h"
#include "core/image.h"

enum { DEVICES_LOOK_MS = 2000 };

/* What is to be true of one domain's files, and of its guest's devices. */
struct patient {
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    char *image; /* owned; NULL when it has none */
    bool spent;  /* its image is known as spent */
    bool lives;
    bool busy; /* a job works on it: its files are in motion */
    struct domain_ref ref;
    char *config, *macs; /* owned; of its guest; NULL when none lives */
    json_t *drift;       /* owned; lines about devices */
};

struct doctor {
    struct engine *engine; /* borrowed; its domains are the loop's */
    struct store *store;   /* borrowed */
    char *images_dir;      /* owned */
    struct patient *patients;
    size_t count;
    json_t *findings; /* owned */
};

static void add_line(json_t *to, const char *fmt, ...) PRINTF(2, 3);

static void add_line(json_t *to, const char *fmt, ...)
{
    AUTO_STR struct str shown = {0};
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    str_add_escaped(&shown, line, strlen(line));
    json_array_append_new(to, json_string(shown.data));
}

#define find(doc, ...) add_line((doc)->findings, __VA_ARGS__)

/* Records against what is observed: the loop knows both. */
static void find_drift(struct doctor *doc, struct engine *g)
{
    size_t i;
    json_t *unknown;

    LIST_EACH (&g->domains, d, struct domain, link) {
        if (d->r->broken)
            find(doc, "%s is broken: %s", d->r->name, record_why(d->r, d->r->broken));
        if (d->seen && d->r->image.path && !d->job)
            find(doc, "%s lives although a suspended state of it is kept in %s", d->r->name,
                 d->r->image.path);
    }
    json_array_foreach(g->unknown, i, unknown)
        find(doc, "%s (%s) lives and has no record here",
             json_string_value(json_object_get(unknown, "name")),
             json_string_value(json_object_get(unknown, "uuid")));
}

struct doctor *doctor_new(struct engine *g)
{
    struct doctor *doc = x_calloc(1, sizeof *doc);
    size_t cap = 0;

    doc->engine = g;
    doc->store = g->store;
    doc->images_dir = x_asprintf("%s/images", g->state_dir);
    doc->findings = json_array();
    LIST_EACH (&g->domains, counted, struct domain, link)
        cap++;
    doc->patients = x_calloc(cap + 1, sizeof *doc->patients);
    LIST_EACH (&g->domains, d, struct domain, link) {
        struct patient *p = &doc->patients[doc->count++];
        str_copy(p->uuid, sizeof p->uuid, d->r->uuid);
        str_copy(p->name, sizeof p->name, d->r->name);
        p->image = x_strdup(d->r->image.path);
        p->lives = d->seen;
        p->spent = d->r->broken == REASON_IMAGE_SPENT;
        p->busy = d->job != NULL;
        p->drift = json_array();
        p->ref = (struct domain_ref){.id = d->r->id};
        str_copy(p->ref.uuid, sizeof p->ref.uuid, d->r->uuid);
        str_copy(p->ref.name, sizeof p->ref.name, d->r->name);
        /* Another tool's domain has no config here that it could differ from. */
        if (d->foreign || !d->seen || d->job ||
            (d->obs.state != OBS_RUNNING && d->obs.state != OBS_PAUSED))
            continue;
        p->config = x_strdup(record_live_config(d->r));
        p->macs = x_strdup(record_live_macs(d->r));
    }
    find_drift(doc, g);
    return doc;
}

void doctor_free(struct doctor *doc)
{
    for (size_t i = 0; i < doc->count; i++) {
        free(doc->patients[i].image);
        free(doc->patients[i].config);
        free(doc->patients[i].macs);
        json_decref(doc->patients[i].drift);
    }
    free(doc->patients);
    free(doc->images_dir);
    json_decref(doc->findings);
    free(doc);
}

json_t *doctor_findings(const struct doctor *doc)
{
    for (size_t i = 0; i < doc->count; i++) {
        const struct patient *p = &doc->patients[i];
        struct err ignored;
        const struct domain *d = engine_find(doc->engine, p->uuid, &ignored);
        /* What a job has changed meanwhile was in motion while it was looked at. */
        if (d && d->seen && !d->job && str_eq(record_live_config(d->r), p->config))
            json_array_extend(doc->findings, p->drift);
    }
    return json_incref(doc->findings);
}

/* ---- devices of the guest against those of its config ---- */

static const char drift_way_out[] = "shutdown and start make it as its config is";

static void compare_disks(const struct patient *p, const struct conf *conf,
                          const struct domain_stats *stats)
{
    for (size_t i = 0; i < stats->disk_count; i++) {
        size_t at;
        if (!devices_find(conf, p->macs, DEVICE_DISK, stats->disks[i].vdev, &at))
            add_line(p->drift, "%s has a disk %s that is not in its config; %s", p->name,
                     stats->disks[i].vdev, drift_way_out);
    }
    for (size_t i = 0; i < conf->disk_count; i++) {
        size_t at = 0;
        while (at < stats->disk_count && !str_eq(stats->disks[at].vdev, conf->disks[i].vdev))
            at++;
        if (at == stats->disk_count)
            add_line(p->drift, "%s lacks the disk %s of its config; %s", p->name,
                     conf->disks[i].vdev, drift_way_out);
    }
}

static void compare_nics(const struct patient *p, const struct conf *conf,
                         const struct domain_stats *stats)
{
    AUTO_FREE char *macs = x_strdup(p->macs ? p->macs : "");
    char *rest = macs, *mac;

    for (size_t i = 0; i < stats->nic_count; i++) {
        size_t at;
        if (!devices_find(conf, p->macs, DEVICE_NIC, stats->nics[i].mac, &at))
            add_line(p->drift, "%s has a network interface %s that is not in its config; %s",
                     p->name, stats->nics[i].mac, drift_way_out);
    }
    while ((mac = strsep(&rest, " "))) {
        size_t at = 0;
        while (at < stats->nic_count && strcasecmp(stats->nics[at].mac, mac) != 0)
            at++;
        if (*mac && at == stats->nic_count)
            add_line(p->drift, "%s lacks the network interface %s of its config; %s", p->name, mac,
                     drift_way_out);
    }
}

static void examine_devices(struct doctor *doc, const struct patient *p)
{
    const struct driver *driver = doc->engine->driver;
    struct op op = op_within(DEVICES_LOOK_MS);
    struct conf_warnings warnings;
    struct domain_stats stats;
    struct conf *conf = NULL;
    struct err e;

    if (!p->config || !driver->stats)
        return;
    /* A config that does not read any more is told of as broken. */
    int parsed = conf_parse(p->config, strlen(p->config), p->name, NULL, 0, driver->name, &conf,
                            &warnings, &e);
    conf_warnings_finish(&warnings);
    if (parsed < 0)
        return;
    if (driver->stats(doc->engine->handle, &p->ref, &op, &stats, &e) < 0) {
        add_line(p->drift, "%s does not say which devices it has: %s", p->name, e.msg);
    } else {
        compare_disks(p, conf, &stats);
        compare_nics(p, conf, &stats);
        free(stats.disks);
        free(stats.nics);
    }
    conf_free(conf);
}

static void examine_image(struct doctor *doc, const struct patient *p)
{
    struct op op = {.cancel_fd = -1};
    struct image_reader *reader = NULL;
    struct err e;

    if (!p->image || p->busy || p->spent)
        return;
    AUTO_FREE char *memory = image_memory_path(p->image);
    AUTO_CLOSE int memory_fd = -1;
    if (image_reader_open(p->image, NULL, &reader, &e) < 0 ||
        image_reader_verify(reader, &op, &e) < 0 ||
        (image_reader_header(reader)->memory_file.bound &&
         image_memory_open(memory, &image_reader_header(reader)->memory_file, NULL, &memory_fd,
                           &e) < 0))
        find(doc, "the suspended state of %s cannot be used: %s", p->name, e.msg);
    image_reader_free(reader);
}

static const struct patient *patient_of(const struct doctor *doc, const char *uuid)
{
    for (size_t i = 0; i < doc->count; i++)
        if (str_eq(doc->patients[i].uuid, uuid))
            return &doc->patients[i];
    return NULL;
}

/* One file in a domain's image folder that is not its image. */
static void examine_file(struct doctor *doc, const struct patient *p, const char *dir,
                         const char *file)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", dir, file);
    AUTO_FREE char *spent = p && p->image ? x_asprintf("%s.spent", p->image) : NULL;

    if (p && (p->image || p->lives) && str_eq(file, "memory.ram"))
        return;
    if (p && (p->busy || str_eq(path, p->image) || (p->spent && str_eq(path, spent))))
        return;
    if (strstr(file, ".discarded-"))
        find(doc, "%s was set aside; remove it when nobody needs it", path);
    else
        find(doc, "%s is left over from %s", path, p ? p->name : "a domain that is gone");
}

static int examine_folder(struct doctor *doc, const char *uuid, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", doc->images_dir, uuid);
    const struct patient *p = patient_of(doc, uuid);
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : err_errno(e, ERR_FAILED, errno, "cannot look into %s", path);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            examine_file(doc, p, path, entry->d_name);
    closedir(dir);
    return 0;
}

int doctor_examine(struct doctor *doc, struct err *e)
{
    char **lines = NULL;
    size_t count = 0;

    if (store_verify(doc->store, &lines, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        find(doc, "%s", lines[i]);
        free(lines[i]);
    }
    free(lines);
    for (size_t i = 0; i < doc->count; i++) {
        examine_image(doc, &doc->patients[i]);
        examine_devices(doc, &doc->patients[i]);
    }
    DIR *dir = opendir(doc->images_dir);
    struct dirent *entry;
    int result = 0;
    while (dir && result == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            result = examine_folder(doc, entry->d_name, e);
    if (dir)
        closedir(dir);
    return result;
}
