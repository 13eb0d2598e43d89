/* SPDX-License-Identifier: MIT */
/* Reading a save image. Every length is compared with its limit and with the file before it is
 * used; nothing is handed on before its checksum was compared. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/mem.h"
#include "core/image_crew.h"
#include "core/image_format.h"
#include "core/xl_file.h"

struct image_reader {
    char *path; /* owned */
    int fd;
    uint64_t size;
    uint64_t plain_offset;  /* of the stream where that is no chunks but plain (xl); else 0 */
    uint64_t chunks_offset; /* where the first chunk begins */
    uint64_t index_offset;
    uint64_t stream_bytes;
    uint64_t memory_bytes;
    uint32_t chunk_count;
    uint64_t *places; /* owned; of each chunk's frame in the file */
    uint32_t *order;  /* owned; numbers of the chunks: those of the stream in its order, then those
                         of the memory */
    uint32_t stream_chunks;
    unsigned char *index; /* owned; the whole index */
    size_t index_len;
    size_t disks_len;             /* of the JSON in it, after its frame */
    const unsigned char *entries; /* in index */
    struct image_header header;
};

static int damaged(const struct image_reader *r, struct err *e)
{
    err_wrap(e, "image %s is damaged", r->path);
    return -1;
}

static int read_at(const struct image_reader *r, uint64_t offset, void *buf, size_t len,
                   struct err *e)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = pread(r->fd, (char *)buf + have, len - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot read %s", r->path);
        if (n == 0) {
            err_set(e, ERR_DAMAGED, "it ends at byte %ju", (uintmax_t)(offset + have));
            return damaged(r, e);
        }
        have += (size_t)n;
    }
    return 0;
}

static int open_file(struct image_reader *r, struct err *e)
{
    struct stat st;

    /* O_NONBLOCK: a FIFO without a writer must not hold us; it is refused below. */
    r->fd = open(r->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (r->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, ERR_NO_SUCH_IMAGE, "there is no image %s", r->path);
    if (r->fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open the image %s", r->path);
    if (fstat(r->fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot stat %s", r->path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FAILED, "cannot read the image %s: it is %s, not a file", r->path,
                       image_kind_of_file(st.st_mode));
    r->size = (uint64_t)st.st_size;
    return 0;
}

/* Reads the preamble and where it says that the header ends; nothing of it is trusted yet. */
static int read_preamble(struct image_reader *r, unsigned char *preamble, struct err *e)
{
    if (r->size >= IMAGE_MARK_LEN && read_at(r, 0, preamble, IMAGE_MARK_LEN, e) < 0)
        return -1;
    if (r->size < IMAGE_MARK_LEN || memcmp(preamble, IMAGE_MAGIC, IMAGE_MARK_LEN) != 0)
        return err_set(e, ERR_DAMAGED,
                       "%s is not a save image of reeve, or its beginning is "
                       "damaged",
                       r->path);
    if (r->size < IMAGE_PREAMBLE_LEN + IMAGE_FRAME_LEN + IMAGE_TRAILER_LEN) {
        err_set(e, ERR_DAMAGED, "it has only %ju bytes: it was cut", (uintmax_t)r->size);
        return damaged(r, e);
    }
    if (read_at(r, 0, preamble, IMAGE_PREAMBLE_LEN, e) < 0)
        return -1;
    uint32_t version = image_get32(preamble + 8);
    if (version != IMAGE_VERSION)
        return err_set(e, ERR_UNSUPPORTED,
                       "image %s has format version %u; this reeve reads "
                       "version %d",
                       r->path, version, IMAGE_VERSION);
    uint32_t header_len = image_get32(preamble + 12);
    if (header_len > IMAGE_HEADER_MAX) {
        err_set(e, ERR_DAMAGED, "its header would have %u bytes", header_len);
        return damaged(r, e);
    }
    r->chunks_offset = IMAGE_PREAMBLE_LEN + header_len;
    return 0;
}

static int read_trailer(struct image_reader *r, unsigned char *trailer, struct err *e)
{
    uint64_t trailer_offset = r->size - IMAGE_TRAILER_LEN;

    if (read_at(r, trailer_offset, trailer, IMAGE_TRAILER_LEN, e) < 0)
        return -1;
    if (memcmp(trailer + IMAGE_TRAILER_LEN - IMAGE_MARK_LEN, IMAGE_END_MARK, IMAGE_MARK_LEN) != 0) {
        err_set(e, ERR_DAMAGED, "it has no end mark: it was cut, or never finished");
        return damaged(r, e);
    }
    uint64_t total = image_get64(trailer);
    if (total != r->size) {
        err_set(e, ERR_DAMAGED, "it has %ju bytes where its trailer says %ju", (uintmax_t)r->size,
                (uintmax_t)total);
        return damaged(r, e);
    }
    r->index_offset = image_get64(trailer + 8);
    r->stream_bytes = image_get64(trailer + 16);
    r->memory_bytes = image_get64(trailer + 24);
    if (r->index_offset < r->chunks_offset || r->index_offset > trailer_offset - IMAGE_FRAME_LEN) {
        err_set(e, ERR_DAMAGED, "its trailer names a wrong place of the index");
        return damaged(r, e);
    }
    return 0;
}

static int read_index(struct image_reader *r, struct err *e)
{
    unsigned char head_bytes[IMAGE_FRAME_LEN];
    uint64_t len = r->size - IMAGE_TRAILER_LEN - r->index_offset;

    if (read_at(r, r->index_offset, head_bytes, sizeof head_bytes, e) < 0)
        return -1;
    struct image_frame head = image_frame_get(head_bytes);
    if (memcmp(head.kind, IMAGE_KIND_INDEX, IMAGE_KIND_LEN) != 0 || head.number != 0 ||
        head.stored > IMAGE_DISKS_MAX || head.raw > IMAGE_CHUNKS_MAX ||
        len != IMAGE_FRAME_LEN + (uint64_t)head.stored + (uint64_t)head.raw * IMAGE_ENTRY_LEN) {
        err_set(e, ERR_DAMAGED, "its index does not fit its place");
        return damaged(r, e);
    }
    r->index = x_malloc((size_t)len);
    if (read_at(r, r->index_offset, r->index, (size_t)len, e) < 0)
        return -1;
    if (memcmp(r->index, head_bytes, sizeof head_bytes) != 0 ||
        XXH3_64bits(r->index + IMAGE_FRAME_LEN, (size_t)len - IMAGE_FRAME_LEN) != head.sum) {
        err_set(e, ERR_DAMAGED, "the checksum of its index is wrong");
        return damaged(r, e);
    }
    r->index_len = (size_t)len;
    r->disks_len = head.stored;
    r->chunk_count = head.raw;
    r->entries = r->index + IMAGE_FRAME_LEN + head.stored;
    return 0;
}

static struct image_entry entry_at(const struct image_reader *r, uint32_t number)
{
    return image_entry_get(r->entries + (size_t)number * IMAGE_ENTRY_LEN);
}

/* What a row may say of itself; the file's end of chunks bounds what it says of the file. */
static bool entry_fits(const struct image_reader *r, const struct image_entry *row, uint64_t offset)
{
    bool plain = memcmp(row->kind, IMAGE_KIND_PLAIN, IMAGE_KIND_LEN) == 0;
    bool memory = row->section == IMAGE_MEMORY;
    uint64_t whole = memory ? r->memory_bytes : r->stream_bytes;

    if (row->section >= IMAGE_SECTIONS || row->raw == 0 || row->raw > IMAGE_RAW_MAX ||
        row->stored == 0 || (plain ? row->stored != row->raw : row->stored >= row->raw) ||
        row->stored + IMAGE_FRAME_LEN > r->index_offset - offset)
        return false;
    if (memory && (row->position % IMAGE_PAGE != 0 || row->raw % IMAGE_PAGE != 0))
        return false;
    return row->raw <= whole && row->position <= whole - row->raw;
}

static int by_place_in_section(const void *a, const void *b, void *arg)
{
    const struct image_reader *r = arg;
    struct image_entry x = entry_at(r, *(const uint32_t *)a), y = entry_at(r, *(const uint32_t *)b);

    if (x.section != y.section)
        return x.section < y.section ? -1 : 1;
    return x.position < y.position ? -1 : x.position > y.position;
}

/* In its section each byte has at most one chunk, in the stream exactly one. */
static bool sections_fit(struct image_reader *r)
{
    uint64_t end[IMAGE_SECTIONS] = {0};

    qsort_r(r->order, r->chunk_count, sizeof *r->order, by_place_in_section, r);
    for (uint32_t i = 0; i < r->chunk_count; i++) {
        struct image_entry row = entry_at(r, r->order[i]);
        bool stream = row.section == IMAGE_STREAM;
        if (row.position < end[row.section] || (stream && row.position != end[row.section]))
            return false;
        end[row.section] = row.position + row.raw;
        r->stream_chunks += stream;
    }
    return end[IMAGE_STREAM] == r->stream_bytes;
}

/* The chunks must fill the place between header and index without gap or overlap. */
static int check_entries(struct image_reader *r, struct err *e)
{
    uint64_t offset = r->chunks_offset;

    r->places = x_reallocarray(NULL, r->chunk_count + 1, sizeof *r->places);
    r->order = x_reallocarray(NULL, r->chunk_count + 1, sizeof *r->order);
    for (uint32_t i = 0; i < r->chunk_count; i++) {
        struct image_entry row = entry_at(r, i);
        if (memcmp(row.kind, IMAGE_KIND_PLAIN, IMAGE_KIND_LEN) != 0 &&
            memcmp(row.kind, IMAGE_KIND_ZSTD, IMAGE_KIND_LEN) != 0) {
            AUTO_STR struct str kind = {0};
            str_add_escaped(&kind, row.kind, IMAGE_KIND_LEN);
            return err_set(e, ERR_UNSUPPORTED,
                           "image %s has chunks of the kind \"%s\", which "
                           "this reeve cannot read",
                           r->path, kind.data);
        }
        if (!entry_fits(r, &row, offset)) {
            err_set(e, ERR_DAMAGED, "its index is wrong at chunk %u", i);
            return damaged(r, e);
        }
        r->places[i] = offset;
        r->order[i] = i;
        offset += IMAGE_FRAME_LEN + row.stored;
    }
    if (offset != r->index_offset || r->memory_bytes % IMAGE_PAGE != 0 || !sections_fit(r)) {
        err_set(e, ERR_DAMAGED, "its index does not list all of its chunks");
        return damaged(r, e);
    }
    return 0;
}

static uint64_t sum_whole(const struct image_reader *r, const unsigned char *preamble,
                          const char *header, const unsigned char *trailer)
{
    XXH3_state_t *state = XXH3_createState();

    if (!state)
        abort();
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, preamble, IMAGE_PREAMBLE_LEN);
    XXH3_64bits_update(state, header, (size_t)(r->chunks_offset - IMAGE_PREAMBLE_LEN));
    XXH3_64bits_update(state, r->index, r->index_len);
    XXH3_64bits_update(state, trailer, IMAGE_TRAILER_SUMMED);
    uint64_t sum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return sum;
}

static int read_all_but_chunks(struct image_reader *r, struct err *e)
{
    unsigned char preamble[IMAGE_PREAMBLE_LEN], trailer[IMAGE_TRAILER_LEN];

    if (read_preamble(r, preamble, e) < 0 || read_trailer(r, trailer, e) < 0)
        return -1;
    size_t header_len = (size_t)(r->chunks_offset - IMAGE_PREAMBLE_LEN);
    AUTO_FREE char *header = x_malloc(header_len + 1);
    if (read_at(r, IMAGE_PREAMBLE_LEN, header, header_len, e) < 0)
        return -1;
    if (XXH3_64bits(header, header_len) != image_get64(preamble + 16)) {
        err_set(e, ERR_DAMAGED, "the checksum of its header is wrong");
        return damaged(r, e);
    }
    if (read_index(r, e) < 0)
        return -1;
    if (sum_whole(r, preamble, header, trailer) != image_get64(trailer + IMAGE_TRAILER_SUMMED)) {
        err_set(e, ERR_DAMAGED, "the checksum of the whole is wrong");
        return damaged(r, e);
    }
    if (check_entries(r, e) < 0)
        return -1;
    if (image_header_decode(header, header_len, &r->header, e) < 0 ||
        image_index_decode((const char *)r->index + IMAGE_FRAME_LEN, r->disks_len, &r->header, e) <
            0)
        return damaged(r, e);
    if (!r->header.memory_file.bound || r->memory_bytes == 0)
        return 0;
    err_set(e, ERR_DAMAGED, "it has the guest's memory, and names a file that has it");
    return damaged(r, e);
}

/* Whatever it is that is a save image. */
static int read_head(struct image_reader *r, struct err *e)
{
    char magic[XL_FILE_MAGIC_LEN];

    if (r->size >= sizeof magic && read_at(r, 0, magic, sizeof magic, e) < 0)
        return -1;
    if (r->size >= sizeof magic && xl_file_is(magic, sizeof magic))
        return image_xl_read(r->fd, r->path, &r->header, &r->plain_offset, &r->stream_bytes, e);
    return read_all_but_chunks(r, e);
}

int image_reader_open(const char *path, const struct fs_user *user, struct image_reader **ret,
                      struct err *e)
{
    struct fs_user self = {geteuid(), getegid()};
    struct image_reader *r = x_calloc(1, sizeof *r);

    r->fd = -1;
    r->path = x_strdup(path);
    int result = fs_as_begin(user ? user : &self, e);
    if (result == 0) {
        result = open_file(r, e);
        fs_as_end();
    }
    if (result < 0 || read_head(r, e) < 0) {
        image_reader_free(r);
        return -1;
    }
    *ret = r;
    return 0;
}

const struct image_header *image_reader_header(const struct image_reader *r)
{
    return &r->header;
}

uint64_t image_reader_size(const struct image_reader *r)
{
    return r->size;
}

uint64_t image_reader_stream_bytes(const struct image_reader *r)
{
    return r->stream_bytes;
}

struct image_header *image_reader_own_header(struct image_reader *r)
{
    return &r->header;
}

const char *image_reader_path(const struct image_reader *r)
{
    return r->path;
}

uint64_t image_reader_memory_bytes(const struct image_reader *r)
{
    return r->memory_bytes;
}

/* ---- chunks: each thread takes the next one, checks it, unpacks it and hands it on ---- */

/* What is done with the chunks from `next` to `end` of r->order. */
struct unpacking {
    const struct image_reader *r;
    const struct op *op;
    int fd;             /* -1: they are only checked */
    image_chunk_fn *fn; /* NULL, or who gets them instead */
    void *arg;
    uint32_t end;
    uint32_t next;       /* to be taken; under the crew's lock */
    uint32_t handed_on;  /* how many of the stream were written; under the crew's lock */
    uint64_t done_bytes; /* under the crew's lock */
    uint64_t total_bytes;
};

/* What one thread has. */
struct unpacker {
    ZSTD_DCtx *zstd;      /* owned */
    unsigned char *chunk; /* owned; as it is in the file */
    unsigned char *raw;   /* owned */
};

static int bad_chunk(const struct image_reader *r, uint32_t number, const char *what, struct err *e)
{
    err_set(e, ERR_DAMAGED, "chunk %u (byte %ju) %s", number, (uintmax_t)r->places[number], what);
    return damaged(r, e);
}

/* Reads chunk `number` with its frame, compares it with the index, and unpacks it; *ret_bytes are
 * row->raw bytes in the unpacker. */
static int read_chunk(const struct image_reader *r, uint32_t number, const struct image_entry *row,
                      struct unpacker *u, const unsigned char **ret_bytes, struct err *e)
{
    if (read_at(r, r->places[number], u->chunk, IMAGE_FRAME_LEN + row->stored, e) < 0)
        return -1;
    struct image_frame frame = image_frame_get(u->chunk);
    if (memcmp(frame.kind, row->kind, IMAGE_KIND_LEN) != 0 || frame.stored != row->stored ||
        frame.raw != row->raw || frame.number != number || frame.sum != row->sum)
        return bad_chunk(r, number, "is not as the index says", e);
    if (XXH3_64bits(u->chunk + IMAGE_FRAME_LEN, row->stored) != row->sum)
        return bad_chunk(r, number, "has a wrong checksum", e);
    *ret_bytes = u->chunk + IMAGE_FRAME_LEN;
    if (memcmp(row->kind, IMAGE_KIND_ZSTD, IMAGE_KIND_LEN) != 0)
        return 0;
    size_t n =
        ZSTD_decompressDCtx(u->zstd, u->raw, row->raw, u->chunk + IMAGE_FRAME_LEN, row->stored);
    if (ZSTD_isError(n) || n != row->raw)
        return bad_chunk(r, number, "cannot be decompressed", e);
    *ret_bytes = u->raw;
    return 0;
}

static int write_out(const struct image_reader *r, int fd, const unsigned char *buf, size_t len,
                     const struct op *op, struct err *e)
{
    while (len > 0) {
        if (op_wait(op, fd, POLLOUT, "taking the guest's state", e) < 0)
            return -1;
        ssize_t n = write(fd, buf, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0 && errno == EPIPE)
            return err_set(e, ERR_FAILED, "the guest's state from %s was not taken to its end",
                           r->path);
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot hand on the guest's state from %s",
                             r->path);
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Runs of pages that are not zero, each to its place. */
static int write_pages(int fd, const unsigned char *bytes, const struct image_entry *row,
                       struct err *e)
{
    for (size_t at = 0; at < row->raw;) {
        size_t run = 0;
        while (at + run < row->raw && !image_is_zero(bytes + at + run, IMAGE_PAGE))
            run += IMAGE_PAGE;
        if (run > 0 &&
            fs_write_at(fd, bytes + at, run, row->position + at, "the guest's memory", e) < 0)
            return -1;
        at += run + IMAGE_PAGE;
    }
    return 0;
}

/* The stream's chunks go out in its order: each thread waits until it is the turn of its own (place
 * `at` of the order). */
static int hand_on(struct unpacking *u, uint32_t at, const struct image_entry *row,
                   const unsigned char *bytes, struct image_crew *crew, struct err *e)
{
    if (u->fn && u->fn(u->arg, row->section == IMAGE_MEMORY, row->position, bytes, row->raw, e) < 0)
        return -1;
    if (u->fd >= 0 && row->section == IMAGE_MEMORY && write_pages(u->fd, bytes, row, e) < 0)
        return -1;
    bool in_turn = u->fd >= 0 && row->section == IMAGE_STREAM;
    pthread_mutex_lock(&crew->lock);
    while (in_turn && u->handed_on != at && !atomic_load(&crew->failed))
        pthread_cond_wait(&crew->turn, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
    if (atomic_load(&crew->failed))
        return 0;
    if (in_turn && write_out(u->r, u->fd, bytes, row->raw, u->op, e) < 0)
        return -1;
    pthread_mutex_lock(&crew->lock);
    u->handed_on++;
    u->done_bytes += row->raw;
    op_progress(u->op, u->done_bytes, u->total_bytes);
    pthread_cond_broadcast(&crew->turn);
    pthread_mutex_unlock(&crew->lock);
    return 0;
}

static int unpack_next(struct unpacking *u, struct unpacker *mine, bool *ret_over,
                       struct image_crew *crew, struct err *e)
{
    const unsigned char *bytes = NULL;

    pthread_mutex_lock(&crew->lock);
    uint32_t at = u->next;
    *ret_over = at == u->end;
    u->next += !*ret_over;
    pthread_mutex_unlock(&crew->lock);
    if (*ret_over)
        return 0;
    uint32_t number = u->r->order[at];
    struct image_entry row = entry_at(u->r, number);
    if (image_pace(u->op, "reading the image", e) < 0 ||
        read_chunk(u->r, number, &row, mine, &bytes, e) < 0)
        return -1;
    return hand_on(u, at, &row, bytes, crew, e);
}

static void unpack_chunks(void *arg, struct image_crew *crew)
{
    struct unpacking *u = arg;
    struct unpacker mine = {.zstd = ZSTD_createDCtx(),
                            .chunk = x_malloc(IMAGE_FRAME_LEN + IMAGE_RAW_MAX),
                            .raw = x_malloc(IMAGE_RAW_MAX)};
    bool over = false;
    struct err e;

    if (!mine.zstd)
        abort();
    while (!over && !atomic_load(&crew->failed))
        if (unpack_next(u, &mine, &over, crew, &e) < 0)
            image_crew_fail(crew, &e);
    ZSTD_freeDCtx(mine.zstd);
    free(mine.chunk);
    free(mine.raw);
}

/* A stream that is not in chunks, part by part, on this thread alone; fd -1, fn NULL: nobody gets
 * it. */
static int each_part(const struct image_reader *r, int fd, image_chunk_fn *fn, void *arg,
                     const struct op *op, struct err *e)
{
    AUTO_FREE unsigned char *part = x_malloc(IMAGE_RAW);

    for (uint64_t at = 0; at < r->stream_bytes;) {
        uint64_t left = r->stream_bytes - at;
        size_t len = left < IMAGE_RAW ? (size_t)left : IMAGE_RAW;
        if (image_pace(op, "reading the image", e) < 0 ||
            read_at(r, r->plain_offset + at, part, len, e) < 0 ||
            (fn && fn(arg, false, at, part, len, e) < 0) ||
            (fd >= 0 && write_out(r, fd, part, len, op, e) < 0))
            return -1;
        at += len;
        op_progress(op, at, r->stream_bytes);
    }
    return 0;
}

int image_reader_each(struct image_reader *r, image_chunk_fn *fn, void *arg, const struct op *op,
                      struct err *e)
{
    struct unpacking u = {.r = r, .op = op, .fd = -1, .fn = fn, .arg = arg, .end = r->chunk_count};

    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (r->plain_offset > 0)
        return each_part(r, -1, fn, arg, op, e);
    for (uint32_t i = 0; i < r->chunk_count; i++)
        u.total_bytes += entry_at(r, i).raw;
    return image_crew_run(unpack_chunks, &u, u.end, e);
}

int image_reader_verify(struct image_reader *r, const struct op *op, struct err *e)
{
    return image_reader_each(r, NULL, NULL, op, e);
}

int image_reader_stream(struct image_reader *r, int fd, const struct op *op, struct err *e)
{
    struct unpacking u = {
        .r = r, .op = op, .fd = fd, .end = r->stream_chunks, .total_bytes = r->stream_bytes};
    int flags = fcntl(fd, F_GETFL);

    /* A blocking write of a whole chunk into a pipe could not be cancelled. */
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot hand on the guest's state from %s", r->path);
    int result = r->plain_offset > 0 ? each_part(r, fd, NULL, NULL, op, e)
                                     : image_crew_run(unpack_chunks, &u, u.end - u.next, e);
    (void)fcntl(fd, F_SETFL, flags);
    return result;
}

int image_reader_memory(struct image_reader *r, int fd, const struct op *op, struct err *e)
{
    struct unpacking u = {
        .r = r, .op = op, .fd = fd, .next = r->stream_chunks, .end = r->chunk_count};

    for (uint32_t i = u.next; i < u.end; i++)
        u.total_bytes += entry_at(r, r->order[i]).raw;
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return image_crew_run(unpack_chunks, &u, u.end - u.next, e);
}

void image_reader_free(struct image_reader *r)
{
    if (!r)
        return;
    mem_cleanup_close(&r->fd);
    image_header_finish(&r->header);
    free(r->index);
    free(r->places);
    free(r->order);
    free(r->path);
    free(r);
}
