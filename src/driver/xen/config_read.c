/* SPDX-License-Identifier: MIT */
/* libxl_domain_config -> struct conf and text. */
#include <jansson.h>
#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_parts.h"

/* ---- what was left out ---- */

/* Members that libxl fills in by itself, that are this host's, or that have no meaning once a
 * domain is built: it is no loss that xl.cfg(5) has no words for them. */
static const char *const not_missed[] = {
    "c_info.ssidref",
    "c_info.poolid",
    "c_info.domid",
    "c_info.xsdata",
    "c_info.platformdata",
    "c_info.run_hotplug_scripts",
    "b_info.claim_mode",
    "b_info.numa_placement",
    "b_info.cpumap",
    "b_info.nodemap",
    "b_info.iommu_memkb",
    "b_info.exec_ssidref",
    "b_info.blkdev_start",
    "b_info.max_grant_",
    "b_info.max_maptrack_frames",
    "b_info.sched_params",
    "b_info.avail_vcpus",
    "b_info.max_vcpus",
    "b_info.target_memkb",
    "b_info.max_memkb",
    "b_info.video_memkb",
    "b_info.shadow_memkb",
    "b_info.type.pv.slack_memkb",
    "b_info.type.hvm.ms_vm_genid",
    "b_info.device_model_ssidref",
    "b_info.timer_mode",
    "b_info.cpuid",
    "b_info.stubdomain_memkb",
    "b_info.vcpu_hard_affinity",
    "b_info.vcpu_soft_affinity",
    "vkbs",
    "backend_domid",
    "devid",
    "pdev_path",
    "colo_restore_enable",
};

static bool missed(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(not_missed); i++)
        if (str_starts(path, not_missed[i]) || str_ends(path, not_missed[i]))
            return false;
    return true;
}

/* Adds a line for each member of a that is not equal in b. */
static void differing(const json_t *a, const json_t *b, const char *path, struct str *lines)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_object(a)) {
        json_object_foreach((json_t *)a, key, member)
        {
            AUTO_FREE char *below = x_asprintf("%s%s%s", path, *path ? "." : "", key);
            differing(member, json_object_get(b, key), below, lines);
        }
    } else if (json_is_array(a) && json_array_size(a) > 0 && json_is_object(json_array_get(a, 0))) {
        json_array_foreach(a, i, member)
        {
            AUTO_FREE char *below = x_asprintf("%s[%zu]", path, i);
            differing(member, json_array_get(b, i), below, lines);
        }
    } else if (!json_equal(a, b) && missed(path)) {
        str_addf(lines, "%s%s", lines->len ? "\n" : "", path);
    }
}

static json_t *json_of(const libxl_domain_config *config)
{
    AUTO_FREE char *text = libxl_domain_config_to_json(NULL, (libxl_domain_config *)config);

    return text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
}

/* What conf makes is compared with where it came from. */
static int find_left_out(const libxl_domain_config *in, const struct conf *conf, char **left_out,
                         struct err *e)
{
    struct host_config host;
    libxl_domain_config back;
    AUTO_STR struct str lines = {0};

    host_config_init(&host);
    const libxl_bitmap *avail = &in->b_info.avail_vcpus;
    host.cpus = avail->size * 8;
    for (int i = 0; i < in->b_info.num_vcpu_hard_affinity; i++)
        if (in->b_info.vcpu_hard_affinity[i].size * 8 > host.cpus)
            host.cpus = in->b_info.vcpu_hard_affinity[i].size * 8;
    for (int i = 0; i < in->b_info.num_vcpu_soft_affinity; i++)
        if (in->b_info.vcpu_soft_affinity[i].size * 8 > host.cpus)
            host.cpus = in->b_info.vcpu_soft_affinity[i].size * 8;
    host.nodes = CONF_VNODES_MAX;
    host.node_cpus = x_calloc(host.nodes, sizeof *host.node_cpus);
    const struct config_args args = {.conf = conf, .host = &host};
    int rc = xen_config(&args, &back, e);
    if (rc == 0) {
        AUTO_JSON json_t *a = json_of(in), *b = json_of(&back);
        differing(a, b, "", &lines);
        *left_out = lines.len ? str_take(&lines) : NULL;
        libxl_domain_config_dispose(&back);
    }
    host_config_finish(&host);
    return rc;
}

/* ---- the whole ---- */

static struct conf *empty_conf(struct err *e)
{
    struct conf_warnings warnings;
    struct conf *conf = NULL;

    if (conf_parse("", 0, "xl", NULL, 0, "xen", &conf, &warnings, e) < 0)
        conf = NULL;
    conf_warnings_finish(&warnings);
    return conf;
}

int xen_config_read(const libxl_domain_config *in, struct conf **ret, char **left_out,
                    struct err *e)
{
    libxl_domain_config blank;
    struct conf *conf = empty_conf(e);

    if (left_out)
        *left_out = NULL;
    if (!conf)
        return -1;
    conf->type = in->c_info.type == LIBXL_DOMAIN_TYPE_HVM   ? CONF_TYPE_HVM
                 : in->c_info.type == LIBXL_DOMAIN_TYPE_PVH ? CONF_TYPE_PVH
                                                            : CONF_TYPE_PV;
    libxl_domain_config_init(&blank);
    blank.c_info.type = in->c_info.type;
    libxl_domain_build_info_init_type(&blank.b_info, in->c_info.type);
    blank.b_info.max_grant_frames = blank.b_info.max_maptrack_frames = LIBXL_MAX_GRANT_DEFAULT;
    /* These are set in conf too, and not by libxl's defaults. */
    blank.on_poweroff = blank.on_reboot = blank.on_watchdog = 0;
    blank.on_crash = blank.on_soft_reset = 0;
    rows_read(config_rows, rows_on(in->c_info.type), in, &blank, conf);
    libxl_domain_config_dispose(&blank);
    config_cpus_read(in, conf);
    config_specials_read(in, conf);
    config_devices_read(in, conf);
    if (left_out && find_left_out(in, conf, left_out, e) < 0) {
        conf_free(conf);
        return -1;
    }
    *ret = conf;
    return 0;
}

int xen_config_text(const libxl_domain_config *in, char **ret_text, char **left_out, struct err *e)
{
    struct conf *conf;

    if (xen_config_read(in, &conf, left_out, e) < 0)
        return -1;
    *ret_text = conf_text(conf);
    conf_free(conf);
    return 0;
}

int xen_config_whole_text(const libxl_domain_config *in, char **ret_text, struct err *e)
{
    AUTO_FREE char *text = NULL, *left_out = NULL;

    if (xen_config_text(in, &text, &left_out, e) < 0)
        return -1;
    if (!left_out) {
        *ret_text = TAKE(text);
        return 0;
    }
    for (char *at = left_out; *at; at++)
        if (*at == '\n')
            *at = at[1] ? ' ' : '\0';
    return err_set(e, ERR_UNSUPPORTED, "it has what a config cannot say: %s", left_out);
}
