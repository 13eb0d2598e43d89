/* SPDX-License-Identifier: MIT */
/* The writer: batches, the queue, one transaction and one fsync for all that waits. */
#include "core/store_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

/* At close the copies that are due get this long; the rest is made after the next start. */
enum { CLOSE_COPIES_MS = 2000 };

enum change_kind { PUT_DOMAIN, DELETE_DOMAIN, PUT_JOB, ADD_EVENT, CHANGE_N };

struct change {
    struct list link; /* store_batch.changes */
    enum change_kind kind;
    char uuid[IDENT_UUID_LEN + 1]; /* DELETE_DOMAIN */
    struct record *domain;         /* PUT_DOMAIN, owned */
    struct job_record *job;        /* PUT_JOB, owned */
    struct event_record *event;    /* ADD_EVENT, owned */
};

struct store_batch {
    struct list link; /* store.queue */
    struct list changes;
    store_done *done;
    void *arg;
    uint64_t first_seq;
};

struct store_batch *store_batch_new(void)
{
    struct store_batch *b = x_calloc(1, sizeof *b);

    list_init(&b->link);
    list_init(&b->changes);
    return b;
}

void store_batch_free(struct store_batch *b)
{
    if (!b)
        return;
    LIST_EACH (&b->changes, c, struct change, link) {
        record_free(c->domain);
        job_record_free(c->job);
        event_record_free(c->event);
        free(c);
    }
    free(b);
}

static struct change *add_change(struct store_batch *b, enum change_kind kind)
{
    struct change *c = x_calloc(1, sizeof *c);

    c->kind = kind;
    list_append(&b->changes, &c->link);
    return c;
}

void store_put_domain(struct store_batch *b, const struct record *r)
{
    add_change(b, PUT_DOMAIN)->domain = record_copy(r);
}

void store_delete_domain(struct store_batch *b, const char *uuid)
{
    struct change *c = add_change(b, DELETE_DOMAIN);

    str_copy(c->uuid, sizeof c->uuid, uuid);
}

void store_put_job(struct store_batch *b, const struct job_record *j)
{
    add_change(b, PUT_JOB)->job = job_record_copy(j);
}

void store_add_event(struct store_batch *b, const struct event_record *ev)
{
    add_change(b, ADD_EVENT)->event = event_record_copy(ev);
}

int store_run(struct store *s, enum stmt which, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[which];
    int rc = sqlite3_step(stmt);
    int result = rc == SQLITE_DONE ? 0 : schema_fail(s->db, s->path, "write to", e);

    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return result;
}

static int run_with_uuid(struct store *s, enum stmt which, const char *uuid, struct err *e)
{
    sqlite3_bind_text(s->stmts[which], 1, uuid, -1, SQLITE_STATIC);
    return store_run(s, which, e);
}

static int run_with_number(struct store *s, enum stmt which, uint64_t number, struct err *e)
{
    sqlite3_bind_int64(s->stmts[which], 1, (int64_t)number);
    return store_run(s, which, e);
}

static int run_put(struct store *s, enum stmt which, const struct table *t, const void *base,
                   struct err *e)
{
    schema_bind(s->stmts[which], t, base);
    return store_run(s, which, e);
}

static bool same_config(struct store *s, const struct record *r)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SAME_CONFIG];

    sqlite3_bind_text(stmt, 1, r->uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, r->config, -1, SQLITE_STATIC);
    bool same = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return same;
}

/* The list is a hint until the commit: a copy is made of what the database then has. */
static int note_copy(struct store *s, const char *uuid, struct err *e)
{
    uuid_list_add(&s->copies_due, uuid);
    return run_with_uuid(s, STMT_COPY_DUE, uuid, e);
}

/* A config that is new comes from a job, whose row is in the same batch. */
static const char *actor_of(const struct store_batch *b, const char *uuid)
{
    LIST_EACH (&b->changes, c, struct change, link) {
        if (c->kind == PUT_JOB && str_eq(c->job->uuid, uuid))
            return c->job->actor;
    }
    return NULL;
}

static int add_config(struct store *s, const struct record *r, const char *actor, struct err *e)
{
    sqlite3_stmt *add = s->stmts[STMT_ADD_CONFIG], *prune_old = s->stmts[STMT_PRUNE_CONFIG];

    sqlite3_bind_text(add, 1, r->uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(add, 2, r->config, -1, SQLITE_STATIC);
    sqlite3_bind_int64(add, 3, clock_wall_ms());
    sqlite3_bind_text(add, 4, actor, -1, SQLITE_STATIC);
    sqlite3_bind_text(prune_old, 1, r->uuid, -1, SQLITE_STATIC);
    sqlite3_bind_int64(prune_old, 2, STORE_CONFIGS_KEPT);
    if (store_run(s, STMT_ADD_CONFIG, e) < 0)
        return -1;
    return store_run(s, STMT_PRUNE_CONFIG, e);
}

static int put_domain(struct store *s, struct store_batch *b, const struct change *c, struct err *e)
{
    const struct record *r = c->domain;
    char normal[IDENT_UUID_LEN + 1];

    if (ident_uuid_valid(r->uuid))
        ident_uuid_normal(r->uuid, normal);
    if (!ident_uuid_valid(r->uuid) || !str_eq(r->uuid, normal))
        return err_set(e, ERR_FAILED, "cannot store %s: \"%s\" is not a uuid in lower case",
                       r->name, r->uuid);
    bool same = same_config(s, r);
    if (run_put(s, STMT_PUT_DOMAIN, &store_domain, r, e) < 0)
        return e->code != ERR_EXISTS
                   ? -1
                   : err_set(e, ERR_EXISTS, "cannot store %s: another domain has that name",
                             r->name);
    if (r->image.path ? run_put(s, STMT_PUT_IMAGE, &store_image, r, e) < 0
                      : run_with_uuid(s, STMT_DROP_IMAGE, r->uuid, e) < 0)
        return -1;
    if (!same && (note_copy(s, r->uuid, e) < 0 || add_config(s, r, actor_of(b, r->uuid), e) < 0))
        return -1;
    if (r->id <= s->marks.domain_id)
        return 0;
    s->marks.domain_id = r->id;
    return run_with_number(s, STMT_DOMAIN_ID, r->id, e);
}

static int delete_domain(struct store *s, struct store_batch *b UNUSED, const struct change *c,
                         struct err *e)
{
    if (run_with_uuid(s, STMT_DROP_DOMAIN, c->uuid, e) < 0 ||
        run_with_uuid(s, STMT_DROP_IMAGE, c->uuid, e) < 0 ||
        run_with_uuid(s, STMT_DROP_CONFIG, c->uuid, e) < 0)
        return -1;
    return ident_uuid_valid(c->uuid) ? note_copy(s, c->uuid, e) : 0;
}

/* A domain has one job at a time: what of it is on record as begun before this one has ended, and a
 * start must not undo it. */
static int close_jobs(struct store *s, const struct job_record *j, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[STMT_CLOSE_JOBS];

    sqlite3_bind_int64(stmt, 2, (int64_t)j->id);
    sqlite3_bind_int64(stmt, 3, j->started_ms);
    return run_with_uuid(s, STMT_CLOSE_JOBS, j->uuid, e);
}

static int put_job(struct store *s, struct store_batch *b UNUSED, const struct change *c,
                   struct err *e)
{
    if (s->unclosed && c->job->outcome == JOB_RUNNING && close_jobs(s, c->job, e) < 0)
        return -1;
    if (c->job->id > s->marks.jobs.last)
        s->marks.jobs.last = c->job->id;
    return run_put(s, STMT_PUT_JOB, &store_job, c->job, e);
}

static int add_event(struct store *s, struct store_batch *b, const struct change *c, struct err *e)
{
    c->event->seq = ++s->marks.events.last;
    if (b->first_seq == 0)
        b->first_seq = c->event->seq;
    return run_put(s, STMT_PUT_EVENT, &store_event, c->event, e);
}

static int (*const apply[CHANGE_N])(struct store *, struct store_batch *, const struct change *,
                                    struct err *) = {
    [PUT_DOMAIN] = put_domain,
    [DELETE_DOMAIN] = delete_domain,
    [PUT_JOB] = put_job,
    [ADD_EVENT] = add_event,
};

/* A twentieth more than is due goes at once, so that it is not done at each commit. */
static int prune(struct store *s, struct extent *x, uint64_t kept, enum stmt which, struct err *e)
{
    if (x->last - x->before <= kept)
        return 0;
    x->before = x->last - (kept - kept / 20);
    return run_with_number(s, which, x->before, e);
}

static int transact_inside(struct store *s, struct list *batches, struct err *e)
{
    for (size_t i = 0; i < s->copies_made.count; i++)
        if (run_with_uuid(s, STMT_COPY_MADE, s->copies_made.uuids[i], e) < 0)
            return -1;
    LIST_EACH (batches, b, struct store_batch, link) {
        b->first_seq = 0;
        LIST_EACH (&b->changes, c, struct change, link) {
            if (apply[c->kind](s, b, c, e) < 0)
                return -1;
        }
    }
    if (prune(s, &s->marks.events, STORE_EVENTS_KEPT, STMT_PRUNE_EVENTS, e) < 0 ||
        prune(s, &s->marks.jobs, STORE_JOBS_KEPT, STMT_PRUNE_JOBS, e) < 0 ||
        fault_point("store.commit", e) < 0)
        return -1;
    return store_run(s, STMT_COMMIT, e);
}

/* All of the batches, or none of them. */
static int transact(struct store *s, struct list *batches, struct err *e)
{
    struct marks before = s->marks;

    if (store_run(s, STMT_BEGIN, e) < 0)
        return -1;
    if (transact_inside(s, batches, e) == 0) {
        s->copies_made.count = 0;
        return 0;
    }
    s->marks = before;
    /* Some failures have ended the transaction already. */
    struct err ignored;
    if (!sqlite3_get_autocommit(s->db) && store_run(s, STMT_ROLLBACK, &ignored) < 0)
        log_error("cannot roll back: %s", ignored.msg);
    return -1;
}

static void finish_batch(struct store *s, struct store_batch *b, const struct err *failure)
{
    LIST_EACH (&b->changes, c, struct change, link)
        s->unclosed =
            s->unclosed || (failure && c->kind == PUT_JOB && c->job->outcome != JOB_RUNNING);
    if (b->done)
        b->done(b->arg, failure, failure ? 0 : b->first_seq);
    list_remove(&b->link);
    store_batch_free(b);
}

/* One transaction for the whole group; when that fails one for each, so that a bad batch fails
 * alone. */
static void commit_group(struct store *s, struct list *group)
{
    struct err e;

    if (list_empty(group))
        return;
    bool good = transact(s, group, &e) == 0;
    bool alone = group->next == group->prev;
    LIST_EACH (group, b, struct store_batch, link) {
        if (!good && !alone) {
            struct list one;
            list_init(&one);
            list_remove(&b->link);
            list_append(&one, &b->link);
            finish_batch(s, b, transact(s, &one, &e) < 0 ? &e : NULL);
        } else {
            finish_batch(s, b, good ? NULL : &e);
        }
    }
}

static void checkpoint(struct store *s)
{
    if (s->wal_pages < s->checkpoint_at)
        return;
    /* A reader may hold it up; then it is tried again some pages later. */
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        struct err e;
        schema_fail(s->db, s->path, "write the log into", &e);
        log_warn("%s", e.msg);
    }
    s->checkpoint_at = s->wal_pages + STORE_CHECKPOINT_PAGES;
}

int writer_committed(void *arg, sqlite3 *db UNUSED, const char *schema UNUSED, int pages)
{
    struct store *s = arg;

    if (pages < s->wal_pages)
        s->checkpoint_at = STORE_CHECKPOINT_PAGES;
    s->wal_pages = pages;
    return SQLITE_OK;
}

bool store_waiting(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool waiting = !list_empty(&s->queue);
    pthread_mutex_unlock(&s->mutex);
    return waiting;
}

/* Moves the queue to `group`, once there is something to do. */
static void take_work(struct store *s, struct list *group, bool *ret_stopping, bool *ret_settle)
{
    list_init(group);
    pthread_mutex_lock(&s->mutex);
    while (list_empty(&s->queue) && !s->stopping && !s->settle && s->copies_due.count == 0)
        pthread_cond_wait(&s->wake, &s->mutex);
    LIST_EACH (&s->queue, b, struct store_batch, link) {
        list_remove(&b->link);
        list_append(group, &b->link);
    }
    *ret_stopping = s->stopping;
    *ret_settle = s->settle;
    pthread_mutex_unlock(&s->mutex);
}

void *writer_run(void *arg)
{
    struct store *s = arg;
    struct list group;
    bool stopping, settle;

    do {
        take_work(s, &group, &stopping, &settle);
        commit_group(s, &group);
        if (settle)
            s->retry_at_ms = 0;
        if (copies_pending(s))
            copies_make(s, stopping ? clock_mono_ms() + CLOSE_COPIES_MS : 0);
        if (!store_waiting(s))
            checkpoint(s);
        if (settle && s->copies_due.count == 0) {
            pthread_mutex_lock(&s->mutex);
            s->settle = false;
            pthread_cond_broadcast(&s->settled);
            pthread_mutex_unlock(&s->mutex);
        }
    } while (!stopping || store_waiting(s));

    struct err e;
    list_init(&group);
    if (s->copies_made.count > 0 && transact(s, &group, &e) < 0)
        log_warn("cannot strike out the copies that were made: %s", e.msg);
    return NULL;
}

void store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg)
{
    b->done = done;
    b->arg = arg;
    pthread_mutex_lock(&s->mutex);
    list_append(&s->queue, &b->link);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    bool failed;
    struct err failure;
};

static void on_done(void *arg, const struct err *failure, uint64_t first_seq UNUSED)
{
    struct waiter *w = arg;

    pthread_mutex_lock(&w->mutex);
    w->done = true;
    w->failed = failure != NULL;
    if (failure)
        w->failure = *failure;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

int store_commit(struct store *s, struct store_batch *b, struct err *e)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .done = false};

    store_submit(s, b, on_done, &w);
    pthread_mutex_lock(&w.mutex);
    /* No deadline: only the disk can say whether it is so, and an answer is owed either way. */
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mutex);
    if (!w.failed)
        return 0;
    *e = w.failure;
    return -1;
}
