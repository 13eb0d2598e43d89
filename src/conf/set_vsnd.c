/* SPDX-License-Identifier: MIT */
/* vsnd: sound cards. Each is a list of strings "CARD|PCM|STREAM, parameter=value, ...". */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/spec.h"

static const char *const kinds[] = {"CARD", "PCM", "STREAM"};

/* clang-format off */
static const struct keys_word_row directions[] = {
    {"p", CONF_SOUND_P},
    {"c", CONF_SOUND_C},
    {0},
};

static const char *const formats[] = {
    "s8",       "u8",         "s16_le",     "s16_be",             "u16_le",             "u16_be",
    "s24_le",   "s24_be",     "u24_le",     "u24_be",             "s32_le",             "s32_be",
    "u32_le",   "u32_be",     "float_le",   "float_be",           "float64_le",         "float64_be",
    "mu_law",   "a_law",      "ima_adpcm",  "iec958_subframe_le", "iec958_subframe_be", "mpeg",
    "gsm"};

static int set_rates(struct spec *spec, const char *value, struct err *e)
{
    struct conf_sound *sound = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *rest = copy, *one, shown[PLACE_SHOWN];
    int64_t rate;

    while ((one = strsep(&rest, ";")))
        if (!spec_number(one, 10, &rate) || rate < 1 || rate > UINT32_MAX)
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "sample-rates: %s is not a rate in Hz, as in 44100;48000",
                              place_show(one, shown));
    sound->sample_rates = x_strdup(value);
    return 0;
}

static int set_formats(struct spec *spec, const char *value, struct err *e)
{
    struct conf_sound *sound = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *rest = copy, *one, shown[PLACE_SHOWN];

    while ((one = strsep(&rest, ";"))) {
        size_t i = 0;
        while (i < ARRAY_LEN(formats) && strcasecmp(formats[i], one) != 0)
            i++;
        if (i == ARRAY_LEN(formats))
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "sample-formats: %s is not a format, as in s16_le;s32_le",
                              place_show(one, shown));
    }
    sound->sample_formats = x_strdup(value);
    return 0;
}

#define AT(member) offsetof(struct conf_sound, member)
#define COMMON                                                                                     \
    {"sample-rates",   .set = set_rates, .store = SPEC_STRING, .offset = AT(sample_rates)},        \
    {"sample-formats", .set = set_formats, .store = SPEC_STRING, .offset = AT(sample_formats)},    \
    {"channels-min",   .store = SPEC_NUMBER, .offset = AT(channels_min), .max = UINT32_MAX},       \
    {"channels-max",   .store = SPEC_NUMBER, .offset = AT(channels_max), .max = UINT32_MAX},       \
    {"buffer-size",    .store = SPEC_NUMBER, .offset = AT(buffer_size), .max = UINT32_MAX}

static const struct spec_param card_params[] = {
    {"backend",    .store = SPEC_STRING, .offset = AT(backend)},
    {"short-name", .store = SPEC_STRING, .offset = AT(short_name)},
    {"long-name",  .store = SPEC_STRING, .offset = AT(long_name)},
    COMMON,
    {0},
};
static const struct spec_param pcm_params[] = {
    {"name", .store = SPEC_STRING, .offset = AT(name)},
    COMMON,
    {0},
};
static const struct spec_param stream_params[] = {
    {"unique-id", .store = SPEC_STRING, .offset = AT(unique_id)},
    {"id",        .store = SPEC_STRING, .offset = AT(unique_id)},
    {"type",      .store = SPEC_WORD, .offset = AT(type), .words = directions},
    COMMON,
    {0},
};
/* clang-format on */

static const struct spec_param *const params_of[] = {card_params, pcm_params, stream_params};

/* Every parameter that a part can have, for clearing: the members are each there once. */
static void clear_sound(struct conf_sound *sound)
{
    for (size_t i = 0; i < ARRAY_LEN(params_of); i++)
        spec_clear(params_of[i], sound);
}

static int add_sound(const struct keys_context *c, const struct value *v, bool first, struct err *e)
{
    struct conf_devices *dev = &c->conf->dev;
    struct conf_sound sound = {0};
    char shown[PLACE_SHOWN];
    size_t kind = 0;

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the card; its parts are strings");
    if (dev->vsnd.count == SPEC_ITEMS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d parts", SPEC_ITEMS_MAX);
    AUTO_FREE char *text = x_strdup(v->text);
    char *rest = text;
    const char *word = spec_trim(strsep(&rest, ","));
    while (kind < ARRAY_LEN(kinds) && strcasecmp(kinds[kind], word) != 0)
        kind++;
    if (kind == ARRAY_LEN(kinds))
        return keys_error(c, v, e, ERR_BAD_CONFIG, "%s is not one of: CARD, PCM, STREAM",
                          place_show(word, shown));
    sound.kind = (enum conf_sound_kind)kind;
    if (first != (sound.kind == CONF_SOUND_CARD))
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          first ? "a card begins with its CARD"
                                : "a list is one card; CARD is its "
                                  "first part");
    if (sound.kind == CONF_SOUND_STREAM && dev->vsnd.count &&
        dev->vsnd.items[dev->vsnd.count - 1].kind == CONF_SOUND_CARD)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a STREAM belongs to a PCM, which comes first");
    struct spec spec = {.c = c, .v = v, .params = params_of[kind], .to = &sound};
    if (rest && spec_parse(&spec, rest, NULL, e) < 0) {
        clear_sound(&sound);
        return -1;
    }
    dev->vsnd.items = x_reallocarray(dev->vsnd.items, dev->vsnd.count + 1, sizeof sound);
    dev->vsnd.items[dev->vsnd.count++] = sound;
    return 0;
}

static int set_vsnd(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return !*v->text ? 0
                         : keys_error(c, v, e, ERR_BAD_CONFIG,
                                      "a single value is given, but it takes a list of cards");
    for (size_t i = 0; i < v->count; i++) {
        const struct value *card = &v->items[i];
        if (card->kind != VALUE_LIST || card->count == 0)
            return keys_error(c, card, e, ERR_BAD_CONFIG,
                              "each card is a list of strings, as in [\"CARD\", \"PCM, name=a\"]");
        for (size_t j = 0; j < card->count; j++)
            if (add_sound(c, &card->items[j], j == 0, e) < 0)
                return -1;
    }
    return 0;
}

/* A list a card, in it an object a part: {"part": "CARD", ...}. */
static json_t *show_vsnd(const struct conf *conf, const struct key *row)
{
    json_t *card = NULL;

    (void)row;
    if (conf->dev.vsnd.count == 0)
        return NULL;
    json_t *cards = json_array();
    for (size_t i = 0; i < conf->dev.vsnd.count; i++) {
        const struct conf_sound *sound = &conf->dev.vsnd.items[i];
        if (sound->kind == CONF_SOUND_CARD) {
            card = json_array();
            json_array_append_new(cards, card);
        }
        json_t *part = json_object();
        json_set_string(part, "part", kinds[sound->kind]);
        spec_show(params_of[sound->kind], sound, part);
        json_object_del(part, "id"); /* the old name of unique-id */
        json_array_append_new(card, part);
    }
    return cards;
}

static int text_part(const json_t *part, struct str *to, struct err *e)
{
    AUTO_STR struct str text = {0};
    const char *name = json_get_string(part, "part", "");
    size_t kind = 0;

    while (kind < ARRAY_LEN(kinds) && !str_eq(kinds[kind], name))
        kind++;
    if (kind == ARRAY_LEN(kinds))
        return err_set(e, ERR_BAD_CONFIG, "vsnd: part is one of: CARD, PCM, STREAM");
    str_add(&text, name);
    if (spec_text(params_of[kind], part, &text, e) < 0)
        return -1;
    tree_write_string(to, text.data);
    return 0;
}

static int text_vsnd(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    const json_t *card, *part;
    size_t i, j;

    (void)row;
    str_addc(to, '[');
    json_array_foreach(json, i, card)
    {
        str_add(to, i ? ", [" : "[");
        json_array_foreach(card, j, part)
        {
            str_add(to, j ? ", " : "");
            if (text_part(part, to, e) < 0)
                return -1;
        }
        str_addc(to, ']');
    }
    str_addc(to, ']');
    return 0;
}

static void clear_vsnd(struct conf *conf, const struct key *row)
{
    (void)row;
    for (size_t i = 0; i < conf->dev.vsnd.count; i++)
        clear_sound(&conf->dev.vsnd.items[i]);
    free(conf->dev.vsnd.items);
    conf->dev.vsnd.items = NULL;
    conf->dev.vsnd.count = 0;
}

const struct keys_type keys_vsnd = {"a list of lists of strings", set_vsnd, show_vsnd, clear_vsnd,
                                    text_vsnd};
