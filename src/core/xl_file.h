/* SPDX-License-Identifier: MIT */
/* The bytes of xl's save files: a header with the domain's config, then libxl's migration stream,
 * version 2, with libxc's in it. Facts from Xen's tools/xl/xl.h ("struct save_file_header"),
 * docs/specs/libxl-migration-stream.pandoc and docs/specs/libxc-migration-stream.pandoc. Such a
 * file has no checksums and no length of the whole; that it is not cut is known from its records,
 * of which each gives its length and the last is an end mark. Blocks on the disk. */
#ifndef CORE_XL_FILE_H
#define CORE_XL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { XL_FILE_MAGIC_LEN = 32 };

/* What the stream can be loaded into. */
enum xl_guest {
    XL_GUEST_PV,
    XL_GUEST_PV32, /* PV, 32 bits wide */
    XL_GUEST_HVM,  /* PVH too */
};

struct xl_file {
    char *config;      /* owned; ended by NUL */
    size_t config_len; /* without that */
    bool json;         /* config is libxl's JSON; else text of xl.cfg(5) */
    enum xl_guest guest;
    unsigned xen_major, xen_minor; /* on which it was saved; major 0: it was converted */
    uint64_t stream_offset, stream_bytes;
};

/* Whether a file that begins so is one. */
bool xl_file_is(const void *bytes, size_t len);

/* Reads and checks what a file of `size` bytes has before its stream, and walks through the stream
 * from record to record up to its end mark. What follows that is not looked at: xl does not
 * either. Sets ERR_DAMAGED (says in what way, beginning with "it"), ERR_UNSUPPORTED (older or
 * newer than this, of another machine, by Remus; likewise), ERR_FAILED. *ret is the caller's to
 * finish when 0 is returned. */
int xl_file_read(int fd, uint64_t size, struct xl_file *ret, struct err *e) MUST_CHECK;
void xl_file_finish(struct xl_file *f);

/* Adds what stands before the stream, with a config in libxl's JSON. ERR_TOO_LARGE. */
int xl_file_head(const char *json, struct str *to, struct err *e) MUST_CHECK;

#endif
