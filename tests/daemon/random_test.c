/* SPDX-License-Identifier: MIT */
/* Random verbs on a few domains at once, the daemon killed at random in the middle, against a model
 * of what may be the case afterwards. The seed is printed; the same seed asks the same things (when
 * the kill comes is up to the machine).
 *   random_test REEVED [SECONDS [SEED]] */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ident.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/names.h"
#include "daemon/bench.h"

enum { DOMAINS = 24, CLIENTS = 16, SETTLE_MS = 10 * 1000, KILL_WITHIN_MS = 40 };

/* What is known of one domain. */
struct model {
    char name[16];
    char file[BENCH_PATH];
    enum state state;
    bool managed;
    bool was_paused; /* what resume leads back to */
    bool file_was_paused;
    bool has_file; /* its state is in `file` */
    int64_t count; /* what it had counted when it was last looked at; kept in image and file */
    int64_t file_count;
    char uuid[IDENT_UUID_LEN + 1]; /* of the last domain of that name */
    char file_uuid[IDENT_UUID_LEN + 1];
};

enum who { ANY, MANAGED, TRANSIENT };

/* A move: from a state by a call to a state. ST_N as `to`: where it was when it was saved. */
static const struct move {
    enum state from;
    enum who who;
    const char *call;
    const char *args; /* beyond the domain */
    enum state to;    /* a transient one that ends is absent */
    bool boots;       /* the count begins again */
    bool saves;       /* leaves a file when it ends so */
    bool needs_file;
} moves[] = {
    {ST_ABSENT,    ANY,       "new",      "",                  ST_HALTED,    true,  false, false},
    {ST_ABSENT,    ANY,       "create",   "",                  ST_RUNNING,   true,  false, false},
    {ST_ABSENT,    ANY,       "restore",  "",                  ST_N,         false, false, true },
    {ST_HALTED,    ANY,       "start",    "",                  ST_RUNNING,   true,  false, false},
    {ST_HALTED,    ANY,       "start",    ",\"paused\":true",  ST_PAUSED,    true,  false, false},
    {ST_HALTED,    ANY,       "delete",   "",                  ST_ABSENT,    true,  false, false},
    {ST_HALTED,    ANY,       "restore",  "",                  ST_N,         false, false, true },
    {ST_RUNNING,   ANY,       "pause",    "",                  ST_PAUSED,    false, false, false},
    {ST_RUNNING,   ANY,       "unpause",  "",                  ST_RUNNING,   false, false, false},
    {ST_RUNNING,   MANAGED,   "suspend",  "",                  ST_SUSPENDED, false, false, false},
    {ST_RUNNING,   MANAGED,   "suspend",  "",                  ST_SUSPENDED, false, false, false},
    {ST_RUNNING,   ANY,       "save",     ",\"file\":",        ST_HALTED,    false, true,  false},
    {ST_RUNNING,   ANY,       "destroy",  "",                  ST_HALTED,    true,  false, false},
    {ST_RUNNING,   ANY,       "shutdown", "",                  ST_HALTED,    true,  false, false},
    {ST_RUNNING,   ANY,       "reset",    "",                  ST_RUNNING,   true,  false, false},
    {ST_RUNNING,   ANY,       "reboot",   "",                  ST_RUNNING,   true,  false, false},
    {ST_RUNNING,   TRANSIENT, "adopt",    "",                  ST_RUNNING,   false, false, false},
    {ST_RUNNING,   MANAGED,   "delete",   ",\"destroy\":true", ST_ABSENT,    true,  false, false},
    {ST_PAUSED,    ANY,       "unpause",  "",                  ST_RUNNING,   false, false, false},
    {ST_PAUSED,    MANAGED,   "suspend",  "",                  ST_SUSPENDED, false, false, false},
    {ST_PAUSED,    ANY,       "save",     ",\"file\":",        ST_HALTED,    false, true,  false},
    {ST_PAUSED,    ANY,       "destroy",  "",                  ST_HALTED,    true,  false, false},
    {ST_SUSPENDED, ANY,       "resume",   "",                  ST_N,         false, false, false},
    {ST_SUSPENDED, ANY,       "resume",   "",                  ST_N,         false, false, false},
    {ST_SUSPENDED, ANY,       "discard",  "",                  ST_HALTED,    true,  false, false},
};

static struct bench bench;
static struct model models[DOMAINS];
static uint64_t seed, rng;
static int64_t seconds;
static unsigned rounds, kills, verbs;

static uint64_t draw(uint64_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % below;
}

static bool possible(const struct model *m, const struct move *move)
{
    if (move->from != m->state || (move->needs_file && !m->has_file))
        return false;
    /* The file of an earlier domain of that name. */
    if (move->needs_file && m->state == ST_HALTED && !str_eq(m->uuid, m->file_uuid))
        return false;
    return move->who == ANY || (move->who == MANAGED) == m->managed;
}

static const struct move *draw_move(const struct model *m)
{
    const struct move *found[ARRAY_LEN(moves)];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        if (possible(m, &moves[i]))
            found[count++] = &moves[i];
    assert_true(count > 0);
    return found[draw(count)];
}

static enum state led_to(const struct model *m, const struct move *move)
{
    if (move->to == ST_N)
        return (move->needs_file ? m->file_was_paused : m->was_paused) ? ST_PAUSED : ST_RUNNING;
    if (move->to == ST_HALTED && m->state != ST_ABSENT && !m->managed)
        return ST_ABSENT;
    return move->to;
}

static int ask(struct peer_conn *c, const struct model *m, const struct move *move)
{
    AUTO_FREE char *args = NULL;

    if (str_eq(move->call, "new") || str_eq(move->call, "create"))
        args = x_asprintf("{\"config\":\"name='%s'\\nkernel='/k'\\nmemory=16\\n\","
                          "\"directory\":\"/\"}",
                          m->name);
    else if (str_eq(move->call, "restore"))
        args = x_asprintf("{\"file\":\"%s\"}", m->file);
    else if (move->saves)
        args = x_asprintf("{\"domain\":\"%s\"%s\"%s\"}", m->name, move->args, m->file);
    else
        args = x_asprintf("{\"domain\":\"%s\"%s}", m->name, move->args);
    return conn_request(c, move->call, args);
}

/* The state once it is one of these; a guest's end takes a moment to be seen. */
static enum state settled(const struct model *m, const char *call, enum state a, enum state b,
                          enum state between)
{
    int64_t deadline = bench_now_ms() + SETTLE_MS;

    for (;;) {
        const char *name = bench_state(&bench, m->name);
        enum state now = state_of(name);
        if (now == a || now == b || now == between)
            return now;
        if (bench_now_ms() > deadline)
            fail_msg("seed %llu, round %u: after %s %s is %s, not %s or %s",
                     (unsigned long long)seed, rounds, call, m->name, name, state_name(a),
                     state_name(b));
        poll(NULL, 0, 5);
    }
}

/* The model becomes what is; what is must follow from it. done: the call said so. */
static void look(struct model *m, const struct move *move, bool done, bool killed)
{
    enum state before = m->state, wanted = led_to(m, move);
    /* delete --destroy does both, one after the other. */
    enum state between =
        before == ST_RUNNING && wanted == ST_ABSENT && m->managed ? ST_HALTED : before;
    enum state now = done     ? settled(m, move->call, wanted, wanted, wanted)
                     : killed ? settled(m, move->call, before, wanted, between)
                              : settled(m, move->call, before, before, before);
    AUTO_JSON json_t *domain = bench_show(&bench, m->name);
    bool live = now == ST_RUNNING || now == ST_PAUSED;
    /* Whether a move that leads back to its own state was made is not to be seen. */
    bool moved = now == wanted && (done || now != before || move->boots);

    if (move->saves) {
        bool there = access(m->file, F_OK) == 0;
        if (there != (moved && now != before))
            fail_msg("seed %llu, round %u: %s is %s and its file is %s", (unsigned long long)seed,
                     rounds, m->name, state_name(now), there ? "there" : "not there");
        if (there) {
            m->file_count = m->count;
            str_copy(m->file_uuid, sizeof m->file_uuid, m->uuid);
            m->has_file = true;
            m->file_was_paused = before == ST_PAUSED;
        }
    }
    if (now == ST_SUSPENDED && before != ST_SUSPENDED)
        m->was_paused = before == ST_PAUSED;
    if (str_eq(move->call, "restore") && moved) {
        m->managed = before == ST_HALTED;
        m->count = m->file_count;
        /* It may be restored twice, and would then be an old state: not here. */
        (void)unlink(m->file);
        m->has_file = false;
    }
    if (moved && move->boots)
        m->count = 0;
    if (live) {
        int64_t count = bench_count(&bench, m->name);
        if (count < m->count)
            fail_msg("seed %llu, round %u: %s has counted %lld ms after %s, and had %lld",
                     (unsigned long long)seed, rounds, m->name, (long long)count, move->call,
                     (long long)m->count);
        m->count = count;
    }
    m->state = now;
    if (domain)
        str_copy(m->uuid, sizeof m->uuid, json_get_string(domain, "uuid", ""));
    m->managed = domain && json_get_bool(domain, "managed", false);
}

static void one_round(void)
{
    struct peer_conn conns[DOMAINS];
    const struct move *chosen[DOMAINS] = {NULL};
    int ids[DOMAINS];
    bool done[DOMAINS] = {false};
    bool kill_it = draw(3) == 0;
    int clients = 0;

    rounds++;
    for (int i = 0; i < DOMAINS; i++) {
        struct model *m = &models[i];
        /* The draw first: the seed alone says who is asked. */
        if (draw(3) == 0 || clients == CLIENTS)
            continue;
        clients++;
        chosen[i] = draw_move(m);
        if (chosen[i]->saves) {
            (void)unlink(m->file);
            m->has_file = false;
        }
        if (m->state == ST_RUNNING)
            m->count = bench_count(&bench, m->name);
        conn_open(&conns[i], &bench);
        verbs++;
    }
    for (int i = 0; i < DOMAINS; i++)
        if (chosen[i])
            ids[i] = ask(&conns[i], &models[i], chosen[i]);
    if (kill_it) {
        poll(NULL, 0, (int)draw(KILL_WITHIN_MS));
        bench_kill(&bench);
        kills++;
    }
    for (int i = 0; i < DOMAINS; i++) {
        if (!chosen[i])
            continue;
        AUTO_JSON json_t *answer = conn_answer(&conns[i], ids[i], BENCH_WAIT_MS);
        conn_close(&conns[i]);
        done[i] = json_object_get(answer, "return") != NULL;
        if (!done[i] && !kill_it)
            fail_msg("seed %llu, round %u: %s of %s: %s", (unsigned long long)seed, rounds,
                     chosen[i]->call, models[i].name,
                     json_get_string(json_object_get(answer, "error"), "message", "closed"));
    }
    if (kill_it)
        bench_start(&bench, NULL);
    for (int i = 0; i < DOMAINS; i++)
        if (chosen[i])
            look(&models[i], chosen[i], done[i], kill_it);
    if (kill_it)
        bench_tidy(&bench, false);
}

static void test_random(void **state)
{
    int64_t end = bench_now_ms() + seconds * 1000;

    (void)state;
    bench_open(&bench);
    bench_start(&bench, NULL);
    for (int i = 0; i < DOMAINS; i++) {
        snprintf(models[i].name, sizeof models[i].name, "web%d", i);
        snprintf(models[i].file, sizeof models[i].file, "%.60s/web%d.reeve", bench.dir, i);
        models[i].state = ST_ABSENT;
    }
    while (bench_now_ms() < end)
        one_round();
    bench_tidy(&bench, false);
    printf("# seed %llu: %u rounds, %u verbs, %u kills\n", (unsigned long long)seed, rounds, verbs,
           kills);
    assert_true(kills > 0 && verbs > rounds / 2);
}

static int after(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_random, after)};

    if (argc < 2) {
        fprintf(stderr, "usage: random_test REEVED [SECONDS [SEED]]\n");
        return 2;
    }
    bench_program(argv[1]);
    seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 20;
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 20260101;
    rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    printf("# seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
