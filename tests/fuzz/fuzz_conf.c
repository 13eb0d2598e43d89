/* SPDX-License-Identifier: MIT */
/* Configs from anywhere: parsing must neither crash nor hang, an error must be whole, and what is
 * accepted must mean the same after conf_merge. Input: a byte for the driver, the text, and behind
 * each byte 0x01 one key=value word. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

enum { WORDS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_error(const struct err *e)
{
    must(e->code == ERR_BAD_CONFIG || e->code == ERR_UNSUPPORTED || e->code == ERR_TOO_LARGE);
    must(e->msg[0] && e->file[0] && !strchr(e->msg, '\n'));
    must(str_starts(e->msg, e->line ? "fuzz.cfg:" : "command line: "));
}

static void check_same(const struct conf *a, const struct conf *b)
{
    AUTO_JSON json_t *one = conf_json(a);
    AUTO_JSON json_t *other = conf_json(b);

    must(json_equal(one, other));
}

static void check_merge(const char *text, const char *const *words, size_t count,
                        const char *driver, const struct conf *conf)
{
    struct conf_warnings warnings;
    struct conf *again = NULL;
    char *merged = NULL;
    struct err e;

    must(conf_merge(text, words, count, &merged, &e) == 0);
    must(conf_parse(merged, strlen(merged), "merged.cfg", NULL, 0, driver, &again, &warnings, &e) ==
         0);
    check_same(conf, again);
    conf_warnings_finish(&warnings);
    conf_free(again);
    free(merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const drivers[] = {"qemu", "null", "xen"};
    const char *words[WORDS_MAX];
    struct conf_warnings warnings;
    struct conf *conf = NULL;
    struct err e = {0};
    size_t count = 0;

    if (size == 0)
        return 0;
    const char *driver = drivers[data[0] % ARRAY_LEN(drivers)];
    AUTO_FREE char *text = x_strndup((const char *)data + 1, size - 1);
    bool nul = memchr(data + 1, '\0', size - 1) != NULL;
    if (!nul) {
        for (char *cut = text; (cut = strchr(cut, 1)) && count < WORDS_MAX;) {
            *cut++ = '\0';
            words[count++] = cut;
        }
    }
    /* A text with NUL is given with its length, from a block of exactly that size. */
    AUTO_FREE char *bytes = x_malloc(size);
    memcpy(bytes, data + 1, size - 1);
    int rc = conf_parse(nul ? bytes : text, nul ? size - 1 : strlen(text), "fuzz.cfg", words, count,
                        driver, &conf, &warnings, &e);
    conf_warnings_finish(&warnings);
    if (rc < 0) {
        check_error(&e);
        return 0;
    }
    must(!nul);
    check_merge(text, words, count, driver, conf);
    conf_free(conf);
    return 0;
}
