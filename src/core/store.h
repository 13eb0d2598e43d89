/* SPDX-License-Identifier: MIT */
/* The store: SQLite (WAL, synchronous=FULL) behind one writer thread with group commit. Callers
 * build a batch; a batch is in the database whole or not at all. After the commit of a domain's
 * config, a plain copy is kept in domains/UUID.cfg for people and for repair: made soon after
 * `done`, while nothing waits to be committed. One that cannot be made fails no commit: it is
 * logged, shown by store_verify, and tried again at a later commit or the next open. */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/record.h"

struct store;
struct store_batch;

enum { STORE_EVENTS_KEPT = 20000, STORE_JOBS_KEPT = 1000, STORE_CONFIGS_KEPT = 50 };

/* All that was in the store when it was opened. */
struct store_contents {
    struct record **domains; /* a record that cannot be read whole is there with broken set */
    size_t domain_count;
    struct job_record **unfinished; /* jobs that were running */
    size_t unfinished_count;
    uint64_t last_job_id;
    uint64_t last_seq;
    unsigned last_domain_id;
};
void store_contents_finish(struct store_contents *contents);

/* Opens or makes state_dir/reeve.db (0600 in a folder 0700), takes the lock of the folder,
 * migrates by user_version, reads the contents, starts the writer thread. Sets ERR_BUSY when
 * another daemon has the folder, ERR_DAMAGED for a file that is no database, does not pass, or is
 * of a newer version (nothing is changed then), ERR_FAILED, ERR_NO_SPACE. Blocks; at start only. */
int store_open(const char *state_dir, struct store **ret, struct store_contents *ret_contents,
               struct err *e) MUST_CHECK;
/* Commits what is queued, stops the thread, closes. NULL is accepted. */
void store_close(struct store *s);

/* A batch is built by one thread; the store copies what it is given. */
struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *b); /* one that was not submitted */
void store_put_domain(struct store_batch *b, const struct record *r);
void store_delete_domain(struct store_batch *b, const char *uuid);
void store_put_job(struct store_batch *b, const struct job_record *j);
/* ev->seq is ignored; the store numbers events in the order of their commits. */
void store_add_event(struct store_batch *b, const struct event_record *ev);

/* Queues the batch (owned by the store from here) and returns at once. `done`, unless NULL, is
 * called on the store thread after the group's commit and fsync, with NULL or the error, and with
 * the sequence number of the batch's first event (0 without one). Thread-safe. */
typedef void store_done(void *arg, const struct err *failure, uint64_t first_seq);
void store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg);

/* As store_submit, and waits: durable when it returns 0. Sets ERR_FAILED, ERR_NO_SPACE,
 * ERR_EXISTS (the name of another domain) or ERR_DAMAGED: then nothing of the batch is stored. Not
 * on the loop thread. */
int store_commit(struct store *s, struct store_batch *b, struct err *e) MUST_CHECK;

/* The first and the last sequence number that the history has (0 and 0 when it is empty); what
 * comes before is not kept any more. As store_events in thread and connection. */
int store_events_range(struct store *s, uint64_t *ret_first, uint64_t *ret_last,
                       struct err *e) MUST_CHECK;

/* Reads history, newest last: events with seq > after_seq and at_ms >= since_ms, of one domain
 * (uuid) or all (NULL), at most `max` (the newest ones). Runs on the calling thread with a
 * connection of its own. *ret is an array of owned pointers, owned by the caller. */
int store_events(struct store *s, const char *uuid, uint64_t after_seq, int64_t since_ms,
                 size_t max, struct event_record ***ret, size_t *ret_count,
                 struct err *e) MUST_CHECK;

/* Finished and running jobs, newest last, at most max. */
int store_jobs(struct store *s, size_t max, struct job_record ***ret, size_t *ret_count,
               struct err *e) MUST_CHECK;

/* One config that a domain had. */
struct config_version {
    uint64_t version; /* counts up from 1 */
    int64_t at_ms;    /* wall clock */
    char *actor;      /* owned; who gave it: that of the job in the batch; NULL when not known */
    char *text;       /* owned */
};
void config_versions_free(struct config_version *list, size_t count);

/* The configs of a domain, newest last; with a connection of its own. *ret is owned. */
int store_configs(struct store *s, const char *uuid, struct config_version **ret, size_t *ret_count,
                  struct err *e) MUST_CHECK;

/* What `doctor` asks: integrity of the database, copies in domains/ that differ or are missing,
 * files there without a record. Each finding is one line, owned by the caller. */
int store_verify(struct store *s, char ***ret_lines, size_t *ret_count, struct err *e) MUST_CHECK;

#endif
