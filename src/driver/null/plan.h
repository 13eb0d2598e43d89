/* SPDX-License-Identifier: MIT */
/* What a simulated guest is told to do, by words in its kernel command line that begin with
 * "null." (docs/drivers.md lists them): faults of calls, and ends that the guest chooses or
 * suffers. Pure parsing; nothing here blocks or allocates. */
#ifndef DRIVER_NULL_PLAN_H
#define DRIVER_NULL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/driver.h"

/* The calls that can be told to misbehave. */
enum plan_call {
    CALL_CREATE,
    CALL_RESTORE,
    CALL_DESTROY,
    CALL_PAUSE,
    CALL_UNPAUSE,
    CALL_SAVE,
    CALL_SAVE_UNDO,
    CALL_SHUTDOWN,
    CALL_REBOOT,
    CALL_RESET,
    CALL_MEMORY,
    CALL_VCPUS,
    CALL_ATTACH,
    CALL_DETACH,
    CALL_MEDIUM,
    CALL_DUMP_CORE,
    CALL_INFO,
    CALL_LIST,
    CALL_SET_ASIDE,
    CALL_N
};

enum plan_action {
    ACT_FAIL,  /* fails with ERR_FAILED */
    ACT_SLOW,  /* takes ms more; cancel and deadline end it */
    ACT_HANG,  /* until cancel or deadline */
    ACT_STUCK, /* takes ms more and hears neither cancel nor deadline */
    ACT_DIE,   /* the guest's process dies under the call */
    ACT_N
};

enum { PLAN_FAULTS_MAX = 12, PLAN_WAIT_MAX_MS = 600 * 1000 };

struct plan_fault {
    enum plan_call call;
    enum plan_action action;
    int64_t ms; /* ACT_SLOW, ACT_STUCK */
};

/* What befalls the guest by itself. */
enum plan_event {
    EVENT_POWEROFF,
    EVENT_REBOOT,
    EVENT_CRASH,
    EVENT_WATCHDOG,
    EVENT_SOFT_RESET,
    EVENT_IO_ERROR,
    EVENT_DIE,
    EVENT_N
};

/* A value without pointers. */
struct plan {
    struct plan_fault faults[PLAN_FAULTS_MAX]; /* in the order of the words */
    size_t fault_count;
    int64_t after_ms[EVENT_N]; /* of running since its boot; 0: never */
    uint64_t save_bytes;       /* what stands for memory in the save stream */
};

/* Reads the words of a kernel command line (NULL is an empty one); others than "null." are the
 * guest's own business. Sets ERR_BAD_CONFIG, key cmdline, for one that is not known. */
int plan_parse(const char *cmdline, struct plan *ret, struct err *e) MUST_CHECK;

const char *plan_call_name(enum plan_call call); /* "save-undo" */

/* The event that comes next to a guest that has run `count_ms` since its boot when the last one
 * came at fired_ms (0: none did): false when none does. */
bool plan_next(const struct plan *p, int64_t fired_ms, enum plan_event *ret, int64_t *ret_ms);

/* How the guest stands after the event. */
enum observed plan_event_state(enum plan_event event);
enum reason plan_event_reason(enum plan_event event);

/* The words for documentation: word i with its value's form, and its meaning; NULL after the
 * last. */
const char *plan_word(size_t i);
const char *plan_help(size_t i);

#endif
