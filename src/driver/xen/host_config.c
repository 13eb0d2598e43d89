/* SPDX-License-Identifier: MIT */
#include "driver/xen/host_config.h"

#include <libxl_utils.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/tree.h"
#include "driver/xen/config_parts.h"

#define XL_CONF "/etc/xen/xl.conf"
#define SIZE "-?[0-9]+[bBkKmMgGtT]?"
enum { XL_CONF_MAX = 64 * 1024 };

/* ---- xl.conf ---- */

enum setting_kind { SETTING_BOOL, SETTING_U32, SETTING_INT, SETTING_STRING };

/* clang-format off */
#define AT(member) offsetof(struct host_config, member)
static const struct {
    const char *name; /* with _ for the . of the file */
    enum setting_kind kind;
    size_t offset;
} settings[] = {
    {"run_hotplug_scripts",    SETTING_BOOL,   AT(run_hotplug_scripts)},
    {"claim_mode",             SETTING_BOOL,   AT(claim_mode)},
    {"max_grant_frames",       SETTING_U32,    AT(max_grant_frames)},
    {"max_maptrack_frames",    SETTING_U32,    AT(max_maptrack_frames)},
    {"max_grant_version",      SETTING_INT,    AT(max_grant_version)},
    {"blkdev_start",           SETTING_STRING, AT(blkdev_start)},
    /* the old spelling first, so that the new one counts */
    {"vifscript",              SETTING_STRING, AT(vif_script)},
    {"vif_default_script",     SETTING_STRING, AT(vif_script)},
    {"defaultbridge",          SETTING_STRING, AT(vif_bridge)},
    {"vif_default_bridge",     SETTING_STRING, AT(vif_bridge)},
    {"vif_default_gatewaydev", SETTING_STRING, AT(vif_gatewaydev)},
    {"vif_default_backend",    SETTING_STRING, AT(vif_backend)},
    {"vm_cpumask",             SETTING_STRING, AT(vm_cpus)},
    {"vm_hvm_cpumask",         SETTING_STRING, AT(hvm_cpus)},
    {"vm_pv_cpumask",          SETTING_STRING, AT(pv_cpus)},
    {"domid_policy",           SETTING_STRING, AT(domid_policy)},
    {"autoballoon",            SETTING_STRING, AT(autoballoon)},
    {"lockfile",               SETTING_STRING, AT(lockfile)},
};
#undef AT
/* clang-format on */

/* Names with dots are xl.conf's alone; our language has none. */
static char *without_dots(const char *text, size_t len)
{
    char *copy = x_strndup(text, len);
    bool name = true;

    for (char *c = copy; *c; c++) {
        if (*c == '\n')
            name = true;
        else if (*c == '=' || *c == '#')
            name = false;
        else if (*c == '.' && name)
            *c = '_';
    }
    return copy;
}

static void apply(size_t i, const char *text, struct host_config *host)
{
    void *to = (char *)host + settings[i].offset;
    char *end;
    long number = strtol(text, &end, 0);
    bool good = *text && !*end && number >= 0 && number <= INT32_MAX;

    switch (settings[i].kind) {
    case SETTING_BOOL:
        if (good)
            *(bool *)to = number != 0;
        break;
    case SETTING_U32:
        if (good)
            *(uint32_t *)to = (uint32_t)number;
        break;
    case SETTING_INT:
        if (good)
            *(int *)to = (int)number;
        break;
    case SETTING_STRING:
        x_replace((char **)to, x_strdup(text));
        break;
    }
}

void host_config_parse(const char *text, size_t len, struct host_config *host)
{
    AUTO_FREE char *plain = without_dots(text, len);
    struct conf_warnings warnings = {0};
    struct tree tree = {0};
    struct err e;

    if (tree_parse(&tree, XL_CONF, plain, strlen(plain), &e) == 0 &&
        tree_fold(&tree, &warnings, &e) == 0)
        for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
            const struct setting *setting = tree_find(&tree, settings[i].name);
            if (setting && setting->value.text)
                apply(i, setting->value.text, host);
        }
    conf_warnings_finish(&warnings);
    tree_finish(&tree);
}

/* ---- the hypervisor ---- */

/* Where the boot loaders that are kernels lie; no call of libxl says it. */
static char *firmware_dir(void)
{
    static const char *const places[] = {"/usr/lib/xen-" REEVE_XEN_VERSION "/boot",
                                         "/usr/lib/xen/boot", "/usr/lib64/xen/boot",
                                         "/usr/local/lib/xen/boot", "/usr/libexec/xen/boot"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (access(places[i], X_OK) == 0)
            return x_strdup(places[i]);
    return x_strdup(places[0]);
}

static int read_topology(libxl_ctx *ctx, struct host_config *host, struct err *e)
{
    libxl_physinfo info;
    int count = 0;

    libxl_physinfo_init(&info);
    int cpus = libxl_get_max_cpus(ctx);
    int rc = libxl_get_physinfo(ctx, &info);
    unsigned nodes = info.nr_nodes;
    libxl_physinfo_dispose(&info);
    libxl_cputopology *topology = rc == 0 && cpus > 0 ? libxl_get_cpu_topology(ctx, &count) : NULL;
    if (!topology)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "the hypervisor does not say what CPUs it has");
    host->cpus = (unsigned)cpus;
    host->nodes = nodes;
    host->node_cpus = x_calloc(nodes, sizeof *host->node_cpus);
    for (unsigned i = 0; i < nodes; i++)
        config_bitmap(&host->node_cpus[i], host->cpus);
    for (int i = 0; i < count; i++)
        if (topology[i].node < nodes)
            libxl_bitmap_set(&host->node_cpus[topology[i].node], i);
    libxl_cputopology_list_free(topology, count);
    return 0;
}

void host_config_read_file(struct host_config *host)
{
    AUTO_FREE char *text = NULL;
    struct err ignored;
    size_t len;

    if (fs_read_file(XL_CONF, XL_CONF_MAX, &text, &len, &ignored) == 0)
        host_config_parse(text, len, host);
}

/* xl.conf(5), "autoballoon"; the form is that of xl 4.17. */
static bool dom0_is_fixed(const char *commandline)
{
    static const char form[] =
        "(^| )dom0_mem=((|min:|max:)(" SIZE "|(" SIZE "\\+)?[0-9]{1,2}%),?)+($| )";
    regex_t compiled;

    if (!commandline || regcomp(&compiled, form, REG_NOSUB | REG_EXTENDED) != 0)
        return false;
    bool fixed = regexec(&compiled, commandline, 0, NULL, 0) == 0;
    regfree(&compiled);
    return fixed;
}

bool host_config_autoballoon(const struct host_config *host, const char *commandline)
{
    const char *word = host->autoballoon;

    if (str_eq(word, "on") || str_eq(word, "1"))
        return true;
    if (str_eq(word, "off") || str_eq(word, "0"))
        return false;
    return !dom0_is_fixed(commandline);
}

int host_config_read(libxl_ctx *ctx, struct host_config *host, struct err *e)
{
    host_config_init(host);
    if (read_topology(ctx, host, e) < 0) {
        host_config_finish(host);
        return -1;
    }
    host->firmware_dir = firmware_dir();
    host_config_read_file(host);
    return 0;
}
