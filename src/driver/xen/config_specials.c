/* SPDX-License-Identifier: MIT */
/* Keys that are more than one member of libxl_domain_config, or one by rules of their own. */
#include <errno.h>
#include <jansson.h>
#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_parts.h"

enum { MCA_CAP_LMCE = 1 }; /* XEN_HVM_MCA_CAP_LMCE of xen/hvm/params.h */

const char *const config_specials_keys[] = {
    "type",          "builder",  "uuid",     "memory",    "maxmem",   "root",         "extra",
    "init_seclabel", "seclabel", "firmware", "bios",      "viridian", "ms_vm_genid",  "mca_caps",
    "rdm",           "serial",   "stdvga",   "usbdevice", "cpuid",    "gfx_passthru", "timer_mode",
    "ioports",       "irqs",     "iomem",    NULL,
};

/* A key without rules between keys: what goes to libxl, and back. */
struct special {
    unsigned on;
    int (*set)(const struct config_args *args, libxl_domain_config *out, struct err *e);
    void (*read)(const libxl_domain_config *in, struct conf *conf);
};

/* ---- identity ---- */

static int set_uuid(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const char *uuid = args->conf->uuid[0] ? args->conf->uuid : args->uuid;

    if (!uuid || libxl_uuid_from_string(&out->c_info.uuid, uuid) != 0)
        return err_set_key(e, ERR_BAD_CONFIG, "uuid", "the domain has none");
    return 0;
}

static void read_uuid(const libxl_domain_config *in, struct conf *conf)
{
    libxl_uuid uuid = in->c_info.uuid;

    if (libxl_uuid_is_nil(&uuid))
        return;
    AUTO_FREE char *text = x_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(uuid));
    str_copy(conf->uuid, sizeof conf->uuid, text);
}

/* The label of the finished domain is another member when there is one for its building. */
static int set_labels(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_general *general = &args->conf->general;
    char **label = general->init_seclabel ? &out->b_info.exec_ssid_label : &out->c_info.ssid_label;

    (void)e;
    out->c_info.ssid_label = x_strdup(general->init_seclabel);
    if (general->seclabel)
        *label = x_strdup(general->seclabel);
    return 0;
}

static void read_labels(const libxl_domain_config *in, struct conf *conf)
{
    const char *exec = in->b_info.exec_ssid_label;

    conf->general.init_seclabel = exec ? x_strdup(in->c_info.ssid_label) : NULL;
    conf->general.seclabel = x_strdup(exec ? exec : in->c_info.ssid_label);
}

/* ---- memory ---- */

static int set_memory(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    (void)e;
    out->b_info.target_memkb = args->conf->memory_kib;
    out->b_info.max_memkb = args->conf->max_memory_kib;
    return 0;
}

/* Whole MiB, which is what the language has; what is asked for is never cut. */
static uint64_t whole_mib(uint64_t kib)
{
    return (kib + 1023) / 1024 * 1024;
}

static void read_memory(const libxl_domain_config *in, struct conf *conf)
{
    if (in->b_info.target_memkb != LIBXL_MEMKB_DEFAULT)
        conf->memory_kib = whole_mib(in->b_info.target_memkb);
    conf->max_memory_kib = in->b_info.max_memkb == LIBXL_MEMKB_DEFAULT
                               ? conf->memory_kib
                               : whole_mib(in->b_info.max_memkb);
    if (conf->max_memory_kib < conf->memory_kib)
        conf->max_memory_kib = conf->memory_kib;
}

/* ---- firmware ---- */

static const struct {
    enum conf_firmware ours;
    libxl_bios_type theirs;
} firmwares[] = {
    {CONF_FIRMWARE_SEABIOS, LIBXL_BIOS_TYPE_SEABIOS},
    {CONF_FIRMWARE_ROMBIOS, LIBXL_BIOS_TYPE_ROMBIOS},
    {CONF_FIRMWARE_OVMF,    LIBXL_BIOS_TYPE_OVMF   },
};

/* xm's configs name hvmloader as the kernel; libxl finds it by itself. */
static int set_hvm_firmware(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_boot *booting = &args->conf->booting;
    const char *kernel = out->b_info.kernel ? strrchr(out->b_info.kernel, '/') : NULL;

    (void)e;
    if (str_eq(kernel ? kernel + 1 : out->b_info.kernel, "hvmloader"))
        x_replace(&out->b_info.kernel, NULL);
    if (booting->firmware == CONF_FIRMWARE_PATH)
        x_replace(&out->b_info.u.hvm.firmware, x_strdup(booting->firmware_path));
    for (size_t i = 0; i < ARRAY_LEN(firmwares); i++)
        if (booting->firmware == firmwares[i].ours)
            out->b_info.u.hvm.bios = firmwares[i].theirs;
    return 0;
}

static void read_hvm_firmware(const libxl_domain_config *in, struct conf *conf)
{
    for (size_t i = 0; i < ARRAY_LEN(firmwares); i++)
        if (in->b_info.u.hvm.bios == firmwares[i].theirs)
            conf->booting.firmware = firmwares[i].ours;
}

/* A boot loader of Xen's own is a kernel in its folder. */
static int set_pv_firmware(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    enum conf_firmware firmware = args->conf->booting.firmware;
    libxl_domain_build_info *build = &out->b_info;
    bool grub = firmware == CONF_FIRMWARE_PVGRUB32 || firmware == CONF_FIRMWARE_PVGRUB64;

    if (grub)
        build->kernel = x_asprintf("%s/%s.bin", args->host->firmware_dir,
                                   firmware == CONF_FIRMWARE_PVGRUB32 ? "pvgrub32" : "pvgrub64");
    if (!build->kernel && !build->bootloader)
        return err_set_key(e, ERR_BAD_CONFIG, "kernel",
                           "a guest that is not hvm boots a kernel; give kernel, bootloader or "
                           "firmware = \"pvgrub64\"");
    return 0;
}

/* ---- what an HVM guest sees ---- */

static int viridian_group(const char *name)
{
    libxl_viridian_enlightenment group;

    return libxl_viridian_enlightenment_from_string(name, &group) == 0 ? (int)group : -1;
}

/* The order counts: a group that is taken out and then put in is in. */
static int set_viridian(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_strings *groups = &args->conf->hvm.viridian_groups;
    libxl_bitmap *in = &out->b_info.u.hvm.viridian_enable;
    libxl_bitmap *off = &out->b_info.u.hvm.viridian_disable;

    if (args->conf->hvm.viridian != CONF_FLAG_UNSET)
        libxl_defbool_set(&out->b_info.u.hvm.viridian, args->conf->hvm.viridian == CONF_FLAG_ON);
    if (groups->count == 0)
        return 0;
    config_bitmap(in, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH);
    config_bitmap(off, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH);
    for (size_t i = 0; i < groups->count; i++) {
        const char *name = groups->items[i];
        bool out_of = *name == '!';
        int group = viridian_group(name + out_of);
        if (str_eq(name, "all")) {
            memset(in->map, 0xff, in->size);
        } else if (str_eq(name, "defaults")) {
            libxl_defbool_set(&out->b_info.u.hvm.viridian, true);
        } else if (group < 0) {
            return err_set_key(e, ERR_BAD_CONFIG, "viridian", "libxl has no group %s", name);
        } else {
            libxl_bitmap_set(out_of ? off : in, group);
            libxl_bitmap_reset(out_of ? in : off, group);
        }
    }
    return 0;
}

static void add_string(struct conf_strings *to, char *text)
{
    to->items = x_reallocarray(to->items, to->count + 1, sizeof *to->items);
    to->items[to->count++] = text;
}

static void read_groups(const libxl_bitmap *map, const char *before, struct conf_strings *to)
{
    for (int i = 0; i < (int)map->size * 8; i++) {
        const char *name = libxl_viridian_enlightenment_to_string((libxl_viridian_enlightenment)i);
        if (name && libxl_bitmap_test(map, i))
            add_string(to, x_asprintf("%s%s", before, name));
    }
}

static void read_viridian(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_bitmap *enable = &in->b_info.u.hvm.viridian_enable;
    const libxl_bitmap *disable = &in->b_info.u.hvm.viridian_disable;
    struct conf_strings *groups = &conf->hvm.viridian_groups;
    bool given = !libxl_defbool_is_default(in->b_info.u.hvm.viridian);
    bool on = given && libxl_defbool_val(in->b_info.u.hvm.viridian);

    if (libxl_bitmap_is_empty(enable) && libxl_bitmap_is_empty(disable)) {
        if (given)
            conf->hvm.viridian = on ? CONF_FLAG_ON : CONF_FLAG_OFF;
        return;
    }
    if (on)
        add_string(groups, x_strdup("defaults"));
    /* "all" has the bits too that no group has yet; what is taken out of it follows. */
    if (libxl_bitmap_test(enable, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH - 1))
        add_string(groups, x_strdup("all"));
    else
        read_groups(enable, "", groups);
    read_groups(disable, "!", groups);
}

/* A new one at each start, as in xl. */
static int set_genid(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    libxl_ms_vm_genid *id = &out->b_info.u.hvm.ms_vm_genid;

    if (args->conf->hvm.ms_vm_genid != CONF_GENID_GENERATE)
        return 0;
    if (getrandom(id->bytes, sizeof id->bytes, 0) != (ssize_t)sizeof id->bytes)
        return err_errno(e, ERR_FAILED, errno, "ms_vm_genid: no random bytes");
    return 0;
}

static void read_genid(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_ms_vm_genid none = {{0}};

    if (memcmp(&in->b_info.u.hvm.ms_vm_genid, &none, sizeof none) != 0)
        conf->hvm.ms_vm_genid = CONF_GENID_GENERATE;
}

static int set_mca(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < args->conf->cpu.mca_caps.count; i++)
        if (str_eq(args->conf->cpu.mca_caps.items[i], "lmce"))
            out->b_info.u.hvm.mca_caps |= MCA_CAP_LMCE;
    return 0;
}

static void read_mca(const libxl_domain_config *in, struct conf *conf)
{
    if (in->b_info.u.hvm.mca_caps & MCA_CAP_LMCE)
        add_string(&conf->cpu.mca_caps, x_strdup("lmce"));
}

static int set_rdm(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_rdm *rdm = &args->conf->map.rdm;
    libxl_rdm_reserve *to = &out->b_info.u.hvm.rdm;

    (void)e;
    if (rdm->host)
        to->strategy = LIBXL_RDM_RESERVE_STRATEGY_HOST;
    if (rdm->policy != CONF_RDM_UNSET)
        to->policy = rdm->policy == CONF_RDM_STRICT ? LIBXL_RDM_RESERVE_POLICY_STRICT
                                                    : LIBXL_RDM_RESERVE_POLICY_RELAXED;
    return 0;
}

static void read_rdm(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_rdm_reserve *from = &in->b_info.u.hvm.rdm;
    struct conf_rdm *rdm = &conf->map.rdm;

    rdm->host = from->strategy == LIBXL_RDM_RESERVE_STRATEGY_HOST;
    if (from->policy == LIBXL_RDM_RESERVE_POLICY_STRICT)
        rdm->policy = CONF_RDM_STRICT;
    if (from->policy == LIBXL_RDM_RESERVE_POLICY_RELAXED)
        rdm->policy = CONF_RDM_RELAXED;
    rdm->given = rdm->host || rdm->policy != CONF_RDM_UNSET;
}

/* One is the old member, several the list; to libxl one in a list means the same. */
static void one_or_list(char *const *items, size_t count, char **one, libxl_string_list *list)
{
    if (count == 1)
        *one = x_strdup(items[0]);
    if (count <= 1)
        return;
    *list = x_calloc(count + 1, sizeof **list);
    for (size_t i = 0; i < count; i++)
        (*list)[i] = x_strdup(items[i]);
}

static int set_serial(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    (void)e;
    one_or_list(args->conf->serials, args->conf->serial_count, &out->b_info.u.hvm.serial,
                &out->b_info.u.hvm.serial_list);
    return 0;
}

static int set_usbdevice(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_strings *devices = &args->conf->screen.usbdevice;

    (void)e;
    one_or_list(devices->items, devices->count, &out->b_info.u.hvm.usbdevice,
                &out->b_info.u.hvm.usbdevice_list);
    return 0;
}

static void read_one_or_list(const char *one, const libxl_string_list *list,
                             struct conf_strings *to)
{
    if (one)
        add_string(to, x_strdup(one));
    for (size_t i = 0; *list && (*list)[i]; i++)
        add_string(to, x_strdup((*list)[i]));
}

static void read_serial(const libxl_domain_config *in, struct conf *conf)
{
    struct conf_strings serials = {0};

    read_one_or_list(in->b_info.u.hvm.serial, &in->b_info.u.hvm.serial_list, &serials);
    conf->serials = serials.items;
    conf->serial_count = serials.count;
}

static void read_usbdevice(const libxl_domain_config *in, struct conf *conf)
{
    read_one_or_list(in->b_info.u.hvm.usbdevice, &in->b_info.u.hvm.usbdevice_list,
                     &conf->screen.usbdevice);
}

/* vga counts before its old spelling. */
static int set_stdvga(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    enum conf_flag stdvga = args->conf->screen.stdvga;

    (void)e;
    if (args->conf->screen.vga == CONF_VGA_UNSET && stdvga != CONF_FLAG_UNSET)
        out->b_info.u.hvm.vga.kind =
            stdvga == CONF_FLAG_ON ? LIBXL_VGA_INTERFACE_TYPE_STD : LIBXL_VGA_INTERFACE_TYPE_CIRRUS;
    return 0;
}

static int set_gfx(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    enum conf_gfx gfx = args->conf->dev.gfx_passthru;

    (void)e;
    if (gfx == CONF_GFX_UNSET)
        return 0;
    libxl_defbool_set(&out->b_info.u.hvm.gfx_passthru, gfx != CONF_GFX_OFF);
    if (gfx == CONF_GFX_IGD)
        out->b_info.u.hvm.gfx_passthru_kind = LIBXL_GFX_PASSTHRU_KIND_IGD;
    return 0;
}

static void read_gfx(const libxl_domain_config *in, struct conf *conf)
{
    libxl_defbool on = in->b_info.u.hvm.gfx_passthru;
    bool igd = in->b_info.u.hvm.gfx_passthru_kind == LIBXL_GFX_PASSTHRU_KIND_IGD;

    if (!libxl_defbool_is_default(on))
        conf->dev.gfx_passthru = !libxl_defbool_val(on) ? CONF_GFX_OFF
                                 : igd                  ? CONF_GFX_IGD
                                                        : CONF_GFX_DEFAULT;
}

static int set_vnc(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    (void)e;
    rows_apply(config_vnc_rows, ON_HVM, args->conf, &out->b_info.u.hvm.vnc, NULL);
    rows_apply(config_sdl_rows, ON_HVM, args->conf, &out->b_info.u.hvm.sdl, NULL);
    return 0;
}

static void read_vnc(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_vnc_info vnc = {0};
    const libxl_sdl_info sdl = {0};

    rows_read(config_vnc_rows, ON_HVM, &in->b_info.u.hvm.vnc, &vnc, conf);
    rows_read(config_sdl_rows, ON_HVM, &in->b_info.u.hvm.sdl, &sdl, conf);
}

/* ---- cpuid ---- */

static int set_cpuid(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_strings *cpuid = &args->conf->cpu.cpuid;

    for (size_t i = 0; i < cpuid->count; i++) {
        AUTO_FREE char *copy = x_strdup(cpuid->items[i]);
        char *rest = copy, *part;
        if (!str_starts(copy, "host")) {
            if (libxl_cpuid_parse_config_xend(&out->b_info.cpuid, copy) != 0)
                return err_set_key(e, ERR_BAD_CONFIG, "cpuid", "libxl does not take \"%s\"",
                                   cpuid->items[i]);
            continue;
        }
        strsep(&rest, ",");
        while ((part = strsep(&rest, ","))) {
            part += strspn(part, " \t");
            if (*part && libxl_cpuid_parse_config(&out->b_info.cpuid, part) != 0)
                return err_set_key(e, ERR_BAD_CONFIG, "cpuid", "libxl knows no feature \"%s\"",
                                   part);
        }
    }
    return 0;
}

/* "LEAF[,SUBLEAF]:REG=BITS,..." of one leaf of libxl's JSON. */
static char *leaf_text(const json_t *leaf)
{
    static const char *const registers[] = {"eax", "ebx", "ecx", "edx"};
    AUTO_STR struct str text = {0};
    const char *between = ":";

    str_addf(&text, "0x%llx", (unsigned long long)json_get_int(leaf, "leaf", 0));
    if (json_object_get(leaf, "subleaf"))
        str_addf(&text, ",0x%llx", (unsigned long long)json_get_int(leaf, "subleaf", 0));
    for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
        const char *bits = json_get_string(leaf, registers[i], NULL);
        if (!bits)
            continue;
        str_addf(&text, "%s%s=%s", between, registers[i], bits);
        between = ",";
    }
    return str_take(&text);
}

/* libxl keeps the type of its list to itself; its JSON is the only way to look. */
static void read_cpuid(const libxl_domain_config *in, struct conf *conf)
{
    libxl_domain_config only = {0};

    if (libxl_cpuid_policy_list_length(&in->b_info.cpuid) == 0)
        return;
    libxl_domain_config_init(&only);
    only.b_info.cpuid = in->b_info.cpuid; /* borrowed */
    AUTO_FREE char *text = libxl_domain_config_to_json(NULL, &only);
    AUTO_JSON json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    json_t *list = json_object_get(json_object_get(json, "b_info"), "cpuid");
    size_t i;
    json_t *leaf;

    if (json_is_object(list))
        list = json_object_get(list, "cpuid");
    json_array_foreach(list, i, leaf) add_string(&conf->cpu.cpuid, leaf_text(leaf));
}

/* ---- ports, interrupts, memory of the host ---- */

static int set_ioports(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    size_t count = args->conf->dev.ioports.count;

    (void)e;
    if (count == 0)
        return 0;
    out->b_info.ioports = x_calloc(count, sizeof *out->b_info.ioports);
    out->b_info.num_ioports = (int)count;
    for (size_t i = 0; i < count; i++) {
        const struct conf_range *range = &args->conf->dev.ioports.items[i];
        out->b_info.ioports[i].first = (uint32_t)range->first.value;
        out->b_info.ioports[i].number = (uint32_t)(range->last.value - range->first.value + 1);
    }
    return 0;
}

static int set_irqs(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    size_t count = args->conf->dev.irqs.count;

    (void)e;
    if (count == 0)
        return 0;
    out->b_info.irqs = x_calloc(count, sizeof *out->b_info.irqs);
    out->b_info.num_irqs = (int)count;
    for (size_t i = 0; i < count; i++)
        out->b_info.irqs[i] = (uint32_t)args->conf->dev.irqs.items[i].first.value;
    return 0;
}

static int set_iomem(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    size_t count = args->conf->dev.iomem.count;

    (void)e;
    if (count == 0)
        return 0;
    out->b_info.iomem = x_calloc(count, sizeof *out->b_info.iomem);
    out->b_info.num_iomem = (int)count;
    for (size_t i = 0; i < count; i++) {
        const struct conf_iomem *from = &args->conf->dev.iomem.items[i];
        libxl_iomem_range *to = &out->b_info.iomem[i];
        libxl_iomem_range_init(to);
        to->start = (uint64_t)from->start.value;
        to->number = (uint64_t)from->count.value;
        if (from->gfn.given)
            to->gfn = (uint64_t)from->gfn.value;
    }
    return 0;
}

static struct conf_number number(int64_t value)
{
    return (struct conf_number){.given = true, .value = value};
}

static void read_ranges(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_domain_build_info *build = &in->b_info;
    struct conf_devices *dev = &conf->dev;

    dev->ioports.items = x_calloc((size_t)build->num_ioports + 1, sizeof *dev->ioports.items);
    for (int i = 0; i < build->num_ioports; i++) {
        int64_t first = build->ioports[i].first;
        dev->ioports.items[dev->ioports.count++] =
            (struct conf_range){number(first), number(first + build->ioports[i].number - 1)};
    }
    dev->irqs.items = x_calloc((size_t)build->num_irqs + 1, sizeof *dev->irqs.items);
    for (int i = 0; i < build->num_irqs; i++)
        dev->irqs.items[dev->irqs.count++] =
            (struct conf_range){number(build->irqs[i]), number(build->irqs[i])};
    dev->iomem.items = x_calloc((size_t)build->num_iomem + 1, sizeof *dev->iomem.items);
    for (int i = 0; i < build->num_iomem; i++) {
        const libxl_iomem_range *from = &build->iomem[i];
        struct conf_iomem *to = &dev->iomem.items[dev->iomem.count++];
        libxl_iomem_range blank;
        libxl_iomem_range_init(&blank);
        to->start = number((int64_t)from->start);
        to->count = number((int64_t)from->number);
        if (from->gfn != blank.gfn && from->gfn != from->start)
            to->gfn = number((int64_t)from->gfn);
    }
}

/* ---- all of them ---- */

/* In this order: firmware looks at what the rows and the keys before it have set. */
/* clang-format off */
static const struct special specials[] = {
    {ON_ALL,          set_uuid,          read_uuid},
    {ON_ALL,          set_labels,        read_labels},
    {ON_ALL,          set_memory,        read_memory},
    {ON_PV | ON_PVH,  set_pv_firmware,   NULL},
    {ON_HVM,          set_hvm_firmware,  read_hvm_firmware},
    {ON_HVM,          set_viridian,      read_viridian},
    {ON_HVM,          set_genid,         read_genid},
    {ON_HVM,          set_mca,           read_mca},
    {ON_HVM,          set_rdm,           read_rdm},
    {ON_HVM,          set_serial,        read_serial},
    {ON_HVM,          set_usbdevice,     read_usbdevice},
    {ON_HVM,          set_stdvga,        NULL},
    {ON_HVM,          set_gfx,           read_gfx},
    {ON_HVM,          set_vnc,           read_vnc},
    {ON_ALL,          set_cpuid,         read_cpuid},
    {ON_ALL,          set_ioports,       read_ranges},
    {ON_ALL,          set_irqs,          NULL},
    {ON_ALL,          set_iomem,         NULL},
};
/* clang-format on */

int config_specials(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    unsigned on = rows_on(out->c_info.type);

    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if ((specials[i].on & on) && specials[i].set(args, out, e) < 0)
            return -1;
    return 0;
}

void config_specials_read(const libxl_domain_config *in, struct conf *conf)
{
    unsigned on = rows_on(in->c_info.type);

    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if ((specials[i].on & on) && specials[i].read)
            specials[i].read(in, conf);
}
