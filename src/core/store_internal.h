/* SPDX-License-Identifier: MIT */
/* Inside the store: the tables as rows (store_schema.c), reading (store_read.c), the copies in
 * domains/ (store_copies.c), the writer thread (store_write.c), opening and closing (store.c).
 * Nothing else includes this. */
#ifndef CORE_STORE_INTERNAL_H
#define CORE_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ident.h"
#include "base/list.h"
#include "base/str.h"
#include "core/record.h"
#include "core/store.h"

/* How a member of a struct is kept in a column. */
enum column_kind {
    COL_TEXT,   /* char *, NULL allowed */
    COL_NEEDED, /* char *, NULL is damage */
    COL_CHARS,  /* char[size] */
    COL_BOOL,
    COL_UNSIGNED, /* unsigned, uid_t, gid_t */
    COL_INT64,    /* int64_t, uint64_t; never negative */
    COL_STATE,
    COL_REASON,
    COL_OUTCOME, /* enum job_phase_kind */
    COL_N
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset;
    size_t size; /* of the member, for COL_CHARS */
};

/* The first column is the key. */
struct table {
    const char *name;
    const struct column *columns;
    size_t count;
};

extern const struct table store_domain, store_image, store_job, store_event;

/* Adds "t.a, t.b, ..." of all columns; `alias` is the table's name in the statement. */
void table_add_columns(struct str *sql, const struct table *t, const char *alias);

/* The statements of the writer's connection, prepared once. */
enum stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_PUT_DOMAIN,
    STMT_PUT_IMAGE,
    STMT_PUT_JOB,
    STMT_CLOSE_JOBS,
    STMT_PUT_EVENT,
    STMT_DROP_DOMAIN,
    STMT_DROP_IMAGE,
    STMT_SAME_CONFIG,
    STMT_ADD_CONFIG,
    STMT_PRUNE_CONFIG,
    STMT_DROP_CONFIG,
    STMT_CONFIG,
    STMT_COPY_DUE,
    STMT_COPY_MADE,
    STMT_DOMAIN_ID,
    STMT_PRUNE_EVENTS,
    STMT_PRUNE_JOBS,
    STMT_N
};

/* Opens the database of `path` in `flags` of sqlite3_open_v2 with the settings of every
 * connection. On failure nothing stays open. */
int schema_connect(const char *path, int flags, sqlite3 **ret_db, struct err *e) MUST_CHECK;
/* Checks an opened database without changing it. Sets ERR_DAMAGED. */
int schema_check(sqlite3 *db, const char *path, struct err *e) MUST_CHECK;
/* Brings it to the newest version, each step in a transaction. */
int schema_migrate(sqlite3 *db, const char *path, struct err *e) MUST_CHECK;
int schema_prepare(sqlite3 *db, const char *path, sqlite3_stmt *stmts[STMT_N],
                   struct err *e) MUST_CHECK;
/* Binds the columns of t, parameters 1 to t->count, from the struct at `base`. The values are
 * borrowed until the statement is reset. */
void schema_bind(sqlite3_stmt *stmt, const struct table *t, const void *base);
/* Reads the columns of t, result columns from `first`, into the struct at `base` (owned strings).
 * What cannot be read gets a default, and a word about it is added to `complaint`. */
void schema_read(sqlite3_stmt *stmt, int first, const struct table *t, void *base,
                 struct str *complaint);
/* Turns the connection's last failure into *e: "cannot DOING PATH: ...". Returns -1. */
int schema_fail(sqlite3 *db, const char *path, const char *doing, struct err *e);

/* Sets ERR_DAMAGED: "the store PATH WHY; nothing was changed: ..." with what to do. Returns -1. */
int schema_damaged(const char *path, const char *why, struct err *e);

/* A list of uuids, each once. */
struct uuid_list {
    char (*uuids)[IDENT_UUID_LEN + 1]; /* owned */
    size_t count;
};
void uuid_list_add(struct uuid_list *l, const char *uuid);
void uuid_list_finish(struct uuid_list *l);

/* The newest row of a table that is kept bounded, and the oldest that was not pruned: rows are
 * numbered upwards, so these two tell when it is time without counting. */
struct extent {
    uint64_t last;
    uint64_t before; /* the number before the first */
};

/* What a transaction moves, put back when it fails. */
struct marks {
    struct extent events;
    struct extent jobs;
    unsigned domain_id; /* the highest that was ever stored */
};

struct store {
    char *dir;  /* owned */
    char *path; /* owned; of the database */
    int lock_fd;
    int domains_fd;
    /* From here to the mutex: the store thread's alone once it runs. */
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_N];
    struct marks marks;
    bool
        unclosed; /* the end of a job was not written: its intent stands in the way of later ones */
    int wal_pages;     /* pages in the log after the last commit */
    int checkpoint_at; /* the count of them that calls for a checkpoint */
    struct uuid_list copies_due;
    struct uuid_list copies_failed; /* tried again after retry_at_ms, or when asked */
    struct uuid_list copies_made;   /* the next transaction strikes them out */
    int64_t retry_at_ms;
    pthread_t thread;
    bool running; /* the thread was started */

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    pthread_cond_t settled;
    struct list queue; /* of struct store_batch */
    bool stopping;
    bool settle; /* somebody waits for the copies to be tried */
};

/* The log is carried into the database at this many pages (1 MiB), after the answers are out: the
 * commit that fills it does not pay for it. */
enum { STORE_CHECKPOINT_PAGES = 256 };

/* The store thread, from store_open to store_close; arg is the struct store. */
void *writer_run(void *arg);
/* SQLite's hook after a commit to the log, which then has `pages`. */
int writer_committed(void *arg, sqlite3 *db, const char *schema, int pages);

/* Runs a prepared statement that returns no row, and resets it. */
int store_run(struct store *s, enum stmt which, struct err *e) MUST_CHECK;

/* All domains and their images. With `db` a reader's own connection or the writer's. A record
 * that cannot be read whole has broken = REASON_RECORD_DAMAGED and says what is wrong. */
int read_domains(sqlite3 *db, const char *path, struct record ***ret, size_t *ret_count,
                 struct err *e) MUST_CHECK;
/* Gives each row without a usable uuid a fresh one, so that it can be addressed and deleted. */
int read_mend_uuids(sqlite3 *db, const char *path, struct err *e) MUST_CHECK;
/* All that store_open returns, the writer's marks, and the copies that are due. */
int read_contents(struct store *s, struct store_contents *contents, struct err *e) MUST_CHECK;

/* Makes the copies that are due, while nothing else waits; `deadline_ms` (monotonic, 0: none)
 * bounds it. On the store thread. */
void copies_make(struct store *s, int64_t deadline_ms);
/* True when copies_make has something to do now. */
bool copies_pending(const struct store *s);
/* True when a batch waits. Thread-safe. */
bool store_waiting(struct store *s);

#endif
