/* SPDX-License-Identifier: MIT */
/* roles, settings, consoles: the daemon's parts by themselves. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/consoles.h"
#include "daemon/roles.h"
#include "daemon/settings.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    str_copy(dir, sizeof dir, "/tmp/reeve-parts.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    struct err e;

    (void)state;
    return fs_remove_tree(AT_FDCWD, dir, &e);
}

/* ---- Roles ---- */

static void test_role_lines(void **state)
{
    static const char *const bad[] = {"",        "alice",       "alice=",       "=admin",
                                      "@=admin", "alice=Admin", "alice=admin ", "alice=root"};
    struct role_rule rule;
    struct err e;

    (void)state;
    assert_int_equal(role_parse("alice=admin", &rule, &e), 0);
    assert_true(str_eq(rule.who, "alice") && !rule.group && rule.role == ROLE_ADMIN);
    free(rule.who);
    assert_int_equal(role_parse("@staff=none", &rule, &e), 0);
    assert_true(str_eq(rule.who, "staff") && rule.group && rule.role == ROLE_NONE);
    free(rule.who);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(role_parse(bad[i], &rule, &e), -1);
        assert_int_equal(e.code, ERR_BAD_CONFIG);
    }
}

/* Users and groups that every Debian has: daemon 1, bin 2, sys 3 and groups of the same names. */
static enum role role_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count,
                         const char *const *lines)
{
    struct role_rule rules[8] = {0};
    gid_t copy[8] = {0};
    size_t rule_count = 0;
    struct err e;

    for (; lines[rule_count]; rule_count++)
        assert_int_equal(role_parse(lines[rule_count], &rules[rule_count], &e), 0);
    for (size_t i = 0; i < count; i++)
        copy[i] = groups[i];
    struct peer peer = {
        .user = {uid, gid},
          .groups = copy, .group_count = count
    };
    enum role role = role_of(&peer, rules, rule_count);
    for (size_t i = 0; i < rule_count; i++)
        free(rules[i].who);
    return role;
}

static void test_roles(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const user[] = {"bin=viewer", "@sys=admin", NULL};
    static const char *const groups[] = {"@sys=viewer", "@daemon=operator", NULL};
    static const char *const denied[] = {"bin=none", "@sys=admin", NULL};
    static const char *const ghosts[] = {"no-such-user=admin", "@no-such-group=admin", NULL};
    static const gid_t sys_and_daemon[] = {3, 1};

    (void)state;
    assert_int_equal(role_as(0, 0, NULL, 0, none), ROLE_ADMIN);
    assert_int_equal(role_as(geteuid(), 7, NULL, 0, none), ROLE_ADMIN);
    assert_int_equal(role_as(2, 2, NULL, 0, none), ROLE_NONE);
    /* A user's own rule goes before a group's, and may take away. */
    assert_int_equal(role_as(2, 3, NULL, 0, user), ROLE_VIEWER);
    assert_int_equal(role_as(2, 3, NULL, 0, denied), ROLE_NONE);
    assert_int_equal(role_as(3, 3, NULL, 0, user), ROLE_ADMIN);
    /* The highest group counts, the primary one too. */
    assert_int_equal(role_as(2, 2, sys_and_daemon, 1, groups), ROLE_VIEWER);
    assert_int_equal(role_as(2, 2, sys_and_daemon, 2, groups), ROLE_OPERATOR);
    assert_int_equal(role_as(2, 3, NULL, 0, groups), ROLE_VIEWER);
    assert_int_equal(role_as(65534, 65534, NULL, 0, ghosts), ROLE_NONE);
}

static void test_peer(void **state)
{
    int fds[2];
    struct peer peer;
    struct err e;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(peer_of(fds[0], &peer, &e), 0);
    assert_int_equal(peer.user.uid, geteuid());
    assert_int_equal(peer.user.gid, getegid());
    assert_int_equal(peer.pid, getpid());
    peer_finish(&peer);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(peer_of(-1, &peer, &e), -1);
}

/* ---- Settings ---- */

static int read_settings(struct settings *s, const char *text, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.conf", dir);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    settings_init(s);
    free(s->config_file);
    s->config_file = TAKE(path);
    s->config_named = true;
    return settings_read(s, e);
}

static void test_settings(void **state)
{
    struct settings s;
    struct err e = {0};

    (void)state;
    assert_int_equal(read_settings(&s,
                                   "# ours\ndriver = \"null\"\nstate_dir = '/s'\n"
                                   "run_dir = \"/r\"\nqemu = \"/q\"\nqemu_user = \"u\"\n"
                                   "roles = [\"bin=viewer\", \"@sys=admin\"]\n",
                                   &e),
                     0);
    assert_string_equal(s.driver, "null");
    assert_string_equal(s.state_dir, "/s");
    assert_string_equal(s.run_dir, "/r");
    assert_string_equal(s.console_dir, "/s/console");
    assert_string_equal(s.qemu, "/q");
    assert_string_equal(s.qemu_user, "u");
    assert_int_equal(s.rule_count, 2);
    settings_finish(&s);
    /* Nothing said. */
    assert_int_equal(read_settings(&s, "", &e), 0);
    assert_string_equal(s.driver, "auto");
    assert_true(s.state_dir[0] == '/' && s.run_dir[0] == '/' && s.console_dir[0] == '/');
    assert_null(s.qemu);
    settings_finish(&s);
}

static void test_bad_settings(void **state)
{
    static const struct {
        const char *text;
        int line;
        const char *key;
    } rows[] = {
        {"driver = 7\n",                         1, "driver"   },
        {"\nstate_dir = [\"/a\"]\n",             2, "state_dir"},
        {"roles = \"bin=viewer\"\n",             1, "roles"    },
        {"driver = \"null\"\nroles = [\"x\"]\n", 2, "roles"    },
        {"roles = [[\"bin=viewer\"]]\n",         1, "roles"    },
        {"rolse = []\n",                         1, "rolse"    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct settings s;
        struct err e = {0};
        assert_int_equal(read_settings(&s, rows[i].text, &e), -1);
        assert_int_equal(e.code, ERR_BAD_CONFIG);
        assert_int_equal(e.line, rows[i].line);
        assert_string_equal(e.key, rows[i].key);
        assert_true(str_ends(e.file, "/reeve.conf"));
        settings_finish(&s);
    }
}

static void test_named_settings(void **state)
{
    struct settings s;
    struct err e = {0};

    (void)state;
    settings_init(&s);
    free(s.config_file);
    s.config_file = x_asprintf("%s/none.conf", dir);
    /* An option goes before the file; a file that was named must be there. */
    s.driver = x_strdup("null");
    assert_int_equal(settings_read(&s, &e), 0);
    assert_string_equal(s.driver, "null");
    s.config_named = true;
    assert_int_equal(settings_read(&s, &e), -1);
    settings_finish(&s);
}

/* ---- Consoles ---- */

static uv_loop_t loop;

struct viewer {
    struct str text;
    bool ended;
};

static void show(void *arg, const char *bytes, size_t len)
{
    struct viewer *v = arg;

    if (len == 0)
        v->ended = true;
    else
        str_addn(&v->text, bytes, len);
}

static void on_tick(uv_timer_t *timer)
{
    uv_timer_stop(timer);
}

/* Lets the loop work until the viewer has seen len bytes. */
static void run_until(const struct viewer *v, size_t len)
{
    int64_t deadline = clock_mono_ms() + 20000;
    uv_timer_t tick;

    uv_timer_init(&loop, &tick);
    while (v->text.len < len && clock_mono_ms() < deadline) {
        uv_timer_start(&tick, on_tick, 50, 0);
        uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(v->text.len >= len);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_console(void **state)
{
    static const char uuid[] = "00000000-0000-4000-8000-000000000001";
    struct viewer one = {0}, two = {0};
    char typed[64];
    int fds[2], again[2];

    (void)state;
    uv_loop_init(&loop);
    struct consoles *c = consoles_new(&loop, dir);
    assert_false(consoles_has(c, uuid));
    consoles_end(c, uuid);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    consoles_add(c, uuid, "web1", fds[0]);
    assert_true(consoles_has(c, uuid));
    struct console_view *first = consoles_attach(c, uuid, show, &one);
    say(fds[1], "hello\n");
    run_until(&one, 6);
    assert_string_equal(one.text.data, "hello\n");
    /* A late one is shown what was. */
    struct console_view *second = consoles_attach(c, uuid, show, &two);
    assert_string_equal(two.text.data, "hello\n");
    console_type(second, "ls\n", 3);
    assert_int_equal(read(fds[1], typed, sizeof typed), 3);
    assert_memory_equal(typed, "ls\n", 3);
    console_detach(second);
    /* Another descriptor for the same domain, as after a reboot: the client stays. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, again), 0);
    consoles_add(c, uuid, "web1", again[0]);
    say(again[1], "booted\n");
    run_until(&one, 13);
    assert_string_equal(one.text.data, "hello\nbooted\n");
    assert_string_equal(two.text.data, "hello\n");
    console_type(first, "x", 1);
    assert_int_equal(read(again[1], typed, sizeof typed), 1);
    /* The backend goes away, and typing into nothing does no harm. */
    say(again[1], "last words");
    close(again[1]);
    consoles_end(c, uuid);
    assert_true(one.ended && str_ends(one.text.data, "last words"));
    assert_false(consoles_has(c, uuid));
    AUTO_FREE char *path = x_asprintf("%s/web1.log", dir);
    AUTO_FREE char *log = NULL;
    size_t len = 0;
    struct err e;
    assert_int_equal(fs_read_file(path, 4096, &log, &len, &e), 0);
    assert_string_equal(log, "hello\nbooted\nlast words");
    consoles_free(c);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(fds[1]);
    str_finish(&one.text);
    str_finish(&two.text);
}

/* What a guest says without end is kept in two files of bounded length. */
static void test_console_log(void **state)
{
    static const char uuid[] = "00000000-0000-4000-8000-000000000002";
    AUTO_FREE char *path = x_asprintf("%s/loud.log", dir);
    AUTO_FREE char *old = x_asprintf("%s/loud.log.1", dir);
    AUTO_FREE char *block = x_malloc(8192);
    struct viewer v = {0};
    struct stat st;
    int fds[2];

    (void)state;
    memset(block, 'x', 8192);
    uv_loop_init(&loop);
    struct consoles *c = consoles_new(&loop, dir);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    consoles_add(c, uuid, "loud", fds[0]);
    struct console_view *view = consoles_attach(c, uuid, show, &v);
    for (size_t sent = 0; sent < 5 * CONSOLE_LOG_MAX / 2; sent += 8192) {
        assert_int_equal(write(fds[1], block, 8192), 8192);
        run_until(&v, sent + 8192);
    }
    assert_true(stat(path, &st) == 0 && st.st_size <= CONSOLE_LOG_MAX && (st.st_mode & 077) == 0);
    assert_true(stat(old, &st) == 0 && st.st_size <= CONSOLE_LOG_MAX);
    /* A guest that reads nothing costs 64 KiB and no more. */
    for (int i = 0; i < 1000; i++)
        console_type(view, block, 8192);
    console_detach(view);
    consoles_free(c);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(fds[1]);
    str_finish(&v.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_role_lines),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_peer),
        cmocka_unit_test_setup_teardown(test_settings, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_bad_settings, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_named_settings, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_console, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_console_log, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
