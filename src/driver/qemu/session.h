/* SPDX-License-Identifier: MIT */
/* One call on one domain: its folder and a QMP connection of its own. */
#ifndef DRIVER_QEMU_SESSION_H
#define DRIVER_QEMU_SESSION_H

#include "core/driver.h"
#include "driver/qemu/host.h"
#include "driver/qemu/qmp.h"

struct session {
    int dirfd; /* owned */
    struct qmp qmp;
};

/* ERR_NO_SUCH_DOMAIN; ERR_FAILED when QEMU is gone; ERR_TIMED_OUT when it is silent. */
int session_open(struct session *s, const struct driver_handle *h, const struct domain_ref *ref,
                 const struct op *op, struct err *e) MUST_CHECK;
/* ERR_WRONG_STATE for the status of a guest that sleeps (ACPI S3) where QEMU is older than 9.0:
 * there `stop` does not hold it, and a save loses its wake-up. */
int session_refuse_asleep(struct session *s, const char *status, struct err *e) MUST_CHECK;
void session_close(struct session *s); /* also on {-1, {-1}} */

#define SESSION_NONE ((struct session){.dirfd = -1, .qmp = {.fd = -1}})
#define AUTO_SESSION __attribute__((cleanup(session_close)))

#endif
