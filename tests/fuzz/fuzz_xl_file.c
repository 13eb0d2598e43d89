/* SPDX-License-Identifier: MIT */
/* Any bytes as a save file of xl. The first byte chooses: even, the rest is taken as it is; odd, a
 * right magic and header with a config are put before it, so that it is the stream. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/image.h"
#include "core/xl_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char json[] =
    "{\"c_info\":{\"type\":\"pv\",\"name\":\"a\",\"uuid\":\"0a1b2c3d-1111-4222-8333-444455556666\"}"
    ",\"b_info\":{\"max_memkb\":1}}";

static void use(struct image_reader *r, size_t size)
{
    struct op op = {.cancel_fd = -1};
    AUTO_CLOSE int out = memfd_create("out", MFD_CLOEXEC);
    AUTO_JSON json_t *shown = image_header_json(image_reader_header(r), image_reader_size(r));
    AUTO_FREE char *text = json_dumps(shown, JSON_COMPACT);
    struct err e;

    /* What was opened has all of its stream, and no more than the file. */
    if (!text || image_reader_stream_bytes(r) > size || image_reader_verify(r, &op, &e) < 0 ||
        image_reader_stream(r, out, &op, &e) < 0 ||
        (uint64_t)lseek(out, 0, SEEK_END) != image_reader_stream_bytes(r))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STR struct str bytes = {0};
    struct image_reader *r = NULL;
    struct err e;
    char path[64];

    if (size < 1)
        return 0;
    if (data[0] % 2 == 1 && xl_file_head(json, &bytes, &e) < 0)
        abort();
    str_addn(&bytes, data + 1, size - 1);
    AUTO_CLOSE int fd = memfd_create("file", MFD_CLOEXEC);
    if (fd < 0 || fs_write_all(fd, bytes.data, bytes.len, "file", &e) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool xl = xl_file_is(bytes.data, bytes.len);
    if (image_reader_open(path, NULL, &r, &e) == 0 && xl)
        use(r, bytes.len);
    image_reader_free(r);
    return 0;
}
