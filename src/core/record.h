/* SPDX-License-Identifier: MIT */
/* What the store keeps: domains, their images, jobs and history. Plain values with owned
 * strings; who holds one owns it. */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/ident.h"
#include "core/names.h"

/* An image that the daemon keeps for a suspended domain. */
struct image_record {
    char *path; /* owned; NULL when there is none */
    uint64_t size_bytes;
    uint64_t memory_kib;
    int64_t saved_at_ms; /* wall clock */
    bool was_paused;
    char driver[16];
};

struct record {
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    bool managed;
    char *config;        /* owned; text as given, overrides appended */
    char *directory;     /* owned; what relative paths are relative to */
    char *macs;          /* owned; drawn MACs, one a vif of the config, separated by spaces */
    struct fs_user user; /* who gave the config */
    /* What the guest that lives was built from and has since been given, where that is not what
     * stands above (which waits for the next boot then). Owned; all NULL when it is. */
    char *live_config, *live_directory, *live_macs;
    /* What the user last asked for, good within one boot of the host. */
    enum state wanted;
    char boot_id[CLOCK_BOOT_ID_LEN + 1];
    /* The last known: state is never trusted for a live guest, only the reason and since. */
    unsigned id;      /* of the current or last run; 0 before the first */
    enum state state; /* as last derived, to notice a change while the daemon was away */
    enum reason reason;
    char *reason_text;  /* owned; NULL: the standard sentence of the reason */
    int64_t since_ms;   /* wall clock */
    enum reason broken; /* REASON_NONE, or why the record cannot be used */
    struct image_record image;
    char *saved_file; /* owned; the last user-named save not yet restored, to warn at start */
    /* The host's stop and start. */
    bool host_resume;                      /* host-stop suspended it: host-start resumes it */
    bool host_paused;                      /* and it was paused then */
    char host_boot[CLOCK_BOOT_ID_LEN + 1]; /* the boot in which host-start has started it */
    uint64_t starts;                       /* counters */
    uint64_t crashes;
    uint64_t quick_ends;   /* in a row: the guest ended within its minimum run time */
    uint64_t own_reboots;  /* of this run, that have been noticed (observation.own_reboots) */
    int64_t ran_since_ms;  /* monotonic, in the boot of boot_id: when it was last let run; 0 */
    int64_t restart_at_ms; /* likewise: when it is to be booted again; 0: it is not */
    /* Likewise: a reboot has asked the guest to power off; when it does so by then, it is booted
     * again, also when that reboot was cut, cancelled, or has given up. */
    int64_t reboot_until_ms;
};

struct record *record_new(void); /* halted, all else zero */
struct record *record_copy(const struct record *r);
/* Why the record is as it is, for people: its own text, else the sentence of `reason`. Borrowed. */
const char *record_why(const struct record *r, enum reason reason);
void record_free(struct record *r); /* accepts NULL */

/* What the guest that lives has. Borrowed. */
const char *record_live_config(const struct record *r);
const char *record_live_directory(const struct record *r);
const char *record_live_macs(const struct record *r);
/* Before the config of a live guest is changed for its next boot: what it has stays on record. */
void record_keep_live(struct record *r);
/* It is of no use any more: there is no guest, or it has what stands in the config. */
void record_forget_live(struct record *r);
/* It has no image any more, be that spent or gone; the file is the caller's. */
void record_forget_image(struct record *r);
/* What a guest was built from; forgotten when that is what stands in the config. */
void record_set_live(struct record *r, const char *config, const char *directory, const char *macs);

enum job_phase_kind { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_INTERRUPTED };

struct job_record {
    uint64_t id;
    char verb[24];
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    char *actor;       /* owned; "uid 1000 (reeve)" */
    char phase[32];    /* the intent: what the next start must finish or undo */
    char *intent_path; /* owned; the image or temporary file that the phase is about; NULL */
    enum job_phase_kind outcome;
    int64_t started_ms; /* wall clock */
    int64_t ended_ms;   /* wall clock; 0 while it runs */
    char *error;        /* owned; the error object as JSON; NULL */
};

struct job_record *job_record_copy(const struct job_record *j);
void job_record_free(struct job_record *j); /* accepts NULL */

struct event_record {
    uint64_t seq;                  /* given by the store, counting up */
    int64_t at_ms;                 /* wall clock */
    char uuid[IDENT_UUID_LEN + 1]; /* "" for the host */
    char name[IDENT_NAME_MAX + 1];
    char *actor; /* owned; NULL: nobody asked */
    char *verb;  /* owned; NULL */
    char *what;  /* owned; "paused", "crashed", "failed", ... */
    char *text;  /* owned; the sentence */
};

struct event_record *event_record_copy(const struct event_record *ev);
void event_record_free(struct event_record *ev); /* accepts NULL */

#endif
