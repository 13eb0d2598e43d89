/* SPDX-License-Identifier: MIT */
#include "core/xl_file.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* tools/xl/xl.h: the magic has a NUL in it and none at its end. */
static const char magic[XL_FILE_MAGIC_LEN + 1] = "Xen saved domain, xl format\n \0 \r";

enum {
    /* tools/xl/xl.h: magic, byte order, mandatory flags, optional flags, length of what follows
     * (the config's length in four bytes, then the config). In the byte order of the host. */
    HEAD_LEN = XL_FILE_MAGIC_LEN + 16,
    BYTE_ORDER_MARK = 0x01020304,
    OTHER_ORDER_MARK = 0x04030201,
    FLAG_JSON = 1,      /* the config is JSON, not text */
    FLAG_STREAM_V2 = 2, /* the stream is not that of Xen 4.5 and before */
    CONFIG_MAX = 4 * 1024 * 1024,

    /* libxl-migration-stream.pandoc, "Header": big-endian. */
    STREAM_HEAD_LEN = 16,
    STREAM_VERSION = 2,
    /* libxc-migration-stream.pandoc, "Image Header" (big-endian) and "Domain Header". Version 3 is
     * that of Xen 4.14 and later, which also read 2. */
    IMAGE_HEAD_LEN = 24,
    IMAGE_VERSION_MIN = 2,
    IMAGE_VERSION_MAX = 3,
    DOMAIN_HEAD_LEN = 16,
    DOMAIN_X86_PV = 1,
    DOMAIN_X86_HVM = 2,
    OPTION_BIG_ENDIAN = 1, /* in both headers */

    /* Of either: type, length of the body, body, zeros up to a multiple of eight. */
    RECORD_HEAD_LEN = 8,
    RECORD_ALIGN = 8,
    RECORD_BODY_MAX = 128 * 1024 * 1024, /* what libxc takes at most */
    RECORDS_MAX = 8 * 1024 * 1024,       /* one has four MiB of memory */
};

static const uint32_t optional_record = 0x80000000; /* bit 31: a reader may pass it by */

/* libxl-migration-stream.pandoc, "Record Overview". */
enum { LIBXL_END = 0, LIBXL_LIBXC_CONTEXT = 1, LIBXL_EMULATOR_CONTEXT = 3 };
/* libxc-migration-stream.pandoc, "Records". */
enum {
    LIBXC_END = 0,
    LIBXC_X86_PV_INFO = 2,
    LIBXC_CHECKPOINT = 0xe,
    LIBXC_LAST_KNOWN = 0x12,
};

struct walk {
    int fd;
    uint64_t at, size;
    uint32_t records;
};

static uint32_t little(const unsigned char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static uint32_t big(const unsigned char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return be32toh(value);
}

static int cut(const char *what, uint64_t at, struct err *e)
{
    return err_set(e, ERR_DAMAGED, "it was cut: it ends at byte %ju, in %s", (uintmax_t)at, what);
}

/* Reads the next len bytes. */
static int take(struct walk *w, void *to, size_t len, const char *what, struct err *e)
{
    size_t have = 0;

    if (len > w->size - w->at)
        return cut(what, w->size, e);
    while (have < len) {
        ssize_t n = pread(w->fd, (char *)to + have, len - have, (off_t)(w->at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_FAILED, errno, "it cannot be read at byte %ju",
                             (uintmax_t)(w->at + have));
        if (n == 0)
            return cut(what, w->at + have, e);
        have += (size_t)n;
    }
    w->at += len;
    return 0;
}

bool xl_file_is(const void *bytes, size_t len)
{
    return len >= XL_FILE_MAGIC_LEN && memcmp(bytes, magic, XL_FILE_MAGIC_LEN) == 0;
}

/* ---- before the stream ---- */

static int check_head(const unsigned char *head, struct err *e)
{
    uint32_t order = little(head + XL_FILE_MAGIC_LEN);
    uint32_t mandatory = little(head + XL_FILE_MAGIC_LEN + 4);

    if (!xl_file_is(head, HEAD_LEN))
        return err_set(e, ERR_DAMAGED, "it does not begin as a save file of xl");
    if (order == OTHER_ORDER_MARK)
        return err_set(e, ERR_UNSUPPORTED, "it is of a machine of the other byte order");
    if (order != BYTE_ORDER_MARK)
        return err_set(e, ERR_DAMAGED, "its mark of the byte order is wrong");
    if (mandatory & ~(uint32_t)(FLAG_JSON | FLAG_STREAM_V2))
        return err_set(e, ERR_UNSUPPORTED, "it is of a newer xl (mandatory flags 0x%x)", mandatory);
    if (!(mandatory & FLAG_STREAM_V2))
        return err_set(e, ERR_UNSUPPORTED,
                       "it is of Xen 4.5 or before, and must be converted: xl restore does that, "
                       "and xl save then writes it anew");
    return 0;
}

static int read_config(struct walk *w, uint32_t len, struct xl_file *f, struct err *e)
{
    unsigned char bytes[4];
    uint64_t end = w->at + len;

    if (len > CONFIG_MAX)
        return err_set(e, ERR_DAMAGED, "its config would have %u bytes", len);
    if (len > w->size - w->at)
        return cut("its config", w->size, e);
    if (len == 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "it has no config: xl restore takes one beside it (xl restore CONFIG FILE)");
    if (len < sizeof bytes)
        return err_set(e, ERR_DAMAGED, "its config has no length");
    if (take(w, bytes, sizeof bytes, "its config", e) < 0)
        return -1;
    f->config_len = little(bytes);
    if (f->config_len > len - sizeof bytes)
        return err_set(e, ERR_DAMAGED, "its config would have %zu of %zu bytes", f->config_len,
                       len - sizeof bytes);
    f->config = x_calloc(1, f->config_len + 1);
    if (take(w, f->config, f->config_len, "its config", e) < 0)
        return -1;
    /* xl counts the end of its JSON as part of it. */
    while (f->config_len > 0 && f->config[f->config_len - 1] == '\0')
        f->config_len--;
    if (strlen(f->config) != f->config_len)
        return err_set(e, ERR_DAMAGED, "its config has a NUL in it");
    w->at = end; /* what may stand behind the config is of a newer xl, and optional */
    return 0;
}

/* ---- the stream ---- */

struct record {
    uint32_t type, len;
};

static int next_record(struct walk *w, struct record *ret, struct err *e)
{
    unsigned char head[RECORD_HEAD_LEN];
    uint64_t at = w->at;

    if (w->records++ == RECORDS_MAX)
        return err_set(e, ERR_DAMAGED, "it has more than %d records", RECORDS_MAX);
    if (take(w, head, sizeof head, "the guest's state", e) < 0)
        return -1;
    *ret = (struct record){.type = little(head), .len = little(head + 4)};
    if (ret->len > RECORD_BODY_MAX)
        return err_set(e, ERR_DAMAGED, "its record at byte %ju would have %u bytes", (uintmax_t)at,
                       ret->len);
    return 0;
}

static int pass_body(struct walk *w, const struct record *record, struct err *e)
{
    uint64_t len = ((uint64_t)record->len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;

    if (len > w->size - w->at)
        return cut("the guest's state", w->size, e);
    w->at += len;
    return 0;
}

static int unknown(const char *whose, const struct record *record, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED,
                   "it has a record that this reeve does not know (%s's %u): "
                   "it is of a newer Xen",
                   whose, record->type);
}

static int read_libxc_heads(struct walk *w, struct xl_file *f, struct err *e)
{
    unsigned char image[IMAGE_HEAD_LEN], domain[DOMAIN_HEAD_LEN];

    if (take(w, image, sizeof image, "the guest's state", e) < 0 ||
        take(w, domain, sizeof domain, "the guest's state", e) < 0)
        return -1;
    if (big(image) != UINT32_MAX || big(image + 4) != UINT32_MAX ||
        memcmp(image + 8, "XENF", 4) != 0)
        return err_set(e, ERR_DAMAGED, "its guest's state does not begin as one of libxc's");
    uint32_t version = big(image + 12);
    if (version < IMAGE_VERSION_MIN || version > IMAGE_VERSION_MAX)
        return err_set(e, ERR_UNSUPPORTED,
                       "its guest's state has version %u; this reeve knows %d "
                       "to %d",
                       version, IMAGE_VERSION_MIN, IMAGE_VERSION_MAX);
    if (image[17] & OPTION_BIG_ENDIAN)
        return err_set(e, ERR_UNSUPPORTED, "it is of a machine of the other byte order");
    uint32_t type = little(domain);
    if (type != DOMAIN_X86_PV && type != DOMAIN_X86_HVM)
        return err_set(e, ERR_UNSUPPORTED, "its guest is not of an x86 machine (type %u)", type);
    f->guest = type == DOMAIN_X86_PV ? XL_GUEST_PV : XL_GUEST_HVM;
    f->xen_major = little(domain + 8);
    f->xen_minor = little(domain + 12);
    return 0;
}

/* X86_PV_INFO begins with the guest's width in bytes. */
static int read_pv_info(struct walk *w, const struct record *record, struct xl_file *f,
                        struct err *e)
{
    unsigned char width;

    if (f->guest == XL_GUEST_HVM || record->len < 1)
        return err_set(e, ERR_DAMAGED, "its record of what a PV guest is, is wrong");
    if (take(w, &width, 1, "the guest's state", e) < 0)
        return -1;
    w->at--;
    if (width == 4)
        f->guest = XL_GUEST_PV32;
    return 0;
}

static int walk_libxc(struct walk *w, struct xl_file *f, struct err *e)
{
    struct record record = {.type = UINT32_MAX};

    if (read_libxc_heads(w, f, e) < 0)
        return -1;
    while (record.type != LIBXC_END) {
        if (next_record(w, &record, e) < 0)
            return -1;
        if (record.type > LIBXC_LAST_KNOWN && record.type < optional_record)
            return unknown("libxc", &record, e);
        if (record.type == LIBXC_CHECKPOINT)
            return err_set(e, ERR_UNSUPPORTED,
                           "it is no save but a stream of checkpoints (Remus, COLO)");
        if (record.type == LIBXC_X86_PV_INFO && read_pv_info(w, &record, f, e) < 0)
            return -1;
        if (pass_body(w, &record, e) < 0)
            return -1;
    }
    return 0;
}

static int read_stream_head(struct walk *w, struct err *e)
{
    unsigned char head[STREAM_HEAD_LEN];

    if (take(w, head, sizeof head, "the guest's state", e) < 0)
        return -1;
    if (memcmp(head, "LibxlFmt", 8) != 0)
        return err_set(e, ERR_DAMAGED, "its guest's state does not begin as one of libxl's");
    if (big(head + 8) != STREAM_VERSION)
        return err_set(e, ERR_UNSUPPORTED,
                       "its guest's state has version %u of libxl's format; "
                       "this reeve knows %d",
                       big(head + 8), STREAM_VERSION);
    if (big(head + 12) & OPTION_BIG_ENDIAN)
        return err_set(e, ERR_UNSUPPORTED, "it is of a machine of the other byte order");
    return 0;
}

static int walk_libxl(struct walk *w, struct xl_file *f, struct err *e)
{
    struct record record = {.type = UINT32_MAX};
    bool has_guest = false;

    if (read_stream_head(w, e) < 0)
        return -1;
    while (record.type != LIBXL_END) {
        if (next_record(w, &record, e) < 0)
            return -1;
        if (record.type > LIBXL_EMULATOR_CONTEXT && record.type < optional_record)
            return unknown("libxl", &record, e);
        if (pass_body(w, &record, e) < 0)
            return -1;
        if (record.type != LIBXL_LIBXC_CONTEXT)
            continue;
        if (record.len != 0 || has_guest)
            return err_set(e, ERR_DAMAGED, "its records are not those of one guest");
        if (walk_libxc(w, f, e) < 0)
            return -1;
        has_guest = true;
    }
    return has_guest ? 0 : err_set(e, ERR_DAMAGED, "there is no guest in it");
}

int xl_file_read(int fd, uint64_t size, struct xl_file *ret, struct err *e)
{
    struct walk w = {.fd = fd, .size = size};
    unsigned char head[HEAD_LEN];
    struct xl_file f = {0};

    if (take(&w, head, sizeof head, "its header", e) < 0 || check_head(head, e) < 0)
        return -1;
    f.json = (little(head + XL_FILE_MAGIC_LEN + 4) & FLAG_JSON) != 0;
    int result = read_config(&w, little(head + XL_FILE_MAGIC_LEN + 12), &f, e);
    f.stream_offset = w.at;
    if (result == 0)
        result = walk_libxl(&w, &f, e);
    f.stream_bytes = w.at - f.stream_offset;
    if (result == 0)
        *ret = f;
    else
        xl_file_finish(&f);
    return result;
}

void xl_file_finish(struct xl_file *f)
{
    free(f->config);
    *f = (struct xl_file){0};
}

int xl_file_head(const char *json, struct str *to, struct err *e)
{
    size_t len = strlen(json) + 1; /* xl writes the NUL, and its reader needs it */
    const uint32_t words[] = {htole32(BYTE_ORDER_MARK), htole32(FLAG_JSON | FLAG_STREAM_V2), 0,
                              htole32((uint32_t)(len + 4)), htole32((uint32_t)len)};

    if (len + 4 > CONFIG_MAX)
        return err_set(e, ERR_TOO_LARGE, "the config has %zu bytes as libxl's JSON; at most %d",
                       len, CONFIG_MAX - 5);
    str_addn(to, magic, XL_FILE_MAGIC_LEN);
    str_addn(to, words, sizeof words);
    str_addn(to, json, len);
    return 0;
}
