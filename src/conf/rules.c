/* SPDX-License-Identifier: MIT */
#include "conf/rules.h"

#include <string.h>

#include "base/str.h"

enum { QXL_VIDEORAM_MIN = 128 };

static bool on(enum conf_flag flag)
{
    return flag == CONF_FLAG_ON;
}

/* The row's condition on the values decides; both keys must be given. */
struct rule {
    const char *key, *other;
    bool (*broken)(const struct conf *conf);
    const char *right; /* what would be right */
};

/* "ADDRESS:N"; with more colons it is an IPv6 address. */
static bool has_display(const struct conf *conf)
{
    const char *colon = conf->screen.vnclisten ? strchr(conf->screen.vnclisten, ':') : NULL;

    return colon && colon == strrchr(colon, ':');
}

static bool always(const struct conf *conf)
{
    (void)conf;
    return true;
}

static bool usb_twice(const struct conf *conf)
{
    return conf->screen.usbversion.value != 0 &&
           (on(conf->screen.usb) || conf->screen.usbdevice.count > 0);
}

static bool little_videoram(const struct conf *conf)
{
    return conf->screen.vga == CONF_VGA_QXL && conf->screen.videoram.value < QXL_VIDEORAM_MIN;
}

static bool vga_twice(const struct conf *conf)
{
    return on(conf->screen.stdvga) && conf->screen.vga != CONF_VGA_STDVGA;
}

static bool shim_elsewhere(const struct conf *conf)
{
    return on(conf->booting.pvshim) && conf->type != CONF_TYPE_PVH;
}

static bool altp2m_twice(const struct conf *conf)
{
    return on(conf->hvm.altp2mhvm) && conf->hvm.altp2m == CONF_ALTP2M_DISABLED;
}

static bool no_password(const struct conf *conf)
{
    return on(conf->screen.spice) && conf->screen.spicedisable_ticketing == CONF_FLAG_OFF &&
           !conf->screen.spicepasswd;
}

static bool clipboard_alone(const struct conf *conf)
{
    return on(conf->screen.spice_clipboard_sharing) && conf->screen.spicevdagent == CONF_FLAG_OFF;
}

static bool nodes_against_maxmem(const struct conf *conf)
{
    uint64_t mib = 0;

    for (size_t i = 0; i < conf->cpu.vnuma.count; i++)
        mib += (uint64_t)conf->cpu.vnuma.items[i].size.value;
    return conf->cpu.vnuma.count > 0 && mib * 1024 != conf->max_memory_kib;
}

/* clang-format off */
static const struct rule rules[] = {
    {"vnclisten",  "vncdisplay",     has_display,     "give the display number in one of them"},
    {"usbversion", "usb",            usb_twice,       "leave usb out"},
    {"usbversion", "usbdevice",      usb_twice,       "leave usbversion out"},
    {"vga",        "videoram",       little_videoram, "qxl takes at least 128 MiB"},
    {"vga",        "stdvga",         vga_twice,       "leave stdvga out"},
    {"pvshim",     "type",           shim_elsewhere,  "the shim is for type = \"pvh\""},
    {"altp2m",     "altp2mhvm",      altp2m_twice,    "leave altp2mhvm out"},
    {"spice",      "spicedisable_ticketing", no_password,
     "give spicepasswd, or spicedisable_ticketing = 1"},
    {"spice_clipboard_sharing", "spicevdagent", clipboard_alone, "sharing takes the agent"},
    {"vnuma",      "maxmem",         nodes_against_maxmem, "the sizes of the nodes must make maxmem"},
    {"firmware_override", "bios_path_override", always, "they are the same; leave firmware_override out"},
};
/* clang-format on */

int rules_check(const struct keys_context *c, struct tree *tree, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct setting *a = tree_find(tree, rules[i].key);
        const struct setting *b = tree_find(tree, rules[i].other);
        if (!a || !b || !rules[i].broken(c->conf))
            continue;
        const struct setting *later = a->order > b->order ? a : b;
        struct place at = {.file = tree->file, .line = later->line, .key = later->key};
        return place_error(e, &at, ERR_BAD_CONFIG, "%s and %s contradict each other: %s", a->key,
                           b->key, rules[i].right);
    }
    return 0;
}
