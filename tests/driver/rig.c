/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { STEP_MS = 10 };

static void nap(void)
{
    poll(NULL, 0, STEP_MS);
}

/* ---- Traces ---- */

static void add_tree(const char *path, struct str *to)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (!str_eq(name, ".") && !str_eq(name, "..")) {
            AUTO_FREE char *child = x_asprintf("%s/%s", path, name);
            str_addf(to, "%s\n", child);
            if (entries[i]->d_type == DT_DIR)
                add_tree(child, to);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* True when one of the guests' uuids is in the text; no other process has one in its arguments. */
static bool has_uuid(struct rig *r, const char *text, size_t len)
{
    for (size_t i = 0; i < r->uuid_count; i++) {
        if (memmem(text, len, r->uuids[i], IDENT_UUID_LEN))
            return true;
    }
    return false;
}

static void add_processes(struct rig *r, struct str *to)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char path[64], text[8192];
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || strlen(entry->d_name) > 20)
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        ssize_t n = read(fd, text, sizeof text);
        close(fd);
        if (n > 0 && has_uuid(r, text, (size_t)n))
            str_addf(to, "process %s\n", entry->d_name);
    }
    closedir(dir);
}

/* Lines of what the command prints that name one of the guests, or the rig's folder. */
static void add_lines(struct rig *r, const char *command, struct str *to)
{
    FILE *out = popen(command, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    assert_non_null(out);
    while ((len = getline(&line, &cap, out)) > 0) {
        if (has_uuid(r, line, (size_t)len) || strstr(line, r->folder))
            str_addn(to, line, (size_t)len);
    }
    free(line);
    pclose(out);
}

/* What guests of the host leave where no folder of ours is. */
static void add_host(struct rig *r, struct str *to)
{
    add_lines(r, "xenstore-ls -f", to);
    add_lines(r, "ls /var/lib/xen", to);
    add_lines(r, "cat /sys/block/loop*/loop/backing_file 2>/dev/null", to);
}

static char *traces(struct rig *r)
{
    struct str text = {0};

    add_tree(r->folder, &text);
    add_processes(r, &text);
    if (r->subject->has_host)
        add_host(r, &text);
    return str_take(&text);
}

void rig_expect_no_trace(struct rig *r)
{
    AUTO_FREE char *now = traces(r);

    assert_string_equal(now, r->before);
}

/* The driver lists one of the guests: it is of the host and leaves no other trace. */
static bool listed(struct rig *r)
{
    struct op op = rig_op(r);
    struct observation *all;
    size_t count;
    struct err e;
    bool found = false;

    EXPECT_OK(r->driver->list(r->handle, &op, &all, &count, &e));
    for (size_t i = 0; i < count; i++)
        found = found || has_uuid(r, all[i].ref.uuid, IDENT_UUID_LEN);
    free(all);
    return found;
}

bool rig_await_trace(struct rig *r)
{
    const char *sign = r->subject->has_process ? "process " : r->run_dir;
    int64_t deadline = clock_mono_ms() + r->subject->boot_ms;

    while (clock_mono_ms() < deadline) {
        AUTO_FREE char *now = traces(r);
        if (r->subject->has_host ? listed(r) : !str_eq(now, r->before) && strstr(now, sign))
            return true;
        nap();
    }
    return false;
}

/* ---- Rig ---- */

static void open_driver(struct rig *r)
{
    struct err e;

    EXPECT_OK(r->driver->open(&r->options, &r->handle, &e));
}

struct rig *rig_open(const struct subject *subject)
{
    struct rig *r = x_calloc(1, sizeof *r);
    struct err e;

    r->subject = subject;
    r->driver = subject->driver;
    r->folder = x_strdup("/tmp/reeve-conformance.XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    /* The user that guests' processes run as must come through. */
    assert_int_equal(chmod(r->folder, 0755), 0);
    r->run_dir = x_asprintf("%s/run", r->folder);
    r->state_dir = x_asprintf("%s/state", r->folder);
    assert_int_equal(mkdir(r->run_dir, 0755), 0);
    assert_int_equal(mkdir(r->state_dir, 0755), 0);
    r->options = (struct driver_options){.run_dir = r->run_dir, .state_dir = r->state_dir};
    EXPECT_OK(r->driver->probe(&r->options, &e));
    open_driver(r);
    r->before = traces(r);
    return r;
}

void rig_reopen(struct rig *r)
{
    if (r->handle)
        r->driver->close(r->handle);
    r->handle = NULL;
    open_driver(r);
}

/* What the driver has left running, so that a failed case disturbs no other. */
static void kill_left(const char *left)
{
    for (const char *at = left; (at = strstr(at, "process ")); at++) {
        pid_t pid = (pid_t)strtol(at + strlen("process "), NULL, 10);
        if (pid > 1)
            kill(pid, SIGKILL);
    }
}

/* Everything is tidied before anything is judged: a failed case leaves nothing either. */
void rig_close(struct rig *r)
{
    struct observation *all = NULL;
    size_t count = 0;
    struct err e = {.code = ERR_NONE}, ignored;
    struct op op = rig_op(r);

    if (!r->handle)
        open_driver(r);
    if (r->driver->list(r->handle, &op, &all, &count, &e) == 0) {
        for (size_t i = 0; i < count; i++)
            if (has_uuid(r, all[i].ref.uuid, IDENT_UUID_LEN) &&
                r->driver->destroy(r->handle, &all[i].ref, &op, &e) < 0)
                break;
    }
    free(all);
    AUTO_FREE char *now = traces(r), *before = TAKE(r->before);
    r->driver->close(r->handle);
    kill_left(now);
    if (fs_remove_tree(AT_FDCWD, r->folder, &ignored) < 0 && e.code == ERR_NONE)
        e = ignored;
    free(r->uuids);
    free(r->folder);
    free(r->run_dir);
    free(r->state_dir);
    free(r);
    if (e.code != ERR_NONE)
        fail_msg("the guests could not be cleaned up: %s", e.msg);
    assert_string_equal(now, before);
}

struct op rig_op(struct rig *r)
{
    return op_within(r->subject->boot_ms);
}

/* ---- Guests ---- */

struct guest *guest_new(struct rig *r, enum behaviour b)
{
    struct guest *g = x_calloc(1, sizeof *g);
    struct conf *conf = x_calloc(1, sizeof *conf);

    g->rig = r;
    g->console = -1;
    g->seen = -1;
    g->conf = conf;
    g->ref.id = ++r->last_id;
    ident_uuid_draw(g->ref.uuid);
    r->uuids = x_reallocarray(r->uuids, r->uuid_count + 1, sizeof *r->uuids);
    memcpy(r->uuids[r->uuid_count++], g->ref.uuid, sizeof g->ref.uuid);
    snprintf(g->ref.name, sizeof g->ref.name, "guest.%u:a+b", g->ref.id);
    conf->name = x_strdup(g->ref.name);
    str_copy(conf->uuid, sizeof conf->uuid, g->ref.uuid);
    conf->memory_kib = conf->max_memory_kib = 96 * 1024;
    conf->vcpus = conf->max_vcpus = 1;
    r->subject->prepare(conf, b);
    g->args = (struct create_args){
        .ref = g->ref,
        .conf = conf,
        .directory = r->folder,
        .user = {.uid = getuid(), .gid = getgid()}
    };
    return g;
}

void guest_free(struct guest *g)
{
    if (g->console >= 0)
        close(g->console);
    conf_free(g->conf);
    free(g);
}

void guest_create(struct guest *g)
{
    struct rig *r = g->rig;
    struct op op = rig_op(r);
    struct observation seen;
    struct err e;

    EXPECT_OK(r->driver->create(r->handle, &g->args, &op, &seen, &e));
    assert_string_equal(seen.ref.uuid, g->ref.uuid);
    assert_int_equal(seen.state, OBS_PAUSED);
    r->subject->attach(g);
}

struct guest *guest_running(struct rig *r, enum behaviour b)
{
    struct guest *g = guest_new(r, b);

    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    return g;
}

void guest_pause(struct guest *g)
{
    struct op op = rig_op(g->rig);
    struct err e;

    EXPECT_OK(g->rig->driver->pause(g->rig->handle, &g->ref, &op, &e));
}

void guest_unpause(struct guest *g)
{
    struct op op = rig_op(g->rig);
    struct err e;

    EXPECT_OK(g->rig->driver->unpause(g->rig->handle, &g->ref, &op, &e));
}

void guest_destroy(struct guest *g)
{
    struct op op = rig_op(g->rig);
    struct err e;

    if (g->console >= 0)
        close(g->console);
    g->console = -1;
    EXPECT_OK(g->rig->driver->destroy(g->rig->handle, &g->ref, &op, &e));
}

struct observation guest_info(struct guest *g)
{
    struct op op = rig_op(g->rig);
    struct observation seen;
    struct err e;

    EXPECT_OK(g->rig->driver->info(g->rig->handle, &g->ref, &op, &seen, &e));
    return seen;
}

struct observation guest_await(struct guest *g, enum observed state)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms;
    struct observation seen;

    while ((seen = guest_info(g)).state != state) {
        if (clock_mono_ms() > deadline)
            fail_msg("state %d did not come; it is %d", (int)state, (int)seen.state);
        /* As in the daemon: a kernel that ends waits for each letter that nobody takes. */
        if (g->console >= 0)
            g->rig->subject->value(g);
        nap();
    }
    return seen;
}

bool guest_listed(struct guest *g, struct observation *ret)
{
    struct op op = rig_op(g->rig);
    struct observation *all;
    size_t count;
    struct err e;
    bool found = false;

    EXPECT_OK(g->rig->driver->list(g->rig->handle, &op, &all, &count, &e));
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(all[i].ref.uuid, g->ref.uuid))
            continue;
        assert_false(found);
        found = true;
        *ret = all[i];
    }
    free(all);
    return found;
}

/* ---- Counters ---- */

void guest_await_above(struct guest *g, int64_t value)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms, seen;

    while ((seen = g->rig->subject->value(g)) <= value) {
        if (clock_mono_ms() > deadline)
            fail_msg("the counter does not go above %lld; it is at %lld", (long long)value,
                     (long long)seen);
        nap();
    }
}

void guest_await_over(struct guest *g, int64_t below)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms, seen;

    while ((seen = g->rig->subject->value(g)) >= below || seen < 0) {
        if (clock_mono_ms() > deadline)
            fail_msg("the counter does not start over below %lld; it is at %lld", (long long)below,
                     (long long)seen);
        nap();
    }
}

int64_t guest_expect_standing(struct guest *g)
{
    const struct subject *subject = g->rig->subject;
    int64_t end = clock_mono_ms() + subject->window_ms, value = subject->value(g);

    /* What was on its way when the guest stopped may still come in. */
    while (clock_mono_ms() < end) {
        nap();
        value = subject->value(g);
    }
    end = clock_mono_ms() + subject->window_ms;
    while (clock_mono_ms() < end) {
        nap();
        assert_int_equal(subject->value(g), value);
    }
    return value;
}

void guest_expect_goes_on(struct guest *g, int64_t value, bool fresh)
{
    const struct subject *subject = g->rig->subject;
    int64_t deadline = clock_mono_ms() + subject->boot_ms, seen;

    if (fresh) {
        g->seen = -1;
        g->line_len = 0;
        subject->attach(g);
    }
    int64_t begun = clock_mono_ms();
    guest_unpause(g);
    while ((seen = subject->value(g)) < 0 || seen == value) {
        if (clock_mono_ms() > deadline)
            fail_msg("the counter does not go on from %lld", (long long)value);
        nap();
    }
    int64_t most = value + subject->slack + (clock_mono_ms() - begun) / subject->count_ms;
    if (seen < value || seen > most)
        fail_msg("the counter goes on at %lld, not at %lld", (long long)seen, (long long)value);
}

void guest_expect_runs(struct guest *g)
{
    assert_int_equal(guest_info(g).state, OBS_RUNNING);
    guest_await_above(g, g->rig->subject->value(g));
}

void guest_expect_near(struct guest *g, int64_t value, int64_t since_ms)
{
    const struct subject *subject = g->rig->subject;

    guest_await_above(g, value);
    int64_t now = subject->value(g);
    int64_t most = value + subject->slack + (clock_mono_ms() - since_ms) / subject->count_ms;
    if (now > most)
        fail_msg("the counter is at %lld, more than %lld", (long long)now, (long long)most);
}

/* ---- Pumps ---- */

static void *pump_main(void *arg)
{
    struct pump *p = arg;
    char buf[65536];
    struct err e;
    ssize_t n;

    while ((n = read(p->from, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && fs_write_all(p->to, buf, (size_t)n, "the pump's target", &e) < 0)
            break;
    }
    close(p->from);
    close(p->to);
    return NULL;
}

void pump_start(struct pump *p, int from, int to)
{
    p->from = from;
    p->to = to;
    assert_int_equal(pthread_create(&p->thread, NULL, pump_main, p), 0);
}

void pump_join(struct pump *p)
{
    pthread_join(p->thread, NULL);
}
