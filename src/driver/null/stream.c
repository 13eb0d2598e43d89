/* SPDX-License-Identifier: MIT */
#include "driver/null/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* A pipe that polls writable takes PIPE_BUF bytes without blocking, so no write is longer. */
enum { HEADER_BYTES = 512, BLOCK_BYTES = PIPE_BUF, FORMAT_VERSION = 1 };
static const char end_mark[] = "end\n";

/* Block `index` of what stands for memory: it differs from block to block and from guest to
 * guest, so that a mix-up is found. */
static void fill(unsigned char block[BLOCK_BYTES], uint64_t index, const struct stream_state *st)
{
    uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ULL + (uint64_t)st->count_ms;

    for (size_t i = 0; i < BLOCK_BYTES; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(block + i, &x, sizeof x);
    }
}

static int write_bytes(int fd, const void *buf, size_t len, const struct op *op, struct err *e)
{
    const char *at = buf;

    while (len > 0) {
        if (op_check(op, e) < 0 || op_wait(op, fd, POLLOUT, "writing the saved state", e) < 0)
            return -1;
        ssize_t n = write(fd, at, len < BLOCK_BYTES ? len : BLOCK_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot write the saved state");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Reads until len bytes or the end; the count in *ret. */
static int read_bytes(int fd, void *buf, size_t len, size_t *ret, const struct op *op,
                      struct err *e)
{
    *ret = 0;
    while (*ret < len) {
        if (op_wait(op, fd, POLLIN, "reading the saved state", e) < 0)
            return -1;
        ssize_t n = read(fd, (char *)buf + *ret, len - *ret);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot read the saved state");
        if (n == 0)
            break;
        *ret += (size_t)n;
    }
    return 0;
}

/* Blocks are numbered from 0; the first half ends with block half - 1. */
static uint64_t block_count(const struct stream_state *st)
{
    return (st->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static size_t block_len(uint64_t index, const struct stream_state *st)
{
    uint64_t left = st->bytes - index * BLOCK_BYTES;
    return left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
}

static int write_blocks(int fd, uint64_t from, uint64_t to, const struct stream_state *st,
                        const struct op *op, struct err *e)
{
    unsigned char block[BLOCK_BYTES];

    for (uint64_t i = from; i < to; i++) {
        size_t len = block_len(i, st);
        fill(block, i, st);
        if (write_bytes(fd, block, len, op, e) < 0)
            return -1;
        op_progress(op, i * BLOCK_BYTES + len, st->bytes);
    }
    return 0;
}

static int read_blocks(int fd, uint64_t from, uint64_t to, const struct stream_state *st,
                       const struct op *op, struct err *e)
{
    unsigned char want[BLOCK_BYTES], block[BLOCK_BYTES];

    for (uint64_t i = from; i < to; i++) {
        size_t len = block_len(i, st), have;
        if (read_bytes(fd, block, len, &have, op, e) < 0)
            return -1;
        if (have < len)
            return err_set(e, ERR_DAMAGED, "the saved state is cut off");
        fill(want, i, st);
        if (memcmp(block, want, len) != 0)
            return err_set(e, ERR_DAMAGED, "the saved state is damaged in its memory");
        op_progress(op, i * BLOCK_BYTES + len, st->bytes);
    }
    return 0;
}

int stream_write_begin(int fd, const struct stream_state *st, const struct op *op, struct err *e)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_STR struct str text = {0};

    json_set_int(json, "reeve-null", FORMAT_VERSION);
    json_set_int(json, "count_ms", st->count_ms);
    json_set_int(json, "fired_ms", st->fired_ms);
    json_set_int(json, "memory_kib", (int64_t)st->memory_kib);
    json_set_int(json, "bytes", (int64_t)st->bytes);
    json_add_line(&text, json);
    while (text.len < HEADER_BYTES - 1)
        str_addc(&text, ' ');
    str_addc(&text, '\n');
    if (write_bytes(fd, text.data, text.len, op, e) < 0)
        return -1;
    return write_blocks(fd, 0, block_count(st) / 2, st, op, e);
}

int stream_write_end(int fd, const struct stream_state *st, const struct op *op, struct err *e)
{
    uint64_t count = block_count(st);

    if (write_blocks(fd, count / 2, count, st, op, e) < 0)
        return -1;
    return write_bytes(fd, end_mark, strlen(end_mark), op, e);
}

int stream_read_begin(int fd, struct stream_state *st, const struct op *op, struct err *e)
{
    char text[HEADER_BYTES];
    size_t len;
    struct err why;

    if (read_bytes(fd, text, sizeof text, &len, op, e) < 0)
        return -1;
    if (len < sizeof text)
        return err_set(e, ERR_DAMAGED, "the saved state is cut off in its header");
    AUTO_JSON json_t *json = json_parse_object(text, len, &why);
    if (!json || json_get_int(json, "reeve-null", 0) != FORMAT_VERSION)
        return err_set(e, ERR_DAMAGED, "the saved state is not one of a simulated guest");
    st->count_ms = json_get_int(json, "count_ms", 0);
    st->fired_ms = json_get_int(json, "fired_ms", 0);
    st->memory_kib = (uint64_t)json_get_int(json, "memory_kib", 0);
    st->bytes = (uint64_t)json_get_int(json, "bytes", 0);
    return read_blocks(fd, 0, block_count(st) / 2, st, op, e);
}

int stream_read_end(int fd, const struct stream_state *st, const struct op *op, struct err *e)
{
    /* One byte more than the mark, so that the end itself is seen. */
    char mark[sizeof end_mark];
    size_t len;
    uint64_t count = block_count(st);

    if (read_blocks(fd, count / 2, count, st, op, e) < 0 ||
        read_bytes(fd, mark, sizeof mark, &len, op, e) < 0)
        return -1;
    if (len != strlen(end_mark) || memcmp(mark, end_mark, len) != 0)
        return err_set(e, ERR_DAMAGED, "the saved state %s its end mark",
                       len < strlen(end_mark) ? "is cut off before" : "has something else than");
    return 0;
}
