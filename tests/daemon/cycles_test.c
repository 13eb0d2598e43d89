/* SPDX-License-Identifier: MIT */
/* A thousand domains that come and go, and two hundred suspends and resumes of one: afterwards the
 * daemon has as many descriptors, threads, children, files and rows as before, and no more memory.
 *   cycles_test REEVED */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "core/store.h"
#include "daemon/bench.h"

enum { CREATES = 1000, SUSPENDS = 200, WARM_UP = 80, MEMORY_SLACK_KIB = 4096 };

/* What must not grow. */
struct size {
    long fds, threads, children, files, rows;
    long memory_kib;
    bool measured; /* memory: not with AddressSanitizer, which keeps what is freed */
};

static struct bench bench;

static long entries(const char *path, bool deep)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    long count = 0;

    while (dir && (entry = readdir(dir))) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
            continue;
        count++;
        if (deep && entry->d_type == DT_DIR) {
            AUTO_FREE char *below = x_asprintf("%s/%s", path, entry->d_name);
            count += entries(below, true);
        }
    }
    if (dir)
        closedir(dir);
    return count;
}

static long status_of(pid_t pid, const char *key)
{
    AUTO_FREE char *path = x_asprintf("/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    char line[200];
    long value = -1;

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (str_starts(line, key) && line[strlen(key)] == ':')
            value = strtol(line + strlen(key) + 1, NULL, 10);
    fclose(f);
    assert_true(value >= 0);
    return value;
}

static long children_of(pid_t pid)
{
    AUTO_FREE char *path = x_asprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "r");
    long count = 0, child;

    while (f && fscanf(f, "%ld", &child) == 1)
        count++;
    if (f)
        fclose(f);
    return count;
}

static long number(const struct bench *b, const char *sql)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.db", b->state);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    long value = (long)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static struct size measure(const struct bench *b)
{
    AUTO_FREE char *fds = x_asprintf("/proc/%d/fd", (int)b->pid);
    struct size s = {.threads = status_of(b->pid, "Threads"),
                     .fds = entries(fds, false),
                     .children = children_of(b->pid),
                     .files = entries(b->dir, true),
                     .rows = number(b, "SELECT (SELECT count(*) FROM domain) +"
                                       " (SELECT count(*) FROM image) +"
                                       " (SELECT count(*) FROM config) +"
                                       " (SELECT count(*) FROM copy_due)"),
                     .memory_kib = status_of(b->pid, "VmRSS"),
                     .measured = status_of(b->pid, "VmSize") < 1L << 30};

    assert_true(number(b, "SELECT count(*) FROM event") <= STORE_EVENTS_KEPT * 2);
    assert_true(number(b, "SELECT count(*) FROM job") <= STORE_JOBS_KEPT * 2);
    return s;
}

static bool grown(const struct size *before, const struct size *now)
{
    return now->fds > before->fds || now->threads > before->threads ||
           now->children > before->children || now->files > before->files ||
           now->rows > before->rows ||
           (now->measured && now->memory_kib > before->memory_kib + MEMORY_SLACK_KIB);
}

static void creates(struct bench *b, int count)
{
    for (int i = 0; i < count; i++) {
        bench_define(b, "create", "passes", "");
        bench_do(b, "destroy", "%s", "{\"domain\":\"passes\"}");
    }
}

static void suspends(struct bench *b, int count)
{
    for (int i = 0; i < count; i++) {
        bench_do(b, "suspend", "%s", "{\"domain\":\"stays\"}");
        bench_do(b, "resume", "%s", "{\"domain\":\"stays\"}");
    }
}

static void test_nothing_grows(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_open(b);
    bench_start(b, NULL);
    bench_define(b, "new", "stays", "");
    bench_do(b, "start", "%s", "{\"domain\":\"stays\"}");
    creates(b, WARM_UP);
    suspends(b, WARM_UP);
    struct size before = measure(b);
    creates(b, CREATES);
    suspends(b, SUSPENDS);
    /* A thread, a connection or a copy of a config may be on its way out still. */
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    struct size now = measure(b);
    while (grown(&before, &now)) {
        if (bench_now_ms() > deadline)
            fail_msg("fds %ld to %ld, threads %ld to %ld, children %ld to %ld, files %ld to %ld, "
                     "rows %ld to %ld, memory %ld to %ld KiB",
                     before.fds, now.fds, before.threads, now.threads, before.children,
                     now.children, before.files, now.files, before.rows, now.rows,
                     before.memory_kib, now.memory_kib);
        poll(NULL, 0, 50);
        now = measure(b);
    }
    printf("# memory %ld to %ld KiB\n", before.memory_kib, now.memory_kib);
    assert_string_equal(bench_state(b, "stays"), "running");
    bench_tidy(b, false);
}

static int after(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_nothing_grows, after)};

    if (argc < 2) {
        fprintf(stderr, "usage: cycles_test REEVED\n");
        return 2;
    }
    bench_program(argv[1]);
    return cmocka_run_group_tests_name("cycles", tests, NULL, NULL);
}
