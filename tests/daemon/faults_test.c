/* SPDX-License-Identifier: MIT */
/* Faults in every step of save, checkpoint, suspend, resume and restore: a call on the image, the
 * memory or the stream fails, does half its work, finds the disk full, is the last before reeved is
 * killed; a cancel comes there; the guest's process is killed there. First each call in turn, on
 * simulated guests; then verb, fault and call at random. Afterwards the guest runs on from where it
 * was, or is whole in its image and goes on from it, and nothing is left over.
 *   faults_test REEVED LIBRARY null|qemu:GUEST_FOLDER RUNS [SEED]
 * The same seed does the same. */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/ident.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/bench.h"
#include "daemon/broken_calls.h"

enum { CALLS_MAX = 100, BOOT_MS = 120 * 1000, SETTLE_MS = 40 * 1000, GUEST_LOST_MS = 10 * 1000 };

static struct bench bench;
static struct broken_calls *calls;
static const char *guest_folder; /* of the small guest; NULL: the null driver */
static long runs;
static uint64_t seed, rng;
static char file[BENCH_PATH];

/* ---- The verbs and faults ---- */

enum verb_row { SUSPEND, SAVE, CHECKPOINT, RESUME, RESTORE, VERBS };

static const struct {
    const char *title, *call, *from, *to; /* "gone": halted, or absent where it is transient */
    bool takes_file;
} verbs[VERBS] = {
    [SUSPEND] = {"suspend",    "suspend", "running",   "suspended", false},
    [SAVE] = {"save",       "save",    "running",   "gone",      true },
    [CHECKPOINT] = {"checkpoint", "save",    "running",   "running",   true },
    [RESUME] = {"resume",     "resume",  "suspended", "running",   false},
    [RESTORE] = {"restore",    "restore", "gone",      "running",   true },
};

enum fault { FAIL, SPACE, SHORT, KILL, CANCEL, KILL_GUEST, FAULTS };

/* What the library does at the call, and what is done while it holds it. random: it is drawn that
 * often. */
static const struct {
    const char *title;
    enum broken_how how;
    unsigned random;
} faults[FAULTS] = {
    [FAIL] = {"a call that fails",          BROKEN_FAIL,  4},
    [SPACE] = {"a full disk",                BROKEN_SPACE, 2},
    [SHORT] = {"a short call",               BROKEN_SHORT, 2},
    [KILL] = {"reeved killed",              BROKEN_KILL,  4},
    [CANCEL] = {"a cancel",                   BROKEN_HOLD,  3},
    [KILL_GUEST] = {"the guest's process killed", BROKEN_HOLD,  2},
};

/* One run. */
struct run {
    enum verb_row verb;
    enum fault fault;
    int at;       /* the call, from 1 */
    int delay_ms; /* instead of `at` when it is not 0: what is done comes so long after the verb */
    bool paused;
};

static struct run now; /* a copy: a failure leaves the function that has it */
static bool under_way;
static bool guest_killed; /* in this run */
static long run_number;

/* What went wrong, with what is needed to see it again. */
static void lost(const char *fmt, ...) PRINTF(1, 2);

static void lost(const char *fmt, ...)
{
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    fail_msg("%s", what);
}

/* After a failure: which run it was. */
static void tell_run(void)
{
    if (under_way)
        printf("# seed %ju, run %ld: %s in %s at call %d (%s), after %d ms%s\n", (uintmax_t)seed,
               run_number, faults[now.fault].title, verbs[now.verb].title, now.at,
               atomic_load(&calls->met) ? calls->what : "not met", now.delay_ms,
               now.paused ? ", paused" : "");
    under_way = false;
}

static uint64_t draw(uint64_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % below;
}

/* ---- The guest ---- */

static const char name[] = "web1";
static const char *words = ""; /* in the kernel's command line of a simulated guest */
static bool managed;
static bool in_file; /* a real guest: its memory is a file */
static char uuid[IDENT_UUID_LEN + 1];
static int64_t count_before;
static size_t console_before;

static char *console_text(void)
{
    AUTO_FREE char *path = x_asprintf("%s/console/%s.log", bench.state, name);
    char *text = NULL;
    size_t len;
    struct err e;

    return fs_read_file(path, 64 << 20, &text, &len, &e) == 0 ? text : x_strdup("");
}

/* The last count in a text of the console; 0 for none. A line that is not whole does not count. */
static int64_t last_count(const char *text)
{
    int64_t count = 0;

    for (const char *at = text; (at = strstr(at, "reeve-guest: count ")); at++) {
        char *end;
        int64_t value = strtoll(at + strlen("reeve-guest: count "), &end, 10);
        count = *end == '\r' || *end == '\n' ? value : count;
    }
    return count;
}

/* What it has counted: milliseconds of a simulated guest, lines of a real one. */
static int64_t count_now(void)
{
    if (!guest_folder)
        return bench_count(&bench, name);
    AUTO_FREE char *text = console_text();
    return last_count(text);
}

static void define(void)
{
    AUTO_FREE char *keys =
        guest_folder ? x_asprintf("memory=80\\nkernel='%s/vmlinuz'\\nramdisk='%s/initrd.gz'\\n"
                                  "cmdline='console=ttyS0 quiet no_timer_check "
                                  "cryptomgr.notests'\\nreeve_accel='tcg'\\n"
                                  "reeve_memory='%s'\\n",
                                  guest_folder, guest_folder, in_file ? "file" : "ram")
                     : x_asprintf("memory=16\\nkernel='/vmlinuz'\\ncmdline='%s'\\n", words);

    bench_do(&bench, managed ? "new" : "create",
             "{\"config\":\"name='%s'\\n%s\",\"directory\":\"/\"}", name, keys);
}

/* A guest that has booted and counts, and can be told from one that was booted anew. */
static void boot(void)
{
    AUTO_FREE char *before = console_text();
    size_t skip = strlen(before);

    if (str_eq(bench_state(&bench, name), "absent"))
        define();
    if (str_eq(bench_state(&bench, name), "halted"))
        bench_do(&bench, "start", "{\"domain\":\"%s\"}", name);
    AUTO_JSON json_t *domain = bench_show(&bench, name);
    str_copy(uuid, sizeof uuid, json_get_string(domain, "uuid", ""));
    if (!guest_folder) {
        bench_age(&bench, uuid);
        bench_start(&bench, NULL);
        return;
    }
    for (int64_t deadline = bench_now_ms() + BOOT_MS;;) {
        AUTO_FREE char *text = console_text();
        if (strlen(text) > skip && strstr(text + skip, "up (boot)") && last_count(text + skip) > 2)
            return;
        bench_pause(deadline, "the guest's boot");
    }
}

/* It runs, and has gone on from where it was: not from an older moment and not from a boot. */
static void assert_goes_on(void)
{
    for (int64_t deadline = bench_now_ms() + SETTLE_MS;; poll(NULL, 0, 20)) {
        if (!guest_folder) {
            if (count_now() < count_before || count_before < BENCH_LONG_MS)
                lost("the guest has counted %lld, and had %lld", (long long)count_now(),
                     (long long)count_before);
            return;
        }
        AUTO_FREE char *text = console_text();
        const char *new_text = text + console_before;
        if (strlen(text) < console_before || strstr(new_text, "up (boot)"))
            lost("the guest was booted anew");
        if (last_count(new_text) > count_before)
            return;
        if (bench_now_ms() > deadline)
            lost("the guest does not count on after %lld", (long long)count_before);
    }
}

/* The processes with the domain's uuid in their arguments, killed when `kill_them`. */
static size_t processes(bool kill_them)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (dir && uuid[0] && (entry = readdir(dir))) {
        char text[8192], path[300];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = entry->d_name[0] > '0' && entry->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
        if (fd >= 0)
            close(fd);
        if (n <= 0 || !memmem(text, (size_t)n, uuid, IDENT_UUID_LEN))
            continue;
        count++;
        if (kill_them)
            kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    }
    if (dir)
        closedir(dir);
    return count;
}

/* ---- A run ---- */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The state once no job works on it and it is one that stays. */
static const char *settled(void)
{
    int64_t seen_by = bench_now_ms() + GUEST_LOST_MS;

    for (int64_t deadline = bench_now_ms() + SETTLE_MS;; poll(NULL, 0, 10)) {
        AUTO_JSON json_t *domain = bench_show(&bench, name);
        const char *state = json_get_string(domain, "state", "");
        bool busy = json_is_object(json_object_get(domain, "job"));
        /* That a process was killed is not seen at once. */
        bool unseen = guest_killed &&
                      (processes(false) > 0 || str_eq(state, "running") || str_eq(state, "paused"));
        if (!busy && !(unseen && bench_now_ms() < seen_by))
            return bench_state(&bench, name);
        if (bench_now_ms() > deadline)
            lost("a job does not end");
    }
}

static bool is(const char *state, const char *wanted)
{
    return str_eq(wanted, "gone") ? str_eq(state, managed ? "halted" : "absent")
                                  : str_eq(state, wanted);
}

static void arm(enum broken_how how, int at)
{
    atomic_store(&calls->how, BROKEN_NOT);
    atomic_store(&calls->met, 0);
    atomic_store(&calls->left, at);
    atomic_store(&calls->how, how);
}

static void disarm(void)
{
    atomic_store(&calls->how, BROKEN_NOT);
}

/* Brings the domain to where the run begins. */
static void prepare(const struct run *run)
{
    if (str_eq(bench_state(&bench, name), "absent") || str_eq(bench_state(&bench, name), "halted"))
        boot();
    if (!managed && (run->verb == SUSPEND || run->verb == RESUME)) {
        bench_do(&bench, "adopt", "{\"domain\":\"%s\"}", name);
        managed = true;
    }
    if (run->paused)
        bench_do(&bench, "pause", "{\"domain\":\"%s\"}", name);
    count_before = count_now();
    if (run->verb == RESUME)
        bench_do(&bench, "suspend", "{\"domain\":\"%s\"}", name);
    if (run->verb == RESTORE)
        bench_do(&bench, "save", "{\"domain\":\"%s\",\"file\":\"%s\"}", name, file);
    if (run->verb == RESUME || run->verb == RESTORE) {
        AUTO_FREE char *text = console_text();
        count_before = guest_folder ? last_count(text) : count_before;
        console_before = strlen(text);
    } else if (guest_folder) {
        AUTO_FREE char *text = console_text();
        console_before = strlen(text);
    }
}

/* What is done to a verb under way. */
static void meddle(const struct run *run)
{
    if (run->fault == KILL)
        bench_kill(&bench);
    if (run->fault == KILL_GUEST)
        guest_killed = processes(true) > 0;
    if (run->fault != CANCEL)
        return;
    AUTO_JSON json_t *domain = bench_show(&bench, name);
    json_t *job = json_object_get(domain, "job");
    UNUSED AUTO_JSON json_t *answer =
        job ? bench_call(&bench, "cancel", "{\"job\":%lld}", (long long)json_get_int(job, "id", 0))
            : NULL;
}

/* Until the call is met or the answer is there. */
static bool await_call(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (int64_t deadline = bench_now_ms() + BENCH_WAIT_MS; !atomic_load(&calls->met);
         bench_pause(deadline, "the verb"))
        if (poll(&p, 1, 0) == 1)
            return atomic_load(&calls->met);
    return true;
}

/* The verb with its fault; the answer, NULL when reeved went away under it. */
static json_t *act(const struct run *run)
{
    struct peer_conn c;
    AUTO_STR struct str args = {0};
    bool waits = faults[run->fault].how == BROKEN_HOLD;

    str_addc(&args, '{');
    if (run->verb != RESTORE)
        str_addf(&args, "\"domain\":\"%s\"", name);
    if (verbs[run->verb].takes_file)
        str_addf(&args, "%s\"file\":\"%s\"", args.len > 1 ? "," : "", file);
    str_add(&args, run->verb == CHECKPOINT ? ",\"checkpoint\":true}" : "}");
    conn_open(&c, &bench);
    if (run->delay_ms == 0)
        arm(faults[run->fault].how, run->at);
    int id = conn_request(&c, verbs[run->verb].call, args.data);
    if (run->delay_ms > 0) {
        poll(NULL, 0, run->delay_ms - 1);
        meddle(run);
    } else if (waits && await_call(c.fd)) {
        meddle(run);
    }
    if (waits)
        disarm();
    json_t *answer = conn_answer(&c, id, BENCH_WAIT_MS);
    disarm();
    conn_close(&c);
    return answer;
}

/* A file of a guest that runs on is there after a checkpoint alone, and is whole then. */
static void check_file(const struct run *run, const char *state, bool done)
{
    bool there = exists(file);
    /* Killed, reeved had no answer to give. */
    bool saved = run->verb == SAVE && is(state, "gone") && (done || run->fault == KILL);
    bool may = run->verb == RESTORE || run->verb == CHECKPOINT || saved;
    bool must = run->verb == RESTORE || (may && done);

    if ((there && !may) || (!there && must))
        lost("it is %s, and the file is %s", state, there ? "there" : "not there");
    if (!there)
        return;
    AUTO_JSON json_t *answer = bench_call(&bench, "image-verify", "{\"file\":\"%s\"}", file);
    if (!json_object_get(answer, "return"))
        lost("the file is not whole: %s",
             json_get_string(json_object_get(answer, "error"), "message", ""));
}

/* One of the states in which nothing is lost; or gone, when the guest itself was killed. */
static void check_state(const struct run *run, const char *state, const json_t *answer)
{
    const char *from = run->paused && run->verb <= CHECKPOINT ? "paused" : verbs[run->verb].from;
    const char *to = run->paused && verbs[run->verb].to[0] == 'r' ? "paused" : verbs[run->verb].to;
    const char *why = json_get_string(json_object_get(answer, "error"), "message", "no answer");
    bool done = json_object_get(answer, "return") != NULL;

    if (done ? is(state, to) : is(state, from) || is(state, to))
        return;
    /* A guest that died is a crash, with its reason; one that died in a resume is in its image. */
    if (run->fault == KILL_GUEST && is(state, "gone") && run->verb != RESUME)
        return;
    if (run->fault == KILL_GUEST && run->verb == RESUME &&
        (is(state, "broken") || (done && is(state, "halted"))))
        return;
    lost("it is %s, not %s or %s: %s", state, from, to, why);
}

/* What a discard of a broken domain has set aside. */
static void remove_aside(void)
{
    AUTO_FREE char *folder = x_asprintf("%s/images/%s", bench.state, uuid);
    struct err e;

    assert_int_equal(fs_remove_tree(AT_FDCWD, folder, &e), 0);
}

/* Whatever it is, the guest goes on. */
static void live_on(const char *state)
{
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);

    if (str_eq(state, "suspended"))
        bench_do(&bench, "resume", "%s", one);
    else if (str_eq(state, "broken") && in_file) {
        /* Memory in which the guest may have run on has no way back. */
        bench_refused(&bench, "wrong-state", "resume", "{\"domain\":\"%s\",\"force\":true}", name);
        bench_do(&bench, "discard", "%s", one);
        remove_aside();
        return;
    } else if (str_eq(state, "broken"))
        bench_do(&bench, "resume", "{\"domain\":\"%s\",\"force\":true}", name);
    else if (is(state, "gone") && exists(file))
        bench_do(&bench, "restore", "{\"file\":\"%s\"}", file);
    else if (is(state, "gone"))
        return; /* a crash: its next run boots */
    if (str_eq(bench_state(&bench, name), "paused"))
        bench_do(&bench, "unpause", "%s", one);
    if (!str_eq(bench_state(&bench, name), "running"))
        lost("it is %s at last", bench_state(&bench, name));
    assert_goes_on();
}

/* The first file of an image that is neither one nor set aside; "" for none. */
static char *leftover(void)
{
    AUTO_FREE char *command = x_asprintf(
        "find '%s' -name '*.part' -o -name '*.spent' -o -name '*.new' | head -n 1", bench.dir);
    FILE *found = popen(command, "r"); /* NOLINT: a folder of our own */
    char line[300] = "";

    assert_non_null(found);
    if (!fgets(line, sizeof line, found))
        line[0] = '\0';
    pclose(found);
    return x_strdup(line);
}

/* A file that could not be removed is said to be left, and is gone with the next start. */
static void find_leftovers(const struct run *run, const json_t *answer)
{
    AUTO_FREE char *left = leftover();

    if (left[0] && run->fault == FAIL &&
        json_array_size(json_object_get(json_object_get(answer, "return"), "warnings")) > 0) {
        bench_stop(&bench, BENCH_WAIT_MS);
        bench_start(&bench, NULL);
        free(left);
        left = leftover();
    }
    if (left[0])
        lost("%s is left over", left);
}

static void check_leftovers(const struct run *run, const char *state, const json_t *answer)
{
    bool alive = str_eq(state, "running") || str_eq(state, "paused");
    int64_t deadline = bench_now_ms() + GUEST_LOST_MS;

    while (guest_folder && processes(false) != alive)
        if (bench_now_ms() > deadline)
            lost("%zu processes are there", processes(false));
        else
            poll(NULL, 0, 20);
    if (bench_guests(&bench) != alive)
        lost("the driver has %zu guests", bench_guests(&bench));
    find_leftovers(run, answer);
    bench_tidy(&bench, false);
}

/* Returns whether the call was met. */
static bool do_run(const struct run *run)
{
    now = *run;
    under_way = true;
    guest_killed = false;
    run_number++;
    atomic_store(&calls->met, 0);
    prepare(run);
    AUTO_JSON json_t *answer = act(run);
    bool met = atomic_load(&calls->met) != 0;
    bool done = json_object_get(answer, "return") != NULL;

    if (!answer || bench.pid == 0) {
        if (run->fault != KILL)
            lost("reeved went away");
        if (bench.pid != 0)
            (void)bench_ended(&bench);
        bench_start(&bench, NULL);
    }
    const char *state = settled();
    check_state(run, state, answer);
    check_file(run, state, done);
    live_on(state);
    (void)unlink(file);
    check_leftovers(run, bench_state(&bench, name), answer);
    under_way = false;
    return met;
}

/* ---- The tests ---- */

static int before(void **state)
{
    (void)state;
    bench_open(&bench);
    AUTO_FREE char *path = x_asprintf("%s/calls", bench.dir);
    AUTO_FREE char *folder = x_asprintf("%s/files", bench.dir);
    snprintf(file, sizeof file, "%.60s/files/web1.reeve", bench.dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, sizeof *calls) == 0);
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(calls != MAP_FAILED);
    close(fd);
    setenv("BROKEN_CALLS", path, 1);
    managed = true;
    uuid[0] = '\0';
    bench_start(&bench, NULL);
    return 0;
}

static int after(void **state)
{
    (void)state;
    tell_run();
    bench_kill(&bench);
    (void)processes(true);
    munmap(calls, sizeof *calls);
    bench_close(&bench);
    return 0;
}

/* Each call of each verb in turn. */
static void test_every_call(void **state)
{
    (void)state;
    for (int verb = 0; verb < VERBS; verb++) {
        for (int fault = FAIL; fault <= CANCEL; fault++) {
            struct run run = {.verb = (enum verb_row)verb, .fault = (enum fault)fault, .at = 1};
            while (run.at < CALLS_MAX && do_run(&run))
                run.at++;
            printf("# figure: %s: %d calls of %s\n", faults[fault].title, run.at - 1,
                   verbs[verb].title);
            /* Nothing of a resume takes space. */
            if (run.at < 3 && !(fault == SPACE && run.verb >= RESUME))
                fail_msg("%s met only %d calls of %s", faults[fault].title, run.at - 1,
                         verbs[verb].title);
        }
    }
}

/* The driver fails, or its guest dies under it, which is a crash and no image. */
static void test_driver_errors(void **state)
{
    static const struct {
        const char *words;
        enum verb_row verb;
        const char *after, *reason, *then; /* then: what makes it halted; NULL */
    } rows[] = {
        {"null.save=fail",    SUSPEND,    "running",   "booted",       "destroy"},
        {"null.save=fail",    SAVE,       "running",   "booted",       "destroy"},
        {"null.save=fail",    CHECKPOINT, "running",   "booted",       "destroy"},
        {"null.save=die",     SUSPEND,    "halted",    "backend-died", NULL     },
        {"null.save=die",     SAVE,       "halted",    "backend-died", NULL     },
        {"null.save=die",     CHECKPOINT, "halted",    "backend-died", NULL     },
        {"null.restore=fail", RESUME,     "suspended", "suspended",    "discard"},
        {"null.restore=fail", RESTORE,    "halted",    "saved",        NULL     },
        {"null.restore=die",  RESUME,     "suspended", "suspended",    "discard"},
        {"null.restore=die",  RESTORE,    "halted",    "saved",        NULL     },
    };
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct run run = {.verb = rows[i].verb};
        words = rows[i].words;
        now = run;
        under_way = true;
        prepare(&run);
        AUTO_JSON json_t *answer = act(&run);
        const char *why = json_get_string(json_object_get(answer, "error"), "message", NULL);
        if (!why)
            lost("%s: it was done", words);
        const char *after_it = settled();
        AUTO_JSON json_t *domain = bench_show(&bench, name);
        const char *reason = json_get_string(domain, "reason", "");
        if (!str_eq(after_it, rows[i].after) || !str_eq(reason, rows[i].reason))
            lost("%s: it is %s (%s): %s", words, after_it, reason, why);
        if (exists(file) != (run.verb == RESTORE))
            lost("%s: the file is %s", words, exists(file) ? "there" : "not there");
        (void)unlink(file);
        check_leftovers(&run, after_it, answer);
        if (rows[i].then)
            bench_do(&bench, rows[i].then, "%s", one);
        bench_do(&bench, "delete", "%s", one);
    }
    under_way = false;
    words = "";
}

static enum fault draw_fault(void)
{
    unsigned sum = 0;
    int fault = 0;

    for (int i = 0; i < FAULTS; i++)
        sum += guest_folder || i != KILL_GUEST ? faults[i].random : 0;
    for (unsigned at = (unsigned)draw(sum); at >= faults[fault].random; fault++)
        at -= faults[fault].random;
    return (enum fault)fault;
}

/* A real guest's memory is hundreds of calls, and what is before and after it a few. */
static int draw_call(void)
{
    return guest_folder ? 1 + (int)draw(2ULL << draw(9)) : 1 + (int)draw(24);
}

static struct run draw_run(void)
{
    struct run run = {.verb = (enum verb_row)draw(VERBS), .fault = draw_fault()};
    bool timed = draw(2) == 0;

    run.at = draw_call();
    run.delay_ms = 1 + (int)draw(guest_folder ? 800 : 30);
    run.paused = !guest_folder && draw(4) == 0;
    if (!timed || run.fault < KILL)
        run.delay_ms = 0;
    return run;
}

static void test_random(void **state)
{
    /* What every series on real guests has, whatever is drawn. */
    static const struct run first[] = {
        {.verb = RESUME,  .fault = KILL_GUEST, .at = 12},
        {.verb = SUSPEND, .fault = KILL_GUEST, .at = 30},
    };
    long met = 0;

    (void)state;
    for (long i = 0; i < runs; i++) {
        struct run run = draw_run();
        if (guest_folder && i < (long)ARRAY_LEN(first))
            run = first[i];
        if (draw(4) == 0 && str_eq(bench_state(&bench, name), "running")) {
            bench_do(&bench, "destroy", "{\"domain\":\"%s\"}", name);
            if (managed)
                bench_do(&bench, "delete", "{\"domain\":\"%s\"}", name);
            managed = !managed;
            in_file = draw(3) == 0;
        }
        met += do_run(&run) || run.delay_ms > 0;
    }
    printf("# figure: %ld runs at random on %s, seed %ju: %ld met their fault, none lost\n", runs,
           guest_folder ? "QEMU" : "null", (uintmax_t)seed, met);
    assert_true(met > runs / 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, before, after),
        cmocka_unit_test_setup_teardown(test_every_call, before, after),
        cmocka_unit_test_setup_teardown(test_driver_errors, before, after),
    };
    struct CMUnitTest chosen[ARRAY_LEN(tests)];

    if (argc < 5) {
        fprintf(stderr, "usage: faults_test REEVED LIBRARY null|qemu:GUEST_FOLDER RUNS [SEED]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_program(argv[1]);
    bench_preload(argv[2]);
    guest_folder = str_starts(argv[3], "qemu:") ? argv[3] + 5 : NULL;
    bench_driver(guest_folder ? "qemu" : "null");
    runs = strtol(argv[4], NULL, 10);
    seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 20260101;
    rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    printf("# seed %ju\n", (uintmax_t)seed);
    memcpy(chosen, tests, sizeof tests);
    /* Each call of a real guest's memory would take hours. */
    return _cmocka_run_group_tests("faults", chosen, guest_folder ? 1 : ARRAY_LEN(chosen), NULL,
                                   NULL);
}
