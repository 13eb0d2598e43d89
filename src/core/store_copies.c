/* SPDX-License-Identifier: MIT */
/* The plain copies of the configs. A change of a config is committed with a row in copy_due, so
 * that a copy that a crash or a full disk prevented is made later; the row is struck out by the
 * first transaction after the copy (a lost strike makes the same copy again). */
#include "core/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

/* A copy that failed is tried again no sooner, and only when the thread is awake for a commit. */
enum { RETRY_MS = 30 * 1000 };

void uuid_list_add(struct uuid_list *l, const char *uuid)
{
    for (size_t i = 0; i < l->count; i++)
        if (str_eq(l->uuids[i], uuid))
            return;
    if ((l->count & (l->count - 1)) == 0)
        l->uuids = x_reallocarray(l->uuids, l->count ? l->count * 2 : 1, sizeof *l->uuids);
    str_copy(l->uuids[l->count++], sizeof *l->uuids, uuid);
}

void uuid_list_finish(struct uuid_list *l)
{
    free(l->uuids);
    *l = (struct uuid_list){0};
}

static int remove_copy(struct store *s, const char *name, struct err *e)
{
    if (unlinkat(s->domains_fd, name, 0) < 0)
        return errno == ENOENT ? 0 : err_errno(e, ERR_FAILED, errno, "cannot remove %s", name);
    return fs_sync_dir(s->domains_fd, name, e);
}

static int make_copy(struct store *s, const char *uuid, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[STMT_CONFIG];
    char name[IDENT_UUID_LEN + sizeof ".cfg"];
    int result;

    snprintf(name, sizeof name, "%s.cfg", uuid);
    sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const void *text = sqlite3_column_text(stmt, 0);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
        result = fs_replace(s->domains_fd, name, text ? text : "", len, 0600, e);
    } else if (rc == SQLITE_DONE) {
        result = remove_copy(s, name, e);
    } else {
        result = schema_fail(s->db, s->path, "read", e);
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return result;
}

bool copies_pending(const struct store *s)
{
    return s->copies_due.count > 0 ||
           (s->copies_failed.count > 0 && clock_mono_ms() >= s->retry_at_ms);
}

void copies_make(struct store *s, int64_t deadline_ms)
{
    if (s->copies_failed.count > 0 && clock_mono_ms() >= s->retry_at_ms) {
        for (size_t i = 0; i < s->copies_failed.count; i++)
            uuid_list_add(&s->copies_due, s->copies_failed.uuids[i]);
        s->copies_failed.count = 0;
    }
    while (s->copies_due.count > 0 && clock_left_ms(deadline_ms) != 0 && !store_waiting(s)) {
        /* A copy of its own: the lists move. */
        char uuid[IDENT_UUID_LEN + 1];
        struct err e;
        str_copy(uuid, sizeof uuid, s->copies_due.uuids[--s->copies_due.count]);
        if (make_copy(s, uuid, &e) == 0) {
            uuid_list_add(&s->copies_made, uuid);
            continue;
        }
        /* The commit stands; doctor shows what is missing. */
        log_warn("cannot keep the copy of a config in %s/domains: %s", s->dir, e.msg);
        uuid_list_add(&s->copies_failed, uuid);
        s->retry_at_ms = clock_mono_ms() + RETRY_MS;
    }
}
