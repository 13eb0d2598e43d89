/* SPDX-License-Identifier: MIT */
/* Identity: names, uuids and MAC addresses, checked and drawn. */
#ifndef BASE_IDENT_H
#define BASE_IDENT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

enum { IDENT_NAME_MAX = 128, IDENT_UUID_LEN = 36, IDENT_MAC_LEN = 17 };

/* Checks a domain name by the rules of the manual: 1 to 128 of A-Z a-z 0-9 _ . : + -, not all
 * digits, no leading "-", not uuid-like, not beginning with "id:" or "job:". Sets
 * ERR_BAD_REQUEST with the rule that it breaks. */
int ident_name_check(const char *name, struct err *e) MUST_CHECK;

/* True for 8-4-4-4-12 hexadecimal digits (RFC 4122), in either case. */
bool ident_uuid_valid(const char *text);

/* Writes text in lower case into uuid. text must be valid. */
void ident_uuid_normal(const char *text, char uuid[IDENT_UUID_LEN + 1]);

/* Draws a random uuid (RFC 4122 version 4) from the kernel's generator. */
void ident_uuid_draw(char uuid[IDENT_UUID_LEN + 1]);

/* Draws a MAC address under prefix, three bytes like "52:54:00". */
void ident_mac_draw(const char *prefix, char mac[IDENT_MAC_LEN + 1]);

#endif
