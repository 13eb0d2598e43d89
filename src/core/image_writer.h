/* SPDX-License-Identifier: MIT */
/* A save image that is being written, for the two files that write it: image_write.c makes the file
 * and gives it its name, image_pack.c fills it. Not for others: they use core/image.h. */
#ifndef CORE_IMAGE_WRITER_H
#define CORE_IMAGE_WRITER_H

#include <pthread.h>
#include <xxhash.h>

#include "core/image_format.h"

enum image_step { IMAGE_OPENED, IMAGE_HAS_HEADER, IMAGE_HAS_STREAM, IMAGE_RENAMED };

struct image_writer {
    enum image_step step;
    char *path;       /* owned; the final name, as given */
    const char *name; /* its last part */
    char *dir;        /* owned */
    char *temporary;  /* owned; whole path */
    int dirfd;
    int fd; /* of the temporary file */
    struct fs_user user;
    uint64_t need_bytes;
    uint64_t plain_offset; /* of the stream where that is no chunks but plain; else 0 */
    int level;
    pthread_mutex_t lock;  /* for what follows, while chunks are put */
    uint64_t offset;       /* bytes in the file */
    uint64_t started_back; /* bytes whose write-back was started */
    uint64_t stream_bytes;
    uint64_t memory_bytes;
    uint64_t done_bytes; /* of stream and memory, for the progress */
    uint32_t chunk_count;
    XXH3_state_t *sum;  /* owned; of the whole */
    struct str entries; /* of the index, encoded */
    json_t *disks;      /* owned; as in the index */
    struct image_memory_file memory_file;
};

/* Puts "cannot save to PATH: " before what *e says; -1. */
int image_writer_failed(const struct image_writer *w, struct err *e);

#endif
