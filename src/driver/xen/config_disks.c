/* SPDX-License-Identifier: MIT */
/* disk and vif. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_devices.h"
#include "driver/xen/config_parts.h"

/* ---- disk ---- */

/* clang-format off */
static const struct row_word backends[] = {
    {CONF_BACKENDTYPE_PHY,        LIBXL_DISK_BACKEND_PHY},
    {CONF_BACKENDTYPE_QDISK,      LIBXL_DISK_BACKEND_QDISK},
    {CONF_BACKENDTYPE_TAP,        LIBXL_DISK_BACKEND_TAP},
    {CONF_BACKENDTYPE_STANDALONE, LIBXL_DISK_BACKEND_STANDALONE},
};

static const struct row_word specifications[] = {
    {CONF_SPECIFICATION_XEN,    LIBXL_DISK_SPECIFICATION_XEN},
    {CONF_SPECIFICATION_VIRTIO, LIBXL_DISK_SPECIFICATION_VIRTIO},
};

static const struct row_word formats[] = {
    {CONF_RAW,   LIBXL_DISK_FORMAT_RAW},
    {CONF_QCOW2, LIBXL_DISK_FORMAT_QCOW2},
    {CONF_QCOW,  LIBXL_DISK_FORMAT_QCOW},
    {CONF_VHD,   LIBXL_DISK_FORMAT_VHD},
    {CONF_QED,   LIBXL_DISK_FORMAT_QED},
};

#define WORDS(table) table, ARRAY_LEN(table)
#define OURS(member) offsetof(struct conf_disk, member)
#define DISK(member) offsetof(libxl_device_disk, member)
const struct row config_disk_rows[] = {
    {"format",         ROW_WORD,   ON_ALL, OURS(format), DISK(format), WORDS(formats)},
    {"backend",        ROW_STRING, ON_ALL, OURS(backend), DISK(backend_domname)},
    {"backendtype",    ROW_WORD,   ON_ALL, OURS(backendtype), DISK(backend), WORDS(backends)},
    {"specification",  ROW_WORD,   ON_ALL, OURS(specification), DISK(specification), WORDS(specifications)},
    {"script",         ROW_STRING, ON_ALL, OURS(script), DISK(script)},
    {"direct-io-safe", ROW_BOOL,   ON_ALL, OURS(direct_io_safe), DISK(direct_io_safe)},
    {"discard",        ROW_FLAG,   ON_ALL, OURS(discard), DISK(discard_enable)},
    {"trusted",        ROW_FLAG,   ON_ALL, OURS(trusted), DISK(trusted)},
    {0},
};
#undef OURS
/* clang-format on */

/* A script reads its target as it likes, and a driver domain has paths of its own. */
static bool host_path(const struct conf_disk *disk)
{
    return !disk->script && !disk->backend;
}

int config_disk_more(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf_disk *from = ours;
    libxl_device_disk *disk = theirs;

    (void)e;
    disk->pdev_path = config_path(host_path(from) ? args->directory : NULL, from->target);
    disk->vdev = x_strdup(from->vdev);
    disk->readwrite = !from->read_only;
    disk->is_cdrom = disk->removable = from->cdrom;
    if (!from->target)
        disk->format = LIBXL_DISK_FORMAT_EMPTY;
    return 0;
}

static unsigned drive_index(const char *vdev)
{
    unsigned index = 0;

    vdev += strcspn(vdev, "dv");
    vdev += strspn(vdev, "dv");
    for (; *vdev >= 'a' && *vdev <= 'z'; vdev++)
        index = index * 26 + (unsigned)(*vdev - 'a') + 1;
    return index ? index - 1 : 0;
}

void config_disk_back(const void *theirs, void *ours)
{
    const libxl_device_disk *from = theirs;
    struct conf_disk *disk = ours;

    disk->target = from->pdev_path && *from->pdev_path ? x_strdup(from->pdev_path) : NULL;
    str_copy(disk->vdev, sizeof disk->vdev, from->vdev ? from->vdev : "");
    disk->index = drive_index(disk->vdev);
    disk->read_only = !from->readwrite;
    disk->cdrom = from->is_cdrom != 0;
}

int xen_config_disk(const struct conf_disk *disk, const char *directory, libxl_device_disk *out,
                    struct err *e)
{
    const struct config_args args = {.directory = directory};

    libxl_device_disk_init(out);
    rows_apply(config_disk_rows, ON_ALL, disk, out, directory);
    return config_disk_more(&args, disk, out, e);
}

/* ---- vif ---- */

/* clang-format off */
static const struct row_word nic_types[] = {
    {CONF_VIF_IOEMU, LIBXL_NIC_TYPE_VIF_IOEMU},
    {CONF_VIF_VIF,   LIBXL_NIC_TYPE_VIF},
};

#define OURS(member) offsetof(struct conf_vif, member)
#define NIC(member) offsetof(libxl_device_nic, member)
const struct row config_nic_rows[] = {
    {"type",       ROW_WORD,   ON_ALL, OURS(type), NIC(nictype), WORDS(nic_types)},
    {"bridge",     ROW_STRING, ON_ALL, OURS(bridge), NIC(bridge)},
    {"vifname",    ROW_STRING, ON_ALL, OURS(ifname), NIC(ifname)},
    {"backend",    ROW_STRING, ON_ALL, OURS(backend), NIC(backend_domname)},
    {"script",     ROW_STRING, ON_ALL, OURS(script), NIC(script)},
    {"ip",         ROW_STRING, ON_ALL, OURS(ip), NIC(ip)},
    {"gatewaydev", ROW_STRING, ON_ALL, OURS(gatewaydev), NIC(gatewaydev)},
    {"devid",      ROW_INT,    ON_ALL, OURS(devid), NIC(devid)},
    {"mtu",        ROW_INT,    ON_ALL, OURS(mtu), NIC(mtu)},
    {"trusted",    ROW_FLAG,   ON_ALL, OURS(trusted), NIC(trusted)},
    {0},
};
#undef OURS
/* clang-format on */

int config_nic_before(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    libxl_device_nic *nic = theirs;

    (void)ours;
    (void)e;
    nic->script = x_strdup(args->host->vif_script);
    nic->bridge = x_strdup(args->host->vif_bridge);
    nic->gatewaydev = x_strdup(args->host->vif_gatewaydev);
    nic->backend_domname = x_strdup(args->host->vif_backend);
    return 0;
}

static void set_mac(libxl_device_nic *nic, const char *mac)
{
    for (size_t i = 0; i < sizeof nic->mac; i++)
        nic->mac[i] = (uint8_t)strtoul(mac + 3 * i, NULL, 16);
}

static void nic_more(const struct conf_vif *from, const char *mac, libxl_device_nic *nic)
{
    if (from->mac[0])
        mac = from->mac;
    if (mac)
        set_mac(nic, mac);
    nic->model = from->model[0] ? x_strdup(from->model) : NULL;
    if (from->rate) {
        nic->rate_bytes_per_interval = from->rate_bytes;
        nic->rate_interval_usecs = (uint32_t)from->rate_interval_us;
    }
}

int config_nic_more(const struct config_args *args, const void *ours, void *theirs, struct err *e)
{
    const struct conf_vif *from = ours;
    size_t i = (size_t)(from - args->conf->vifs);

    (void)e;
    nic_more(from, args->macs ? args->macs[i] : NULL, theirs);
    return 0;
}

void config_nic_back(const void *theirs, void *ours)
{
    static const libxl_mac none;
    const libxl_device_nic *from = theirs;
    struct conf_vif *vif = ours;

    if (memcmp(from->mac, none, sizeof none) != 0)
        snprintf(vif->mac, sizeof vif->mac, "%02x:%02x:%02x:%02x:%02x:%02x", from->mac[0],
                 from->mac[1], from->mac[2], from->mac[3], from->mac[4], from->mac[5]);
    if (from->model)
        str_copy(vif->model, sizeof vif->model, from->model);
    if (from->rate_bytes_per_interval == 0 || from->rate_interval_usecs == 0)
        return;
    vif->rate_bytes = from->rate_bytes_per_interval;
    vif->rate_interval_us = from->rate_interval_usecs;
    /* In an interval of a second the figure is in bytes. */
    uint64_t second =
        (vif->rate_bytes * 1000000 + vif->rate_interval_us - 1) / vif->rate_interval_us;
    vif->rate = x_asprintf("%lluB/s@%lluus", (unsigned long long)second,
                           (unsigned long long)vif->rate_interval_us);
}

int xen_config_nic(const struct conf_vif *vif, const char *mac, const struct host_config *host,
                   libxl_device_nic *out, struct err *e)
{
    const struct config_args args = {.host = host};

    libxl_device_nic_init(out);
    if (config_nic_before(&args, vif, out, e) < 0)
        return -1;
    rows_apply(config_nic_rows, ON_ALL, vif, out, NULL);
    nic_more(vif, mac, out);
    return 0;
}
