/* SPDX-License-Identifier: MIT */
/* The words of a domain's life: states, verbs, reasons, and their spelling. Shared by daemon,
 * command line and web; depends on nothing else of core. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include <stddef.h>

/* ST_ABSENT is "no record"; it is never listed. */
enum state {
    ST_ABSENT,
    ST_HALTED,
    ST_RUNNING,
    ST_PAUSED,
    ST_SUSPENDED,
    ST_SHUTDOWN,
    ST_CRASHED,
    ST_BROKEN,
    ST_N
};

/* Every verb of the contract that the lifecycle table judges. */
enum verb {
    VERB_NEW,
    VERB_ADOPT,
    VERB_START,
    VERB_CREATE,
    VERB_PAUSE,
    VERB_UNPAUSE,
    VERB_SAVE,
    VERB_RESTORE,
    VERB_SUSPEND,
    VERB_RESUME,
    VERB_DISCARD,
    VERB_REBOOT,
    VERB_RESET,
    VERB_SHUTDOWN,
    VERB_DESTROY,
    VERB_DELETE,
    VERB_DUMP_CORE,
    VERB_RENAME,
    VERB_MEM_SET,
    VERB_VCPU_SET,
    VERB_VCPU_PIN,
    VERB_ATTACH, /* block-attach, network-attach, cd-insert */
    VERB_DETACH, /* block-detach, network-detach, cd-eject */
    VERB_MEM_MAX,
    VERB_CONFIG_SET,
    VERB_SYSRQ,
    VERB_TRIGGER,
    VERB_CONSOLE,
    VERB_N
};

/* Why a domain is in its state. Fixed words on the wire; docs/lifecycle.md lists them. */
enum reason {
    REASON_NONE,
    REASON_BOOTED,
    REASON_RESTORED,
    REASON_RESUMED,
    REASON_UNPAUSED,
    REASON_PAUSED_BY_USER,
    REASON_CREATED_PAUSED,
    REASON_BEING_SAVED,
    REASON_IO_ERROR,
    REASON_GUEST_POWEROFF,
    REASON_GUEST_REBOOT,
    REASON_GUEST_CRASH,
    REASON_WATCHDOG,
    REASON_SOFT_RESET,
    REASON_BACKEND_DIED,
    REASON_DESTROYED,
    REASON_DESTROYED_ELSEWHERE,
    REASON_SHUT_DOWN,
    REASON_SAVED,
    REASON_SUSPENDED,
    REASON_DISCARDED,
    REASON_DEFINED,
    REASON_HOST_REBOOTED,
    REASON_START_FAILED,
    REASON_CONFIG_UNREADABLE,
    REASON_IMAGE_MISSING,
    REASON_IMAGE_DAMAGED,
    REASON_IMAGE_SPENT,
    REASON_RECORD_DAMAGED,
    REASON_N
};

const char *state_name(enum state state);    /* "halted"; "absent" for ST_ABSENT */
const char *verb_name(enum verb verb);       /* "dump-core" */
const char *reason_name(enum reason reason); /* "guest-poweroff"; "" for REASON_NONE */
const char *reason_text(enum reason reason); /* a sentence for people */

/* The value of a name; ST_N, VERB_N, REASON_N for a word that is none. verb_of also takes the
 * command words that share a row: "block-attach" is VERB_ATTACH. */
enum state state_of(const char *name);
enum verb verb_of(const char *name);
enum reason reason_of(const char *name);

#endif
