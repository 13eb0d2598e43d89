/* SPDX-License-Identifier: MIT */
/* What a config's meaning takes from this host: the hypervisor's CPUs and nodes, and xl.conf(5). */
#ifndef DRIVER_XEN_HOST_CONFIG_H
#define DRIVER_XEN_HOST_CONFIG_H

#include "driver/xen/config.h"

/* Fills *host, which is the caller's to finish when 0 is returned. A xl.conf that is not there or
 * that xl cannot read either leaves xl's defaults. Asks the hypervisor; may read a file. Sets
 * ERR_DRIVER_UNAVAILABLE. */
int host_config_read(libxl_ctx *ctx, struct host_config *host, struct err *e) MUST_CHECK;

/* xl.conf alone, into *host, which is initialised. May read a file. */
void host_config_read_file(struct host_config *host);
/* Whether memory for guests is to be taken from domain 0, where the hypervisor was booted with that
 * command line (NULL: it is not known). */
bool host_config_autoballoon(const struct host_config *host, const char *commandline);

/* The part of xl.conf(5): its text into *host, which is initialised. A value of the wrong form is
 * as not given. */
void host_config_parse(const char *text, size_t len, struct host_config *host);

#endif
