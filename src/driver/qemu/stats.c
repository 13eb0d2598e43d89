/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/live.h"

enum { SMALL_MAX = 4096 };

/* The name of a device in its path in QEMU's tree ("/machine/peripheral/vda/virtio-backend"), or
 * by itself. */
static bool device_of(const char *path, char *ret, size_t size)
{
    static const char lead[] = "/machine/peripheral/";
    const char *at = str_starts(path, lead) ? path + strlen(lead) : path;
    size_t len = strcspn(at, "/");

    if (len == 0 || len >= size)
        return false;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return true;
}

static uint64_t count(const json_t *stats, const char *key)
{
    return (uint64_t)json_get_int(stats, key, 0);
}

static int read_disks(struct live *l, const struct op *op, struct domain_stats *ret, struct err *e)
{
    AUTO_JSON json_t *all = NULL;
    size_t i;
    json_t *item;

    if (qmp_run(&l->s.qmp, "query-blockstats", NULL, op, &all, e) < 0)
        return -1;
    ret->disks = x_calloc(json_array_size(all) + 1, sizeof *ret->disks);
    json_array_foreach(all, i, item)
    {
        struct disk_stats *disk = &ret->disks[ret->disk_count];
        const json_t *stats = json_object_get(item, "stats");
        if (!device_of(json_get_string(item, "qdev", ""), disk->vdev, sizeof disk->vdev))
            continue;
        disk->read_bytes = count(stats, "rd_bytes");
        disk->read_ops = count(stats, "rd_operations");
        disk->write_bytes = count(stats, "wr_bytes");
        disk->write_ops = count(stats, "wr_operations");
        ret->disk_count++;
    }
    return 0;
}

/* ---- network ---- */

static bool read_small(const char *path, char text[SMALL_MAX])
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, SMALL_MAX - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n > 0;
}

static bool read_number(const char *interface, const char *name, uint64_t *ret)
{
    AUTO_FREE char *path = x_asprintf("/sys/class/net/%s/%s", interface, name);
    char text[SMALL_MAX];

    if (!read_small(path, text))
        return false;
    *ret = strtoull(text, NULL, 10);
    return true;
}

/* The tap of a guest's MAC: tap.c gives it the same one but for its first byte. Only taps have the
 * file tun_flags. */
static bool is_tap_of(const char *interface, const char *mac)
{
    AUTO_FREE char *flags = x_asprintf("/sys/class/net/%s/tun_flags", interface);
    AUTO_FREE char *path = x_asprintf("/sys/class/net/%s/address", interface);
    char text[SMALL_MAX];

    return access(flags, F_OK) == 0 && read_small(path, text) && str_starts(text, "fe:") &&
           strlen(mac) > 2 && strcasecmp(text + 2, mac + 2) == 0;
}

/* What the tap sends is what the guest receives. */
static void count_tap(const char *interface, struct nic_stats *nic)
{
    nic->counted = read_number(interface, "statistics/tx_bytes", &nic->rx_bytes) &&
                   read_number(interface, "statistics/tx_packets", &nic->rx_packets) &&
                   read_number(interface, "statistics/rx_bytes", &nic->tx_bytes) &&
                   read_number(interface, "statistics/rx_packets", &nic->tx_packets);
}

static void find_tap(struct nic_stats *nic)
{
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;

    while (dir && !nic->counted && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && is_tap_of(entry->d_name, nic->mac))
            count_tap(entry->d_name, nic);
    if (dir)
        closedir(dir);
}

/* "nic-00163e000001" as a MAC. */
static void mac_of(const char *id, char mac[DOMAIN_STATS_NAME_MAX])
{
    size_t len = 0;

    for (id += strlen("nic-"); *id && len < DOMAIN_STATS_NAME_MAX - 2; id++) {
        if (len % 3 == 2)
            mac[len++] = ':';
        mac[len++] = *id;
    }
    mac[len] = '\0';
}

static int read_nics(struct live *l, const struct op *op, struct domain_stats *ret, struct err *e)
{
    AUTO_JSON json_t *all = NULL;
    size_t i;
    json_t *item;

    if (qmp_run(&l->s.qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), op, &all,
                e) < 0)
        return -1;
    ret->nics = x_calloc(json_array_size(all) + 1, sizeof *ret->nics);
    json_array_foreach(all, i, item)
    {
        const char *id = json_get_string(item, "name", "");
        if (!str_starts(id, "nic-"))
            continue;
        struct nic_stats *nic = &ret->nics[ret->nic_count++];
        mac_of(id, nic->mac);
        find_tap(nic);
    }
    return 0;
}

/* ---- the process ---- */

static uint64_t resident_kib(pid_t pid)
{
    AUTO_FREE char *path = x_asprintf("/proc/%d/statm", (int)pid);
    unsigned long long size, resident;
    char text[SMALL_MAX];

    if (!read_small(path, text) || sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static int read_balloon(struct live *l, const struct op *op, uint64_t *ret_kib, struct err *e)
{
    AUTO_JSON json_t *info = NULL;

    if (qmp_run(&l->s.qmp, "query-balloon", NULL, op, &info, e) < 0)
        return -1;
    *ret_kib = count(info, "actual") / 1024;
    return 0;
}

int stats_read(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    struct domain_stats stats = {0};

    if (live_open(&l, h, ref, true, op, e) < 0)
        return -1;
    stats.cpu_ns = proc_cpu_ns(l.meta.pid);
    stats.host_memory_kib = resident_kib(l.meta.pid);
    if (read_balloon(&l, op, &stats.balloon_kib, e) < 0 || read_disks(&l, op, &stats, e) < 0 ||
        read_nics(&l, op, &stats, e) < 0) {
        free(stats.disks);
        free(stats.nics);
        return -1;
    }
    *ret = stats;
    return 0;
}
