/* SPDX-License-Identifier: MIT */
#include "driver/xen/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config_parts.h"

void host_config_init(struct host_config *host)
{
    *host = (struct host_config){.run_hotplug_scripts = true,
                                 .claim_mode = true,
                                 .max_grant_frames = LIBXL_MAX_GRANT_DEFAULT,
                                 .max_maptrack_frames = LIBXL_MAX_GRANT_DEFAULT,
                                 .max_grant_version = -1};
}

void host_config_finish(struct host_config *host)
{
    for (unsigned i = 0; i < host->nodes; i++)
        libxl_bitmap_dispose(&host->node_cpus[i]);
    free(host->node_cpus);
    free(host->firmware_dir);
    free(host->vif_script);
    free(host->vif_bridge);
    free(host->vif_gatewaydev);
    free(host->vif_backend);
    free(host->blkdev_start);
    free(host->vm_cpus);
    free(host->hvm_cpus);
    free(host->pv_cpus);
    free(host->domid_policy);
    free(host->autoballoon);
    free(host->lockfile);
    *host = (struct host_config){0};
}

/* ---- what libxl 4.17 has not ---- */

/* clang-format off */
static const struct {
    const char *key;
    const char *value; /* that one alone; NULL: any */
} missing[] = {
    {"altp2m_count",            NULL},
    {"arm_sci",                 "scmi_smc"},
    {"bootloader_restrict",     NULL},
    {"bootloader_user",         NULL},
    {"device_model_version",    "none"},
    {"hvm_pirq",                NULL},
    {"llc_colors",              NULL},
    {"nr_spis",                 NULL},
    {"smbios",                  NULL},
    {"sve",                     NULL},
    {"tee",                     "ffa"},
    {"trap_unmapped_accesses",  NULL},
    {"virtio",                  NULL},
    {"xen_platform_pci_bar_uc", NULL},
    {"xenstore_feature_mask",   NULL},
    {"xenstore_quota",          NULL},
};
/* clang-format on */

static int refuse_missing(const struct conf *conf, struct err *e)
{
    AUTO_JSON json_t *given = conf_json(conf);

    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        const json_t *value = json_object_get(given, missing[i].key);
        if (!value || (missing[i].value && !str_eq(json_string_value(value), missing[i].value)))
            continue;
        return err_set_key(e, ERR_UNSUPPORTED, missing[i].key, "libxl 4.17 has no %s%s%s",
                           missing[i].key, missing[i].value ? " = " : "",
                           missing[i].value ? missing[i].value : "");
    }
    return 0;
}

const char *xen_config_missing(size_t i, const char **ret_value)
{
    if (i >= ARRAY_LEN(missing))
        return NULL;
    *ret_value = missing[i].value;
    return missing[i].key;
}

/* ---- the whole ---- */

static void set_type(const struct conf *conf, libxl_domain_config *out)
{
    libxl_domain_type type = conf->type == CONF_TYPE_HVM   ? LIBXL_DOMAIN_TYPE_HVM
                             : conf->type == CONF_TYPE_PVH ? LIBXL_DOMAIN_TYPE_PVH
                                                           : LIBXL_DOMAIN_TYPE_PV;

    out->c_info.type = type;
    libxl_domain_build_info_init_type(&out->b_info, type);
}

static void set_host(const struct host_config *host, libxl_domain_config *out)
{
    libxl_defbool_set(&out->c_info.run_hotplug_scripts, host->run_hotplug_scripts);
    libxl_defbool_set(&out->b_info.claim_mode, host->claim_mode);
    out->b_info.max_grant_frames = host->max_grant_frames;
    out->b_info.max_maptrack_frames = host->max_maptrack_frames;
    out->b_info.max_grant_version = host->max_grant_version;
    out->b_info.blkdev_start = x_strdup(host->blkdev_start);
    if (str_eq(host->domid_policy, "random"))
        out->c_info.domid = (libxl_domid)RANDOM_DOMID;
}

int xen_config(const struct config_args *args, libxl_domain_config *out, struct err *e)
{
    libxl_domain_config_init(out);
    set_type(args->conf, out);
    set_host(args->host, out);
    rows_apply(config_rows, rows_on(out->c_info.type), args->conf, out, args->directory);
    if (refuse_missing(args->conf, e) == 0 && config_cpus(args, out, e) == 0 &&
        config_specials(args, out, e) == 0 && config_devices(args, out, e) == 0)
        return 0;
    libxl_domain_config_dispose(out);
    return -1;
}

static const char *key_of(const char *const *keys, size_t *i)
{
    for (; *keys; keys++, --*i)
        if (*i == 0)
            return *keys;
    return NULL;
}

static const char *row_key(const struct row *rows, size_t *i)
{
    for (; rows->key; rows++, --*i)
        if (*i == 0)
            return rows->key;
    return NULL;
}

const char *xen_config_key(size_t i)
{
    const char *key = row_key(config_rows, &i);

    if (!key)
        key = row_key(config_vnc_rows, &i);
    if (!key)
        key = row_key(config_sdl_rows, &i);
    if (!key)
        key = key_of(config_cpus_keys, &i);
    if (!key)
        key = key_of(config_specials_keys, &i);
    return key ? key : config_devices_key(i);
}
