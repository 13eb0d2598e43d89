/* SPDX-License-Identifier: MIT */
/* A real reeved, with the null driver unless told otherwise, in a folder of its own, and clients of
 * its socket. Every wait has an end; what does not come in time fails the test. */
#ifndef TESTS_DAEMON_BENCH_H
#define TESTS_DAEMON_BENCH_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/str.h"

enum { BENCH_PATH = 96, BENCH_WAIT_MS = 30 * 1000 };

struct bench {
    char dir[BENCH_PATH]; /* of the test */
    char state[BENCH_PATH];
    char run[BENCH_PATH];
    char socket[BENCH_PATH];
    char conf[BENCH_PATH];
    char log[BENCH_PATH]; /* what reeved says */
    pid_t pid;            /* 0: no daemon */
};

/* The binary: from the first argument of the test program. */
void bench_program(const char *path);
/* Another driver than null. */
void bench_driver(const char *name);
/* A library that stands before all others in daemons to come (LD_PRELOAD); NULL: none. */
void bench_preload(const char *path);

void bench_open(struct bench *b);
/* Ends the daemon with SIGKILL and removes the folder. After a failure the log is shown. */
void bench_close(struct bench *b);

/* Starts the daemon and waits until it greets. fault is REEVE_FAULT, or NULL. */
void bench_start(struct bench *b, const char *fault);
/* The same without waiting; with more words for the command line, ended by NULL. */
void bench_launch(struct bench *b, const char *fault, const char *const *words);
void bench_await(struct bench *b);
/* SIGKILL, and it is gone. */
void bench_kill(struct bench *b);
/* SIGTERM; fails unless it ends with status 0 within ms. Returns how long it took. */
int64_t bench_stop(struct bench *b, int64_t ms);
/* Waits until the daemon has ended by itself; its wait status. */
int bench_ended(struct bench *b);

/* A power cut: SIGKILL, what lives in the run folder is gone, and the records are of another boot
 * of the host. */
void bench_power_cut(struct bench *b);
/* The same for a daemon that has ended already. */
void bench_reboot_host(struct bench *b);

/* One statement on the store, with no daemon there. */
void bench_sql(const struct bench *b, const char *sql);

/* Keeps the daemon from writing its store (it waits for 5 s), until it is released. */
sqlite3 *bench_hold_store(const struct bench *b);
void bench_release_store(sqlite3 *db);

/* A connection. */
struct peer_conn {
    int fd;
    struct str in; /* bytes read and not yet taken */
    int next_id;
    char asked[24]; /* the last request's call, for what fails */
};
/* Connects and takes the greeting. */
void conn_open(struct peer_conn *c, const struct bench *b);
void conn_close(struct peer_conn *c);
void conn_send(struct peer_conn *c, const void *bytes, size_t len);
void conn_text(struct peer_conn *c, const char *text);
/* The next line as JSON (new reference); NULL when the connection has ended. Fails after ms. */
json_t *conn_line(struct peer_conn *c, int64_t ms);
/* True when something of it has come, or its end. Does not wait. */
bool conn_ready(struct peer_conn *c);
/* True when the other end closes within ms, whatever it still says. */
bool conn_ends(struct peer_conn *c, int64_t ms);
/* Sends one request; its id. args is JSON text, "" for none. */
int conn_request(struct peer_conn *c, const char *call, const char *args);
/* The answer to id, other lines dropped; NULL when the connection has ended. */
json_t *conn_answer(struct peer_conn *c, int id, int64_t ms);

/* One request on a connection of its own; NULL when the daemon went away. printf-like args. */
json_t *bench_call(const struct bench *b, const char *call, const char *args, ...) PRINTF(3, 4);
/* The same, and fails the test unless it is done. */
void bench_do(const struct bench *b, const char *call, const char *args, ...) PRINTF(3, 4);
/* The same, and fails the test unless it is refused with this code. */
void bench_refused(const struct bench *b, const char *code, const char *call, const char *args, ...)
    PRINTF(4, 5);

/* "new" or "create" of a guest with this kernel command line. */
void bench_define(const struct bench *b, const char *call, const char *name, const char *cmdline);
/* A managed domain with these lines of config (a "'" for each quote), running. */
void bench_run(const struct bench *b, const char *name, const char *lines);

/* The domain as `show` gives it; NULL for none. New reference. */
json_t *bench_show(const struct bench *b, const char *name);
/* Its state, "absent" for none; the text lives until the next call. */
const char *bench_state(const struct bench *b, const char *name);
/* Until the state is that. */
void bench_await_state(const struct bench *b, const char *name, const char *state);
/* cpu_seconds, in milliseconds. */
int64_t bench_count(const struct bench *b, const char *name);
/* Makes a simulated guest one that has counted for long, so that one booted anew is told from it.
 * The daemon is killed for it and not started again. */
enum { BENCH_LONG_MS = 1000 * 1000 };
void bench_age(struct bench *b, const char *uuid);

/* Fails unless nothing is left over: every file in the run and state folders belongs to what list
 * shows, and doctor finds nothing; but one broken domain when there is to be one. */
void bench_tidy(const struct bench *b, bool broken);

/* How many guests the driver holds. */
size_t bench_guests(const struct bench *b);

int64_t bench_now_ms(void);
/* For loops with an end: sleeps a little, fails the test past the deadline. */
void bench_pause(int64_t deadline_ms, const char *what);

#endif
