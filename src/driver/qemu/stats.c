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
#include "driver/qemu/stats.h"

enum { SMALL_MAX = 4096 };

/* The name of a device in its path in QEMU's tree ("/machine/peripheral/vda/virtio-backend"), or
 * by itself; "device[0]" for one without a name, which is none of reeve's. */
static bool device_of(const char *path, char *ret, size_t size)
{
    static const char lead[] = "/machine/peripheral/", anonymous[] = "/machine/peripheral-anon/";
    const char *at = str_starts(path, lead)        ? path + strlen(lead)
                     : str_starts(path, anonymous) ? path + strlen(anonymous)
                                                   : path;
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

void stats_take_disks(const json_t *answer, struct domain_stats *to)
{
    size_t i;
    json_t *item;

    to->disks = x_calloc(json_array_size(answer) + 1, sizeof *to->disks);
    json_array_foreach((json_t *)(uintptr_t)answer, i, item)
    {
        struct disk_stats *disk = &to->disks[to->disk_count];
        const json_t *stats = json_object_get(item, "stats");
        if (!device_of(json_get_string(item, "qdev", ""), disk->vdev, sizeof disk->vdev))
            continue;
        disk->read_bytes = count(stats, "rd_bytes");
        disk->read_ops = count(stats, "rd_operations");
        disk->write_bytes = count(stats, "wr_bytes");
        disk->write_ops = count(stats, "wr_operations");
        to->disk_count++;
    }
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

enum { MAC_TEXT = 18 };

struct stats_tap {
    char mac[MAC_TEXT];
    char interface[32];
};

/* Only taps have the file tun_flags. A tap of ours has its guest's MAC but for the first byte
 * (tap.c). */
static bool read_tap(const char *interface, struct stats_tap *ret)
{
    AUTO_FREE char *flags = x_asprintf("/sys/class/net/%s/tun_flags", interface);
    AUTO_FREE char *path = x_asprintf("/sys/class/net/%s/address", interface);
    char text[SMALL_MAX];

    return access(flags, F_OK) == 0 && read_small(path, text) && str_starts(text, "fe:") &&
           str_copy(ret->mac, sizeof ret->mac, text) &&
           str_copy(ret->interface, sizeof ret->interface, interface);
}

void stats_taps_read(struct stats_taps *ret)
{
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;
    struct stats_tap tap;

    *ret = (struct stats_taps){0};
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || !read_tap(entry->d_name, &tap))
            continue;
        ret->list = x_reallocarray(ret->list, ret->count + 1, sizeof *ret->list);
        ret->list[ret->count++] = tap;
    }
    if (dir)
        closedir(dir);
}

void stats_taps_finish(struct stats_taps *taps)
{
    free(taps->list);
    *taps = (struct stats_taps){0};
}

/* What the tap sends is what the guest receives. */
static void count_tap(const char *interface, struct nic_stats *nic)
{
    nic->counted = read_number(interface, "statistics/tx_bytes", &nic->rx_bytes) &&
                   read_number(interface, "statistics/tx_packets", &nic->rx_packets) &&
                   read_number(interface, "statistics/rx_bytes", &nic->tx_bytes) &&
                   read_number(interface, "statistics/rx_packets", &nic->tx_packets);
}

void stats_count_nics(const struct stats_taps *taps, struct domain_stats *to)
{
    for (size_t i = 0; i < to->nic_count; i++) {
        struct nic_stats *nic = &to->nics[i];
        for (size_t k = 0; k < taps->count && !nic->counted; k++)
            if (strlen(nic->mac) > 2 && strcasecmp(taps->list[k].mac + 2, nic->mac + 2) == 0)
                count_tap(taps->list[k].interface, nic);
    }
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

void stats_take_nics(const json_t *answer, struct domain_stats *to)
{
    size_t i;
    json_t *item;

    to->nics = x_calloc(json_array_size(answer) + 1, sizeof *to->nics);
    json_array_foreach((json_t *)(uintptr_t)answer, i, item)
    {
        const char *id = json_get_string(item, "name", "");
        if (str_starts(id, "nic-"))
            mac_of(id, to->nics[to->nic_count++].mac);
    }
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

void stats_count_process(pid_t pid, struct domain_stats *to)
{
    to->cpu_ns = proc_cpu_ns(pid);
    to->host_memory_kib = resident_kib(pid);
}

/* ---- one domain ---- */

static int read_qemu(struct live *l, const struct op *op, struct domain_stats *to, struct err *e)
{
    AUTO_JSON json_t *balloon = NULL;
    AUTO_JSON json_t *disks = NULL;
    AUTO_JSON json_t *devices = NULL;

    if (qmp_run(&l->s.qmp, "query-balloon", NULL, op, &balloon, e) < 0 ||
        qmp_run(&l->s.qmp, "query-blockstats", NULL, op, &disks, e) < 0 ||
        qmp_run(&l->s.qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), op,
                &devices, e) < 0)
        return -1;
    to->balloon_kib = count(balloon, "actual") / 1024;
    stats_take_disks(disks, to);
    stats_take_nics(devices, to);
    return 0;
}

int stats_read(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct domain_stats *ret, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    struct domain_stats stats = {0};
    struct stats_taps taps;

    if (live_open(&l, h, ref, true, op, e) < 0 || read_qemu(&l, op, &stats, e) < 0)
        return -1;
    stats_taps_read(&taps);
    stats_count_nics(&taps, &stats);
    stats_taps_finish(&taps);
    stats_count_process(l.meta.pid, &stats);
    *ret = stats;
    return 0;
}
