/* SPDX-License-Identifier: MIT */
#include "driver/qemu/place.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void places_text(const struct places *places, char *ret)
{
    size_t len = 0;

    for (int i = 0; i < PLACES_MAX; i++)
        if (places->id[i][0])
            len += (size_t)snprintf(ret + len, PLACES_TEXT_MAX - len, "%s%s:%d", len > 0 ? "," : "",
                                    places->id[i], i);
    if (len == 0)
        str_copy(ret, PLACES_TEXT_MAX, "-");
}

/* One "ID:N" of len characters. */
static bool parse_one(const char *word, size_t len, struct places *ret)
{
    const char *colon = memchr(word, ':', len);
    char *end;

    if (!colon || colon == word || colon - word >= PLACE_ID_MAX ||
        !isdigit((unsigned char)colon[1]))
        return false;
    long at = strtol(colon + 1, &end, 10);
    if (end != word + len || at >= PLACES_MAX || ret->id[at][0])
        return false;
    memcpy(ret->id[at], word, (size_t)(colon - word));
    return true;
}

int places_parse(const char *text, struct places *ret, struct err *e)
{
    struct places places = {0};

    if (!text[0])
        return err_set(e, ERR_DAMAGED, "no places of devices");
    for (const char *at = str_eq(text, "-") ? "" : text; *at;) {
        size_t len = strcspn(at, ",");
        if (!parse_one(at, len, &places))
            return err_set(e, ERR_DAMAGED, "bad places of devices: \"%s\"", text);
        at += len + (at[len] == ',');
    }
    *ret = places;
    return 0;
}

int place_find(const struct places *places, const char *id)
{
    for (int i = 0; i < PLACES_MAX; i++)
        if (str_eq(places->id[i], id))
            return i;
    return -1;
}

int place_take(struct places *places, const struct machine *machine, const char *id, unsigned wish,
               int *ret, struct err *e)
{
    unsigned count = machine->places;
    int place = place_find(places, id);

    for (unsigned i = 0; place < 0 && i < count; i++)
        if (!places->id[(wish + i) % count][0])
            place = (int)((wish + i) % count);
    if (place < 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "the machine %s has no place for one more device than %u", machine->name,
                       count);
    str_copy(places->id[place], PLACE_ID_MAX, id);
    *ret = place;
    return 0;
}

void place_drop(struct places *places, const char *id)
{
    int place = place_find(places, id);

    if (place >= 0)
        memset(places->id[place], 0, PLACE_ID_MAX);
}

unsigned place_wish_nic(const struct machine *machine, size_t i)
{
    return machine->places - 1 - (unsigned)(i % machine->places);
}

void place_nic_id(const char *mac, char ret[PLACE_ID_MAX])
{
    size_t len = strlen("nic-");

    memcpy(ret, "nic-", len);
    for (; *mac && len < PLACE_ID_MAX - 1; mac++)
        if (isxdigit((unsigned char)*mac))
            ret[len++] = (char)tolower((unsigned char)*mac);
    ret[len] = '\0';
}

void place_bus(const struct machine *machine, int place, char *ret_bus, char *ret_addr)
{
    if (machine->root_ports) {
        snprintf(ret_bus, 16, "port%d", place);
        snprintf(ret_addr, 16, "0x0");
    } else {
        snprintf(ret_bus, 16, "pci.0");
        snprintf(ret_addr, 16, "0x%x", machine->first_slot + (unsigned)place);
    }
}
