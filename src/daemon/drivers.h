/* SPDX-License-Identifier: MIT */
/* The drivers by name: those built in, and those that are modules, loaded when they are wanted. */
#ifndef DAEMON_DRIVERS_H
#define DAEMON_DRIVERS_H

#include "core/driver.h"

/* The driver of that name, or for "auto" xen in a Xen dom0 and else qemu, after it has said that it
 * can work here. Sets ERR_BAD_REQUEST for a name that is none, ERR_DRIVER_UNAVAILABLE. The driver
 * is for the life of the process. */
int drivers_find(const char *name, const struct driver_options *options, const struct driver **ret,
                 struct err *e) MUST_CHECK;

/* Loads the module `file` (a path, or a name to be looked for beside the program, then where
 * modules are installed) and gives its driver, as core/driver.h's struct under the name
 * driver_NAME. Sets ERR_DRIVER_UNAVAILABLE: it is missing, needs a library that is missing, or is
 * of another version. */
int drivers_load(const char *name, const char *file, const struct driver **ret,
                 struct err *e) MUST_CHECK;

#endif
