/* SPDX-License-Identifier: MIT */
/* What the image tests share: a folder of their own, streams, and images made from them. */
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/image.h"
#include "core/image_format.h"

static char folder[64];
static const struct op endless = {.cancel_fd = -1};
static struct fs_user self;

static inline int folder_setup(void **state)
{
    (void)state;
    self = (struct fs_user){geteuid(), getegid()};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    snprintf(folder, sizeof folder, "/tmp/reeve-image.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_teardown(void **state)
{
    struct err e;

    (void)state;
    return fs_remove_tree(AT_FDCWD, folder, &e);
}

/* folder/name; owned by the caller. */
static inline char *in_folder(const char *name)
{
    return x_asprintf("%s/%s", folder, name);
}

/* How many files the folder has. */
static inline size_t files_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
    closedir(dir);
    return count;
}

static inline void put_file(const char *path, const void *bytes, size_t len)
{
    struct err e;
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, bytes, len, path, &e), 0);
}

static inline char *get_file(const char *path, size_t *ret_len)
{
    struct err e;
    char *bytes = NULL;

    assert_int_equal(fs_read_file(path, (size_t)1 << 30, &bytes, ret_len, &e), 0);
    return bytes;
}

/* A memfd with len bytes that differ all along (xorshift), at its beginning. */
static inline int stream_of(size_t len)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);
    uint64_t block[8192], x = 88172645463325252U + len;
    struct err e;

    assert_true(fd >= 0);
    while (len > 0) {
        for (size_t i = 0; i < ARRAY_LEN(block); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            block[i] = x;
        }
        size_t part = len < sizeof block ? len : sizeof block;
        assert_int_equal(fs_write_all(fd, block, part, "stream", &e), 0);
        len -= part;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static inline void sample_disks(struct image_disk disks[2])
{
    disks[0] = (struct image_disk){.path = (char *)(uintptr_t) "/var/disks/web \xc3\xa9.img",
                                   .size_bytes = 1 << 20,
                                   .mtime_ns = 1700000000123456789,
                                   .head_hash = 0xfedcba9876543210};
    disks[1] = (struct image_disk){.path = (char *)(uintptr_t) "/dev/vg/web",
                                   .block = true,
                                   .size_bytes = (uint64_t)1 << 40,
                                   .head_hash = 1,
                                   .tail_hash = UINT64_MAX,
                                   .written_sectors = 12345,
                                   .read_only = true};
}

/* Its strings are constants: not to be finished. */
static inline struct image_header sample_header(void)
{
    return (struct image_header){.driver = (char *)(uintptr_t) "null",
                                 .driver_version = (char *)(uintptr_t) "0.1.0",
                                 .platform = (char *)(uintptr_t) "pc-i440fx-7.2 tcg",
                                 .uuid = "0a1b2c3d-1111-4222-8333-444455556666",
                                 .name = (char *)(uintptr_t) "web1",
                                 .config = (char *)(uintptr_t) "name = \"web1\"\nmemory = 64\n",
                                 .directory = (char *)(uintptr_t) "/etc/reeve",
                                 .macs = (char *)(uintptr_t) "52:54:00:01:02:03",
                                 .host = (char *)(uintptr_t) "host1",
                                 .saved_at_ms = 1700000000123,
                                 .memory_kib = 65536,
                                 .was_paused = true};
}

/* A new writer whose header is written. */
static inline struct image_writer *begin_image(const char *path, uint64_t need_bytes)
{
    struct image_writer *w = NULL;
    struct image_header h = sample_header();
    struct err e = {0};

    if (image_writer_open(path, &self, need_bytes, &w, &e) < 0 ||
        image_writer_header(w, &h, &e) < 0)
        fail_msg("%s", e.msg);
    return w;
}

/* Writes a whole image of a stream of len bytes. */
static inline uint64_t make_image(const char *path, size_t len)
{
    struct image_writer *w = begin_image(path, len);
    struct image_disk disks[2];
    struct err e = {0};
    uint64_t size = 0;
    AUTO_CLOSE int fd = stream_of(len);

    sample_disks(disks);
    if (image_writer_stream(w, fd, &endless, &e) < 0 || image_writer_disks(w, disks, 2, &e) < 0 ||
        image_writer_finish(w, &size, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    image_writer_free(w);
    return size;
}

/* True when open or verify refuses it, in one line. */
static inline bool refused(const char *path, struct err *e)
{
    struct image_reader *r = NULL;

    *e = (struct err){0};
    int result = image_reader_open(path, &self, &r, e);
    if (result == 0)
        result = image_reader_verify(r, &endless, e);
    image_reader_free(r);
    if (result == 0)
        return false;
    assert_true(e->msg[0] != '\0' && !strchr(e->msg, '\n'));
    assert_non_null(strstr(e->msg, path));
    return true;
}

#endif
