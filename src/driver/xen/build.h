/* SPDX-License-Identifier: MIT */
/* Making domains. */
#ifndef DRIVER_XEN_BUILD_H
#define DRIVER_XEN_BUILD_H

#include "driver/xen/host.h"

int build_create(struct driver_handle *h, const struct create_args *args, const struct op *op,
                 struct observation *ret, struct err *e) MUST_CHECK;
int build_restore(struct driver_handle *h, const struct create_args *args, int stream_fd,
                  const struct op *op, struct observation *ret, struct err *e) MUST_CHECK;
int build_check(struct driver_handle *h, const struct create_args *args, struct err *e) MUST_CHECK;

/* args in libxl's form; *config is the caller's to dispose when 0 is returned. Errors as of
 * xen_config, and ERR_DRIVER_UNAVAILABLE. */
int build_translate(struct session *s, const struct create_args *args, libxl_domain_config *config,
                    struct err *e) MUST_CHECK;

/* Whether the user could open what the disk is made of. Sets ERR_BAD_CONFIG, ERR_NOT_ALLOWED. */
int build_check_disk(const struct conf_disk *disk, const char *directory,
                     const struct fs_user *user, struct err *e) MUST_CHECK;

/* Builds a domain from libxl's form of a config (which gets its defaults filled in), paused, with
 * memory that domain 0 gives up where xl would have it so. On failure nothing is left.
 * ERR_NO_SPACE: the memory is not to be had, and how much there is. */
int build_new(struct session *s, libxl_domain_config *config, const struct op *op,
              uint32_t *ret_domid, struct err *e) MUST_CHECK;

#endif
