/* SPDX-License-Identifier: MIT */
/* Supervision, by a real daemon with simulated guests: what on_poweroff, on_reboot, on_crash and
 * on_watchdog make of an end, at every fault point; the restart limiter.
 *   supervision_test REEVED [PATTERN] */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/bench.h"

static struct bench bench;

static int before(void **state)
{
    (void)state;
    bench_open(&bench);
    return 0;
}

static int after(void **state)
{
    (void)state;
    bench_close(&bench);
    return 0;
}

static json_t *list(const struct bench *b)
{
    json_t *answer = bench_call(b, "list", "%s", "");

    assert_non_null(answer);
    json_t *domains = json_incref(json_object_get(json_object_get(answer, "return"), "domains"));
    json_decref(answer);
    assert_true(json_is_array(domains));
    return domains;
}

/* How many domains there are with `name` and a time behind it, and that all names differ. */
static size_t left_overs(const struct bench *b, const char *name)
{
    AUTO_JSON json_t *domains = list(b);
    AUTO_JSON json_t *names = json_object();
    AUTO_FREE char *start = x_asprintf("%s-2", name);
    size_t count = 0, i;
    json_t *d;

    json_array_foreach(domains, i, d)
    {
        const char *own = json_get_string(d, "name", "");
        assert_null(json_object_get(names, own));
        json_object_set_new(names, own, json_true());
        count += str_starts(own, start);
    }
    return count;
}

static size_t cores(const struct bench *b, const char *name)
{
    AUTO_FREE char *path = x_asprintf("%s/cores", b->state);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (!str_starts(entry->d_name, name) || entry->d_name[strlen(name)] != '-')
            continue;
        assert_true(str_ends(entry->d_name, ".core"));
        assert_int_equal(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_true(st.st_size > 16 * 1024 * 1024);
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

/* How often the history of the domain says that. */
static size_t told(const struct bench *b, const char *name, const char *what)
{
    AUTO_JSON json_t *answer = bench_call(b, "log", "{\"domain\":\"%s\"}", name);
    const json_t *events = json_object_get(json_object_get(answer, "return"), "events"), *ev;
    size_t i, count = 0;

    json_array_foreach(events, i, ev)
    {
        count += strstr(json_get_string(ev, "text", ""), what) != NULL;
    }
    return count;
}

/* ---- The table ---- */

static const struct {
    const char *key, *event, *reason, *kept;
} ends[] = {
    {"on_poweroff",   "poweroff",   "guest-poweroff", "shutdown"},
    {"on_reboot",     "reboot",     "guest-reboot",   "shutdown"},
    {"on_crash",      "crash",      "guest-crash",    "crashed" },
    {"on_watchdog",   "watchdog",   "watchdog",       "crashed" },
    {"on_soft_reset", "soft-reset", "soft-reset",     "shutdown"},
    {"on_crash",      "die",        "backend-died",   "halted"  },
};

static const struct {
    const char *action;
    bool boots, keeps, core, rename;
} actions[] = {
    {"destroy",          false, false, false, false},
    {"restart",          true,  false, false, false},
    {"preserve",         false, true,  false, false},
    {"rename-restart",   true,  false, false, true },
    {"coredump-destroy", false, false, true,  false},
    {"coredump-restart", true,  false, true,  false},
    {"soft-reset",       true,  false, false, false},
};

/* One that is to be booted again is left after its second end (reeve_restart_tries = 0 lets the
 * first be the last), so each comes to rest. */
static void test_every_action_of_every_end(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        for (size_t k = 0; k < ARRAY_LEN(actions); k++) {
            AUTO_FREE char *name = x_asprintf("%s-%s", ends[i].event, actions[k].action);
            AUTO_FREE char *lines = x_asprintf("%s='%s'\\ncmdline='null.%s-after=300'\\n"
                                               "reeve_restart_tries=1",
                                               ends[i].key, actions[k].action, ends[i].event);
            bench_run(b, name, lines);
        }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        for (size_t k = 0; k < ARRAY_LEN(actions); k++) {
            AUTO_FREE char *name = x_asprintf("%s-%s", ends[i].event, actions[k].action);
            bool body = !str_eq(ends[i].event, "die");
            bool stands = body && (actions[k].keeps || actions[k].boots);
            int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
            int64_t starts = actions[k].boots ? 2 : 1;
            for (;;) {
                AUTO_JSON json_t *d = bench_show(b, name);
                bool there =
                    str_eq(json_get_string(d, "state", ""), stands ? ends[i].kept : "halted") &&
                    json_get_int(d, "starts", 0) == starts &&
                    (!actions[k].boots ||
                     strstr(json_get_string(d, "reason_text", ""), "not booted again"));
                if (there) {
                    assert_string_equal(json_get_string(d, "reason", ""), ends[i].reason);
                    break;
                }
                if (bench_now_ms() > deadline)
                    fail_msg("%s is %s after %lld starts: %s", name,
                             json_get_string(d, "state", ""),
                             (long long)json_get_int(d, "starts", 0),
                             json_get_string(d, "reason_text", ""));
                bench_pause(deadline + 1000, name);
            }
            assert_int_equal(left_overs(b, name), body && actions[k].rename ? 1 : 0);
            size_t written = body && actions[k].core ? 1 : 0;
            if (told(b, name, "its memory is in ") != written)
                fail_msg("%s: %zu cores, not %zu", name, told(b, name, "its memory is in "),
                         written);
        }
    bench_tidy(b, false);
}

/* ---- Names, cores, changes ---- */

static void test_names_of_what_is_left_never_collide(void **state)
{
    struct bench *b = &bench;
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1",
              "on_crash='rename-restart'\\ncmdline='null.crash-after=50'\\n"
              "reeve_restart_min_run=0");
    while (left_overs(b, "web1") < 6)
        bench_pause(deadline, "that six are left over");
    bench_do(b, "destroy", "%s", "{\"domain\":\"web1\"}");
    AUTO_JSON json_t *domains = list(b);
    size_t i;
    json_t *d;
    json_array_foreach(domains, i, d)
    {
        if (str_eq(json_get_string(d, "name", ""), "web1"))
            continue;
        assert_string_equal(json_get_string(d, "state", ""), "crashed");
        bench_do(b, "destroy", "{\"domain\":\"%s\"}", json_get_string(d, "name", ""));
    }
    assert_int_equal(left_overs(b, "web1"), 0);
    bench_tidy(b, false);
}

static void test_cores_are_bounded(void **state)
{
    struct bench *b = &bench;
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1",
              "on_crash='coredump-restart'\\ncmdline='null.crash-after=30'\\n"
              "reeve_restart_min_run=0");
    for (;;) {
        AUTO_JSON json_t *d = bench_show(b, "web1");
        if (json_get_int(d, "starts", 0) > 12)
            break;
        bench_pause(deadline, "the thirteenth boot");
    }
    bench_do(b, "destroy", "%s", "{\"domain\":\"web1\"}");
    assert_int_equal(cores(b, "web1"), 8);
}

static void test_a_policy_changed_while_it_runs_acts(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1", "cmdline='null.poweroff-after=5000'");
    bench_do(b, "config-set", "%s",
             "{\"domain\":\"web1\",\"overrides\":[\"on_poweroff=preserve\"]}");
    bench_await_state(b, "web1", "shutdown");
}

/* ---- The limiter ---- */

static void test_the_limiter_outlives_the_daemon(void **state)
{
    struct bench *b = &bench;
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1",
              "on_crash='restart'\\ncmdline='null.crash-after=100'\\n"
              "reeve_restart_tries=2");
    /* Each time it waits to be booted again, the daemon is killed; the count goes on. */
    int64_t seen = 0;
    for (;;) {
        AUTO_JSON json_t *d = bench_show(b, "web1");
        int64_t starts = json_get_int(d, "starts", 0);
        const char *why = json_get_string(d, "reason_text", "");
        if (strstr(why, "not booted again"))
            break;
        if (str_eq(json_get_string(d, "state", ""), "crashed") && starts > seen &&
            strstr(why, "is booted again in")) {
            seen = starts;
            bench_kill(b);
            bench_start(b, NULL);
        }
        bench_pause(deadline, "that it is given up");
    }
    assert_true(seen >= 1); /* each of the waits may pass between two looks, not all */
    AUTO_JSON json_t *d = bench_show(b, "web1");
    assert_int_equal(json_get_int(d, "starts", 0), 3);
    assert_int_equal(json_get_int(d, "crashes", 0), 3);
    assert_string_equal(json_get_string(d, "state", ""), "crashed");
    /* A person begins the count anew. */
    size_t first_waits = told(b, "web1", "is booted again in 1 s");
    bench_do(b, "reset", "%s", "{\"domain\":\"web1\"}");
    while (told(b, "web1", "is booted again in 1 s") == first_waits)
        bench_pause(deadline, "that it waits for 1 s once more");
    bench_do(b, "destroy", "%s", "{\"domain\":\"web1\"}");
    assert_string_equal(bench_state(b, "web1"), "halted");
    bench_tidy(b, false);
}

static void test_last_words_are_kept_with_a_crash(void **state)
{
    struct bench *b = &bench;
    AUTO_FREE char *dir = x_asprintf("%s/console", b->state);
    AUTO_FREE char *path = x_asprintf("%s/web1.log", dir);

    (void)state;
    bench_start(b, NULL);
    bench_define(b, "new", "web1", "null.crash-after=100");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fprintf(f, "line %d\n", i);
    fputs("Kernel panic \033[31m\n\n", f);
    assert_int_equal(fclose(f), 0);
    bench_do(b, "start", "%s", "{\"domain\":\"web1\"}");
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    for (;;) {
        AUTO_JSON json_t *answer = bench_call(b, "log", "%s", "{\"domain\":\"web1\"}");
        AUTO_FREE char *text = json_dumps(answer, JSON_COMPACT);
        if (strstr(text, "the last on its console: line 941 | ") &&
            strstr(text, "line 999 | Kernel panic \\\\x1b[31m\""))
            break;
        if (bench_now_ms() > deadline)
            fail_msg("%s", text);
        bench_pause(deadline + 1000, "that its end is in the log");
    }
}

/* ---- A lost store ---- */

static void test_records_are_made_anew(void **state)
{
    struct bench *b = &bench;
    AUTO_FREE char *lose = x_asprintf("rm '%s'/reeve.db*", b->state);

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "runs", "");
    bench_run(b, "sleeps", "");
    bench_run(b, "ends", "");
    AUTO_JSON json_t *was = bench_show(b, "runs");
    bench_do(b, "suspend", "%s", "{\"domain\":\"sleeps\"}");
    bench_do(b, "shutdown", "%s", "{\"domain\":\"ends\"}");
    bench_tidy(b, false); /* the copies are made */
    bench_kill(b);
    assert_int_equal(system(lose), 0); /* NOLINT: a folder of our own */
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, "runs"), "absent");
    assert_int_equal(bench_guests(b), 1); /* a guest without a record is left alone */
    AUTO_JSON json_t *answer = bench_call(b, "doctor", "%s", "{\"repair\":true}");
    json_t *repaired = json_object_get(json_object_get(answer, "return"), "repaired");
    assert_int_equal(json_array_size(repaired), 3);
    bench_await_state(b, "runs", "running");
    assert_string_equal(bench_state(b, "sleeps"), "suspended");
    assert_string_equal(bench_state(b, "ends"), "halted");
    AUTO_JSON json_t *now = bench_show(b, "runs");
    assert_string_equal(json_get_string(now, "uuid", "-"), json_get_string(was, "uuid", ""));
    bench_do(b, "resume", "%s", "{\"domain\":\"sleeps\"}");
    bench_do(b, "start", "%s", "{\"domain\":\"ends\"}");
    bench_tidy(b, false);
    /* Twice does nothing more. */
    AUTO_JSON json_t *again = bench_call(b, "doctor", "%s", "{\"repair\":true}");
    json_t *more = json_object_get(json_object_get(again, "return"), "repaired");
    assert_int_equal(json_array_size(more), 0);
}

/* ---- Hooks ---- */

static void write_hook(const struct bench *b, const char *name, mode_t mode, const char *script)
{
    AUTO_FREE char *dir = x_asprintf("%s/hooks.d", b->dir);
    AUTO_FREE char *path = x_asprintf("%s/%s", dir, name);

    mkdir(dir, 0755);
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* The message of a refused call. */
static char *refusal(const struct bench *b, const char *call)
{
    AUTO_JSON json_t *answer = bench_call(b, call, "%s", "{\"domain\":\"web1\"}");

    return x_strdup(json_get_string(json_object_get(answer, "error"), "message", ""));
}

static void test_hooks(void **state)
{
    struct bench *b = &bench;
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    AUTO_FREE char *log = x_asprintf("%s/hooks.log", b->dir);
    AUTO_FREE char *record = x_asprintf("cat >>%s", log);

    (void)state;
    bench_start(b, NULL);
    bench_define(b, "new", "web1", "");
    /* What a hook says last is why a verb is refused, and nothing has changed. */
    write_hook(b, "10-no", 0755,
               "grep -q '\"when\":\"before\",\"verb\":\"start\"' || exit 0\n"
               "echo first; printf 'not at \\033night\\n\\n'; exit 3");
    AUTO_FREE char *why = refusal(b, "start");
    assert_non_null(strstr(why, "cannot start web1: the hook "));
    assert_non_null(strstr(why, "10-no refuses: not at \\x1bnight"));
    assert_string_equal(bench_state(b, "web1"), "halted");
    /* One that others may write is not run. */
    write_hook(b, "10-no", 0777, "exit 0");
    AUTO_FREE char *unsafe = refusal(b, "start");
    assert_non_null(strstr(unsafe, "chmod"));
    /* No program, no hook; and events come before and after, whole, also of what nobody asked. */
    write_hook(b, "10-no", 0644, "exit 1");
    write_hook(b, "20-record", 0755, record);
    bench_do(b, "start", "%s", "{\"domain\":\"web1\"}");
    bench_do(b, "pause", "%s", "{\"domain\":\"web1\"}");
    size_t lines = 0;
    while ((lines & 0xff) < 4 || lines < 0x200) {
        char line[2000];
        FILE *f = fopen(log, "r");
        for (lines = 0; f && fgets(line, sizeof line, f); lines++) {
            json_error_t e;
            AUTO_JSON json_t *event = json_loads(line, 0, &e);
            assert_non_null(event);
            const json_t *domain = json_object_get(event, "domain");
            assert_string_equal(json_get_string(domain, "name", ""), "web1");
            bool end = str_eq(json_get_string(event, "when", ""), "after");
            assert_int_equal(end, json_get_string(event, "outcome", NULL) != NULL);
            lines += end ? 0x100 : 0;
        }
        if (f)
            fclose(f);
        bench_pause(deadline, "that four events are told");
    }
    /* One that hangs has its time, with all its children, and refuses. */
    write_hook(b, "30-hang", 0755, "grep -q before || exit 0; sleep 1000 & wait");
    AUTO_FREE char *late = refusal(b, "unpause");
    assert_non_null(strstr(late, "30-hang took longer than 10 s"));
    assert_string_equal(bench_state(b, "web1"), "paused");
    write_hook(b, "30-hang", 0755, "head -c 100000000 /dev/zero; exit 0");
    bench_do(b, "unpause", "%s", "{\"domain\":\"web1\"}");
    assert_string_equal(bench_state(b, "web1"), "running");
    bench_stop(b, 10 * 1000); /* with whatever hook runs */
}

/* ---- What hooks are told of the arguments ---- */

/* The arguments of the newest event before the verb, as JSON text; owned by the caller. */
static char *told_arguments(const char *log, const char *verb)
{
    char *found = NULL;
    char line[4000];
    FILE *f = fopen(log, "r");

    while (f && fgets(line, sizeof line, f)) {
        AUTO_JSON json_t *event = json_loads(line, 0, NULL);
        if (!str_eq(json_get_string(event, "verb", ""), verb) ||
            !str_eq(json_get_string(event, "when", ""), "before"))
            continue;
        free(found);
        found = json_dumps(json_object_get(event, "arguments"), JSON_COMPACT | JSON_SORT_KEYS);
    }
    if (f)
        fclose(f);
    return found;
}

static void test_hooks_are_told_the_arguments(void **state)
{
    static const struct {
        const char *call, *arguments, *told;
    } rows_[] = {
        {"start",          "\"paused\":true,\"wait\":true",                    "{\"paused\":true}"               },
        {"unpause",        "\"progress\":true",                                "{}"                              },
        {"mem-set",        "\"memory_kib\":8192",                              "{\"memory_kib\":8192}"           },
        {"vcpu-set",       "\"vcpus\":2,\"next_boot\":true",                   "{\"next_boot\":true,\"vcpus\":2}"},
        {"network-attach", "\"spec\":\"mac=00:16:3e:00:00:01\"",
         "{\"spec\":\"mac=00:16:3e:00:00:01\"}"                                                                  },
        {"network-detach", "\"device\":\"00:16:3e:00:00:01\"",
         "{\"device\":\"00:16:3e:00:00:01\"}"                                                                    },
        {"config-set",     "\"overrides\":[\"vncpasswd=hush\",\"memory=16\"]",
         "{\"overrides\":[\"vncpasswd=...\",\"memory=16\"]}"                                                     },
        {"save",           "\"file\":\"/nowhere/web1\"",                       "{\"file\":\"/nowhere/web1\"}"    },
        {"destroy",        "\"wait\":true",                                    "{}"                              },
        {"rename",         "\"name\":\"web2\"",                                "{\"name\":\"web2\"}"             },
    };
    struct bench *b = &bench;
    AUTO_FREE char *log = x_asprintf("%s/hooks.log", b->dir);
    AUTO_FREE char *record = x_asprintf("cat >>%s", log);

    (void)state;
    bench_start(b, NULL);
    write_hook(b, "20-record", 0755, record);
    bench_define(b, "new", "web1", "");
    AUTO_FREE char *of_new = told_arguments(log, "new");
    assert_string_equal(of_new, "{\"directory\":\"/\"}"); /* without the config */
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
        AUTO_JSON json_t *answer =
            bench_call(b, rows_[i].call, "{\"domain\":\"web1\",%s}", rows_[i].arguments);
        AUTO_FREE char *told = told_arguments(log, rows_[i].call);
        assert_non_null(answer);
        if (!told || !str_eq(told, rows_[i].told))
            fail_msg("%s: hooks are told %s", rows_[i].call, told ? told : "nothing");
    }
    /* What nobody asked for has none. */
    bench_define(b, "new", "web3", "null.poweroff-after=100");
    bench_do(b, "start", "%s", "{\"domain\":\"web3\"}");
    bench_await_state(b, "web3", "halted");
}

/* ---- The daemon dies on the way ---- */

static const struct row {
    const char *point, *action, *event;
    bool managed;
    bool too_soon; /* so it waits a second to be booted again */
} rows[] = {
    {"restart.intent",  "restart",          "reboot", true,  false},
    {"restart.intent",  "restart",          "crash",  false, false},
    {"restart.intent",  "rename-restart",   "crash",  true,  false},
    {"restart.intent",  "coredump-restart", "crash",  false, false},
    {"restart.intent",  "restart",          "die",    false, false},
    {"restart.running", "restart",          "reboot", false, false},
    {"restart.aside",   "rename-restart",   "crash",  true,  false},
    {"restart.aside",   "rename-restart",   "crash",  false, false},
    {"restart.gone",    "restart",          "die",    true,  false},
    {"restart.gone",    "restart",          "die",    false, false},
    {"start.intent",    "rename-restart",   "crash",  true,  false},
    {"start.created",   "rename-restart",   "crash",  false, false},
    {"start.running",   "rename-restart",   "crash",  true,  false},
    {"start.created",   "restart",          "die",    false, false},
    {"start.running",   "restart",          "die",    true,  false},
    {"restart.intent",  "restart",          "reboot", true,  true },
    {"restart.intent",  "rename-restart",   "crash",  false, true },
    {"restart.aside",   "rename-restart",   "crash",  true,  true },
    {"restart.gone",    "restart",          "die",    true,  true },
};

static void end_at(struct bench *b, const struct row *row)
{
    AUTO_FREE char *fault = x_asprintf("%s=kill", row->point);
    const char *key = str_eq(row->event, "reboot") ? "on_reboot" : "on_crash";

    bench_start(b, NULL);
    /* It is to end only once after its first boot, so it ends late enough for what is looked at. */
    bench_do(b, row->managed ? "new" : "create",
             "{\"config\":\"name='web1'\\nmemory=16\\nkernel='/vmlinuz'\\n%s='%s'\\n"
             "cmdline='null.%s-after=2500'\\nreeve_restart_min_run=%d\\n\",\"directory\":\"/\"}",
             key, row->action, row->event, row->too_soon ? 60 : 0);
    if (row->managed)
        bench_do(b, "start", "%s", "{\"domain\":\"web1\"}");
    bench_kill(b);
    /* On a slow machine it has ended by now, and the daemon comes to the point before it greets. */
    bench_launch(b, fault, NULL);
    bench_ended(b);
}

static void test_killed_on_the_way(void **state)
{
    const struct row *row = *state;
    struct bench *b = &bench;
    bool aside = str_eq(row->action, "rename-restart");
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;

    end_at(b, row);
    bench_start(b, NULL);
    AUTO_JSON json_t *d = bench_show(b, "web1");
    assert_non_null(json_object_get(d, "uuid")); /* it has its record at every instant */
    while (!str_eq(bench_state(b, "web1"), "running"))
        bench_pause(deadline, "that it runs again");
    AUTO_JSON json_t *now = bench_show(b, "web1");
    assert_string_equal(json_get_string(now, "uuid", "-"), json_get_string(d, "uuid", ""));
    bench_do(b, "destroy", "%s", "{\"domain\":\"web1\"}");
    /* On a slow machine it may have ended once more by now. */
    size_t left = left_overs(b, "web1");
    assert_true(aside ? left >= 1 : left == 0);
    assert_int_equal(bench_guests(b), left);
    bench_tidy(b, false);
}

/* A reboot waits for its guest when the daemon is killed, or it is cancelled, or its time is over;
 * then the guest powers off. */
static void reboot_left(struct bench *b, const char *name, bool kill, bool cancel)
{
    struct peer_conn c;
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS, job_id = 0;
    AUTO_FREE char *args =
        x_asprintf("{\"domain\":\"%s\"%s}", name, kill || cancel ? "" : ",\"timeout_ms\":1000");
    AUTO_FREE char *booted = x_asprintf("%s was booted again: ", name);

    bench_run(b, name,
              "cmdline='null.reboot=hang null.poweroff-after=3500'\\nreeve_restart_min_run=0");
    conn_open(&c, b);
    int id = conn_request(&c, "reboot", args);
    /* One whose time is over is not looked at: its phase may have passed by then. */
    while ((kill || cancel) && job_id == 0) {
        AUTO_JSON json_t *d = bench_show(b, name);
        const json_t *job = json_object_get(d, "job");
        if (str_eq(json_get_string(job, "phase", ""), "waiting for the guest"))
            job_id = json_get_int(job, "id", 0);
        bench_pause(deadline, "that its guest is asked");
    }
    if (kill) {
        bench_kill(b);
        bench_start(b, NULL);
    } else if (cancel) {
        bench_do(b, "cancel", "{\"job\":%lld}", (long long)job_id);
    } else {
        AUTO_JSON json_t *answer = conn_answer(&c, id, BENCH_WAIT_MS);
        assert_string_equal(json_get_string(json_object_get(answer, "error"), "code", ""),
                            "timed-out");
    }
    conn_close(&c);
    while (told(b, name, booted) == 0)
        bench_pause(deadline, "that it is booted again");
    /* Its next power-off is its own. */
    bench_await_state(b, name, "halted");
    assert_int_equal(told(b, name, booted), 1);
}

static void test_a_guest_is_not_left_off_by_a_reboot(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    reboot_left(b, "web1", true, false);
    reboot_left(b, "web2", false, true);
    reboot_left(b, "web3", false, false);
    bench_tidy(b, false);
}

/* A shutdown comes after the reboot; both give up, and then the guest powers off. */
static void test_a_shutdown_calls_a_reboot_off(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_start(b, NULL);
    bench_run(b, "web1", "cmdline='null.ignore-power null.poweroff-after=8000'");
    bench_refused(b, "timed-out", "reboot", "%s", "{\"domain\":\"web1\",\"timeout_ms\":200}");
    bench_refused(b, "timed-out", "shutdown", "%s", "{\"domain\":\"web1\",\"timeout_ms\":200}");
    bench_await_state(b, "web1", "halted");
    assert_int_equal(told(b, "web1", "web1 was booted again: "), 0);
    bench_tidy(b, false);
}

static void test_every_point(void **state)
{
    (void)state;
    for (size_t i = 0; fault_name(i); i++) {
        bool met = !str_starts(fault_name(i), "restart.");
        for (size_t k = 0; k < ARRAY_LEN(rows); k++)
            met = met || str_eq(rows[k].point, fault_name(i));
        if (!met)
            fail_msg("no row meets the fault point %s", fault_name(i));
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, before, after)

int main(int argc, char **argv)
{
    static const struct CMUnitTest fixed[] = {
        TEST(test_every_action_of_every_end),
        TEST(test_names_of_what_is_left_never_collide),
        TEST(test_cores_are_bounded),
        TEST(test_a_policy_changed_while_it_runs_acts),
        TEST(test_the_limiter_outlives_the_daemon),
        TEST(test_last_words_are_kept_with_a_crash),
        TEST(test_records_are_made_anew),
        TEST(test_hooks),
        TEST(test_hooks_are_told_the_arguments),
        TEST(test_a_guest_is_not_left_off_by_a_reboot),
        TEST(test_a_shutdown_calls_a_reboot_off),
        cmocka_unit_test(test_every_point),
    };
    static struct CMUnitTest tests[ARRAY_LEN(fixed) + ARRAY_LEN(rows)];
    size_t count = ARRAY_LEN(fixed);

    if (argc < 2) {
        fprintf(stderr, "usage: supervision_test REEVED [PATTERN]\n");
        return 2;
    }
    bench_program(argv[1]);
    memcpy(tests, fixed, sizeof fixed);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        tests[count++] = (struct CMUnitTest){
            x_asprintf("killed at %s of a %s by %s%s of a %s domain", rows[i].point, rows[i].action,
                       rows[i].too_soon ? "an early " : "", rows[i].event,
                       rows[i].managed ? "managed" : "transient"),
            test_killed_on_the_way, before, after, (void *)(uintptr_t)&rows[i]};
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return _cmocka_run_group_tests("supervision", tests, count, NULL, NULL);
}
