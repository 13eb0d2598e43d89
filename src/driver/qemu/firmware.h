/* SPDX-License-Identifier: MIT */
/* What a guest boots with before its disk: the machine's own SeaBIOS, a file in its place, or OVMF
 * (UEFI) in flash. OVMF has two files: its code, which is the host's and only read, and its
 * variables (boot order, keys), which are the domain's: STATE_DIR/firmware/UUID.fd, copied from
 * those that come with OVMF at the first start and kept until the domain is deleted. A saved guest
 * has the contents of both in its state, and QEMU puts its variables back into the file. */
#ifndef DRIVER_QEMU_FIRMWARE_H
#define DRIVER_QEMU_FIRMWARE_H

#include <stdbool.h>

#include "driver/qemu/files.h"
#include "driver/qemu/host.h"
#include "driver/qemu/launch.h"

/* Opens it (a file of the user's with the user's rights) and writes the numbers into launch; makes
 * the domain's variables where there are none, and says so in launch. With `check` nothing is
 * made. ERR_BAD_CONFIG; ERR_UNSUPPORTED when there is no OVMF on the host; ERR_FAILED,
 * ERR_NO_SPACE. The message names the key. */
int firmware_open(const struct driver_handle *h, struct launch *launch, bool check,
                  struct files *files, struct err *e) MUST_CHECK;

/* Removes the domain's variables; none are fine. ERR_FAILED. */
int firmware_forget(struct driver_handle *h, const char *uuid, struct err *e) MUST_CHECK;

#endif
