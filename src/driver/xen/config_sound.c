/* SPDX-License-Identifier: MIT */
/* vsnd: cards with PCMs with streams; struct conf has them as one list in their order. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_devices.h"
#include "driver/xen/config_parts.h"

/* clang-format off */
#define OURS(member) offsetof(struct conf_sound, member)
static const struct row card_rows[] = {
    {"backend",    ROW_STRING, ON_ALL, OURS(backend), offsetof(libxl_device_vsnd, backend_domname)},
    {"short-name", ROW_STRING, ON_ALL, OURS(short_name), offsetof(libxl_device_vsnd, short_name)},
    {"long-name",  ROW_STRING, ON_ALL, OURS(long_name), offsetof(libxl_device_vsnd, long_name)},
    {0},
};

static const struct row pcm_rows[] = {
    {"name", ROW_STRING, ON_ALL, OURS(name), offsetof(libxl_vsnd_pcm, name)},
    {0},
};

static const struct row_word directions[] = {
    {CONF_SOUND_P, LIBXL_VSND_STREAM_TYPE_P},
    {CONF_SOUND_C, LIBXL_VSND_STREAM_TYPE_C},
};

static const struct row stream_rows[] = {
    {"unique-id", ROW_STRING, ON_ALL, OURS(unique_id), offsetof(libxl_vsnd_stream, unique_id)},
    {"type",      ROW_WORD,   ON_ALL, OURS(type), offsetof(libxl_vsnd_stream, type), directions, ARRAY_LEN(directions)},
    {0},
};

static const struct row params_rows[] = {
    {"channels-min", ROW_U32, ON_ALL, OURS(channels_min), offsetof(libxl_vsnd_params, channels_min)},
    {"channels-max", ROW_U32, ON_ALL, OURS(channels_max), offsetof(libxl_vsnd_params, channels_max)},
    {"buffer-size",  ROW_U32, ON_ALL, OURS(buffer_size), offsetof(libxl_vsnd_params, buffer_size)},
    {0},
};
#undef OURS
/* clang-format on */

static int set_params(const struct conf_sound *from, libxl_vsnd_params *to, struct err *e)
{
    AUTO_FREE char *rates = x_strdup(from->sample_rates), *formats = x_strdup(from->sample_formats);
    char *rest = rates, *one;

    rows_apply(params_rows, ON_ALL, from, to, NULL);
    while (rest && (one = strsep(&rest, ";"))) {
        size_t count = (size_t)to->num_sample_rates + 1;
        to->sample_rates = x_reallocarray(to->sample_rates, count, sizeof *to->sample_rates);
        to->sample_rates[to->num_sample_rates++] = (uint32_t)strtoul(one, NULL, 0);
    }
    rest = formats;
    while (rest && (one = strsep(&rest, ";"))) {
        size_t count = (size_t)to->num_sample_formats + 1;
        libxl_vsnd_pcm_format format;
        if (libxl_vsnd_pcm_format_from_string(one, &format) != 0)
            return err_set_key(e, ERR_BAD_CONFIG, "vsnd", "libxl has no sample format %s", one);
        to->sample_formats = x_reallocarray(to->sample_formats, count, sizeof *to->sample_formats);
        to->sample_formats[to->num_sample_formats++] = format;
    }
    return 0;
}

static libxl_device_vsnd *add_card(libxl_domain_config *out)
{
    size_t count = (size_t)out->num_vsnds + 1;

    out->vsnds = x_reallocarray(out->vsnds, count, sizeof *out->vsnds);
    libxl_device_vsnd *card = &out->vsnds[out->num_vsnds];
    libxl_device_vsnd_init(card);
    card->devid = out->num_vsnds++;
    return card;
}

static libxl_vsnd_pcm *add_pcm(libxl_device_vsnd *card)
{
    card->pcms = x_reallocarray(card->pcms, (size_t)card->num_vsnd_pcms + 1, sizeof *card->pcms);
    libxl_vsnd_pcm *pcm = &card->pcms[card->num_vsnd_pcms++];
    libxl_vsnd_pcm_init(pcm);
    return pcm;
}

static libxl_vsnd_stream *add_stream(libxl_device_vsnd *card)
{
    libxl_vsnd_pcm *pcm =
        card->num_vsnd_pcms ? &card->pcms[card->num_vsnd_pcms - 1] : add_pcm(card);

    pcm->streams =
        x_reallocarray(pcm->streams, (size_t)pcm->num_vsnd_streams + 1, sizeof *pcm->streams);
    libxl_vsnd_stream *stream = &pcm->streams[pcm->num_vsnd_streams++];
    libxl_vsnd_stream_init(stream);
    return stream;
}

static int add_part(const struct conf_sound *from, libxl_domain_config *out, struct err *e)
{
    libxl_device_vsnd *card = from->kind == CONF_SOUND_CARD || out->num_vsnds == 0
                                  ? add_card(out)
                                  : &out->vsnds[out->num_vsnds - 1];

    switch (from->kind) {
    case CONF_SOUND_CARD:
        rows_apply(card_rows, ON_ALL, from, card, NULL);
        return set_params(from, &card->params, e);
    case CONF_SOUND_PCM: {
        libxl_vsnd_pcm *pcm = add_pcm(card);
        rows_apply(pcm_rows, ON_ALL, from, pcm, NULL);
        return set_params(from, &pcm->params, e);
    }
    case CONF_SOUND_STREAM: {
        libxl_vsnd_stream *stream = add_stream(card);
        rows_apply(stream_rows, ON_ALL, from, stream, NULL);
        return set_params(from, &stream->params, e);
    }
    }
    return 0;
}

int config_sound(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    for (size_t i = 0; i < args->conf->dev.vsnd.count; i++)
        if (add_part(&args->conf->dev.vsnd.items[i], out, e) < 0)
            return -1;
    return 0;
}

/* ---- and back ---- */

static struct conf_sound *read_part(struct conf *conf, enum conf_sound_kind kind)
{
    size_t count = conf->dev.vsnd.count + 1;

    conf->dev.vsnd.items =
        x_reallocarray(conf->dev.vsnd.items, count, sizeof *conf->dev.vsnd.items);
    struct conf_sound *part = &conf->dev.vsnd.items[conf->dev.vsnd.count++];
    *part = (struct conf_sound){.kind = kind};
    return part;
}

static void read_params(const libxl_vsnd_params *from, struct conf_sound *to)
{
    AUTO_STR struct str rates = {0}, formats = {0};
    libxl_vsnd_params blank;

    libxl_vsnd_params_init(&blank);
    rows_read(params_rows, ON_ALL, from, &blank, to);
    for (int i = 0; i < from->num_sample_rates; i++)
        str_addf(&rates, "%s%u", i ? ";" : "", from->sample_rates[i]);
    for (int i = 0; i < from->num_sample_formats; i++)
        str_addf(&formats, "%s%s", i ? ";" : "",
                 libxl_vsnd_pcm_format_to_string(from->sample_formats[i]));
    to->sample_rates = from->num_sample_rates ? str_take(&rates) : NULL;
    to->sample_formats = from->num_sample_formats ? str_take(&formats) : NULL;
}

static void read_card(const libxl_device_vsnd *card, struct conf *conf)
{
    libxl_device_vsnd blank_card;
    libxl_vsnd_pcm blank_pcm;
    libxl_vsnd_stream blank_stream;
    struct conf_sound *part = read_part(conf, CONF_SOUND_CARD);

    libxl_device_vsnd_init(&blank_card);
    libxl_vsnd_pcm_init(&blank_pcm);
    libxl_vsnd_stream_init(&blank_stream);
    rows_read(card_rows, ON_ALL, card, &blank_card, part);
    read_params(&card->params, part);
    for (int p = 0; p < card->num_vsnd_pcms; p++) {
        const libxl_vsnd_pcm *pcm = &card->pcms[p];
        part = read_part(conf, CONF_SOUND_PCM);
        rows_read(pcm_rows, ON_ALL, pcm, &blank_pcm, part);
        read_params(&pcm->params, part);
        for (int s = 0; s < pcm->num_vsnd_streams; s++) {
            part = read_part(conf, CONF_SOUND_STREAM);
            rows_read(stream_rows, ON_ALL, &pcm->streams[s], &blank_stream, part);
            read_params(&pcm->streams[s].params, part);
        }
    }
}

void config_sound_read(const libxl_domain_config *in, struct conf *conf)
{
    for (int i = 0; i < in->num_vsnds; i++)
        read_card(&in->vsnds[i], conf);
}
