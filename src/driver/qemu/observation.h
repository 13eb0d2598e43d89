/* SPDX-License-Identifier: MIT */
/* What QEMU says of a guest, in the words of core/driver.h. */
#ifndef DRIVER_QEMU_OBSERVATION_H
#define DRIVER_QEMU_OBSERVATION_H

#include "core/driver.h"
#include "driver/qemu/meta.h"

/* Everything but state and reason, and the CPU time from the process. */
void observation_init(struct observation *ret, const struct meta *meta);

/* State and reason for a word of query-status. dirfd is the domain's folder: why a guest ended,
 * and whether it stands still on purpose after a save, is written there. */
void observation_set_status(struct observation *o, int dirfd, const char *status);

/* Its process has died. */
void observation_set_dead(struct observation *o);

/* The word of query-status for how the guest has ended, by the last of its events; NULL: it has
 * not. For a migration that went on through the end: after it QEMU's status tells of it alone. */
const char *observation_journal_end(int dirfd);

/* For tests: the same of len bytes of QMP lines. */
const char *observation_journal_last(const char *text, size_t len);

/* For tests: the reason that a journal's last SHUTDOWN event gives; len bytes of QMP lines. */
enum reason observation_journal_reason(const char *text, size_t len);

#endif
