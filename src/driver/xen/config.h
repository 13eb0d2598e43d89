/* SPDX-License-Identifier: MIT */
/* struct conf <-> libxl_domain_config, by rows (config_rows.c): what `xl create` would hand to
 * libxl for the same text, and back. Nothing here asks the hypervisor or opens a file, and every
 * libxl call made is one that needs no ctx. */
#ifndef DRIVER_XEN_CONFIG_H
#define DRIVER_XEN_CONFIG_H

#include <libxl.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

/* What a config means depends on the host: its CPUs and nodes, and /etc/xen/xl.conf. Filled by
 * host_config_read (driver/xen/host_config.h), or by a test. */
struct host_config {
    unsigned cpus;           /* of the hypervisor, offline ones too */
    unsigned nodes;          /* NUMA nodes */
    libxl_bitmap *node_cpus; /* owned; one a node */
    char *firmware_dir;      /* owned; where pvgrub64.bin is */
    /* xl.conf(5) */
    bool run_hotplug_scripts, claim_mode;
    uint32_t max_grant_frames, max_maptrack_frames; /* UINT32_MAX: the hypervisor's */
    int max_grant_version;                          /* -1: the hypervisor's */
    char *vif_script, *vif_bridge, *vif_gatewaydev, *vif_backend, *blkdev_start; /* owned */
    char *vm_cpus, *hvm_cpus, *pv_cpus;          /* owned; vm.cpumask and its like; NULL: all */
    char *domid_policy, *autoballoon, *lockfile; /* owned; NULL: xl's default */
};

/* xl's own defaults where xl.conf says nothing; cpus and nodes 0. */
void host_config_init(struct host_config *host);
void host_config_finish(struct host_config *host);

struct config_args {
    const struct conf *conf;
    const struct host_config *host;
    const char *uuid;        /* instead of conf's, when that has none */
    const char *const *macs; /* one a conf->vifs, instead of those that it has not; may be NULL */
    const char *directory;   /* relative paths are relative to it; NULL: they are left so */
};

/* Fills *out, which is initialised here, and is the caller's to dispose
 * (libxl_domain_config_dispose) when 0 is returned. Sets ERR_BAD_CONFIG (what libxl or this host
 * cannot mean: too few nodes, no kernel) or ERR_UNSUPPORTED (a key that libxl 4.17 has not); the
 * message begins with the key, which is in e->key too. Never blocks. */
int xen_config(const struct config_args *args, libxl_domain_config *out, struct err *e) MUST_CHECK;

/* Takes out of map the CPUs that xl.conf's vm.cpumask, vm.pv.cpumask and vm.hvm.cpumask do not let
 * a guest of that type run on. ERR_BAD_CONFIG with `key`: none is left, or a mask is none. */
int xen_config_mask(const struct host_config *host, libxl_domain_type type, const char *key,
                    libxl_bitmap *map, struct err *e) MUST_CHECK;

/* One device as xen_config makes it, for attach. *out is initialised here and the caller's to
 * dispose when 0 is returned. mac NULL: conf's. Set ERR_UNSUPPORTED. */
int xen_config_disk(const struct conf_disk *disk, const char *directory, libxl_device_disk *out,
                    struct err *e) MUST_CHECK;
int xen_config_nic(const struct conf_vif *vif, const char *mac, const struct host_config *host,
                   libxl_device_nic *out, struct err *e) MUST_CHECK;

/* The other way: a config of another toolstack's domain, or as libxl has filled it in, as struct
 * conf, owned by the caller. What xl.cfg(5) has no words for is named in *left_out (may be
 * NULL), one key of libxl's JSON a line; owned by the caller, NULL when there is nothing. Fails
 * with ERR_UNSUPPORTED for a domain that conf cannot say, as one with a name that reeve has not
 * (the name is then the caller's to give). Never blocks. */
int xen_config_read(const libxl_domain_config *in, struct conf **ret, char **left_out,
                    struct err *e) MUST_CHECK;

/* As xen_config_read, as xl.cfg text. Owned by the caller. */
int xen_config_text(const libxl_domain_config *in, char **ret_text, char **left_out,
                    struct err *e) MUST_CHECK;

/* The same, and ERR_UNSUPPORTED, naming it, where something would be left out. */
int xen_config_whole_text(const libxl_domain_config *in, char **ret_text, struct err *e) MUST_CHECK;

/* The keys that xen_config hands to libxl: row i, or NULL after the last. For docs/drivers.md. */
const char *xen_config_key(size_t i);
/* The keys that libxl 4.17 has not and xen_config refuses, likewise; *ret_value is the one value
 * that is refused, or NULL for any. */
const char *xen_config_missing(size_t i, const char **ret_value);

#endif
