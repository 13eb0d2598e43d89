/* SPDX-License-Identifier: MIT */
/* The subjects. A simulated guest's counter is the processor time that the driver tells, in
 * milliseconds; a real one's is what the test guest writes on its console. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "rig.h"

const char *subject_guest_dir;

/* ---- null ---- */

/* More than a pipe holds, so that a save to one that nobody reads lasts. */
#define NULL_WORDS "null.save-bytes=300000"

static void null_prepare(struct conf *conf, enum behaviour b)
{
    static const char *const words[] = {
        [PLAIN] = "",
        [DEAF] = "null.ignore-power",
        [POWERS_OFF] = "null.poweroff-after=1000",
        [REBOOTS] = "null.reboot-after=1000",
        [CRASHES] = "null.crash-after=1000",
        [HANGS] = "null.watchdog-after=1000",
        [CANNOT_BE_MADE] = "null.create=fail null.restore=fail",
    };

    conf->cmdline = x_asprintf(NULL_WORDS " %s", words[b]);
}

static void null_provoke(struct guest *g, enum behaviour b)
{
    (void)g; /* it is in its plan already */
    (void)b;
}

static void null_attach(struct guest *g)
{
    (void)g;
}

static int64_t null_value(struct guest *g)
{
    return (int64_t)(guest_info(g).cpu_ns / 1000000);
}

static const struct elsewhere null_elsewhere[] = {
    {"null 1", "null 9", "null 9"},
    {NULL,     NULL,     NULL    }
};

const struct subject subject_null = {
    .elsewhere = null_elsewhere,
    .driver = &driver_null,
    .boot_ms = 20000,
    .window_ms = 60,
    .enough = 100,
    .slack = 20,
    .count_ms = 1,
    .has_watchdog = true,
    .vain_saves = 100,
    .parallel = 16,
    .disk_prefix = "vd",
    .prepare = null_prepare,
    .provoke = null_provoke,
    .attach = null_attach,
    .value = null_value,
};

/* ---- qemu ---- */

static void qemu_prepare(struct conf *conf, enum behaviour b)
{
    conf->kernel =
        x_asprintf("%s/%s", subject_guest_dir, b == CANNOT_BE_MADE ? "no-such-file" : "vmlinuz");
    conf->ramdisk = x_asprintf("%s/initrd.gz", subject_guest_dir);
    conf->cmdline = x_strdup("console=ttyS0 quiet no_timer_check cryptomgr.notests");
    conf->serials = x_calloc(1, sizeof *conf->serials);
    conf->serials[conf->serial_count++] = x_strdup("pty");
    conf->accel = CONF_ACCEL_TCG;
    /* A reboot that the driver itself does not follow up stands as an end. */
    conf->on_reboot = b == REBOOTS ? CONF_DESTROY : CONF_RESTART;
    conf->watchdog = b == HANGS;
}

static void qemu_attach(struct guest *g)
{
    struct err e;

    if (g->console >= 0)
        close(g->console);
    g->console = -1;
    EXPECT_OK(g->rig->driver->console(g->rig->handle, &g->ref, &g->console, &e));
    assert_int_equal(fcntl(g->console, F_SETFL, O_NONBLOCK), 0);
}

static void see_line(struct guest *g)
{
    const char *count = strstr(g->line, "count ");

    if (count)
        g->seen = strtoll(count + strlen("count "), NULL, 10);
}

/* Looks for it once; it may be between two terminals. */
static void find_console(struct guest *g)
{
    struct err e;
    int fd;

    if (g->rig->driver->console(g->rig->handle, &g->ref, &fd, &e) < 0)
        return;
    close(g->console);
    g->console = fd;
    g->line_len = 0;
    assert_int_equal(fcntl(g->console, F_SETFL, O_NONBLOCK), 0);
}

/* Reads what there is; returns whether a line had `wanted` in it. */
static bool read_lines(struct guest *g, const char *wanted)
{
    char buf[4096];
    ssize_t n;
    bool found = false;

    while ((n = read(g->console, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] == '\n' || g->line_len == sizeof g->line - 1) {
                g->line[g->line_len] = '\0';
                g->line_len = 0;
                see_line(g);
                found = found || (wanted && strstr(g->line, wanted));
            } else {
                g->line[g->line_len++] = buf[i];
            }
        }
    }
    /* A guest of the host that was built anew has another terminal. */
    if (g->rig->subject->has_host && (n == 0 || (n < 0 && errno == EIO)))
        find_console(g);
    else if (n < 0)
        assert_int_equal(errno, EAGAIN);
    return found;
}

static int64_t qemu_value(struct guest *g)
{
    read_lines(g, NULL);
    return g->seen;
}

static void type(struct guest *g, const char *command)
{
    AUTO_FREE char *line = x_asprintf("\n%s\n", command);
    struct err e;

    EXPECT_OK(fs_write_all(g->console, line, strlen(line), "the console", &e));
}

/* The echo of the command must not have `wanted` in it. */
static void qemu_ask(struct guest *g, const char *command, const char *wanted)
{
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms;
    int64_t again = 0;

    while (!read_lines(g, wanted)) {
        int64_t now = clock_mono_ms();
        if (now > deadline)
            fail_msg("the guest did not say \"%s\" to \"%s\"", wanted, command);
        if (now > again && command[0]) {
            type(g, command);
            again = now + 3000;
        }
        struct pollfd readable = {.fd = g->console, .events = POLLIN};
        poll(&readable, 1, 100);
    }
}

static void qemu_provoke(struct guest *g, enum behaviour b)
{
    static const char *const commands[] = {
        [PLAIN] = "",
        [DEAF] = "\nignore-power\n",
        [POWERS_OFF] = "\npoweroff\n",
        [REBOOTS] = "\nreboot\n",
        [CRASHES] = "\ncrash\n",
        [HANGS] = "\nwatchdog 1000\n",
        [CANNOT_BE_MADE] = "",
    };
    struct err e;

    EXPECT_OK(fs_write_all(g->console, commands[b], strlen(commands[b]), "the console", &e));
}

/* No machine has the first two; and where KVM works these guests are still not of it. */
static const struct elsewhere qemu_elsewhere[] = {
    {"features=",   "features=imaginary,", "imaginary"       },
    {"machine=pc-", "machine=pc-9",        "pc-9"            },
    {"cpu=max",     "cpu=host",            "CPU model 'host'"},
    {NULL,          NULL,                  NULL              }
};

const struct subject subject_qemu = {
    .elsewhere = qemu_elsewhere,
    .driver = &driver_qemu,
    .boot_ms = 120000,
    .window_ms = 700,
    .enough = 5,
    .slack = 4,
    .count_ms = 150,
    .has_process = true,
    .has_watchdog = true,
    .has_machine = true,
    .vain_saves = 12,
    .parallel = 2,
    .disk_prefix = "vd",
    .prepare = qemu_prepare,
    .provoke = qemu_provoke,
    .attach = qemu_attach,
    .value = qemu_value,
    .ask = qemu_ask,
};

/* ---- xen ---- */

static enum conf_type xen_type;

static void xen_prepare(struct conf *conf, enum behaviour b)
{
    char *unpacked = x_asprintf("%s/vmlinux", subject_guest_dir);

    conf->type = xen_type;
    conf->hvm.tsc_mode = CONF_TSC_NATIVE; /* else Xen emulates each reading of the clock */
    conf->kernel = unpacked;
    if (b == CANNOT_BE_MADE || access(unpacked, R_OK) < 0) {
        conf->kernel = x_asprintf("%s/%s", subject_guest_dir,
                                  b == CANNOT_BE_MADE ? "no-such-file" : "vmlinuz");
        free(unpacked);
    }
    conf->ramdisk = x_asprintf("%s/initrd.gz", subject_guest_dir);
    conf->cmdline = x_strdup("console=hvc0 quiet cryptomgr.notests");
    conf->on_reboot = CONF_RESTART;
}

static struct subject xen = {
    .boot_ms = 120000,
    .window_ms = 700,
    .enough = 5,
    .slack = 4,
    .count_ms = 150,
    .has_host = true,
    .vain_saves = 100,
    .parallel = 2,
    .disk_prefix = "xvd",
    /* Up to where libxl's helper takes over (relay.c). */
    .stream_head = "LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0",
    .stream_head_len = 24,
    .prepare = xen_prepare,
    .provoke = qemu_provoke,
    .attach = qemu_attach,
    .value = qemu_value,
    .ask = qemu_ask,
};

static const struct {
    const char *name;
    enum conf_type type;
    bool saved_standing; /* Debian's Xen has no shadow paging */
} xen_types[] = {
    {"pv",  CONF_TYPE_PV,  true },
    {"pvh", CONF_TYPE_PVH, false},
};

const struct subject *subject_xen(const char *path, const char *type)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    xen.driver = module ? dlsym(module, "driver_xen") : NULL;
    if (!xen.driver) {
        fprintf(stderr, "cannot load %s: %s\n", path, dlerror());
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(xen_types); i++) {
        if (str_eq(xen_types[i].name, type)) {
            xen_type = xen_types[i].type;
            xen.saved_standing = xen_types[i].saved_standing;
            return &xen;
        }
    }
    fprintf(stderr, "%s is no type of a guest here; there are pv and pvh\n", type);
    return NULL;
}
