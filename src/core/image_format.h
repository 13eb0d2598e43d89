/* SPDX-License-Identifier: MIT */
/* The bytes of a save image (docs/image-format.md), shared by its writer and its reader. Not for
 * others: they use core/image.h. */
#ifndef CORE_IMAGE_FORMAT_H
#define CORE_IMAGE_FORMAT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "core/image.h"

#define IMAGE_MAGIC "\x89reeve\r\n"
#define IMAGE_END_MARK "reeveEND"
#define IMAGE_KIND_PLAIN "data"
#define IMAGE_KIND_ZSTD "zstd"
#define IMAGE_KIND_INDEX "indx"

enum {
    IMAGE_VERSION = 2,
    IMAGE_MARK_LEN = 8, /* of magic and end mark */
    IMAGE_KIND_LEN = 4,
    IMAGE_PREAMBLE_LEN = 24, /* magic, version, length and checksum of the header */
    IMAGE_FRAME_LEN = 24,    /* before each chunk, and before the index */
    IMAGE_ENTRY_LEN = 32,    /* of the index, one a chunk */
    IMAGE_TRAILER_LEN = 48,
    IMAGE_TRAILER_SUMMED = 32, /* how much of it is under the checksum of the whole */
    IMAGE_HEADER_MAX = 4 * 1024 * 1024,
    IMAGE_DISKS_MAX = 4 * 1024 * 1024,
    IMAGE_RAW_MAX = 1024 * 1024, /* bytes that a chunk stands for: what a reader must take */
    IMAGE_RAW = 256 * 1024,      /* what the writer makes */
    IMAGE_PAGE = 4096,           /* places and lengths in memory are multiples of it */
    IMAGE_CHUNKS_MAX = 8 * 1024 * 1024,
    IMAGE_LEVEL_PLAIN = 0, /* nothing is compressed */
};

/* What a chunk is a part of. */
enum image_section {
    IMAGE_STREAM, /* the driver's stream, without gaps */
    IMAGE_MEMORY, /* the guest's memory where it is kept apart; what no chunk names is zero */
    IMAGE_SECTIONS,
};

/* What stands before a chunk; number counts them in the order of the file. For the index: stored
 * is the length of its JSON, raw the number of its entries, number 0. */
struct image_frame {
    char kind[IMAGE_KIND_LEN];
    uint32_t stored;
    uint32_t raw;
    uint32_t number;
    uint64_t sum;
};

/* A row of the index; the rows are in the order of the file. */
struct image_entry {
    uint64_t position; /* of its bytes in the section */
    uint64_t sum;      /* of the payload */
    char kind[IMAGE_KIND_LEN];
    uint32_t stored; /* length of the payload */
    uint32_t raw;    /* how many bytes it stands for */
    uint32_t section;
};

static inline unsigned char *image_put32(unsigned char *at, uint32_t value)
{
    uint32_t little = htole32(value);

    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static inline unsigned char *image_put64(unsigned char *at, uint64_t value)
{
    uint64_t little = htole64(value);

    memcpy(at, &little, sizeof little);
    return at + sizeof little;
}

static inline uint32_t image_get32(const unsigned char *at)
{
    uint32_t little;

    memcpy(&little, at, sizeof little);
    return le32toh(little);
}

static inline uint64_t image_get64(const unsigned char *at)
{
    uint64_t little;

    memcpy(&little, at, sizeof little);
    return le64toh(little);
}

static inline void image_frame_put(unsigned char bytes[IMAGE_FRAME_LEN],
                                   const struct image_frame *f)
{
    memcpy(bytes, f->kind, IMAGE_KIND_LEN);
    image_put32(bytes + 4, f->stored);
    image_put32(bytes + 8, f->raw);
    image_put32(bytes + 12, f->number);
    image_put64(bytes + 16, f->sum);
}

static inline struct image_frame image_frame_get(const unsigned char bytes[IMAGE_FRAME_LEN])
{
    struct image_frame f = {.stored = image_get32(bytes + 4),
                            .raw = image_get32(bytes + 8),
                            .number = image_get32(bytes + 12),
                            .sum = image_get64(bytes + 16)};

    memcpy(f.kind, bytes, IMAGE_KIND_LEN);
    return f;
}

static inline void image_entry_put(unsigned char bytes[IMAGE_ENTRY_LEN],
                                   const struct image_entry *row)
{
    image_put64(bytes, row->position);
    image_put64(bytes + 8, row->sum);
    memcpy(bytes + 16, row->kind, IMAGE_KIND_LEN);
    image_put32(bytes + 20, row->stored);
    image_put32(bytes + 24, row->raw);
    image_put32(bytes + 28, row->section);
}

static inline struct image_entry image_entry_get(const unsigned char bytes[IMAGE_ENTRY_LEN])
{
    struct image_entry row = {.position = image_get64(bytes),
                              .sum = image_get64(bytes + 8),
                              .stored = image_get32(bytes + 20),
                              .raw = image_get32(bytes + 24),
                              .section = image_get32(bytes + 28)};

    memcpy(row.kind, bytes + 16, IMAGE_KIND_LEN);
    return row;
}

/* image_header.c: the two JSON parts. Encoding adds to *to; ERR_FAILED for a string that is not
 * UTF-8, ERR_TOO_LARGE past the limit. Decoding fills *h (not its disks) or the array, owned by
 * the caller; ERR_DAMAGED says what is wrong and nothing is left. */
int image_header_encode(const struct image_header *h, struct str *to, struct err *e) MUST_CHECK;
int image_header_decode(const char *text, size_t len, struct image_header *h,
                        struct err *e) MUST_CHECK;
/* The disks as they stand in the index; a new reference, or NULL. */
json_t *image_disks_json(const struct image_disk *disks, size_t count, struct err *e);
int image_index_encode(json_t *disks, const struct image_memory_file *file, struct str *to,
                       struct err *e) MUST_CHECK;
/* Fills h's disks and memory_file. */
int image_index_decode(const char *text, size_t len, struct image_header *h,
                       struct err *e) MUST_CHECK;

/* image_disk.c: "a folder", "a FIFO", ... for messages. */
const char *image_kind_of_file(unsigned mode);
/* Adds the first difference between a disk at the save and now; nothing when there is none.
 * same_boot: the host has not booted since, so that counters of written sectors go on. */
void image_disk_difference(struct str *to, const struct image_disk *was,
                           const struct image_disk *is, bool same_boot);

/* All of len bytes are zero. */
static inline bool image_is_zero(const unsigned char *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* image_xl.c: fills h from a save file of xl, and says where its stream is. Errors as of
 * xl_file_read, with path in them, and ERR_BAD_CONFIG. */
int image_xl_read(int fd, const char *path, struct image_header *h, uint64_t *ret_offset,
                  uint64_t *ret_bytes, struct err *e) MUST_CHECK;

/* image_read.c: for image_xl.c. */
struct image_header *image_reader_own_header(struct image_reader *r);
const char *image_reader_path(const struct image_reader *r);

/* image_write.c: -1 once op is cancelled or past its deadline, also where there is nothing to
 * wait for. */
int image_pace(const struct op *op, const char *phase, struct err *e) MUST_CHECK;

#endif
