/* SPDX-License-Identifier: MIT */
/* Writing a save image. The order is what makes it safe: temporary file, everything written,
 * trimmed, fsync, rename, fsync of the folder. Whatever fails before the rename leaves the final
 * name as it was. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/image_crew.h"
#include "core/image_format.h"

enum {
    NAME_TRIES = 64,
    NAME_LEN_MAX = 240, /* of a name to which our ends can be added within NAME_MAX */
    WRITE_BACK_BYTES = 8 * 1024 * 1024,
};

static const char STREAM_PHASE[] = "the guest's state";

enum step { OPENED, HAS_HEADER, HAS_STREAM, RENAMED };

struct image_writer {
    enum step step;
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

static const char *temporary_name(const struct image_writer *w)
{
    return strrchr(w->temporary, '/') + 1;
}

/* "cannot save to PATH: " before what *e says. */
static int failed(const struct image_writer *w, struct err *e)
{
    return err_wrap(e, "cannot save to %s", w->path);
}

int image_pace(const struct op *op, const char *phase, struct err *e)
{
    if (op_check(op, e) < 0)
        return -1;
    if (op->deadline_ms == 0 || clock_left_ms(op->deadline_ms) > 0)
        return 0;
    err_set(e, ERR_TIMED_OUT, "%s was not done in time", phase);
    str_copy(e->phase, sizeof e->phase, phase);
    return -1;
}

/* Only a regular file that the user may write, or nothing, may be replaced. Opening it finds out
 * now what would make the rename fail once the guest has stopped. */
static int check_target(const struct image_writer *w, bool *ret_there, struct err *e)
{
    struct stat st;

    *ret_there = false;
    if (w->name[0] == '\0')
        return err_set(e, ERR_EXISTS, "it is a folder, not a file");
    if (fstatat(w->dirfd, w->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_errno(e, ERR_FAILED, errno, "cannot look at it");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_EXISTS, "it is %s, not a file", image_kind_of_file(st.st_mode));
    AUTO_CLOSE int fd =
        openat(w->dirfd, w->name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "the file there cannot be replaced");
    *ret_there = true;
    return 0;
}

static int create_temporary(struct image_writer *w, struct err *e)
{
    char uuid[IDENT_UUID_LEN + 1];
    const char *name = strlen(w->name) > NAME_LEN_MAX ? "image" : w->name;

    for (int i = 0; i < NAME_TRIES && w->fd < 0; i++) {
        ident_uuid_draw(uuid);
        free(w->temporary);
        w->temporary =
            x_asprintf("%s/.%s.%.8s.part", str_eq(w->dir, "/") ? "" : w->dir, name, uuid);
        w->fd = openat(w->dirfd, temporary_name(w), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (w->fd < 0 && errno != EEXIST)
            break;
    }
    if (w->fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a file in the folder %s", w->dir);
    /* The umask may have taken bits away, a default ACL may have given some. */
    if (fchmod(w->fd, 0600) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot set the mode of %s", w->temporary);
    return 0;
}

static int open_folder_and_file(struct image_writer *w, struct err *e)
{
    bool there;

    w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dirfd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot use the folder %s", w->dir);
    if (check_target(w, &there, e) < 0)
        return -1;
    return create_temporary(w, e);
}

static int no_space(const struct image_writer *w, uint64_t bytes, struct err *e)
{
    struct err ignored;
    int64_t free_bytes = fs_free_bytes(w->fd, &ignored);

    return err_set(e, ERR_NO_SPACE, "it needs %ju MiB, and a file there can have %jd MiB",
                   (uintmax_t)(bytes >> 20), (intmax_t)((free_bytes < 0 ? 0 : free_bytes) >> 20));
}

/* Space for the stream, its frames and its index. Trimmed by image_writer_finish. */
static int reserve(const struct image_writer *w, struct err *e)
{
    uint64_t bytes;
    int result;

    if (w->need_bytes == 0)
        return 0;
    if (__builtin_add_overflow(w->need_bytes, w->need_bytes / 1024 + 65536, &bytes) ||
        bytes > INT64_MAX)
        return no_space(w, w->need_bytes, e);
    int64_t free_bytes = fs_free_bytes(w->fd, e);
    if (free_bytes < 0)
        return -1;
    /* Some filesystems say 0 when they do not know. */
    if (free_bytes > 0 && bytes > (uint64_t)free_bytes)
        return no_space(w, bytes, e);
    do {
        result = fallocate(w->fd, 0, 0, (off_t)bytes);
    } while (result < 0 && errno == EINTR);
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return 0;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return no_space(w, bytes, e);
    return err_errno(e, ERR_FAILED, errno, "cannot reserve %ju MiB", (uintmax_t)(bytes >> 20));
}

int image_writer_open(const char *path, const struct fs_user *user, uint64_t need_bytes,
                      struct image_writer **ret, struct err *e)
{
    struct image_writer *w = x_calloc(1, sizeof *w);

    w->dirfd = w->fd = -1;
    w->path = x_strdup(path);
    w->name = fs_split(w->path, &w->dir);
    w->need_bytes = need_bytes;
    w->level = IMAGE_LEVEL_DEFAULT;
    pthread_mutex_init(&w->lock, NULL);
    w->user = user ? *user : (struct fs_user){geteuid(), getegid()};
    w->sum = XXH3_createState();
    if (!w->sum)
        abort();
    XXH3_64bits_reset(w->sum);

    int result = fs_as_begin(&w->user, e);
    if (result == 0) {
        result = open_folder_and_file(w, e);
        fs_as_end();
    }
    if (result == 0)
        result = reserve(w, e);
    if (result < 0) {
        failed(w, e);
        image_writer_free(w);
        return -1;
    }
    *ret = w;
    return 0;
}

const char *image_writer_temporary(const struct image_writer *w)
{
    return w->temporary;
}

/* Started early, so that the last fsync, for which the guest waits, has little left: of 512 MiB it
 * then takes milliseconds, and the whole about two thirds of the time. */
static void write_back(const struct image_writer *w, uint64_t from, uint64_t to)
{
    if (to > from)
        sync_file_range(w->fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
}

static int append(struct image_writer *w, const void *bytes, size_t len, struct err *e)
{
    if (fs_write_at(w->fd, bytes, len, w->offset, w->temporary, e) < 0)
        return failed(w, e);
    w->offset += len;
    return 0;
}

/* append, and into the checksum of the whole. */
static int append_summed(struct image_writer *w, const void *bytes, size_t len, struct err *e)
{
    XXH3_64bits_update(w->sum, bytes, len);
    return append(w, bytes, len, e);
}

int image_writer_header(struct image_writer *w, const struct image_header *h, struct err *e)
{
    AUTO_STR struct str json = {0};
    unsigned char preamble[IMAGE_PREAMBLE_LEN] = IMAGE_MAGIC;

    assert(w->step == OPENED);
    if (image_header_encode(h, &json, e) < 0)
        return failed(w, e);
    if (image_writer_disks(w, h->disks, h->disk_count, e) < 0)
        return -1;
    image_put32(preamble + 8, IMAGE_VERSION);
    image_put32(preamble + 12, (uint32_t)json.len);
    image_put64(preamble + 16, XXH3_64bits(json.data, json.len));
    if (append_summed(w, preamble, sizeof preamble, e) < 0 ||
        append_summed(w, json.data, json.len, e) < 0)
        return -1;
    w->step = HAS_HEADER;
    return 0;
}

int image_writer_plain(struct image_writer *w, const void *head, size_t len, struct err *e)
{
    assert(w->step == OPENED && len > 0);
    if (append(w, head, len, e) < 0)
        return -1;
    w->plain_offset = len;
    w->step = HAS_HEADER;
    return 0;
}

/* ---- chunks: each thread takes what comes next, packs it and puts it at the file's end ---- */

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
            return failed(p->w, e);
        ssize_t n = read(p->fd, bytes + ret->len, IMAGE_RAW - ret->len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            err_errno(e, ERR_FAILED, errno, "cannot read %s", STREAM_PHASE);
            return failed(p->w, e);
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
        return failed(p->w, e);
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
            return failed(p->w, e);
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
        return failed(w, e);
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
        return failed(w, e);
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
    assert(w->step == HAS_HEADER);
    w->memory_bytes = memory_bytes;
    if (w->plain_offset > 0)
        w->offset = w->plain_offset + w->stream_bytes;
    w->step = HAS_STREAM;
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

void image_writer_level(struct image_writer *w, int level)
{
    assert(level >= IMAGE_LEVEL_MIN && level <= IMAGE_LEVEL_MAX);
    w->level = level;
}

int image_writer_stream(struct image_writer *w, int stream_fd, const struct op *op, struct err *e)
{
    struct packing p = {.w = w, .op = op, .section = IMAGE_STREAM, .fd = stream_fd};

    assert(w->step == HAS_HEADER);
    if (w->plain_offset > 0)
        return copy_stream(&p, e);
    if (pack_section(&p, e) < 0)
        return -1;
    w->step = HAS_STREAM;
    return 0;
}

int image_writer_memory(struct image_writer *w, int fd, uint64_t bytes, const struct op *op,
                        struct err *e)
{
    struct packing p = {.w = w, .op = op, .section = IMAGE_MEMORY, .fd = fd, .bytes = bytes};

    assert((w->step == HAS_HEADER || w->step == HAS_STREAM) && w->memory_bytes == 0 &&
           bytes % IMAGE_PAGE == 0);
    w->memory_bytes = bytes;
    return pack_section(&p, e);
}

int image_writer_disks(struct image_writer *w, const struct image_disk *disks, size_t count,
                       struct err *e)
{
    json_decref(w->disks);
    w->disks = image_disks_json(disks, count, e);
    return w->disks ? 0 : failed(w, e);
}

void image_writer_bind(struct image_writer *w, const struct image_memory_file *file)
{
    w->memory_file = *file;
}

static int append_index(struct image_writer *w, struct err *e)
{
    unsigned char head[IMAGE_FRAME_LEN];
    AUTO_STR struct str rest = {0};

    if (image_index_encode(w->disks, &w->memory_file, &rest, e) < 0)
        return failed(w, e);
    size_t json_len = rest.len;
    str_addn(&rest, w->entries.data, w->entries.len);
    image_frame_put(head, &(struct image_frame){
                              .kind = {'i', 'n', 'd', 'x'},
                              .stored = (uint32_t)json_len,
                              .raw = w->chunk_count,
                              .sum = XXH3_64bits(rest.data, rest.len)
    });
    if (append_summed(w, head, sizeof head, e) < 0)
        return -1;
    return append_summed(w, rest.data, rest.len, e);
}

static int append_trailer(struct image_writer *w, uint64_t index_offset, struct err *e)
{
    unsigned char trailer[IMAGE_TRAILER_LEN];
    unsigned char *at = trailer;

    at = image_put64(at, w->offset + IMAGE_TRAILER_LEN);
    at = image_put64(at, index_offset);
    at = image_put64(at, w->stream_bytes);
    at = image_put64(at, w->memory_bytes);
    XXH3_64bits_update(w->sum, trailer, IMAGE_TRAILER_SUMMED);
    at = image_put64(at, XXH3_64bits_digest(w->sum));
    memcpy(at, IMAGE_END_MARK, IMAGE_MARK_LEN);
    return append(w, trailer, sizeof trailer, e);
}

static int publish(struct image_writer *w, struct err *e)
{
    bool there = false;

    if (fs_as_begin(&w->user, e) < 0)
        return -1;
    int result = check_target(w, &there, e);
    if (result == 0 && renameat(w->dirfd, temporary_name(w), w->dirfd, w->name) < 0)
        result = err_errno(e, ERR_FAILED, errno, "cannot rename %s to it", w->temporary);
    fs_as_end();
    if (result < 0)
        return -1;
    w->step = RENAMED;
    if (fs_sync_dir(w->dirfd, w->path, e) == 0)
        return 0;
    /* What was there before is gone by the rename; then the new image, complete and on the disk
     * itself, is better than nothing. */
    if (!there)
        unlinkat(w->dirfd, w->name, 0);
    return -1;
}

int image_writer_finish(struct image_writer *w, uint64_t *ret_size, struct err *e)
{
    uint64_t index_offset = w->offset;

    assert(w->step == HAS_STREAM);
    if (w->plain_offset == 0 && (append_index(w, e) < 0 || append_trailer(w, index_offset, e) < 0))
        return -1;
    if (ftruncate(w->fd, (off_t)w->offset) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot trim %s", w->temporary);
        return failed(w, e);
    }
    if (fsync(w->fd) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot sync %s", w->temporary);
        return failed(w, e);
    }
    if (publish(w, e) < 0)
        return failed(w, e);
    *ret_size = w->offset;
    return 0;
}

void image_writer_free(struct image_writer *w)
{
    struct err ignored;

    if (!w)
        return;
    if (w->fd >= 0 && w->step != RENAMED) {
        /* The folder may be one where only the user may write, though we be root (NFS). */
        bool as_user = fs_as_begin(&w->user, &ignored) == 0;
        unlinkat(w->dirfd, temporary_name(w), 0);
        if (as_user)
            fs_as_end();
    }
    mem_cleanup_close(&w->fd);
    mem_cleanup_close(&w->dirfd);
    pthread_mutex_destroy(&w->lock);
    XXH3_freeState(w->sum);
    str_finish(&w->entries);
    json_decref(w->disks);
    free(w->temporary);
    free(w->dir);
    free(w->path);
    free(w);
}
