/* SPDX-License-Identifier: MIT */
#include "conf/rules.h"

#include <string.h>

#include "base/str.h"

enum { QXL_VIDEORAM_MIN = 128 };

static bool on(enum conf_flag flag)
{
    return flag == CONF_FLAG_ON;
}

enum where { ANYWHERE, ON_XEN, ELSEWHERE };

/* The row's condition on the values decides. Both keys must be given, or with `alone` the first;
 * one that is given as "" is not. */
struct rule {
    const char *key, *other;
    enum where where;
    bool alone;
    bool (*broken)(const struct conf *conf);
    const char *right; /* what would be right */
};

/* xl's default is pv. */
static bool is_pv(const struct conf *conf)
{
    return conf->type == CONF_TYPE_UNSET || conf->type == CONF_TYPE_PV;
}

static bool is_hvm(const struct conf *conf)
{
    return conf->type == CONF_TYPE_HVM;
}

/* Memory that the guest gets page by page as it asks for it, which libxl does for types but pv. */
static bool on_demand(const struct conf *conf)
{
    return !is_pv(conf) && conf->memory_kib < conf->max_memory_kib;
}

static bool traditional(const struct conf *conf)
{
    if (conf->dm.version == CONF_MODEL_UNSET)
        return on(conf->dm.stubdomain_override);
    return conf->dm.version == CONF_MODEL_TRADITIONAL;
}

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

static bool altp2m(const struct conf *conf)
{
    bool mode = conf->hvm.altp2m != CONF_ALTP2M_UNSET && conf->hvm.altp2m != CONF_ALTP2M_DISABLED;

    return (mode && !is_pv(conf)) || (on(conf->hvm.altp2mhvm) && is_hvm(conf));
}

static bool altp2m_nested(const struct conf *conf)
{
    return altp2m(conf) && on(conf->hvm.nestedhvm);
}

static bool altp2m_on_demand(const struct conf *conf)
{
    return altp2m(conf) && on_demand(conf);
}

static bool no_password(const struct conf *conf)
{
    return on(conf->screen.spice) && conf->screen.spicedisable_ticketing == CONF_FLAG_OFF &&
           !conf->screen.spicepasswd;
}

static bool spice_locked(const struct conf *conf)
{
    return is_hvm(conf) && on(conf->screen.spice) && !on(conf->screen.spicedisable_ticketing) &&
           !conf->screen.spicepasswd;
}

static bool spice_nowhere(const struct conf *conf)
{
    return is_hvm(conf) && on(conf->screen.spice) && conf->screen.spiceport.value == 0 &&
           conf->screen.spicetls_port.value == 0;
}

static bool clipboard_alone(const struct conf *conf)
{
    return on(conf->screen.spice_clipboard_sharing) && !on(conf->screen.spicevdagent);
}

static bool usb_redirected(const struct conf *conf)
{
    return on(conf->screen.spice) && conf->screen.spiceusbredirection.value > 0 &&
           (on(conf->screen.usb) || conf->screen.usbdevice.count > 0);
}

static bool emulated_videoram(const struct conf *conf)
{
    int64_t mib = conf->screen.videoram.value;
    bool std = conf->screen.vga == CONF_VGA_STDVGA ||
               (conf->screen.vga == CONF_VGA_UNSET && on(conf->screen.stdvga));
    bool cirrus =
        !std && (conf->screen.vga == CONF_VGA_UNSET || conf->screen.vga == CONF_VGA_CIRRUS);

    return is_hvm(conf) && !traditional(conf) && ((std && mib < 16) || (cirrus && mib < 8));
}

static bool nx_alone(const struct conf *conf)
{
    return on(conf->hvm.nx) && conf->hvm.pae == CONF_FLAG_OFF;
}

static bool grub_for_hvm(const struct conf *conf)
{
    return is_hvm(conf) && (conf->booting.firmware == CONF_FIRMWARE_PVGRUB32 ||
                            conf->booting.firmware == CONF_FIRMWARE_PVGRUB64);
}

static bool bios_for_pv(const struct conf *conf)
{
    return !is_hvm(conf) && conf->booting.firmware != CONF_FIRMWARE_PVGRUB32 &&
           conf->booting.firmware != CONF_FIRMWARE_PVGRUB64;
}

static bool not_hvm(const struct conf *conf)
{
    return !is_hvm(conf);
}

static bool firmware_of_other_model(const struct conf *conf)
{
    enum conf_firmware is = conf->booting.firmware;

    if (!is_hvm(conf) || conf->dm.version == CONF_MODEL_NONE)
        return false;
    if (traditional(conf))
        return is == CONF_FIRMWARE_SEABIOS || is == CONF_FIRMWARE_OVMF;
    return is == CONF_FIRMWARE_ROMBIOS;
}

static bool loader_twice(const struct conf *conf)
{
    return conf->booting.firmware == CONF_FIRMWARE_PATH &&
           !str_eq(conf->booting.firmware_path, conf->booting.firmware_override);
}

/* hvmloader is no kernel: xm's configs name it, and it is passed over. */
static bool no_kernel(const struct conf *conf)
{
    return is_hvm(conf) && (!conf->kernel || str_eq(conf->kernel, "hvmloader") ||
                            str_ends(conf->kernel, "/hvmloader"));
}

static bool nested_pv(const struct conf *conf)
{
    return on(conf->hvm.nestedhvm) && is_pv(conf);
}

static bool passthrough_disabled(const struct conf *conf)
{
    return conf->general.passthrough == CONF_PASSTHROUGH_DISABLED;
}

static bool nodes_on_demand(const struct conf *conf)
{
    return conf->cpu.vnuma.count > 0 && on_demand(conf);
}

static bool nodes_of_pv(const struct conf *conf)
{
    return conf->cpu.vnuma.count > 0 && is_pv(conf);
}

/* The others build on the group base. */
static bool viridian_without_base(const struct conf *conf)
{
    const struct conf_strings *groups = &conf->hvm.viridian_groups;
    bool base = false, others = false;

    for (size_t i = 0; i < groups->count; i++) {
        const char *group = groups->items[i];
        bool out = *group == '!';
        bool all = str_eq(group, "all") || str_eq(group, "defaults");
        if (all || str_eq(group + out, "base"))
            base = !out;
        others = others || all || (!out && !str_eq(group, "base"));
    }
    return is_hvm(conf) && others && !base;
}

static bool nodes_against_maxmem(const struct conf *conf)
{
    uint64_t mib = 0;

    for (size_t i = 0; i < conf->cpu.vnuma.count; i++)
        mib += (uint64_t)conf->cpu.vnuma.items[i].size.value;
    return conf->cpu.vnuma.count > 0 && mib * 1024 != conf->max_memory_kib;
}

static const char whole_memory[] =
    "the guest has all of its memory from the start: memory must be maxmem";

/* clang-format off */
static const struct rule rules[] = {
    {"vnclisten",  "vncdisplay", ANYWHERE, false, has_display, "give the display number in one of them"},
    {"usbversion", "usb",        ANYWHERE, false, usb_twice,   "leave usb out"},
    {"usbversion", "usbdevice",  ANYWHERE, false, usb_twice,   "leave usbversion out"},
    {"vga",        "videoram",   ANYWHERE, false, little_videoram, "qxl takes at least 128 MiB"},
    {"vga",        "stdvga",     ANYWHERE, false, vga_twice,   "leave stdvga out"},
    {"altp2m",     "altp2mhvm",  ANYWHERE, false, altp2m_twice, "leave altp2mhvm out"},
    {"nx",         "pae",        ANYWHERE, false, nx_alone,    "nx takes pae"},
    {"spice",      "spicedisable_ticketing", ANYWHERE, false, no_password,
     "give spicepasswd, or spicedisable_ticketing = 1"},
    {"vnuma",      "maxmem",     ANYWHERE, false, nodes_against_maxmem,
     "the sizes of the nodes must make maxmem"},
    {"firmware_override", "bios_path_override", ELSEWHERE, false, always,
     "they are the same; leave firmware_override out"},
    /* What libxl refuses, most of it when the domain is half made. */
    {"firmware", "firmware_override", ON_XEN, false, loader_twice,
     "they are the same; leave firmware_override out"},
    {"firmware",   "kernel",     ON_XEN, false, not_hvm, "a guest that is not hvm boots one of them"},
    {"firmware",   "type",       ON_XEN, true,  bios_for_pv,
     "a guest that is not hvm takes pvgrub32 or pvgrub64"},
    {"firmware",   "type",       ON_XEN, true,  grub_for_hvm,
     "pvgrub32 and pvgrub64 are for type = \"pv\" and \"pvh\""},
    {"firmware", "device_model_version", ON_XEN, true, firmware_of_other_model,
     "rombios goes with qemu-xen-traditional, the others with qemu-xen"},
    {"bios",     "device_model_version", ON_XEN, true, firmware_of_other_model,
     "rombios goes with qemu-xen-traditional, the others with qemu-xen"},
    {"ramdisk",    "kernel",     ON_XEN, true,  no_kernel, "it needs a kernel"},
    {"cmdline",    "kernel",     ON_XEN, true,  no_kernel, "it needs a kernel"},
    {"root",       "kernel",     ON_XEN, true,  no_kernel, "it needs a kernel"},
    {"extra",      "kernel",     ON_XEN, true,  no_kernel, "it needs a kernel"},
    {"pvshim",     "type",       ON_XEN, true,  shim_elsewhere, "the shim is for type = \"pvh\""},
    {"timer_mode", "type",       ON_XEN, true,  is_pv, "it is for type = \"pvh\" and \"hvm\""},
    {"nestedhvm",  "type",       ON_XEN, true,  nested_pv, "it is for type = \"pvh\" and \"hvm\""},
    {"vnuma",      "type",       ON_XEN, true,  nodes_of_pv, "it is for type = \"pvh\" and \"hvm\""},
    {"vnuma",      "memory",     ON_XEN, false, nodes_on_demand, whole_memory},
    {"nestedhvm",  "altp2m",     ON_XEN, false, altp2m_nested, "leave one out"},
    {"nestedhvm",  "altp2mhvm",  ON_XEN, false, altp2m_nested, "leave one out"},
    {"altp2m",     "maxmem",     ON_XEN, false, altp2m_on_demand, whole_memory},
    {"altp2mhvm",  "maxmem",     ON_XEN, false, altp2m_on_demand, whole_memory},
    {"passthrough", "pci",       ON_XEN, false, passthrough_disabled, "leave passthrough out"},
    {"passthrough", "dtdev",     ON_XEN, false, passthrough_disabled, "leave passthrough out"},
    {"pci",        "maxmem",     ON_XEN, false, on_demand, whole_memory},
    {"videoram",   "vga",        ON_XEN, true,  emulated_videoram,
     "cirrus takes at least 8 MiB, stdvga 16"},
    {"spice",      "spiceport",  ON_XEN, true,  spice_nowhere, "give spiceport or spicetls_port"},
    {"spice",      "spicepasswd", ON_XEN, true, spice_locked,
     "give spicepasswd, or spicedisable_ticketing = 1"},
    {"spice_clipboard_sharing", "spicevdagent", ON_XEN, true, clipboard_alone, "sharing takes the agent"},
    {"spiceusbredirection", "usb", ON_XEN, false, usb_redirected, "leave usb out"},
    {"spiceusbredirection", "usbdevice", ON_XEN, false, usb_redirected, "leave spiceusbredirection out"},
    {"viridian",   "type",       ON_XEN, true,  viridian_without_base, "the group base must be among them"},
};
/* clang-format on */

static const struct setting *given(struct tree *tree, const char *key)
{
    const struct setting *setting = tree_find(tree, key);
    bool builder = !setting && str_eq(key, "type");

    if (builder)
        setting = tree_find(tree, "builder");
    if (!setting)
        return NULL;
    bool nothing = setting->value.kind == VALUE_LIST ? setting->value.count == 0
                                                     : *setting->value.text == '\0';
    return nothing ? NULL : setting;
}

int rules_check(const struct keys_context *c, struct tree *tree, struct err *e)
{
    enum where here = c->driver == KEYS_XEN ? ON_XEN : ELSEWHERE;

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rule *rule = &rules[i];
        const struct setting *a = given(tree, rule->key), *b = given(tree, rule->other);
        if (!a || (!b && !rule->alone) || (rule->where != ANYWHERE && rule->where != here) ||
            !rule->broken(c->conf))
            continue;
        const struct setting *later = b && b->order > a->order ? b : a;
        struct place at = {.file = tree->file, .line = later->line, .key = later->key};
        if (!b)
            return place_error(e, &at, ERR_BAD_CONFIG, "%s: %s", a->key, rule->right);
        return place_error(e, &at, ERR_BAD_CONFIG, "%s and %s contradict each other: %s", a->key,
                           b->key, rule->right);
    }
    return 0;
}
