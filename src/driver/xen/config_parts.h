/* SPDX-License-Identifier: MIT */
/* What the files of config.h share. */
#ifndef DRIVER_XEN_CONFIG_PARTS_H
#define DRIVER_XEN_CONFIG_PARTS_H

#include "driver/xen/config_rows.h"

/* A bitmap of that many bits, all 0: as libxl_bitmap_alloc, which wants a ctx. */
void config_bitmap(libxl_bitmap *map, unsigned bits);

/* vcpus, maxvcpus, cpus, cpus_soft, vnuma. */
int config_cpus(const struct config_args *args, libxl_domain_config *out, struct err *e) MUST_CHECK;
void config_cpus_read(const libxl_domain_config *in, struct conf *conf);

/* All keys that are lists of devices, and the framebuffer of vnc = 1 on a PV guest. */
int config_devices(const struct config_args *args, libxl_domain_config *out,
                   struct err *e) MUST_CHECK;
void config_devices_read(const libxl_domain_config *in, struct conf *conf);

/* What is neither a row nor a device: identity, memory, firmware, cpuid, ... */
int config_specials(const struct config_args *args, libxl_domain_config *out,
                    struct err *e) MUST_CHECK;
void config_specials_read(const libxl_domain_config *in, struct conf *conf);

/* The keys of each, ended by NULL. */
extern const char *const config_cpus_keys[], *const config_specials_keys[];
/* Key i of the device lists; NULL after the last. */
const char *config_devices_key(size_t i);

#endif
