/* SPDX-License-Identifier: MIT */
/* The JSON parts of a save image: the header, and the disks in the index. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "core/image_format.h"

/* 9999-12-31T23:59:59.999Z, past which RFC 3339 has no text. */
static const int64_t TIME_MAX_MS = 253402300799999;

enum { HASH_LEN = 16 }; /* JSON's integers are signed: hashes are hexadecimal text */

static const struct {
    const char *key;
    size_t offset;
    bool required;
} texts[] = {
    {"driver",         offsetof(struct image_header, driver),         true },
    {"driver_version", offsetof(struct image_header, driver_version), false},
    {"platform",       offsetof(struct image_header, platform),       false},
    {"name",           offsetof(struct image_header, name),           true },
    {"config",         offsetof(struct image_header, config),         true },
    {"directory",      offsetof(struct image_header, directory),      false},
    {"macs",           offsetof(struct image_header, macs),           false},
    {"host",           offsetof(struct image_header, host),           false},
    {"boot_id",        offsetof(struct image_header, boot_id),        false},
};

static char **text_of(const struct image_header *h, size_t row)
{
    return (char **)(void *)((char *)(uintptr_t)h + texts[row].offset);
}

void image_disk_finish(struct image_disk *d)
{
    free(d->path);
    *d = (struct image_disk){0};
}

static void free_disks(struct image_disk *disks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_disk_finish(&disks[i]);
    free(disks);
}

void image_header_finish(struct image_header *h)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(*text_of(h, i));
    free(h->libxl_json);
    free_disks(h->disks, h->disk_count);
    *h = (struct image_header){0};
}

static void set_hash(json_t *object, const char *key, uint64_t hash)
{
    char text[HASH_LEN + 1];

    snprintf(text, sizeof text, "%016" PRIx64, hash);
    json_set_string(object, key, text);
}

static json_t *disk_json(const struct image_disk *d)
{
    json_t *json = json_object();

    json_set_string(json, "path", d->path);
    json_set_string(json, "kind", d->block ? "block" : "file");
    json_set_bool(json, "read_only", d->read_only);
    json_set_int(json, "size_bytes", (int64_t)d->size_bytes);
    set_hash(json, "head_xxh3", d->head_hash);
    if (d->block) {
        set_hash(json, "tail_xxh3", d->tail_hash);
        json_set_int(json, "written_sectors", (int64_t)d->written_sectors);
    } else {
        json_set_int(json, "mtime_ns", d->mtime_ns);
    }
    return json;
}

static json_t *disks_json(const struct image_disk *disks, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, disk_json(&disks[i]));
    return list;
}

/* What is kept must come back as it was, so text that JSON cannot carry is not escaped here. */
static int check_utf8(const char *what, const char *text, struct err *e)
{
    AUTO_JSON json_t *json = text ? json_string(text) : json_null();

    return json ? 0 : err_set(e, ERR_FAILED, "an image cannot keep the %s: it is not UTF-8", what);
}

static int add_bounded(struct str *to, const json_t *json, size_t max, const char *what,
                       struct err *e)
{
    size_t before = to->len;

    json_add_line(to, json);
    if (to->len - before > max)
        return err_set(e, ERR_TOO_LARGE, "an image cannot keep %s of %zu bytes; at most %zu", what,
                       to->len - before, max);
    return 0;
}

int image_header_encode(const struct image_header *h, struct str *to, struct err *e)
{
    AUTO_JSON json_t *json = json_object();

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = *text_of(h, i);
        if (check_utf8(texts[i].key, text, e) < 0)
            return -1;
        if (texts[i].required && !text)
            return err_set(e, ERR_FAILED, "an image needs the domain's %s", texts[i].key);
        json_set_string(json, texts[i].key, text);
    }
    json_set_string(json, "uuid", h->uuid);
    json_set_int(json, "saved_at_ms", h->saved_at_ms);
    json_set_int(json, "memory_kib", (int64_t)h->memory_kib);
    json_set_bool(json, "was_paused", h->was_paused);
    return add_bounded(to, json, IMAGE_HEADER_MAX, "a header", e);
}

json_t *image_disks_json(const struct image_disk *disks, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (check_utf8("path of a disk", disks[i].path, e) < 0)
            return NULL;
    return disks_json(disks, count);
}

static json_t *memory_file_json(const struct image_memory_file *file)
{
    json_t *json = json_object();

    json_set_int(json, "size_bytes", (int64_t)file->size_bytes);
    set_hash(json, "inode", file->inode);
    set_hash(json, "generation", file->generation);
    json_set_int(json, "mtime_ns", file->mtime_ns);
    return json;
}

int image_index_encode(json_t *disks, const struct image_memory_file *file, struct str *to,
                       struct err *e)
{
    AUTO_JSON json_t *json = json_object();

    json_object_set(json, "disks", disks);
    if (file->bound)
        json_object_set_new(json, "memory_file", memory_file_json(file));
    return add_bounded(to, json, IMAGE_DISKS_MAX, "a list of disks", e);
}

static int bad(struct err *e, const char *part, const char *key)
{
    return err_set(e, ERR_DAMAGED, "its %s has no usable \"%s\"", part, key);
}

/* An integer of at least 0 that fits the field, or false. */
static bool get_count(const json_t *json, const char *key, int64_t max, uint64_t *ret)
{
    int64_t value = json_get_int(json, key, -1);

    if (value < 0 || value > max)
        return false;
    *ret = (uint64_t)value;
    return true;
}

static bool get_hash(const json_t *json, const char *key, uint64_t *ret)
{
    const char *text = json_get_string(json, key, "");

    if (strlen(text) != HASH_LEN || strspn(text, "0123456789abcdef") != HASH_LEN)
        return false;
    *ret = strtoull(text, NULL, 16);
    return true;
}

static int fill_header(const json_t *json, struct image_header *h, struct err *e)
{
    uint64_t saved_at_ms;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const json_t *value = json_object_get(json, texts[i].key);
        if (!json_is_string(value) && (texts[i].required || (value && !json_is_null(value))))
            return bad(e, "header", texts[i].key);
        *text_of(h, i) = x_strdup(json_string_value(value));
    }
    if (h->name[0] == '\0')
        return bad(e, "header", "name");
    const char *uuid = json_get_string(json, "uuid", "");
    if (!ident_uuid_valid(uuid))
        return bad(e, "header", "uuid");
    ident_uuid_normal(uuid, h->uuid);
    if (!get_count(json, "saved_at_ms", TIME_MAX_MS, &saved_at_ms))
        return bad(e, "header", "saved_at_ms");
    h->saved_at_ms = (int64_t)saved_at_ms;
    if (!get_count(json, "memory_kib", INT64_MAX, &h->memory_kib))
        return bad(e, "header", "memory_kib");
    if (!json_is_boolean(json_object_get(json, "was_paused")))
        return bad(e, "header", "was_paused");
    h->was_paused = json_get_bool(json, "was_paused", false);
    return 0;
}

static json_t *parse(const char *text, size_t len, const char *part, struct err *e)
{
    struct err why;
    json_t *json = json_parse_object(text, len, &why);

    if (!json)
        err_set(e, ERR_DAMAGED, "its %s cannot be read: %s", part, why.msg);
    return json;
}

int image_header_decode(const char *text, size_t len, struct image_header *h, struct err *e)
{
    AUTO_JSON json_t *json = parse(text, len, "header", e);

    if (!json)
        return -1;
    *h = (struct image_header){0};
    if (fill_header(json, h, e) < 0) {
        image_header_finish(h);
        return -1;
    }
    return 0;
}

static int fill_disk(const json_t *json, struct image_disk *d, struct err *e)
{
    const char *kind = json_get_string(json, "kind", "");
    const json_t *mtime = json_object_get(json, "mtime_ns");

    d->path = x_strdup(json_get_string(json, "path", NULL));
    if (!d->path || d->path[0] == '\0')
        return bad(e, "list of disks", "path");
    d->block = str_eq(kind, "block");
    if (!d->block && !str_eq(kind, "file"))
        return bad(e, "list of disks", "kind");
    if (!json_is_boolean(json_object_get(json, "read_only")))
        return bad(e, "list of disks", "read_only");
    d->read_only = json_get_bool(json, "read_only", false);
    if (!get_count(json, "size_bytes", INT64_MAX, &d->size_bytes))
        return bad(e, "list of disks", "size_bytes");
    if (!get_hash(json, "head_xxh3", &d->head_hash))
        return bad(e, "list of disks", "head_xxh3");
    if (d->block && !get_hash(json, "tail_xxh3", &d->tail_hash))
        return bad(e, "list of disks", "tail_xxh3");
    if (d->block && !get_count(json, "written_sectors", INT64_MAX, &d->written_sectors))
        return bad(e, "list of disks", "written_sectors");
    if (!d->block && !json_is_integer(mtime))
        return bad(e, "list of disks", "mtime_ns");
    d->mtime_ns = json_integer_value(mtime);
    return 0;
}

static int fill_disks(const json_t *list, struct image_header *h, struct err *e)
{
    if (!json_is_array(list))
        return bad(e, "index", "disks");
    size_t count = json_array_size(list);
    struct image_disk *disks = x_calloc(count + 1, sizeof *disks);
    for (size_t i = 0; i < count; i++) {
        if (fill_disk(json_array_get(list, i), &disks[i], e) < 0) {
            free_disks(disks, count);
            return -1;
        }
    }
    h->disks = disks;
    h->disk_count = count;
    return 0;
}

static int fill_memory_file(const json_t *json, struct image_memory_file *file, struct err *e)
{
    const json_t *mtime = json_object_get(json, "mtime_ns");

    if (!json)
        return 0;
    file->bound = true;
    file->mtime_ns = json_integer_value(mtime);
    if (!json_is_integer(mtime) || !get_count(json, "size_bytes", INT64_MAX, &file->size_bytes) ||
        file->size_bytes == 0 || file->size_bytes % IMAGE_PAGE != 0 ||
        !get_hash(json, "inode", &file->inode) || !get_hash(json, "generation", &file->generation))
        return bad(e, "index", "memory_file");
    return 0;
}

int image_index_decode(const char *text, size_t len, struct image_header *h, struct err *e)
{
    AUTO_JSON json_t *json = parse(text, len, "list of disks", e);

    if (!json || fill_memory_file(json_object_get(json, "memory_file"), &h->memory_file, e) < 0)
        return -1;
    return fill_disks(json_object_get(json, "disks"), h, e);
}

json_t *image_header_json(const struct image_header *h, uint64_t size_bytes)
{
    json_t *json = json_object();

    json_set_string(json, "format", h->xl ? "xl" : "reeve");
    json_set_string(json, "uuid", h->uuid[0] ? h->uuid : NULL);
    json_set_string(json, "name", h->name);
    json_set_int(json, "size", (int64_t)size_bytes);
    json_set_int(json, "memory_kib", (int64_t)h->memory_kib);
    json_set_time(json, "saved_at", h->saved_at_ms);
    json_set_string(json, "state", h->xl ? NULL : h->was_paused ? "paused" : "running");
    json_set_string(json, "driver", h->driver);
    json_set_string(json, "driver_version", h->driver_version);
    json_set_string(json, "platform", h->platform);
    json_set_string(json, "host", h->host);
    json_object_set_new(json, "disks", disks_json(h->disks, h->disk_count));
    return json;
}
