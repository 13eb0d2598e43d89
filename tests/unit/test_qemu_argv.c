/* SPDX-License-Identifier: MIT */
/* Configs as QEMU's arguments: each NAME.cfg of tests/golden/argv gives NAME.args, an option and
 * its value a line, or NAME.err. Nothing is opened: descriptors are made up. Comment lines of the
 * .cfg say what a config cannot: "# accel: kvm", "# incoming". With REEVE_GOLDEN_UPDATE set the
 * files are written instead of compared. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "driver/qemu/argv.h"
#include "driver/qemu/binary.h"
#include "driver/qemu/files.h"
#include "driver/qemu/launch.h"

enum { TEXT_MAX = 65536, FEWEST_CASES = 15 };
enum {
    KERNEL_FD = 3,
    RAMDISK_FD,
    CONTROL_FD,
    EVENTS_FD,
    JOURNAL_LOG_FD,
    JOURNAL_FD,
    OTHERS_FD,
    RAM_FD = 50
};

/* `-machine help` of a QEMU with two versions. */
static const char machine_help[] =
    "Supported machines are:\n"
    "microvm              microvm (i386)\n"
    "pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)\n"
    "pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n"
    "pc-i440fx-7.1        Standard PC (i440FX + PIIX, 1996)\n"
    "q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n"
    "pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)\n";

static char *folder_path(void)
{
    const char *source = getenv("REEVE_SOURCE");
    AUTO_FREE char *here = NULL;

    if (source)
        return x_asprintf("%s/tests/golden/argv", source);
    fs_split(__FILE__, &here);
    return x_asprintf("%s/../golden/argv", here);
}

/* Numbers as files_open would have given them. */
static void make_up_descriptors(struct launch *l)
{
    int next = OTHERS_FD;

    l->control = CONTROL_FD;
    l->events = EVENTS_FD;
    l->journal_log = JOURNAL_LOG_FD;
    l->journal = JOURNAL_FD;
    if (l->args->conf->kernel)
        l->kernel = KERNEL_FD;
    if (l->args->conf->ramdisk)
        l->ramdisk = RAMDISK_FD;
    for (size_t i = 0; i < l->disk_count; i++) {
        const char *target = l->disks[i].conf->target;
        l->disks[i].fd = target ? next++ : -1;
        l->disks[i].host_device = target && str_starts(target, "/dev/");
    }
    for (size_t i = 0; i < l->serial_count; i++)
        l->serials[i].fd = next++;
    for (size_t i = 0; i < l->nic_count; i++)
        l->nics[i].tap = l->nics[i].conf->bridge ? next++ : -1;
    /* As firmware.c tells them apart by their names. */
    if (l->flash ? !l->firmware_path || strstr(l->firmware_path, "CODE") : l->firmware_path != NULL)
        l->firmware = next++;
    if (l->flash)
        l->variables = next++;
}

static char *show_args(struct launch *l, const char *text)
{
    struct binary binary = {.version = "7.2.0", .machines = (char *)machine_help};
    AUTO_STR struct str shown = {0};
    char machine[64];
    struct err e;

    assert_int_equal(binary_machine(&binary, l->machine->name, machine, sizeof machine, &e), 0);
    l->machine_name = machine;
    bool kvm = strstr(text, "# accel: kvm") != NULL;
    l->accel = kvm ? "kvm" : "tcg";
    l->cpu = kvm ? "host" : "max";
    l->incoming = strstr(text, "# incoming") != NULL;
    l->ram = l->args->conf->memory == CONF_MEMORY_FILE ? RAM_FD : -1;
    make_up_descriptors(l);
    char **argv = argv_build("qemu", l);
    for (size_t i = 0; argv[i]; i++)
        str_addf(&shown, "%s%s", argv[i], argv[i + 1] && argv[i + 1][0] != '-' ? " " : "\n");
    argv_free(argv);
    return str_take(&shown);
}

static void show(const char *path, char **ret_good, char **ret_bad)
{
    static const char *const macs[] = {"52:54:00:00:00:01", "52:54:00:00:00:02",
                                       "52:54:00:00:00:03", "52:54:00:00:00:04"};
    AUTO_FREE char *text = NULL;
    struct conf_warnings warnings;
    struct conf *conf;
    struct launch l;
    struct err e;
    size_t len;

    *ret_good = *ret_bad = NULL;
    assert_int_equal(fs_read_file(path, TEXT_MAX, &text, &len, &e), 0);
    if (conf_parse(text, len, "x.cfg", NULL, 0, "qemu", &conf, &warnings, &e) < 0)
        fail_msg("%s: %s", path, e.msg);
    conf_warnings_finish(&warnings);
    assert_true(conf->vif_count <= ARRAY_LEN(macs));
    struct create_args args = {.conf = conf, .directory = "/", .macs = macs};
    str_copy(args.ref.name, sizeof args.ref.name, conf->name);
    str_copy(args.ref.uuid, sizeof args.ref.uuid, conf->uuid);
    if (launch_init(&l, &args, &e) == 0 && launch_place(&l, &e) == 0) {
        *ret_good = show_args(&l, text);
        launch_finish(&l);
    } else {
        *ret_bad = x_asprintf("%s %s\n%s\n", err_name(e.code), e.key, e.msg);
    }
    conf_free(conf);
}

static void compare(const char *path, const char *shown)
{
    AUTO_FREE char *wanted = NULL;
    struct err e;
    size_t len;

    if (getenv("REEVE_GOLDEN_UPDATE")) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fputs(shown, file);
        assert_int_equal(fclose(file), 0);
        return;
    }
    if (fs_read_file(path, TEXT_MAX, &wanted, &len, &e) < 0)
        fail_msg("%s\nREEVE_GOLDEN_UPDATE=1 writes it:\n%s", e.msg, shown);
    if (!str_eq(wanted, shown))
        fail_msg("%s differs (REEVE_GOLDEN_UPDATE=1 writes it anew); now:\n%s", path, shown);
}

static void test_goldens(void **state)
{
    AUTO_FREE char *folder = folder_path();
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t cases = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!str_ends(entry->d_name, ".cfg"))
            continue;
        int stem = (int)(strlen(entry->d_name) - strlen(".cfg"));
        AUTO_FREE char *path = x_asprintf("%s/%s", folder, entry->d_name);
        AUTO_FREE char *good = NULL;
        AUTO_FREE char *bad = NULL;
        show(path, &good, &bad);
        AUTO_FREE char *wanted =
            x_asprintf("%s/%.*s.%s", folder, stem, entry->d_name, good ? "args" : "err");
        compare(wanted, good ? good : bad);
        cases++;
    }
    closedir(dir);
    assert_true(cases >= FEWEST_CASES);
}

/* A path, whatever is in it, is never an argument: only its descriptor's number is. */
static void test_no_path_is_an_argument(void **state)
{
    static const char text[] = "name = 'x'\nuuid = '11111111-2222-4333-8444-555555555555'\n"
                               "kernel = '/secret/kernel'\nramdisk = '/secret/ramdisk'\n"
                               "disk = ['/secret/a,raw,xvda,w']\n"
                               "serial = ['pty', 'file:/secret/log', 'unix:/secret/socket']\n";
    struct conf_warnings warnings;
    struct conf *conf;
    struct launch l;
    struct err e;

    (void)state;
    if (conf_parse(text, sizeof text - 1, "x.cfg", NULL, 0, "qemu", &conf, &warnings, &e) < 0)
        fail_msg("%s", e.msg);
    conf_warnings_finish(&warnings);
    struct create_args args = {.conf = conf, .directory = "/"};
    assert_int_equal(launch_init(&l, &args, &e), 0);
    AUTO_FREE char *shown = show_args(&l, "");
    assert_null(strstr(shown, "secret"));
    launch_finish(&l);
    conf_free(conf);
}

/* ---- each key that is said to act on QEMU does ---- */

#define NAMES "name = 'web1'\nuuid = '11111111-2222-4333-8444-555555555555'\n"
#define KERNEL NAMES "kernel = '/boot/vmlinuz'\n"
#define DISK NAMES "disk = ['/srv/a,raw,vda,w']\n"

/* With `line` after `base` the arguments are others, or it is refused by that key. What is not
 * QEMU's to do is shown by the test in `elsewhere`, which sets the key with these very words and
 * which
 * ./check runs. */
static const struct {
    const char *key;
    const char *base;
    const char *line;
    const char *elsewhere;
} acting[] = {
    {"name",                  KERNEL,                 "name = 'web2'",                                 NULL                             },
    {"uuid",                  KERNEL,                 "uuid = '22222222-2222-4333-8444-555555555555'", NULL                             },
    {"memory",                KERNEL,                 "memory = 300",                                  NULL                             },
    {"maxmem",                KERNEL,                 "maxmem = 512",                                  NULL                             },
    {"vcpus",                 KERNEL,                 "vcpus = 2",                                     NULL                             },
    {"maxvcpus",              KERNEL,                 "maxvcpus = 4",                                  NULL                             },
    {"kernel",                DISK,                   "kernel = '/boot/vmlinuz'",                      NULL                             },
    {"ramdisk",               KERNEL,                 "ramdisk = '/boot/initrd'",                      NULL                             },
    {"cmdline",               KERNEL,                 "cmdline = 'quiet'",                             NULL                             },
    {"root",                  KERNEL,                 "root = '/dev/vda1'",                            NULL                             },
    {"extra",                 KERNEL,                 "extra = 'quiet'",                               NULL                             },
    {"disk",                  KERNEL,                 "disk = ['/srv/a,raw,vda,w']",                   NULL                             },
    {"vif",                   KERNEL,                 "vif = ['']",                                    NULL                             },
    {"serial",                KERNEL,                 "serial = ['pty', 'file:/tmp/log']",             NULL                             },
    {"boot",                  DISK,                   "boot = 'n'\nvif = ['']",                        NULL                             },
    {"vnc",                   KERNEL,                 "vnc = 1",                                       NULL                             },
    {"on_reboot",             KERNEL,                 "on_reboot = 'destroy'",                         NULL                             },
    {"firmware",              DISK,                   "firmware = 'ovmf'",                             NULL                             },
    {"bios",                  DISK,                   "bios = 'ovmf'",                                 NULL                             },
    {"bios_path_override",    DISK "bios = 'ovmf'\n", "bios_path_override = '/srv/OVMF.fd'",           NULL                             },
    {"firmware_override",     DISK "bios = 'ovmf'\n", "firmware_override = '/srv/OVMF.fd'",            NULL                             },
    {"reeve_watchdog",        KERNEL,                 "reeve_watchdog = 1",                            NULL                             },
    {"reeve_machine",         KERNEL,                 "reeve_machine = 'q35'",                         NULL                             },
    {"reeve_accel",           NULL,                   "reeve_accel = \"tcg\"",                         "tests/e2e/machine.bats"         },
    {"reeve_memory",          KERNEL,                 "reeve_memory = 'file'",                         NULL                             },
    {"reeve_disk_create",     NULL,                   "reeve_disk_create = ['xvda=8', 'xvdb=16']",
     "tests/e2e/machine.bats"                                                                                                           },
    {"on_poweroff",           NULL,                   "on_poweroff = \"restart\"",                     "tests/e2e/ends.bats"            },
    {"on_crash",              NULL,                   "on_crash = \"",                                 "tests/e2e/ends.bats"            },
    {"on_watchdog",           NULL,                   "{\"on_watchdog\",",                             "tests/daemon/supervision_test.c"},
    {"reeve_restart_min_run", NULL,                   "reeve_restart_min_run=0",                       "tests/daemon/supervision_test.c"},
    {"reeve_restart_tries",   NULL,                   "reeve_restart_tries=1",                         "tests/daemon/supervision_test.c"},
    {"reeve_autostart",       NULL,                   "reeve_autostart = 1",                           "tests/e2e/host.bats"            },
    {"reeve_autostart_delay", NULL,                   "reeve_autostart_delay=1",                       "tests/daemon/host_test.c"       },
    {"reeve_autostart_after", NULL,                   "reeve_autostart_after=['db','cache']",
     "tests/daemon/host_test.c"                                                                                                         },
    {"reeve_on_host_stop",    NULL,                   "reeve_on_host_stop = \"suspend\"",              "tests/e2e/host.bats"            },
    {"reeve_host_order",      NULL,                   "reeve_host_order=200",                          "tests/daemon/host_test.c"       },
    {"reeve_host_timeout",    NULL,                   "reeve_host_timeout=1",                          "tests/daemon/host_test.c"       },
    {"reeve_host_destroy",    NULL,                   "reeve_host_destroy=1",                          "tests/daemon/host_test.c"       },
};

/* The arguments of a config; NULL when it is refused, with *e. */
static char *args_of(const char *text, struct err *e)
{
    static const char *const macs[] = {"52:54:00:00:00:01"};
    struct conf_warnings warnings;
    struct conf *conf;
    struct launch l;
    char *shown = NULL;

    int result = conf_parse(text, strlen(text), "x.cfg", NULL, 0, "qemu", &conf, &warnings, e);
    conf_warnings_finish(&warnings);
    if (result < 0)
        return NULL;
    struct create_args args = {.conf = conf, .directory = "/", .macs = macs};
    str_copy(args.ref.name, sizeof args.ref.name, conf->name);
    str_copy(args.ref.uuid, sizeof args.ref.uuid, conf->uuid);
    if (launch_init(&l, &args, e) == 0 && launch_place(&l, e) == 0) {
        shown = show_args(&l, "");
        launch_finish(&l);
    }
    conf_free(conf);
    return shown;
}

static void expect_set_in(const char *line, const char *file)
{
    AUTO_FREE char *folder = folder_path();
    AUTO_FREE char *path = x_asprintf("%s/../../../%s", folder, file);
    AUTO_FREE char *text = NULL;
    struct err e;
    size_t len;

    assert_int_equal(fs_read_file(path, 1024 * 1024, &text, &len, &e), 0);
    if (!strstr(text, line))
        fail_msg("%s is said to be tested in %s, which does not set it so", line, file);
    assert_true(str_starts(file, "tests/e2e/") || str_starts(file, "tests/daemon/"));
}

static void test_each_acting_key_acts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(acting); i++) {
        struct err e = {0};
        if (acting[i].elsewhere) {
            expect_set_in(acting[i].line, acting[i].elsewhere);
            continue;
        }
        AUTO_FREE char *text = x_asprintf("%s%s\n", acting[i].base, acting[i].line);
        AUTO_FREE char *without = args_of(acting[i].base, &e);
        assert_non_null(without);
        AUTO_FREE char *with = args_of(text, &e);
        if (with && str_eq(with, without))
            fail_msg("%s changes nothing of\n%s", acting[i].line, without);
        if (!with && !str_eq(e.key, acting[i].key))
            fail_msg("%s: %s", acting[i].line, e.msg);
    }
}

static void test_each_acting_key_has_a_case(void **state)
{
    const char *name;

    (void)state;
    for (size_t i = 0; (name = conf_key_name(i)); i++) {
        size_t cases = 0;
        for (size_t k = 0; k < ARRAY_LEN(acting); k++)
            cases += str_eq(acting[k].key, name);
        if (cases != (conf_key_acts(i, "qemu") ? 1 : 0))
            fail_msg("%s acts on QEMU: %s, and has %zu cases here", name,
                     conf_key_acts(i, "qemu") ? "yes" : "no", cases);
    }
}

static void test_versioned_machines(void **state)
{
    struct binary binary = {.version = "7.2.0", .machines = (char *)machine_help};
    const struct {
        const char *name;
        const char *versioned; /* NULL: there is none */
    } rows[] = {
        {"pc",            "pc-i440fx-7.2"},
        {"q35",           "pc-q35-7.2"   },
        {"microvm",       "microvm"      },
        {"pc-i440fx-7.1", "pc-i440fx-7.1"},
        {"pc-i440fx-7",   NULL           },
        {"pc-i440fx-9.0", NULL           },
        {"",              NULL           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[64] = "";
        struct err e;
        int result = binary_machine(&binary, rows[i].name, name, sizeof name, &e);
        assert_int_equal(result, rows[i].versioned ? 0 : -1);
        if (rows[i].versioned)
            assert_string_equal(name, rows[i].versioned);
        else
            assert_int_equal(e.code, ERR_UNSUPPORTED);
    }
    assert_int_equal(machine_of_versioned("pc-q35-7.2")->kind, CONF_MACHINE_Q35);
    assert_int_equal(machine_of_versioned("pc-i440fx-2.0")->kind, CONF_MACHINE_PC);
    assert_int_equal(machine_of_versioned("microvm")->kind, CONF_MACHINE_MICROVM);
    assert_null(machine_of_versioned("virt-7.2"));
}

static void test_version_is_read(void **state)
{
    const struct {
        const char *text;
        const char *version; /* NULL: it is none */
        unsigned major, minor;
    } rows[] = {
        {"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n", "7.2.22", 7,  2},
        {"QEMU emulator version 10.0\nCopyright",                "10.0",   10, 0},
        {"QEMU emulator version seven",                          NULL,     0,  0},
        {"GNU bash, version 5.2",                                NULL,     0,  0},
        {"",                                                     NULL,     0,  0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *version = NULL;
        unsigned major, minor;
        assert_int_equal(binary_parse_version(rows[i].text, &major, &minor, &version),
                         rows[i].version != NULL);
        if (!rows[i].version)
            continue;
        assert_string_equal(version, rows[i].version);
        assert_int_equal(major, rows[i].major);
        assert_int_equal(minor, rows[i].minor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),
        cmocka_unit_test(test_no_path_is_an_argument),
        cmocka_unit_test(test_each_acting_key_acts),
        cmocka_unit_test(test_each_acting_key_has_a_case),
        cmocka_unit_test(test_versioned_machines),
        cmocka_unit_test(test_version_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
