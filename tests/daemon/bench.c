/* SPDX-License-Identifier: MIT */
#include "daemon/bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

static const char *program;
static const char *driver = "null";
static const char *preload;

void bench_program(const char *path)
{
    program = path;
}

void bench_driver(const char *name)
{
    driver = name;
}

void bench_preload(const char *path)
{
    preload = path;
}

int64_t bench_now_ms(void)
{
    return clock_mono_ms();
}

void bench_pause(int64_t deadline_ms, const char *what)
{
    if (clock_mono_ms() > deadline_ms)
        fail_msg("%s did not happen in time", what);
    poll(NULL, 0, 5);
}

/* ---- The daemon ---- */

void bench_open(struct bench *b)
{
    *b = (struct bench){0};
    /* In memory where there is room: what a disk does at a power cut is not what is tested. */
    struct statvfs shm;
    bool room = statvfs("/dev/shm", &shm) == 0 && shm.f_bavail * shm.f_frsize > 1ULL << 30;
    str_copy(b->dir, sizeof b->dir,
             room ? "/dev/shm/reeve-bench.XXXXXX" : "/tmp/reeve-bench.XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->state, sizeof b->state, "%.60s/state", b->dir);
    snprintf(b->run, sizeof b->run, "%.60s/run", b->dir);
    snprintf(b->socket, sizeof b->socket, "%.60s/run/reeve.sock", b->dir);
    snprintf(b->conf, sizeof b->conf, "%.60s/reeve.conf", b->dir);
    snprintf(b->log, sizeof b->log, "%.60s/log", b->dir);
    assert_int_equal(mkdir(b->state, 0700), 0);
    assert_int_equal(mkdir(b->run, 0700), 0);
    int fd = open(b->conf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

void bench_close(struct bench *b)
{
    struct err e;

    bench_kill(b);
    if (getenv("BENCH_KEEP"))
        return; /* to look at what a failed test left */
    assert_int_equal(fs_remove_tree(AT_FDCWD, b->dir, &e), 0);
}

static NORETURN void become_daemon(const struct bench *b, const char *fault,
                                   const char *const *words)
{
    const char *argv[24] = {program,  "--foreground", "--driver", driver,     "--state-dir",
                            b->state, "--run-dir",    b->run,     "--config", b->conf};
    int log = open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size_t n = 10;

    for (size_t i = 0; words && words[i] && n < ARRAY_LEN(argv) - 1; i++)
        argv[n++] = words[i];
    if (fault)
        setenv("REEVE_FAULT", fault, 1);
    else
        unsetenv("REEVE_FAULT");
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, 1);
    dup2(log, 2);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

void bench_launch(struct bench *b, const char *fault, const char *const *words)
{
    assert_int_equal(b->pid, 0);
    fflush(NULL);
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (b->pid == 0)
        become_daemon(b, fault, words);
}

static int try_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    str_copy(address.sun_path, sizeof address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void show_log(const struct bench *b)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err e;

    if (fs_read_file(b->log, 1 << 20, &text, &len, &e) == 0)
        fprintf(stderr, "%s", len > 4000 ? text + len - 4000 : text);
}

void bench_await(struct bench *b)
{
    int64_t deadline = clock_mono_ms() + BENCH_WAIT_MS;
    int status;

    for (;;) {
        /* A child that the daemon before left between fork and exec may still hold its socket:
         * there nobody greets. */
        struct peer_conn c = {.fd = try_connect(b->socket)};
        AUTO_JSON json_t *greeting = c.fd >= 0 ? conn_line(&c, BENCH_WAIT_MS) : NULL;
        conn_close(&c);
        if (greeting)
            return;
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            show_log(b);
            fail_msg("reeved ended at its start with status %d", status);
        }
        bench_pause(deadline, "the start of reeved");
    }
}

void bench_start(struct bench *b, const char *fault)
{
    bench_launch(b, fault, NULL);
    bench_await(b);
}

int bench_ended(struct bench *b)
{
    int64_t deadline = clock_mono_ms() + BENCH_WAIT_MS;
    int status = 0;

    while (waitpid(b->pid, &status, WNOHANG) != b->pid)
        bench_pause(deadline, "the end of reeved");
    b->pid = 0;
    return status;
}

void bench_kill(struct bench *b)
{
    if (b->pid == 0)
        return;
    kill(b->pid, SIGKILL);
    (void)bench_ended(b);
}

int64_t bench_stop(struct bench *b, int64_t ms)
{
    int64_t begun = clock_mono_ms();

    kill(b->pid, SIGTERM);
    int status = bench_ended(b);
    int64_t took = clock_mono_ms() - begun;
    if (status != 0)
        show_log(b);
    assert_int_equal(status, 0);
    assert_true(took <= ms);
    return took;
}

void bench_sql(const struct bench *b, const char *sql)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.db", b->state);
    sqlite3 *db = NULL;
    char *why = NULL;

    assert_int_equal(b->pid, 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

sqlite3 *bench_hold_store(const struct bench *b)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.db", b->state);
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

void bench_release_store(sqlite3 *db)
{
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

void bench_reboot_host(struct bench *b)
{
    struct err e;

    assert_int_equal(fs_remove_tree(AT_FDCWD, b->run, &e), 0);
    assert_int_equal(mkdir(b->run, 0700), 0);
    bench_sql(b, "UPDATE domain SET boot_id = '00000000-0000-4000-8000-000000000000'"
                 " WHERE boot_id <> '';"
                 "UPDATE domain SET host_boot = '00000000-0000-4000-8000-000000000000'"
                 " WHERE host_boot <> ''");
}

void bench_power_cut(struct bench *b)
{
    bench_kill(b);
    bench_reboot_host(b);
}

/* ---- Clients ---- */

void conn_open(struct peer_conn *c, const struct bench *b)
{
    *c = (struct peer_conn){.fd = try_connect(b->socket)};
    assert_true(c->fd >= 0);
    AUTO_JSON json_t *greeting = conn_line(c, BENCH_WAIT_MS);
    assert_non_null(greeting);
    json_t *reeve = json_object_get(greeting, "reeve");
    assert_string_equal(json_get_string(reeve, "version", ""), REEVE_VERSION);
    assert_int_equal(json_get_int(reeve, "api", 0), 1);
}

void conn_close(struct peer_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    str_finish(&c->in);
}

void conn_send(struct peer_conn *c, const void *bytes, size_t len)
{
    int64_t deadline = clock_mono_ms() + BENCH_WAIT_MS;
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            bench_pause(deadline, "sending");
            continue;
        }
        if (n < 0)
            return; /* it went away; the reader sees it */
        at += n;
        len -= (size_t)n;
    }
}

void conn_text(struct peer_conn *c, const char *text)
{
    conn_send(c, text, strlen(text));
}

/* Reads once. 0 at the end, 1 when something came, -1 when nothing came until the deadline. */
static int read_some(struct peer_conn *c, int64_t deadline)
{
    char bytes[65536];
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    if (poll(&p, 1, clock_left_ms(deadline)) <= 0)
        return -1;
    ssize_t n = read(c->fd, bytes, sizeof bytes);
    if (n <= 0)
        return 0;
    str_addn(&c->in, bytes, (size_t)n);
    return 1;
}

json_t *conn_line(struct peer_conn *c, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    size_t looked = 0;

    for (;;) {
        char *end =
            c->in.len > looked ? memchr(c->in.data + looked, '\n', c->in.len - looked) : NULL;
        if (end) {
            size_t len = (size_t)(end - c->in.data);
            json_t *line = json_loadb(c->in.data, len, 0, NULL);
            assert_non_null(line);
            memmove(c->in.data, end + 1, c->in.len - len - 1);
            c->in.len -= len + 1;
            return line;
        }
        looked = c->in.len;
        int more = read_some(c, deadline);
        if (more == 0)
            return NULL;
        if (more < 0)
            fail_msg("no answer to \"%s\" within %d ms", c->asked, (int)ms);
    }
}

bool conn_ready(struct peer_conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    return memchr(c->in.data ? c->in.data : "", '\n', c->in.len) || poll(&p, 1, 0) > 0;
}

bool conn_ends(struct peer_conn *c, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    int more;

    while ((more = read_some(c, deadline)) > 0)
        c->in.len = 0;
    return more == 0;
}

int conn_request(struct peer_conn *c, const char *call, const char *args)
{
    int id = ++c->next_id;
    str_copy(c->asked, sizeof c->asked, call);
    AUTO_FREE char *line =
        args[0] ? x_asprintf("{\"execute\":\"%s\",\"arguments\":%s,\"id\":%d}\n", call, args, id)
                : x_asprintf("{\"execute\":\"%s\",\"id\":%d}\n", call, id);

    conn_text(c, line);
    return id;
}

json_t *conn_answer(struct peer_conn *c, int id, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;

    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        json_t *line = conn_line(c, left > 0 ? left : 0);
        if (!line)
            return NULL;
        bool ours = json_get_int(line, "id", -1) == id &&
                    (json_object_get(line, "return") || json_object_get(line, "error"));
        if (ours)
            return line;
        json_decref(line);
    }
}

static json_t *call_with(const struct bench *b, const char *call, const char *args)
{
    struct peer_conn c;

    conn_open(&c, b);
    int id = conn_request(&c, call, args);
    json_t *answer = conn_answer(&c, id, BENCH_WAIT_MS);
    conn_close(&c);
    return answer;
}

static char *formatted(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *formatted(const char *fmt, va_list ap)
{
    char *text = NULL;

    assert_true(vasprintf(&text, fmt, ap) >= 0);
    return text;
}

json_t *bench_call(const struct bench *b, const char *call, const char *args, ...)
{
    va_list ap;

    va_start(ap, args);
    AUTO_FREE char *text = formatted(args, ap);
    va_end(ap);
    return call_with(b, call, text);
}

void bench_do(const struct bench *b, const char *call, const char *args, ...)
{
    va_list ap;

    va_start(ap, args);
    AUTO_FREE char *text = formatted(args, ap);
    va_end(ap);
    AUTO_JSON json_t *answer = call_with(b, call, text);
    json_t *error = json_object_get(answer, "error");
    if (!answer || error)
        fail_msg("%s %s: %s", call, text,
                 answer ? json_get_string(error, "message", "") : "the daemon went away");
}

void bench_refused(const struct bench *b, const char *code, const char *call, const char *args, ...)
{
    va_list ap;

    va_start(ap, args);
    AUTO_FREE char *text = formatted(args, ap);
    va_end(ap);
    AUTO_JSON json_t *answer = call_with(b, call, text);
    json_t *error = json_object_get(answer, "error");
    if (!error)
        fail_msg("%s %s was not refused", call, text);
    assert_string_equal(json_get_string(error, "code", ""), code);
    assert_true(json_get_string(error, "message", "")[0] != '\0');
}

void bench_define(const struct bench *b, const char *call, const char *name, const char *cmdline)
{
    bench_do(
        b, call,
        "{\"config\":\"name='%s'\\nmemory=16\\nmaxvcpus=4\\nkernel='/vmlinuz'\\ncmdline='%s'\\n\","
        "\"directory\":\"/\"}",
        name, cmdline);
}

void bench_run(const struct bench *b, const char *name, const char *lines)
{
    bench_do(
        b, "new",
        "{\"config\":\"name='%s'\\nmemory=16\\nkernel='/vmlinuz'\\n%s\\n\",\"directory\":\"/\"}",
        name, lines);
    bench_do(b, "start", "{\"domain\":\"%s\"}", name);
}

json_t *bench_show(const struct bench *b, const char *name)
{
    json_t *answer = bench_call(b, "show", "{\"domain\":\"%s\"}", name);

    assert_non_null(answer);
    json_t *domain = json_incref(json_object_get(answer, "return"));
    json_decref(answer);
    return domain;
}

const char *bench_state(const struct bench *b, const char *name)
{
    static char state[32];
    AUTO_JSON json_t *domain = bench_show(b, name);

    str_copy(state, sizeof state, json_get_string(domain, "state", "absent"));
    return state;
}

void bench_await_state(const struct bench *b, const char *name, const char *state)
{
    int64_t deadline = clock_mono_ms() + BENCH_WAIT_MS;

    while (!str_eq(bench_state(b, name), state))
        bench_pause(deadline, state);
}

int64_t bench_count(const struct bench *b, const char *name)
{
    AUTO_JSON json_t *domain = bench_show(b, name);

    assert_non_null(domain);
    return (int64_t)(json_number_value(json_object_get(domain, "cpu_seconds")) * 1000.0 + 0.5);
}

/* ---- What is in the folders ---- */

void bench_age(struct bench *b, const char *uuid)
{
    AUTO_FREE char *path = x_asprintf("%s/null/%s", b->run, uuid);
    json_error_t why;

    bench_kill(b);
    AUTO_JSON json_t *guest = json_load_file(path, 0, &why);
    assert_non_null(guest);
    json_set_int(guest, "count_ms", json_get_int(guest, "count_ms", 0) + BENCH_LONG_MS);
    assert_int_equal(json_dump_file(guest, path, JSON_COMPACT), 0);
}

size_t bench_guests(const struct bench *b)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", b->run, driver);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* In the folder of its images: the memory of a guest that lives, and nothing else. */
static bool holds_memory_alone(const char *folder, const char *uuid)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", folder, uuid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t memory = 0, others = 0;

    while (dir && (entry = readdir(dir))) {
        memory += str_eq(entry->d_name, "memory.ram");
        others += entry->d_name[0] != '.' && !str_eq(entry->d_name, "memory.ram");
    }
    if (dir)
        closedir(dir);
    return memory == 1 && others == 0;
}

/* Whether a name is that of a domain in the list which has what its file stands for. */
static bool known(const json_t *domains, const char *uuid, bool image)
{
    size_t i;
    json_t *d;

    json_array_foreach(domains, i, d)
    {
        if (!str_eq(json_get_string(d, "uuid", ""), uuid))
            continue;
        return image ? json_is_object(json_object_get(d, "image"))
                     : json_is_integer(json_object_get(d, "id"));
    }
    return false;
}

static void tidy_folder(const struct bench *b, const char *folder, const json_t *domains,
                        bool image)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
            continue;
        if (!known(domains, entry->d_name, image) &&
            !(image && known(domains, entry->d_name, false) &&
              holds_memory_alone(folder, entry->d_name))) {
            show_log(b);
            fail_msg("%s/%s is left over", folder, entry->d_name);
        }
    }
    if (dir)
        closedir(dir);
}

void bench_tidy(const struct bench *b, bool broken)
{
    AUTO_FREE char *guests = x_asprintf("%s/%s", b->run, driver);
    AUTO_FREE char *images = x_asprintf("%s/images", b->state);
    AUTO_JSON json_t *list = bench_call(b, "list", "%s", "");
    json_t *domains = json_object_get(json_object_get(list, "return"), "domains");

    assert_non_null(domains);
    tidy_folder(b, guests, domains, false);
    tidy_folder(b, images, domains, true);
    /* The copy of a config is made a moment after its commit, and on a busy host a guest may not
     * say in doctor's time which devices it has. */
    int64_t deadline = clock_mono_ms() + BENCH_WAIT_MS;
    for (;;) {
        AUTO_JSON json_t *doctor = bench_call(b, "doctor", "%s", "");
        json_t *findings = json_object_get(json_object_get(doctor, "return"), "findings");
        assert_non_null(findings);
        size_t count = json_array_size(findings);
        if (count == broken &&
            (!broken || strstr(json_string_value(json_array_get(findings, 0)), " is broken: ")))
            return;
        if (clock_mono_ms() > deadline) {
            show_log(b);
            fail_msg("doctor: %s", count ? json_string_value(json_array_get(findings, count - 1))
                                         : "nothing is broken");
        }
        poll(NULL, 0, 20);
    }
}
