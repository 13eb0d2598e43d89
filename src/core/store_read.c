/* SPDX-License-Identifier: MIT */
#include "core/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* An array of owned pointers that grows. */
struct rows {
    void **items;
    size_t count;
};

static void rows_add(struct rows *rows, void *item)
{
    /* Doubles at powers of two. */
    if ((rows->count & (rows->count - 1)) == 0)
        rows->items =
            x_reallocarray(rows->items, rows->count ? rows->count * 2 : 1, sizeof *rows->items);
    rows->items[rows->count++] = item;
}

static void rows_reverse(struct rows *rows)
{
    for (size_t i = 0; i < rows->count / 2; i++) {
        void *item = rows->items[i];
        rows->items[i] = rows->items[rows->count - 1 - i];
        rows->items[rows->count - 1 - i] = item;
    }
}

/* Makes one item of the row at hand. */
typedef void *row_reader(sqlite3_stmt *stmt);

/* Runs a prepared query to its end, finalizes it, and gives its rows; on failure they are freed. */
static int collect(sqlite3 *db, const char *path, sqlite3_stmt *stmt, row_reader *read,
                   void (*free_item)(void *), struct rows *ret, struct err *e)
{
    struct rows rows = {0};
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        rows_add(&rows, read(stmt));
    if (rc != SQLITE_DONE)
        schema_fail(db, path, "read", e);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE) {
        *ret = rows;
        return 0;
    }
    for (size_t i = 0; i < rows.count; i++)
        free_item(rows.items[i]);
    free(rows.items);
    return -1;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *path, const char *sql, struct err *e)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        schema_fail(db, path, "read", e);
        return NULL;
    }
    return stmt;
}

static void *read_domain(sqlite3_stmt *stmt)
{
    AUTO_STR struct str complaint = {0};
    struct record *r = record_new();
    int image_at = (int)store_domain.count;

    schema_read(stmt, 0, &store_domain, r, &complaint);
    if (sqlite3_column_type(stmt, image_at) != SQLITE_NULL)
        schema_read(stmt, image_at, &store_image, r, &complaint);
    if (complaint.len == 0 && !ident_uuid_valid(r->uuid))
        str_addf(&complaint, "domain.uuid is \"%s\"", r->uuid);
    if (r->name[0] == '\0') {
        snprintf(r->name, sizeof r->name, "damaged-%.8s", r->uuid);
        if (complaint.len == 0)
            str_add(&complaint, "domain.name is missing");
    }
    if (!r->config && complaint.len == 0)
        str_add(&complaint, "domain.config is missing");
    char **const texts[] = {&r->config, &r->macs, &r->directory};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!*texts[i])
            *texts[i] = x_strdup(i < 2 ? "" : "/");
    if (complaint.len > 0) {
        r->state = ST_BROKEN;
        r->broken = REASON_RECORD_DAMAGED;
        x_replace(&r->reason_text,
                  x_asprintf("its record in the store is damaged: %s", complaint.data));
    }
    return r;
}

static void *read_job(sqlite3_stmt *stmt)
{
    AUTO_STR struct str complaint = {0};
    struct job_record *j = x_calloc(1, sizeof *j);

    /* A damaged job is history, or has an intent that the driver's answer settles: what can be
     * read of it is given. */
    schema_read(stmt, 0, &store_job, j, &complaint);
    return j;
}

static void *read_event(sqlite3_stmt *stmt)
{
    AUTO_STR struct str complaint = {0};
    struct event_record *ev = x_calloc(1, sizeof *ev);

    schema_read(stmt, 0, &store_event, ev, &complaint);
    return ev;
}

static void free_domain(void *item)
{
    record_free(item);
}

static void free_job(void *item)
{
    job_record_free(item);
}

static void free_event(void *item)
{
    event_record_free(item);
}

int read_domains(sqlite3 *db, const char *path, struct record ***ret, size_t *ret_count,
                 struct err *e)
{
    AUTO_STR struct str sql = {0};
    struct rows rows;

    str_add(&sql, "SELECT ");
    table_add_columns(&sql, &store_domain, "d");
    str_add(&sql, ", ");
    table_add_columns(&sql, &store_image, "i");
    str_add(&sql, " FROM domain d LEFT JOIN image i ON i.uuid = d.uuid ORDER BY d.rowid");
    sqlite3_stmt *stmt = prepare(db, path, sql.data, e);
    if (!stmt || collect(db, path, stmt, read_domain, free_domain, &rows, e) < 0)
        return -1;
    *ret = (struct record **)(void *)rows.items;
    *ret_count = rows.count;
    return 0;
}

static int read_jobs(sqlite3 *db, const char *path, const char *where, size_t max,
                     struct job_record ***ret, size_t *ret_count, struct err *e)
{
    AUTO_STR struct str sql = {0};
    struct rows rows;

    str_add(&sql, "SELECT ");
    table_add_columns(&sql, &store_job, "job");
    str_addf(&sql, " FROM job %s ORDER BY id DESC LIMIT ?1", where);
    sqlite3_stmt *stmt = prepare(db, path, sql.data, e);
    if (!stmt)
        return -1;
    sqlite3_bind_int64(stmt, 1, max > INT64_MAX ? INT64_MAX : (int64_t)max);
    if (collect(db, path, stmt, read_job, free_job, &rows, e) < 0)
        return -1;
    rows_reverse(&rows);
    *ret = (struct job_record **)(void *)rows.items;
    *ret_count = rows.count;
    return 0;
}

static void *read_uuid(sqlite3_stmt *stmt)
{
    const char *text = (const char *)sqlite3_column_text(stmt, 0);

    return x_strdup(text ? text : "");
}

static int read_uuids(sqlite3 *db, const char *path, const char *sql, struct uuid_list *to,
                      struct err *e)
{
    struct rows rows;
    sqlite3_stmt *stmt = prepare(db, path, sql, e);

    if (!stmt || collect(db, path, stmt, read_uuid, free, &rows, e) < 0)
        return -1;
    for (size_t i = 0; i < rows.count; i++) {
        if (ident_uuid_valid(rows.items[i]))
            uuid_list_add(to, rows.items[i]);
        free(rows.items[i]);
    }
    free(rows.items);
    return 0;
}

/* The rowid of a domain whose uuid is none, and what it has instead. */
struct nameless {
    int64_t rowid;
    char *was; /* owned */
};

static void *read_nameless(sqlite3_stmt *stmt)
{
    AUTO_STR struct str was = {0};
    char normal[IDENT_UUID_LEN + 1];
    const char *text = (const char *)sqlite3_column_text(stmt, 1);

    if (text && ident_uuid_valid(text)) {
        ident_uuid_normal(text, normal);
        if (str_eq(text, normal))
            return NULL;
    }
    struct nameless *n = x_calloc(1, sizeof *n);
    n->rowid = sqlite3_column_int64(stmt, 0);
    str_add_escaped(&was, text ? text : "", text ? strnlen(text, 40) : 0);
    n->was = str_take(&was);
    return n;
}

static void free_nameless(void *item)
{
    struct nameless *n = item;

    if (n)
        free(n->was);
    free(n);
}

static int mend(sqlite3 *db, const char *path, const struct nameless *n, struct err *e)
{
    static const char sql[] =
        "UPDATE domain SET uuid = ?1, broken = ?2, reason_text = ?3, state = ?4 WHERE rowid = ?5";
    char uuid[IDENT_UUID_LEN + 1];
    AUTO_FREE char *text =
        x_asprintf("its record in the store is damaged: domain.uuid was \"%s\"", n->was);
    sqlite3_stmt *stmt = prepare(db, path, sql, e);
    int result = 0;

    if (!stmt)
        return -1;
    ident_uuid_draw(uuid);
    sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, reason_name(REASON_RECORD_DAMAGED), -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, text, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 4, state_name(ST_BROKEN), -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, n->rowid);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        result = schema_fail(db, path, "write to", e);
    sqlite3_finalize(stmt);
    AUTO_FREE char *due = x_asprintf("INSERT OR IGNORE INTO copy_due VALUES('%s')", uuid);
    if (result == 0 && sqlite3_exec(db, due, NULL, NULL, NULL) != SQLITE_OK)
        result = schema_fail(db, path, "write to", e);
    return result;
}

int read_mend_uuids(sqlite3 *db, const char *path, struct err *e)
{
    struct rows rows;
    int result = 0;
    sqlite3_stmt *stmt = prepare(db, path, "SELECT rowid, uuid FROM domain", e);

    if (!stmt || collect(db, path, stmt, read_nameless, free_nameless, &rows, e) < 0)
        return -1;
    for (size_t i = 0; i < rows.count; i++) {
        if (rows.items[i] && result == 0)
            result = mend(db, path, rows.items[i], e);
        free_nameless(rows.items[i]);
    }
    free(rows.items);
    return result;
}

static int read_number(sqlite3 *db, const char *path, const char *sql, uint64_t *ret, struct err *e)
{
    sqlite3_stmt *stmt = prepare(db, path, sql, e);
    int result = 0;

    if (!stmt)
        return -1;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(stmt, 0);
        *ret = number > 0 ? (uint64_t)number : 0;
    } else {
        result = schema_fail(db, path, "read", e);
    }
    sqlite3_finalize(stmt);
    return result;
}

static int read_marks(sqlite3 *db, const char *path, struct marks *marks, struct err *e)
{
    const struct {
        const char *sql;
        uint64_t *to;
    } rows[] = {
        {"SELECT max(seq) FROM event",                                 &marks->events.last  },
        {"SELECT min(seq) - 1 FROM event",                             &marks->events.before},
        {"SELECT max(id) FROM job",                                    &marks->jobs.last    },
        {"SELECT min(id) - 1 FROM job WHERE outcome IS NOT 'running'", &marks->jobs.before  },
    };
    uint64_t domain_id = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (read_number(db, path, rows[i].sql, rows[i].to, e) < 0)
            return -1;
    if (read_number(db, path,
                    "SELECT max(ifnull((SELECT value FROM counter WHERE name = 'domain_id'), 0),"
                    " ifnull((SELECT max(id) FROM domain WHERE typeof(id) = 'integer'), 0))",
                    &domain_id, e) < 0)
        return -1;
    marks->domain_id = domain_id > UINT32_MAX ? UINT32_MAX : (unsigned)domain_id;
    return 0;
}

int read_contents(struct store *s, struct store_contents *contents, struct err *e)
{
    struct store_contents got = {0};

    if (read_domains(s->db, s->path, &got.domains, &got.domain_count, e) < 0)
        return -1;
    if (read_jobs(s->db, s->path, "WHERE outcome = 'running'", SIZE_MAX, &got.unfinished,
                  &got.unfinished_count, e) < 0 ||
        read_marks(s->db, s->path, &s->marks, e) < 0 ||
        read_uuids(s->db, s->path, "SELECT uuid FROM copy_due", &s->copies_due, e) < 0) {
        store_contents_finish(&got);
        return -1;
    }
    got.last_job_id = s->marks.jobs.last;
    got.last_seq = s->marks.events.last;
    got.last_domain_id = s->marks.domain_id;
    *contents = got;
    return 0;
}

void store_contents_finish(struct store_contents *contents)
{
    for (size_t i = 0; i < contents->domain_count; i++)
        record_free(contents->domains[i]);
    for (size_t i = 0; i < contents->unfinished_count; i++)
        job_record_free(contents->unfinished[i]);
    free(contents->domains);
    free(contents->unfinished);
    *contents = (struct store_contents){0};
}

static int read_events(sqlite3 *db, const char *path, const char *uuid, uint64_t after_seq,
                       int64_t since_ms, size_t max, struct rows *rows, struct err *e)
{
    AUTO_STR struct str sql = {0};

    str_add(&sql, "SELECT ");
    table_add_columns(&sql, &store_event, "event");
    str_add(&sql, " FROM event WHERE seq > ?1 AND at_ms >= ?2 AND (?3 IS NULL OR uuid = ?3)"
                  " ORDER BY seq DESC LIMIT ?4");
    sqlite3_stmt *stmt = prepare(db, path, sql.data, e);
    if (!stmt)
        return -1;
    sqlite3_bind_int64(stmt, 1, after_seq > INT64_MAX ? INT64_MAX : (int64_t)after_seq);
    sqlite3_bind_int64(stmt, 2, since_ms);
    sqlite3_bind_text(stmt, 3, uuid, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, max > INT64_MAX ? INT64_MAX : (int64_t)max);
    return collect(db, path, stmt, read_event, free_event, rows, e);
}

int store_events(struct store *s, const char *uuid, uint64_t after_seq, int64_t since_ms,
                 size_t max, struct event_record ***ret, size_t *ret_count, struct err *e)
{
    struct rows rows;
    sqlite3 *db;

    if (schema_connect(s->path, SQLITE_OPEN_READONLY, &db, e) < 0)
        return -1;
    int result = read_events(db, s->path, uuid, after_seq, since_ms, max, &rows, e);
    sqlite3_close(db);
    if (result < 0)
        return -1;
    rows_reverse(&rows);
    *ret = (struct event_record **)(void *)rows.items;
    *ret_count = rows.count;
    return 0;
}

int store_events_range(struct store *s, uint64_t *ret_first, uint64_t *ret_last, struct err *e)
{
    sqlite3 *db;

    if (schema_connect(s->path, SQLITE_OPEN_READONLY, &db, e) < 0)
        return -1;
    int result = read_number(db, s->path, "SELECT min(seq) FROM event", ret_first, e);
    if (result == 0)
        result = read_number(db, s->path, "SELECT max(seq) FROM event", ret_last, e);
    sqlite3_close(db);
    return result;
}

int store_jobs(struct store *s, size_t max, struct job_record ***ret, size_t *ret_count,
               struct err *e)
{
    sqlite3 *db;

    if (schema_connect(s->path, SQLITE_OPEN_READONLY, &db, e) < 0)
        return -1;
    int result = read_jobs(db, s->path, "", max, ret, ret_count, e);
    sqlite3_close(db);
    return result;
}

void config_versions_free(struct config_version *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].actor);
        free(list[i].text);
    }
    free(list);
}

int store_configs(struct store *s, const char *uuid, struct config_version **ret, size_t *ret_count,
                  struct err *e)
{
    static const char sql[] = "SELECT version, at_ms, text, actor FROM config WHERE uuid = ?1"
                              " ORDER BY version";
    struct config_version *list = x_calloc(STORE_CONFIGS_KEPT + 1, sizeof *list);
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int rc = SQLITE_ERROR;
    sqlite3 *db;

    if (schema_connect(s->path, SQLITE_OPEN_READONLY, &db, e) < 0) {
        free(list);
        return -1;
    }
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && count <= STORE_CONFIGS_KEPT) {
            const char *text = (const char *)sqlite3_column_text(stmt, 2);
            list[count].version = (uint64_t)sqlite3_column_int64(stmt, 0);
            list[count].at_ms = sqlite3_column_int64(stmt, 1);
            list[count].actor = x_strdup((const char *)sqlite3_column_text(stmt, 3));
            list[count++].text = x_strdup(text ? text : "");
        }
    }
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : schema_fail(db, s->path, "read", e);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    if (result < 0) {
        config_versions_free(list, count);
        return -1;
    }
    *ret = list;
    *ret_count = count;
    return 0;
}
