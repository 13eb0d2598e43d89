/* SPDX-License-Identifier: MIT */
#include "core/store_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* "reev": tells our database from another program's (sqlite3's PRAGMA application_id). */
enum { APPLICATION_ID = 0x72656576 };

/* Step i leads from user_version i to i + 1; what is released is never edited. The columns have
 * no constraints beyond their keys on purpose: quick_check enforces constraints, and one bad row
 * must make one domain broken, not refuse the whole file. */
static const char *const migrations[] = {
    "CREATE TABLE domain("
    " uuid TEXT PRIMARY KEY, name TEXT UNIQUE, managed INTEGER, macs TEXT,"
    " uid INTEGER, gid INTEGER, wanted TEXT, boot_id TEXT, id INTEGER, state TEXT, reason TEXT,"
    " reason_text TEXT, since_ms INTEGER, broken TEXT, saved_file TEXT, starts INTEGER,"
    " crashes INTEGER, directory TEXT, config TEXT);"
    "CREATE TABLE image("
    " uuid TEXT PRIMARY KEY, path TEXT, size_bytes INTEGER, memory_kib INTEGER,"
    " saved_at_ms INTEGER, was_paused INTEGER, driver TEXT);"
    "CREATE TABLE job("
    " id INTEGER PRIMARY KEY, verb TEXT, uuid TEXT, name TEXT, actor TEXT, phase TEXT,"
    " intent_path TEXT, outcome TEXT, started_ms INTEGER, ended_ms INTEGER, error TEXT);"
    "CREATE TABLE event("
    " seq INTEGER PRIMARY KEY, at_ms INTEGER, uuid TEXT, name TEXT, actor TEXT, verb TEXT,"
    " what TEXT, text TEXT);"
    /* Domains whose copy in domains/ may be behind: written with the change, struck out later. */
    "CREATE TABLE copy_due(uuid TEXT PRIMARY KEY);"
    /* Outlives the domain that had it, so that a number is not given twice. */
    "CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER);"
    "INSERT INTO counter VALUES('domain_id', 0);",
    /* Every config that a domain had, newest version last, at most STORE_CONFIGS_KEPT. */
    "CREATE TABLE config("
    " uuid TEXT, version INTEGER, at_ms INTEGER, text TEXT, PRIMARY KEY(uuid, version));"
    "INSERT INTO config SELECT uuid, 1, since_ms, config FROM domain;",
    /* What a live guest has, where the config waits for its next boot. */
    "ALTER TABLE domain ADD COLUMN live_config TEXT;"
    "ALTER TABLE domain ADD COLUMN live_directory TEXT;"
    "ALTER TABLE domain ADD COLUMN live_macs TEXT;",
    /* Who gave a config. */
    "ALTER TABLE config ADD COLUMN actor TEXT;",
    /* The restart limiter's, which outlive the daemon. */
    "ALTER TABLE domain ADD COLUMN quick_ends INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN ran_since_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN restart_at_ms INTEGER NOT NULL DEFAULT 0;",
    /* The host's stop and start. */
    "ALTER TABLE domain ADD COLUMN host_resume INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN host_paused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN host_boot TEXT NOT NULL DEFAULT '';",
    /* A guest's own reboots that have been noticed. */
    "ALTER TABLE domain ADD COLUMN own_reboots INTEGER NOT NULL DEFAULT 0;",
    /* A reboot that a killed daemon left to its guest. */
    "ALTER TABLE domain ADD COLUMN reboot_until_ms INTEGER NOT NULL DEFAULT 0;",
};

#define ROW(type, member, kind)                                                                    \
    {                                                                                              \
#member, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member)           \
    }
#define NAMED(name, type, member, kind)                                                            \
    {                                                                                              \
        name, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member)              \
    }

static const struct column domain_columns[] = {
    ROW(record, uuid, COL_CHARS),
    ROW(record, name, COL_CHARS),
    ROW(record, managed, COL_BOOL),
    ROW(record, macs, COL_TEXT),
    NAMED("uid", record, user.uid, COL_UNSIGNED),
    NAMED("gid", record, user.gid, COL_UNSIGNED),
    ROW(record, wanted, COL_STATE),
    ROW(record, boot_id, COL_CHARS),
    ROW(record, id, COL_UNSIGNED),
    ROW(record, state, COL_STATE),
    ROW(record, reason, COL_REASON),
    ROW(record, reason_text, COL_TEXT),
    ROW(record, since_ms, COL_INT64),
    ROW(record, broken, COL_REASON),
    ROW(record, saved_file, COL_TEXT),
    ROW(record, starts, COL_INT64),
    ROW(record, crashes, COL_INT64),
    ROW(record, quick_ends, COL_INT64),
    ROW(record, own_reboots, COL_INT64),
    ROW(record, ran_since_ms, COL_INT64),
    ROW(record, restart_at_ms, COL_INT64),
    ROW(record, reboot_until_ms, COL_INT64),
    ROW(record, host_resume, COL_BOOL),
    ROW(record, host_paused, COL_BOOL),
    ROW(record, host_boot, COL_CHARS),
    ROW(record, directory, COL_TEXT),
    ROW(record, config, COL_NEEDED),
    ROW(record, live_config, COL_TEXT),
    ROW(record, live_directory, COL_TEXT),
    ROW(record, live_macs, COL_TEXT),
};

static const struct column image_columns[] = {
    ROW(record, uuid, COL_CHARS),
    NAMED("path", record, image.path, COL_NEEDED),
    NAMED("size_bytes", record, image.size_bytes, COL_INT64),
    NAMED("memory_kib", record, image.memory_kib, COL_INT64),
    NAMED("saved_at_ms", record, image.saved_at_ms, COL_INT64),
    NAMED("was_paused", record, image.was_paused, COL_BOOL),
    NAMED("driver", record, image.driver, COL_CHARS),
};

static const struct column job_columns[] = {
    ROW(job_record, id, COL_INT64),         ROW(job_record, verb, COL_CHARS),
    ROW(job_record, uuid, COL_CHARS),       ROW(job_record, name, COL_CHARS),
    ROW(job_record, actor, COL_TEXT),       ROW(job_record, phase, COL_CHARS),
    ROW(job_record, intent_path, COL_TEXT), ROW(job_record, outcome, COL_OUTCOME),
    ROW(job_record, started_ms, COL_INT64), ROW(job_record, ended_ms, COL_INT64),
    ROW(job_record, error, COL_TEXT),
};

static const struct column event_columns[] = {
    ROW(event_record, seq, COL_INT64),  ROW(event_record, at_ms, COL_INT64),
    ROW(event_record, uuid, COL_CHARS), ROW(event_record, name, COL_CHARS),
    ROW(event_record, actor, COL_TEXT), ROW(event_record, verb, COL_TEXT),
    ROW(event_record, what, COL_TEXT),  ROW(event_record, text, COL_TEXT),
};

const struct table store_domain = {"domain", domain_columns, ARRAY_LEN(domain_columns)};
const struct table store_image = {"image", image_columns, ARRAY_LEN(image_columns)};
const struct table store_job = {"job", job_columns, ARRAY_LEN(job_columns)};
const struct table store_event = {"event", event_columns, ARRAY_LEN(event_columns)};

static const char *const outcome_names[] = {
    [JOB_RUNNING] = "running",         [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",           [JOB_CANCELLED] = "cancelled",
    [JOB_INTERRUPTED] = "interrupted",
};

/* Where `put` is set the text is made from the table's columns. */
static const struct {
    const char *sql;
    const struct table *put;
} statements[STMT_N] = {
    [STMT_BEGIN] = {"BEGIN IMMEDIATE",                                                                    NULL         },
    [STMT_COMMIT] = {"COMMIT",                                                                             NULL         },
    [STMT_ROLLBACK] = {"ROLLBACK",                                                                           NULL         },
    [STMT_PUT_DOMAIN] = {NULL,                                                                                 &store_domain},
    [STMT_PUT_IMAGE] = {NULL,                                                                                 &store_image },
    [STMT_PUT_JOB] = {NULL,                                                                                 &store_job   },
    [STMT_CLOSE_JOBS] = {"UPDATE job SET outcome = 'interrupted', ended_ms = ?3"
                         " WHERE uuid = ?1 AND id < ?2 AND outcome = 'running'",      NULL         },
    [STMT_PUT_EVENT] = {NULL,                                                                                 &store_event },
    [STMT_DROP_DOMAIN] = {"DELETE FROM domain WHERE uuid = ?1",                                                 NULL         },
    [STMT_DROP_IMAGE] = {"DELETE FROM image WHERE uuid = ?1",                                                  NULL         },
    [STMT_SAME_CONFIG] = {"SELECT 1 FROM domain WHERE uuid = ?1 AND config IS ?2",                              NULL         },
    [STMT_ADD_CONFIG] = {"INSERT INTO config SELECT ?1, coalesce(max(version), 0) + 1, ?3, ?2, ?4"
                         " FROM config WHERE uuid = ?1",                              NULL         },
    [STMT_PRUNE_CONFIG] = {"DELETE FROM config WHERE uuid = ?1 AND version <="
                           " (SELECT max(version) FROM config WHERE uuid = ?1) - ?2", NULL         },
    [STMT_DROP_CONFIG] = {"DELETE FROM config WHERE uuid = ?1",                                                 NULL         },
    [STMT_CONFIG] = {"SELECT config FROM domain WHERE uuid = ?1",                                          NULL         },
    [STMT_COPY_DUE] = {"INSERT OR IGNORE INTO copy_due VALUES(?1)",                                          NULL         },
    [STMT_COPY_MADE] = {"DELETE FROM copy_due WHERE uuid = ?1",                                               NULL         },
    [STMT_DOMAIN_ID] = {"INSERT OR REPLACE INTO counter VALUES('domain_id', ?1)",                             NULL         },
    [STMT_PRUNE_EVENTS] = {"DELETE FROM event WHERE seq <= ?1",                                                  NULL         },
    [STMT_PRUNE_JOBS] = {"DELETE FROM job WHERE id <= ?1 AND outcome IS NOT 'running'",                        NULL         },
};

void table_add_columns(struct str *sql, const struct table *t, const char *alias)
{
    for (size_t i = 0; i < t->count; i++)
        str_addf(sql, "%s%s.%s", i ? ", " : "", alias, t->columns[i].name);
}

static void add_put(struct str *sql, const struct table *t)
{
    /* By name, so that the order in the file and in the rows need not agree. */
    str_addf(sql, "INSERT INTO %s(", t->name);
    for (size_t i = 0; i < t->count; i++)
        str_addf(sql, "%s%s", i ? ", " : "", t->columns[i].name);
    str_add(sql, ") VALUES(");
    for (size_t i = 0; i < t->count; i++)
        str_addf(sql, "%s?%zu", i ? ", " : "", i + 1);
    str_addf(sql, ") ON CONFLICT(%s) DO UPDATE SET ", t->columns[0].name);
    for (size_t i = 1; i < t->count; i++)
        str_addf(sql, "%s%s = excluded.%s", i > 1 ? ", " : "", t->columns[i].name,
                 t->columns[i].name);
}

static int last_errno_of(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int errnum = 0;

    if (sqlite3_file_control(db, "main", which, &file) == SQLITE_OK && file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnum);
    return errnum;
}

/* A commit that fails in the log does not reach sqlite3_system_errno. */
static int last_errno(sqlite3 *db)
{
    int errnum = last_errno_of(db, SQLITE_FCNTL_JOURNAL_POINTER);

    if (errnum == 0)
        errnum = last_errno_of(db, SQLITE_FCNTL_FILE_POINTER);
    return errnum ? errnum : sqlite3_system_errno(db);
}

int schema_fail(sqlite3 *db, const char *path, const char *doing, struct err *e)
{
    int rc = sqlite3_extended_errcode(db);
    int errnum = 0;

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_set(e, ERR_NO_SPACE, "cannot %s %s: no space is left for it", doing, path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(e, ERR_DAMAGED, "cannot %s %s: %s", doing, path, sqlite3_errmsg(db));
    case SQLITE_CONSTRAINT:
        return err_set(e, ERR_EXISTS, "cannot %s %s: %s", doing, path, sqlite3_errmsg(db));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        errnum = last_errno(db);
        /* EFBIG: a limit on the size of files is as full as a full disk. */
        if (errnum)
            return err_errno(e, errnum == EFBIG ? ERR_NO_SPACE : ERR_FAILED, errnum, "cannot %s %s",
                             doing, path);
        break;
    default:
        break;
    }
    return err_set(e, ERR_FAILED, "cannot %s %s: %s", doing, path, sqlite3_errmsg(db));
}

int schema_damaged(const char *path, const char *why, struct err *e)
{
    return err_set(e, ERR_DAMAGED,
                   "the store %s %s; nothing was changed: restore it from a backup, or move it "
                   "and its -wal and -shm files away to start with none (domains/ beside it has "
                   "copies of the configs)",
                   path, why);
}

/* The same for what SQLite found. */
static int damaged_by(sqlite3 *db, const char *path, struct err *e)
{
    AUTO_FREE char *why = x_asprintf("is damaged (%s)", sqlite3_errmsg(db));

    return schema_damaged(path, why, e);
}

int schema_connect(const char *path, int flags, sqlite3 **ret_db, struct err *e)
{
    /* A small cache, as the daemon holds everything itself; no memory maps, as a failing disk
     * would then be a signal instead of an error. */
    static const char settings[] = "PRAGMA cache_size = -256; PRAGMA mmap_size = 0;"
                                   "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                                   "PRAGMA synchronous = FULL;";
    sqlite3 *db = NULL;

    /* NOMUTEX: a connection is used by one thread at a time. */
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        if (db)
            schema_fail(db, path, "open", e);
        else
            err_set(e, ERR_FAILED, "cannot open %s: out of memory", path);
        sqlite3_close(db);
        return -1;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    /* Closing must not carry the log into a file that is then found to be damaged. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(db, settings, NULL, NULL, NULL) != SQLITE_OK) {
        if (schema_fail(db, path, "open", e) < 0 && e->code == ERR_DAMAGED)
            damaged_by(db, path, e);
        sqlite3_close(db);
        return -1;
    }
    *ret_db = db;
    return 0;
}

/* The single number that a statement gives. */
static int ask_number(sqlite3 *db, const char *path, const char *sql, int *ret, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int result = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        *ret = sqlite3_column_int(stmt, 0);
        result = 0;
    } else {
        schema_fail(db, path, "read", e);
    }
    sqlite3_finalize(stmt);
    return result;
}

static int quick_check(sqlite3 *db, const char *path, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int result = 0;

    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        result = schema_fail(db, path, "check", e);
        if (e->code == ERR_DAMAGED)
            damaged_by(db, path, e);
    } else if (!str_eq((const char *)sqlite3_column_text(stmt, 0), "ok")) {
        AUTO_FREE char *why =
            x_asprintf("is damaged (%s)", (const char *)sqlite3_column_text(stmt, 0));
        for (char *at = why; *at; at++)
            if (*at == '\n')
                *at = ' ';
        result = schema_damaged(path, why, e);
    }
    sqlite3_finalize(stmt);
    return result;
}

int schema_check(sqlite3 *db, const char *path, struct err *e)
{
    const int newest = (int)ARRAY_LEN(migrations);
    int version = 0, application = 0, tables = 0;

    if (ask_number(db, path, "PRAGMA user_version", &version, e) < 0 ||
        ask_number(db, path, "PRAGMA application_id", &application, e) < 0 ||
        ask_number(db, path, "SELECT count(*) FROM sqlite_schema", &tables, e) < 0)
        return e->code == ERR_DAMAGED ? damaged_by(db, path, e) : -1;
    if (application != APPLICATION_ID && (version != 0 || tables != 0 || application != 0))
        return schema_damaged(path, "is a database of another program", e);
    if (version > newest) {
        AUTO_FREE char *why = x_asprintf("is of version %d, made by a newer reeved; this one "
                                         "knows versions up to %d",
                                         version, newest);
        return schema_damaged(path, why, e);
    }
    if (version < 0 || (application == APPLICATION_ID && version == 0))
        return schema_damaged(path, "is damaged (it has no version)", e);
    return quick_check(db, path, e);
}

/* WAL mode is asked for before the first table; it stays with the file. */
static int set_wal(sqlite3 *db, const char *path, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int result = 0;

    if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        result = schema_fail(db, path, "set up", e);
    else if (!str_eq((const char *)sqlite3_column_text(stmt, 0), "wal"))
        result = err_set(e, ERR_FAILED,
                         "cannot set up %s: its filesystem does not allow a write-ahead log; use "
                         "a local one",
                         path);
    sqlite3_finalize(stmt);
    return result;
}

int schema_migrate(sqlite3 *db, const char *path, struct err *e)
{
    int version = 0;

    if (set_wal(db, path, e) < 0 || ask_number(db, path, "PRAGMA user_version", &version, e) < 0)
        return -1;
    for (size_t i = (size_t)version; i < ARRAY_LEN(migrations); i++) {
        AUTO_FREE char *sql = x_asprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id = %d;"
                                         "PRAGMA user_version = %zu; COMMIT",
                                         migrations[i], APPLICATION_ID, i + 1);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
            schema_fail(db, path, "set up", e);
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    }
    /* What a burst made of the log is given back after it. */
    if (sqlite3_exec(db, "PRAGMA journal_size_limit = 1048576", NULL, NULL, NULL) != SQLITE_OK)
        return schema_fail(db, path, "set up", e);
    return 0;
}

int schema_prepare(sqlite3 *db, const char *path, sqlite3_stmt *stmts[STMT_N], struct err *e)
{
    for (size_t i = 0; i < STMT_N; i++) {
        AUTO_STR struct str made = {0};
        if (statements[i].put)
            add_put(&made, statements[i].put);
        const char *sql = statements[i].put ? made.data : statements[i].sql;
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmts[i], NULL) !=
            SQLITE_OK)
            /* SQLITE_ERROR of a fixed text: the tables are not ours. */
            return sqlite3_errcode(db) == SQLITE_ERROR ? damaged_by(db, path, e)
                                                       : schema_fail(db, path, "use", e);
    }
    return 0;
}

static const void *member(const void *base, const struct column *c)
{
    return (const char *)base + c->offset;
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

void schema_bind(sqlite3_stmt *stmt, const struct table *t, const void *base)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct column *c = &t->columns[i];
        const void *value = member(base, c);
        int at = (int)i + 1;
        switch (c->kind) {
        case COL_TEXT:
        case COL_NEEDED:
            bind_text(stmt, at, *(char *const *)value);
            break;
        case COL_CHARS:
            bind_text(stmt, at, value);
            break;
        case COL_BOOL:
            sqlite3_bind_int(stmt, at, *(const bool *)value);
            break;
        case COL_UNSIGNED:
            sqlite3_bind_int64(stmt, at, *(const unsigned *)value);
            break;
        case COL_INT64:
            sqlite3_bind_int64(stmt, at, *(const int64_t *)value);
            break;
        case COL_STATE:
            bind_text(stmt, at, state_name(*(const enum state *)value));
            break;
        case COL_REASON:
            bind_text(stmt, at, reason_name(*(const enum reason *)value));
            break;
        case COL_OUTCOME:
            bind_text(stmt, at, outcome_names[*(const enum job_phase_kind *)value]);
            break;
        case COL_N:
            break;
        }
    }
}

/* The column as text without NUL inside; NULL for anything else. */
static const char *column_text(sqlite3_stmt *stmt, int at)
{
    if (sqlite3_column_type(stmt, at) != SQLITE_TEXT)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(stmt, at);
    return text && strlen(text) == (size_t)sqlite3_column_bytes(stmt, at) ? text : NULL;
}

static bool read_text(sqlite3_stmt *stmt, int at, const struct column *c, void *value)
{
    const char *text = column_text(stmt, at);

    if (c->kind == COL_CHARS)
        return str_copy(value, c->size, text ? text : "") && text;
    x_replace((char **)value, x_strdup(text));
    return text || (c->kind == COL_TEXT && sqlite3_column_type(stmt, at) == SQLITE_NULL);
}

static bool read_number(sqlite3_stmt *stmt, int at, const struct column *c, void *value)
{
    int64_t most = c->kind == COL_BOOL ? 1 : c->kind == COL_UNSIGNED ? UINT_MAX : INT64_MAX;
    bool good = sqlite3_column_type(stmt, at) == SQLITE_INTEGER;
    int64_t number = good ? sqlite3_column_int64(stmt, at) : 0;

    good = good && number >= 0 && number <= most;
    if (!good)
        number = 0;
    if (c->kind == COL_BOOL)
        *(bool *)value = number != 0;
    else if (c->kind == COL_UNSIGNED)
        *(unsigned *)value = (unsigned)number;
    else
        *(int64_t *)value = number;
    return good;
}

/* A default for a word that cannot be read is one that starts nothing. */
static bool read_word(sqlite3_stmt *stmt, int at, const struct column *c, void *value)
{
    const char *word = column_text(stmt, at);

    if (c->kind == COL_STATE) {
        enum state state = word ? state_of(word) : ST_N;
        *(enum state *)value = state == ST_N ? ST_HALTED : state;
        return state != ST_N;
    }
    if (c->kind == COL_REASON) {
        enum reason reason = !word ? REASON_N : *word ? reason_of(word) : REASON_NONE;
        *(enum reason *)value = reason == REASON_N ? REASON_NONE : reason;
        return reason != REASON_N;
    }
    size_t i = 0;
    while (i < ARRAY_LEN(outcome_names) && !str_eq(word, outcome_names[i]))
        i++;
    bool good = i < ARRAY_LEN(outcome_names);
    *(enum job_phase_kind *)value = good ? (enum job_phase_kind)i : JOB_INTERRUPTED;
    return good;
}

static bool (*const readers[COL_N])(sqlite3_stmt *, int, const struct column *, void *) = {
    [COL_TEXT] = read_text,   [COL_NEEDED] = read_text,     [COL_CHARS] = read_text,
    [COL_BOOL] = read_number, [COL_UNSIGNED] = read_number, [COL_INT64] = read_number,
    [COL_STATE] = read_word,  [COL_REASON] = read_word,     [COL_OUTCOME] = read_word,
};

void schema_read(sqlite3_stmt *stmt, int first, const struct table *t, void *base,
                 struct str *complaint)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct column *c = &t->columns[i];
        int at = first + (int)i;
        if (readers[c->kind](stmt, at, c, (char *)base + c->offset))
            continue;
        const char *text = (const char *)sqlite3_column_text(stmt, at);
        str_addf(complaint, "%s%s.%s is ", complaint->len ? ", " : "", t->name, c->name);
        if (!text) {
            str_add(complaint, "missing");
            continue;
        }
        str_add(complaint, "\"");
        str_add_escaped(complaint, text, strnlen(text, 40));
        str_add(complaint, "\"");
    }
}
