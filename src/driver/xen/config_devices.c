/* SPDX-License-Identifier: MIT */
/* Devices: one row a list of them, and in each the rows of its members. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_devices.h"
#include "driver/xen/config_parts.h"

/* struct conf has lists as a pointer and a count behind it. */
struct items {
    void *items;
    size_t count;
};
_Static_assert(offsetof(struct conf, disk_count) - offsetof(struct conf, disks) ==
                   offsetof(struct items, count),
               "disks are a list");
_Static_assert(offsetof(struct conf, vif_count) - offsetof(struct conf, vifs) ==
                   offsetof(struct items, count),
               "vifs are a list");

/* ---- pci ---- */

/* clang-format off */
static const struct row_word rdm_policies[] = {
    {CONF_RDM_STRICT,  LIBXL_RDM_RESERVE_POLICY_STRICT},
    {CONF_RDM_RELAXED, LIBXL_RDM_RESERVE_POLICY_RELAXED},
};

#define OURS(member) offsetof(struct conf_pci, member)
#define PCI(member) offsetof(libxl_device_pci, member)
static const struct row pci_rows[] = {
    {"name",         ROW_STRING, ON_ALL, OURS(name), PCI(name)},
    {"permissive",   ROW_BOOL,   ON_ALL, OURS(permissive), PCI(permissive)},
    {"msitranslate", ROW_BOOL,   ON_ALL, OURS(msitranslate), PCI(msitranslate)},
    {"seize",        ROW_BOOL,   ON_ALL, OURS(seize), PCI(seize)},
    {"power_mgmt",   ROW_BOOL,   ON_ALL, OURS(power_mgmt), PCI(power_mgmt)},
    {"rdm_policy",   ROW_WORD,   ON_ALL, OURS(rdm_policy), PCI(rdm_policy), rdm_policies, ARRAY_LEN(rdm_policies)},
    {0},
};
#undef OURS

#define OURS(member) offsetof(struct conf, dev.member)
/* What each device has unless it says otherwise. */
static const struct row pci_global_rows[] = {
    {"pci_permissive",   ROW_BOOL, ON_ALL, OURS(pci_permissive), PCI(permissive)},
    {"pci_msitranslate", ROW_BOOL, ON_ALL, OURS(pci_msitranslate), PCI(msitranslate)},
    {"pci_seize",        ROW_BOOL, ON_ALL, OURS(pci_seize), PCI(seize)},
    {"pci_power_mgmt",   ROW_BOOL, ON_ALL, OURS(pci_power_mgmt), PCI(power_mgmt)},
    {0},
};
#undef OURS
/* clang-format on */

static int before_pci(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf *conf = args->conf;
    libxl_device_pci *pci = theirs;
    bool hvm = conf->type == CONF_TYPE_HVM;

    (void)ours;
    (void)e;
    rows_apply(pci_global_rows, ON_ALL, conf, pci, NULL);
    if (conf->map.rdm.policy != CONF_RDM_UNSET)
        pci->rdm_policy = conf->map.rdm.policy == CONF_RDM_STRICT
                              ? LIBXL_RDM_RESERVE_POLICY_STRICT
                              : LIBXL_RDM_RESERVE_POLICY_RELAXED;
    else
        pci->rdm_policy = hvm ? LIBXL_RDM_RESERVE_POLICY_INVALID : LIBXL_RDM_RESERVE_POLICY_STRICT;
    return 0;
}

enum { SLOT_SHIFT = 3 };

/* conf has made it DDDD:BB:SS.F, F also "*". */
static int more_pci(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf_pci *from = ours;
    libxl_device_pci *pci = theirs;

    (void)args;
    (void)e;
    if (from->vslot.given)
        pci->vdevfn = (uint32_t)from->vslot.value << SLOT_SHIFT;
    if (!from->bdf)
        return 0;
    char *at = from->bdf;
    pci->domain = (int)strtoul(at, &at, 16);
    pci->bus = (uint8_t)strtoul(at + 1, &at, 16);
    pci->dev = (uint8_t)strtoul(at + 1, &at, 16);
    pci->vfunc_mask = at[1] == '*' ? LIBXL_PCI_FUNC_ALL : 1;
    pci->func = at[1] == '*' ? 0 : (uint8_t)strtoul(at + 1, NULL, 16);
    return 0;
}

static void back_pci(const void *theirs, void *ours)
{
    const libxl_device_pci *from = theirs;
    struct conf_pci *pci = ours;

    if (!from->name && from->vfunc_mask == LIBXL_PCI_FUNC_ALL)
        pci->bdf = x_asprintf("%04x:%02x:%02x.*", from->domain, from->bus, from->dev);
    else if (!from->name)
        pci->bdf = x_asprintf("%04x:%02x:%02x.%x", from->domain, from->bus, from->dev, from->func);
    if (from->vdevfn)
        pci->vslot = (struct conf_number){true, from->vdevfn >> SLOT_SHIFT};
    /* The policy of all devices stands in rdm; each says its own. */
    if (from->rdm_policy == LIBXL_RDM_RESERVE_POLICY_STRICT)
        pci->rdm_policy = CONF_RDM_STRICT;
}

/* ---- USB, TPM, 9p, channels ---- */

/* clang-format off */
static const struct row_word usb_types[] = {
    {CONF_USBCTRL_AUTO,        LIBXL_USBCTRL_TYPE_AUTO},
    {CONF_USBCTRL_PV,          LIBXL_USBCTRL_TYPE_PV},
    {CONF_USBCTRL_QUSB,        LIBXL_USBCTRL_TYPE_QUSB},
    {CONF_USBCTRL_DEVICEMODEL, LIBXL_USBCTRL_TYPE_DEVICEMODEL},
};

static const struct row usbctrl_rows[] = {
    {"type",    ROW_WORD, ON_ALL, offsetof(struct conf_usbctrl, type), offsetof(libxl_device_usbctrl, type), usb_types, ARRAY_LEN(usb_types)},
    {"version", ROW_INT,  ON_ALL, offsetof(struct conf_usbctrl, version), offsetof(libxl_device_usbctrl, version)},
    {"ports",   ROW_INT,  ON_ALL, offsetof(struct conf_usbctrl, ports), offsetof(libxl_device_usbctrl, ports)},
    {0},
};

#define OURS(member) offsetof(struct conf_usbdev, member)
#define USB(member) offsetof(libxl_device_usbdev, member)
static const struct row usbdev_rows[] = {
    {"hostbus",    ROW_U8,  ON_ALL, OURS(hostbus), USB(u.hostdev.hostbus)},
    {"hostaddr",   ROW_U8,  ON_ALL, OURS(hostaddr), USB(u.hostdev.hostaddr)},
    {"controller", ROW_INT, ON_ALL, OURS(controller), USB(ctrl)},
    {"port",       ROW_INT, ON_ALL, OURS(port), USB(port)},
    {0},
};
#undef OURS

static const struct row vtpm_rows[] = {
    {"backend", ROW_STRING, ON_ALL, offsetof(struct conf_vtpm, backend), offsetof(libxl_device_vtpm, backend_domname)},
    {0},
};

#define OURS(member) offsetof(struct conf_p9, member)
#define P9(member) offsetof(libxl_device_p9, member)
static const struct row p9_rows[] = {
    {"tag",            ROW_STRING, ON_ALL, OURS(tag), P9(tag)},
    {"path",           ROW_PATH,   ON_ALL, OURS(path), P9(path)},
    {"security_model", ROW_STRING, ON_ALL, OURS(security_model), P9(security_model)},
    {"backend",        ROW_STRING, ON_ALL, OURS(backend), P9(backend_domname)},
    {0},
};
#undef OURS

static const struct row pvcalls_rows[] = {
    {"backend", ROW_STRING, ON_ALL, offsetof(struct conf_pvcalls, backend), offsetof(libxl_device_pvcallsif, backend_domname)},
    {0},
};

static const struct row channel_rows[] = {
    {"backend", ROW_STRING, ON_ALL, offsetof(struct conf_channel, backend), offsetof(libxl_device_channel, backend_domname)},
    {"name",    ROW_STRING, ON_ALL, offsetof(struct conf_channel, name), offsetof(libxl_device_channel, name)},
    {0},
};
/* clang-format on */

static int before_usbdev(const struct config_args *args, const void *ours, void *theirs,
                         struct err *e)
{
    (void)args;
    (void)ours;
    (void)e;
    libxl_device_usbdev_init_type(theirs, LIBXL_USBDEV_TYPE_HOSTDEV);
    return 0;
}

static int more_vtpm(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf_vtpm *from = ours;

    (void)args;
    if (from->uuid[0] &&
        libxl_uuid_from_string(&((libxl_device_vtpm *)theirs)->uuid, from->uuid) != 0)
        return err_set_key(e, ERR_BAD_CONFIG, "vtpm", "libxl does not take uuid=%s", from->uuid);
    return 0;
}

static void back_vtpm(const void *theirs, void *ours)
{
    libxl_uuid uuid = ((const libxl_device_vtpm *)theirs)->uuid;
    struct conf_vtpm *vtpm = ours;

    if (libxl_uuid_is_nil(&uuid))
        return;
    AUTO_FREE char *text = x_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(uuid));
    str_copy(vtpm->uuid, sizeof vtpm->uuid, text);
}

static int more_p9(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf_p9 *p9 = ours;

    (void)args;
    (void)theirs;
    if (p9->type || p9->max_space.given || p9->max_files.given || p9->max_open_files.given ||
        p9->auto_delete.given)
        return err_set_key(e, ERR_UNSUPPORTED, "p9",
                           "libxl 4.17 has no type, max-space, max-files, max-open-files and "
                           "auto-delete");
    return 0;
}

static int more_channel(const struct config_args *args, const void *ours, void *theirs,
                        struct err *e)
{
    const struct conf_channel *from = ours;
    libxl_device_channel *channel = theirs;
    bool socket = from->connection == CONF_CONNECTION_SOCKET;

    (void)args;
    (void)e;
    libxl_device_channel_init_connection(channel, socket ? LIBXL_CHANNEL_CONNECTION_SOCKET
                                                         : LIBXL_CHANNEL_CONNECTION_PTY);
    if (socket)
        channel->u.socket.path = x_strdup(from->path);
    return 0;
}

static void back_channel(const void *theirs, void *ours)
{
    const libxl_device_channel *from = theirs;
    struct conf_channel *channel = ours;

    channel->connection = CONF_CONNECTION_PTY;
    if (from->connection != LIBXL_CHANNEL_CONNECTION_SOCKET)
        return;
    channel->connection = CONF_CONNECTION_SOCKET;
    channel->path = x_strdup(from->u.socket.path);
}

/* ---- framebuffers, keyboards, displays ---- */

/* clang-format off */
#define OURS(member) offsetof(struct conf_vfb, member)
#define VFB(member) offsetof(libxl_device_vfb, member)
static const struct row vfb_rows[] = {
    {"vnc",        ROW_FLAG,   ON_ALL, OURS(vnc), VFB(vnc.enable)},
    {"vnclisten",  ROW_STRING, ON_ALL, OURS(vnclisten), VFB(vnc.listen)},
    {"vncpasswd",  ROW_STRING, ON_ALL, OURS(vncpasswd), VFB(vnc.passwd)},
    {"vncdisplay", ROW_INT,    ON_ALL, OURS(vncdisplay), VFB(vnc.display)},
    {"vncunused",  ROW_FLAG,   ON_ALL, OURS(vncunused), VFB(vnc.findunused)},
    {"sdl",        ROW_FLAG,   ON_ALL, OURS(sdl), VFB(sdl.enable)},
    {"opengl",     ROW_FLAG,   ON_ALL, OURS(opengl), VFB(sdl.opengl)},
    {"display",    ROW_STRING, ON_ALL, OURS(display), VFB(sdl.display)},
    {"xauthority", ROW_STRING, ON_ALL, OURS(xauthority), VFB(sdl.xauthority)},
    {"keymap",     ROW_STRING, ON_ALL, OURS(keymap), VFB(keymap)},
    {0},
};
#undef OURS

static const struct row_word vkb_backends[] = {
    {CONF_VKB_QEMU,  LIBXL_VKB_BACKEND_QEMU},
    {CONF_VKB_LINUX, LIBXL_VKB_BACKEND_LINUX},
};

#define OURS(member) offsetof(struct conf_vkb, member)
#define VKB(member) offsetof(libxl_device_vkb, member)
static const struct row vkb_rows[] = {
    {"unique-id",                ROW_STRING, ON_ALL, OURS(unique_id), VKB(unique_id)},
    {"backend",                  ROW_STRING, ON_ALL, OURS(backend), VKB(backend_domname)},
    {"backend-type",             ROW_WORD,   ON_ALL, OURS(backend_type), VKB(backend_type), vkb_backends, ARRAY_LEN(vkb_backends)},
    {"feature-disable-keyboard", ROW_BOOL,   ON_ALL, OURS(disable_keyboard), VKB(feature_disable_keyboard)},
    {"feature-disable-pointer",  ROW_BOOL,   ON_ALL, OURS(disable_pointer), VKB(feature_disable_pointer)},
    {"feature-abs-pointer",      ROW_BOOL,   ON_ALL, OURS(abs_pointer), VKB(feature_abs_pointer)},
    {"feature-raw-pointer",      ROW_BOOL,   ON_ALL, OURS(raw_pointer), VKB(feature_raw_pointer)},
    {"feature-multi-touch",      ROW_BOOL,   ON_ALL, OURS(multi_touch), VKB(feature_multi_touch)},
    {"multi-touch-width",        ROW_U32,    ON_ALL, OURS(touch_width), VKB(multi_touch_width)},
    {"multi-touch-height",       ROW_U32,    ON_ALL, OURS(touch_height), VKB(multi_touch_height)},
    {"multi-touch-num-contacts", ROW_U32,    ON_ALL, OURS(touch_contacts), VKB(multi_touch_num_contacts)},
    {"width",                    ROW_U32,    ON_ALL, OURS(width), VKB(width)},
    {"height",                   ROW_U32,    ON_ALL, OURS(height), VKB(height)},
    {0},
};
#undef OURS

static const struct row vdispl_rows[] = {
    {"backend",  ROW_STRING, ON_ALL, offsetof(struct conf_vdispl, backend), offsetof(libxl_device_vdispl, backend_domname)},
    {"be-alloc", ROW_BOOL,   ON_ALL, offsetof(struct conf_vdispl, be_alloc), offsetof(libxl_device_vdispl, be_alloc)},
    {0},
};
/* clang-format on */

static int more_vkb(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    libxl_device_vkb *vkb = theirs;
    bool touch = vkb->multi_touch_width || vkb->multi_touch_height || vkb->multi_touch_num_contacts;

    (void)args;
    (void)ours;
    (void)e;
    vkb->feature_multi_touch = vkb->feature_multi_touch || touch;
    return 0;
}

/* conf has checked that each is ID:WIDTHxHEIGHT. */
static int more_vdispl(const struct config_args *args, const void *ours, void *theirs,
                       struct err *e)
{
    AUTO_FREE char *copy = x_strdup(((const struct conf_vdispl *)ours)->connectors);
    libxl_device_vdispl *vdispl = theirs;
    char *rest = copy, *one;

    (void)args;
    (void)e;
    while ((one = strsep(&rest, ";"))) {
        size_t count = (size_t)vdispl->num_connectors + 1;
        char *size = strchr(one, ':');
        vdispl->connectors = x_reallocarray(vdispl->connectors, count, sizeof *vdispl->connectors);
        libxl_connector_param *connector = &vdispl->connectors[vdispl->num_connectors++];
        libxl_connector_param_init(connector);
        *size++ = '\0';
        connector->unique_id = x_strdup(one);
        connector->width = (uint32_t)strtoul(size, &size, 10);
        connector->height = (uint32_t)strtoul(size + 1, NULL, 10);
    }
    return 0;
}

static void back_vdispl(const void *theirs, void *ours)
{
    const libxl_device_vdispl *from = theirs;
    AUTO_STR struct str text = {0};

    for (int i = 0; i < from->num_connectors; i++)
        str_addf(&text, "%s%s:%ux%u", i ? ";" : "", from->connectors[i].unique_id,
                 from->connectors[i].width, from->connectors[i].height);
    ((struct conf_vdispl *)ours)->connectors = str_take(&text);
}

static int more_dtdev(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    (void)args;
    (void)e;
    ((libxl_device_dtdev *)theirs)->path = x_strdup(*(char *const *)ours);
    return 0;
}

static void back_dtdev(const void *theirs, void *ours)
{
    *(char **)ours = x_strdup(((const libxl_device_dtdev *)theirs)->path);
}

/* ---- the lists ---- */

static const struct row no_rows[] = {{0}};

/* Each libxl_device_..._init takes its own type. */
#define INIT(name)                                                                                 \
    static void init_##name(void *device)                                                          \
    {                                                                                              \
        libxl_device_##name##_init(device);                                                        \
    }
INIT(disk)
INIT(nic)
INIT(pci)
INIT(dtdev)
INIT(vfb)
INIT(vkb)
INIT(vtpm)
INIT(p9)
INIT(pvcallsif)
INIT(vdispl)
INIT(channel)
INIT(usbctrl)
INIT(usbdev)

enum { NO_DEVID = -1 };

struct device_list {
    const char *key;
    size_t from, from_size;
    size_t count, to, to_size; /* offsets in libxl_domain_config */
    void (*init)(void *device);
    long devid; /* offset of the member that is the device's number in the list */
    const struct row *rows;
    /* Before and after the rows. May be NULL. */
    int (*before)(const struct config_args *args, const void *ours, void *theirs, struct err *e);
    int (*more)(const struct config_args *args, const void *ours, void *theirs, struct err *e);
    void (*back)(const void *theirs, void *ours);
};

/* clang-format off */
#define LIST(member, type) offsetof(struct conf, member), sizeof(struct type)
#define INTO(name) offsetof(libxl_domain_config, num_##name##s), offsetof(libxl_domain_config, name##s), sizeof(libxl_device_##name), init_##name
#define PCIDEVS offsetof(libxl_domain_config, num_pcidevs), offsetof(libxl_domain_config, pcidevs), sizeof(libxl_device_pci), init_pci
#define DEVID(name) (long)offsetof(libxl_device_##name, devid)

static const struct device_list lists[] = {
    {"disk",    LIST(disks, conf_disk), INTO(disk), NO_DEVID, config_disk_rows, NULL, config_disk_more, config_disk_back},
    {"vif",     LIST(vifs, conf_vif), INTO(nic), DEVID(nic), config_nic_rows, config_nic_before, config_nic_more, config_nic_back},
    {"pci",     LIST(dev.pci, conf_pci), PCIDEVS, NO_DEVID, pci_rows, before_pci, more_pci, back_pci},
    {"dtdev",   offsetof(struct conf, dev.dtdev), sizeof(char *), INTO(dtdev), NO_DEVID, no_rows, NULL, more_dtdev, back_dtdev},
    {"vtpm",    LIST(dev.vtpm, conf_vtpm), INTO(vtpm), DEVID(vtpm), vtpm_rows, NULL, more_vtpm, back_vtpm},
    /* xl leaves the numbers of 9p shares to libxl. */
    {"p9",      LIST(dev.p9, conf_p9), INTO(p9), NO_DEVID, p9_rows, NULL, more_p9, NULL},
    {"pvcalls", LIST(dev.pvcalls, conf_pvcalls), INTO(pvcallsif), DEVID(pvcallsif), pvcalls_rows, NULL, NULL, NULL},
    {"vdispl",  LIST(dev.vdispl, conf_vdispl), INTO(vdispl), DEVID(vdispl), vdispl_rows, NULL, more_vdispl, back_vdispl},
    {"channel", LIST(dev.channel, conf_channel), INTO(channel), DEVID(channel), channel_rows, NULL, more_channel, back_channel},
    {"usbctrl", LIST(dev.usbctrl, conf_usbctrl), INTO(usbctrl), DEVID(usbctrl), usbctrl_rows, NULL, NULL, NULL},
    {"usbdev",  LIST(dev.usbdev, conf_usbdev), INTO(usbdev), NO_DEVID, usbdev_rows, before_usbdev, NULL, NULL},
    {"vfb",     LIST(dev.vfb, conf_vfb), INTO(vfb), DEVID(vfb), vfb_rows, NULL, NULL, NULL},
    {"vkb",     LIST(dev.vkb, conf_vkb), INTO(vkb), DEVID(vkb), vkb_rows, NULL, more_vkb, NULL},
};
/* clang-format on */

/* A new device at the end of the list, initialised and with its number. */
static void *append(const struct device_list *list, libxl_domain_config *out)
{
    int *count = (int *)((char *)out + list->count);
    void *devices;

    memcpy(&devices, (char *)out + list->to, sizeof devices);
    devices = x_reallocarray(devices, (size_t)*count + 1, list->to_size);
    memcpy((char *)out + list->to, &devices, sizeof devices);
    char *device = (char *)devices + (size_t)*count * list->to_size;
    list->init(device);
    if (list->devid != NO_DEVID) {
        libxl_devid number = *count;
        memcpy(device + list->devid, &number, sizeof number);
    }
    ++*count;
    return device;
}

static int fill(const struct device_list *list, const struct config_args *args,
                libxl_domain_config *out, struct err *e)
{
    unsigned on = rows_on(out->c_info.type);
    struct items from;

    memcpy(&from, (const char *)args->conf + list->from, sizeof from);
    for (size_t i = 0; i < from.count; i++) {
        const void *ours = (const char *)from.items + i * list->from_size;
        void *theirs = append(list, out);
        if (list->before && list->before(args, ours, theirs, e) < 0)
            return -1;
        rows_apply(list->rows, on, ours, theirs, args->directory);
        if (list->more && list->more(args, ours, theirs, e) < 0)
            return -1;
    }
    return 0;
}

static const struct device_list *find(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (str_eq(lists[i].key, key))
            return &lists[i];
    return NULL;
}

/* vnc = 1 on a PV guest is a framebuffer, and each framebuffer has a keyboard. */
static void add_screen(const struct config_args *args, libxl_domain_config *out)
{
    const struct conf *conf = args->conf;

    if (out->c_info.type == LIBXL_DOMAIN_TYPE_PV && out->num_vfbs == 0 &&
        conf->vnc == CONF_FLAG_ON) {
        libxl_device_vfb *vfb = append(find("vfb"), out);
        rows_apply(config_vnc_rows, ON_PV, conf, &vfb->vnc, NULL);
        rows_apply(config_sdl_rows, ON_PV, conf, &vfb->sdl, NULL);
        vfb->keymap = x_strdup(conf->screen.keymap);
    }
    while (out->num_vkbs < out->num_vfbs)
        append(find("vkb"), out);
}

int config_devices(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (str_eq(lists[i].key, "vkb"))
            add_screen(args, out);
        if (fill(&lists[i], args, out, e) < 0)
            return -1;
    }
    /* A PV guest with devices of the host wants the host's map of memory. */
    if (out->num_pcidevs > 0 && out->c_info.type == LIBXL_DOMAIN_TYPE_PV)
        libxl_defbool_set(&out->b_info.u.pv.e820_host, true);
    return config_sound(args, out, e);
}

static void fill_back(const struct device_list *list, const libxl_domain_config *in, int first,
                      struct conf *conf)
{
    int count = *(const int *)((const char *)in + list->count);
    AUTO_FREE void *blank = x_calloc(1, list->to_size);
    struct items to = {0};
    const char *devices;

    if (count <= first)
        return;
    list->init(blank);
    memcpy(&devices, (const char *)in + list->to, sizeof devices);
    to.items = x_calloc((size_t)(count - first), list->from_size);
    for (int i = first; i < count; i++) {
        const void *theirs = devices + (size_t)i * list->to_size;
        void *ours = (char *)to.items + to.count++ * list->from_size;
        rows_read(list->rows, rows_on(in->c_info.type), theirs, blank, ours);
        if (list->back)
            list->back(theirs, ours);
    }
    memcpy((char *)conf + list->from, &to, sizeof to);
}

void config_devices_read(const libxl_domain_config *in, struct conf *conf)
{
    /* The first keyboards are those of the framebuffers. */
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        fill_back(&lists[i], in, str_eq(lists[i].key, "vkb") ? in->num_vfbs : 0, conf);
    config_sound_read(in, conf);
}

static const char *const more_keys[] = {"vsnd", "pci_permissive", "pci_msitranslate", "pci_seize",
                                        "pci_power_mgmt"};

const char *config_devices_key(size_t i)
{
    if (i < ARRAY_LEN(lists))
        return lists[i].key;
    i -= ARRAY_LEN(lists);
    return i < ARRAY_LEN(more_keys) ? more_keys[i] : NULL;
}
