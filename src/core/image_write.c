/* SPDX-License-Identifier: MIT */
/* Writing a save image. The order is what makes it safe: temporary file, everything written,
 * trimmed, fsync, rename, fsync of the folder. Whatever fails before the rename leaves the final
 * name as it was. The chunks between header and index are image_pack.c's. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/image_writer.h"

enum {
    NAME_TRIES = 64,
    NAME_LEN_MAX = 240,  /* of a name to which our ends can be added within NAME_MAX */
    TEMPORARY_DRAWN = 8, /* letters of a temporary file's name that are drawn */
};

static const char TEMPORARY_END[] = ".part";

static const char *temporary_name(const struct image_writer *w)
{
    return strrchr(w->temporary, '/') + 1;
}

int image_writer_failed(const struct image_writer *w, struct err *e)
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

/* What stands for NAME in a temporary file's name. */
static const char *temporary_base(const char *name)
{
    return strlen(name) > NAME_LEN_MAX ? "image" : name;
}

bool image_is_temporary_of(const char *name, const char *file)
{
    AUTO_FREE char *start = x_asprintf(".%s.", temporary_base(name));

    return str_starts(file, start) && str_ends(file, TEMPORARY_END) &&
           strlen(file) == strlen(start) + TEMPORARY_DRAWN + strlen(TEMPORARY_END);
}

static int create_temporary(struct image_writer *w, struct err *e)
{
    char uuid[IDENT_UUID_LEN + 1];

    for (int i = 0; i < NAME_TRIES && w->fd < 0; i++) {
        ident_uuid_draw(uuid);
        free(w->temporary);
        w->temporary = x_asprintf("%s/.%s.%.*s%s", str_eq(w->dir, "/") ? "" : w->dir,
                                  temporary_base(w->name), TEMPORARY_DRAWN, uuid, TEMPORARY_END);
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
        image_writer_failed(w, e);
        image_writer_free(w);
        return -1;
    }
    *ret = w;
    return 0;
}

char *image_writer_intent(const struct image_writer *w, struct err *e)
{
    struct stat st;

    if (fstat(w->fd, &st) == 0)
        return x_asprintf("%s\n%s\n%ju", w->temporary, w->path, (uintmax_t)st.st_ino);
    err_errno(e, ERR_FAILED, errno, "cannot look at %s", w->temporary);
    image_writer_failed(w, e);
    return NULL;
}

static int append(struct image_writer *w, const void *bytes, size_t len, struct err *e)
{
    if (fs_write_at(w->fd, bytes, len, w->offset, w->temporary, e) < 0)
        return image_writer_failed(w, e);
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

    assert(w->step == IMAGE_OPENED);
    if (image_header_encode(h, &json, e) < 0)
        return image_writer_failed(w, e);
    if (image_writer_disks(w, h->disks, h->disk_count, e) < 0)
        return -1;
    image_put32(preamble + 8, IMAGE_VERSION);
    image_put32(preamble + 12, (uint32_t)json.len);
    image_put64(preamble + 16, XXH3_64bits(json.data, json.len));
    if (append_summed(w, preamble, sizeof preamble, e) < 0 ||
        append_summed(w, json.data, json.len, e) < 0)
        return -1;
    w->step = IMAGE_HAS_HEADER;
    return 0;
}

int image_writer_plain(struct image_writer *w, const void *head, size_t len, struct err *e)
{
    assert(w->step == IMAGE_OPENED && len > 0);
    if (append(w, head, len, e) < 0)
        return -1;
    w->plain_offset = len;
    w->step = IMAGE_HAS_HEADER;
    return 0;
}

void image_writer_level(struct image_writer *w, int level)
{
    assert(level >= IMAGE_LEVEL_MIN && level <= IMAGE_LEVEL_MAX);
    w->level = level;
}

int image_writer_disks(struct image_writer *w, const struct image_disk *disks, size_t count,
                       struct err *e)
{
    json_decref(w->disks);
    w->disks = image_disks_json(disks, count, e);
    return w->disks ? 0 : image_writer_failed(w, e);
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
        return image_writer_failed(w, e);
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
    w->step = IMAGE_RENAMED;
    if (fs_sync_dir(w->dirfd, w->path, e) == 0)
        return 0;
    /* What was there before is gone by the rename; then the new image, complete and on the disk
     * itself, is better than nothing. */
    if (!there)
        unlinkat(w->dirfd, w->name, 0);
    return -1;
}

int image_writer_finish(struct image_writer *w, uint64_t *ret_size, const struct op *op,
                        struct err *e)
{
    uint64_t index_offset = w->offset;

    assert(w->step == IMAGE_HAS_STREAM);
    if (w->plain_offset == 0 && (append_index(w, e) < 0 || append_trailer(w, index_offset, e) < 0))
        return -1;
    if (ftruncate(w->fd, (off_t)w->offset) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot trim %s", w->temporary);
        return image_writer_failed(w, e);
    }
    if (fsync(w->fd) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot sync %s", w->temporary);
        return image_writer_failed(w, e);
    }
    /* A sync can take long; by its end there may be a newer one of that name. */
    if ((op && op_check(op, e) < 0) || publish(w, e) < 0)
        return image_writer_failed(w, e);
    *ret_size = w->offset;
    return 0;
}

void image_writer_free(struct image_writer *w)
{
    struct err ignored;

    if (!w)
        return;
    if (w->fd >= 0 && w->step != IMAGE_RENAMED) {
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
