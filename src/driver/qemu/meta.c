/* SPDX-License-Identifier: MIT */
#include "driver/qemu/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/folder.h"

enum { META_FILE_MAX = 16384 };

/* One row a member of the file; `max` is the size of a text's array. */
enum kind { TEXT, UNSIGNED, U64, PID, BOOL, PLACES };
#define AT(member) offsetof(struct meta, member)
#define SIZE(member) sizeof(((struct meta *)NULL)->member)
static const struct row {
    const char *key;
    enum kind kind;
    size_t at;
    size_t max;
    bool may_be_missing; /* in a file of an earlier version: 0 then */
} rows[] = {
    {"uuid",           TEXT,     AT(ref.uuid),       SIZE(ref.uuid), false},
    {"name",           TEXT,     AT(ref.name),       SIZE(ref.name), false},
    {"id",             UNSIGNED, AT(ref.id),         0,              false},
    {"pid",            PID,      AT(pid),            0,              false},
    {"start",          U64,      AT(start),          0,              false},
    {"memory_kib",     U64,      AT(memory_kib),     0,              false},
    {"max_memory_kib", U64,      AT(max_memory_kib), 0,              false},
    {"vcpus",          UNSIGNED, AT(vcpus),          0,              false},
    {"max_vcpus",      UNSIGNED, AT(max_vcpus),      0,              false},
    {"machine",        TEXT,     AT(machine),        SIZE(machine),  false},
    {"accel",          TEXT,     AT(accel),          SIZE(accel),    false},
    {"cpu",            TEXT,     AT(cpu),            SIZE(cpu),      false},
    {"qemu",           TEXT,     AT(qemu),           SIZE(qemu),     false},
    {"places",         PLACES,   AT(places),         0,              false},
    {"vnc",            TEXT,     AT(vnc),            SIZE(vnc),      false},
    {"ram_inode",      U64,      AT(ram_inode),      0,              false},
    {"queues",         UNSIGNED, AT(queues),         0,              true },
    {"console",        BOOL,     AT(console),        0,              false},
    {"reboots",        BOOL,     AT(reboots),        0,              false},
};

static json_t *row_json(const struct row *row, const struct meta *meta)
{
    const char *at = (const char *)meta + row->at;

    switch (row->kind) {
    case TEXT:
        return json_string(at);
    case UNSIGNED:
        return json_integer(*(const unsigned *)(const void *)at);
    case U64:
        return json_integer((json_int_t) * (const uint64_t *)(const void *)at);
    case PID:
        return json_integer(*(const pid_t *)(const void *)at);
    case PLACES: {
        char text[PLACES_TEXT_MAX];
        places_text((const struct places *)(const void *)at, text);
        return json_string(text);
    }
    case BOOL:
        return json_boolean(*(const bool *)(const void *)at);
    }
    return NULL;
}

static bool row_read(const struct row *row, const json_t *value, struct meta *meta)
{
    char *at = (char *)meta + row->at;
    json_int_t number = json_integer_value(value);
    struct err e;

    switch (row->kind) {
    case TEXT:
        return json_is_string(value) && str_copy(at, row->max, json_string_value(value));
    case UNSIGNED:
        *(unsigned *)(void *)at = (unsigned)number;
        return json_is_integer(value) && number >= 0 && number <= UINT32_MAX;
    case U64:
        *(uint64_t *)(void *)at = (uint64_t)number;
        return json_is_integer(value) && number >= 0;
    case PID:
        *(pid_t *)(void *)at = (pid_t)number;
        return json_is_integer(value) && number > 1 && number <= INT32_MAX;
    case PLACES:
        return json_is_string(value) &&
               places_parse(json_string_value(value), (struct places *)(void *)at, &e) == 0;
    case BOOL:
        *(bool *)(void *)at = json_is_true(value);
        return json_is_boolean(value);
    }
    return false;
}

int meta_write(int dirfd, const struct meta *meta, struct err *e)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_STR struct str text = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_object_set_new(json, rows[i].key, row_json(&rows[i], meta));
    json_add_line(&text, json);
    str_addc(&text, '\n');
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_META ".new",
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_META);
    if (fs_write_all(fd, text.data, text.len, FOLDER_META, e) < 0)
        return -1;
    if (renameat(dirfd, FOLDER_META ".new", dirfd, FOLDER_META) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_META);
    return 0;
}

int meta_read(int dirfd, struct meta *ret, struct err *e)
{
    char text[META_FILE_MAX];
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_META, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? err_set(e, ERR_NO_SUCH_DOMAIN, "this domain is not built yet")
                               : err_errno(e, ERR_FAILED, errno, "cannot open %s", FOLDER_META);
    ssize_t n = fs_read_upto(fd, text, sizeof text, FOLDER_META, e);
    if (n < 0)
        return -1;
    struct err why;
    AUTO_JSON json_t *json = json_parse_object(text, (size_t)n, &why);
    if (!json)
        return err_set(e, ERR_DAMAGED, "cannot use %s: %s", FOLDER_META, why.msg);
    struct meta meta = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const json_t *value = json_object_get(json, rows[i].key);
        if (!(rows[i].may_be_missing && !value) && !row_read(&rows[i], value, &meta))
            return err_set(e, ERR_DAMAGED, "cannot use %s: bad %s", FOLDER_META, rows[i].key);
    }
    *ret = meta;
    return 0;
}
