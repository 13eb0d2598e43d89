/* SPDX-License-Identifier: MIT */
/* Save files of xl made byte by byte, as Xen's documents say; for the tests and the fuzzer's seeds.
 */
#ifndef TESTS_XL_FIXTURE_H
#define TESTS_XL_FIXTURE_H

#include <endian.h>
#include <string.h>

#include "base/str.h"
#include "core/xl_file.h"

enum { XL_PV = 1, XL_HVM = 2 };

static const char xl_json[] =
    "{\"c_info\":{\"type\":\"pv\",\"name\":\"web1\",\"uuid\":\"0a1b2c3d-1111-4222-8333-"
    "444455556666\"},\"b_info\":{\"max_memkb\":131072,\"target_memkb\":98304}}";

static inline void xl_add32(struct str *to, uint32_t value)
{
    uint32_t little = htole32(value);

    str_addn(to, &little, sizeof little);
}

static inline void xl_add32_big(struct str *to, uint32_t value)
{
    uint32_t big = htobe32(value);

    str_addn(to, &big, sizeof big);
}

/* A record of either format whose body is `len` bytes of `fill`. */
static inline void xl_add_record(struct str *to, uint32_t type, uint32_t len, char fill)
{
    xl_add32(to, type);
    xl_add32(to, len);
    for (uint32_t i = 0; i < (len + 7) / 8 * 8; i++)
        str_addc(to, i < len ? fill : '\0');
}

/* The stream: libxl's header, libxc's two and some of its records, libxl's rest. width: of a PV
 * guest, in bytes. */
static inline void xl_add_stream(struct str *to, uint32_t type, char width)
{
    str_addn(to, "LibxlFmt", 8);
    xl_add32_big(to, 2);
    xl_add32_big(to, 0);
    xl_add_record(to, 1, 0, 0);
    for (int i = 0; i < 8; i++)
        str_addc(to, '\xff');
    str_addn(to, "XENF", 4);
    xl_add32_big(to, 3);
    xl_add32(to, 0);
    xl_add32(to, 0);
    xl_add32(to, type);
    xl_add32(to, 12);
    xl_add32(to, 4);
    xl_add32(to, 17);
    xl_add_record(to, 0x10, 0, 0);
    if (type == XL_PV)
        xl_add_record(to, 2, 8, width);
    xl_add_record(to, 1, 8 + 8 + 4096, 'm');
    xl_add_record(to, 8, 21, 't');
    xl_add_record(to, 0, 0, 0);
    xl_add_record(to, 0x80000001, 5, 'o');
    xl_add_record(to, 2, 13, 'e');
    xl_add_record(to, 0, 0, 0);
}

#endif
