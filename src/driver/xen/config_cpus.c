/* SPDX-License-Identifier: MIT */
/* vCPUs, the host CPUs that they may run on, and virtual NUMA nodes. */
#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_parts.h"

const char *const config_cpus_keys[] = {"vcpus", "maxvcpus", "cpus", "cpus_soft", "vnuma", NULL};

void config_bitmap(libxl_bitmap *map, unsigned bits)
{
    map->size = (bits + 7) / 8;
    map->map = x_calloc(map->size ? map->size : 1, 1);
}

static void copy_bitmap(libxl_bitmap *to, const libxl_bitmap *from)
{
    to->size = from->size;
    to->map = x_calloc(to->size ? to->size : 1, 1);
    memcpy(to->map, from->map, from->size);
}

/* "N" or "N-M"; conf has checked it. */
static void read_range(const char *text, unsigned long *first, unsigned long *last)
{
    char *end;

    *first = *last = strtoul(text, &end, 10);
    if (*end == '-')
        *last = strtoul(end + 1, NULL, 10);
}

static void set_cpu(libxl_bitmap *map, unsigned long cpu, bool in)
{
    if (in)
        libxl_bitmap_set(map, (int)cpu);
    else
        libxl_bitmap_reset(map, (int)cpu);
}

static void set_node(const struct host_config *host, libxl_bitmap *map, unsigned long node, bool in)
{
    if (node >= host->nodes)
        return;
    for (unsigned cpu = 0; cpu < host->cpus; cpu++)
        if (libxl_bitmap_test(&host->node_cpus[node], (int)cpu))
            set_cpu(map, cpu, in);
}

/* One of "all", "N-M", "nodes:N-M", and ^ before it takes out. CPUs past the host's are nobody's,
 * as in xl. */
static void add_part(const struct host_config *host, const char *part, libxl_bitmap *map)
{
    bool in = *part != '^';
    unsigned long first, last;

    part += !in;
    if (str_eq(part, "all")) {
        memset(map->map, 0xff, map->size);
        return;
    }
    bool nodes = str_starts(part, "node");
    read_range(nodes ? strchr(part, ':') + 1 : part, &first, &last);
    unsigned long most = nodes ? host->nodes : host->cpus;
    for (; first <= last && first < most; first++)
        if (nodes)
            set_node(host, map, first, in);
        else
            set_cpu(map, first, in);
}

static int read_cpus(const struct host_config *host, const char *key, const char *text,
                     libxl_bitmap *map, struct err *e)
{
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = copy, *part;

    config_bitmap(map, host->cpus);
    while ((part = strsep(&rest, ","))) {
        part += strspn(part, " \t");
        part[strcspn(part, " \t")] = '\0';
        if (*part)
            add_part(host, part, map);
    }
    if (libxl_bitmap_is_empty(map))
        return err_set_key(e, ERR_BAD_CONFIG, key, "none of the host's %u CPUs is in \"%s\"",
                           host->cpus, text);
    return 0;
}

/* One string is for all vCPUs; of a list each item is for one, those past the last vCPU for none.
 */
static int set_affinity(const struct config_args *args, const char *key,
                        const struct conf_strings *cpus, bool each, int *num, libxl_bitmap **maps,
                        struct err *e)
{
    size_t vcpus = args->conf->max_vcpus;
    size_t count = each && cpus->count < vcpus ? cpus->count : vcpus;

    if (cpus->count == 0)
        return 0;
    *maps = x_calloc(count, sizeof **maps);
    *num = (int)count;
    for (size_t i = 0; i < count; i++) {
        libxl_bitmap *map = &(*maps)[i];
        if (!each && i > 0)
            copy_bitmap(map, *maps);
        else if (read_cpus(args->host, key, cpus->items[i], map, e) < 0)
            return -1;
    }
    return 0;
}

static int apply_mask(const struct host_config *host, const char *name, const char *text,
                      const char *key, libxl_bitmap *map, struct err *e)
{
    libxl_bitmap mask;

    libxl_bitmap_init(&mask);
    int result = 0;
    if (text && read_cpus(host, key, text, &mask, e) < 0)
        result = err_wrap(e, "%s in xl.conf", name);
    for (int i = 0; text && result == 0 && i < (int)map->size * 8; i++)
        if (!libxl_bitmap_test(&mask, i))
            libxl_bitmap_reset(map, i);
    libxl_bitmap_dispose(&mask);
    if (result == 0 && text && libxl_bitmap_is_empty(map))
        result =
            err_set_key(e, ERR_BAD_CONFIG, key,
                        "%s = \"%s\" in xl.conf leaves none of these CPUs to a guest", name, text);
    return result;
}

int xen_config_mask(const struct host_config *host, libxl_domain_type type, const char *key,
                    libxl_bitmap *map, struct err *e)
{
    bool pv = type == LIBXL_DOMAIN_TYPE_PV;

    if (apply_mask(host, "vm.cpumask", host->vm_cpus, key, map, e) < 0)
        return -1;
    return apply_mask(host, pv ? "vm.pv.cpumask" : "vm.hvm.cpumask",
                      pv ? host->pv_cpus : host->hvm_cpus, key, map, e);
}

/* As xl: a mask is also for vCPUs of which the config says nothing. */
static int apply_masks(const struct config_args *args, libxl_domain_type type,
                       libxl_domain_build_info *build, struct err *e)
{
    const struct host_config *host = args->host;
    const char *of_type = type == LIBXL_DOMAIN_TYPE_PV ? host->pv_cpus : host->hvm_cpus;

    if (!host->vm_cpus && !of_type)
        return 0;
    if (build->num_vcpu_hard_affinity == 0) {
        build->num_vcpu_hard_affinity = build->max_vcpus;
        build->vcpu_hard_affinity =
            x_calloc((size_t)build->max_vcpus, sizeof *build->vcpu_hard_affinity);
        for (int i = 0; i < build->max_vcpus; i++) {
            config_bitmap(&build->vcpu_hard_affinity[i], host->cpus);
            libxl_bitmap_set_any(&build->vcpu_hard_affinity[i]);
        }
    }
    for (int i = 0; i < build->num_vcpu_hard_affinity; i++)
        if (xen_config_mask(host, type, "cpus", &build->vcpu_hard_affinity[i], e) < 0)
            return -1;
    return 0;
}

static int set_vnode(const struct config_args *args, const struct conf_vnode *from,
                     libxl_vnode_info *to, unsigned *total, struct err *e)
{
    AUTO_FREE char *copy = x_strdup(from->vcpus);
    char *rest = copy, *part;

    libxl_vnode_info_init(to);
    if (from->pnode.value >= args->host->nodes)
        return err_set_key(e, ERR_BAD_CONFIG, "vnuma",
                           "pnode=%lld: the host has %u nodes, from 0 on",
                           (long long)from->pnode.value, args->host->nodes);
    to->pnode = (uint32_t)from->pnode.value;
    to->memkb = (uint64_t)from->size.value * 1024;
    to->num_distances = (int)from->vdistance_count;
    to->distances = x_calloc(from->vdistance_count, sizeof *to->distances);
    for (size_t i = 0; i < from->vdistance_count; i++)
        to->distances[i] = from->vdistances[i];
    config_bitmap(&to->vcpus, args->conf->max_vcpus);
    while ((part = strsep(&rest, ","))) {
        unsigned long first, last;
        read_range(part + strspn(part, " \t"), &first, &last);
        for (; first <= last; first++, ++*total)
            libxl_bitmap_set(&to->vcpus, (int)first);
    }
    return 0;
}

static int set_vnuma(const struct config_args *args, libxl_domain_build_info *build, struct err *e)
{
    const struct conf_vnodes *nodes = &args->conf->cpu.vnuma;
    unsigned vcpus = 0;

    if (nodes->count == 0)
        return 0;
    build->vnuma_nodes = x_calloc(nodes->count, sizeof *build->vnuma_nodes);
    for (size_t i = 0; i < nodes->count; i++) {
        build->num_vnuma_nodes = (int)i + 1;
        if (set_vnode(args, &nodes->items[i], &build->vnuma_nodes[i], &vcpus, e) < 0)
            return -1;
    }
    if (vcpus != args->conf->max_vcpus)
        return err_set_key(e, ERR_BAD_CONFIG, "vnuma",
                           "the nodes have %u vCPUs and the guest has %u; every one is in a node",
                           vcpus, args->conf->max_vcpus);
    libxl_defbool_set(&build->numa_placement, false);
    return 0;
}

int config_cpus(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    const struct conf_cpu *cpu = &args->conf->cpu;
    libxl_domain_build_info *build = &out->b_info;

    build->max_vcpus = (int)args->conf->max_vcpus;
    config_bitmap(&build->avail_vcpus, args->conf->vcpus);
    for (unsigned i = 0; i < args->conf->vcpus; i++)
        libxl_bitmap_set(&build->avail_vcpus, (int)i);
    if (set_vnuma(args, build, e) < 0 ||
        set_affinity(args, "cpus", &cpu->cpus, cpu->cpus_each, &build->num_vcpu_hard_affinity,
                     &build->vcpu_hard_affinity, e) < 0 ||
        set_affinity(args, "cpus_soft", &cpu->cpus_soft, cpu->cpus_soft_each,
                     &build->num_vcpu_soft_affinity, &build->vcpu_soft_affinity, e) < 0)
        return -1;
    if (apply_masks(args, out->c_info.type, build, e) < 0)
        return -1;
    if ((cpu->cpus.count && cpu->cpus_each) || cpu->cpus_soft.count)
        libxl_defbool_set(&build->numa_placement, false);
    return 0;
}

/* ---- and back ---- */

/* "0-3,5". Owned by the caller; "" for an empty one. */
static char *bitmap_text(const libxl_bitmap *map)
{
    AUTO_STR struct str text = {0};
    int bits = (int)map->size * 8;

    if (libxl_bitmap_is_full(map) && bits > 0)
        return x_strdup("all");
    for (int i = 0; i < bits; i++) {
        int first = i;
        if (!libxl_bitmap_test(map, i))
            continue;
        while (i + 1 < bits && libxl_bitmap_test(map, i + 1))
            i++;
        str_addf(&text, "%s%d", text.len ? "," : "", first);
        if (i > first)
            str_addf(&text, "-%d", i);
    }
    return str_take(&text);
}

/* One string stands for equal items of all vCPUs. */
static bool all_alike(int num, const libxl_bitmap *maps, int vcpus)
{
    for (int i = 1; i < num; i++)
        if (maps[i].size != maps[0].size || memcmp(maps[i].map, maps[0].map, maps[0].size) != 0)
            return false;
    return num == vcpus;
}

/* A vCPU with no CPUs of its own may run on all. */
static void read_affinity(int num, const libxl_bitmap *maps, bool each, struct conf_strings *cpus,
                          bool *ret_each)
{
    if (num <= 0)
        return;
    cpus->items = x_calloc((size_t)num, sizeof *cpus->items);
    cpus->count = each ? (size_t)num : 1;
    *ret_each = each;
    for (size_t i = 0; i < cpus->count; i++) {
        char *text = bitmap_text(&maps[i]);
        if (!*text) {
            x_replace(&text, x_strdup("all"));
        }
        cpus->items[i] = text;
    }
}

static void read_vnode(const libxl_vnode_info *from, struct conf_vnode *to)
{
    AUTO_STR struct str text = {0};

    to->pnode = (struct conf_number){true, from->pnode};
    to->size = (struct conf_number){true, (int64_t)(from->memkb / 1024)};
    to->vcpus = bitmap_text(&from->vcpus);
    for (int i = 0; i < from->num_distances && i < CONF_VNODES_MAX; i++) {
        to->vdistances[to->vdistance_count++] = from->distances[i];
        str_addf(&text, "%s%u", i ? "," : "", from->distances[i]);
    }
    to->vdistance_text = str_take(&text);
}

void config_cpus_read(const libxl_domain_config *in, struct conf *conf)
{
    const libxl_domain_build_info *build = &in->b_info;
    struct conf_cpu *cpu = &conf->cpu;
    int online = 0;

    for (int i = 0; i < (int)build->avail_vcpus.size * 8; i++)
        online += libxl_bitmap_test(&build->avail_vcpus, i) != 0;
    conf->max_vcpus = build->max_vcpus > 0 ? (unsigned)build->max_vcpus : 1;
    conf->vcpus = online > 0 ? (unsigned)online : conf->max_vcpus;
    int hard = build->num_vcpu_hard_affinity, soft = build->num_vcpu_soft_affinity;
    /* A list for the hard ones alone also turns libxl's own placement off. */
    bool placed = !libxl_defbool_is_default(build->numa_placement) &&
                  !libxl_defbool_val(build->numa_placement) && soft <= 0 &&
                  build->num_vnuma_nodes <= 0;
    bool each = placed || !all_alike(hard, build->vcpu_hard_affinity, build->max_vcpus);
    read_affinity(hard, build->vcpu_hard_affinity, each, &cpu->cpus, &cpu->cpus_each);
    each = !all_alike(soft, build->vcpu_soft_affinity, build->max_vcpus);
    read_affinity(soft, build->vcpu_soft_affinity, each, &cpu->cpus_soft, &cpu->cpus_soft_each);
    if (build->num_vnuma_nodes <= 0)
        return;
    cpu->vnuma.items = x_calloc((size_t)build->num_vnuma_nodes, sizeof *cpu->vnuma.items);
    for (int i = 0; i < build->num_vnuma_nodes; i++)
        read_vnode(&build->vnuma_nodes[i], &cpu->vnuma.items[cpu->vnuma.count++]);
}
