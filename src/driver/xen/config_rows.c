/* SPDX-License-Identifier: MIT */
#include "driver/xen/config_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { KIB_PER_MIB = 1024 };

unsigned rows_on(libxl_domain_type type)
{
    return type == LIBXL_DOMAIN_TYPE_HVM ? ON_HVM : type == LIBXL_DOMAIN_TYPE_PVH ? ON_PVH : ON_PV;
}

char *config_path(const char *directory, const char *path)
{
    if (!path || !directory || path[0] == '/')
        return x_strdup(path);
    return x_asprintf("%s/%s", directory, path);
}

/* libxl ends its lists with NULL. */
static void apply_strings(const struct conf_strings *ours, libxl_string_list *theirs)
{
    if (ours->count == 0)
        return;
    *theirs = x_calloc(ours->count + 1, sizeof **theirs);
    for (size_t i = 0; i < ours->count; i++)
        (*theirs)[i] = x_strdup(ours->items[i]);
}

static void apply_word(const struct row *row, const void *ours, void *theirs)
{
    int word;

    memcpy(&word, ours, sizeof word);
    for (size_t i = 0; i < row->word_count; i++)
        if (row->words[i].ours == word)
            memcpy(theirs, &row->words[i].theirs, sizeof word);
}

static void apply_number(const struct row *row, const struct conf_number *ours, void *theirs)
{
    int as_int = (int)ours->value;
    uint32_t as_u32 = (uint32_t)ours->value;
    uint8_t as_u8 = (uint8_t)ours->value;
    uint64_t kib = (uint64_t)ours->value * KIB_PER_MIB;

    if (!ours->given)
        return;
    if (row->kind == ROW_INT)
        memcpy(theirs, &as_int, sizeof as_int);
    else if (row->kind == ROW_U32)
        memcpy(theirs, &as_u32, sizeof as_u32);
    else if (row->kind == ROW_U8)
        memcpy(theirs, &as_u8, sizeof as_u8);
    else
        memcpy(theirs, &kib, sizeof kib);
}

static void apply(const struct row *row, const void *ours, void *theirs, const char *directory)
{
    const enum conf_flag *flag = ours;
    char *const *text = ours;

    switch (row->kind) {
    case ROW_FLAG:
        if (*flag != CONF_FLAG_UNSET)
            libxl_defbool_set(theirs, *flag == CONF_FLAG_ON);
        break;
    case ROW_BOOL:
        if (*flag != CONF_FLAG_UNSET)
            *(bool *)theirs = *flag == CONF_FLAG_ON;
        break;
    case ROW_STRING:
    case ROW_PATH:
        if (*text)
            x_replace(theirs, config_path(row->kind == ROW_PATH ? directory : NULL, *text));
        break;
    case ROW_STRINGS:
        apply_strings(ours, theirs);
        break;
    case ROW_INT:
    case ROW_U32:
    case ROW_U8:
    case ROW_KIB:
        apply_number(row, ours, theirs);
        break;
    case ROW_WORD:
        apply_word(row, ours, theirs);
        break;
    }
}

void rows_apply(const struct row *rows, unsigned on, const void *ours, void *theirs,
                const char *directory)
{
    for (; rows->key; rows++)
        if (rows->on & on)
            apply(rows, (const char *)ours + rows->from, (char *)theirs + rows->to, directory);
}

/* ---- and back ---- */

static void read_number(const struct row *row, const void *theirs, const void *blank,
                        struct conf_number *ours)
{
    size_t size = row->kind == ROW_KIB  ? sizeof(uint64_t)
                  : row->kind == ROW_U8 ? sizeof(uint8_t)
                                        : sizeof(uint32_t);

    if (memcmp(theirs, blank, size) == 0)
        return;
    ours->given = true;
    if (row->kind == ROW_INT)
        ours->value = *(const int *)theirs;
    else if (row->kind == ROW_U32)
        ours->value = *(const uint32_t *)theirs;
    else if (row->kind == ROW_U8)
        ours->value = *(const uint8_t *)theirs;
    else
        ours->value = (int64_t)((*(const uint64_t *)theirs + KIB_PER_MIB - 1) / KIB_PER_MIB);
}

/* The first of several words of ours that mean the same is taken. */
static void read_word(const struct row *row, const void *theirs, const void *blank, void *ours)
{
    int word;

    memcpy(&word, theirs, sizeof word);
    if (memcmp(theirs, blank, sizeof word) == 0)
        return;
    for (size_t i = 0; i < row->word_count; i++)
        if (row->words[i].theirs == word) {
            memcpy(ours, &row->words[i].ours, sizeof word);
            return;
        }
}

static enum conf_flag flag_of(bool on)
{
    return on ? CONF_FLAG_ON : CONF_FLAG_OFF;
}

static void read_strings(const libxl_string_list *theirs, struct conf_strings *ours)
{
    size_t count = 0;

    while (*theirs && (*theirs)[count])
        count++;
    if (count == 0)
        return;
    ours->items = x_calloc(count, sizeof *ours->items);
    for (size_t i = 0; i < count; i++)
        ours->items[i] = x_strdup((*theirs)[i]);
    ours->count = count;
}

static void read_row(const struct row *row, const void *theirs, const void *blank, void *ours)
{
    const libxl_defbool *flag = theirs;
    enum conf_flag *to = ours;

    switch (row->kind) {
    case ROW_FLAG:
        if (!libxl_defbool_is_default(*flag))
            *to = flag_of(libxl_defbool_val(*flag));
        break;
    case ROW_BOOL:
        if (*(const bool *)theirs != *(const bool *)blank)
            *to = flag_of(*(const bool *)theirs);
        break;
    case ROW_STRING:
    case ROW_PATH:
        x_replace(ours, x_strdup(*(char *const *)theirs));
        break;
    case ROW_STRINGS:
        read_strings(theirs, ours);
        break;
    case ROW_INT:
    case ROW_U32:
    case ROW_U8:
    case ROW_KIB:
        read_number(row, theirs, blank, ours);
        break;
    case ROW_WORD:
        read_word(row, theirs, blank, ours);
        break;
    }
}

void rows_read(const struct row *rows, unsigned on, const void *theirs, const void *blank,
               void *ours)
{
    for (; rows->key; rows++)
        if (rows->on & on)
            read_row(rows, (const char *)theirs + rows->to, (const char *)blank + rows->to,
                     (char *)ours + rows->from);
}
