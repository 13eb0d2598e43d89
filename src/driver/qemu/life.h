/* SPDX-License-Identifier: MIT */
/* The life of a guest that is there: as in core/driver.h. */
#ifndef DRIVER_QEMU_LIFE_H
#define DRIVER_QEMU_LIFE_H

#include "core/driver.h"

int life_pause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e);
int life_unpause(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e);
int life_shutdown(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                  struct err *e);
int life_reboot(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct err *e);
int life_reset(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
               struct err *e);
int life_set_reboots(struct driver_handle *h, const struct domain_ref *ref, bool reboots,
                     const struct op *op, struct err *e);
int life_info(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
              struct observation *ret, struct err *e);
int life_console(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd, struct err *e);
int life_platform(struct driver_handle *h, const struct domain_ref *ref, char **ret, struct err *e);

#endif
