/* SPDX-License-Identifier: MIT */
/* reeved: options, start, loop, end. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/hooks.h"
#include "core/view.h"
#include "daemon/daemon.h"
#include "daemon/drivers.h"
#include "daemon/notify.h"

enum { ROLLBACK_MS = 10 * 1000, LEFT_LOCK_MS = 3000 };

static const char usage[] = "usage: reeved [--config FILE] [--state-dir DIR] [--run-dir DIR] "
                            "[--driver auto|xen|qemu|null]\n"
                            "              [--foreground] [--debug] [--version] [--fault-points]\n";

enum {
    OPT_CONFIG = 256,
    OPT_STATE,
    OPT_RUN,
    OPT_DRIVER,
    OPT_FOREGROUND,
    OPT_DEBUG,
    OPT_VERSION,
    OPT_FAULTS,
    OPT_HELP
};

static const struct option options[] = {
    {"config",           required_argument, NULL, OPT_CONFIG},
    {"state-dir",              required_argument, NULL, OPT_STATE},
    {"run-dir",                  required_argument, NULL, OPT_RUN},
    {"driver",required_argument, NULL, OPT_DRIVER},
    {"foreground",         no_argument, NULL, OPT_FOREGROUND},
    {"debug",          no_argument, NULL, OPT_DEBUG},
    {"version",              no_argument, NULL, OPT_VERSION},
    {"fault-points",                  no_argument, NULL, OPT_FAULTS},
    {"help",              no_argument, NULL, OPT_HELP},
    {0       },
};

/* -1: go on; else the exit status. */
static int take_options(int argc, char **argv, struct settings *s)
{
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case OPT_CONFIG:
            x_replace(&s->config_file, x_strdup(optarg));
            s->config_named = true;
            break;
        case OPT_STATE:
            x_replace(&s->state_dir, x_strdup(optarg));
            break;
        case OPT_RUN:
            x_replace(&s->run_dir, x_strdup(optarg));
            break;
        case OPT_DRIVER:
            x_replace(&s->driver, x_strdup(optarg));
            break;
        case OPT_FOREGROUND:
            s->foreground = true;
            break;
        case OPT_DEBUG:
            s->debug = true;
            break;
        case OPT_VERSION:
            puts("reeved " REEVE_VERSION);
            return 0;
        case OPT_FAULTS:
            for (size_t i = 0; fault_name(i); i++)
                puts(fault_name(i));
            return 0;
        case OPT_HELP:
            fputs(usage, stdout);
            return 0;
        default:
            return 2; /* getopt has said what is wrong */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "reeved: unexpected word %s; --help tells what it takes\n", argv[optind]);
        return 2;
    }
    return -1;
}

static void wake(void *arg)
{
    uv_async_send(arg);
}

static void on_posted(uv_async_t *async)
{
    post_run(async->data);
}

static void host_look(void *arg)
{
    struct daemon *d = arg;

    if (d->observer)
        observer_look(d->observer);
}

struct later {
    uv_timer_t timer;
    int64_t due_ms; /* monotonic */
    post_fn *fn;
    void *arg;
};

static void freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;
    int left_ms = clock_left_ms(later->due_ms);

    /* The loop's own time stands still while it works, so that a timer comes early by as much. */
    if (left_ms > 0) {
        uv_timer_start(timer, on_later, (uint64_t)left_ms, 0);
        return;
    }
    later->fn(later->arg);
    uv_close((uv_handle_t *)timer, freed);
}

static void host_after(void *arg, int64_t ms, post_fn *fn, void *fn_arg)
{
    struct daemon *d = arg;
    struct later *later = x_calloc(1, sizeof *later);

    later->due_ms = clock_mono_ms() + ms;
    later->fn = fn;
    later->arg = fn_arg;
    later->timer.data = later;
    uv_timer_init(d->loop, &later->timer);
    uv_timer_start(&later->timer, on_later, (uint64_t)ms, 0);
}

static void host_changed(void *arg, const struct domain *dom, const struct job *j,
                         const struct event_record *ev)
{
    struct daemon *d = arg;

    if (!d->server)
        return; /* it is still starting: nobody listens */
    if (dom)
        server_event(d->server, "domain", 0, view_domain(&d->engine, dom, false));
    if (j)
        server_event(d->server, "job", 0, job_json(j));
    if (ev)
        server_event(d->server, "log", ev->seq, calls_event_json(ev));
    calls_changed(d);
}

static void host_console(void *arg, const struct domain *dom, int fd)
{
    struct daemon *d = arg;

    consoles_add(d->consoles, dom->r->uuid, dom->r->name, fd);
}

static void host_renamed(void *arg, const struct domain *dom, const char *old)
{
    struct daemon *d = arg;

    consoles_rename(d->consoles, dom->r->uuid, old, dom->r->name);
}

static void host_console_end(void *arg, const char *uuid)
{
    struct daemon *d = arg;

    consoles_end(d->consoles, uuid);
}

static void on_observed(void *arg, struct observation *seen, size_t count, int64_t wall_ms,
                        int64_t mono_ns)
{
    struct daemon *d = arg;

    engine_observed(&d->engine, seen, count, wall_ms, mono_ns);
    free(seen);
    fresh_arrived(d);
    calls_changed(d);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void on_tick(uv_timer_t *tick)
{
    uv_timer_stop(tick);
}

static bool threads_work(const struct daemon *d)
{
    return d->engine.running > 0 || d->working > 0 || !list_empty(&d->image_calls);
}

/* After SIGTERM: what can be cancelled is, and gets 10 s to roll back. */
static void end_jobs(struct daemon *d)
{
    int64_t deadline_ms = clock_mono_ms() + ROLLBACK_MS;
    static uv_timer_t tick; /* its only work is to end a wait of the loop, which closes it later */

    notify_send("STOPPING=1");
    job_cancel_all(&d->engine);
    calls_image_stop(d);
    uv_timer_init(d->loop, &tick);
    while (threads_work(d) && clock_mono_ms() < deadline_ms) {
        uv_timer_start(&tick, on_tick, (uint64_t)clock_left_ms(deadline_ms), 0);
        uv_run(d->loop, UV_RUN_ONCE);
    }
    if (d->engine.running > 0)
        log_warn("%zu jobs did not end in time; the next start finishes or undoes them",
                 d->engine.running);
    uv_close((uv_handle_t *)&tick, NULL);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    notify_send("WATCHDOG=1");
}

/* systemd's watchdog (sd_watchdog_enabled(3)), where the unit asks for it: told twice as often as
 * it wants to be. */
static void start_watchdog(struct daemon *d)
{
    static uv_timer_t timer;
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t ms = usec ? strtoull(usec, NULL, 10) / 2000 : 0;

    uv_timer_init(d->loop, &timer);
    uv_unref((uv_handle_t *)&timer);
    if (ms > 0 && (!pid || strtoll(pid, NULL, 10) == getpid()))
        uv_timer_start(&timer, on_watchdog, ms, ms);
}

static int lock_run_dir(const struct settings *s, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/reeved.lock", s->run_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", path);
    /* A child of one that was killed may have it for a moment more, as the store's. */
    if (fs_lock(fd, LEFT_LOCK_MS, e) < 0) {
        close(fd);
        return e->code == ERR_BUSY
                   ? err_set(e, ERR_BUSY, "another reeved uses the run folder %s", s->run_dir)
                   : err_wrap(e, "%s", path);
    }
    return 0; /* held for the life of the process */
}

static int make_dirs(const struct settings *s, struct err *e)
{
    if (fs_make_dirs(s->state_dir, 0700, e) < 0 || fs_make_dirs(s->console_dir, 0700, e) < 0 ||
        fs_make_dirs(s->run_dir, geteuid() == 0 ? 0755 : 0700, e) < 0)
        return -1;
    return lock_run_dir(s, e);
}

static int open_engine(struct daemon *d, struct post *post, struct err *e)
{
    const struct settings *s = d->settings;
    struct driver_options opts = {
        .run_dir = s->run_dir, .state_dir = s->state_dir, .qemu = s->qemu, .user = s->qemu_user};
    const struct engine_host host = {.arg = d,
                                     .look = host_look,
                                     .after = host_after,
                                     .changed = host_changed,
                                     .console = host_console,
                                     .renamed = host_renamed,
                                     .console_end = host_console_end};
    const struct driver *driver = NULL;

    if (drivers_find(s->driver, &opts, &driver, e) < 0)
        return -1;
    AUTO_FREE char *config_dir = NULL;
    fs_split(s->config_file, &config_dir);
    AUTO_FREE char *hooks_dir = x_asprintf("%s/hooks.d", config_dir);
    d->engine.hooks = hooks_new(hooks_dir);
    d->engine.state_dir = s->state_dir;
    d->engine.console_dir = s->console_dir;
    return engine_open(&d->engine, driver, &opts, post, &host, e);
}

static int run(struct daemon *d, struct post *post, uv_async_t *async, struct err *e)
{
    uv_signal_t signals[2];

    if (open_engine(d, post, e) < 0)
        return -1;
    if (observer_start(d->engine.driver, d->engine.handle, post, on_observed, stats_arrived, d,
                       &d->observer, e) < 0)
        return -1;
    /* What recovery made of the domains is not what the first look saw. */
    observer_look(d->observer);
    if (server_start(d->loop, d->settings->run_dir, calls_dispatch, d, &d->server, e) < 0)
        return -1;
    server_set_rules(d->server, d->settings->rules, d->settings->rule_count);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(d->loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, i ? SIGINT : SIGTERM);
    }
    log_info("%s driver, state in %s, socket %s/reeve.sock", d->engine.driver->name,
             d->settings->state_dir, d->settings->run_dir);
    notify_send("READY=1");
    start_watchdog(d);
    malloc_trim(0);
    uv_run(d->loop, UV_RUN_DEFAULT);
    end_jobs(d);
    server_stop(d->server);
    d->server = NULL;
    fresh_close(d);
    observer_stop(TAKE(d->observer));
    bool whole = !threads_work(d);
    if (whole) {
        post_run(post); /* the observer's last word, while there are domains */
        engine_close(&d->engine);
        uv_close((uv_handle_t *)async, NULL);
        for (int i = 0; i < 2; i++)
            uv_close((uv_handle_t *)&signals[i], NULL);
        post_run(post); /* the store's last words */
        consoles_free(d->consoles);
        stats_close(d);
        uv_run(d->loop, UV_RUN_NOWAIT);
        post_free(post);
        return 0;
    }
    /* A thread still works on its copies: the process ends under it, as it would by a crash. */
    _exit(0);
}

static void limits(void)
{
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of write(2), as a full disk is */
    clock_boot_id();          /* its first call is not for several threads */
    umask(0077);
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    mallopt(M_ARENA_MAX, 2);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    /* Not on the stack: what main leaves behind at its end is still reachable. */
    static struct settings settings;
    static struct daemon d = {.settings = &settings};
    static uv_loop_t loop;
    static uv_async_t async;
    struct err e;

    settings_init(&settings);
    int status = take_options(argc, argv, &settings);
    if (status >= 0) {
        settings_finish(&settings);
        return status;
    }
    limits();
    log_init(settings.debug ? LOG_DEBUG : LOG_INFO);
    if (fault_init(&e) < 0 || settings_read(&settings, &e) < 0 || make_dirs(&settings, &e) < 0) {
        log_error("%s", e.msg);
        return err_exit(e.code);
    }
    if (!settings.foreground && daemon(1, 1) < 0) {
        log_error("cannot go to the background: %s", strerror(errno));
        return 1;
    }
    uv_loop_init(&loop);
    d.loop = &loop;
    list_init(&d.fresh);
    list_init(&d.waits);
    stats_open(&d);
    list_init(&d.image_calls);
    struct post *post = post_new(wake, &async);
    uv_async_init(&loop, &async, on_posted);
    async.data = post;
    d.consoles = consoles_new(&loop, settings.console_dir);
    if (run(&d, post, &async, &e) < 0) {
        log_error("%s", e.msg);
        return err_exit(e.code);
    }
    uv_loop_close(&loop);
    settings_finish(&settings);
    return 0;
}
