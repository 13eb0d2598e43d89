/* SPDX-License-Identifier: MIT */
/* The devices that have a file of their own: disks, network interfaces, sound cards. As members of
 * a row of config_devices.c. */
#ifndef DRIVER_XEN_CONFIG_DEVICES_H
#define DRIVER_XEN_CONFIG_DEVICES_H

#include "driver/xen/config_rows.h"

extern const struct row config_disk_rows[], config_nic_rows[];

int config_disk_more(const struct config_args *args, const void *ours, void *theirs,
                     struct err *e) MUST_CHECK;
void config_disk_back(const void *theirs, void *ours);

/* xl.conf's defaults, which the rows then overwrite. */
int config_nic_before(const struct config_args *args, const void *ours, void *theirs,
                      struct err *e) MUST_CHECK;
int config_nic_more(const struct config_args *args, const void *ours, void *theirs,
                    struct err *e) MUST_CHECK;
void config_nic_back(const void *theirs, void *ours);

int config_sound(const struct config_args *args, libxl_domain_config *out,
                 struct err *e) MUST_CHECK;
void config_sound_read(const libxl_domain_config *in, struct conf *conf);

#endif
