/* SPDX-License-Identifier: MIT */
/* reeve_disk_create: VDEV=SIZE for disks that are to be made. */
#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "conf/keys.h"
#include "conf/lex.h"

enum { ENTRIES_MAX = 256 };

/* 64 TiB: what disk_make's qcow2 is written for, and far above any file system's file. */
static const uint64_t size_max_mib = UINT64_C(64) << 20;

static const struct {
    char suffix;
    unsigned shift; /* of MiB */
} units[] = {
    {'M', 0 },
    {'G', 10},
    {'T', 20},
};

/* "20G" in MiB; 0 when it is no size, or out of bounds. */
static uint64_t read_size(const char *text)
{
    size_t len = strlen(text);
    unsigned shift = 0;
    uint64_t number;

    for (size_t i = 0; len > 0 && i < ARRAY_LEN(units); i++) {
        if (toupper((unsigned char)text[len - 1]) != units[i].suffix)
            continue;
        shift = units[i].shift;
        len--;
        break;
    }
    if (lex_number_read(text, len, &number) != LEX_NUMBER_OK || number > size_max_mib >> shift)
        return 0;
    return number << shift;
}

static struct conf_disk *find_disk(struct conf *conf, const char *name, size_t len)
{
    for (size_t i = 0; i < conf->disk_count; i++)
        if (strlen(conf->disks[i].vdev) == len && memcmp(conf->disks[i].vdev, name, len) == 0)
            return &conf->disks[i];
    return NULL;
}

static int add_entry(const struct keys_context *c, const struct value *v, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each item is a string");
    if (c->conf->disk_create.count == ENTRIES_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d items", ENTRIES_MAX);
    place_show(v->text, shown);
    const char *equals = strchr(v->text, '=');
    uint64_t mib = equals ? read_size(equals + 1) : 0;
    if (mib == 0)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s is not VDEV=SIZE, as xvda=20G; sizes are whole MiB, or have M, G or "
                          "T, up to 64T",
                          shown);
    keys_strings_add(&c->conf->disk_create, v->text);
    struct conf_disk *disk = find_disk(c->conf, v->text, (size_t)(equals - v->text));
    if (!disk) {
        /* Not refused: the disk may have been taken away while the domain lived. */
        keys_warn(c, v, "%s makes nothing: there is no such disk", shown);
        return 0;
    }
    if (disk->cdrom || disk->read_only)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s cannot be made: a new disk is empty, and this one is %s", disk->vdev,
                          disk->cdrom ? "a cdrom" : "read only");
    if (disk->format != CONF_RAW && disk->format != CONF_QCOW2)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s cannot be made: only disks in the formats raw and qcow2 are",
                          disk->vdev);
    if (disk->create_mib != 0)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is there twice", disk->vdev);
    disk->create_mib = mib;
    return 0;
}

static int set_disk_create(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return *v->text ? add_entry(c, v, e) : 0;
    for (size_t i = 0; i < v->count; i++)
        if (add_entry(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_disk_create(const struct conf *conf, const struct key *row)
{
    (void)row;
    return keys_strings_json(&conf->disk_create);
}

static void clear_disk_create(struct conf *conf, const struct key *row)
{
    (void)row;
    keys_strings_clear(&conf->disk_create);
}

const struct keys_type keys_disk_create = {"a string or a list of strings", set_disk_create,
                                           show_disk_create, clear_disk_create, NULL};
