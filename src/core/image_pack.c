/* SPDX-License-Identifier: MIT */
/* The chunks of a save image: each thread takes what comes next of the stream or of the memory,
 * packs it and puts it at the file's end. A stream that is to be plain goes to its place as it is.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/mem.h"
#include "core/image_crew.h"
#include "core/image_writer.h"

enum { WRITE_BACK_BYTES = 8 * 1024 * 1024 };

static const char STREAM_PHASE[] = "the guest's state";

/* What the threads of one section share. */
struct packing {
    struct image_writer *w;
    const struct op *op;
    enum image_section section;
    int fd;
    uint64_t bytes; /* of the memory */
    pthread_mutex_t taking;
    uint64_t next; /* place in the section; under taking */
    bool over;     /* under taking */
};

/* What one thread has. */
struct packer {
    ZSTD_CCtx *zstd;       /* owned */
    unsigned char *raw;    /* owned; room for a frame, then the bytes */
    unsigned char *packed; /* owned; the same */
};

/* A chunk as it is taken; bytes are in packer.raw. */
struct taken {
    uint64_t position;
    size_t at; /* of the bytes, behind the frame */
    size_t len;
};

/* Reads the next part of the stream; len is 0 at its end. Under taking. */
static int take_stream(struct packing *p, unsigned char *bytes, struct taken *ret, struct err *e)
{
    *ret = (struct taken){.position = p->next};
    while (!p->over && ret->len < IMAGE_RAW) {
        if (op_wait(p->op, p->fd, POLLIN, STREAM_PHASE, e) < 0 ||
            image_pace(p->op, STREAM_PHASE, e) < 0)
            return image_writer_failed(p->w, e);
        ssize_t n = read(p->fd, bytes + ret->len, IMAGE_RAW - ret->len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            err_errno(e, ERR_FAILED, errno, "cannot read %s", STREAM_PHASE);
            return image_writer_failed(p->w, e);
        }
        p->over = n == 0;
        ret->len += (size_t)n;
    }
    p->next += ret->len;
    return 0;
}

/* The window of memory in which the next data is; len is 0 at the end. Under taking. */
static int take_window(struct packing *p, struct taken *ret, struct err *e)
{
    off_t data = lseek(p->fd, (off_t)p->next, SEEK_DATA);

    *ret = (struct taken){0};
    if (image_pace(p->op, STREAM_PHASE, e) < 0)
        return image_writer_failed(p->w, e);
    if (data < 0 && errno != ENXIO) /* it cannot tell its holes */
        data = (off_t)p->next;
    if (data < 0 || (uint64_t)data >= p->bytes)
        return 0;
    ret->position = (uint64_t)data / IMAGE_RAW * IMAGE_RAW;
    if (ret->position < p->next)
        ret->position = p->next;
    uint64_t left = p->bytes - ret->position;
    ret->len = left < IMAGE_RAW ? (size_t)left : IMAGE_RAW;
    p->next = ret->position + ret->len;
    return 0;
}

/* Reads the window, and leaves out zero pages at both ends; all of it (len 0) when there is nothing
 * else. */
static int read_window(const struct packing *p, unsigned char *bytes, struct taken *t,
                       struct err *e)
{
    for (size_t have = 0; have < t->len;) {
        ssize_t n = pread(p->fd, bytes + have, t->len - have, (off_t)(t->position + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_errno(e, ERR_FAILED, n < 0 ? errno : EIO, "cannot read the guest's memory");
            return image_writer_failed(p->w, e);
        }
        have += (size_t)n;
    }
    while (t->len > 0 && image_is_zero(bytes + t->len - IMAGE_PAGE, IMAGE_PAGE))
        t->len -= IMAGE_PAGE;
    while (t->len > 0 && image_is_zero(bytes + t->at, IMAGE_PAGE)) {
        t->at += IMAGE_PAGE;
        t->position += IMAGE_PAGE;
        t->len -= IMAGE_PAGE;
    }
    return 0;
}

/* The next chunk into packer->raw: 1, or 0 when there is none, or -1. */
static int take(struct packing *p, struct packer *packer, struct taken *ret, struct err *e)
{
    unsigned char *bytes = packer->raw + IMAGE_FRAME_LEN;

    do {
        pthread_mutex_lock(&p->taking);
        int result =
            p->section == IMAGE_STREAM ? take_stream(p, bytes, ret, e) : take_window(p, ret, e);
        pthread_mutex_unlock(&p->taking);
        if (result < 0)
            return -1;
        if (ret->len == 0)
            return 0;
        if (p->section == IMAGE_MEMORY && read_window(p, bytes, ret, e) < 0)
            return -1;
    } while (ret->len == 0);
    return 1;
}

/* The payload with room for its frame before it; *ret_kind and *ret_len say what it is. What zstd
 * does not make smaller by a 32nd stays as it is: loading it costs nothing then. */
static unsigned char *pack(const struct image_writer *w, const struct packer *packer,
                           const struct taken *t, const char **ret_kind, size_t *ret_len)
{
    unsigned char *raw = packer->raw + t->at;

    *ret_kind = IMAGE_KIND_PLAIN;
    *ret_len = t->len;
    if (w->level == IMAGE_LEVEL_PLAIN)
        return raw;
    size_t n = ZSTD_compress2(packer->zstd, packer->packed + IMAGE_FRAME_LEN, t->len - t->len / 32,
                              raw + IMAGE_FRAME_LEN, t->len);
    if (ZSTD_isError(n) || n >= t->len)
        return raw;
    *ret_kind = IMAGE_KIND_ZSTD;
    *ret_len = n;
    return packer->packed;
}

/* Started early, so that the last fsync, for which the guest waits, has little left: of 512 MiB it
 * then takes milliseconds, and the whole about two thirds of the time. */
static void write_back(const struct image_writer *w, uint64_t from, uint64_t to)
{
    if (to > from)
        sync_file_range(w->fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
}

/* op: NULL, or who hears of the progress. */
static int put(struct image_writer *w, enum image_section section, const struct packer *packer,
               const struct taken *t, const struct op *op, struct err *e)
{
    unsigned char entry[IMAGE_ENTRY_LEN];
    const char *kind;
    size_t len;
    unsigned char *chunk = pack(w, packer, t, &kind, &len);
    struct image_frame frame = {.stored = (uint32_t)len,
                                .raw = (uint32_t)t->len,
                                .sum = XXH3_64bits(chunk + IMAGE_FRAME_LEN, len)};
    struct image_entry row = {.position = t->position,
                              .sum = frame.sum,
                              .stored = frame.stored,
                              .raw = frame.raw,
                              .section = section};

    memcpy(frame.kind, kind, IMAGE_KIND_LEN);
    memcpy(row.kind, kind, IMAGE_KIND_LEN);
    image_entry_put(entry, &row);
    pthread_mutex_lock(&w->lock);
    bool full = w->chunk_count == IMAGE_CHUNKS_MAX;
    uint64_t offset = w->offset, back_from = w->started_back, back_to = back_from;
    if (!full) {
        frame.number = w->chunk_count++;
        w->offset += IMAGE_FRAME_LEN + len;
        str_addn(&w->entries, entry, sizeof entry);
        w->done_bytes += t->len;
        if (section == IMAGE_STREAM)
            w->stream_bytes += t->len;
        uint64_t total = w->need_bytes > w->done_bytes ? w->need_bytes : w->done_bytes;
        if (op)
            op_progress(op, w->done_bytes, w->need_bytes ? total : 0);
        if (offset - back_from >= WRITE_BACK_BYTES)
            w->started_back = back_to = offset;
    }
    pthread_mutex_unlock(&w->lock);
    if (full)
        return err_set(e, ERR_TOO_LARGE, "cannot save to %s: an image holds at most %ju GiB",
                       w->path, (uintmax_t)IMAGE_CHUNKS_MAX * IMAGE_RAW >> 30);
    image_frame_put(chunk, &frame);
    if (fs_write_at(w->fd, chunk, IMAGE_FRAME_LEN + len, offset, w->temporary, e) < 0)
        return image_writer_failed(w, e);
    write_back(w, back_from, back_to);
    return 0;
}

static struct packer packer_new(const struct image_writer *w, size_t raw)
{
    struct packer packer = {.zstd = ZSTD_createCCtx(),
                            .raw = x_malloc(IMAGE_FRAME_LEN + raw),
                            .packed = x_malloc(IMAGE_FRAME_LEN + raw)};

    if (!packer.zstd)
        abort();
    ZSTD_CCtx_setParameter(packer.zstd, ZSTD_c_compressionLevel, w->level);
    return packer;
}

static void packer_free(struct packer *packer)
{
    ZSTD_freeCCtx(packer->zstd);
    free(packer->raw);
    free(packer->packed);
}

static void pack_chunks(void *arg, struct image_crew *crew)
{
    struct packing *p = arg;
    struct packer packer = packer_new(p->w, IMAGE_RAW);
    struct taken t;
    struct err e;
    int result = 1;

    while (result > 0 && !atomic_load(&crew->failed)) {
        result = take(p, &packer, &t, &e);
        if (result > 0 && put(p->w, p->section, &packer, &t, p->op, &e) < 0)
            result = -1;
    }
    if (result < 0)
        image_crew_fail(crew, &e);
    packer_free(&packer);
}

/* One part of a stream that is not in chunks, to its place. */
static int put_part(struct image_writer *w, uint64_t position, const void *bytes, size_t len,
                    struct err *e)
{
    if (fs_write_at(w->fd, bytes, len, w->plain_offset + position, w->temporary, e) < 0)
        return image_writer_failed(w, e);
    write_back(w, w->plain_offset + position, w->plain_offset + position + len);
    pthread_mutex_lock(&w->lock);
    if (position + len > w->stream_bytes)
        w->stream_bytes = position + len;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

int image_writer_chunk(struct image_writer *w, bool memory, uint64_t position, const void *bytes,
                       size_t len, struct err *e)
{
    if (w->plain_offset > 0)
        return put_part(w, position, bytes, len, e);
    struct packer packer = packer_new(w, len);
    const struct taken t = {.position = position, .len = len};

    memcpy(packer.raw + IMAGE_FRAME_LEN, bytes, len);
    int result = put(w, memory ? IMAGE_MEMORY : IMAGE_STREAM, &packer, &t, NULL, e);
    packer_free(&packer);
    return result;
}

void image_writer_chunks_end(struct image_writer *w, uint64_t memory_bytes)
{
    assert(w->step == IMAGE_HAS_HEADER);
    w->memory_bytes = memory_bytes;
    if (w->plain_offset > 0)
        w->offset = w->plain_offset + w->stream_bytes;
    w->step = IMAGE_HAS_STREAM;
}

static int pack_section(struct packing *p, struct err *e)
{
    pthread_mutex_init(&p->taking, NULL);
    int result = image_crew_run(pack_chunks, p, UINT64_MAX, e);
    pthread_mutex_destroy(&p->taking);
    return result;
}

/* A stream that is not put into chunks. */
static int copy_stream(struct packing *p, struct err *e)
{
    AUTO_FREE unsigned char *part = x_malloc(IMAGE_RAW);
    struct image_writer *w = p->w;
    struct taken t;

    do {
        if (take_stream(p, part, &t, e) < 0 || put_part(w, t.position, part, t.len, e) < 0)
            return -1;
        uint64_t total = w->need_bytes > w->stream_bytes ? w->need_bytes : w->stream_bytes;
        op_progress(p->op, w->stream_bytes, w->need_bytes ? total : 0);
    } while (t.len > 0);
    image_writer_chunks_end(w, 0);
    return 0;
}

int image_writer_stream(struct image_writer *w, int stream_fd, const struct op *op, struct err *e)
{
    struct packing p = {.w = w, .op = op, .section = IMAGE_STREAM, .fd = stream_fd};

    assert(w->step == IMAGE_HAS_HEADER);
    if (w->plain_offset > 0)
        return copy_stream(&p, e);
    if (pack_section(&p, e) < 0)
        return -1;
    w->step = IMAGE_HAS_STREAM;
    return 0;
}

int image_writer_memory(struct image_writer *w, int fd, uint64_t bytes, const struct op *op,
                        struct err *e)
{
    struct packing p = {.w = w, .op = op, .section = IMAGE_MEMORY, .fd = fd, .bytes = bytes};

    assert((w->step == IMAGE_HAS_HEADER || w->step == IMAGE_HAS_STREAM) && w->memory_bytes == 0 &&
           bytes % IMAGE_PAGE == 0);
    w->memory_bytes = bytes;
    return pack_section(&p, e);
}
