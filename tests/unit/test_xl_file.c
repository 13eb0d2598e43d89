/* SPDX-License-Identifier: MIT */
/* Save files of xl: read, written, and made to images and back. What the real xl writes and takes
 * is not tested here. */
#include "image_fixture.h"

#include "core/driver.h"
#include "xl_fixture.h"

static const char text_config[] = "name = \"old1\"\nmemory = 64\ntype = \"pv\"\n";

/* The whole file. */
static void make(struct str *to, uint32_t type, char width)
{
    struct err e;

    assert_int_equal(xl_file_head(xl_json, to, &e), 0);
    xl_add_stream(to, type, width);
}

static char *put(const char *name, const struct str *bytes)
{
    char *path = in_folder(name);

    put_file(path, bytes->data, bytes->len);
    return path;
}

static struct image_reader *open_file(const char *path)
{
    struct image_reader *r = NULL;
    struct err e = {0};

    if (image_reader_open(path, &self, &r, &e) < 0)
        fail_msg("%s", e.msg);
    return r;
}

/* What the reader gives out; the caller closes. */
static int streamed(struct image_reader *r)
{
    int fd = memfd_create("out", MFD_CLOEXEC);
    struct err e = {0};

    if (image_reader_stream(r, fd, &endless, &e) < 0)
        fail_msg("%s", e.msg);
    return fd;
}

static void assert_holds(int fd, const void *bytes, size_t len)
{
    AUTO_FREE char *have = x_malloc(len + 1);

    assert_int_equal(pread(fd, have, len + 1, 0), (ssize_t)len);
    assert_memory_equal(have, bytes, len);
}

static void test_reads(void **state)
{
    AUTO_STR struct str bytes = {0}, stream = {0};

    (void)state;
    make(&bytes, XL_PV, 8);
    xl_add_stream(&stream, XL_PV, 8);
    str_add(&bytes, "what follows is not xl's");
    AUTO_FREE char *path = put("pv", &bytes);
    struct image_reader *r = open_file(path);
    const struct image_header *h = image_reader_header(r);
    assert_true(h->xl);
    assert_string_equal(h->driver, "xen");
    assert_string_equal(h->platform, "xen 4.17 pv");
    assert_string_equal(h->name, "web1");
    assert_string_equal(h->uuid, "0a1b2c3d-1111-4222-8333-444455556666");
    assert_int_equal(h->memory_kib, 98304);
    assert_string_equal(h->libxl_json, xl_json);
    assert_null(h->config);
    assert_int_equal(h->disk_count, 0);
    assert_int_equal(image_reader_stream_bytes(r), stream.len);
    assert_int_equal(image_reader_memory_bytes(r), 0);
    AUTO_CLOSE int fd = streamed(r);
    assert_holds(fd, stream.data, stream.len);
    AUTO_JSON json_t *json = image_header_json(h, image_reader_size(r));
    assert_string_equal(json_string_value(json_object_get(json, "format")), "xl");
    assert_true(json_is_null(json_object_get(json, "state")));
    image_reader_free(r);
}

static void test_width(void **state)
{
    AUTO_STR struct str bytes = {0};

    (void)state;
    make(&bytes, XL_PV, 4);
    AUTO_FREE char *path = put("pv32", &bytes);
    struct image_reader *r = open_file(path);
    assert_string_equal(image_reader_header(r)->platform, "xen 4.17 pv 32-bit");
    image_reader_free(r);
}

/* Replaces `from` in the JSON by `to`, of any length. */
static void make_json(struct str *bytes, const char *from, const char *to, uint32_t type)
{
    AUTO_STR struct str json = {0};
    const char *at = strstr(xl_json, from);
    struct err e;

    assert_non_null(at);
    str_addn(&json, xl_json, (size_t)(at - xl_json));
    str_add(&json, to);
    str_add(&json, at + strlen(from));
    assert_int_equal(xl_file_head(json.data, bytes, &e), 0);
    xl_add_stream(bytes, type, 8);
}

static void test_type_must_fit(void **state)
{
    static const struct {
        const char *type;
        uint32_t stream;
        const char *says; /* NULL: it is taken */
    } rows[] = {
        {"pv",  XL_PV,  NULL                                                     },
        {"pvh", XL_HVM, NULL                                                     },
        {"hvm", XL_HVM, NULL                                                     },
        {"pv",  XL_HVM, "says pv, and its guest's state is of a pvh or hvm guest"},
        {"pvh", XL_PV,  "says pvh, and its guest's state is of a pv guest"       },
        {"hvm", XL_PV,  "says hvm, and its guest's state is of a pv guest"       },
        {"jvm", XL_HVM, "a type that this reeve does not know"                   },
        {"pv",  3,      "not of an x86 machine (type 3)"                         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STR struct str bytes = {0};
        AUTO_FREE char *type = x_asprintf("\"type\":\"%s\"", rows[i].type);
        struct err e;
        make_json(&bytes, "\"type\":\"pv\"", type, rows[i].stream);
        AUTO_FREE char *path = put("type", &bytes);
        if (!rows[i].says) {
            assert_false(refused(path, &e));
            continue;
        }
        assert_true(refused(path, &e));
        if (!strstr(e.msg, rows[i].says))
            fail_msg("%s", e.msg);
    }
}

static void test_config_must_be_usable(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } rows[] = {
        {"\"name\":\"web1\"",      "\"name\":\"\"",         "no usable \"name\""        },
        {"0a1b2c3d",               "0a1b2c3",               "no usable \"uuid\""        },
        {"\"target_memkb\":98304", "\"target_memkb\":-1",   "no usable \"target_memkb\""},
        {"\"type\":\"pv\"",        "\"type\":\"pvpvpvpv\"", "no usable \"type\""        },
        {"}}",                     "}",                     "cannot be read"            },
        {"\"b_info\"",             "\"c_info\"",            "cannot be read"            },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STR struct str bytes = {0};
        struct err e;
        make_json(&bytes, rows[i].from, rows[i].to, XL_PV);
        AUTO_FREE char *path = put("json", &bytes);
        assert_true(refused(path, &e));
        assert_int_equal(e.code, ERR_DAMAGED);
        if (!strstr(e.msg, rows[i].says))
            fail_msg("%s", e.msg);
    }
}

static void put32(struct str *bytes, size_t at, uint32_t value)
{
    uint32_t little = htole32(value);

    assert_true(at + 4 <= bytes->len);
    memcpy(bytes->data + at, &little, 4);
}

/* Offsets: magic 0, byte order 32, flags 36 and 40, length of the config with its own 44 and 48,
 * config 52; stream after it: magic 0, version 8, options 12, record 16, libxc's marker 24, id 32,
 * version 36, options 40, type 48, first record 64. */
static void test_wrong_fields(void **state)
{
    static const uint32_t order_other = 0x04030201;
    const size_t stream = 52 + sizeof xl_json;
    const struct {
        size_t at;
        uint32_t value;
        enum err_code code;
        const char *says;
    } rows[] = {
        {32,          order_other, ERR_UNSUPPORTED, "the other byte order"            },
        {32,          0,           ERR_DAMAGED,     "byte order is wrong"             },
        {36,          7,           ERR_UNSUPPORTED, "a newer xl (mandatory flags 0x7)"},
        {36,          1,           ERR_UNSUPPORTED, "Xen 4.5 or before"               },
        {44,          0,           ERR_UNSUPPORTED, "it has no config"                },
        {44,          3,           ERR_DAMAGED,     "no length"                       },
        {44,          0x7fffffff,  ERR_DAMAGED,     "would have 2147483647 bytes"     },
        {44,          0x300000,    ERR_DAMAGED,     "it was cut"                      },
        {48,          0xffffffff,  ERR_DAMAGED,     "would have 4294967295 of"        },
        {stream,      0,           ERR_DAMAGED,     "as one of libxl's"               },
        {stream + 8,  0x03000000,  ERR_UNSUPPORTED, "version 3 of libxl's"            },
        {stream + 12, 0x01000000,  ERR_UNSUPPORTED, "the other byte order"            },
        {stream + 16, 7,           ERR_UNSUPPORTED, "libxl's 7"                       },
        {stream + 16, 0,           ERR_DAMAGED,     "there is no guest"               },
        {stream + 20, 8,           ERR_DAMAGED,     "not those of one guest"          },
        {stream + 24, 0,           ERR_DAMAGED,     "as one of libxc's"               },
        {stream + 32, 0,           ERR_DAMAGED,     "as one of libxc's"               },
        {stream + 36, 0x04000000,  ERR_UNSUPPORTED, "version 4"                       },
        {stream + 40, 0x00000100,  ERR_UNSUPPORTED, "the other byte order"            },
        {stream + 64, 0x13,        ERR_UNSUPPORTED, "libxc's 19"                      },
        {stream + 64, 0xe,         ERR_UNSUPPORTED, "Remus"                           },
        {stream + 68, 0xfffffff0,  ERR_DAMAGED,     "would have 4294967280 bytes"     },
        {stream + 68, 0x7000000,   ERR_DAMAGED,     "it was cut"                      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STR struct str bytes = {0};
        struct err e;
        make(&bytes, XL_PV, 8);
        put32(&bytes, rows[i].at, rows[i].value);
        AUTO_FREE char *path = put("field", &bytes);
        assert_true(refused(path, &e));
        if (e.code != rows[i].code || !strstr(e.msg, rows[i].says))
            fail_msg("row %zu: %s: %s", i, err_name(e.code), e.msg);
    }
}

/* Opened, streamed to its end when it opens. */
static bool usable(const char *path)
{
    struct image_reader *r = NULL;
    struct err e = {0};

    if (image_reader_open(path, &self, &r, &e) < 0) {
        assert_true(e.msg[0] != '\0' && !strchr(e.msg, '\n'));
        assert_non_null(strstr(e.msg, path));
        return false;
    }
    close(streamed(r));
    image_reader_free(r);
    return true;
}

static void test_every_bit_flipped(void **state)
{
    AUTO_STR struct str bytes = {0};
    size_t taken = 0;

    (void)state;
    make(&bytes, XL_PV, 8);
    AUTO_FREE char *path = put("flip", &bytes);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; at < bytes.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            char flipped = (char)(bytes.data[at] ^ (1 << bit));
            assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
            taken += usable(path);
            assert_int_equal(pwrite(fd, &bytes.data[at], 1, (off_t)at), 1);
        }
    /* The page and the text of names carry no sums, as xl's format is. */
    assert_true(taken > (size_t)4096 * 8 && taken < bytes.len * 8);
    assert_true(usable(path));
}

static void test_every_length(void **state)
{
    AUTO_STR struct str bytes = {0};

    (void)state;
    make(&bytes, XL_PV, 8);
    AUTO_FREE char *path = put("cut", &bytes);
    for (size_t len = bytes.len; len-- > 0;) {
        assert_int_equal(truncate(path, (off_t)len), 0);
        if (usable(path))
            fail_msg("it is taken at %zu of %zu bytes", len, bytes.len);
    }
}

/* ---- the other way, with a driver that translates ---- */

static int fake_to_xl(struct driver_handle *h, const struct create_args *args, char **ret_json,
                      struct err *e)
{
    (void)h;
    (void)e;
    assert_string_equal(args->ref.name, "web1");
    assert_string_equal(args->conf->name, "web1");
    *ret_json = x_strdup(xl_json);
    return 0;
}

static int fake_from_xl(struct driver_handle *h, const char *json, char **ret_config, struct err *e)
{
    (void)h;
    if (!str_eq(json, xl_json))
        return err_set(e, ERR_UNSUPPORTED, "it has what a config cannot say: a unicorn");
    *ret_config = x_strdup("name = \"web1\"\ntype = \"pv\"\nmemory = 96\n"
                           "uuid = \"0a1b2c3d-1111-4222-8333-444455556666\"\n");
    return 0;
}

static const struct driver translates = {
    .name = "xen", .to_xl = fake_to_xl, .from_xl = fake_from_xl};
static const struct driver does_not = {.name = "qemu"};

static int copied(const char *from, const char *to, bool as_xl, const struct driver *driver,
                  struct err *e)
{
    struct image_copy_how how = {.level = 1, .as_xl = as_xl, .driver = driver};
    uint64_t size = 0;
    struct stat st;

    *e = (struct err){0};
    if (image_copy(from, &self, to, &self, &how, &endless, &size, e) < 0)
        return -1;
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_int_equal(st.st_mode & 0777, 0600);
    return 0;
}

static void test_there_and_back(void **state)
{
    AUTO_STR struct str bytes = {0};
    AUTO_FREE char *image = in_folder("web1.reeve"), *back = in_folder("back");
    struct err e;
    size_t len;

    (void)state;
    make(&bytes, XL_PV, 8);
    AUTO_FREE char *path = put("web1", &bytes);
    assert_int_equal(copied(path, image, false, &translates, &e), 0);
    assert_false(refused(image, &e));
    struct image_reader *r = open_file(image);
    const struct image_header *h = image_reader_header(r);
    assert_false(h->xl);
    assert_string_equal(h->driver, "xen");
    assert_string_equal(h->platform, "xen 4.17 pv");
    assert_int_equal(h->memory_kib, 98304);
    assert_non_null(strstr(h->config, "memory = 96"));
    image_reader_free(r);
    assert_int_equal(copied(image, back, true, &translates, &e), 0);
    AUTO_FREE char *again = get_file(back, &len);
    assert_int_equal(len, bytes.len);
    assert_memory_equal(again, bytes.data, len);
}

static void test_without_uuid(void **state)
{
    AUTO_STR struct str bytes = {0};
    AUTO_FREE char *image = in_folder("old1.reeve");
    struct err e;

    (void)state;
    assert_int_equal(xl_file_head(text_config, &bytes, &e), 0);
    put32(&bytes, 36, 2); /* text, not JSON */
    xl_add_stream(&bytes, XL_PV, 8);
    AUTO_FREE char *path = put("old1", &bytes);
    struct image_reader *r = open_file(path);
    assert_string_equal(image_reader_header(r)->uuid, "");
    assert_string_equal(image_reader_header(r)->name, "old1");
    assert_string_equal(image_reader_header(r)->config, text_config);
    image_reader_free(r);
    /* An image has a uuid, so that it can be told whose it is from there on. */
    assert_int_equal(copied(path, image, false, &does_not, &e), 0);
    r = open_file(image);
    assert_true(ident_uuid_valid(image_reader_header(r)->uuid));
    image_reader_free(r);
}

static void test_copies_refused(void **state)
{
    AUTO_STR struct str bytes = {0}, other = {0};
    AUTO_FREE char *image = in_folder("null.reeve"), *out = in_folder("out");
    struct err e;

    (void)state;
    make(&bytes, XL_PV, 8);
    make_json(&other, "98304", "65536", XL_PV);
    make_image(image, 5000);
    AUTO_FREE char *path = put("web1", &bytes), *strange = put("strange", &other);
    size_t before = files_in(folder);
    assert_int_equal(copied(path, out, false, &does_not, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "this daemon's driver is qemu"));
    assert_int_equal(copied(image, out, true, &translates, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "saved by the null driver"));
    assert_int_equal(copied(path, out, true, &translates, &e), -1);
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    assert_int_equal(copied(strange, out, false, &translates, &e), -1);
    assert_non_null(strstr(e.msg, "a unicorn"));
    assert_int_equal(files_in(folder), before);
}

/* A save: the stream comes through a pipe. */
static void test_save_as_xl(void **state)
{
    AUTO_STR struct str stream = {0}, whole = {0};
    AUTO_FREE char *path = in_folder("saved");
    struct image_header h = sample_header();
    struct image_writer *w = NULL;
    struct err e = {0};
    uint64_t size = 0;
    size_t len;

    (void)state;
    xl_add_stream(&stream, XL_PV, 8);
    make(&whole, XL_PV, 8);
    AUTO_CLOSE int fd = memfd_create("stream", MFD_CLOEXEC);
    assert_int_equal(fs_write_all(fd, stream.data, stream.len, "stream", &e), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (image_writer_open(path, &self, 1 << 20, &w, &e) < 0 ||
        image_writer_xl_of(w, &h, &translates, NULL, &e) < 0 ||
        image_writer_stream(w, fd, &endless, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(access(path, F_OK), -1); /* it has its name once it is durable */
    if (image_writer_finish(w, &size, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    image_writer_free(w);
    AUTO_FREE char *have = get_file(path, &len);
    assert_int_equal(size, whole.len);
    assert_int_equal(len, whole.len);
    assert_memory_equal(have, whole.data, len);
    assert_int_equal(files_in(folder), 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_reads),         IN_FOLDER(test_width),
        IN_FOLDER(test_type_must_fit), IN_FOLDER(test_config_must_be_usable),
        IN_FOLDER(test_wrong_fields),  IN_FOLDER(test_every_bit_flipped),
        IN_FOLDER(test_every_length),  IN_FOLDER(test_there_and_back),
        IN_FOLDER(test_without_uuid),  IN_FOLDER(test_copies_refused),
        IN_FOLDER(test_save_as_xl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
