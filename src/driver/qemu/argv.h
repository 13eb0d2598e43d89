/* SPDX-License-Identifier: MIT */
/* A launch as QEMU's arguments: rows of options, each written by a function of a few lines. No
 * path of the user's is in them, only numbers of descriptors. */
#ifndef DRIVER_QEMU_ARGV_H
#define DRIVER_QEMU_ARGV_H

#include "driver/qemu/launch.h"

/* The list for execv, ended by NULL; owned by the caller, freed with argv_free. */
char **argv_build(const char *binary, const struct launch *launch);
void argv_free(char **argv);

#endif
