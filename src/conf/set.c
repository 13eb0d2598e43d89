/* SPDX-License-Identifier: MIT */
/* The types of keys with one value: how each is read, checked, stored and shown. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ident.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/keys.h"
#include "conf/lex.h"

enum { SERIALS_MAX = 4 }; /* ports that a PC has */

_Static_assert(sizeof(enum conf_type) == sizeof(unsigned), "words are stored as unsigned");
_Static_assert(sizeof(enum conf_action) == sizeof(unsigned), "words are stored as unsigned");
_Static_assert(sizeof(enum conf_machine) == sizeof(unsigned), "words are stored as unsigned");
_Static_assert(sizeof(enum conf_memory) == sizeof(unsigned), "words are stored as unsigned");
_Static_assert(sizeof(enum conf_accel) == sizeof(unsigned), "words are stored as unsigned");

static struct place place_of(const struct keys_context *c, const struct value *v)
{
    return (struct place){.file = c->file, .line = v->line, .key = c->row->name};
}

int keys_error(const struct keys_context *c, const struct value *v, struct err *e,
               enum err_code code, const char *fmt, ...)
{
    struct place at = place_of(c, v);
    char body[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    return place_error(e, &at, code, "%s: %s", c->row->name, body);
}

void keys_warn(const struct keys_context *c, const struct value *v, const char *fmt, ...)
{
    struct place at = place_of(c, v);
    char body[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    place_warn(c->warnings, &at, "%s: %s", c->row->name, body);
}

int keys_want_string(const struct keys_context *c, const struct value *v, struct err *e)
{
    size_t len;

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list is given, but it takes %s",
                          c->row->type->takes);
    len = strlen(v->text);
    if (c->row->max > 0 && len > (size_t)c->row->max)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%zu bytes are too long; at most %llu", len,
                          (unsigned long long)c->row->max);
    return 0;
}

void *keys_member(struct conf *conf, const struct key *row)
{
    return (char *)conf + row->offset;
}

const void *keys_member_const(const struct conf *conf, const struct key *row)
{
    return (const char *)conf + row->offset;
}

/* ---- strings: "" is as if it were not given ---- */

static int set_text(const struct keys_context *c, const struct value *v, struct err *e)
{
    return keys_want_string(c, v, e);
}

static int set_string(const struct keys_context *c, const struct value *v, struct err *e)
{
    char **to = keys_member(c->conf, c->row);

    if (keys_want_string(c, v, e) < 0)
        return -1;
    *to = *v->text ? x_strdup(v->text) : NULL;
    return 0;
}

static int set_name(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct err why;

    if (keys_want_string(c, v, e) < 0)
        return -1;
    if (ident_name_check(v->text, &why) < 0)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s", why.msg);
    return set_string(c, v, e);
}

json_t *keys_json_string(const char *text)
{
    json_t *string = json_string(text);

    if (string)
        return string;
    string = json_object();
    json_set_string(string, "escaped", text);
    return string;
}

static void clear_string(struct conf *conf, const struct key *row)
{
    char **at = keys_member(conf, row);

    free(*at);
    *at = NULL;
}

static json_t *show_string(const struct conf *conf, const struct key *row)
{
    char *const *from = keys_member_const(conf, row);

    return *from ? keys_json_string(*from) : NULL;
}

static int set_uuid(const struct keys_context *c, const struct value *v, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (keys_want_string(c, v, e) < 0)
        return -1;
    if (!ident_uuid_valid(v->text))
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s is not a uuid, which is 8-4-4-4-12 hexadecimal digits",
                          place_show(v->text, shown));
    ident_uuid_normal(v->text, keys_member(c->conf, c->row));
    return 0;
}

static json_t *show_uuid(const struct conf *conf, const struct key *row)
{
    const char *from = keys_member_const(conf, row);

    return *from ? keys_json_string(from) : NULL;
}

/* ---- numbers ---- */

int keys_read_number(const struct keys_context *c, const struct value *v, int64_t *ret,
                     struct err *e)
{
    const struct key *row = c->row;
    const char *unit = row->unit ? row->unit : "";
    const char *gap = row->unit ? " " : "";
    char shown[PLACE_SHOWN];
    uint64_t number;

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list is given, but it takes %s",
                          row->type->takes);
    if (v->joined)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "+= is for strings and lists; use = here");
    place_show(v->text, shown);
    bool negative = v->text[0] == '-' && v->text[1] >= '0' && v->text[1] <= '9';
    switch (lex_number_read(v->text + negative, strlen(v->text + negative), &number)) {
    case LEX_NUMBER_NOT:
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not a whole number%s%s%s", shown,
                          row->unit ? " of " : "", unit,
                          row->unit ? ", which is written without a suffix" : "");
    case LEX_NUMBER_OCTAL:
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not a number: a leading 0 makes it octal",
                          shown);
    case LEX_NUMBER_RANGE:
        break;
    case LEX_NUMBER_OK:
        if (number > INT64_MAX)
            break;
        *ret = negative ? -(int64_t)number : (int64_t)number;
        if (*ret >= row->min && *ret <= row->max)
            return 0;
    }
    return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is out of bounds; %lld to %lld%s%s are allowed",
                      v->kind == VALUE_NUMBER && strlen(v->text) < 30 ? v->text : shown,
                      (long long)row->min, (long long)row->max, gap, unit);
}

static int set_number(const struct keys_context *c, const struct value *v, struct err *e)
{
    unsigned *to = keys_member(c->conf, c->row);
    int64_t number;

    if (keys_read_number(c, v, &number, e) < 0)
        return -1;
    *to = (unsigned)number;
    return 0;
}

static json_t *show_number(const struct conf *conf, const struct key *row)
{
    const unsigned *from = keys_member_const(conf, row);

    return json_integer(*from);
}

static int set_mib(const struct keys_context *c, const struct value *v, struct err *e)
{
    uint64_t *to = keys_member(c->conf, c->row);
    int64_t mib;

    if (keys_read_number(c, v, &mib, e) < 0)
        return -1;
    *to = (uint64_t)mib * 1024;
    return 0;
}

static json_t *show_mib(const struct conf *conf, const struct key *row)
{
    const uint64_t *from = keys_member_const(conf, row);

    return json_integer((json_int_t)*from);
}

static int text_mib(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    json_int_t kib = json_integer_value(json);

    if (!json_is_integer(json) || kib < 0 || kib % 1024)
        return err_set(e, ERR_BAD_CONFIG, "%s: it takes KiB that make whole MiB", row->json);
    str_addf(to, "%lld", (long long)(kib / 1024));
    return 0;
}

/* Any number but 0 is true, as in xl. */
static int set_bool(const struct keys_context *c, const struct value *v, struct err *e)
{
    bool *to = keys_member(c->conf, c->row);
    uint64_t number;
    char shown[PLACE_SHOWN];

    if (v->kind == VALUE_LIST || v->joined ||
        lex_number_read(v->text, strlen(v->text), &number) != LEX_NUMBER_OK)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is neither 0 nor 1",
                          v->kind == VALUE_LIST ? "a list" : place_show(v->text, shown));
    *to = number != 0;
    return 0;
}

static json_t *show_bool(const struct conf *conf, const struct key *row)
{
    const bool *from = keys_member_const(conf, row);

    return json_boolean(*from);
}

/* ---- one word of a few ---- */

/* As libxl does, in capitals too. */
static const struct keys_word_row *find_word(const struct keys_word_row *words, const char *name)
{
    for (; words->name; words++)
        if (strcasecmp(words->name, name) == 0)
            return words;
    return NULL;
}

static int set_word(const struct keys_context *c, const struct value *v, struct err *e)
{
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];

    if (keys_want_string(c, v, e) < 0)
        return -1;
    const struct keys_word_row *word = find_word(c->row->words, v->text);
    if (word && word->refused[c->driver] && c->row->acts[c->driver]) {
        for (const struct keys_word_row *other = c->row->words; other->name; other++)
            if (!other->refused[c->driver])
                str_addf(&all, "%s%s", all.len ? ", " : "", other->name);
        return keys_error(c, v, e, ERR_UNSUPPORTED, "%s is not supported on %s; %s are", word->name,
                          c->driver_name, all.data);
    }
    if (word) {
        memcpy(keys_member(c->conf, c->row), &word->value, sizeof word->value);
        return 0;
    }
    for (word = c->row->words; word->name; word++)
        str_addf(&all, "%s%s", all.len ? ", " : "", word->name);
    return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: %s", place_show(v->text, shown),
                      all.data);
}

static int set_choice(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST && !*v->text)
        return 0;
    return set_word(c, v, e);
}

static json_t *show_word(const struct conf *conf, const struct key *row)
{
    unsigned value;

    memcpy(&value, keys_member_const(conf, row), sizeof value);
    for (const struct keys_word_row *word = row->words; word->name; word++)
        if (word->value == value)
            return json_string(word->name);
    return NULL;
}

/* ---- keys with rules of their own ---- */

static int set_boot(const struct keys_context *c, const struct value *v, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (keys_want_string(c, v, e) < 0)
        return -1;
    for (const char *letter = v->text; *letter; letter++) {
        if (!strchr("acdn", *letter))
            return keys_error(c, v, e, ERR_BAD_CONFIG,
                              "%s has a letter other than a (floppy), c (disk), d (cdrom) and n "
                              "(network)",
                              place_show(v->text, shown));
        if (strchr(letter + 1, *letter))
            return keys_error(c, v, e, ERR_BAD_CONFIG, "%s names %c twice",
                              place_show(v->text, shown), *letter);
    }
    if (strchr(v->text, 'a') && c->driver != KEYS_XEN)
        keys_warn(c, v, "a is passed over on %s, which has no floppy drive", c->driver_name);
    return set_string(c, v, e);
}

static int add_serial(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf *conf = c->conf;
    char shown[PLACE_SHOWN];

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each port is a string");
    bool path = (str_starts(v->text, "file:") || str_starts(v->text, "unix:")) && v->text[5];
    /* Xen's device model takes whatever QEMU does (xl.cfg(5)); only there it is QEMU's to judge. */
    bool any = c->driver == KEYS_XEN && *v->text;
    if (!any && !path && !str_eq(v->text, "pty"))
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: pty, file:PATH, unix:PATH",
                          place_show(v->text, shown));
    if (!any && str_starts(v->text, "unix:") && strchr(v->text, ','))
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s has options after a comma; unix: takes the path alone",
                          place_show(v->text, shown));
    if (conf->serial_count == SERIALS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d ports", SERIALS_MAX);
    conf->serials = x_reallocarray(conf->serials, conf->serial_count + 1, sizeof *conf->serials);
    conf->serials[conf->serial_count++] = x_strdup(v->text);
    return 0;
}

static int set_serial(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return *v->text ? add_serial(c, v, e) : 0;
    for (size_t i = 0; i < v->count; i++)
        if (add_serial(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_serial(const struct conf *conf, const struct key *row)
{
    (void)row;
    if (conf->serial_count == 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < conf->serial_count; i++)
        json_array_append_new(list, keys_json_string(conf->serials[i]));
    return list;
}

static void clear_serial(struct conf *conf, const struct key *row)
{
    (void)row;
    for (size_t i = 0; i < conf->serial_count; i++)
        free(conf->serials[i]);
    free(conf->serials);
    conf->serials = NULL;
    conf->serial_count = 0;
}

/* firmware, and bios, its old spelling: one of the words; with `path` also that of a file. */
static int set_firmware(const struct keys_context *c, const struct value *v, bool path,
                        struct err *e)
{
    struct conf_boot *boot = &c->conf->booting;
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];

    if (keys_want_string(c, v, e) < 0)
        return -1;
    if (!*v->text)
        return 0;
    const struct keys_word_row *word = find_word(c->row->words, v->text);
    if (c->driver != KEYS_XEN && (!word || word->refused[c->driver]))
        return keys_error(c, v, e, ERR_UNSUPPORTED,
                          "%s is not supported; bios, seabios, uefi and ovmf are",
                          place_show(v->text, shown));
    if (!word && !(path && *v->text == '/')) {
        for (word = c->row->words; word->name; word++)
            str_addf(&all, "%s%s", all.len ? ", " : "", word->name);
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: %s%s",
                          place_show(v->text, shown), all.data,
                          path ? ", nor a path that begins with /" : "; firmware takes a path");
    }
    enum conf_firmware is = word ? (enum conf_firmware)word->value : CONF_FIRMWARE_PATH;
    if (boot->firmware != CONF_FIRMWARE_UNSET && boot->firmware != CONF_FIRMWARE_BIOS &&
        boot->firmware != is)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "%s is another than firmware says; leave one out",
                          place_show(v->text, shown));
    boot->firmware = is;
    if (!word && !boot->firmware_path)
        boot->firmware_path = x_strdup(v->text);
    return 0;
}

static int set_bios(const struct keys_context *c, const struct value *v, struct err *e)
{
    return set_firmware(c, v, true, e);
}

static int set_bios_old(const struct keys_context *c, const struct value *v, struct err *e)
{
    return set_firmware(c, v, false, e);
}

static json_t *show_bios(const struct conf *conf, const struct key *row)
{
    if (conf->booting.firmware == CONF_FIRMWARE_PATH)
        return keys_json_string(conf->booting.firmware_path);
    for (const struct keys_word_row *word = row->words; word->name; word++)
        if (word->value == (unsigned)conf->booting.firmware)
            return json_string(word->name);
    return NULL;
}

static void clear_bios(struct conf *conf, const struct key *row)
{
    (void)row;
    free(conf->booting.firmware_path);
    conf->booting.firmware_path = NULL;
}

const struct keys_type keys_name = {"a string", set_name, show_string, clear_string, NULL};
const struct keys_type keys_uuid = {"a string", set_uuid, show_uuid, NULL, NULL};
const struct keys_type keys_string = {"a string", set_string, show_string, clear_string, NULL};
const struct keys_type keys_text = {"a string", set_text, NULL, NULL, NULL};
const struct keys_type keys_number = {"a number", set_number, show_number, NULL, NULL};
const struct keys_type keys_mib = {"a number", set_mib, show_mib, NULL, text_mib};
const struct keys_type keys_bool = {"0 or 1", set_bool, show_bool, NULL, NULL};
const struct keys_type keys_word = {"a string", set_word, show_word, NULL, NULL};
const struct keys_type keys_order = {"a string", set_boot, show_string, clear_string, NULL};
const struct keys_type keys_serial = {"a string or a list of strings", set_serial, show_serial,
                                      clear_serial, NULL};
const struct keys_type keys_bios = {"a string", set_bios, show_bios, clear_bios, NULL};
const struct keys_type keys_bios_old = {"a string", set_bios_old, NULL, NULL, NULL};
/* `type` shows what it stores. */
const struct keys_type keys_builder = {"a string", set_word, NULL, NULL, NULL};
/* An enum whose 0 is "not given"; "" is that too. */
const struct keys_type keys_choice = {"a string", set_choice, show_word, NULL, NULL};
