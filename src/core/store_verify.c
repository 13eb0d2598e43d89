/* SPDX-License-Identifier: MIT */
#include "core/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

/* How long the findings may wait for copies that are still due. */
enum { SETTLE_S = 10 };

struct lines {
    char **items; /* owned, each owned */
    size_t count;
};

static void lines_add(struct lines *lines, char *line)
{
    lines->items = x_reallocarray(lines->items, lines->count + 1, sizeof *lines->items);
    lines->items[lines->count++] = line;
}

static void lines_finish(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

/* Has the store thread try all copies that are due, the failed ones too. */
static void settle(struct store *s)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SETTLE_S;
    pthread_mutex_lock(&s->mutex);
    s->settle = true;
    pthread_cond_signal(&s->wake);
    while (s->settle && pthread_cond_timedwait(&s->settled, &s->mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&s->mutex);
}

static int check_integrity(struct store *s, sqlite3 *db, struct lines *lines, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (!str_eq(text, "ok"))
            lines_add(lines, x_asprintf("%s: %s", s->path, text ? text : "?"));
        rc = SQLITE_OK;
    }
    int result = 0;
    if (rc != SQLITE_DONE && schema_fail(db, s->path, "check", e) < 0) {
        result = e->code == ERR_DAMAGED ? 0 : -1;
        if (result == 0)
            lines_add(lines, x_strdup(e->msg));
    }
    sqlite3_finalize(stmt);
    return result;
}

static void check_copy(struct store *s, const struct record *r, struct lines *lines)
{
    AUTO_FREE char *path = x_asprintf("%s/domains/%s.cfg", s->dir, r->uuid);
    AUTO_FREE char *text = NULL;
    const char *config = r->config ? r->config : "";
    size_t len, want = strlen(config);
    struct err e;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        lines_add(lines, x_asprintf("%s: %s is missing", r->name, path));
    else if (fs_read_file(path, want, &text, &len, &e) < 0 && e.code != ERR_TOO_LARGE)
        lines_add(lines, x_asprintf("%s: %s", r->name, e.msg));
    else if (!text || len != want || memcmp(text, config, want) != 0)
        lines_add(lines, x_asprintf("%s: %s differs from the config in the store", r->name, path));
}

static bool is_copy_of_one(const char *file, struct record *const *domains, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(file) == IDENT_UUID_LEN + 4 && str_starts(file, domains[i]->uuid) &&
            str_ends(file, ".cfg"))
            return true;
    return false;
}

static int check_strays(struct store *s, struct record *const *domains, size_t count,
                        struct lines *lines, struct err *e)
{
    AUTO_FREE char *path = fs_join(s->dir, "domains");
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", path);
    while ((entry = readdir(dir)))
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
            !is_copy_of_one(entry->d_name, domains, count)) {
            AUTO_STR struct str name = {0};
            str_add_escaped(&name, entry->d_name, strlen(entry->d_name));
            lines_add(lines, x_asprintf("%s/%s belongs to no domain", path, name.data));
        }
    closedir(dir);
    return 0;
}

static int check_all(struct store *s, sqlite3 *db, struct lines *lines, struct err *e)
{
    struct record **domains;
    size_t count;
    int result = -1;

    if (check_integrity(s, db, lines, e) < 0)
        return -1;
    if (read_domains(db, s->path, &domains, &count, e) < 0) {
        if (e->code != ERR_DAMAGED)
            return -1;
        lines_add(lines, x_strdup(e->msg));
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (domains[i]->broken == REASON_RECORD_DAMAGED)
            lines_add(lines,
                      x_asprintf("%s: %s", domains[i]->name,
                                 domains[i]->reason_text ? domains[i]->reason_text
                                                         : reason_text(REASON_RECORD_DAMAGED)));
        check_copy(s, domains[i], lines);
    }
    result = check_strays(s, domains, count, lines, e);
    for (size_t i = 0; i < count; i++)
        record_free(domains[i]);
    free(domains);
    return result;
}

int store_verify(struct store *s, char ***ret_lines, size_t *ret_count, struct err *e)
{
    struct lines lines = {0};
    sqlite3 *db;

    if (schema_connect(s->path, SQLITE_OPEN_READONLY, &db, e) < 0)
        return -1;
    /* A copy may be on its way: what is found at first counts only when it is found again after
     * the store thread had its turn. */
    int result = check_all(s, db, &lines, e);
    if (result == 0 && lines.count > 0) {
        lines_finish(&lines);
        settle(s);
        result = check_all(s, db, &lines, e);
    }
    sqlite3_close(db);
    if (result < 0) {
        lines_finish(&lines);
        return -1;
    }
    *ret_lines = lines.items;
    *ret_count = lines.count;
    return 0;
}
