/* SPDX-License-Identifier: MIT */
/* Devices that come and go while the guest lives. libxl keeps its own record of the domain in step,
 * from which a reset builds it again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/build.h"
#include "driver/xen/host_config.h"
#include "driver/xen/live.h"
#include "driver/xen/observe.h"
#include "driver/xen/remains.h"

/* ---- Finding ---- */

/* The guest's disk of that name; 1 and *ret is to be disposed of, or 0. */
static int find_disk(struct session *s, uint32_t domid, const char *vdev, libxl_device_disk *ret)
{
    int count = 0, found = 0;
    libxl_device_disk *all = libxl_device_disk_list(s->ctx, domid, &count);

    for (int i = 0; i < count && !found; i++) {
        if (str_eq(all[i].vdev, vdev)) {
            found = 1;
            libxl_device_disk_init(ret);
            libxl_device_disk_copy(s->ctx, ret, &all[i]);
        }
    }
    libxl_device_disk_list_free(all, count);
    return found;
}

static void mac_text(libxl_mac *mac, char text[IDENT_MAC_LEN + 1])
{
    snprintf(text, IDENT_MAC_LEN + 1, LIBXL_MAC_FMT, LIBXL_MAC_BYTES((*mac)));
}

static int find_nic(struct session *s, uint32_t domid, const char *mac, libxl_device_nic *ret)
{
    int count = 0, found = 0;
    libxl_device_nic *all = libxl_device_nic_list(s->ctx, domid, &count);

    for (int i = 0; i < count && !found; i++) {
        char text[IDENT_MAC_LEN + 1];
        mac_text(&all[i].mac, text);
        if (strcasecmp(text, mac) == 0) {
            found = 1;
            libxl_device_nic_init(ret);
            libxl_device_nic_copy(s->ctx, ret, &all[i]);
        }
    }
    libxl_device_nic_list_free(all, count);
    return found;
}

/* ---- attach ---- */

enum { UNDO_MS = 60 * 1000 };

/* After an attach that failed with *e: what libxl has made by then stays where it is, half
 * connected, and would be in the way of the next one. */
static void undo_attach(struct session *s, int started, const char *name, struct err *e)
{
    struct op op = op_within(UNDO_MS);
    struct err second;

    if (session_await(s, started, &op, NULL, "it cannot be taken away", NULL, &second) < 0)
        err_set(e, e->code, "%s; what was made of %s is left: %s", e->msg, name, second.msg);
}

static int undo_disk(struct session *s, uint32_t domid, const char *vdev, struct err *e)
{
    libxl_device_disk disk;

    if (!find_disk(s, domid, vdev, &disk))
        return -1;
    undo_attach(s, libxl_device_disk_destroy(s->ctx, domid, &disk, session_how(s)), vdev, e);
    libxl_device_disk_dispose(&disk);
    return -1;
}

static int undo_nic(struct session *s, uint32_t domid, const char *mac, struct err *e)
{
    libxl_device_nic nic;

    if (!find_nic(s, domid, mac, &nic))
        return -1;
    undo_attach(s, libxl_device_nic_destroy(s->ctx, domid, &nic, session_how(s)), mac, e);
    libxl_device_nic_dispose(&nic);
    return -1;
}

static int attach_disk(struct session *s, uint32_t domid, const struct device *device,
                       const struct op *op, struct err *e)
{
    libxl_device_disk disk;

    if (build_check_disk(device->disk, device->directory, &device->user, e) < 0)
        return -1;
    if (find_disk(s, domid, device->disk->vdev, &disk)) {
        libxl_device_disk_dispose(&disk);
        return err_set(e, ERR_EXISTS, "there is a disk %s already", device->disk->vdev);
    }
    if (xen_config_disk(device->disk, device->directory, &disk, e) < 0)
        return -1;
    int rc = libxl_device_disk_add(s->ctx, domid, &disk, session_how(s));
    int result = session_await(s, rc, op, NULL, "cannot attach the disk", NULL, e);
    libxl_device_disk_dispose(&disk);
    return result == 0 ? 0 : undo_disk(s, domid, device->disk->vdev, e);
}

static int attach_nic(struct session *s, uint32_t domid, const struct device *device,
                      const struct op *op, struct err *e)
{
    struct host_config host;
    libxl_device_nic nic;

    if (find_nic(s, domid, device->mac, &nic)) {
        libxl_device_nic_dispose(&nic);
        return err_set(e, ERR_EXISTS, "there is an interface %s already", device->mac);
    }
    if (host_config_read(s->ctx, &host, e) < 0)
        return -1;
    int result = xen_config_nic(device->vif, device->mac, &host, &nic, e);
    host_config_finish(&host);
    if (result < 0)
        return -1;
    int rc = libxl_device_nic_add(s->ctx, domid, &nic, session_how(s));
    result = session_await(s, rc, op, NULL, "cannot attach the interface", NULL, e);
    libxl_device_nic_dispose(&nic);
    return result == 0 ? 0 : undo_nic(s, domid, device->mac, e);
}

int devices_attach(struct driver_handle *h, const struct domain_ref *ref,
                   const struct device *device, const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    (void)h;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    int result = device->kind == DEVICE_DISK ? attach_disk(&s, info.domid, device, op, e)
                                             : attach_nic(&s, info.domid, device, op, e);
    if (result < 0) {
        struct domain_ref here = *ref;
        here.id = info.domid;
        remains_remove(&s, &here, e);
    }
    return result;
}

/* ---- detach ---- */

static int unplugged(int result, const char *name, struct err *e)
{
    if (result == 0 || e->code != ERR_TIMED_OUT)
        return result;
    err_set(e, ERR_TIMED_OUT, "the guest has not let go of %s", name);
    str_copy(e->phase, sizeof e->phase, "unplug");
    return -1;
}

int devices_detach(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                   const char *name, const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_device_disk disk;
    libxl_device_nic nic;
    int result;

    (void)h;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    if (info.paused)
        return err_set(e, ERR_WRONG_STATE, "a paused guest cannot let go of %s", name);
    if (kind == DEVICE_DISK ? !find_disk(&s, info.domid, name, &disk)
                            : !find_nic(&s, info.domid, name, &nic))
        return err_set(e, ERR_FAILED, "there is no %s %s",
                       kind == DEVICE_DISK ? "disk" : "interface", name);
    if (kind == DEVICE_DISK) {
        /* "safe": not by force when the guest does not let go. */
        int rc = libxl_device_disk_safe_remove(s.ctx, info.domid, &disk, session_how(&s));
        result = session_await(&s, rc, op, NULL, "cannot detach the disk", NULL, e);
        libxl_device_disk_dispose(&disk);
    } else {
        int rc = libxl_device_nic_remove(s.ctx, info.domid, &nic, session_how(&s));
        result = session_await(&s, rc, op, NULL, "cannot detach the interface", NULL, e);
        libxl_device_nic_dispose(&nic);
    }
    return unplugged(result, name, e);
}

/* ---- medium ---- */

int devices_medium(struct driver_handle *h, const struct domain_ref *ref,
                   const struct conf_disk *disk, const char *directory, const struct fs_user *user,
                   const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_device_disk form;

    (void)h;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    if (host_type(&s, &info) != LIBXL_DOMAIN_TYPE_HVM)
        return err_set(e, ERR_UNSUPPORTED,
                       "a guest of this type has no drive on Xen; block-attach and block-detach "
                       "change its disks");
    if (build_check_disk(disk, directory, user, e) < 0 ||
        xen_config_disk(disk, directory, &form, e) < 0)
        return -1;
    int rc = libxl_cdrom_insert(s.ctx, info.domid, &form, session_how(&s));
    int result = session_await(&s, rc, op, NULL, "cannot change the disc", NULL, e);
    libxl_device_disk_dispose(&form);
    return result;
}

/* ---- Counters, which the backends in domain 0 keep ---- */

static bool read_counter(const char *folder, const char *name, uint64_t *ret)
{
    AUTO_FREE char *path = x_asprintf("%s/statistics/%s", folder, name);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32];

    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n <= 0)
        return false;
    text[n] = '\0';
    *ret = strtoull(text, NULL, 10);
    return true;
}

enum { SECTOR = 512 };

/* Disks that no backend in domain 0's kernel counts for are left out. */
static void add_disks(struct session *s, uint32_t domid, struct domain_stats *ret)
{
    int count = 0;
    libxl_device_disk *all = libxl_device_disk_list(s->ctx, domid, &count);

    ret->disks = x_calloc((size_t)count + 1, sizeof *ret->disks);
    for (int i = 0; i < count; i++) {
        struct disk_stats *to = &ret->disks[ret->disk_count];
        libxl_diskinfo about;
        libxl_diskinfo_init(&about);
        int devid =
            libxl_device_disk_getinfo(s->ctx, domid, &all[i], &about) == 0 ? about.devid : -1;
        libxl_diskinfo_dispose(&about);
        AUTO_FREE char *folder = x_asprintf("/sys/bus/xen-backend/devices/vbd-%u-%d", domid, devid);
        if (devid < 0 || !read_counter(folder, "rd_req", &to->read_ops) ||
            !read_counter(folder, "wr_req", &to->write_ops) ||
            !read_counter(folder, "rd_sect", &to->read_bytes) ||
            !read_counter(folder, "wr_sect", &to->write_bytes))
            continue;
        to->read_bytes *= SECTOR;
        to->write_bytes *= SECTOR;
        str_copy(to->vdev, sizeof to->vdev, all[i].vdev);
        ret->disk_count++;
    }
    libxl_device_disk_list_free(all, count);
}

/* What the interface in domain 0 receives the guest has sent. */
static void add_nics(struct session *s, uint32_t domid, struct domain_stats *ret)
{
    int count = 0;
    libxl_device_nic *all = libxl_device_nic_list(s->ctx, domid, &count);

    ret->nics = x_calloc((size_t)count + 1, sizeof *ret->nics);
    for (int i = 0; i < count; i++) {
        struct nic_stats *to = &ret->nics[ret->nic_count++];
        AUTO_FREE char *path =
            x_asprintf("/local/domain/0/backend/vif/%u/%d/vifname", domid, all[i].devid);
        unsigned len;
        AUTO_FREE char *name = xs_read(s->xs, XBT_NULL, path, &len);
        AUTO_FREE char *folder = name ? x_asprintf("/sys/class/net/%s", name)
                                      : x_asprintf("/sys/class/net/vif%u.%d", domid, all[i].devid);
        mac_text(&all[i].mac, to->mac);
        to->counted = read_counter(folder, "tx_bytes", &to->rx_bytes) &&
                      read_counter(folder, "tx_packets", &to->rx_packets) &&
                      read_counter(folder, "rx_bytes", &to->tx_bytes) &&
                      read_counter(folder, "rx_packets", &to->tx_packets);
    }
    libxl_device_nic_list_free(all, count);
}

static void fill_stats(struct session *s, const libxl_dominfo *info, const struct told *t,
                       struct domain_stats *ret)
{
    *ret = (struct domain_stats){.cpu_ns = info->cpu_time,
                                 .host_memory_kib = info->current_memkb,
                                 .balloon_kib = observe_memory_kib(info, t)};
    add_disks(s, info->domid, ret);
    add_nics(s, info->domid, ret);
}

int stats_all(struct driver_handle *h, const char *uuid, const struct op *op,
              struct domain_counters **ret, size_t *ret_count, struct err *e)
{
    AUTO_FREE libxl_dominfo *all = NULL;
    size_t count, kept = 0;

    if (observe_all(h, &all, &count, e) < 0)
        return -1;
    struct domain_counters *counters = x_calloc(count + 1, sizeof *counters);
    for (size_t i = 0; i < count; i++) {
        struct domain_counters *to = &counters[kept];
        /* Of several, those that there is no time for are left out. */
        bool late = op->deadline_ms != 0 && clock_mono_ms() > op->deadline_ms;
        str_copy(to->uuid, sizeof to->uuid, h->told[i].uuid);
        if (all[i].shutdown || (uuid ? !str_eq(to->uuid, uuid) : late))
            continue;
        fill_stats(&h->look, &all[i], &h->told[i], &to->stats);
        kept++;
    }
    *ret = counters;
    *ret_count = kept;
    return 0;
}

int stats_read(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    (void)h;
    (void)op;
    if (live_enter(&s, ref, &info, e) < 0)
        return -1;
    struct told t = observe_told(&s, &info);
    fill_stats(&s, &info, &t, ret);
    return 0;
}
