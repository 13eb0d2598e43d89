/* SPDX-License-Identifier: MIT */
/* The daemon's parts in one place. Loop thread only. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <uv.h>

#include "core/engine.h"
#include "core/job.h"
#include "daemon/consoles.h"
#include "daemon/observer.h"
#include "daemon/server.h"
#include "daemon/settings.h"

struct daemon {
    uv_loop_t *loop;
    const struct settings *settings;
    struct engine engine;
    struct observer *observer;
    struct consoles *consoles;
    struct server *server;
    struct list fresh;   /* struct fresh.link of fresh.c: requests that wait for a look */
    struct list waits;   /* struct state_wait.link of calls_read.c */
    struct stats *stats; /* owned; of calls_stats.c: the newest counters and who waits for newer */
    struct list image_calls; /* struct image_call.link of calls_image.c */
    size_t working;          /* calls_work calls that have not come back */
};

/* fresh.c: runs fn(d, r) once the observation is not older than ENGINE_FRESH_MS: at once, after
 * the next look, or 200 ms from now with the old one. */
typedef void fresh_fn(struct daemon *d, struct request *r);
void fresh_wait(struct daemon *d, struct request *r, fresh_fn *fn);
/* A look has come. */
void fresh_arrived(struct daemon *d);
/* The daemon stops: nobody waits any more. */
void fresh_close(struct daemon *d);

/* calls_stats.c: the counters of all domains have come (an observer_stats_fn; arg is the daemon).
 */
observer_stats_fn stats_arrived;
/* Before the loop runs, and after it. */
void stats_open(struct daemon *d);
void stats_close(struct daemon *d);
/* Runs then(d, r) once the counters are not older than a quarter of a second: at once, after the
 * next look, or ms from now with what is known. */
void stats_wait(struct daemon *d, struct request *r, int64_t ms, fresh_fn *then);
/* What the domain uses, as of the newest look; null when that is not known. New reference. */
json_t *stats_counters(const struct daemon *d, const struct domain *dom);

/* calls.c: finds the row of the call, checks role and arguments, runs it. */
void calls_dispatch(void *daemon, struct request *r, const char *name);
/* libuv's queue: `run` on one of its threads, then `after` on the loop, for which the daemon's end
 * waits as it does for jobs. */
void calls_work(struct daemon *d, uv_work_t *work, uv_work_cb run, uv_after_work_cb after);
/* A domain has changed, or is gone (d NULL): `wait` may be over. */
void calls_changed(struct daemon *d);
/* Fails the request with the table's details about dom (NULL for none). */
void calls_refuse(struct daemon *d, struct request *r, const struct domain *dom, enum verb verb,
                  const struct err *e);
/* The domain that the request names, or NULL: then the request is answered. */
struct domain *calls_domain(struct daemon *d, struct request *r);
/* The request's arguments as hooks are told of them, for job_args.asked; new reference. Without the
 * domain, which the event has, what is about the answer alone, the config, and secrets. */
json_t *calls_asked(const struct request *r);
/* Answers r when the job has ended, or at once where it said so; j may be NULL: then `same` or the
 * error is answered. lines (owned by the callee, or NULL) are warnings to pass on. */
void calls_job(struct daemon *d, struct request *r, struct domain *dom, enum verb verb,
               struct job *j, bool same, json_t *lines, const struct err *e);

/* A row of the history as the wire shows it; new reference. */
json_t *calls_event_json(const struct event_record *ev);

/* The rows' functions, by file: calls_life.c, calls_define.c, calls_read.c. */
typedef void call_fn(struct daemon *d, struct request *r);
call_fn call_life, call_adopt, call_cancel, call_new, call_create, call_restore, call_list,
    call_show, call_explain, call_log, call_jobs, call_wait, call_info, call_subscribe,
    call_console, call_doctor, call_rename, call_autostart, call_config_set, call_config_history,
    call_config_diff;
call_fn call_hostrun; /* calls_host.c */
call_fn call_stats;   /* calls_stats.c */
/* calls_resources.c */
call_fn call_memory, call_vcpu_set, call_vcpu_pin, call_vcpu_list;
/* calls_debug.c */
call_fn call_dump_core, call_sysrq, call_trigger;
/* calls_devices.c */
call_fn call_block_attach, call_network_attach, call_detach, call_cd, call_block_list,
    call_network_list;

/* calls_resources.c, for calls_devices.c: a change of one text. *ret is the new one, owned by the
 * caller; *ret_macs its MACs, or left NULL where they stay. */
struct edited {
    const char *text; /* of the config */
    const char *macs; /* that go with it */
    char *new_text, *new_macs;
};
typedef int edit_text(const struct daemon *d, const struct domain *dom, const struct job_args *args,
                      struct edited *edited, struct err *e);
/* Makes the new texts by `edit` and starts the job of the call's name; args are taken over. */
void calls_change(struct daemon *d, struct request *r, struct domain *dom, edit_text *edit,
                  struct job_args *args);
/* A config of this daemon's driver, warnings aside. */
int calls_parse(const struct daemon *d, const struct domain *dom, const char *text,
                struct conf **ret, struct err *e) MUST_CHECK;
/* calls_image.c */
call_fn call_image_info, call_image_verify, call_image_export, call_image_import;
/* The daemon stops: copies and verifications end soon. */
void calls_image_stop(struct daemon *d);
/* The request's "level", IMAGE_LEVEL_DEFAULT when it has none. ERR_BAD_REQUEST. */
int calls_level(const struct request *r, int *ret, struct err *e) MUST_CHECK;
/* Whether its "as" is xl. ERR_BAD_REQUEST, also for a level with it. */
int calls_as(const struct request *r, bool *ret_xl, struct err *e) MUST_CHECK;

#endif
