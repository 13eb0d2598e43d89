/* SPDX-License-Identifier: MIT */
/* The engine: the domains, their jobs, and what holds them to the driver and the store. Only the
 * loop thread calls these functions and touches these structs, except where it says otherwise;
 * job threads work on copies (core/job.h) and post results. */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "core/driver.h"
#include "core/lifecycle.h"
#include "core/post.h"
#include "core/record.h"
#include "core/store.h"

struct job;
struct engine;
struct hooks;
struct hostrun;

enum { ENGINE_JOBS_MAX = 64, ENGINE_RECENT_JOBS = 64, ENGINE_FRESH_MS = 250 };

struct domain {
    struct list link;       /* engine.domains, sorted by name */
    struct record *r;       /* owned */
    bool removed;           /* being taken out: its last word is "absent" */
    bool foreign;           /* another tool's: foreign.h */
    bool forming;           /* new, create or restore is making it: not yet in the store */
    bool seen;              /* the driver has it */
    struct observation obs; /* when seen */
    struct job *job;        /* the one that runs or waits to run; NULL */
    struct job *next_job;   /* a verb that waits for `job` to end, mostly a destroy; NULL */
    int64_t known_mono_ns;  /* monotonic; a look that began before this is older than a job's end */
    uint64_t intent_ends;   /* the submission that ends its last intent (engine.submitted) */
    bool end_failed;        /* clearing away its ended guest failed: not tried again unasked */
    int64_t wakes_at_ms;    /* monotonic; reconcile looks at it again then; 0: nothing is due */
    bool reboots_failed;    /* set_reboots failed: not tried again until the config changes */
    /* From the config, for a domain that is not live. */
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    unsigned vcpus;
    unsigned max_vcpus;
    bool autostart;
    enum conf_action on_end[REASON_N]; /* what the config says for each end of the guest */
    struct {
        enum conf_host_stop on_stop;
        unsigned order;
        int64_t timeout_ms;
        bool destroy;
        int64_t delay_ms;
        char *after; /* owned; names between spaces; NULL */
    } host;          /* for hostrun.c */
    int64_t restart_min_run_ms;
    unsigned restart_tries;
};

/* What the daemon does for the engine. */
struct engine_host {
    void *arg;
    /* Makes the observer look again soon. */
    void (*look)(void *arg);
    /* fn(fn_arg) on the loop thread after ms, never earlier, unless the engine closes before. */
    void (*after)(void *arg, int64_t ms, post_fn *fn, void *fn_arg);
    /* A domain changed (d), a job changed (j), or history has a new row (ev). One is not NULL. */
    void (*changed)(void *arg, const struct domain *d, const struct job *j,
                    const struct event_record *ev);
    /* A console for the domain: fd is owned by the host from here. */
    void (*console)(void *arg, const struct domain *d, int fd);
    /* d had the name `old` until now: its console and log are to follow. */
    void (*renamed)(void *arg, const struct domain *d, const char *old);
    /* The domain's console is over (it ended or is deleted). */
    void (*console_end)(void *arg, const char *uuid);
};

struct engine {
    const struct driver *driver;
    struct driver_handle *handle; /* owned */
    struct store *store;          /* owned */
    struct post *post;            /* borrowed */
    struct engine_host host;
    const char *state_dir;   /* borrowed */
    const char *console_dir; /* borrowed */
    struct list domains;     /* struct domain.link */
    struct list jobs;        /* struct job.link: running and waiting, oldest first */
    size_t running;          /* job threads, abandoned ones included */
    int places_fd;           /* owned; an eventfd, a semaphore: job_take_place */
    atomic_uint writing;     /* jobs that have reserved space for an image, or try to */
    struct list recent;      /* struct job.link: the last ended ones, for `wait` */
    size_t recent_count;
    uint64_t submitted; /* batches given to the store by engine_submit, and */
    uint64_t stored;    /* how many of them it has answered, in that order */
    uint64_t last_job_id;
    unsigned last_domain_id;
    json_t *unknown;          /* owned; names that the driver has and no record tells of */
    int64_t observed_at_ms;   /* wall clock, of the newest observation */
    int64_t observed_mono_ns; /* the same on the monotonic clock: when that look began */
    int64_t changed_mono_ns;  /* when a job last ended: an older look tells what was before it */
    bool stopping;            /* no new jobs */
    struct hooks *hooks;      /* owned; NULL: there are none */
    struct hostrun *hostrun;  /* owned; the host's stop or start, when one is under way */
};

/* Before this the caller zeroes *g and sets state_dir, console_dir and hooks. Opens driver and
 * store, loads the records, takes one look at the driver, finishes or undoes what a crash cut.
 * Blocks; at start, before the loop runs. *e as store_open and driver.open. */
int engine_open(struct engine *g, const struct driver *driver, const struct driver_options *options,
                struct post *post, const struct engine_host *host, struct err *e) MUST_CHECK;
/* After all jobs have ended or are given up. Guests go on. */
void engine_close(struct engine *g);

/* The domain of a name, "id:7" or digits, or a uuid; ERR_NO_SUCH_DOMAIN, or ERR_BAD_REQUEST for
 * an empty word. */
struct domain *engine_find(struct engine *g, const char *word, struct err *e);
struct domain *engine_by_uuid(struct engine *g, const char *uuid);
struct domain *engine_by_name(struct engine *g, const char *name);

/* The state of the table that the domain is in now. */
enum state engine_state(const struct engine *g, const struct domain *d);

/* Takes what the observer saw (array owned by the caller) at these times and reconciles every
 * domain with it. */
void engine_observed(struct engine *g, struct observation *seen, size_t count, int64_t wall_ms,
                     int64_t mono_ns);

/* The table's word on `verb` for this domain, with what the driver cannot added: 0, or -1 with
 * ERR_WRONG_STATE, ERR_EXISTS, ERR_UNSUPPORTED. *ret says what will happen. */
int engine_judge(const struct engine *g, const struct domain *d, enum verb verb,
                 const struct outcome **ret, struct err *e) MUST_CHECK;
/* False when the driver has no call for the verb. */
bool engine_driver_has(const struct engine *g, enum verb verb);

/* Where the console of a domain of that name is logged; owned by the caller. */
char *engine_console_path(const struct engine *g, const char *name);
/* Where the memory of a suspended domain is kept; owned by the caller. */
char *engine_image_path(const struct engine *g, const char *uuid);

/* Puts a record in, or takes a domain out of the table. Memory only; the caller sees to the
 * store. engine_insert owns r. */
struct domain *engine_insert(struct engine *g, struct record *r);
void engine_remove(struct engine *g, struct domain *d);
/* After d->r->name changed from `old`: the table's order and the console's log follow. */
void engine_renamed(struct engine *g, struct domain *d, const char *old);
/* After d->r changed its config: reads the numbers and policies that are shown and acted on. A
 * config that cannot be read makes the record broken. */
void engine_read_config(struct engine *g, struct domain *d);

/* A history row about d (NULL: the host), not yet in the store; the caller owns it. */
struct event_record *engine_event_new(const struct domain *d, const char *actor, const char *verb,
                                      const char *what, const char *text);
/* Submits the batch with the row in it; subscribers get the row once it is stored. Both are owned
 * by the engine from here. A failure is logged: there is nobody left to tell. */
void engine_submit(struct engine *g, struct store_batch *b, struct event_record *ev);
/* The same, and calls `then` on the loop thread when the batch is stored, or could not be; not any
 * more when the daemon stops first. */
void engine_submit_then(struct engine *g, struct store_batch *b, struct event_record *ev,
                        void (*then)(void *arg), void *arg);
/* d->r changed without a job: stores it with a history row and tells subscribers. */
void engine_changed(struct engine *g, const struct domain *d, const char *what, const char *text);

/* recover.c: at start, with the first observation in place. */
void recover_all(struct engine *g, const struct store_contents *contents);

/* reconcile.c: acts on what was observed of one domain without a job. */
void reconcile(struct engine *g, struct domain *d);
/* d lived, and the driver has nothing of it now: on record as halted (or suspended) for that
 * reason, or, when it was transient, gone with its record; d is freed then. */
void reconcile_gone(struct engine *g, struct domain *d, enum reason reason);

#endif
