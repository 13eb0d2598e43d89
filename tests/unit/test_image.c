/* SPDX-License-Identifier: MIT */
/* Save images: what is written comes back, and whatever is not whole is refused. */
#include "image_fixture.h"

#include <pthread.h>
#include <xxhash.h>

static void assert_same_disk(const struct image_disk *a, const struct image_disk *b)
{
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->block, b->block);
    assert_int_equal(a->read_only, b->read_only);
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_int_equal(a->mtime_ns, b->mtime_ns);
    assert_int_equal(a->head_hash, b->head_hash);
    assert_int_equal(a->tail_hash, b->tail_hash);
    assert_int_equal(a->written_sectors, b->written_sectors);
}

static void assert_sample(const struct image_header *h)
{
    struct image_header was = sample_header();
    struct image_disk disks[2];

    assert_string_equal(h->driver, was.driver);
    assert_string_equal(h->driver_version, was.driver_version);
    assert_string_equal(h->platform, was.platform);
    assert_string_equal(h->uuid, was.uuid);
    assert_string_equal(h->name, was.name);
    assert_string_equal(h->config, was.config);
    assert_string_equal(h->directory, was.directory);
    assert_string_equal(h->macs, was.macs);
    assert_string_equal(h->host, was.host);
    assert_null(h->boot_id);
    assert_int_equal(h->saved_at_ms, was.saved_at_ms);
    assert_int_equal(h->memory_kib, was.memory_kib);
    assert_int_equal(h->was_paused, was.was_paused);
    assert_int_equal(h->disk_count, 2);
    sample_disks(disks);
    assert_same_disk(&h->disks[0], &disks[0]);
    assert_same_disk(&h->disks[1], &disks[1]);
}

struct pipe_copy {
    int from;
    XXH64_hash_t hash;
    uint64_t bytes;
};

static void *hash_pipe(void *arg)
{
    struct pipe_copy *copy = arg;
    XXH3_state_t *sum = XXH3_createState();
    char buf[65536];

    XXH3_64bits_reset(sum);
    for (ssize_t n; (n = read(copy->from, buf, sizeof buf)) > 0;) {
        XXH3_64bits_update(sum, buf, (size_t)n);
        copy->bytes += (uint64_t)n;
    }
    copy->hash = XXH3_64bits_digest(sum);
    XXH3_freeState(sum);
    return NULL;
}

/* What image_reader_stream writes into a pipe that somebody reads at his own pace. */
static struct pipe_copy stream_out(struct image_reader *r)
{
    int fds[2];
    pthread_t thread;
    struct err e = {0};

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct pipe_copy copy = {.from = fds[0]};
    assert_int_equal(pthread_create(&thread, NULL, hash_pipe, &copy), 0);
    int result = image_reader_stream(r, fds[1], &endless, &e);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    if (result < 0)
        fail_msg("%s", e.msg);
    return copy;
}

static void round_trip(size_t len)
{
    AUTO_FREE char *path = in_folder("trip.reeve");
    uint64_t size = make_image(path, len);
    AUTO_CLOSE int fd = stream_of(len);
    struct pipe_copy was = {.from = fd};
    struct image_reader *r = NULL;
    struct err e = {0};
    struct stat st;

    hash_pipe(&was);
    assert_int_equal(files_in(folder), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size);
    if (image_reader_open(path, &self, &r, &e) < 0)
        fail_msg("%s", e.msg);
    assert_sample(image_reader_header(r));
    assert_int_equal(image_reader_size(r), size);
    struct pipe_copy first = stream_out(r);
    assert_int_equal(image_reader_verify(r, &endless, &e), 0);
    struct pipe_copy second = stream_out(r);
    assert_int_equal(first.bytes, len);
    assert_true(first.hash == was.hash);
    assert_int_equal(second.bytes, len);
    assert_true(second.hash == was.hash);
    image_reader_free(r);
}

static void streams_come_back(void **state)
{
    static const size_t lens[] = {
        0, 1, IMAGE_RAW - 1, IMAGE_RAW, IMAGE_RAW + 1, 1024 * 1024 + 1, 50 * 1000 * 1000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lens); i++)
        round_trip(lens[i]);
}

static void disks_of_the_header_stand_without_later_ones(void **state)
{
    AUTO_FREE char *path = in_folder("disks.reeve");
    struct image_header h = sample_header();
    struct image_disk disks[2];
    struct image_writer *w = NULL;
    struct image_reader *r = NULL;
    struct err e = {0};
    uint64_t size;
    AUTO_CLOSE int fd = stream_of(10);

    (void)state;
    sample_disks(disks);
    h.disks = disks;
    h.disk_count = 2;
    assert_int_equal(image_writer_open(path, NULL, 0, &w, &e), 0);
    assert_int_equal(image_writer_header(w, &h, &e), 0);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(image_reader_open(path, NULL, &r, &e), 0);
    assert_sample(image_reader_header(r));
    image_reader_free(r);
}

/* Memory of 3 MiB and a page: a hole, bytes that do not compress, pages that are zero in between
 * and alone, bytes that compress, and something in the very last page. */
enum { MEMORY_BYTES = 3 * 1024 * 1024 + IMAGE_PAGE };

static int sample_memory(void)
{
    AUTO_CLOSE int bytes = stream_of(2 * IMAGE_RAW);
    int fd = memfd_create("memory", MFD_CLOEXEC);
    AUTO_FREE char *buf = x_malloc(2 * IMAGE_RAW);
    struct err e;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, MEMORY_BYTES), 0);
    assert_int_equal(read(bytes, buf, 2 * IMAGE_RAW), 2 * IMAGE_RAW);
    memset(buf + 2 * IMAGE_PAGE, 0, 3 * IMAGE_PAGE);
    assert_int_equal(fs_write_at(fd, buf, 2 * IMAGE_RAW, 1 << 20, "memory", &e), 0);
    memset(buf, 0, 2 * IMAGE_RAW);
    assert_int_equal(fs_write_at(fd, buf, 2 * IMAGE_RAW, 2 << 20, "memory", &e), 0);
    memset(buf, 'r', IMAGE_PAGE);
    assert_int_equal(fs_write_at(fd, buf, 5 * IMAGE_PAGE, (2 << 20) + 4096 * 5, "memory", &e), 0);
    assert_int_equal(fs_write_at(fd, "end", 3, MEMORY_BYTES - 3, "memory", &e), 0);
    return fd;
}

/* A stream that compresses, and memory beside it. */
static uint64_t make_mixed_image(const char *path, int memory, uint64_t memory_bytes, int level)
{
    struct image_writer *w = begin_image(path, 0);
    AUTO_CLOSE int fd = memfd_create("stream", MFD_CLOEXEC);
    struct err e = {0};
    uint64_t size = 0;

    for (int i = 0; i < 400; i++)
        assert_int_equal(fs_write_all(fd, "the same text", 13, "stream", &e), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    image_writer_level(w, level);
    if (image_writer_stream(w, fd, &endless, &e) < 0 ||
        image_writer_memory(w, memory, memory_bytes, &endless, &e) < 0 ||
        image_writer_finish(w, &size, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    image_writer_free(w);
    return size;
}

static void assert_same_bytes(int a, int b, size_t len)
{
    void *x = mmap(NULL, len, PROT_READ, MAP_SHARED, a, 0);
    void *y = mmap(NULL, len, PROT_READ, MAP_SHARED, b, 0);

    assert_true(x != MAP_FAILED && y != MAP_FAILED);
    assert_memory_equal(x, y, len);
    munmap(x, len);
    munmap(y, len);
}

static void memory_comes_back_without_its_zeros(void **state)
{
    static const int levels[] = {IMAGE_LEVEL_MIN, 0, 1, 6};
    AUTO_FREE char *path = in_folder("memory.reeve");
    AUTO_CLOSE int memory = sample_memory();
    struct image_reader *r = NULL;
    struct err e = {0};
    struct stat st;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        AUTO_CLOSE int back = memfd_create("back", MFD_CLOEXEC);
        uint64_t size = make_mixed_image(path, memory, MEMORY_BYTES, levels[i]);
        assert_in_range(size, 2 * IMAGE_RAW - 8 * IMAGE_PAGE, 2 * IMAGE_RAW + 64 * 1024);
        if (image_reader_open(path, &self, &r, &e) < 0)
            fail_msg("%s", e.msg);
        assert_int_equal(image_reader_memory_bytes(r), MEMORY_BYTES);
        assert_int_equal(ftruncate(back, MEMORY_BYTES), 0);
        assert_int_equal(image_reader_verify(r, &endless, &e), 0);
        if (image_reader_memory(r, back, &endless, &e) < 0)
            fail_msg("%s", e.msg);
        assert_int_equal(fstat(back, &st), 0);
        /* Not a page was made for a zero: 128 pages of bytes less 3, one of text, the last. */
        assert_int_equal(st.st_blocks * 512, (2 * IMAGE_RAW / IMAGE_PAGE - 3 + 2) * IMAGE_PAGE);
        assert_same_bytes(memory, back, MEMORY_BYTES);
        struct pipe_copy stream = stream_out(r);
        assert_int_equal(stream.bytes, 400 * 13);
        image_reader_free(r);
    }
}

static void memory_of_nothing_takes_no_space(void **state)
{
    AUTO_FREE char *path = in_folder("empty.reeve");
    AUTO_CLOSE int memory = memfd_create("memory", MFD_CLOEXEC);
    struct image_reader *r = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(ftruncate(memory, (off_t)64 << 30), 0);
    assert_true(make_mixed_image(path, memory, (uint64_t)64 << 30, 1) < 2048);
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    assert_int_equal(image_reader_memory_bytes(r), (uint64_t)64 << 30);
    assert_int_equal(image_reader_verify(r, &endless, &e), 0);
    image_reader_free(r);
}

static void a_memory_file_is_known_again(void **state)
{
    AUTO_FREE char *image = in_folder("file.reeve");
    AUTO_FREE char *path = image_memory_path(image);
    AUTO_FREE char *other = in_folder("other");
    AUTO_CLOSE int stream = stream_of(100);
    struct image_memory_file file, again;
    struct image_reader *r = NULL;
    struct err e = {0};
    uint64_t size;
    int fd;

    (void)state;
    if (image_memory_make(path, 1 << 20, &fd, &e) < 0)
        fail_msg("%s", e.msg);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(st.st_size == 1 << 20 && st.st_blocks * 512 >= 1 << 20);
    assert_int_equal(image_memory_look(fd, &file, &e), 0);
    close(fd);
    struct image_writer *w = begin_image(image, 0);
    assert_int_equal(image_writer_stream(w, stream, &endless, &e), 0);
    image_writer_bind(w, &file);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(image_reader_open(image, &self, &r, &e), 0);
    again = image_reader_header(r)->memory_file;
    image_reader_free(r);
    assert_true(again.bound && again.inode == file.inode && again.size_bytes == file.size_bytes &&
                again.generation == file.generation && again.mtime_ns == file.mtime_ns);
    assert_int_equal(image_memory_open(path, &again, NULL, &fd, &e), 0);
    /* A write, another size, another file of the same bytes, none. */
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1}};
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(image_memory_look(fd, &file, &e), 0);
    close(fd);
    assert_int_equal(image_memory_open(path, &again, NULL, &fd, &e), -1);
    assert_int_equal(e.code, ERR_DAMAGED);
    assert_non_null(strstr(e.msg, "written to since"));
    again = file;
    again.size_bytes++;
    assert_int_equal(image_memory_open(path, &again, NULL, &fd, &e), -1);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(image_memory_open(path, &file, NULL, &fd, &e), -1);
    assert_int_equal(e.code, ERR_DAMAGED);
    assert_non_null(strstr(e.msg, "gone"));
    assert_int_equal(image_memory_make(path, 1 << 20, &fd, &e), 0);
    close(fd);
    assert_int_equal(image_memory_open(path, &file, NULL, &fd, &e), -1);
    assert_non_null(strstr(e.msg, "another file"));
    assert_int_equal(image_memory_make(path, (uint64_t)1 << 60, &fd, &e), -1);
    assert_int_equal(e.code, ERR_NO_SPACE);
    assert_int_equal(access(path, F_OK), -1);
}

/* Writes an image that is bound to a file of so many bytes, with or without the memory in it too,
 * and expects it to be refused. */
static void refuse_bound(uint64_t bytes, bool memory_too, const char *text)
{
    AUTO_FREE char *path = in_folder("bound.reeve");
    AUTO_CLOSE int memory = sample_memory();
    AUTO_CLOSE int stream = stream_of(100);
    const struct image_memory_file file = {.bound = true, .size_bytes = bytes};
    struct image_writer *w = begin_image(path, 0);
    struct image_reader *r = NULL;
    struct err e = {0};
    uint64_t size;

    assert_int_equal(image_writer_stream(w, stream, &endless, &e), 0);
    if (memory_too)
        assert_int_equal(image_writer_memory(w, memory, MEMORY_BYTES, &endless, &e), 0);
    image_writer_bind(w, &file);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(image_reader_open(path, &self, &r, &e), -1);
    if (e.code != ERR_DAMAGED || !strstr(e.msg, path) || !strstr(e.msg, text))
        fail_msg("%s: \"%s\" does not say \"%s\"", err_name(e.code), e.msg, text);
}

/* Whoever copies such an image would take the file for memory. */
static void a_memory_file_must_be_memory(void **state)
{
    (void)state;
    refuse_bound(0, false, "memory_file");
    refuse_bound(5000, false, "memory_file");
    refuse_bound(MEMORY_BYTES, true, "names a file");
}

/* What a user's image names is opened with the user's rights, and is a file. */
static void a_memory_file_is_opened_as_the_user(void **state)
{
    const struct fs_user nobody = {65534, 65534};
    AUTO_FREE char *image = in_folder("file.reeve");
    AUTO_FREE char *path = image_memory_path(image);
    struct image_memory_file file;
    struct err e = {0};
    int fd;

    (void)state;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(image_memory_make(path, 1 << 20, &fd, &e), 0);
    assert_int_equal(image_memory_look(fd, &file, &e), 0);
    close(fd);
    if (geteuid() == 0) {
        assert_int_equal(image_memory_open(path, &file, &nobody, &fd, &e), -1);
        assert_int_equal(e.code, ERR_FAILED);
        assert_non_null(strstr(e.msg, "Permission denied"));
    }
    assert_int_equal(image_memory_open(path, &file, &self, &fd, &e), 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(image_memory_open(path, &file, &self, &fd, &e), -1);
    assert_non_null(strstr(e.msg, "a FIFO"));
}

static void filling_memory_can_be_ended(void **state)
{
    AUTO_FREE char *path = in_folder("end.reeve");
    AUTO_CLOSE int memory = sample_memory();
    AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct image_reader *r = NULL;
    struct err e = {0};
    int cancel[2];

    (void)state;
    make_mixed_image(path, memory, MEMORY_BYTES, 1);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    struct op op = {.cancel_fd = cancel[0]};
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    assert_int_equal(image_reader_memory(r, memory, &op, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_equal(image_reader_memory(r, full, &endless, &e), -1);
    assert_int_equal(e.code, ERR_NO_SPACE);
    image_reader_free(r);
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(image_writer_memory(w, memory, MEMORY_BYTES, &op, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    image_writer_free(w);
    close(cancel[0]);
    close(cancel[1]);
}

/* An image with every kind of chunk, of a few KiB. */
static void make_small_image(const char *path)
{
    AUTO_CLOSE int bytes = stream_of(IMAGE_PAGE);
    AUTO_CLOSE int memory = memfd_create("memory", MFD_CLOEXEC);
    AUTO_FREE char *buf = x_calloc(1, IMAGE_PAGE);
    struct err e;

    assert_int_equal(read(bytes, buf, IMAGE_PAGE), IMAGE_PAGE);
    assert_int_equal(ftruncate(memory, MEMORY_BYTES), 0);
    assert_int_equal(fs_write_at(memory, buf, IMAGE_PAGE, IMAGE_RAW, "memory", &e), 0);
    assert_int_equal(fs_write_at(memory, "x", 1, 3 * IMAGE_RAW, "memory", &e), 0);
    make_mixed_image(path, memory, MEMORY_BYTES, 1);
}

static void every_flipped_byte_is_refused(void **state)
{
    AUTO_FREE char *path = in_folder("flip.reeve");
    size_t len;
    struct err e;

    (void)state;
    make_small_image(path);
    AUTO_FREE char *bytes = get_file(path, &len);
    assert_in_range(len, 4096, 6000);
    assert_false(refused(path, &e));
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < len; i++) {
        const int flips[] = {1 << i % 8, 0xff};
        for (size_t f = 0; f < ARRAY_LEN(flips); f++) {
            char wrong = (char)(bytes[i] ^ flips[f]);
            assert_int_equal(pwrite(fd, &wrong, 1, (off_t)i), 1);
            if (!refused(path, &e))
                fail_msg("byte %zu may be another by %#x", i, (unsigned)flips[f]);
            assert_true(e.code == ERR_DAMAGED || e.code == ERR_UNSUPPORTED);
        }
        assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
    }
    assert_false(refused(path, &e));
}

static void every_other_length_is_refused(void **state)
{
    AUTO_FREE char *path = in_folder("cut.reeve");
    size_t len;
    struct err e;

    (void)state;
    make_small_image(path);
    AUTO_FREE char *bytes = get_file(path, &len);
    for (size_t cut = len; cut-- > 0;) {
        assert_int_equal(truncate(path, (off_t)cut), 0);
        if (!refused(path, &e))
            fail_msg("cut to %zu bytes it is accepted", cut);
        assert_int_equal(e.code, ERR_DAMAGED);
    }
    put_file(path, bytes, len);
    assert_false(refused(path, &e));
    assert_int_equal(truncate(path, (off_t)len + 1), 0);
    assert_true(refused(path, &e));
    assert_non_null(strstr(e.msg, "end mark"));
}

/* The image with its checksum of the whole and all others made right again after a change. */
static void put_sealed(const char *path, unsigned char *bytes, size_t len)
{
    uint32_t header_len = image_get32(bytes + 12);
    unsigned char *trailer = bytes + len - IMAGE_TRAILER_LEN;
    unsigned char *index = bytes + image_get64(trailer + 8);
    XXH3_state_t *sum = XXH3_createState();

    image_put64(bytes + 16, XXH3_64bits(bytes + IMAGE_PREAMBLE_LEN, header_len));
    image_put64(index + 16,
                XXH3_64bits(index + IMAGE_FRAME_LEN, (size_t)(trailer - index) - IMAGE_FRAME_LEN));
    XXH3_64bits_reset(sum);
    XXH3_64bits_update(sum, bytes, IMAGE_PREAMBLE_LEN + header_len);
    XXH3_64bits_update(sum, index, (size_t)(trailer - index));
    XXH3_64bits_update(sum, trailer, IMAGE_TRAILER_SUMMED);
    image_put64(trailer + IMAGE_TRAILER_SUMMED, XXH3_64bits_digest(sum));
    XXH3_freeState(sum);
    put_file(path, bytes, len);
}

/* An image of another make, whole by its checksums, at `at` bytes from its first entry. */
static void refuse_sealed(size_t at, const void *change, size_t change_len, enum err_code code,
                          const char *text)
{
    AUTO_FREE char *path = in_folder("sealed.reeve");
    size_t len;
    struct err e;

    make_image(path, 600 * 1024);
    AUTO_FREE char *bytes = get_file(path, &len);
    unsigned char *image = (unsigned char *)bytes;
    put_sealed(path, image, len);
    assert_false(refused(path, &e));
    memcpy(image + len - IMAGE_TRAILER_LEN - (size_t)3 * IMAGE_ENTRY_LEN + at, change, change_len);
    put_sealed(path, image, len);
    assert_true(refused(path, &e));
    assert_int_equal(e.code, code);
    if (!strstr(e.msg, text))
        fail_msg("\"%s\" does not say \"%s\"", e.msg, text);
}

static void other_makes_are_refused_by_name(void **state)
{
    (void)state;
    refuse_sealed(16, "zst\x1b", 4, ERR_UNSUPPORTED, "the kind \"zst\\x1b\"");
    /* Plain bytes that are called compressed would have to be more. */
    refuse_sealed(16, "zstd", 4, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(7, "\xff", 1, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(0, "\1", 1, ERR_DAMAGED, "list all of its chunks");
    refuse_sealed(20, "\0\0\0\0", 4, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(20, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(24, "\1", 1, ERR_DAMAGED, "wrong at chunk 0");
    /* A part of the memory that there is not, and of no section. */
    refuse_sealed(28, "\1", 1, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(28, "\2", 1, ERR_DAMAGED, "wrong at chunk 0");
    refuse_sealed(IMAGE_ENTRY_LEN + 8, "\1\2\3", 3, ERR_DAMAGED, "chunk 1 (byte ");
    /* In the trailer: the length of the stream, and of the memory. */
    refuse_sealed(3 * IMAGE_ENTRY_LEN + 16, "\xff", 1, ERR_DAMAGED, "list all of its chunks");
    refuse_sealed(3 * IMAGE_ENTRY_LEN + 24, "\1", 1, ERR_DAMAGED, "list all of its chunks");
}

static void another_version_is_refused(void **state)
{
    AUTO_FREE char *path = in_folder("version.reeve");
    struct err e;

    (void)state;
    make_image(path, 10);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\1", 1, 8), 1);
    assert_true(refused(path, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "format version 1; this reeve reads version 2"));
}

static void what_is_no_image_is_refused(void **state)
{
    AUTO_FREE char *path = in_folder("random.reeve");
    AUTO_FREE char *fifo = in_folder("fifo");
    AUTO_CLOSE int fd = stream_of(100000);
    AUTO_FREE char *bytes = x_malloc(100000);
    struct err e;

    (void)state;
    assert_int_equal(read(fd, bytes, 100000), 100000);
    put_file(path, bytes, 100000);
    assert_true(refused(path, &e));
    assert_int_equal(e.code, ERR_DAMAGED);
    memcpy(bytes, IMAGE_MAGIC "\2\0\0", 12);
    put_file(path, bytes, 100000);
    assert_true(refused(path, &e));
    assert_int_equal(e.code, ERR_DAMAGED);
    unlink(path);
    assert_true(refused(path, &e));
    assert_int_equal(e.code, ERR_NO_SUCH_IMAGE);
    assert_true(refused(folder, &e));
    assert_non_null(strstr(e.msg, "a folder"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_true(refused(fifo, &e));
    assert_non_null(strstr(e.msg, "a FIFO"));
}

static void a_bad_chunk_is_not_handed_on(void **state)
{
    AUTO_FREE char *path = in_folder("bad.reeve");
    AUTO_CLOSE int out = memfd_create("out", MFD_CLOEXEC);
    struct image_reader *r = NULL;
    struct err e = {0};
    struct stat st;

    (void)state;
    make_image(path, 3 * IMAGE_RAW);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "reeve", 5, (off_t)(1.5 * IMAGE_RAW)), 5);
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    assert_int_equal(image_reader_stream(r, out, &endless, &e), -1);
    assert_int_equal(e.code, ERR_DAMAGED);
    assert_non_null(strstr(e.msg, "chunk 1 "));
    assert_int_equal(fstat(out, &st), 0);
    /* Which part of the stream chunk 1 of the file is depends on which thread was first. */
    assert_true(st.st_size < 3 * IMAGE_RAW);
    image_reader_free(r);
}

static void streaming_out_can_be_ended(void **state)
{
    AUTO_FREE char *path = in_folder("end.reeve");
    struct image_reader *r = NULL;
    struct err e = {0};
    int fds[2], cancel[2];

    (void)state;
    make_image(path, 3 * IMAGE_RAW);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    struct op soon = op_within(50);
    assert_int_equal(image_reader_stream(r, fds[1], &soon, &e), -1);
    assert_int_equal(e.code, ERR_TIMED_OUT);
    assert_int_equal(image_reader_verify(r, &soon, &e), -1);
    assert_int_equal(e.code, ERR_TIMED_OUT);
    struct op op = {.cancel_fd = cancel[0]};
    assert_int_equal(write(cancel[1], "x", 1), 1);
    assert_int_equal(image_reader_stream(r, fds[1], &op, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    close(fds[0]);
    assert_int_equal(image_reader_stream(r, fds[1], &endless, &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    image_reader_free(r);
    close(fds[1]);
    close(cancel[0]);
    close(cancel[1]);
}

static void json_names_what_matters(void **state)
{
    AUTO_FREE char *path = in_folder("json.reeve");
    uint64_t size = make_image(path, 10);
    struct image_reader *r = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    AUTO_JSON json_t *json = image_header_json(image_reader_header(r), size);
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    assert_non_null(strstr(text, "\"saved_at\":\"2023-11-14T22:13:20.123Z\""));
    assert_non_null(strstr(text, "\"state\":\"paused\""));
    assert_non_null(strstr(text, "\"memory_kib\":65536"));
    assert_non_null(strstr(text, "\"head_xxh3\":\"fedcba9876543210\""));
    assert_null(strstr(text, "memory = 64"));
    assert_int_equal(json_integer_value(json_object_get(json, "size")), size);
    image_reader_free(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(streams_come_back),
        TEST(disks_of_the_header_stand_without_later_ones),
        TEST(memory_comes_back_without_its_zeros),
        TEST(memory_of_nothing_takes_no_space),
        TEST(a_memory_file_is_known_again),
        TEST(a_memory_file_must_be_memory),
        TEST(a_memory_file_is_opened_as_the_user),
        TEST(filling_memory_can_be_ended),
        TEST(every_flipped_byte_is_refused),
        TEST(every_other_length_is_refused),
        TEST(other_makes_are_refused_by_name),
        TEST(another_version_is_refused),
        TEST(what_is_no_image_is_refused),
        TEST(a_bad_chunk_is_not_handed_on),
        TEST(streaming_out_can_be_ended),
        TEST(json_names_what_matters),
    };

    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
