/* SPDX-License-Identifier: MIT */
#include "core/rebuild.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/image.h"

enum { CONFIG_MAX = 1024 * 1024 };

static bool lives(const struct engine *g, const char *uuid)
{
    size_t i;
    json_t *unknown;

    json_array_foreach(g->unknown, i,
                       unknown) if (str_eq(json_get_string(unknown, "uuid", ""), uuid)) return true;
    return false;
}

/* The suspended state of it, with the folder and the MACs that the guest had. Its whole content is
 * verified when it is resumed. */
static void take_image(struct engine *g, struct record *r)
{
    AUTO_FREE char *path = engine_image_path(g, r->uuid);
    struct image_reader *reader = NULL;
    struct err e;

    if (access(path, F_OK) < 0 || image_reader_open(path, NULL, &reader, &e) < 0)
        return;
    const struct image_header *h = image_reader_header(reader);
    if (str_eq(h->uuid, r->uuid) && str_eq(h->driver, g->driver->name)) {
        r->image.path = TAKE(path);
        r->image.size_bytes = image_reader_size(reader);
        r->image.memory_kib = h->memory_kib;
        r->image.saved_at_ms = h->saved_at_ms;
        r->image.was_paused = h->was_paused;
        str_copy(r->image.driver, sizeof r->image.driver, h->driver);
        x_replace(&r->directory, x_strdup(h->directory));
        x_replace(&r->macs, x_strdup(h->macs));
        r->wanted = ST_SUSPENDED;
        r->reason = REASON_SUSPENDED;
    }
    image_reader_free(reader);
}

static struct record *make(struct engine *g, const char *uuid, const char *text, struct err *e)
{
    struct conf_warnings warnings = {0};
    struct conf *conf = NULL;
    int result =
        conf_parse(text, strlen(text), uuid, NULL, 0, g->driver->name, &conf, &warnings, e);

    conf_warnings_finish(&warnings);
    if (result == 0 && !conf->name)
        result = err_set(e, ERR_BAD_CONFIG, "it has no name");
    if (result == 0 && engine_by_name(g, conf->name))
        result = err_set(e, ERR_EXISTS, "there is another domain %s", conf->name);
    if (result < 0) {
        conf_free(conf);
        return NULL;
    }
    struct record *r = record_new();
    str_copy(r->uuid, sizeof r->uuid, uuid);
    str_copy(r->name, sizeof r->name, conf->name);
    r->managed = true;
    r->config = x_strdup(text);
    r->directory = x_strdup("/");
    r->macs = config_macs(conf, g->driver->name, NULL, NULL);
    r->user = (struct fs_user){.uid = geteuid(), .gid = getegid()};
    r->reason = REASON_DEFINED;
    conf_free(conf);
    return r;
}

static char *rebuild_one(struct engine *g, const char *path, const char *uuid)
{
    AUTO_FREE char *text = NULL;
    struct record *r = NULL;
    size_t len;
    struct err e;

    if (fs_read_file(path, CONFIG_MAX, &text, &len, &e) == 0)
        r = make(g, uuid, text, &e);
    if (!r)
        return x_asprintf("no record was made of %s: %s", path, e.msg);
    bool live = lives(g, uuid);
    if (live) {
        r->wanted = ST_RUNNING;
        r->state = ST_RUNNING;
        str_copy(r->boot_id, sizeof r->boot_id, clock_boot_id());
    } else {
        take_image(g, r);
    }
    bool suspended = r->image.path != NULL;
    if (!live)
        r->state = suspended ? ST_SUSPENDED : ST_HALTED;
    struct domain *d = engine_insert(g, r);
    engine_read_config(g, d);
    char *line = x_asprintf(
        "made a record of %s anew from %s: it is %s%s", r->name, path, state_name(r->state),
        suspended ? ""
                  : "; relative paths in its config begin at / now, and MACs that it does not "
                    "name are new");
    engine_changed(g, d, "rebuilt", line);
    return line;
}

json_t *rebuild_records(struct engine *g)
{
    AUTO_FREE char *dir_path = x_asprintf("%s/domains", g->state_dir);
    json_t *lines = json_array();
    DIR *dir = opendir(dir_path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char uuid[IDENT_UUID_LEN + 1] = "";
        if (strlen(entry->d_name) != IDENT_UUID_LEN + strlen(".cfg") ||
            !str_ends(entry->d_name, ".cfg"))
            continue;
        memcpy(uuid, entry->d_name, IDENT_UUID_LEN);
        if (!ident_uuid_valid(uuid) || engine_by_uuid(g, uuid))
            continue;
        AUTO_FREE char *path = x_asprintf("%s/%s", dir_path, entry->d_name);
        AUTO_FREE char *line = rebuild_one(g, path, uuid);
        json_array_append_new(lines, json_string(line));
    }
    if (dir)
        closedir(dir);
    if (json_array_size(lines) > 0)
        g->host.look(g->host.arg);
    return lines;
}
