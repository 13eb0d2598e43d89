/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/image.h"

struct copy {
    struct image_reader *reader; /* owned */
    struct image_writer *writer; /* owned */
    const struct fs_user *user;  /* borrowed; who reads; NULL: we */
    int memory_fd;               /* owned; of the file that the image is bound to; -1 */
};

static int put_chunk(void *arg, bool memory, uint64_t position, const void *bytes, size_t len,
                     struct err *e)
{
    return image_writer_chunk(arg, memory, position, bytes, len, e);
}

/* Whether it can be written as a save file of xl. */
static int check_xl(const struct copy *c, const char *from, struct err *e)
{
    const struct image_header *h = image_reader_header(c->reader);

    if (h->xl)
        return err_set(e, ERR_BAD_REQUEST, "%s is a save file of xl already", from);
    if (!str_eq(h->driver, "xen") || image_reader_memory_bytes(c->reader) > 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "xl's save files are of guests on Xen, and the image %s was saved by the %s "
                       "driver",
                       from, h->driver);
    return 0;
}

static int open_both(struct copy *c, const char *from, const struct fs_user *from_user,
                     const char *to, const struct fs_user *to_user,
                     const struct image_copy_how *how, struct err *e)
{
    if (image_reader_open(from, from_user, &c->reader, e) < 0)
        return -1;
    const struct image_memory_file *file = &image_reader_header(c->reader)->memory_file;
    uint64_t need = image_reader_size(c->reader);
    if (how->as_xl && check_xl(c, from, e) < 0)
        return -1;
    if (how->as_xl)
        need = image_reader_stream_bytes(c->reader);
    if (file->bound) {
        AUTO_FREE char *path = image_memory_path(from);
        if (image_memory_open(path, file, from_user, &c->memory_fd, e) < 0)
            return -1;
        need += file->size_bytes;
    }
    return image_writer_open(to, to_user, need, &c->writer, e);
}

/* The file that was copied is still as it was: its guest has not gone on in it. */
static int check_memory(const struct copy *c, const char *from, struct err *e)
{
    AUTO_FREE char *path = image_memory_path(from);
    AUTO_CLOSE int fd = -1;

    if (c->memory_fd < 0 ||
        image_memory_open(path, &image_reader_header(c->reader)->memory_file, c->user, &fd, e) == 0)
        return 0;
    return err_set(e, ERR_BUSY, "cannot copy %s: its domain was resumed meanwhile", from);
}

static int write_head(struct copy *c, const struct image_copy_how *how, struct err *e)
{
    const struct image_header *h = image_reader_header(c->reader);

    if (how->as_xl)
        return image_writer_xl_of(c->writer, h, how->driver, how->handle, e);
    struct image_header own = *h;
    if (!own.uuid[0]) /* xl's older files need not say it; an image does */
        ident_uuid_draw(own.uuid);
    image_writer_level(c->writer, how->level);
    return image_writer_header(c->writer, &own, e);
}

static int copy_all(struct copy *c, const char *from, const struct image_copy_how *how,
                    const struct op *op, uint64_t *ret_size, struct err *e)
{
    const struct image_header *h = image_reader_header(c->reader);
    uint64_t memory_bytes = image_reader_memory_bytes(c->reader);

    if (image_reader_translate(c->reader, how->driver, how->handle, e) < 0 ||
        write_head(c, how, e) < 0 || image_reader_each(c->reader, put_chunk, c->writer, op, e) < 0)
        return -1;
    image_writer_chunks_end(c->writer, memory_bytes);
    if (c->memory_fd >= 0 &&
        image_writer_memory(c->writer, c->memory_fd, h->memory_file.size_bytes, op, e) < 0)
        return -1;
    if (check_memory(c, from, e) < 0)
        return -1;
    return image_writer_finish(c->writer, ret_size, op, e);
}

int image_copy(const char *from, const struct fs_user *from_user, const char *to,
               const struct fs_user *to_user, const struct image_copy_how *how, const struct op *op,
               uint64_t *ret_size, struct err *e)
{
    struct copy c = {.user = from_user, .memory_fd = -1};
    int result = open_both(&c, from, from_user, to, to_user, how, e);

    if (result == 0)
        result = copy_all(&c, from, how, op, ret_size, e);
    image_writer_free(c.writer);
    image_reader_free(c.reader);
    mem_cleanup_close(&c.memory_fd);
    return result;
}
