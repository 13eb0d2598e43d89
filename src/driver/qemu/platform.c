/* SPDX-License-Identifier: MIT */
#include "driver/qemu/platform.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

char *platform_text(const struct platform *platform)
{
    char places[PLACES_TEXT_MAX];

    places_text(&platform->places, places);
    return x_asprintf("qemu-%s machine=%s accel=%s cpu=%s places=%s", platform->qemu,
                      platform->machine, platform->accel, platform->cpu, places);
}

int platform_parse(const char *text, struct platform *ret, struct err *e)
{
    struct platform p = {0};
    char places[PLACES_TEXT_MAX] = "";
    const struct {
        const char *lead;
        char *to;
        size_t size;
    } words[] = {
        {"qemu-",    p.qemu,    sizeof p.qemu   },
        {"machine=", p.machine, sizeof p.machine},
        {"accel=",   p.accel,   sizeof p.accel  },
        {"cpu=",     p.cpu,     sizeof p.cpu    },
        {"places=",  places,    sizeof places   },
    };
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = NULL;
    char *word = strtok_r(copy, " ", &rest);

    for (size_t i = 0; i < ARRAY_LEN(words); i++, word = strtok_r(NULL, " ", &rest))
        if (!word || !str_starts(word, words[i].lead) ||
            !str_copy(words[i].to, words[i].size, word + strlen(words[i].lead)) || !words[i].to[0])
            return err_set(e, ERR_DAMAGED, "the image was not saved by the QEMU driver: \"%s\"",
                           text);
    if (places_parse(places, &p.places, e) < 0)
        return err_wrap(e, "the image was not saved by the QEMU driver");
    *ret = p;
    return 0;
}
