/* SPDX-License-Identifier: MIT */
/* Random verbs on a few domains at once, the daemon killed at random in the middle, against a model
 * of what may be the case afterwards. The seed is printed; the same seed asks the same things (when
 * the kill comes is up to the machine; what real guests are asked waits for them to be up). With
 * GUESTDIR they are real guests of QEMU, whose own counter tells whether their memory was lost.
 *   random_test REEVED [SECONDS [SEED [GUESTDIR]]] */
#include <dirent.h>
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
#include "daemon/guest_log.h"

enum { DOMAINS_MAX = 24, CLIENTS = 16 };

/* The two kinds of guests. */
struct kind {
    int domains;
    int settle_ms; /* until the end of a guest is seen */
    int answer_ms;
    int kill_within_ms;
};
static const struct kind simulated = {DOMAINS_MAX, 10 * 1000, BENCH_WAIT_MS, 40};
static const struct kind real = {4, 60 * 1000, 200 * 1000, 1500};
/* Within it a real guest counts: an emulated one beside others. */
enum { COUNTS_WITHIN_MS = 180 * 1000 };

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
    /* Of a real guest; count and file_count are not used then. */
    char console[2 * BENCH_PATH];
    struct guest_log log;
    struct guest_progress progress, file_progress;
    bool kept; /* a save of it was cut while it was paused, and it has stood since then */
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
static struct model models[DOMAINS_MAX];
static const struct kind *kind = &simulated;
static const char *guest_dir; /* NULL: simulated guests */
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

static bool presses(const struct move *move)
{
    return str_eq(move->call, "shutdown") || str_eq(move->call, "reboot");
}

static bool possible(const struct model *m, const struct move *move)
{
    if (move->from != m->state || (move->needs_file && !m->has_file))
        return false;
    /* The file of an earlier domain of that name. */
    if (move->needs_file && m->state == ST_HALTED && !str_eq(m->uuid, m->file_uuid))
        return false;
    /* A guest that has not come up hears no button. */
    if (guest_dir && presses(move) && (m->progress.boots || m->progress.counts == 0))
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
    /* Most of what a real guest would do is to come up. */
    size_t one = draw(count);
    return guest_dir && found[one]->boots ? found[draw(count)] : found[one];
}

/* Reads what a real guest has said; its memory must be what it was. */
static void follow(struct model *m)
{
    const char *wrong = guest_log_read(&m->log, &m->progress);

    if (wrong)
        fail_msg("seed %llu, round %u: %s %s", (unsigned long long)seed, rounds, m->name, wrong);
}

/* Until it has counted on, which the running do. */
static void await_count(struct model *m, const char *call)
{
    int64_t deadline = bench_now_ms() + COUNTS_WITHIN_MS, begun = m->progress.counts;

    for (;;) {
        follow(m);
        /* Whoever counts on was not reset. */
        if (m->progress.counts >= begun + 5)
            m->progress.may_boot = false;
        if (!m->progress.may_boot && m->progress.counts > 0 && m->progress.counts != begun)
            return;
        if (bench_now_ms() > deadline)
            fail_msg("seed %llu, round %u: after %s %s runs and does not count",
                     (unsigned long long)seed, rounds, call, m->name);
        poll(NULL, 0, 50);
    }
}

/* The daemon was killed while it pressed a button: until the guest shows whether it felt that. */
static void await_button(struct model *m, const struct move *move)
{
    int64_t deadline = bench_now_ms() + COUNTS_WITHIN_MS, begun = m->progress.counts;

    do {
        follow(m);
        if (state_of(bench_state(&bench, m->name)) != ST_RUNNING || m->progress.counts < begun ||
            (!m->log.powers_off && m->progress.counts >= begun + 10))
            return;
        poll(NULL, 0, 50);
    } while (bench_now_ms() < deadline);
    fail_msg("seed %llu, round %u: %s of %s was cut, and it neither ends nor counts",
             (unsigned long long)seed, rounds, move->call, m->name);
}

/* A real guest's counter after the move: sure when it is known to have been made. */
static void look_at_guest(struct model *m, const struct move *move, enum state before,
                          enum state now, bool sure)
{
    if (sure && str_eq(move->call, "restore"))
        m->progress = m->file_progress;
    if (sure && move->boots)
        m->progress = (struct guest_progress){.boots = true};
    if (sure && move->saves) {
        follow(m);
        m->file_progress = m->progress;
    }
    if (now == ST_RUNNING && !m->progress.boots && (before != ST_RUNNING || m->progress.may_boot))
        await_count(m, move->call);
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
        args =
            guest_dir
                ? x_asprintf("{\"config\":\"name='%s'\\nkernel='vmlinuz'\\nramdisk='initrd.gz'\\n"
                             "memory=96\\ncmdline='console=ttyS0 quiet no_timer_check "
                             "cryptomgr.notests'\\nreeve_accel='tcg'\\n\","
                             "\"directory\":\"%s\"}",
                             m->name, guest_dir)
                : x_asprintf("{\"config\":\"name='%s'\\nkernel='/k'\\nmemory=16\\n\","
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
    int64_t deadline = bench_now_ms() + kind->settle_ms;

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
    if (guest_dir && killed && !done && presses(move))
        await_button(m, move);
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
    if (guest_dir) {
        look_at_guest(m, move, before, now, moved && (done || now != before));
    } else if (live) {
        int64_t count = bench_count(&bench, m->name);
        if (count < m->count)
            fail_msg("seed %llu, round %u: %s has counted %lld ms after %s, and had %lld",
                     (unsigned long long)seed, rounds, m->name, (long long)count, move->call,
                     (long long)m->count);
        m->count = count;
    }
    if (now != ST_PAUSED)
        m->kept = false;
    else if (before == ST_PAUSED && killed && !done)
        m->kept = true;
    m->state = now;
    if (domain)
        str_copy(m->uuid, sizeof m->uuid, json_get_string(domain, "uuid", ""));
    m->managed = domain && json_get_bool(domain, "managed", false);
}

static bool saves(const struct move *move)
{
    return move->saves || str_eq(move->call, "suspend");
}

/* What QEMU cannot: its guest that stood through one save is not saved once more. */
static bool cannot_save_again(const struct model *m, const struct move *move, const json_t *answer)
{
    return m->kept && saves(move) &&
           strstr(json_get_string(json_object_get(answer, "error"), "message", ""),
                  "cannot save a guest a second time");
}

/* What is known of a real guest before it is asked. */
static void prepare(struct model *m, const struct move *move)
{
    m->log.powers_off = false;
    if (str_eq(move->call, "reset") || str_eq(move->call, "reboot"))
        m->progress.may_boot = !m->progress.boots;
    /* What the one before it said last. */
    if (m->state == ST_ABSENT || m->state == ST_HALTED)
        guest_log_skip(&m->log);
}

static void one_round(void)
{
    struct peer_conn conns[DOMAINS_MAX];
    const struct move *chosen[DOMAINS_MAX] = {NULL};
    int ids[DOMAINS_MAX];
    bool done[DOMAINS_MAX] = {false};
    bool kill_it = draw(3) == 0;
    int clients = 0;

    rounds++;
    for (int i = 0; i < kind->domains; i++) {
        struct model *m = &models[i];
        if (guest_dir && (m->state == ST_RUNNING || m->state == ST_PAUSED))
            follow(m);
        /* The draw first: the seed alone says who is asked. */
        if (draw(3) == 0 || clients == CLIENTS)
            continue;
        clients++;
        chosen[i] = draw_move(m);
        if (chosen[i]->saves) {
            (void)unlink(m->file);
            m->has_file = false;
        }
        if (guest_dir)
            prepare(m, chosen[i]);
        else if (m->state == ST_RUNNING)
            m->count = bench_count(&bench, m->name);
        conn_open(&conns[i], &bench);
        verbs++;
    }
    for (int i = 0; i < kind->domains; i++)
        if (chosen[i])
            ids[i] = ask(&conns[i], &models[i], chosen[i]);
    if (kill_it) {
        poll(NULL, 0, (int)draw((uint64_t)kind->kill_within_ms));
        bench_kill(&bench);
        kills++;
    }
    for (int i = 0; i < kind->domains; i++) {
        if (!chosen[i])
            continue;
        AUTO_JSON json_t *answer = conn_answer(&conns[i], ids[i], kind->answer_ms);
        conn_close(&conns[i]);
        done[i] = json_object_get(answer, "return") != NULL;
        if (!done[i] && !kill_it && !cannot_save_again(&models[i], chosen[i], answer))
            fail_msg("seed %llu, round %u: %s of %s: %s", (unsigned long long)seed, rounds,
                     chosen[i]->call, models[i].name,
                     json_get_string(json_object_get(answer, "error"), "message", "closed"));
    }
    if (kill_it)
        bench_start(&bench, NULL);
    for (int i = 0; i < kind->domains; i++)
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
    for (int i = 0; i < kind->domains; i++) {
        snprintf(models[i].name, sizeof models[i].name, "web%d", i);
        snprintf(models[i].file, sizeof models[i].file, "%.60s/web%d.reeve", bench.dir, i);
        snprintf(models[i].console, sizeof models[i].console, "%s/console/web%d.log", bench.state,
                 i);
        models[i].log.path = models[i].console;
        models[i].state = ST_ABSENT;
    }
    while (bench_now_ms() < end)
        one_round();
    bench_tidy(&bench, false);
    printf("# seed %llu: %u rounds, %u verbs, %u kills", (unsigned long long)seed, rounds, verbs,
           kills);
    if (guest_dir)
        printf(", %lld counts of guests that were looked at", (long long)guest_log_counts());
    printf("\n");
    assert_true(!guest_dir || guest_log_counts() > 0);
    assert_true(kills > 0 && verbs > rounds / 2);
}

/* Real guests outlive their daemon. */
static void end_guests(void)
{
    AUTO_FREE char *path = x_asprintf("%s/qemu", bench.run);
    DIR *dir = opendir(path);
    struct dirent *entry;
    long pid;

    bench_kill(&bench);
    while (dir && (entry = readdir(dir))) {
        AUTO_FREE char *file = x_asprintf("%s/%s/pid", path, entry->d_name);
        FILE *f = fopen(file, "re");
        if (f && fscanf(f, "%ld", &pid) == 1 && pid > 1)
            kill((pid_t)pid, SIGKILL);
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
}

static int after(void **state)
{
    (void)state;
    end_guests();
    bench_close(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_random, after)};

    if (argc < 2) {
        fprintf(stderr, "usage: random_test REEVED [SECONDS [SEED [GUESTDIR]]]\n");
        return 2;
    }
    bench_program(argv[1]);
    seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 20;
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 20260101;
    guest_dir = argc > 4 ? argv[4] : NULL;
    if (guest_dir) {
        kind = &real;
        bench_driver("qemu");
    }
    rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    printf("# seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
