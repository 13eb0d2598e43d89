/* SPDX-License-Identifier: MIT */
/* Devices by their names in configs and guests. */
#ifndef CORE_DEVICES_H
#define CORE_DEVICES_H

#include "core/engine.h"

/* Where a config has the device: an index of disks or vifs. `macs` are those of its interfaces, in
 * order, as records keep them. False when it has none of that name. */
bool devices_find(const struct conf *conf, const char *macs, enum device_kind kind,
                  const char *name, size_t *ret);

/* Does the guest have it? 1, 0, or -1 with what driver->stats sets. Blocks: not on the loop thread,
 * but at start. */
int devices_guest_has(const struct engine *g, const struct domain_ref *ref, enum device_kind kind,
                      const char *name, const struct op *op, struct err *e) MUST_CHECK;

#endif
