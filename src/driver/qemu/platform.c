/* SPDX-License-Identifier: MIT */
#include "driver/qemu/platform.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

char *platform_text(const struct platform *platform)
{
    return x_asprintf("qemu-%s machine=%s accel=%s cpu=%s", platform->qemu, platform->machine,
                      platform->accel, platform->cpu);
}

int platform_parse(const char *text, struct platform *ret, struct err *e)
{
    struct platform p = {0};
    const struct {
        const char *lead;
        char *to;
        size_t size;
    } words[] = {
        {"qemu-",    p.qemu,    sizeof p.qemu   },
        {"machine=", p.machine, sizeof p.machine},
        {"accel=",   p.accel,   sizeof p.accel  },
        {"cpu=",     p.cpu,     sizeof p.cpu    },
    };
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = NULL;
    char *word = strtok_r(copy, " ", &rest);

    for (size_t i = 0; i < ARRAY_LEN(words); i++, word = strtok_r(NULL, " ", &rest))
        if (!word || !str_starts(word, words[i].lead) ||
            !str_copy(words[i].to, words[i].size, word + strlen(words[i].lead)) || !words[i].to[0])
            return err_set(e, ERR_DAMAGED, "the image was not saved by the QEMU driver: \"%s\"",
                           text);
    *ret = p;
    return 0;
}
