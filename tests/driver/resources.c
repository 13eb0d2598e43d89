/* SPDX-License-Identifier: MIT */
#include "resources.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "rig.h"

enum {
    DISK_BYTES = 3 * 1024 * 1024,
    ISO_BYTES = 64 * 1024,
    ISO_LABEL_AT = 32808,
    SHORT_MS = 3000,
    FULL_MS = 1000
};

#define MAC "00:16:3e:0a:0b:0c"

/* ---- helpers ---- */

static const char *const file_names[] = {"extra.img", "stream",    "one.iso", "two.iso",
                                         "core",      "line.sock", "scsi.img"};

/* The path of a new file of that size in the rig's folder; `end` removes it. */
static char *new_file(struct rig *r, const char *name, off_t bytes)
{
    char *path = x_asprintf("%s/%s", r->folder, name);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    return path;
}

static char *new_iso(struct rig *r, const char *name, const char *label)
{
    char *path = new_file(r, name, ISO_BYTES);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(pwrite(fd, label, strlen(label), ISO_LABEL_AT), (ssize_t)strlen(label));
    return path;
}

/* True when a process has the file open. */
static bool held(const char *file)
{
    DIR *processes = opendir("/proc");
    struct dirent *process, *entry;
    bool found = false;

    assert_non_null(processes);
    while (!found && (process = readdir(processes))) {
        AUTO_FREE char *path = x_asprintf("/proc/%s/fd", process->d_name);
        DIR *dir = opendir(path);
        while (dir && !found && (entry = readdir(dir))) {
            char target[4096];
            ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
            target[n < 0 ? 0 : n] = '\0';
            found = str_eq(target, file);
        }
        if (dir)
            closedir(dir);
    }
    closedir(processes);
    return found;
}

/* The name of a disk as such guests have it, "vdb" or "xvdb". */
static const char *vd(const struct rig *r, char letter)
{
    static char names[26][8];
    char *name = names[letter - 'a'];

    snprintf(name, sizeof names[0], "%s%c", r->subject->disk_prefix, letter);
    return name;
}

/* That an only disk is there, as the guest says it: QEMU's guests number their disks themselves. */
static char *disk_said(const struct rig *r, const char *vdev, const char *rest)
{
    return x_asprintf("disk %s %s", r->subject->has_host ? vdev : "vda", rest);
}

static struct conf_disk disk_of(const char *vdev, char *path)
{
    struct conf_disk disk = {.target = path, .index = (unsigned)(vdev[strlen(vdev) - 1] - 'a')};

    str_copy(disk.vdev, sizeof disk.vdev, vdev);
    return disk;
}

static struct device device_of_disk(struct guest *g, const struct conf_disk *disk)
{
    return (struct device){
        .kind = DEVICE_DISK, .disk = disk, .directory = g->args.directory, .user = g->args.user};
}

static struct device device_of_nic(struct guest *g, const struct conf_vif *vif)
{
    return (struct device){.kind = DEVICE_NIC,
                           .vif = vif,
                           .mac = MAC,
                           .directory = g->args.directory,
                           .user = g->args.user};
}

static void attach(struct guest *g, struct device device)
{
    struct op op = rig_op(g->rig);
    struct err e;

    EXPECT_OK(g->rig->driver->attach(g->rig->handle, &g->ref, &device, &op, &e));
}

static void detach(struct guest *g, enum device_kind kind, const char *name)
{
    struct op op = rig_op(g->rig);
    struct err e;

    EXPECT_OK(g->rig->driver->detach(g->rig->handle, &g->ref, kind, name, &op, &e));
}

static void ask(struct guest *g, const char *command, const char *wanted)
{
    if (g->rig->subject->ask)
        g->rig->subject->ask(g, command, wanted);
}

static struct domain_stats stats(struct guest *g)
{
    struct op op = rig_op(g->rig);
    struct domain_stats ret;
    struct err e;

    EXPECT_OK(g->rig->driver->stats(g->rig->handle, &g->ref, &op, &ret, &e));
    return ret;
}

static void expect_devices(struct guest *g, const char *vdev, const char *mac)
{
    struct domain_stats now = stats(g);

    assert_int_equal(now.disk_count, vdev ? 1 : 0);
    assert_int_equal(now.nic_count, mac ? 1 : 0);
    if (vdev)
        assert_string_equal(now.disks[0].vdev, vdev);
    if (mac)
        assert_string_equal(now.nics[0].mac, mac);
    free(now.disks);
    free(now.nics);
}

/* Its state into a file and back from there, into a domain of g->conf as it is now. Returns with
 * the guest paused; the counter stands at the returned value. */
static void save_and_restore(struct guest *g)
{
    struct rig *r = g->rig;
    struct op op = rig_op(r);
    AUTO_FREE char *path = new_file(r, "stream", 0);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    AUTO_FREE char *platform = NULL;
    struct observation seen;
    struct err e;

    EXPECT_OK(r->driver->platform(r->handle, &g->ref, &platform, &e));
    EXPECT_OK(r->driver->save(r->handle, &g->ref, fd, &op, &e));
    guest_destroy(g);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    g->args.platform = platform;
    op = rig_op(r);
    EXPECT_OK(r->driver->restore(r->handle, &g->args, fd, &op, &seen, &e));
    g->args.platform = NULL;
    assert_int_equal(seen.state, OBS_PAUSED);
    r->subject->attach(g);
    guest_unpause(g);
}

/* What a daemon would have put into the config. */
static void keep_devices(struct guest *g, const struct conf_disk *disk, const struct conf_vif *vif)
{
    static const char *const macs[] = {MAC};

    if (disk) {
        g->conf->disks = x_calloc(1, sizeof *g->conf->disks);
        g->conf->disks[0] = *disk;
        g->conf->disks[0].target = x_strdup(disk->target);
        g->conf->disk_count = 1;
    }
    if (vif) {
        g->conf->vifs = x_calloc(1, sizeof *g->conf->vifs);
        g->conf->vifs[0] = *vif;
        g->conf->vif_count = 1;
        g->args.macs = macs;
    }
}

static struct guest *running_on(struct rig *r, enum conf_machine machine)
{
    struct guest *g = guest_new(r, PLAIN);

    g->conf->machine = machine;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    return g;
}

static void end(struct guest *g)
{
    guest_destroy(g);
    for (size_t i = 0; i < ARRAY_LEN(file_names); i++) {
        AUTO_FREE char *path = x_asprintf("%s/%s", g->rig->folder, file_names[i]);
        unlink(path);
    }
    guest_free(g);
}

/* ---- devices ---- */

void disks_come_and_go(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    AUTO_FREE char *said = disk_said(r, vd(r, 'b'), "3145728 bytes rw");
    struct conf_disk disk = disk_of(vd(r, 'b'), path);
    struct op op = rig_op(r);
    struct err e;

    for (int round = 0; round < 2; round++) {
        attach(g, device_of_disk(g, &disk));
        assert_true(held(path) || !r->subject->has_process);
        ask(g, "disk", said);
        expect_devices(g, vd(r, 'b'), NULL);
        struct device again = device_of_disk(g, &disk);
        EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &again, &op, &e), ERR_EXISTS);
        detach(g, DEVICE_DISK, vd(r, 'b'));
        assert_false(held(path));
        ask(g, "disk", "disk none");
        expect_devices(g, NULL, NULL);
        EXPECT_ERR(r->driver->detach(r->handle, &g->ref, DEVICE_DISK, vd(r, 'b'), &op, &e),
                   ERR_FAILED);
    }
    guest_expect_runs(g);
    end(g);
}

void network_interfaces_come_and_go(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct conf_vif vif = {.mac = MAC};
    struct op op = rig_op(r);
    struct err e;

    ask(g, "net", "net none");
    for (int round = 0; round < 2; round++) {
        attach(g, device_of_nic(g, &vif));
        ask(g, "net", " " MAC);
        ask(g, "net", "net gateway answers");
        expect_devices(g, NULL, MAC);
        detach(g, DEVICE_NIC, MAC);
        ask(g, "net", "net none");
        EXPECT_ERR(r->driver->detach(r->handle, &g->ref, DEVICE_NIC, MAC, &op, &e), ERR_FAILED);
    }
    guest_expect_runs(g);
    end(g);
}

static void survive(struct rig *r, enum conf_machine machine)
{
    struct guest *g = running_on(r, machine);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    struct conf_disk disk = disk_of(vd(r, 'c'), path);
    struct conf_vif vif = {.mac = MAC};

    attach(g, device_of_disk(g, &disk));
    attach(g, device_of_nic(g, &vif));
    ask(g, "net", "net gateway answers");
    rig_reopen(r);
    expect_devices(g, vd(r, 'c'), MAC);
    keep_devices(g, &disk, &vif);
    save_and_restore(g);
    expect_devices(g, vd(r, 'c'), MAC);
    ask(g, "disk kept", "text 'kept'");
    ask(g, "net", "net gateway answers");
    detach(g, DEVICE_NIC, MAC);
    detach(g, DEVICE_DISK, vd(r, 'c'));
    ask(g, "disk", "disk none");
    ask(g, "net", "net none");
    expect_devices(g, NULL, NULL);
    guest_expect_runs(g);
    end(g);
}

void what_came_later_survives_a_restart_and_a_save(void **state)
{
    survive(*state, CONF_MACHINE_PC);
}

void what_came_later_is_saved_on_q35_too(void **state)
{
    survive(*state, CONF_MACHINE_Q35);
}

/* ---- serial lines ---- */

/* Nobody takes what the guest prints, until there is room for no more. */
static void print_until_full(struct guest *g)
{
    static const char command[] = "\nflood 8\n";
    int64_t deadline = clock_mono_ms() + g->rig->subject->boot_ms, since = clock_mono_ms();
    int waits = 0, before = 0;
    struct err e;

    EXPECT_OK(fs_write_all(g->console, command, strlen(command), "the line", &e));
    while (waits == 0 || clock_mono_ms() - since < FULL_MS) {
        assert_true(clock_mono_ms() < deadline);
        poll(NULL, 0, 10);
        assert_int_equal(ioctl(g->console, FIONREAD, &waits), 0);
        if (waits != before)
            since = clock_mono_ms();
        before = waits;
    }
    assert_true(waits < 8 * 1024);
}

void a_guest_that_waits_for_its_console_is_saved(void **state)
{
    struct guest *g = guest_running(*state, PLAIN);

    print_until_full(g);
    save_and_restore(g);
    ask(g, "cpus", "cpus 1");
    guest_expect_runs(g);
    end(g);
}

static void connect_line(struct guest *g, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    str_copy(to.sun_path, sizeof to.sun_path, path);
    close(g->console);
    g->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(g->console >= 0);
    assert_int_equal(connect(g->console, (struct sockaddr *)&to, sizeof to), 0);
}

void a_guest_that_waits_for_a_second_line_is_saved(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    AUTO_FREE char *path = x_asprintf("%s/line.sock", r->folder);

    x_replace(&g->conf->cmdline, x_strdup("console=ttyS1 quiet no_timer_check cryptomgr.notests"));
    g->conf->serials = x_reallocarray(g->conf->serials, 2, sizeof *g->conf->serials);
    g->conf->serials[g->conf->serial_count++] = x_asprintf("unix:%s", path);
    guest_create(g);
    connect_line(g, path);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    print_until_full(g);
    save_and_restore(g);
    connect_line(g, path);
    ask(g, "cpus", "cpus 1");
    guest_expect_runs(g);
    end(g);
}

/* The second of two interfaces must stay where it was when the first has gone. */
void a_device_that_went_is_not_saved(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    static const char *const macs[] = {"00:16:3e:01:01:01", MAC};
    static const char *const rest[] = {MAC};

    g->conf->vifs = x_calloc(2, sizeof *g->conf->vifs);
    g->conf->vif_count = 2;
    g->args.macs = macs;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    detach(g, DEVICE_NIC, macs[0]);
    expect_devices(g, NULL, MAC);
    g->conf->vif_count = 1;
    g->args.macs = rest;
    save_and_restore(g);
    expect_devices(g, NULL, MAC);
    ask(g, "net", " " MAC);
    guest_expect_runs(g);
    end(g);
}

void what_cannot_be_attached_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct conf_disk disk = disk_of(vd(r, 'b'), (char *)"no-such-file");
    struct device device = device_of_disk(g, &disk);
    struct err e;

    if (!r->subject->ask) { /* simulated guests open no files */
        end(g);
        return;
    }
    EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &device, &op, &e), ERR_BAD_CONFIG);
    expect_devices(g, NULL, NULL);
    struct conf_vif vif = {.mac = MAC, .model = "ne2000"};
    if (r->subject->has_machine) { /* others have no models of interfaces */
        device = device_of_nic(g, &vif);
        EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &device, &op, &e), ERR_UNSUPPORTED);
        expect_devices(g, NULL, NULL);
    }
    guest_expect_runs(g);
    end(g);
}

void a_guest_that_stands_gives_nothing_up(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    AUTO_FREE char *said = disk_said(r, vd(r, 'b'), "3145728 bytes rw");
    struct conf_disk disk = disk_of(vd(r, 'b'), path);
    struct op op = rig_op(r);
    struct err e;

    guest_pause(g);
    attach(g, device_of_disk(g, &disk));
    EXPECT_ERR(r->driver->detach(r->handle, &g->ref, DEVICE_DISK, vd(r, 'b'), &op, &e),
               ERR_WRONG_STATE);
    expect_devices(g, vd(r, 'b'), NULL);
    guest_unpause(g);
    ask(g, "disk", said);
    detach(g, DEVICE_DISK, vd(r, 'b'));
    end(g);
}

/* Simulated, or one that has just begun to boot, so that nobody listens yet. A Linux guest on Xen
 * lets go even of a disk that is open, and libxl waits so long that it has booted: there is none
 * that keeps it, and the case has nothing to say. */
void a_guest_that_does_not_answer_keeps_its_device(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    struct conf_disk disk = disk_of(vd(r, 'a'), path);
    struct op op = op_within(500);
    struct err e;

    if (r->subject->has_host) {
        end(g);
        return;
    }
    if (!r->subject->ask) {
        free(g->conf->cmdline);
        g->conf->cmdline = x_strdup("null.detach=hang");
    }
    keep_devices(g, &disk, NULL);
    guest_create(g);
    guest_unpause(g);
    EXPECT_ERR(r->driver->detach(r->handle, &g->ref, DEVICE_DISK, vd(r, 'a'), &op, &e),
               ERR_TIMED_OUT);
    expect_devices(g, vd(r, 'a'), NULL);
    guest_await_above(g, r->subject->enough);
    if (r->subject->has_process) {
        detach(g, DEVICE_DISK, vd(r, 'a'));
        ask(g, "disk", "disk none");
        assert_false(held(path));
    }
    end(g);
}

/* ---- memory and CPUs ---- */

void memory_goes_down_and_up(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    static const uint64_t figures[] = {104 * 1024, 160 * 1024, 128 * 1024};
    struct op op;
    uint64_t reached;
    struct err e;

    g->conf->memory_kib = g->conf->max_memory_kib = 160 * 1024;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        op = rig_op(r);
        EXPECT_OK(r->driver->memory(r->handle, &g->ref, figures[i], &op, &reached, &e));
        assert_in_range(reached, figures[i] - figures[i] / 100, figures[i] + figures[i] / 100);
        assert_int_equal(guest_info(g).memory_kib, figures[i]);
    }
    op = rig_op(r);
    EXPECT_ERR(r->driver->memory(r->handle, &g->ref, 161 * 1024, &op, &reached, &e),
               ERR_BAD_REQUEST);
    assert_int_equal(guest_info(g).memory_kib, 128 * 1024);
    g->conf->memory_kib = 128 * 1024;
    save_and_restore(g);
    assert_int_equal(guest_info(g).memory_kib, 128 * 1024);
    struct domain_stats now = stats(g);
    assert_in_range(now.balloon_kib, 126 * 1024, 130 * 1024);
    free(now.disks);
    free(now.nics);
    guest_expect_runs(g);
    end(g);
}

static struct guest *with_cpus(struct rig *r, unsigned now, unsigned most)
{
    struct guest *g = guest_new(r, PLAIN);

    g->conf->vcpus = now;
    g->conf->max_vcpus = most;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    return g;
}

static void set_cpus(struct guest *g, unsigned count)
{
    struct op op = rig_op(g->rig);
    AUTO_FREE char *wanted = x_asprintf("cpus %u", count);
    unsigned online;
    struct err e;

    EXPECT_OK(g->rig->driver->vcpus(g->rig->handle, &g->ref, count, &op, &online, &e));
    assert_int_equal(online, count);
    assert_int_equal(guest_info(g).vcpus, count);
    ask(g, "cpus", wanted);
}

void cpus_come_and_go(void **state)
{
    struct rig *r = *state;
    struct guest *g = with_cpus(r, 1, 3);
    struct op op = rig_op(r);
    unsigned online;
    struct err e;

    set_cpus(g, 3);
    EXPECT_ERR(r->driver->vcpus(r->handle, &g->ref, 4, &op, &online, &e), ERR_BAD_REQUEST);
    assert_int_equal(guest_info(g).vcpus, 3);
    if (r->subject->has_process) { /* QEMU under TCG would not survive it */
        EXPECT_ERR(r->driver->vcpus(r->handle, &g->ref, 2, &op, &online, &e), ERR_UNSUPPORTED);
        assert_int_equal(online, 3);
        assert_int_equal(guest_info(g).vcpus, 3);
    } else {
        set_cpus(g, 1);
        set_cpus(g, 2);
    }
    guest_expect_runs(g);
    end(g);
}

/* With a disk of before and one of after: what QEMU makes of one can depend on how many CPUs there
 * are when it comes. */
void cpus_that_came_are_saved(void **state)
{
    struct rig *r = *state;
    struct guest *g = with_cpus(r, 1, 3);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    AUTO_FREE char *scsi_path = new_file(r, "scsi.img", DISK_BYTES);
    AUTO_FREE char *said = disk_said(r, vd(r, 'b'), "3145728 bytes rw");
    struct conf_disk disks[] = {disk_of(vd(r, 'b'), path), disk_of("sda", scsi_path)};
    size_t count = r->subject->has_process ? 2 : 1;

    attach(g, device_of_disk(g, &disks[0]));
    set_cpus(g, 2);
    if (count > 1)
        attach(g, device_of_disk(g, &disks[1]));
    g->conf->disks = x_calloc(count, sizeof *g->conf->disks);
    for (size_t i = 0; i < count; i++) {
        g->conf->disks[i] = disks[i];
        g->conf->disks[i].target = x_strdup(disks[i].target);
    }
    g->conf->disk_count = count;
    for (unsigned cpus = 2; cpus <= 3; cpus++) {
        set_cpus(g, cpus);
        g->conf->vcpus = cpus;
        save_and_restore(g);
        assert_int_equal(guest_info(g).vcpus, cpus);
        ask(g, "disk", said);
    }
    ask(g, "cpus", "cpus 3");
    guest_expect_runs(g);
    end(g);
}

static struct vcpu_info *list_cpus(struct guest *g, size_t expected)
{
    struct op op = rig_op(g->rig);
    struct vcpu_info *all;
    size_t count;
    struct err e;

    EXPECT_OK(g->rig->driver->vcpu_list(g->rig->handle, &g->ref, &op, &all, &count, &e));
    assert_int_equal(count, expected);
    return all;
}

void cpus_are_listed_and_pinned(void **state)
{
    struct rig *r = *state;
    struct guest *g = with_cpus(r, 1, 2);
    struct op op = rig_op(r);
    struct vcpu_info *all = list_cpus(g, 2);
    cpu_set_t one, none;
    struct err e;
    size_t cpu = (size_t)sched_getcpu();

    assert_true(all[0].online);
    assert_false(all[1].online);
    assert_true(all[0].cpu_ns > 0);
    assert_true(all[0].host_cpu >= 0);
    free(all);
    CPU_ZERO(&one);
    CPU_ZERO(&none);
    CPU_SET(cpu, &one);
    EXPECT_OK(r->driver->vcpu_pin(r->handle, &g->ref, -1, &one, &op, &e));
    all = list_cpus(g, 2);
    assert_true(CPU_EQUAL(&all[0].affinity, &one));
    free(all);
    /* A host keeps the vCPUs that are not plugged in too. */
    int missing = r->subject->has_host ? 2 : 1;
    EXPECT_ERR(r->driver->vcpu_pin(r->handle, &g->ref, missing, &one, &op, &e), ERR_BAD_REQUEST);
    EXPECT_ERR(r->driver->vcpu_pin(r->handle, &g->ref, 0, &none, &op, &e), ERR_BAD_REQUEST);
    guest_expect_runs(g);
    end(g);
}

/* ---- discs ---- */

static int medium(struct guest *g, const char *vdev, char *target, struct err *e)
{
    struct conf_disk disk = disk_of(vdev, target);
    struct op op = rig_op(g->rig);

    disk.cdrom = true;
    return g->rig->driver->medium(g->rig->handle, &g->ref, &disk, g->args.directory, &g->args.user,
                                  &op, e);
}

void discs_are_changed(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    AUTO_FREE char *one = new_iso(r, "one.iso", "ONE");
    AUTO_FREE char *two = new_iso(r, "two.iso", "TWO");
    struct conf_disk drive = disk_of("hdc", NULL);
    struct err e;

    if (!r->subject->has_machine && r->subject->has_host) {
        guest_create(g);
        EXPECT_ERR(medium(g, "hdc", one, &e), ERR_UNSUPPORTED);
        end(g);
        return;
    }
    drive.cdrom = true;
    g->conf->disks = x_calloc(1, sizeof drive);
    g->conf->disks[g->conf->disk_count++] = drive;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    EXPECT_OK(medium(g, "hdc", one, &e));
    ask(g, "cdrom", "label 'ONE'");
    EXPECT_OK(medium(g, "hdc", two, &e));
    assert_false(held(one));
    ask(g, "cdrom", "label 'TWO'");
    if (r->subject->ask)
        EXPECT_ERR(medium(g, "hdc", (char *)"no-such.iso", &e), ERR_BAD_CONFIG);
    ask(g, "cdrom", "label 'TWO'");
    EXPECT_OK(medium(g, "hdc", one, &e));
    ask(g, "cdrom", "label 'ONE'");
    EXPECT_OK(medium(g, "hdc", NULL, &e));
    EXPECT_OK(medium(g, "hdc", NULL, &e));
    assert_false(held(one));
    ask(g, "cdrom", "cdrom none");
    EXPECT_ERR(medium(g, "hdd", one, &e), ERR_FAILED);
    guest_expect_runs(g);
    end(g);
}

/* ---- cores and keys ---- */

void a_core_is_whole_and_the_guest_goes_on(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "core", 0);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    struct op op = rig_op(r);
    char head[4];
    struct err e;

    EXPECT_OK(r->driver->dump_core(r->handle, &g->ref, fd, &op, &e));
    assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
    assert_memory_equal(head, "\177ELF", sizeof head);
    assert_true(lseek(fd, 0, SEEK_END) > (off_t)(96 * 1024 * 1024));
    guest_expect_runs(g);
    guest_pause(g);
    op = rig_op(r);
    EXPECT_OK(r->driver->dump_core(r->handle, &g->ref, fd, &op, &e));
    assert_int_equal(guest_info(g).state, OBS_PAUSED);
    end(g);
}

void a_cancelled_core_harms_nothing(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "core", 0);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    AUTO_CLOSE int cancel = eventfd(1, EFD_CLOEXEC);
    struct op op = rig_op(r);
    struct err e;

    op.cancel_fd = cancel;
    EXPECT_ERR(r->driver->dump_core(r->handle, &g->ref, fd, &op, &e), ERR_CANCELLED);
    guest_expect_runs(g);
    op = rig_op(r);
    EXPECT_OK(r->driver->dump_core(r->handle, &g->ref, fd, &op, &e));
    AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    EXPECT_ERR(r->driver->dump_core(r->handle, &g->ref, full, &op, &e), ERR_NO_SPACE);
    guest_expect_runs(g);
    end(g);
}

void sysrq_reaches_the_guest(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    EXPECT_OK(r->driver->sysrq(r->handle, &g->ref, 'h', &op, &e));
    ask(g, "", "sysrq: HELP");
    guest_pause(g);
    EXPECT_ERR(r->driver->sysrq(r->handle, &g->ref, 'h', &op, &e), ERR_WRONG_STATE);
    end(g);
}

void triggers_reach_the_guest(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_running(r, PLAIN);
    struct op op = rig_op(r);
    struct err e;

    EXPECT_ERR(r->driver->trigger(r->handle, &g->ref, "init", -1, &op, &e), ERR_UNSUPPORTED);
    EXPECT_OK(r->driver->trigger(r->handle, &g->ref, "nmi", -1, &op, &e));
    /* Of an NMI without a cause, and of one that an absent port names. */
    ask(g, "", "Dazed and confused");
    if (!r->subject->has_machine) {
        EXPECT_ERR(r->driver->trigger(r->handle, &g->ref, "power", -1, &op, &e), ERR_UNSUPPORTED);
        guest_expect_runs(g);
        end(g);
        return;
    }
    EXPECT_OK(r->driver->trigger(r->handle, &g->ref, "power", -1, &op, &e));
    guest_await(g, OBS_SHUTDOWN);
    op = rig_op(r);
    EXPECT_OK(r->driver->trigger(r->handle, &g->ref, "reset", -1, &op, &e));
    guest_await_over(g, r->subject->enough);
    end(g);
}

static void free_counted(struct domain_counters *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].stats.disks);
        free(list[i].stats.nics);
    }
    free(list);
}

/* The guest's counters among all, where domain 0 may be too. */
static const struct domain_stats *counted(struct guest *g, const struct domain_counters *list,
                                          size_t count)
{
    const struct domain_stats *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!str_eq(list[i].uuid, g->ref.uuid))
            continue;
        assert_null(found);
        found = &list[i].stats;
    }
    assert_non_null(found);
    return found;
}

/* All at once gives what one by one gives, and leaves out what is not there. */
static void expect_among_all(struct guest *g, const struct domain_stats *one)
{
    struct rig *r = g->rig;
    struct domain_counters *list;
    struct op op = rig_op(r);
    size_t count;
    struct err e;

    EXPECT_OK(r->driver->stats_all(r->handle, NULL, &op, &list, &count, &e));
    const struct domain_stats *same = counted(g, list, count);
    assert_true(same->cpu_ns >= one->cpu_ns);
    assert_int_equal(same->balloon_kib, one->balloon_kib);
    assert_int_equal(same->disk_count, one->disk_count);
    for (size_t i = 0; i < one->disk_count; i++) {
        assert_string_equal(same->disks[i].vdev, one->disks[i].vdev);
        assert_true(same->disks[i].write_bytes >= one->disks[i].write_bytes);
        assert_true(same->disks[i].read_bytes >= one->disks[i].read_bytes);
    }
    if (r->subject->ask)
        assert_true(same->host_memory_kib > 16 * 1024);
    free_counted(list, count);
    EXPECT_OK(r->driver->stats_all(r->handle, g->ref.uuid, &op, &list, &count, &e));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].uuid, g->ref.uuid);
    free_counted(list, count);
    EXPECT_OK(r->driver->stats_all(r->handle, "c0ffee00-0000-4000-8000-00000000beef", &op, &list,
                                   &count, &e));
    assert_int_equal(count, 0);
    free(list);
}

void counters_count(void **state)
{
    struct rig *r = *state;
    struct guest *g = guest_new(r, PLAIN);
    AUTO_FREE char *path = new_file(r, "extra.img", DISK_BYTES);
    struct conf_disk disk = disk_of(vd(r, 'a'), path);

    keep_devices(g, &disk, NULL);
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    struct domain_stats before = stats(g);
    ask(g, "disk written", "text 'written'");
    guest_await_above(g, r->subject->value(g));
    struct domain_stats after = stats(g);
    assert_true(after.cpu_ns > before.cpu_ns);
    assert_true(after.balloon_kib == 96 * 1024);
    if (r->subject->ask) {
        assert_true(after.host_memory_kib > 16 * 1024);
        assert_true(after.disks[0].write_bytes >= before.disks[0].write_bytes + 512);
        assert_true(after.disks[0].write_ops > before.disks[0].write_ops);
        assert_true(after.disks[0].read_bytes > before.disks[0].read_bytes);
    }
    expect_among_all(g, &after);
    free(before.disks);
    free(before.nics);
    free(after.disks);
    free(after.nics);
    end(g);
}

/* QEMU's microvm: memory is all that changes. */
void a_machine_without_places_says_so(void **state)
{
    struct rig *r = *state;
    struct conf_vif vif = {.mac = MAC};
    struct op op = rig_op(r);
    unsigned online;
    uint64_t reached;
    struct err e;

    struct guest *g = guest_new(r, PLAIN);
    g->conf->machine = CONF_MACHINE_MICROVM;
    g->conf->max_vcpus = 2;
    guest_create(g);
    guest_unpause(g);
    guest_await_above(g, r->subject->enough);
    struct device device = device_of_nic(g, &vif);
    if (geteuid() != 0) {
        EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &device, &op, &e), ERR_UNSUPPORTED);
        end(g);
        return;
    }
    EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &device, &op, &e), ERR_UNSUPPORTED);
    EXPECT_ERR(r->driver->detach(r->handle, &g->ref, DEVICE_NIC, MAC, &op, &e), ERR_UNSUPPORTED);
    EXPECT_ERR(r->driver->vcpus(r->handle, &g->ref, 2, &op, &online, &e), ERR_UNSUPPORTED);
    assert_int_equal(online, 1);
    EXPECT_ERR(r->driver->sysrq(r->handle, &g->ref, 'h', &op, &e), ERR_UNSUPPORTED);
    EXPECT_OK(r->driver->memory(r->handle, &g->ref, 80 * 1024, &op, &reached, &e));
    g->conf->memory_kib = 80 * 1024;
    save_and_restore(g);
    assert_int_equal(guest_info(g).memory_kib, 80 * 1024);
    guest_expect_runs(g);
    end(g);
}

/* ---- bridges ---- */

static bool has_port(const char *bridge, const char *port)
{
    AUTO_FREE char *path = x_asprintf("/sys/class/net/%s/brif/%s", bridge, port);

    return access(path, F_OK) == 0;
}

static void bridge_do(const char *bridge, unsigned long what)
{
    AUTO_CLOSE int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(ioctl(control, what, bridge), 0);
}

/* The process of the only guest. */
static void kill_guest(struct guest *g)
{
    AUTO_FREE char *path = x_asprintf("%s/qemu/%s/pid", g->rig->run_dir, g->ref.uuid);
    FILE *f = fopen(path, "re");
    int pid = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    guest_await(g, OBS_DEAD);
}

/* Bridges need root, and others are told so; the interface must be gone when the device is, and
 * when the process is killed. */
void a_bridge_port_goes_with_its_device(void **state)
{
    struct rig *r = *state;

    AUTO_FREE char *bridge = x_asprintf("rt%d", (int)getpid());
    AUTO_FREE char *port = x_asprintf("rp%d", (int)getpid());
    struct conf_vif vif = {.mac = MAC, .bridge = bridge, .ifname = port};
    struct op op = rig_op(r);
    struct err e;

    struct guest *g = guest_running(r, PLAIN);
    struct device device = device_of_nic(g, &vif);
    EXPECT_ERR(r->driver->attach(r->handle, &g->ref, &device, &op, &e), ERR_BAD_CONFIG);
    bridge_do(bridge, SIOCBRADDBR);
    attach(g, device);
    assert_true(has_port(bridge, port));
    ask(g, "net", " " MAC);
    ask(g, "net", "net gateway silent"); /* it has sent into the bridge */
    struct domain_stats now = stats(g);
    assert_true(now.nics[0].counted);
    assert_true(now.nics[0].tx_bytes > 0);
    free(now.disks);
    free(now.nics);
    detach(g, DEVICE_NIC, MAC);
    assert_false(has_port(bridge, port));
    attach(g, device);
    assert_true(has_port(bridge, port));
    kill_guest(g);
    assert_false(has_port(bridge, port));
    bridge_do(bridge, SIOCBRDELBR);
    end(g);
}
