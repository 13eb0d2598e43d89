/* SPDX-License-Identifier: MIT */
/* Jobs: each change of a domain is one, in a thread of its own, as straight-line code over copies.
 * One job a domain. */
#ifndef CORE_JOB_H
#define CORE_JOB_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/engine.h"
#include "core/op.h"

struct job;

/* What a request asks beyond verb and domain. Strings owned by the job. */
struct job_args {
    bool paused;
    bool force;
    bool replace;
    bool destroy;
    bool checkpoint;
    bool as_xl;   /* save: a save file of xl */
    int level;    /* save, suspend: as of image_writer_level */
    char *file;   /* save, restore: absolute path */
    char *config; /* new --replace: with directory and macs; restore: with its overrides; rename,
                     config-set and those of resources.c: the text with the change in it */
    char *name;   /* rename: the new name; block-, network-, cd-: the device's */
    char *directory;
    char *macs;
    bool next_boot;                /* those of resources.c: the stored config alone */
    char *live_config, *live_macs; /* likewise, where the record has those: with the change */
    char *spec;          /* attach, cd-insert, cd-eject: the item of the config; NULL for no disc */
    uint64_t memory_kib; /* mem-set, mem-max */
    unsigned vcpus;      /* vcpu-set */
    int vcpu;            /* vcpu-pin, trigger; -1: all */
    cpu_set_t cpus;      /* vcpu-pin */
    int64_t timeout_ms;  /* shutdown, reboot; 0: none given */
    struct fs_user user;
    bool host_stop;          /* suspend: for the host's stop, so host-start resumes it */
    bool host_paused;        /* with it: it was paused, and is to be again */
    enum conf_action action; /* end, restart: what on_... says */
    json_t *asked;           /* owned; what hooks are told of the request's arguments; NULL */
    char *why;               /* end: more than the reason's own sentence; NULL */
};

/* One row a verb (steps.c). */
struct job_kind {
    enum verb verb;
    const char *name;
    int (*run)(struct job *j, struct err *e); /* on the job thread */
    bool cancellable;
    int64_t limit_ms; /* the deadline of the whole job; 0: args.timeout_ms or none */
};
const struct job_kind *job_kind_of(enum verb verb); /* NULL when no job does that verb */
/* Of the word that names it: "block-attach" and "network-attach" are one verb of the table. NULL
 * when there is none. */
const struct job_kind *job_kind_named(const char *name);

/* saving.c, loading.c: the rows' functions for images. */
int saving_save(struct job *j, struct err *e) MUST_CHECK;
int saving_suspend(struct job *j, struct err *e) MUST_CHECK;
int loading_resume(struct job *j, struct err *e) MUST_CHECK;
int loading_restore(struct job *j, struct err *e) MUST_CHECK;

/* job.c. To be had while a guest is built, suspended or resumed: there are as many places as the
 * host has CPUs, and at least four, since more at once would but wait for each other. The time
 * until there is one is not the verb's: its deadline moves. Sets ERR_CANCELLED. Blocks. */
int job_take_place(struct job *j, struct err *e) MUST_CHECK;
/* Also when it has none. */
void job_leave_place(struct job *j);

/* guest_memory.c. The file of a domain's memory; owned by the caller. */
char *guest_memory_path(const struct engine *g, const char *uuid);
/* For the domain that is to be built from j->conf: makes the file when the config wants one, else
 * removes one of before. *ret_fd is owned by the caller; -1: there is none. Errors as of
 * image_memory_make. */
int guest_memory_make(struct job *j, int *ret_fd, struct err *e) MUST_CHECK;
/* At a job's end: removes it when the domain neither lives nor has an image. A failure is a
 * warning. */
void guest_memory_drop(struct job *j);
/* Writes to disk what the guest, which may run, has changed in the file. Blocks on the disk. */
int guest_memory_write_back(struct job *j, int fd, struct err *e) MUST_CHECK;
/* fd is that file. */
bool guest_memory_is(const struct job *j, int fd);

/* resources.c */
int resources_rename(struct job *j, struct err *e) MUST_CHECK;
int resources_mem_set(struct job *j, struct err *e) MUST_CHECK;
int resources_mem_max(struct job *j, struct err *e) MUST_CHECK;
int resources_vcpu_set(struct job *j, struct err *e) MUST_CHECK;
int resources_vcpu_pin(struct job *j, struct err *e) MUST_CHECK;

/* debug.c */
int debug_dump_core(struct job *j, struct err *e) MUST_CHECK;
int debug_sysrq(struct job *j, struct err *e) MUST_CHECK;
int debug_trigger(struct job *j, struct err *e) MUST_CHECK;

/* devices.c */
int devices_block_attach(struct job *j, struct err *e) MUST_CHECK;
int devices_block_detach(struct job *j, struct err *e) MUST_CHECK;
int devices_network_attach(struct job *j, struct err *e) MUST_CHECK;
int devices_network_detach(struct job *j, struct err *e) MUST_CHECK;
int devices_cd_insert(struct job *j, struct err *e) MUST_CHECK;
int devices_cd_eject(struct job *j, struct err *e) MUST_CHECK;

/* resources_cut.c: the intent of a change of guest and config: what has the guest when it is done
 * (members memory_kib; vcpus; kind, device and there; or medium), and the record's new texts. Text
 * of the caller's. */
char *resources_intent(const struct job *j, json_t *what);
/* At start, of a job that was cut with it: record and guest are made to agree, the record by taking
 * the change when the guest has it. *ret_note is what they still differ in, or NULL; owned by the
 * caller. Blocks. */
void resources_cut(struct engine *g, struct domain *d, const char *intent, char **ret_note);

/* ends.c: after a guest has ended by itself. */
int ends_end(struct job *j, struct err *e) MUST_CHECK;
int ends_restart(struct job *j, struct err *e) MUST_CHECK;
/* Clears away what is left of a guest and builds it again from its config; cut, the next start
 * goes on with it. */
int ends_build_again(struct job *j, struct err *e) MUST_CHECK;
int ends_reboots(struct job *j, struct err *e) MUST_CHECK;

/* steps.c, shared with saving.c, loading.c, resources.c and ends.c. What a driver builds from:
 * j->conf and these; the words of macs are in *ret_macs, one block to be freed. */
struct create_args steps_create_args(struct job *j, const char *directory, const char *macs,
                                     char ***ret_macs);
/* Parses a config into j->conf unless that is there. Sets ERR_BAD_CONFIG. */
int steps_conf(struct job *j, const char *text, struct err *e) MUST_CHECK;
/* Whether the driver could boot the record's config, which it may refuse; asked before anything is
 * made. Blocks; sets what reading it and the driver's check set. */
int steps_check_config(struct job *j, struct err *e) MUST_CHECK;
/* What the record says of a domain that now lives: wanted, boot id, id, reason. */
void steps_now_live(struct job *j, enum reason reason);
/* What it says of one that does not live any more. A transient one is gone. */
void steps_now_ended(struct job *j, enum reason reason);
/* Opens the console for the host; a failure is a warning. */
void steps_console(struct job *j);
/* Destroys what this job built, after a failure that *e tells; a second failure is added. Returns
 * -1. */
int steps_unmake(struct job *j, struct err *e);

/* One call of the driver within ms. */
typedef int steps_call(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                       struct err *e);
int steps_driver(struct job *j, steps_call *call, int64_t ms, struct err *e) MUST_CHECK;
/* Builds the domain from its record and lets it run, with `intent` on record before. On failure
 * nothing is left of it. */
int steps_boot(struct job *j, const char *intent, struct err *e) MUST_CHECK;
/* What the record says of one that was booted again in place. */
void steps_booted(struct job *j);
/* Destroys what the driver has, and steps_now_ended. */
int steps_let_go(struct job *j, enum reason reason, struct err *e) MUST_CHECK;

extern const struct job_kind job_kind_end;     /* a guest ended by itself and is cleared away */
extern const struct job_kind job_kind_restart; /* ... and is booted again */
extern const struct job_kind job_kind_reboots; /* the driver is told what on_reboot says now */

typedef void job_waiter(void *arg, struct job *j);

struct job {
    struct list link; /* engine.jobs or engine.recent */
    struct engine *engine;
    const struct job_kind *kind;
    struct job_record rec; /* loop thread's; the job thread reads id and verb */
    struct domain *domain; /* loop thread's; NULL once it is gone */
    bool threaded;         /* its thread was started */
    bool ended;
    atomic_bool abandoned; /* a destroy went past it: its result is ignored; set by the loop */
    atomic_bool has_place; /* job_take_place */
    struct list waiters;   /* struct waiter of job.c */
    unsigned refs;         /* loop thread's */
    int result;            /* loop thread's, once it has ended: 0 or -1 */
    struct err err;        /* loop thread's, with result -1 */

    /* The job thread's, from start to end; the loop's before and after. */
    struct job_args args;
    struct record *r; /* owned: the copy it works on, which becomes the domain's */
    bool seen;        /* the observation it started from, and leaves behind */
    struct observation obs;
    struct conf *conf;         /* owned; parsed config for those that build a domain, or NULL */
    unsigned new_id;           /* the id for a domain that is built; 0: the driver gives one */
    struct job_record *stored; /* owned: the row as the steps last committed it */
    struct op op;
    int thread_result; /* what the steps ended with; not taken from an abandoned job */
    struct err thread_err;
    bool gone;            /* the record is to be dropped */
    bool changed;         /* r or seen/obs are to be taken even on failure */
    bool intended;        /* an intent is on record (job_commit) */
    bool no_return;       /* it is done and only to be noted: a cancel comes too late */
    struct record *aside; /* owned: of a domain that was made beside this one; NULL */
    struct observation aside_obs;
    int console_fd;  /* opened for the host; -1 */
    char *message;   /* owned; one line about what was done, or NULL for the standard */
    char *warnings;  /* owned; lines; NULL */
    json_t *details; /* owned; members for the answer beside the domain; NULL */

    /* Written by the job thread, read by the loop. */
    _Atomic uint64_t done_bytes;
    _Atomic uint64_t total_bytes;
    const char *_Atomic phase;
};

/* Starts a job of `kind` on d with args (owned by the job from here; also on failure). Checks the
 * table first (engine_judge) and the one job a domain: ERR_BUSY names the first and since when.
 * destroy pre-empts: it cancels the other, waits at most 5 s, then abandons it. Returns the job, or
 * NULL with *e. When the table says that nothing is to change, *ret_same is set and no job is
 * made. */
struct job *job_start(struct engine *g, struct domain *d, const struct job_kind *kind,
                      struct job_args *args, const char *actor, bool *ret_same, struct err *e);
/* The same without asking the table, for reconcile and recover. */
struct job *job_start_unasked(struct engine *g, struct domain *d, const struct job_kind *kind,
                              struct job_args *args, const char *actor);
void job_args_finish(struct job_args *args);

/* Calls fn(arg, j) on the loop thread once it has ended (at once when it has). */
void job_wait(struct job *j, job_waiter *fn, void *arg);
/* Forgets the waiters with that arg. */
void job_forget(struct job *j, void *arg);
/* Asks it to stop and roll back. ERR_WRONG_STATE when it has ended or cannot be cancelled. */
int job_cancel(struct job *j, struct err *e) MUST_CHECK;
struct job *job_find(struct engine *g, uint64_t id); /* running, waiting or recent; or NULL */
json_t *job_json(const struct job *j);               /* as the wire shows it; new reference */
json_t *job_record_json(const struct job_record *rec);
/* Cancels all that can be cancelled, for the daemon's end. */
void job_cancel_all(struct engine *g);
void job_unref(struct job *j);

/* For the steps, on the job thread. */

/* The id, name and uuid for the driver. */
struct domain_ref job_ref(const struct job *j);
/* Names the step that runs, for `jobs` and messages. A constant string. */
void job_phase(struct job *j, const char *phase);
/* Commits j->r and the job's row with this intent; durable at 0. */
int job_commit(struct job *j, const char *intent, const char *intent_path,
               struct err *e) MUST_CHECK;
void job_warn(struct job *j, const char *fmt, ...) PRINTF(2, 3);

#endif
