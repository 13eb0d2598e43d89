/* SPDX-License-Identifier: MIT */
/* Reboots that a guest did by itself. Under reboot=reset QEMU starts it over without asking anybody
 * and only tells of it: by RESET (qapi/run-state.json in QEMU's source), at once on events.sock,
 * and in the journal for when nobody listened. The observer alone counts, and keeps the count in
 * the domain's folder, where jobs read it and the next daemon finds it.
 *
 * Not each reset of the guest's is a reboot: after any reset the firmware may do one or more of its
 * own, early in its boot (life.c). Such a one comes before the process has used much CPU time,
 * which is counted since a loaded host may not run it for seconds; of resets that are in the
 * journal alone there is only the clock's time. */
#ifndef DRIVER_QEMU_RESETS_H
#define DRIVER_QEMU_RESETS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RESETS_FIRMWARE_CPU_MS = 500,    /* within which the firmware's own reset comes */
    RESETS_FIRMWARE_CLOCK_MS = 3000, /* the same, of a reset that was in the journal */
    RESETS_FOLDED_MAX = 7, /* four came after one reset; a guest that goes round faster than the
                            * firmware is counted now and then */
};

struct resets {
    uint64_t reboots; /* since the process began */
    int64_t last_us;  /* QEMU's clock at the newest reset that is in here; 0: there was none */
    uint64_t cpu_ns;  /* of the process at that time */
    unsigned folded;  /* resets of the firmware's own since the newest other one */
};

/* Takes a QMP message; one that is no RESET, or is in here already, changes nothing. since_ms: how
 * much time, of the kind of window_ms, has passed since the newest reset in here. True when *r
 * changed. Pure. */
bool resets_take(struct resets *r, const json_t *message, int64_t since_ms, int64_t window_ms);

/* One that has just come from the process. Writes the count when it changed; a failure to do so is
 * made good by the journal. */
void resets_event(struct resets *r, int dirfd, pid_t pid, const json_t *message);
/* What the folder has, and what the journal has beyond that. */
void resets_catch_up(struct resets *r, int dirfd, pid_t pid);

/* What the folder has; zeros when there is nothing. */
void resets_read(int dirfd, struct resets *ret);
/* The newest reset is so fresh that the firmware's own may yet come. */
bool resets_fresh(int dirfd, pid_t pid);

#endif
