/* SPDX-License-Identifier: MIT */
/* A domain as xl keeps it in its save files: the JSON of libxl_domain_config. */
#ifndef DRIVER_XEN_XL_H
#define DRIVER_XEN_XL_H

#include "driver/xen/host.h"

/* As to_xl and from_xl of struct driver. */
int xl_write(struct driver_handle *h, const struct create_args *args, char **ret_json,
             struct err *e) MUST_CHECK;
int xl_read(struct driver_handle *h, const char *json, char **ret_config, struct err *e) MUST_CHECK;

#endif
