/* SPDX-License-Identifier: MIT */
/* ioports, iomem and irqs: hexadecimal ports and pages, decimal interrupts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/lex.h"
#include "conf/spec_kinds.h"

enum { PORT_MAX = 0xffff, IRQ_MAX = 0xffff };

static const struct spec_param no_params[] = {{0}};

static int read_ports(struct spec *spec, char *word, struct err *e)
{
    struct conf_range *range = spec->to;
    char shown[PLACE_SHOWN];

    range->first.given = range->last.given = true;
    if (spec_range(word, 16, PORT_MAX, &range->first.value, &range->last.value))
        return 0;
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is not a port or a range of ports in hexadecimal, as in 2f8-2ff",
                      place_show(word, shown));
}

static char *ports_text(const void *item)
{
    const struct conf_range *range = item;

    if (range->first.value == range->last.value)
        return x_asprintf("%" PRIx64, (uint64_t)range->first.value);
    return x_asprintf("%" PRIx64 "-%" PRIx64, (uint64_t)range->first.value,
                      (uint64_t)range->last.value);
}

const struct spec_kind spec_ioports = {.params = no_params,
                                       .size = sizeof(struct conf_range),
                                       .whole = true,
                                       .bare = read_ports,
                                       .text = ports_text};

static int read_irq(struct spec *spec, char *word, struct err *e)
{
    struct conf_range *range = spec->to;
    char shown[PLACE_SHOWN];
    uint64_t irq;

    if (lex_number_read(word, strlen(word), &irq) != LEX_NUMBER_OK || irq > IRQ_MAX)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not the number of an interrupt, 0 to %d", place_show(word, shown),
                          IRQ_MAX);
    range->first = range->last = (struct conf_number){.given = true, .value = (int64_t)irq};
    return 0;
}

static char *irq_text(const void *item)
{
    return x_asprintf("%" PRId64, ((const struct conf_range *)item)->first.value);
}

const struct spec_kind spec_irqs = {.params = no_params,
                                    .size = sizeof(struct conf_range),
                                    .whole = true,
                                    .bare = read_irq,
                                    .text = irq_text};

/* START,COUNT[@GFN], all in pages and hexadecimal. */
static int read_iomem(struct spec *spec, char *word, struct err *e)
{
    struct conf_iomem *mem = spec->to;
    AUTO_FREE char *copy = x_strdup(word);
    char *count = strchr(copy, ','), *gfn = strchr(copy, '@');
    char shown[PLACE_SHOWN];
    bool good = count && (!gfn || gfn > count);

    if (good) {
        *count++ = '\0';
        if (gfn)
            *gfn++ = '\0';
        good = spec_number(copy, 16, &mem->start.value) &&
               spec_number(count, 16, &mem->count.value) && mem->count.value > 0 &&
               (!gfn || spec_number(gfn, 16, &mem->gfn.value)) &&
               mem->start.value <= INT64_MAX - mem->count.value;
    }
    if (!good)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not START,COUNT or START,COUNT@GFN in hexadecimal pages",
                          place_show(word, shown));
    mem->start.given = mem->count.given = true;
    mem->gfn.given = gfn != NULL;
    return 0;
}

static char *iomem_text(const void *item)
{
    const struct conf_iomem *mem = item;
    AUTO_STR struct str text = {0};

    str_addf(&text, "%" PRIx64 ",%" PRIx64, (uint64_t)mem->start.value, (uint64_t)mem->count.value);
    if (mem->gfn.given)
        str_addf(&text, "@%" PRIx64, (uint64_t)mem->gfn.value);
    return str_take(&text);
}

const struct spec_kind spec_iomem = {.params = no_params,
                                     .size = sizeof(struct conf_iomem),
                                     .whole = true,
                                     .bare = read_iomem,
                                     .text = iomem_text};
