/* SPDX-License-Identifier: MIT */
/* Counters out of what QEMU answers, the kernel's files and the host's taps; for the call about one
 * domain (live.h) and the one about all (observe.h). */
#ifndef DRIVER_QEMU_STATS_H
#define DRIVER_QEMU_STATS_H

#include <jansson.h>
#include <sys/types.h>

#include "core/driver.h"

/* The taps of the host, read once for any number of guests. */
struct stats_tap;
struct stats_taps {
    struct stats_tap *list; /* owned */
    size_t count;
};
void stats_taps_read(struct stats_taps *ret);
void stats_taps_finish(struct stats_taps *taps);

/* Adds what the answers to query-blockstats and to qom-list of /machine/peripheral tell. Once for
 * each struct; what does not read is left out. */
void stats_take_disks(const json_t *answer, struct domain_stats *to);
void stats_take_nics(const json_t *answer, struct domain_stats *to);
/* The figures of the NICs from their taps, and of the process. */
void stats_count_nics(const struct stats_taps *taps, struct domain_stats *to);
void stats_count_process(pid_t pid, struct domain_stats *to);

#endif
