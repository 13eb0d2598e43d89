/* SPDX-License-Identifier: MIT */
/* What the QEMU driver keeps of a domain, and what it reads out of it: meta.json, the journal, the
 * platform line, QEMU's words for a guest's state. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/platform.h"
#include "driver/qemu/resets.h"

struct place {
    char path[64];
    int dirfd;
};

static int setup(void **state)
{
    struct place *place = x_calloc(1, sizeof *place);

    str_copy(place->path, sizeof place->path, "/tmp/reeve-state-XXXXXX");
    if (!mkdtemp(place->path))
        return -1;
    place->dirfd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = place;
    return place->dirfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    struct err e;
    int result = fs_remove_tree(AT_FDCWD, place->path, &e);

    close(place->dirfd);
    free(place);
    return result;
}

static void put(struct place *place, const char *name, const char *text)
{
    AUTO_CLOSE int fd = openat(place->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct err e;

    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, text, strlen(text), name, &e), 0);
}

static const struct meta example = {
    .ref = {.uuid = "11111111-2222-4333-8444-555555555555", .name = "web1", .id = 7},
    .pid = 4242,
    .start = UINT64_C(123456789012),
    .memory_kib = 131072,
    .max_memory_kib = 262144,
    .vcpus = 2,
    .max_vcpus = 4,
    .machine = "pc-i440fx-7.2",
    .accel = "tcg",
    .cpu = "max",
    .qemu = "7.2.22",
    .vnc = "/run/reeve/qemu/x/vnc.sock",
    .console = true,
};

static void test_meta_is_read_as_written(void **state)
{
    struct place *place = *state;
    struct meta back;
    struct err e;

    assert_int_equal(meta_read(place->dirfd, &back, &e), -1);
    assert_int_equal(e.code, ERR_NO_SUCH_DOMAIN);
    assert_int_equal(meta_write(place->dirfd, &example, &e), 0);
    assert_int_equal(meta_read(place->dirfd, &back, &e), 0);
    assert_string_equal(back.ref.uuid, example.ref.uuid);
    assert_string_equal(back.ref.name, example.ref.name);
    assert_int_equal(back.ref.id, 7);
    assert_int_equal(back.pid, 4242);
    assert_true(back.start == example.start);
    assert_int_equal(back.memory_kib, 131072);
    assert_int_equal(back.max_memory_kib, 262144);
    assert_int_equal(back.vcpus, 2);
    assert_int_equal(back.max_vcpus, 4);
    assert_string_equal(back.machine, example.machine);
    assert_string_equal(back.accel, "tcg");
    assert_string_equal(back.cpu, "max");
    assert_string_equal(back.qemu, "7.2.22");
    assert_string_equal(back.vnc, example.vnc);
    assert_true(back.console);
    assert_false(back.reboots);
}

static void test_bad_meta_is_damaged(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[1]",
        "not json",
        "{\"uuid\": 5}",
        "{\"uuid\": \"a-uuid-that-is-much-longer-than-any-uuid-has-ever-been\"}",
    };
    struct place *place = *state;
    struct meta back = {.pid = 1};
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put(place, FOLDER_META, texts[i]);
        assert_int_equal(meta_read(place->dirfd, &back, &e), -1);
        assert_int_equal(e.code, ERR_DAMAGED);
        assert_int_equal(back.pid, 1);
    }
    /* A pid that would mean everybody. */
    assert_int_equal(meta_write(place->dirfd, &(struct meta){.pid = -1}, &e), 0);
    assert_int_equal(meta_read(place->dirfd, &back, &e), -1);
    assert_int_equal(e.code, ERR_DAMAGED);
}

#define END(reason)                                                                                \
    "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"" reason "\"}}\n"

static void test_statuses(void **state)
{
    const struct {
        const char *status;
        const char *journal; /* NULL: there is none */
        bool held;
        enum observed state;
        enum reason reason;
    } rows[] = {
        {"running",        NULL,                                                          false, OBS_RUNNING,  REASON_NONE          },
        {"paused",         NULL,                                                          false, OBS_PAUSED,   REASON_PAUSED_BY_USER},
        {"prelaunch",      NULL,                                                          false, OBS_PAUSED,   REASON_CREATED_PAUSED},
        {"io-error",       NULL,                                                          false, OBS_PAUSED,   REASON_IO_ERROR      },
        {"guest-panicked", NULL,                                                          false, OBS_CRASHED,  REASON_GUEST_CRASH   },
        {"internal-error", NULL,                                                          false, OBS_CRASHED,  REASON_GUEST_CRASH   },
        {"inmigrate",      NULL,                                                          false, OBS_BUSY,     REASON_NONE          },
        {"finish-migrate", NULL,                                                          true,  OBS_BUSY,     REASON_BEING_SAVED   },
        {"postmigrate",    NULL,                                                          false, OBS_BUSY,     REASON_BEING_SAVED   },
        {"postmigrate",    NULL,                                                          true,  OBS_PAUSED,   REASON_PAUSED_BY_USER},
        {"shutdown",       NULL,                                                          false, OBS_SHUTDOWN, REASON_GUEST_POWEROFF},
        {"shutdown",       "",                                                            false, OBS_SHUTDOWN, REASON_GUEST_POWEROFF},
        {"shutdown",       END("guest-reset"),                                            false, OBS_SHUTDOWN, REASON_GUEST_REBOOT  },
        {"shutdown",       END("guest-reset") END("guest-shutdown"),                      false, OBS_SHUTDOWN,
         REASON_GUEST_POWEROFF                                                                                                      },
        {"shutdown",       "{\"cut\n" END("guest-reset") "{\"event\": \"STOP\"}\n{\"cut", false,
         OBS_SHUTDOWN,                                                                                         REASON_GUEST_REBOOT  },
        {"a new word",     NULL,                                                          false, OBS_BUSY,     REASON_NONE          },
    };
    struct place *place = *state;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct observation o = {0};
        folder_unmark(place->dirfd, FOLDER_JOURNAL_LOG);
        folder_unmark(place->dirfd, FOLDER_HELD);
        if (rows[i].journal)
            put(place, FOLDER_JOURNAL_LOG, rows[i].journal);
        if (rows[i].held)
            assert_int_equal(folder_mark(place->dirfd, FOLDER_HELD, &e), 0);
        observation_set_status(&o, place->dirfd, rows[i].status);
        if (o.state != rows[i].state || o.reason != rows[i].reason)
            fail_msg("row %zu, %s: state %d, reason %s", i, rows[i].status, (int)o.state,
                     reason_name(o.reason));
    }
}

/* A reset by the guest (or by somebody else) at that second. */
static json_t *reset_at(int second, bool guest)
{
    return json_pack("{s:s, s:{s:b}, s:{s:i, s:i}}", "event", "RESET", "data", "guest", guest,
                     "timestamp", "seconds", 1000 + second, "microseconds", 5);
}

static void test_resets(void **state)
{
    enum { WINDOW_MS = 500, LONG_MS = 4000 };
    static const struct {
        int second;
        bool guest;
        int64_t since_ms;
        bool taken;
        uint64_t reboots;
    } rows[] = {
        {1,  false, 0,       true,  0}, /* asked for */
        {1,  false, 0,       false, 0}, /* the same message, by the other way */
        {2,  true,  30,      true,  0}, /* the firmware's */
        {10, true,  LONG_MS, true,  1}, /* the guest's */
        {11, true,  40,      true,  1}, /* the firmware's */
        {11, true,  40,      false, 1},
        {20, true,  LONG_MS, true,  2},
        {30, true,  LONG_MS, true,  3}, /* without one of the firmware's */
        {31, true,  10,      true,  3}, /* from here on it goes round quickly */
        {32, true,  10,      true,  3},
        {33, true,  10,      true,  3},
        {34, true,  10,      true,  3}, /* so often the firmware has been seen to */
        {35, true,  10,      true,  3},
        {36, true,  10,      true,  3},
        {37, true,  10,      true,  3},
        {38, true,  10,      true,  4},
        {39, true,  10,      true,  4},
        {5,  true,  LONG_MS, true,  5}, /* the host's clock was set back */
    };
    AUTO_JSON json_t *other = json_pack("{s:s}", "event", "STOP");
    struct resets r = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *message = reset_at(rows[i].second, rows[i].guest);
        bool taken = resets_take(&r, message, rows[i].since_ms, WINDOW_MS);
        if (taken != rows[i].taken || r.reboots != rows[i].reboots)
            fail_msg("row %zu: %staken, %ju reboots", i, taken ? "" : "not ", (uintmax_t)r.reboots);
    }
    assert_false(resets_take(&r, other, LONG_MS, WINDOW_MS));
    /* The first of all is no firmware's, however early. */
    struct resets fresh = {0};
    AUTO_JSON json_t *first = reset_at(1, true);
    assert_true(resets_take(&fresh, first, 0, WINDOW_MS));
    assert_int_equal(fresh.reboots, 1);
}

/* The count is kept in the folder, and what the journal has beyond it is found. */
static void test_resets_are_caught_up_with(void **state)
{
    struct place *place = *state;
    AUTO_STR struct str journal = {0};
    struct resets r, again;

    for (int second = 0; second < 40; second += 10) {
        AUTO_JSON json_t *message = reset_at(second, second > 0);
        AUTO_JSON json_t *firmware = reset_at(second + 1, true);
        json_add_line(&journal, message);
        str_addc(&journal, '\n');
        json_add_line(&journal, firmware);
        str_add(&journal, "\n{\"event\": \"STOP\"}\nno json\n");
        put(place, FOLDER_JOURNAL_LOG, journal.data);
        resets_catch_up(&r, place->dirfd, getpid());
        assert_int_equal(r.reboots, second / 10);
    }
    assert_true(resets_fresh(place->dirfd, getpid()));
    /* A journal that was emptied, and a later daemon. */
    put(place, FOLDER_JOURNAL_LOG, "");
    resets_catch_up(&again, place->dirfd, getpid());
    assert_int_equal(again.reboots, 3);
    assert_true(again.last_us == r.last_us);
    AUTO_JSON json_t *event = reset_at(50, true);
    resets_event(&again, place->dirfd, getpid(), event); /* no CPU time was used since */
    assert_int_equal(again.reboots, 3);
    put(place, FOLDER_RESETS, "12 rubbish");
    resets_read(place->dirfd, &again);
    assert_int_equal(again.reboots, 0);
    assert_false(resets_fresh(place->dirfd, getpid()));
}

/* What an end left is what it was before its disks were given away, and is where its folder is. */
static void test_what_was_set_aside(void **state)
{
    struct place *place = *state;
    struct observation o = {0};
    struct meta meta = {.vnc = "/run/old/vnc.sock"};
    struct err e;

    str_copy(meta.ref.uuid, sizeof meta.ref.uuid, "00000000-0000-4000-8000-000000000001");
    put(place, FOLDER_ASIDE, "guest-panicked web1-left\n");
    observation_set_status(&o, place->dirfd, "postmigrate");
    assert_int_equal(o.state, OBS_CRASHED);
    assert_int_equal(o.reason, REASON_GUEST_CRASH);
    observation_set_status(&o, place->dirfd, "running"); /* it was reset since */
    assert_int_equal(o.state, OBS_RUNNING);
    struct meta own = meta;
    aside_rehome(place->dirfd, "/run", meta.ref.uuid, &own);
    assert_string_equal(own.ref.name, "");
    assert_string_equal(own.vnc, "/run/old/vnc.sock");
    assert_int_equal(aside_refuse(&own, meta.ref.uuid, &e), 0);
    aside_rehome(place->dirfd, "/run", "00000000-0000-4000-8000-000000000002", &own);
    assert_string_equal(own.ref.uuid, "00000000-0000-4000-8000-000000000002");
    assert_string_equal(own.ref.name, "web1-left");
    assert_string_equal(own.vnc, "/run/00000000-0000-4000-8000-000000000002/vnc.sock");
    assert_int_equal(aside_refuse(&meta, own.ref.uuid, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_int_equal(aside_forget(place->dirfd, &e), 0);
    observation_set_status(&o, place->dirfd, "postmigrate");
    assert_int_equal(o.state, OBS_PAUSED); /* until it runs again */
}

/* A guest cannot fill the host's memory with events while it runs. */
static void test_journal_is_emptied(void **state)
{
    enum { MUCH = 70000 };
    struct place *place = *state;
    AUTO_FREE char *text = x_malloc(MUCH + 1);
    struct observation o = {0};
    struct err e;
    size_t len;

    memset(text, '\n', MUCH);
    text[MUCH] = '\0';
    put(place, FOLDER_JOURNAL_LOG, text);
    AUTO_FREE char *path = x_asprintf("%s/%s", place->path, FOLDER_JOURNAL_LOG);
    AUTO_FREE char *ended = NULL;
    observation_set_status(&o, place->dirfd, "shutdown"); /* it still says why */
    assert_int_equal(fs_read_file(path, MUCH, &ended, &len, &e), 0);
    assert_int_equal(len, MUCH);
    AUTO_FREE char *running = NULL;
    observation_set_status(&o, place->dirfd, "running");
    assert_int_equal(fs_read_file(path, MUCH, &running, &len, &e), 0);
    assert_int_equal(len, 0);
}

static void test_platform(void **state)
{
    static const char text[] = "qemu-7.2.22 machine=pc-q35-7.2 accel=tcg cpu=max "
                               "places=vda:0,nic-00163e000001:15";
    static const char *const bad[] = {
        "",
        "null",
        "qemu-7.2",
        "qemu- machine=x accel=y cpu=z",
        "qemu-7.2 accel=tcg machine=pc cpu=max",
        "qemu-7.2 machine=pc accel=a-long-accelerator cpu=max places=-",
        "qemu-7.2 machine=pc accel=tcg cpu=max",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=vda",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=vda:24",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=vda:-1",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=vda:0,vdb:0",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- features=",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- queues=",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- queues=0",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- queues=65",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- queues=4x",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- queues=-1",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- features=aes queues=4",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=- feature=aes",
        "qemu-7.2 machine=pc accel=tcg cpu=max places=a-name-that-is-much-too-long:0",
    };
    struct platform platform, here;
    struct err e;

    (void)state;
    assert_int_equal(platform_parse(text, &platform, &e), 0);
    assert_string_equal(platform.machine, "pc-q35-7.2");
    assert_string_equal(platform.features, "");
    AUTO_FREE char *back = platform_text(&platform);
    assert_string_equal(back, text);
    AUTO_FREE char *more = x_asprintf("%s features=aes,avx2,avx", text);
    assert_int_equal(platform_parse(more, &platform, &e), 0);
    AUTO_FREE char *more_back = platform_text(&platform);
    assert_string_equal(more_back, more);
    AUTO_FREE char *most = x_asprintf("%s queues=64 features=aes,avx2,avx", text);
    assert_int_equal(platform_parse(most, &platform, &e), 0);
    assert_int_equal(platform.queues, 64);
    AUTO_FREE char *most_back = platform_text(&platform);
    assert_string_equal(most_back, most);
    here = platform;
    assert_int_equal(platform_compare_features(&platform, &here, &e), 0);
    strcpy(here.features, "avx512f,avx2,xaes,aesx,avx");
    assert_int_equal(platform_compare_features(&platform, &here, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "(aes)"));
    here.features[0] = '\0'; /* not to be known */
    assert_int_equal(platform_compare_features(&platform, &here, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(platform_parse(bad[i], &platform, &e), -1);
        assert_int_equal(e.code, ERR_DAMAGED);
    }
}

static void test_end_by_events(void **state)
{
#define EVENT(name) "{\"event\": \"" name "\"}\n"
    static const struct {
        const char *text, *end;
    } journals[] = {
        {"",                                                                 NULL            },
        {EVENT("RESUME") EVENT("RTC_CHANGE"),                                NULL            },
        {EVENT("RESUME") EVENT("SHUTDOWN") EVENT("STOP") EVENT("MIGRATION"), "shutdown"      },
        {EVENT("GUEST_PANICKED") EVENT("STOP"),                              "guest-panicked"},
        {EVENT("WATCHDOG") EVENT("STOP"),                                    "watchdog"      },
        {EVENT("SHUTDOWN") EVENT("STOP") EVENT("RESET") EVENT("RESUME"),     NULL            },
        {"DOWN\"}\n" EVENT("STOP") "{\"event\": \"SHUTDOWN\"",               NULL            },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(journals); i++) {
        const char *end = observation_journal_last(journals[i].text, strlen(journals[i].text));
        assert_string_equal(end ? end : "", journals[i].end ? journals[i].end : "");
    }
}

/* A folder however deep has sockets, though an address holds 107 bytes. */
static void test_sockets_in_deep_folders(void **state)
{
    struct place *place = *state;
    AUTO_FREE char *deep = x_asprintf("%s/%0120d", place->path, 0);
    struct err e;
    int server, client;
    char c = '\0';

    assert_int_equal(fs_make_dirs(deep, 0700, &e), 0);
    AUTO_CLOSE int dirfd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(folder_connect(dirfd, "s", &client, &e), -1);
    for (int round = 0; round < 2; round++) { /* an old one is replaced */
        assert_int_equal(folder_listen(dirfd, "s", &server, &e), 0);
        assert_int_equal(folder_connect(dirfd, "s", &client, &e), 0);
        AUTO_CLOSE int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(write(client, "y", 1), 1);
        assert_int_equal(read(accepted, &c, 1), 1);
        assert_int_equal(c, 'y');
        close(client);
        close(server);
    }
    /* A file in the way is not ours to remove. */
    AUTO_CLOSE int file = openat(dirfd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(folder_listen(dirfd, "f", &server, &e), -1);
    assert_int_equal(faccessat(dirfd, "f", F_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_meta_is_read_as_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_meta_is_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_journal_is_emptied, setup, teardown),
        cmocka_unit_test(test_resets),
        cmocka_unit_test_setup_teardown(test_resets_are_caught_up_with, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_set_aside, setup, teardown),
        cmocka_unit_test(test_platform),
        cmocka_unit_test(test_end_by_events),
        cmocka_unit_test_setup_teardown(test_sockets_in_deep_folders, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
