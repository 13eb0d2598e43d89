/* SPDX-License-Identifier: MIT */
/* Any bytes as a save image: open, verify, stream out, show. The first byte chooses: even, the
 * rest is taken as it is; odd, its checksums, lengths and marks are made right first, so that what
 * lies behind them is reached too. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "core/image.h"
#include "core/image_format.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 8 * IMAGE_RAW_MAX };
enum { SMALLEST = IMAGE_PREAMBLE_LEN + IMAGE_FRAME_LEN + IMAGE_TRAILER_LEN };

static int out = -1, filled_fd = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    filled_fd = memfd_create("memory", MFD_CLOEXEC);
    return out < 0 || filled_fd < 0;
}

static uint64_t between(uint64_t value, uint64_t low, uint64_t high)
{
    return value >= low && value <= high ? value : low + value % (high - low + 1);
}

/* A row that may be true of a payload of `stored` bytes; *stream is how much of it there is so
 * far. */
static struct image_entry true_row(struct image_entry row, uint32_t stored, uint64_t *stream)
{
    bool packed = row.kind[0] == 'z' && stored < IMAGE_RAW_MAX;
    uint32_t raw =
        packed ? (uint32_t)between(row.raw, (uint64_t)stored + 1, IMAGE_RAW_MAX) : stored;
    bool memory = row.section % 2 == 1;

    if (memory && packed)
        raw = (raw + IMAGE_PAGE - 1) / IMAGE_PAGE * IMAGE_PAGE;
    memory = memory && raw % IMAGE_PAGE == 0;
    struct image_entry made = {.position = memory ? row.position % MEMORY / IMAGE_PAGE * IMAGE_PAGE
                                                  : *stream,
                               .stored = stored,
                               .raw = raw,
                               .section = memory ? IMAGE_MEMORY : IMAGE_STREAM};
    memcpy(made.kind, packed ? IMAGE_KIND_ZSTD : IMAGE_KIND_PLAIN, IMAGE_KIND_LEN);
    *stream += memory ? 0 : raw;
    return made;
}

/* Returns the length of the stream. */
static uint64_t repair_chunks(uint8_t *bytes, uint64_t begin, uint64_t index, uint32_t count,
                              uint8_t *entries)
{
    uint64_t offset = begin, stream = 0;

    for (uint32_t i = 0; i < count && offset + IMAGE_FRAME_LEN < index; i++) {
        struct image_entry row = image_entry_get(entries + (size_t)i * IMAGE_ENTRY_LEN);
        uint64_t most = index - offset - IMAGE_FRAME_LEN;
        uint32_t stored = (uint32_t)(i + 1 == count ? most : between(row.stored, 1, most));
        row = true_row(row, stored, &stream);
        row.sum = XXH3_64bits(bytes + offset + IMAGE_FRAME_LEN, stored);
        struct image_frame frame = {.stored = stored, .raw = row.raw, .number = i, .sum = row.sum};
        memcpy(frame.kind, row.kind, IMAGE_KIND_LEN);
        image_frame_put(bytes + offset, &frame);
        image_entry_put(entries + (size_t)i * IMAGE_ENTRY_LEN, &row);
        offset += IMAGE_FRAME_LEN + stored;
    }
    return stream;
}

static void repair(uint8_t *bytes, size_t size)
{
    uint8_t *trailer = bytes + size - IMAGE_TRAILER_LEN;
    uint64_t index_most = size - IMAGE_TRAILER_LEN - IMAGE_FRAME_LEN;
    uint64_t index = between(image_get64(trailer + 8), IMAGE_PREAMBLE_LEN, index_most);
    uint32_t header = (uint32_t)between(image_get32(bytes + 12), 0, index - IMAGE_PREAMBLE_LEN);
    uint64_t rest = index_most - index;
    uint32_t count = (uint32_t)between(image_get32(bytes + index + 8), 0, rest / IMAGE_ENTRY_LEN);
    uint32_t disks = (uint32_t)(rest - (uint64_t)count * IMAGE_ENTRY_LEN);
    uint64_t begin = IMAGE_PREAMBLE_LEN + header;
    uint8_t *after = bytes + index + IMAGE_FRAME_LEN;

    memcpy(bytes, IMAGE_MAGIC, IMAGE_MARK_LEN);
    image_put32(bytes + 8, IMAGE_VERSION);
    image_put32(bytes + 12, header);
    image_put64(bytes + 16, XXH3_64bits(bytes + IMAGE_PREAMBLE_LEN, header));
    uint64_t stream = repair_chunks(bytes, begin, index, count, after + disks);
    image_frame_put(bytes + index,
                    &(struct image_frame){
                        {'i', 'n', 'd', 'x'},
                        disks, count, 0, XXH3_64bits(after, rest)
    });
    image_put64(trailer, size);
    image_put64(trailer + 8, index);
    image_put64(trailer + 16, stream);
    image_put64(trailer + 24, MEMORY + IMAGE_RAW_MAX);
    memcpy(trailer + IMAGE_TRAILER_LEN - IMAGE_MARK_LEN, IMAGE_END_MARK, IMAGE_MARK_LEN);

    XXH3_state_t *sum = XXH3_createState();
    XXH3_64bits_reset(sum);
    XXH3_64bits_update(sum, bytes, begin);
    XXH3_64bits_update(sum, bytes + index, size - IMAGE_TRAILER_LEN - index);
    XXH3_64bits_update(sum, trailer, IMAGE_TRAILER_SUMMED);
    image_put64(trailer + IMAGE_TRAILER_SUMMED, XXH3_64bits_digest(sum));
    XXH3_freeState(sum);
}

static void use(struct image_reader *r)
{
    struct op op = {.cancel_fd = -1};
    struct err e;
    AUTO_JSON json_t *json = image_header_json(image_reader_header(r), image_reader_size(r));
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);

    if (!text)
        abort();
    /* What one accepts, the other must accept. */
    int verified = image_reader_verify(r, &op, &e);
    if (image_reader_memory_bytes(r) > MEMORY + IMAGE_RAW_MAX)
        return;
    int streamed = image_reader_stream(r, out, &op, &e);
    int filled = image_reader_memory(r, filled_fd, &op, &e);
    if ((verified < 0) != (streamed < 0 || filled < 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_reader *r = NULL;
    struct err e;
    char path[64];

    if (size < 1)
        return 0;
    AUTO_FREE uint8_t *bytes = x_malloc(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 2 == 1 && size - 1 >= SMALLEST)
        repair(bytes, size - 1);
    AUTO_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || fs_write_all(fd, bytes, size - 1, "image", &e) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (image_reader_open(path, NULL, &r, &e) == 0)
        use(r);
    image_reader_free(r);
    return 0;
}
