/* SPDX-License-Identifier: MIT */
/* pci: xl-pci-configuration(5); rdm, which is about the memory of such devices. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/spec_kinds.h"

enum { SLOT_MAX = 31, DOMAIN_DIGITS = 4 };

/* clang-format off */
static const struct keys_word_row policies[] = {
    {"strict",  CONF_RDM_STRICT},
    {"relaxed", CONF_RDM_RELAXED},
    {0},
};
/* clang-format on */

static bool hex_digits(const char **at, size_t most)
{
    size_t len = strspn(*at, "0123456789abcdefABCDEF");

    *at += len;
    return len > 0 && len <= most;
}

/* DDDD:BB:SS.F or BB:SS.F, F also "*"; with the domain and in small letters. NULL: it is none.
 * Owned by the caller. */
static char *normal_bdf(const char *value)
{
    const char *at = value;
    size_t colons = 0;

    for (const char *c = value; *c; c++)
        colons += *c == ':';
    bool good = (colons == 1 || (colons == 2 && hex_digits(&at, DOMAIN_DIGITS) && *at++ == ':')) &&
                hex_digits(&at, 2) && *at++ == ':';
    const char *slot = at;
    good = good && hex_digits(&at, 2) && strtol(slot, NULL, 16) <= SLOT_MAX && *at++ == '.' &&
           *at && strchr("01234567*", *at) && at[1] == '\0';
    if (!good)
        return NULL;
    unsigned long domain = colons == 2 ? strtoul(value, NULL, 16) : 0;
    const char *bus = colons == 2 ? strchr(value, ':') + 1 : value;
    return x_asprintf("%04lx:%02lx:%02lx.%c", domain, strtoul(bus, NULL, 16),
                      strtoul(slot, NULL, 16), at[0]);
}

static int set_slot(struct spec *spec, const char *value, struct err *e)
{
    struct conf_pci *pci = spec->to;
    int64_t slot;
    char shown[PLACE_SHOWN];

    if (!*value)
        return 0;
    if (!spec_number(value, 16, &slot) || slot > SLOT_MAX)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "vslot %s is not a slot, which is 0 to 1f in hexadecimal",
                          place_show(value, shown));
    pci->vslot = (struct conf_number){.given = true, .value = slot};
    return 0;
}

static int set_bdf(struct spec *spec, const char *value, struct err *e)
{
    struct conf_pci *pci = spec->to;
    char shown[PLACE_SHOWN];

    if (!*value)
        return 0;
    if (pci->bdf)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the device is given twice");
    pci->bdf = normal_bdf(value);
    if (!pci->bdf)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a device, as in 03:00.0 or 0000:03:00.0",
                          place_show(value, shown));
    return 0;
}

/* BDF, BDF@SLOT, and after the device SLOT. */
static int bare_pci(struct spec *spec, char *word, struct err *e)
{
    struct conf_pci *pci = spec->to;
    char *slot = strchr(word, '@');

    if (pci->bdf)
        return set_slot(spec, word, e);
    if (slot)
        *slot++ = '\0';
    if (set_bdf(spec, word, e) < 0)
        return -1;
    return slot ? set_slot(spec, slot, e) : 0;
}

static int check_pci(struct spec *spec, struct err *e)
{
    const struct conf_pci *pci = spec->to;

    if (pci->bdf && pci->name)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is named by name= too; leave one out", pci->bdf);
    if (!pci->bdf && !pci->name)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "it says no device; give one as in 03:00.0, or name=");
    return 0;
}

static int check_twice(const struct keys_context *c, const struct value *v, struct err *e)
{
    const struct conf_devices *dev = &c->conf->dev;

    for (size_t i = 0; i < dev->pci.count; i++)
        for (size_t j = 0; j < i; j++)
            if (dev->pci.items[i].bdf && str_eq(dev->pci.items[i].bdf, dev->pci.items[j].bdf))
                return keys_error(c, &v->items[i], e, ERR_BAD_CONFIG, "%s is given twice",
                                  dev->pci.items[i].bdf);
    return 0;
}

/* clang-format off */
#define AT(member) offsetof(struct conf_pci, member)
static const struct spec_param pci_params[] = {
    {"bdf",          .set = set_bdf, .store = SPEC_STRING, .offset = AT(bdf)},
    {"vslot",        .set = set_slot, .store = SPEC_HEX, .offset = AT(vslot)},
    {"name",         .store = SPEC_STRING, .offset = AT(name)},
    {"permissive",   .store = SPEC_FLAG, .offset = AT(permissive)},
    {"msitranslate", .store = SPEC_FLAG, .offset = AT(msitranslate)},
    {"seize",        .store = SPEC_FLAG, .offset = AT(seize)},
    {"power_mgmt",   .store = SPEC_FLAG, .offset = AT(power_mgmt)},
    {"rdm_policy",   .store = SPEC_WORD, .offset = AT(rdm_policy), .words = policies},
    {0},
};
/* clang-format on */

const struct spec_kind spec_pci = {.params = pci_params,
                                   .size = sizeof(struct conf_pci),
                                   .bare = bare_pci,
                                   .check = check_pci,
                                   .check_all = check_twice};

static int set_strategy(struct spec *spec, const char *value, struct err *e)
{
    struct conf_rdm *rdm = spec->to;
    char shown[PLACE_SHOWN];

    if (!str_eq(value, "host"))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "strategy %s is not one of: host",
                          place_show(value, shown));
    rdm->host = true;
    return 0;
}

static int check_rdm(struct spec *spec, struct err *e)
{
    struct conf_rdm *rdm = spec->to;

    (void)e;
    rdm->given = rdm->host || rdm->policy != CONF_RDM_UNSET;
    return 0;
}

static bool rdm_given(const void *item)
{
    return ((const struct conf_rdm *)item)->given;
}

static char *rdm_text(const void *item)
{
    const struct conf_rdm *rdm = item;
    const char *policy = rdm->policy == CONF_RDM_STRICT ? "strict" : "relaxed";
    bool has = rdm->policy != CONF_RDM_UNSET;

    return x_asprintf("%s%s%s%s", rdm->host ? "strategy=host" : "", rdm->host && has ? "," : "",
                      has ? "policy=" : "", has ? policy : "");
}

/* clang-format off */
static const struct spec_param rdm_params[] = {
    {"strategy", .set = set_strategy},
    {"policy",   .store = SPEC_WORD, .offset = offsetof(struct conf_rdm, policy),
     .words = policies},
    {0},
};
/* clang-format on */

const struct spec_kind spec_rdm = {.params = rdm_params,
                                   .size = sizeof(struct conf_rdm),
                                   .single = true,
                                   .check = check_rdm,
                                   .text = rdm_text,
                                   .given = rdm_given};
