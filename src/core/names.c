/* SPDX-License-Identifier: MIT */
#include "core/names.h"

#include "base/attr.h"
#include "base/str.h"

static const char *const states[ST_N] = {
    [ST_ABSENT] = "absent",   [ST_HALTED] = "halted",       [ST_RUNNING] = "running",
    [ST_PAUSED] = "paused",   [ST_SUSPENDED] = "suspended", [ST_SHUTDOWN] = "shutdown",
    [ST_CRASHED] = "crashed", [ST_BROKEN] = "broken",
};

static const char *const verbs[VERB_N] = {
    [VERB_NEW] = "new",           [VERB_ADOPT] = "adopt",         [VERB_START] = "start",
    [VERB_CREATE] = "create",     [VERB_PAUSE] = "pause",         [VERB_UNPAUSE] = "unpause",
    [VERB_SAVE] = "save",         [VERB_RESTORE] = "restore",     [VERB_SUSPEND] = "suspend",
    [VERB_RESUME] = "resume",     [VERB_DISCARD] = "discard",     [VERB_REBOOT] = "reboot",
    [VERB_RESET] = "reset",       [VERB_SHUTDOWN] = "shutdown",   [VERB_DESTROY] = "destroy",
    [VERB_DELETE] = "delete",     [VERB_DUMP_CORE] = "dump-core", [VERB_RENAME] = "rename",
    [VERB_MEM_SET] = "mem-set",   [VERB_VCPU_SET] = "vcpu-set",   [VERB_ATTACH] = "attach",
    [VERB_DETACH] = "detach",     [VERB_MEM_MAX] = "mem-max",     [VERB_CONFIG_SET] = "config-set",
    [VERB_SYSRQ] = "sysrq",       [VERB_TRIGGER] = "trigger",     [VERB_CONSOLE] = "console",
    [VERB_VCPU_PIN] = "vcpu-pin",
};

/* Command words that share another verb's rows in the lifecycle table. */
static const struct {
    const char *word;
    enum verb verb;
} shared_words[] = {
    {"block-attach",   VERB_ATTACH    },
    {"network-attach", VERB_ATTACH    },
    {"cd-insert",      VERB_ATTACH    },
    {"block-detach",   VERB_DETACH    },
    {"network-detach", VERB_DETACH    },
    {"cd-eject",       VERB_DETACH    },
    {"config",         VERB_CONFIG_SET},
    {"config set",     VERB_CONFIG_SET},
    {"config edit",    VERB_CONFIG_SET},
    {"autostart",      VERB_CONFIG_SET},
};

/* The name goes over the wire and never changes. The text is for a person who knows nothing yet:
 * what happened and, where it is bad, what to do; without a capital or a full stop, so that it
 * fits into a longer sentence. */
#define REASON(reason, name_, text_) [reason] = {.name = (name_), .text = (text_)}
static const struct {
    const char *name;
    const char *text;
} reasons[REASON_N] = {
    REASON(REASON_NONE, "", ""),
    REASON(REASON_BOOTED, "booted", "it was started and booted afresh"),
    REASON(REASON_RESTORED, "restored", "it goes on from a state that was saved to a file"),
    REASON(REASON_RESUMED, "resumed", "it goes on from where suspend stopped it"),
    REASON(REASON_UNPAUSED, "unpaused", "it was paused and runs on"),
    REASON(REASON_PAUSED_BY_USER, "paused-by-user", "somebody paused it; unpause lets it run on"),
    REASON(REASON_CREATED_PAUSED, "created-paused",
           "it was started with --paused and has not run yet; unpause lets it run"),
    REASON(REASON_BEING_SAVED, "being-saved",
           "it stands still while its state is written; jobs shows how far that is"),
    REASON(REASON_IO_ERROR, "io-error",
           "a disk of it failed or is full, so it was stopped before it could lose data; mend "
           "the storage, then unpause it"),
    REASON(REASON_GUEST_POWEROFF, "guest-poweroff", "the guest powered itself off, in order"),
    REASON(REASON_GUEST_REBOOT, "guest-reboot", "the guest rebooted itself"),
    REASON(REASON_GUEST_CRASH, "guest-crash",
           "the guest's own system crashed (a kernel panic or the like); its console has the "
           "last lines"),
    REASON(REASON_WATCHDOG, "watchdog",
           "the guest stopped answering its watchdog, so it was taken for hung"),
    REASON(REASON_SOFT_RESET, "soft-reset",
           "the guest asked to be started over in its own memory, as kexec does after a crash"),
    REASON(REASON_BACKEND_DIED, "backend-died",
           "the process on this host that ran the guest died, and with it all that the guest had "
           "not written to disk; log has its last words"),
    REASON(REASON_DESTROYED, "destroyed",
           "it was ended at once by destroy, as if its plug had been pulled"),
    REASON(REASON_DESTROYED_ELSEWHERE, "destroyed-elsewhere",
           "it was ended by another tool on this host, not by reeve"),
    REASON(REASON_SHUT_DOWN, "shut-down", "it was asked to power off and did so, in order"),
    REASON(REASON_SAVED, "saved",
           "its state was saved to a file and it was ended; restore with that file goes on from "
           "there"),
    REASON(REASON_SUSPENDED, "suspended", "its state is kept on disk; resume goes on from there"),
    REASON(REASON_DISCARDED, "discarded",
           "the state that was kept of it was dropped; start boots it afresh"),
    REASON(REASON_DEFINED, "defined", "it was made known with new and has not been started since"),
    REASON(REASON_HOST_REBOOTED, "host-rebooted",
           "the host went down or was rebooted while it ran, so its guest ended without a "
           "shutdown"),
    REASON(REASON_START_FAILED, "start-failed",
           "its last start failed; log has the error, and start tries again"),
    REASON(REASON_CONFIG_UNREADABLE, "config-unreadable",
           "its stored configuration cannot be read; new --replace gives it another"),
    REASON(REASON_IMAGE_MISSING, "image-missing",
           "the file with its suspended state is gone; put it back, or discard and boot afresh"),
    REASON(REASON_IMAGE_DAMAGED, "image-damaged",
           "the file with its suspended state is damaged; discard sets it aside, so that it can "
           "boot afresh"),
    REASON(REASON_IMAGE_SPENT, "image-spent",
           "its suspended state was already in use when the host or reeve stopped, so its disks "
           "may be newer than that state; discard and boot afresh, or resume --force if its "
           "disks are unchanged"),
    REASON(REASON_RECORD_DAMAGED, "record-damaged",
           "its record in the store is damaged; new --replace writes another, delete sets it "
           "aside"),
};

const char *state_name(enum state state)
{
    return states[state];
}

const char *verb_name(enum verb verb)
{
    return verbs[verb];
}

const char *reason_name(enum reason reason)
{
    return reasons[reason].name;
}

const char *reason_text(enum reason reason)
{
    return reasons[reason].text;
}

enum state state_of(const char *name)
{
    for (int i = 0; i < ST_N; i++)
        if (str_eq(states[i], name))
            return (enum state)i;
    return ST_N;
}

enum verb verb_of(const char *name)
{
    for (int i = 0; i < VERB_N; i++)
        if (str_eq(verbs[i], name))
            return (enum verb)i;
    for (size_t i = 0; i < ARRAY_LEN(shared_words); i++)
        if (str_eq(shared_words[i].word, name))
            return shared_words[i].verb;
    return VERB_N;
}

enum reason reason_of(const char *name)
{
    for (int i = 0; i < REASON_N; i++)
        if (str_eq(reasons[i].name, name))
            return (enum reason)i;
    return REASON_N;
}
