/* SPDX-License-Identifier: MIT */
#include "base/ident.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/str.h"

static const char name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:+-";

int ident_name_check(const char *name, struct err *e)
{
    size_t len = strlen(name);

    if (len == 0)
        return err_set(e, ERR_BAD_REQUEST, "the domain name is empty");
    if (len > IDENT_NAME_MAX)
        return err_set(e, ERR_BAD_REQUEST,
                       "the domain name is %zu bytes long; at most %d are "
                       "allowed",
                       len, IDENT_NAME_MAX);
    size_t good = strspn(name, name_bytes);
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, name, len);
    if (good < len)
        return err_set(e, ERR_BAD_REQUEST,
                       "%s is not a domain name: byte %zu is not one of "
                       "A-Z a-z 0-9 _ . : + -",
                       shown.data, good + 1);
    if (name[0] == '-')
        return err_set(e, ERR_BAD_REQUEST, "%s is not a domain name: it begins with \"-\"", name);
    if (strspn(name, "0123456789") == len)
        return err_set(e, ERR_BAD_REQUEST,
                       "%s is not a domain name: only digits would read as an "
                       "id",
                       name);
    if (str_starts(name, "id:") || str_starts(name, "job:"))
        return err_set(e, ERR_BAD_REQUEST,
                       "%s is not a domain name: \"id:\" and \"job:\" begin "
                       "something else",
                       name);
    if (ident_uuid_valid(name))
        return err_set(e, ERR_BAD_REQUEST, "%s is not a domain name: it reads as a uuid", name);
    return 0;
}

bool ident_uuid_valid(const char *text)
{
    if (strlen(text) != IDENT_UUID_LEN)
        return false;
    for (int i = 0; i < IDENT_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

void ident_uuid_normal(const char *text, char uuid[IDENT_UUID_LEN + 1])
{
    for (int i = 0; i < IDENT_UUID_LEN; i++)
        uuid[i] = (char)tolower((unsigned char)text[i]);
    uuid[IDENT_UUID_LEN] = '\0';
}

static void draw(uint8_t *bytes, size_t len)
{
    /* Up to 256 bytes come whole once the kernel's generator is seeded; it waits until then. */
    if (getrandom(bytes, len, 0) != (ssize_t)len)
        abort();
}

void ident_uuid_draw(char uuid[IDENT_UUID_LEN + 1])
{
    uint8_t b[16];

    draw(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(uuid, IDENT_UUID_LEN + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void ident_mac_draw(const char *prefix, char mac[IDENT_MAC_LEN + 1])
{
    uint8_t b[3];

    draw(b, sizeof b);
    snprintf(mac, IDENT_MAC_LEN + 1, "%s:%02x:%02x:%02x", prefix, b[0], b[1], b[2]);
}
