/* SPDX-License-Identifier: MIT */
/* Specs and the round trip: the first byte chooses the key, the rest is one string (or, with the
 * high bit, a list of strings at each newline) of it, on the Xen driver. What is accepted must come
 * back equal from its text and from its JSON, and survive an edit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add_quoted(struct str *to, const uint8_t *bytes, size_t len)
{
    str_addc(to, '"');
    for (size_t i = 0; i < len; i++)
        str_addf(to, "\\x%02x", bytes[i] ? bytes[i] : 'x');
    str_addc(to, '"');
}

/* KEY = ["..."] or KEY = "..." or KEY = [["...", "..."]]. */
static void make_text(struct str *to, const char *key, const uint8_t *data, size_t size, int form)
{
    /* Most keys are of an HVM guest, and contradict another. */
    str_addf(to, "type = \"hvm\"; kernel = \"/k\"\n%s = ", key);
    str_add(to, form == 0 ? "" : form == 1 ? "[" : "[[");
    for (size_t at = 0; at <= size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end && form > 0 ? (size_t)(end - data) - at : size - at;
        str_add(to, at ? ", " : "");
        add_quoted(to, data + at, len);
        at += len + 1;
    }
    str_add(to, form == 0 ? "\n" : form == 1 ? "]\n" : "]]\n");
}

static struct conf *parse(const char *text)
{
    struct conf_warnings warnings;
    struct conf *conf = NULL;
    struct err e = {0};

    int rc = conf_parse(text, strlen(text), "fuzz.cfg", NULL, 0, "xen", &conf, &warnings, &e);
    conf_warnings_finish(&warnings);
    must(rc == 0 || (e.msg[0] && e.line > 0 && e.key[0]));
    return conf;
}

static void check_back(const struct conf *conf)
{
    AUTO_FREE char *text = conf_text(conf);
    AUTO_JSON json_t *json = conf_json(conf);
    static const char *const words[] = {"vcpus=1", "extra="};
    struct conf_warnings warnings;
    struct conf_changes changes;
    struct conf *from_json = NULL;
    char *edited = NULL;
    struct err e;

    struct conf *from_text = parse(text);
    must(from_text && conf_equal(conf, from_text));
    conf_diff(conf, from_text, &changes);
    must(changes.count == 0);
    conf_free(from_text);
    must(conf_from_json(json, "xen", &from_json, &warnings, &e) == 0);
    must(conf_equal(conf, from_json));
    conf_warnings_finish(&warnings);
    conf_free(from_json);
    must(conf_edit(text, "fuzz.cfg", words, 2, &edited, &e) == 0);
    struct conf *again = parse(edited);
    /* The edit writes what is the default, so that it changes no other config. */
    must(again && (conf->vcpus != 1 || conf_equal(conf, again)));
    conf_free(again);
    free(edited);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STR struct str text = {0};
    size_t keys = 0, takers = 0;

    if (size < 2 || size > 4096)
        return 0;
    for (size_t i = 0; conf_key_name(i); i++)
        takers += conf_key_takes(i) != NULL && conf_key_acts(i, "xen");
    size_t chosen = data[0] % takers;
    for (; conf_key_name(keys); keys++)
        if (conf_key_takes(keys) && conf_key_acts(keys, "xen") && chosen-- == 0)
            break;
    make_text(&text, conf_key_name(keys), data + 2, size - 2, data[1] % 3);
    struct conf *conf = parse(text.data);
    if (conf)
        check_back(conf);
    conf_free(conf);
    return 0;
}
