/* SPDX-License-Identifier: MIT */
/* The store: durable, whole or not at all, and careful with a file that it cannot trust. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/store.h"

#define UUID(last) "00000000-0000-4000-8000-00000000000" last

/* SQLite's own calls come here too: the program's symbol is found before libc's. */
static atomic_int syncs;

int fsync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

/* One state folder for each test. */
struct folder {
    char *dir;
    char *db;
};

static int set_up(void **state)
{
    struct folder *f = x_calloc(1, sizeof *f);
    char template[] = "/tmp/reeve-store-XXXXXX";

    if (!mkdtemp(template))
        return -1;
    f->dir = fs_join(template, "state");
    f->db = fs_join(f->dir, "reeve.db");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *f = *state;
    AUTO_FREE char *parent = NULL;
    struct err e;

    fs_split(f->dir, &parent);
    if (fs_remove_tree(AT_FDCWD, parent, &e) < 0)
        return -1;
    free(f->dir);
    free(f->db);
    free(f);
    return 0;
}

static struct store *open_store(const struct folder *f, struct store_contents *contents)
{
    struct store *s;
    struct err e;

    if (store_open(f->dir, &s, contents, &e) < 0)
        fail_msg("%s", e.msg);
    return s;
}

/* Opens, forgets the contents. */
static struct store *open_only(const struct folder *f)
{
    struct store_contents contents;
    struct store *s = open_store(f, &contents);

    store_contents_finish(&contents);
    return s;
}

static enum err_code open_refused(const struct folder *f, struct err *e)
{
    struct store *s;
    struct store_contents contents;

    if (store_open(f->dir, &s, &contents, e) == 0)
        fail_msg("%s was opened", f->dir);
    return e->code;
}

static struct record *make_record(const char *uuid, const char *name)
{
    struct record *r = record_new();

    str_copy(r->uuid, sizeof r->uuid, uuid);
    str_copy(r->name, sizeof r->name, name);
    r->config = x_asprintf("name = \"%s\"\nmemory = 64\n", name);
    r->managed = true;
    return r;
}

static struct store_batch *batch_of(const char *uuid, const char *name)
{
    struct store_batch *b = store_batch_new();
    struct record *r = make_record(uuid, name);

    store_put_domain(b, r);
    record_free(r);
    return b;
}

static void add_event(struct store_batch *b, const char *uuid, int64_t at_ms, const char *text)
{
    struct event_record ev = {.at_ms = at_ms, .name = "web1"};

    str_copy(ev.uuid, sizeof ev.uuid, uuid);
    ev.what = x_strdup("paused");
    ev.text = x_strdup(text);
    store_add_event(b, &ev);
    free(ev.what);
    free(ev.text);
}

static void commit(struct store *s, struct store_batch *b)
{
    struct err e;

    if (store_commit(s, b, &e) < 0)
        fail_msg("%s", e.msg);
}

static const struct record *find(const struct store_contents *contents, const char *uuid)
{
    for (size_t i = 0; i < contents->domain_count; i++)
        if (str_eq(contents->domains[i]->uuid, uuid))
            return contents->domains[i];
    return NULL;
}

/* The whole file; owned by the caller. */
static char *slurp(const char *path, size_t *ret_len)
{
    char *text;
    struct err e;

    if (fs_read_file(path, 64 * 1024 * 1024, &text, ret_len, &e) < 0)
        fail_msg("%s", e.msg);
    return text;
}

static void write_file(const char *path, const void *data, size_t len)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct err e;

    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, data, len, path, &e), 0);
}

/* Changes the closed database behind the store's back. */
static void run_sql(const struct folder *f, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void lines_free(char **lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i]);
    free(lines);
}

/* store_verify's findings, each ended by a line end; owned by the caller. */
static char *verify(struct store *s)
{
    struct str text = {0};
    char **lines;
    size_t count;
    struct err e;

    if (store_verify(s, &lines, &count, &e) < 0)
        fail_msg("%s", e.msg);
    for (size_t i = 0; i < count; i++)
        str_addf(&text, "%s\n", lines[i]);
    lines_free(lines, count);
    return str_take(&text);
}

static void assert_clean(struct store *s)
{
    AUTO_FREE char *findings = verify(s);

    assert_string_equal(findings, "");
}

static void assert_found(struct store *s, const char *part)
{
    AUTO_FREE char *findings = verify(s);

    if (!strstr(findings, part))
        fail_msg("\"%s\" is not in \"%s\"", part, findings);
}

static void test_new_store(void **state)
{
    const struct folder *f = *state;
    struct store_contents contents;
    struct store *s = open_store(f, &contents);
    struct stat st;

    assert_int_equal(contents.domain_count, 0);
    assert_int_equal(contents.last_job_id, 0);
    assert_int_equal(contents.last_seq, 0);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(f->db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    AUTO_FREE char *wal = x_asprintf("%s-wal", f->db);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_contents_finish(&contents);
    store_close(s);
    store_close(NULL);
}

static void test_reopen_gives_what_was_committed(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct record *r = make_record(UUID("1"), "web1");
    struct store_contents contents;

    r->directory = x_strdup("/srv/vm");
    r->macs = x_strdup("52:54:00:00:00:01 52:54:00:00:00:02");
    r->user = (struct fs_user){1000, 4294967295u};
    r->wanted = ST_RUNNING;
    str_copy(r->boot_id, sizeof r->boot_id, UUID("f"));
    r->id = 12;
    r->state = ST_SUSPENDED;
    r->reason = REASON_SUSPENDED;
    r->reason_text = x_strdup("because");
    r->since_ms = 1767225600123;
    r->broken = REASON_IMAGE_SPENT;
    r->image = (struct image_record){x_strdup("/images/x"), 5ull << 40, 65536, 99, true, "qemu"};
    r->saved_file = x_strdup("/tmp/saved");
    r->starts = 5;
    r->crashes = 2;
    struct store_batch *b = store_batch_new();
    store_put_domain(b, r);
    commit(s, b);
    store_close(s);

    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 1);
    assert_int_equal(contents.last_domain_id, 12);
    const struct record *got = contents.domains[0];
    assert_string_equal(got->uuid, r->uuid);
    assert_string_equal(got->name, "web1");
    assert_true(got->managed);
    assert_string_equal(got->config, r->config);
    assert_string_equal(got->directory, "/srv/vm");
    assert_string_equal(got->macs, r->macs);
    assert_int_equal(got->user.uid, 1000);
    assert_int_equal(got->user.gid, 4294967295u);
    assert_int_equal(got->wanted, ST_RUNNING);
    assert_string_equal(got->boot_id, UUID("f"));
    assert_int_equal(got->id, 12);
    assert_int_equal(got->state, ST_SUSPENDED);
    assert_int_equal(got->reason, REASON_SUSPENDED);
    assert_string_equal(got->reason_text, "because");
    assert_int_equal(got->since_ms, 1767225600123);
    assert_int_equal(got->broken, REASON_IMAGE_SPENT);
    assert_string_equal(got->image.path, "/images/x");
    assert_int_equal(got->image.size_bytes, 5ull << 40);
    assert_int_equal(got->image.memory_kib, 65536);
    assert_int_equal(got->image.saved_at_ms, 99);
    assert_true(got->image.was_paused);
    assert_string_equal(got->image.driver, "qemu");
    assert_string_equal(got->saved_file, "/tmp/saved");
    assert_int_equal(got->starts, 5);
    assert_int_equal(got->crashes, 2);
    store_contents_finish(&contents);
    record_free(r);
    store_close(s);
}

static void test_update_and_delete(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct record *r = make_record(UUID("1"), "web1");
    struct store_contents contents;

    r->id = 7;
    r->image.path = x_strdup("/images/x");
    struct store_batch *b = store_batch_new();
    store_put_domain(b, r);
    commit(s, b);
    free(r->image.path);
    r->image.path = NULL;
    str_copy(r->name, sizeof r->name, "web2");
    b = store_batch_new();
    store_put_domain(b, r);
    commit(s, b);
    store_close(s);

    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 1);
    assert_string_equal(contents.domains[0]->name, "web2");
    assert_null(contents.domains[0]->image.path);
    store_contents_finish(&contents);
    b = store_batch_new();
    store_delete_domain(b, UUID("1"));
    commit(s, b);
    store_close(s);

    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 0);
    /* The number is not given again. */
    assert_int_equal(contents.last_domain_id, 7);
    store_contents_finish(&contents);
    store_close(s);
    record_free(r);
}

static void test_a_batch_is_whole_or_not_at_all(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct store_contents contents;
    struct err e;

    commit(s, batch_of(UUID("1"), "web1"));
    struct store_batch *b = batch_of(UUID("2"), "web2");
    add_event(b, UUID("2"), 1, "not to be seen");
    struct record *same_name = make_record(UUID("3"), "web1");
    store_put_domain(b, same_name);
    record_free(same_name);
    assert_int_equal(store_commit(s, b, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    assert_string_equal(e.msg, "cannot store web1: another domain has that name");

    assert_int_equal(store_commit(s, batch_of("no-uuid", "web3"), &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    commit(s, batch_of(UUID("4"), "web4"));
    store_close(s);

    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 2);
    assert_non_null(find(&contents, UUID("1")));
    assert_non_null(find(&contents, UUID("4")));
    assert_int_equal(contents.last_seq, 0);
    store_contents_finish(&contents);
    store_close(s);
}

/* Holds the store thread in a callback, so that what is submitted meanwhile is one group. */
struct gate {
    pthread_barrier_t held;
    pthread_barrier_t go;
};

static void wait_at_gate(void *arg, const struct err *failure UNUSED, uint64_t seq UNUSED)
{
    struct gate *gate = arg;

    pthread_barrier_wait(&gate->held);
    pthread_barrier_wait(&gate->go);
}

static void gate_close(struct gate *gate, struct store *s)
{
    pthread_barrier_init(&gate->held, NULL, 2);
    pthread_barrier_init(&gate->go, NULL, 2);
    store_submit(s, store_batch_new(), wait_at_gate, gate);
    pthread_barrier_wait(&gate->held);
}

static void gate_open(struct gate *gate)
{
    pthread_barrier_wait(&gate->go);
}

static void gate_finish(struct gate *gate)
{
    pthread_barrier_destroy(&gate->held);
    pthread_barrier_destroy(&gate->go);
}

/* What a callback was told; read after a later commit or close. */
struct told {
    int calls;
    enum err_code code;
    uint64_t first_seq;
};

static void tell(void *arg, const struct err *failure, uint64_t first_seq)
{
    struct told *told = arg;

    told->calls++;
    told->code = failure ? failure->code : ERR_NONE;
    told->first_seq = first_seq;
}

static void test_a_group_is_one_commit(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct told told[200] = {0};
    struct gate gate;

    gate_close(&gate, s);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct store_batch *b = store_batch_new();
        add_event(b, "", 1, "one of many");
        add_event(b, "", 1, "and another");
        store_submit(s, b, tell, &told[i]);
    }
    atomic_store(&syncs, 0);
    gate_open(&gate);
    commit(s, store_batch_new());
    /* One for the group, and as many for a commit that came after it; not hundreds. */
    assert_in_range(atomic_load(&syncs), 1, 4);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].code, ERR_NONE);
        assert_int_equal(told[i].first_seq, 2 * i + 1);
    }
    gate_finish(&gate);
    store_close(s);
}

static void test_a_bad_batch_fails_alone(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct store_contents contents;
    struct told told[3] = {0};
    struct gate gate;

    commit(s, batch_of(UUID("1"), "web1"));
    gate_close(&gate, s);
    struct store_batch *b = batch_of(UUID("2"), "web2");
    add_event(b, UUID("2"), 1, "first");
    store_submit(s, b, tell, &told[0]);
    b = batch_of(UUID("3"), "web1");
    add_event(b, UUID("3"), 1, "never");
    store_submit(s, b, tell, &told[1]);
    b = batch_of(UUID("4"), "web4");
    add_event(b, UUID("4"), 1, "second");
    store_submit(s, b, tell, &told[2]);
    gate_open(&gate);
    store_close(s);
    gate_finish(&gate);
    assert_int_equal(told[0].code, ERR_NONE);
    assert_int_equal(told[0].first_seq, 1);
    assert_int_equal(told[1].code, ERR_EXISTS);
    assert_int_equal(told[1].first_seq, 0);
    assert_int_equal(told[2].code, ERR_NONE);
    assert_int_equal(told[2].first_seq, 2);

    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 3);
    assert_null(find(&contents, UUID("3")));
    assert_int_equal(contents.last_seq, 2);
    store_contents_finish(&contents);
    store_close(s);
}

enum { THREADS = 8, COMMITS = 40 };

struct worker {
    struct store *s;
    int number;
    int failures;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct err e;

    for (int i = 0; i < COMMITS; i++) {
        AUTO_FREE char *uuid = x_asprintf("00000000-0000-4000-8000-%06d%06d", w->number, i);
        AUTO_FREE char *name = x_asprintf("d%d-%d", w->number, i);
        struct store_batch *b = batch_of(uuid, name);
        add_event(b, uuid, i, name);
        if (store_commit(w->s, b, &e) < 0)
            w->failures++;
    }
    return NULL;
}

static void test_eight_threads(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct worker workers[THREADS];
    struct store_contents contents;

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.s = s, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_clean(s);
    store_close(s);
    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, THREADS * COMMITS);
    assert_int_equal(contents.last_seq, THREADS * COMMITS);
    store_contents_finish(&contents);
    store_close(s);
}

/* Commits in a loop, and reports each commit through the pipe once it is acknowledged. */
static void NORETURN commit_until_killed(const struct folder *f, int fd)
{
    struct store *s;
    struct store_contents contents;
    struct err e;

    if (store_open(f->dir, &s, &contents, &e) < 0)
        _exit(1);
    for (int i = 0;; i++) {
        AUTO_FREE char *config = x_asprintf("memory = %d\n", i);
        struct record *r = make_record(UUID("1"), "web1");
        struct store_batch *b = store_batch_new();
        free(r->config);
        r->config = TAKE(config);
        r->starts = (uint64_t)i;
        store_put_domain(b, r);
        add_event(b, UUID("1"), i, "step");
        record_free(r);
        if (store_commit(s, b, &e) < 0 || write(fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void test_kill_loses_no_acknowledged_commit(void **state)
{
    const struct folder *f = *state;
    uint64_t seen = 0;

    for (int round = 0; round < 5; round++) {
        int fds[2], last = -1, i;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0)
            commit_until_killed(f, fds[1]);
        assert_true(pid > 0);
        close(fds[1]);
        for (int n = 0; n < 20 + round; n++)
            assert_int_equal(read(fds[0], &last, sizeof last), (int)sizeof last);
        kill(pid, SIGKILL);
        /* What it still reported before it died counts too. */
        while (read(fds[0], &i, sizeof i) == sizeof i)
            last = i;
        close(fds[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);

        struct store_contents contents;
        struct store *s = open_store(f, &contents);
        assert_int_equal(contents.domain_count, 1);
        const struct record *r = contents.domains[0];
        /* The last one may be there without its report. */
        assert_in_range(r->starts, (uint64_t)last, (uint64_t)last + 1);
        AUTO_FREE char *config = x_asprintf("memory = %" PRIu64 "\n", r->starts);
        assert_string_equal(r->config, config);
        assert_int_equal(contents.last_seq, seen + r->starts + 1);
        seen = contents.last_seq;
        store_contents_finish(&contents);
        assert_clean(s);
        store_close(s);
    }
}

/* Opening is refused as damaged, says `part`, and leaves the bytes as they are. */
static void assert_refused_unchanged(const struct folder *f, const char *part)
{
    size_t len, len_after;
    AUTO_FREE char *before = slurp(f->db, &len);
    struct err e;

    assert_int_equal(open_refused(f, &e), ERR_DAMAGED);
    if (!strstr(e.msg, part) || !strstr(e.msg, f->db))
        fail_msg("\"%s\" is not in \"%s\"", part, e.msg);
    AUTO_FREE char *after = slurp(f->db, &len_after);
    assert_int_equal(len, len_after);
    assert_memory_equal(before, after, len);
}

static void fill_store(const struct folder *f)
{
    struct store *s = open_only(f);

    for (int i = 0; i < 100; i++) {
        AUTO_FREE char *uuid = x_asprintf("00000000-0000-4000-8000-%012d", i);
        AUTO_FREE char *name = x_asprintf("d%d", i);
        struct store_batch *b = batch_of(uuid, name);
        store_submit(s, b, NULL, NULL);
    }
    store_close(s);
}

static void test_random_bytes_are_refused(void **state)
{
    const struct folder *f = *state;
    unsigned char bytes[10000];
    unsigned seed = 1;

    fill_store(f);
    for (size_t i = 0; i < sizeof bytes; i++) {
        seed = seed * 1103515245u + 12345u;
        bytes[i] = (unsigned char)(seed >> 16);
    }
    write_file(f->db, bytes, sizeof bytes);
    assert_refused_unchanged(f, "not a database");
    write_file(f->db, bytes, 10);
    assert_refused_unchanged(f, "not a database");
}

static void test_truncated_is_refused(void **state)
{
    const struct folder *f = *state;
    size_t len;

    fill_store(f);
    AUTO_FREE char *whole = slurp(f->db, &len);
    const size_t lengths[] = {len - 1, len / 2, 4096, 1000, 100};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        write_file(f->db, whole, lengths[i]);
        assert_refused_unchanged(f, "nothing was changed");
    }
    /* Empty is not new when there were domains. */
    write_file(f->db, "", 0);
    assert_refused_unchanged(f, "is empty");
    write_file(f->db, whole, len);
    store_close(open_only(f));
}

static void test_overwritten_page_is_refused(void **state)
{
    const struct folder *f = *state;
    size_t len;

    fill_store(f);
    AUTO_FREE char *whole = slurp(f->db, &len);
    assert_true(len > 3 * 4096);
    memset(whole + 4096, 0x5a, 4096);
    write_file(f->db, whole, len);
    assert_refused_unchanged(f, "nothing was changed");
}

/* Whatever a few wrong bytes do, the store opens or is refused; a refused file stays as it is. */
static void test_flipped_bytes(void **state)
{
    const struct folder *f = *state;
    size_t len;
    unsigned seed = 42;
    int refused = 0;

    fill_store(f);
    AUTO_FREE char *whole = slurp(f->db, &len);
    for (int round = 0; round < 60; round++) {
        AUTO_FREE char *bytes = x_malloc(len);
        memcpy(bytes, whole, len);
        for (int n = 0; n < 8; n++) {
            seed = seed * 1103515245u + 12345u;
            bytes[(seed >> 4) % len] ^= (char)(1 << (seed >> 29));
        }
        write_file(f->db, bytes, len);
        struct store *s;
        struct store_contents contents;
        struct err e;
        if (store_open(f->dir, &s, &contents, &e) == 0) {
            store_contents_finish(&contents);
            store_close(s);
            continue;
        }
        refused++;
        if (e.code != ERR_DAMAGED)
            fail_msg("%s", e.msg);
        size_t len_after;
        AUTO_FREE char *after = slurp(f->db, &len_after);
        assert_int_equal(len, len_after);
        assert_memory_equal(bytes, after, len);
    }
    assert_in_range(refused, 1, 60);
}

static void test_newer_version_is_refused(void **state)
{
    const struct folder *f = *state;

    fill_store(f);
    run_sql(f, "PRAGMA user_version = 999");
    assert_refused_unchanged(f, "version 999");
}

static void test_foreign_database_is_refused(void **state)
{
    const struct folder *f = *state;

    assert_int_equal(mkdir(f->dir, 0700), 0);
    run_sql(f, "CREATE TABLE bookmarks(url TEXT)");
    assert_refused_unchanged(f, "another program");
}

static void test_missing_table_is_refused(void **state)
{
    const struct folder *f = *state;
    struct err e;

    fill_store(f);
    run_sql(f, "DROP TABLE domain");
    assert_int_equal(open_refused(f, &e), ERR_DAMAGED);
    assert_non_null(strstr(e.msg, "domain"));
}

static void test_a_log_without_its_store_is_refused(void **state)
{
    const struct folder *f = *state;
    AUTO_FREE char *wal = x_asprintf("%s-wal", f->db);
    struct err e;

    fill_store(f);
    assert_int_equal(unlink(f->db), 0);
    write_file(wal, "something", 9);
    assert_int_equal(open_refused(f, &e), ERR_DAMAGED);
    assert_int_equal(access(f->db, F_OK), -1);
    assert_int_equal(access(wal, F_OK), 0);
    /* Moved away whole, a new one begins. */
    assert_int_equal(unlink(wal), 0);
    struct store *s = open_only(f);
    assert_found(s, "belongs to no domain");
    store_close(s);
}

static void test_second_open_is_busy(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct err e;

    AUTO_FREE char *want = x_asprintf("another reeved (pid %ld) uses %s", (long)getpid(), f->dir);
    assert_int_equal(open_refused(f, &e), ERR_BUSY);
    assert_string_equal(e.msg, want);
    store_close(s);
    store_close(open_only(f));
}

static void test_open_in_another_process_is_busy(void **state)
{
    const struct folder *f = *state;
    int fds[2];
    char byte;
    struct err e;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s;
        struct store_contents contents;
        if (store_open(f->dir, &s, &contents, &e) < 0 || write(fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    AUTO_FREE char *want = x_asprintf("another reeved (pid %ld) uses %s", (long)pid, f->dir);
    assert_int_equal(open_refused(f, &e), ERR_BUSY);
    assert_string_equal(e.msg, want);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    store_close(open_only(f));
}

/* The child that a killed daemon had forked and that is not yet another program has the lock, too.
 */
static void test_open_waits_for_a_child_of_a_dead_one(void **state)
{
    const struct folder *f = *state;
    int64_t begun = clock_mono_ms();
    struct err e;

    pid_t pid = fork();
    if (pid == 0) {
        struct store *s;
        struct store_contents contents;
        if (store_open(f->dir, &s, &contents, &e) < 0)
            _exit(1);
        if (fork() == 0) {
            poll(NULL, 0, 500);
            _exit(0);
        }
        _exit(0);
    }
    assert_true(pid > 0);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    store_close(open_only(f));
    assert_true(clock_mono_ms() - begun >= 500);
}

/* One statement that spoils the record of UUID("1"), and what is said of it. */
static const struct {
    const char *sql;
    const char *said;
} spoilers[] = {
    {"UPDATE domain SET wanted = 'flying' WHERE name = 'web1'",           "domain.wanted is \"flying\""},
    {"UPDATE domain SET state = 7 WHERE name = 'web1'",                   "domain.state is \"7\""      },
    {"UPDATE domain SET reason = NULL WHERE name = 'web1'",               "domain.reason is missing"   },
    {"UPDATE domain SET config = NULL WHERE name = 'web1'",               "domain.config is missing"   },
    {"UPDATE domain SET id = -4 WHERE name = 'web1'",                     "domain.id is \"-4\""        },
    {"UPDATE domain SET id = 4294967296 WHERE name = 'web1'",             "domain.id is \"4294967296\""},
    {"UPDATE domain SET managed = 'yes' WHERE name = 'web1'",             "domain.managed is \"yes\""  },
    {"UPDATE domain SET boot_id = hex(zeroblob(50)) WHERE name = 'web1'",
     "domain.boot_id is \"0000"                                                                        },
    {"UPDATE domain SET directory = x'00ff' WHERE name = 'web1'",         "domain.directory is"        },
    {"UPDATE domain SET name = NULL WHERE name = 'web1'",                 "domain.name is missing"     },
    {"INSERT INTO image(uuid) VALUES('" UUID("1") "')",                   "image.path is missing"      },
    {"UPDATE domain SET broken = 'tired' WHERE name = 'web1'",            "domain.broken is \"tired\"" },
};

static void test_a_bad_record_is_one_broken_domain(void **state)
{
    const struct folder *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(spoilers); i++) {
        struct store_contents contents;
        struct store *s = open_only(f);
        struct store_batch *b = batch_of(UUID("1"), "web1");
        struct record *other = make_record(UUID("2"), "web2");
        store_put_domain(b, other);
        record_free(other);
        commit(s, b);
        store_close(s);
        run_sql(f, spoilers[i].sql);

        s = open_store(f, &contents);
        assert_int_equal(contents.domain_count, 2);
        const struct record *bad = find(&contents, UUID("1"));
        assert_non_null(bad);
        assert_int_equal(bad->broken, REASON_RECORD_DAMAGED);
        if (!strstr(bad->reason_text, spoilers[i].said))
            fail_msg("\"%s\" is not in \"%s\"", spoilers[i].said, bad->reason_text);
        assert_true(bad->name[0] != '\0');
        assert_int_equal(find(&contents, UUID("2"))->broken, REASON_NONE);
        assert_found(s, spoilers[i].said);
        /* It can be deleted, or written anew. */
        b = store_batch_new();
        store_delete_domain(b, UUID("1"));
        commit(s, b);
        store_contents_finish(&contents);
        assert_clean(s);
        store_close(s);
    }
}

static void test_a_bad_uuid_gets_a_new_one(void **state)
{
    const struct folder *f = *state;
    struct store_contents contents;
    struct store *s = open_only(f);

    commit(s, batch_of(UUID("1"), "web1"));
    commit(s, batch_of(UUID("2"), "web2"));
    store_close(s);
    run_sql(f, "UPDATE domain SET uuid = '../../etc' WHERE name = 'web1';"
               "UPDATE domain SET uuid = NULL WHERE name = 'web2'");
    char uuids[2][IDENT_UUID_LEN + 1];
    for (int round = 0; round < 2; round++) {
        s = open_store(f, &contents);
        assert_int_equal(contents.domain_count, 2);
        for (size_t i = 0; i < 2; i++) {
            const struct record *r = contents.domains[i];
            assert_true(ident_uuid_valid(r->uuid));
            assert_int_equal(r->broken, REASON_RECORD_DAMAGED);
            assert_non_null(strstr(r->reason_text, "domain.uuid was"));
            assert_non_null(r->config);
            /* The same one at the next start. */
            if (round == 1)
                assert_string_equal(r->uuid, uuids[i]);
            str_copy(uuids[i], sizeof uuids[i], r->uuid);
        }
        store_contents_finish(&contents);
        AUTO_FREE char *findings = verify(s);
        assert_null(strstr(findings, "is missing"));
        store_close(s);
    }
}

/* The child's part: fills up to the limit, then goes on after it was lifted. */
static int fill_the_disk(const struct folder *f)
{
    struct rlimit limit = {256 * 1024, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct store *s;
    struct store_contents contents;
    struct err e;
    int stored = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (store_open(f->dir, &s, &contents, &e) < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 101;
    AUTO_FREE char *big = x_malloc(20001);
    memset(big, 'x', 20000);
    big[20000] = '\0';
    for (;; stored++) {
        struct store_batch *b = store_batch_new();
        add_event(b, "", stored, big);
        if (store_commit(s, b, &e) < 0)
            break;
        if (stored == 100)
            return 102;
    }
    if (e.code != ERR_NO_SPACE) {
        fprintf(stderr, "%s\n", e.msg);
        return 103;
    }
    /* Still full, and still answering. */
    struct store_batch *b = store_batch_new();
    add_event(b, "", 0, big);
    if (store_commit(s, b, &e) == 0 || e.code != ERR_NO_SPACE)
        return 104;
    struct event_record **events;
    size_t count;
    if (store_events(s, NULL, 0, 0, SIZE_MAX, &events, &count, &e) < 0 || (int)count != stored)
        return 105;
    if (setrlimit(RLIMIT_FSIZE, &none) < 0)
        return 106;
    b = store_batch_new();
    add_event(b, "", 0, "there is room again");
    if (store_commit(s, b, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 107;
    }
    store_close(s);
    return stored + 1;
}

static int wait_status(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_full_disk(void **state)
{
    const struct folder *f = *state;
    struct store_contents contents;

    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_the_disk(f));
    int stored = wait_status(pid);
    assert_in_range(stored, 2, 100);
    struct store *s = open_store(f, &contents);
    assert_int_equal(contents.last_seq, stored);
    store_contents_finish(&contents);
    assert_clean(s);
    store_close(s);
}

static void events_free(struct event_record **events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        event_record_free(events[i]);
    free(events);
}

/* Asks for events and expects the given sequence numbers, first to last in steps. */
static void assert_events(struct store *s, const char *uuid, uint64_t after, int64_t since,
                          size_t max, uint64_t first, uint64_t step, size_t want)
{
    struct event_record **events;
    size_t count;
    struct err e;

    if (store_events(s, uuid, after, since, max, &events, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(count, want);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(events[i]->seq, first + i * step);
        assert_string_equal(events[i]->what, "paused");
        assert_null(events[i]->actor);
    }
    events_free(events, count);
}

static void test_events_are_read_in_pages(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);

    for (int i = 0; i < 50; i++) {
        struct store_batch *b = store_batch_new();
        add_event(b, UUID("1"), 1000 + 2 * i, "odd");
        add_event(b, UUID("2"), 1000 + 2 * i + 1, "even");
        commit(s, b);
    }
    assert_events(s, NULL, 0, 0, SIZE_MAX, 1, 1, 100);
    assert_events(s, NULL, 0, 0, 10, 91, 1, 10);
    assert_events(s, NULL, 95, 0, SIZE_MAX, 96, 1, 5);
    assert_events(s, NULL, 100, 0, SIZE_MAX, 0, 1, 0);
    assert_events(s, NULL, UINT64_MAX, 0, SIZE_MAX, 0, 1, 0);
    assert_events(s, UUID("2"), 0, 0, SIZE_MAX, 2, 2, 50);
    assert_events(s, UUID("2"), 0, 0, 3, 96, 2, 3);
    assert_events(s, NULL, 0, 1090, SIZE_MAX, 91, 1, 10);
    assert_events(s, UUID("9"), 0, 0, SIZE_MAX, 0, 1, 0);
    assert_events(s, NULL, 0, 0, 0, 0, 1, 0);
    store_close(s);
}

static void test_events_are_pruned(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct store_contents contents;
    const size_t total = STORE_EVENTS_KEPT + 3000;
    struct event_record **events;
    size_t count;
    struct err e;

    for (size_t i = 0; i < total;) {
        struct store_batch *b = store_batch_new();
        for (int n = 0; n < 500; n++, i++)
            add_event(b, "", 1, "again");
        commit(s, b);
    }
    if (store_events(s, NULL, 0, 0, SIZE_MAX, &events, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_in_range(count, STORE_EVENTS_KEPT * 9 / 10, STORE_EVENTS_KEPT);
    assert_int_equal(events[count - 1]->seq, total);
    assert_int_equal(events[0]->seq, total - count + 1);
    events_free(events, count);
    store_close(s);
    s = open_store(f, &contents);
    assert_int_equal(contents.last_seq, total);
    store_contents_finish(&contents);
    store_close(s);
}

static void put_job(struct store_batch *b, uint64_t id, enum job_phase_kind outcome)
{
    struct job_record j = {.id = id, .verb = "save", .name = "web1", .phase = "save.stopped"};

    j.actor = x_strdup("uid 1000 (reeve)");
    j.intent_path = x_strdup("/images/x.new");
    j.error = outcome == JOB_FAILED ? x_strdup("{\"code\":\"no-space\"}") : NULL;
    j.outcome = outcome;
    j.started_ms = 5;
    j.ended_ms = outcome == JOB_RUNNING ? 0 : 6;
    str_copy(j.uuid, sizeof j.uuid, UUID("1"));
    store_put_job(b, &j);
    free(j.actor);
    free(j.intent_path);
    free(j.error);
}

static void jobs_free(struct job_record **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        job_record_free(jobs[i]);
    free(jobs);
}

static void test_unfinished_jobs_come_back(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct store_contents contents;
    struct job_record **jobs;
    size_t count;
    struct err e;

    struct store_batch *b = store_batch_new();
    put_job(b, 1, JOB_RUNNING);
    put_job(b, 2, JOB_RUNNING);
    put_job(b, 3, JOB_FAILED);
    put_job(b, 1, JOB_DONE);
    commit(s, b);
    store_close(s);
    s = open_store(f, &contents);
    assert_int_equal(contents.last_job_id, 3);
    assert_int_equal(contents.unfinished_count, 1);
    const struct job_record *j = contents.unfinished[0];
    assert_int_equal(j->id, 2);
    assert_string_equal(j->verb, "save");
    assert_string_equal(j->uuid, UUID("1"));
    assert_string_equal(j->name, "web1");
    assert_string_equal(j->actor, "uid 1000 (reeve)");
    assert_string_equal(j->phase, "save.stopped");
    assert_string_equal(j->intent_path, "/images/x.new");
    assert_int_equal(j->started_ms, 5);
    assert_int_equal(j->ended_ms, 0);
    assert_null(j->error);
    store_contents_finish(&contents);

    if (store_jobs(s, SIZE_MAX, &jobs, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(count, 3);
    assert_int_equal(jobs[0]->outcome, JOB_DONE);
    assert_int_equal(jobs[1]->outcome, JOB_RUNNING);
    assert_int_equal(jobs[2]->outcome, JOB_FAILED);
    assert_string_equal(jobs[2]->error, "{\"code\":\"no-space\"}");
    jobs_free(jobs, count);
    if (store_jobs(s, 2, &jobs, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(count, 2);
    assert_int_equal(jobs[0]->id, 2);
    assert_int_equal(jobs[1]->id, 3);
    jobs_free(jobs, count);
    store_close(s);
}

static void test_jobs_are_pruned_but_not_running_ones(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct job_record **jobs;
    size_t count;
    struct err e;
    uint64_t id = 1;

    struct store_batch *b = store_batch_new();
    put_job(b, id++, JOB_RUNNING);
    commit(s, b);
    while (id < STORE_JOBS_KEPT * 3) {
        b = store_batch_new();
        for (int n = 0; n < 100; n++)
            put_job(b, id++, JOB_DONE);
        commit(s, b);
    }
    if (store_jobs(s, SIZE_MAX, &jobs, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_in_range(count, STORE_JOBS_KEPT * 8 / 10, STORE_JOBS_KEPT);
    assert_int_equal(jobs[0]->id, 1);
    assert_int_equal(jobs[0]->outcome, JOB_RUNNING);
    assert_int_equal(jobs[count - 1]->id, id - 1);
    jobs_free(jobs, count);
    store_close(s);
}

static char *copy_path(const struct folder *f, const char *uuid)
{
    return x_asprintf("%s/domains/%s.cfg", f->dir, uuid);
}

static void assert_copy(const struct folder *f, const char *uuid, const char *want)
{
    AUTO_FREE char *path = copy_path(f, uuid);
    size_t len;
    AUTO_FREE char *text = slurp(path, &len);
    struct stat st;

    assert_string_equal(text, want);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_copies_follow_the_configs(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);

    commit(s, batch_of(UUID("1"), "web1"));
    commit(s, batch_of(UUID("2"), "web2"));
    commit(s, batch_of(UUID("2"), "web3"));
    store_close(s);
    assert_copy(f, UUID("1"), "name = \"web1\"\nmemory = 64\n");
    assert_copy(f, UUID("2"), "name = \"web3\"\nmemory = 64\n");

    s = open_only(f);
    assert_clean(s);
    struct store_batch *b = store_batch_new();
    store_delete_domain(b, UUID("1"));
    commit(s, b);
    assert_clean(s);
    store_close(s);
    AUTO_FREE char *path = copy_path(f, UUID("1"));
    assert_int_equal(access(path, F_OK), -1);
}

/* Stores `config` for web1, by a job of `actor` (NULL: by none). */
static void put_config(struct store *s, const char *config, const char *actor)
{
    struct job_record j = {.id = 1, .verb = "config-set", .uuid = UUID("1"), .name = "web1"};
    struct record *r = make_record(UUID("1"), "web1");
    struct store_batch *b = store_batch_new();
    struct err e;

    free(r->config);
    r->config = x_strdup(config);
    store_put_domain(b, r);
    if (actor) {
        j.actor = x_strdup(actor);
        store_put_job(b, &j);
        free(j.actor);
    }
    record_free(r);
    assert_int_equal(store_commit(s, b, &e), 0);
}

static void test_history_has_who_gave_a_config_and_is_bounded(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    struct config_version *list;
    struct err e;
    size_t count;

    put_config(s, "memory = 1\n", "uid 0 (new)");
    put_config(s, "memory = 1\n", "uid 0 (the same again)");
    put_config(s, "memory = 2\n", NULL);
    assert_int_equal(store_configs(s, UUID("1"), &list, &count, &e), 0);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].actor, "uid 0 (new)");
    assert_string_equal(list[0].text, "memory = 1\n");
    assert_true(list[0].at_ms > 0);
    assert_null(list[1].actor);
    config_versions_free(list, count);
    for (int i = 0; i < STORE_CONFIGS_KEPT + 5; i++) {
        AUTO_FREE char *config = x_asprintf("memory = %d\n", 100 + i);
        put_config(s, config, "uid 1000 (reeve)");
    }
    assert_int_equal(store_configs(s, UUID("1"), &list, &count, &e), 0);
    assert_int_equal(count, STORE_CONFIGS_KEPT);
    assert_int_equal(list[count - 1].version, 2 + STORE_CONFIGS_KEPT + 5);
    assert_string_equal(list[0].actor, "uid 1000 (reeve)");
    config_versions_free(list, count);
    store_close(s);
}

static void test_a_store_of_version_3_gets_the_new_columns(void **state)
{
    const struct folder *f = *state;
    struct store_contents contents;
    struct config_version *list;
    struct err e;
    size_t count;

    struct store *s = open_only(f);
    put_config(s, "memory = 1\n", "uid 0 (new)");
    store_close(s);
    run_sql(f, "ALTER TABLE config DROP COLUMN actor;"
               "ALTER TABLE domain DROP COLUMN quick_ends;"
               "ALTER TABLE domain DROP COLUMN ran_since_ms;"
               "ALTER TABLE domain DROP COLUMN restart_at_ms;"
               "ALTER TABLE domain DROP COLUMN own_reboots;"
               "ALTER TABLE domain DROP COLUMN reboot_until_ms;"
               "ALTER TABLE domain DROP COLUMN host_resume;"
               "ALTER TABLE domain DROP COLUMN host_paused;"
               "ALTER TABLE domain DROP COLUMN host_boot; PRAGMA user_version = 3");
    s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 1);
    assert_int_equal(contents.domains[0]->broken, REASON_NONE);
    assert_string_equal(contents.domains[0]->config, "memory = 1\n");
    assert_null(contents.domains[0]->live_config);
    store_contents_finish(&contents);
    put_config(s, "memory = 2\n", "uid 0 (later)");
    assert_int_equal(store_configs(s, UUID("1"), &list, &count, &e), 0);
    assert_int_equal(count, 2);
    assert_null(list[0].actor);
    assert_string_equal(list[1].actor, "uid 0 (later)");
    config_versions_free(list, count);
    store_close(s);
}

static void test_a_state_change_makes_no_copy(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    AUTO_FREE char *path = copy_path(f, UUID("1"));
    struct stat before, after;

    commit(s, batch_of(UUID("1"), "web1"));
    assert_clean(s);
    assert_int_equal(stat(path, &before), 0);
    struct record *r = make_record(UUID("1"), "web1");
    r->state = ST_RUNNING;
    struct store_batch *b = store_batch_new();
    store_put_domain(b, r);
    commit(s, b);
    record_free(r);
    store_close(s);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void test_verify_finds_copies_that_are_wrong(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    AUTO_FREE char *first = copy_path(f, UUID("1"));
    AUTO_FREE char *second = copy_path(f, UUID("2"));
    AUTO_FREE char *stray = x_asprintf("%s/domains/notes\033.txt", f->dir);

    commit(s, batch_of(UUID("1"), "web1"));
    commit(s, batch_of(UUID("2"), "web2"));
    commit(s, batch_of(UUID("3"), "web3"));
    assert_clean(s);
    assert_int_equal(unlink(first), 0);
    write_file(second, "name = \"web2\"\nmemory = 65\n", 26);
    write_file(stray, "x", 1);
    AUTO_FREE char *found = verify(s);
    AUTO_FREE char *missing = x_asprintf("web1: %s is missing\n", first);
    AUTO_FREE char *differs = x_asprintf("web2: %s differs from the config in the store\n", second);
    assert_non_null(strstr(found, missing));
    assert_non_null(strstr(found, differs));
    assert_non_null(strstr(found, "domains/notes\\x1b.txt belongs to no domain\n"));
    assert_null(strstr(found, "web3"));
    store_close(s);
}

static void test_a_copy_that_fails_fails_no_commit(void **state)
{
    const struct folder *f = *state;
    struct store *s = open_only(f);
    AUTO_FREE char *path = copy_path(f, UUID("1"));
    AUTO_FREE char *inside = fs_join(path, "in the way");

    assert_int_equal(mkdir(path, 0700), 0);
    write_file(inside, "x", 1);
    commit(s, batch_of(UUID("1"), "web1"));
    commit(s, batch_of(UUID("2"), "web2"));
    assert_found(s, path);
    store_close(s);
    /* It stays due, over a restart too. */
    s = open_only(f);
    assert_found(s, path);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(rmdir(path), 0);
    assert_clean(s);
    store_close(s);
    assert_copy(f, UUID("1"), "name = \"web1\"\nmemory = 64\n");
}

static void die(void *arg UNUSED, const struct err *failure UNUSED, uint64_t seq UNUSED)
{
    kill(getpid(), SIGKILL);
}

static void test_a_copy_cut_by_a_crash_is_made_later(void **state)
{
    const struct folder *f = *state;
    AUTO_FREE char *path = copy_path(f, UUID("1"));
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        struct store *s;
        struct store_contents contents;
        struct err e;
        if (store_open(f->dir, &s, &contents, &e) == 0)
            store_submit(s, batch_of(UUID("1"), "web1"), die, NULL);
        for (;;)
            pause();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(path, F_OK), -1);
    struct store *s = open_only(f);
    assert_clean(s);
    store_close(s);
    assert_copy(f, UUID("1"), "name = \"web1\"\nmemory = 64\n");
}

static int fail_at_the_fault_point(const struct folder *f)
{
    struct store *s;
    struct store_contents contents;
    struct err e;

    setenv("REEVE_FAULT", "store.commit=fail", 1);
    if (store_open(f->dir, &s, &contents, &e) < 0 || fault_init(&e) < 0)
        return 1;
    if (store_commit(s, batch_of(UUID("2"), "web2"), &e) == 0 || e.code != ERR_FAILED)
        return 2;
    store_close(s);
    return 0;
}

static void test_fault_point(void **state)
{
    const struct folder *f = *state;
    struct store_contents contents;

    store_close(open_only(f));
    pid_t pid = fork();
    if (pid == 0)
        _exit(fail_at_the_fault_point(f));
    assert_int_equal(wait_status(pid), 0);
    struct store *s = open_store(f, &contents);
    assert_int_equal(contents.domain_count, 0);
    store_contents_finish(&contents);
    store_close(s);
}

static void test_batch_not_submitted(void **state UNUSED)
{
    struct store_batch *b = batch_of(UUID("1"), "web1");

    add_event(b, "", 1, "never");
    put_job(b, 1, JOB_DONE);
    store_delete_domain(b, UUID("1"));
    store_batch_free(b);
    store_batch_free(NULL);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_new_store),
        IN_FOLDER(test_reopen_gives_what_was_committed),
        IN_FOLDER(test_update_and_delete),
        IN_FOLDER(test_a_batch_is_whole_or_not_at_all),
        IN_FOLDER(test_a_group_is_one_commit),
        IN_FOLDER(test_a_bad_batch_fails_alone),
        IN_FOLDER(test_eight_threads),
        IN_FOLDER(test_kill_loses_no_acknowledged_commit),
        IN_FOLDER(test_random_bytes_are_refused),
        IN_FOLDER(test_truncated_is_refused),
        IN_FOLDER(test_overwritten_page_is_refused),
        IN_FOLDER(test_flipped_bytes),
        IN_FOLDER(test_newer_version_is_refused),
        IN_FOLDER(test_foreign_database_is_refused),
        IN_FOLDER(test_missing_table_is_refused),
        IN_FOLDER(test_a_log_without_its_store_is_refused),
        IN_FOLDER(test_second_open_is_busy),
        IN_FOLDER(test_open_in_another_process_is_busy),
        IN_FOLDER(test_open_waits_for_a_child_of_a_dead_one),
        IN_FOLDER(test_a_bad_record_is_one_broken_domain),
        IN_FOLDER(test_a_bad_uuid_gets_a_new_one),
        IN_FOLDER(test_full_disk),
        IN_FOLDER(test_events_are_read_in_pages),
        IN_FOLDER(test_events_are_pruned),
        IN_FOLDER(test_unfinished_jobs_come_back),
        IN_FOLDER(test_jobs_are_pruned_but_not_running_ones),
        IN_FOLDER(test_copies_follow_the_configs),
        IN_FOLDER(test_history_has_who_gave_a_config_and_is_bounded),
        IN_FOLDER(test_a_store_of_version_3_gets_the_new_columns),
        IN_FOLDER(test_a_state_change_makes_no_copy),
        IN_FOLDER(test_verify_finds_copies_that_are_wrong),
        IN_FOLDER(test_a_copy_that_fails_fails_no_commit),
        IN_FOLDER(test_a_copy_cut_by_a_crash_is_made_later),
        IN_FOLDER(test_fault_point),
        cmocka_unit_test(test_batch_not_submitted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
