/* SPDX-License-Identifier: MIT */
/* Every fault point, in every verb that meets it: the daemon is killed there, or the step fails
 * there, or the power goes. Afterwards the guest runs on from where it was, or is suspended and
 * goes on from there, or is broken with its ways out; there is one of it, and nothing is left
 * over. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/bench.h"

/* How a row begins. */
enum from {
    FROM_ABSENT,
    FROM_HALTED,
    FROM_RUNNING,
    FROM_PAUSED,
    FROM_CHANGED,          /* it runs, and another config waits for its next boot */
    FROM_SUSPENDED,        /* it ran when it was suspended */
    FROM_SUSPENDED_PAUSED, /* it was paused */
    FROM_SAVED,            /* managed and halted, its state in a file; transient: absent */
    FROM_SPENT,            /* broken: its image is spent */
};

/* point: NULL ends the table. call may have "+arguments". after_*: the state; after_power of
 * "broken" has resume --force and discard as ways out. */
struct row {
    const char *point;
    const char *call;
    enum from from;
    bool managed;
    const char *after_kill;
    const char *after_fail;
    const char *after_power;
};

#define SAVE "save+\"file\":\"FILE\""
#define CHECKPOINT "save+\"file\":\"FILE\",\"checkpoint\":true"
#define RESTORE "restore+\"file\":\"FILE\""
#define FORCE "resume+\"force\":true"
#define MAC "00:16:3e:00:00:01"
#define NIC_ATTACH "network-attach+\"spec\":\"mac=" MAC "\""
#define NIC_DETACH "network-detach+\"device\":\"" MAC "\""
#define DISK "vdb"
#define DISK_SPEC "format=raw,vdev=" DISK ",access=rw,target=/disk.img"
#define DISK_ATTACH "block-attach+\"spec\":\"" DISK_SPEC "\",\"directory\":\"/\""
#define DISK_DETACH "block-detach+\"device\":\"" DISK "\""
#define DRIVE "hdc"
#define CD_INSERT "cd-insert+\"device\":\"" DRIVE "\",\"file\":\"/new.iso\""
#define CD_EJECT "cd-eject+\"device\":\"" DRIVE "\""
#define VCPU_SET "vcpu-set+\"vcpus\":3"
#define DUMP "dump-core+\"file\":\"FILE\""
#define MEM_SET "mem-set+\"memory_kib\":8192"
#define PURGE "delete+\"destroy\":true"

static const struct row rows[] = {
    {"start.intent",     "start",                 FROM_HALTED,           true,  "halted",    "halted",    "halted"   },
    {"start.created",    "start",                 FROM_HALTED,           true,  "halted",    "halted",    "halted"   },
    {"start.created",    "start+\"paused\":true", FROM_HALTED,           true,  "paused",    "halted",    "halted"   },
    {"start.running",    "start",                 FROM_HALTED,           true,  "running",   "halted",    "halted"   },
    {"start.intent",     "create",                FROM_ABSENT,           false, "absent",    "absent",    "absent"   },
    {"start.created",    "create",                FROM_ABSENT,           false, "absent",    "absent",    "absent"   },
    {"start.running",    "create",                FROM_ABSENT,           false, "running",   "absent",    "absent"   },
    {"save.intent",      "suspend",               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.stopped",     "suspend",               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.renamed",     "suspend",               FROM_RUNNING,          true,  "running",   "running",   "suspended"},
    {"save.committed",   "suspend",               FROM_RUNNING,          true,  "suspended", "suspended", "suspended"},
    {"save.intent",      "suspend",               FROM_PAUSED,           true,  "paused",    "paused",    "halted"   },
    {"save.stopped",     "suspend",               FROM_PAUSED,           true,  "paused",    "paused",    "halted"   },
    {"save.renamed",     "suspend",               FROM_PAUSED,           true,  "paused",    "paused",    "suspended"},
    {"save.committed",   "suspend",               FROM_PAUSED,           true,  "suspended", "suspended", "suspended"},
    {"save.intent",      SAVE,                    FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.stopped",     SAVE,                    FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.renamed",     SAVE,                    FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.committed",   SAVE,                    FROM_RUNNING,          true,  "halted",    "halted",    "halted"   },
    {"save.intent",      SAVE,                    FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"save.stopped",     SAVE,                    FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"save.renamed",     SAVE,                    FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"save.committed",   SAVE,                    FROM_RUNNING,          false, "absent",    "absent",    "absent"   },
    {"save.intent",      CHECKPOINT,              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"save.stopped",     CHECKPOINT,              FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"save.stopped",     CHECKPOINT,              FROM_PAUSED,           true,  "paused",    "paused",    "halted"   },
    {"resume.intent",    "resume",                FROM_SUSPENDED,        true,  "suspended", "suspended", "suspended"},
    {"resume.loaded",    "resume",                FROM_SUSPENDED,        true,  "suspended", "suspended", "suspended"},
    {"resume.claimed",   "resume",                FROM_SUSPENDED,        true,  "running",   "suspended", "broken"   },
    {"resume.running",   "resume",                FROM_SUSPENDED,        true,  "running",   "running",   "broken"   },
    {"resume.committed", "resume",                FROM_SUSPENDED,        true,  "running",   "running",   "halted"   },
    {"resume.intent",    "resume",                FROM_SUSPENDED_PAUSED, true,  "suspended", "suspended", "suspended"},
    {"resume.loaded",    "resume",                FROM_SUSPENDED_PAUSED, true,  "suspended", "suspended", "suspended"},
    {"resume.claimed",   "resume",                FROM_SUSPENDED_PAUSED, true,  "paused",    "suspended", "broken"   },
    {"resume.running",   "resume",                FROM_SUSPENDED_PAUSED, true,  "paused",    "paused",    "broken"   },
    {"resume.committed", "resume",                FROM_SUSPENDED_PAUSED, true,  "paused",    "paused",    "halted"   },
    {"resume.intent",    FORCE,                   FROM_SPENT,            true,  "broken",    "broken",    "broken"   },
    {"resume.loaded",    FORCE,                   FROM_SPENT,            true,  "running",   "broken",    "broken"   },
    {"resume.claimed",   FORCE,                   FROM_SPENT,            true,  "running",   "broken",    "broken"   },
    {"resume.running",   FORCE,                   FROM_SPENT,            true,  "running",   "running",   "broken"   },
    {"resume.committed", FORCE,                   FROM_SPENT,            true,  "running",   "running",   "halted"   },
    {"resume.loaded",    RESTORE,                 FROM_SAVED,            true,  "running",   "halted",    "halted"   },
    {"resume.loaded",    RESTORE,                 FROM_SAVED,            false, "running",   "absent",    "absent"   },
    {"destroy.intent",   "destroy",               FROM_RUNNING,          true,  "halted",    "running",   "halted"   },
    {"destroy.gone",     "destroy",               FROM_RUNNING,          true,  "halted",    "halted",    "halted"   },
    {"destroy.intent",   "destroy",               FROM_PAUSED,           false, "absent",    "paused",    "absent"   },
    {"destroy.gone",     "destroy",               FROM_PAUSED,           false, "absent",    "absent",    "absent"   },
    {"shutdown.off",     "shutdown",              FROM_RUNNING,          true,  "halted",    "halted",    "halted"   },
    {"shutdown.off",     "shutdown",              FROM_RUNNING,          false, "absent",    "absent",    "absent"   },
    {"destroy.gone",     "shutdown",              FROM_RUNNING,          true,  "halted",    "halted",    "halted"   },
    {"destroy.gone",     "shutdown",              FROM_RUNNING,          false, "absent",    "absent",    "absent"   },
    {"destroy.intent",   PURGE,                   FROM_RUNNING,          true,  "halted",    "running",   "halted"   },
    {"destroy.gone",     PURGE,                   FROM_RUNNING,          true,  "halted",    "halted",    "halted"   },
    {"change.intent",    MEM_SET,                 FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      MEM_SET,                 FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      MEM_SET,                 FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"change.intent",    NIC_ATTACH,              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      NIC_ATTACH,              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.intent",    NIC_DETACH,              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      NIC_DETACH,              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      NIC_DETACH,              FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"change.intent",    DISK_ATTACH,             FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      DISK_ATTACH,             FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.intent",    DISK_DETACH,             FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      DISK_DETACH,             FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      DISK_DETACH,             FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"change.intent",    CD_INSERT,               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      CD_INSERT,               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      CD_INSERT,               FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"change.intent",    CD_EJECT,                FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      CD_EJECT,                FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.intent",    VCPU_SET,                FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      VCPU_SET,                FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"change.live",      VCPU_SET,                FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"core.written",     DUMP,                    FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"core.written",     DUMP,                    FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"core.written",     "dump-core",             FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"store.commit",     MEM_SET,                 FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"restart.gone",     "reset",                 FROM_CHANGED,          true,  "running",   "halted",    "halted"   },
    {"restart.gone",     "reboot",                FROM_CHANGED,          true,  "running",   "halted",    "halted"   },
    {"restart.gone",     "reset",                 FROM_CHANGED,          false, "running",   "absent",    "absent"   },
    {"store.commit",     "reset",                 FROM_CHANGED,          true,  "running",   "running",   "halted"   },
    {"reset.intent",     "reset",                 FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"reset.intent",     "reset",                 FROM_PAUSED,           false, "paused",    "paused",    "absent"   },
    {"store.commit",     "start",                 FROM_HALTED,           true,  "halted",    "halted",    "halted"   },
    {"store.commit",     "create",                FROM_ABSENT,           false, "absent",    "absent",    "absent"   },
    {"store.commit",     "suspend",               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"store.commit",     SAVE,                    FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"store.commit",     "resume",                FROM_SUSPENDED,        true,  "suspended", "suspended", "suspended"},
    {"store.commit",     RESTORE,                 FROM_SAVED,            true,  "halted",    "halted",    "halted"   },
    {"store.commit",     "discard",               FROM_SUSPENDED,        true,  "suspended", "suspended", "suspended"},
    {"store.commit",     "discard",               FROM_SPENT,            true,  "broken",    "broken",    "broken"   },
    {"store.commit",     "destroy",               FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"store.commit",     "shutdown",              FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"store.commit",     "reboot",                FROM_RUNNING,          true,  "running",   "running",   "halted"   },
    {"store.commit",     "delete",                FROM_HALTED,           true,  "halted",    "halted",    "halted"   },
    {"store.commit",     "adopt",                 FROM_RUNNING,          false, "running",   "running",   "absent"   },
    {"store.commit",     "new",                   FROM_ABSENT,           true,  "absent",    "absent",    "absent"   },
};

static const char name[] = "web1";
static struct bench bench;
static char uuid[37];
static char file[BENCH_PATH];

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int64_t counted_before;

/* A guest that has counted for long, running, with the daemon started anew. */
static void make_running(struct bench *b, bool managed)
{
    bench_define(b, managed ? "new" : "create", name, "");
    if (managed)
        bench_do(b, "start", "{\"domain\":\"%s\"}", name);
    AUTO_JSON json_t *domain = bench_show(b, name);
    str_copy(uuid, sizeof uuid, json_get_string(domain, "uuid", ""));
    bench_age(b, uuid);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, name), "running");
}

static void make(struct bench *b, const struct row *row)
{
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);

    if (row->from == FROM_HALTED)
        bench_define(b, "new", name, "");
    if (row->from == FROM_HALTED || row->from == FROM_ABSENT)
        return;
    make_running(b, row->managed);
    if (row->from == FROM_CHANGED)
        bench_do(b, "config-set", "{\"domain\":\"%s\",\"overrides\":[\"memory=24\"]}", name);
    if (str_eq(row->call, NIC_DETACH))
        bench_do(b, "network-attach", "{\"domain\":\"%s\",\"spec\":\"mac=" MAC "\"}", name);
    if (str_eq(row->call, DISK_DETACH))
        bench_do(b, "block-attach",
                 "{\"domain\":\"%s\",\"spec\":\"" DISK_SPEC "\",\"directory\":\"/\"}", name);
    if (str_starts(row->call, "cd-"))
        bench_do(b, "block-attach",
                 "{\"domain\":\"%s\",\"spec\":\"vdev=" DRIVE ",devtype=cdrom%s\","
                 "\"directory\":\"/\"}",
                 name, str_eq(row->call, CD_EJECT) ? ",target=/old.iso" : "");
    if (row->from == FROM_PAUSED || row->from == FROM_SUSPENDED_PAUSED)
        bench_do(b, "pause", "%s", one);
    if (row->from >= FROM_SUSPENDED)
        counted_before = bench_count(b, name);
    if (row->from == FROM_RUNNING || row->from == FROM_PAUSED || row->from == FROM_CHANGED)
        counted_before = bench_count(b, name);
    if (row->from >= FROM_SUSPENDED && row->from != FROM_SAVED)
        bench_do(b, "suspend", "%s", one);
    if (row->from == FROM_SAVED)
        bench_do(b, "save", "{\"domain\":\"%s\",\"file\":\"%s\"}", name, file);
    if (row->from == FROM_SPENT) {
        /* As a power cut between the claim and the record leaves it. */
        AUTO_FREE char *path = x_asprintf("%s/images/%s/memory.reeve", b->state, uuid);
        AUTO_FREE char *spent = x_asprintf("%s.spent", path);
        bench_kill(b);
        assert_int_equal(rename(path, spent), 0);
        bench_start(b, NULL);
        assert_string_equal(bench_state(b, name), "broken");
    }
}

/* The row's call; NULL when the daemon went away under it. */
static json_t *act(const struct bench *b, const struct row *row)
{
    AUTO_FREE char *call = x_strdup(row->call);
    char *more = strchr(call, '+');

    if (more)
        *more++ = '\0';
    if (str_eq(call, "create") || str_eq(call, "new"))
        return bench_call(b, call,
                          "{\"config\":\"name='%s'\\nmemory=16\\nkernel='/vmlinuz'\\n\","
                          "\"directory\":\"/\"}",
                          name);
    AUTO_STR struct str args = {0};
    if (!str_eq(call, "restore"))
        str_addf(&args, "\"domain\":\"%s\"%s", name, more ? "," : "");
    for (const char *at = more; at && *at; at++) {
        if (str_starts(at, "FILE")) {
            str_add(&args, file);
            at += 3;
        } else {
            str_addc(&args, *at);
        }
    }
    return bench_call(b, call, "{%s}", args.data);
}

static const char *what(const struct row *row, const char *how)
{
    static char text[160];

    snprintf(text, sizeof text, "%s=%s in %s of a %s domain", row->point, how, row->call,
             row->managed ? "managed" : "transient");
    return text;
}

/* The jobs that the restart marked as cut. */
static bool listed_as_interrupted(const struct bench *b, const char *verb)
{
    AUTO_JSON json_t *answer = bench_call(b, "jobs", "%s", "");
    json_t *jobs = json_object_get(json_object_get(answer, "return"), "jobs"), *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        if (str_eq(json_get_string(job, "outcome", ""), "interrupted") &&
            str_starts(verb, json_get_string(job, "verb", "-")))
            return true;
    }
    return false;
}

/* It is the guest that there was, further on and not booted anew. */
static void assert_same_guest(const struct bench *b, const char *where)
{
    int64_t count = bench_count(b, name);

    if (count < counted_before || counted_before < BENCH_LONG_MS)
        fail_msg("%s: the guest has counted %lld ms, and had %lld before", where, (long long)count,
                 (long long)counted_before);
}

static void assert_state(const struct bench *b, const char *wanted, const char *where)
{
    const char *state = bench_state(b, name);

    if (!str_eq(state, wanted))
        fail_msg("%s: it is %s, not %s", where, state, wanted);
}

/* From whatever it is, everything can still be done with it. */
static void live_on(struct bench *b, const char *state, bool had_guest, const char *where)
{
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);

    if (str_eq(state, "suspended")) {
        bench_do(b, "resume", "%s", one);
        assert_same_guest(b, where);
    } else if (str_eq(state, "broken")) {
        bench_refused(b, "wrong-state", "resume", "%s", one);
        bench_do(b, "resume", "{\"domain\":\"%s\",\"force\":true}", name);
        assert_same_guest(b, where);
    } else if (str_eq(state, "halted")) {
        bench_do(b, "start", "%s", one);
    } else if (str_eq(state, "absent")) {
        bench_define(b, "create", name, "");
    } else if (had_guest) {
        assert_same_guest(b, where);
    }
    assert_true(bench_guests(b) == 1);
    if (str_eq(bench_state(b, name), "paused"))
        bench_do(b, "unpause", "%s", one);
    assert_state(b, "running", where);
    bench_tidy(b, false);
    bench_do(b, "destroy", "%s", one);
    assert_int_equal(bench_guests(b), 0);
    bench_tidy(b, false);
}

static bool had_guest(const struct row *row)
{
    return row->from >= FROM_RUNNING;
}

/* The save file is there after a save that ended the guest, and else it is not: an old state beside
 * a guest that runs on is a trap. */
static void check_file(const struct row *row, const char *state, const char *where)
{
    bool ended = str_eq(state, "halted") || str_eq(state, "absent");
    bool saved = row->from == FROM_SAVED ||
                 (str_eq(row->call, SAVE) && ended &&
                  (str_eq(row->point, "save.renamed") || str_eq(row->point, "save.committed")));

    if (saved != exists(file))
        fail_msg("%s: %s is %s", where, file, saved ? "not there" : "there");
}

enum { MEMORY_KIB = 16 * 1024, CHANGED_KIB = 8 * 1024 };

/* Guest and stored config have the same memory: what was asked for when the guest has it, and was
 * not told otherwise. What the guest has is shown while it lives, and then what is stored. */
static void check_memory(struct bench *b, const struct row *row, bool killed, const char *where)
{
    bool changed = killed && str_eq(row->call, MEM_SET) && str_eq(row->point, "change.live");
    int64_t wanted = changed ? CHANGED_KIB : MEMORY_KIB;

    if (!str_eq(row->call, MEM_SET))
        return;
    AUTO_JSON json_t *domain = bench_show(b, name);
    AUTO_FREE char *line = x_asprintf("memory=%lld\n", (long long)wanted / 1024);
    AUTO_STR struct str config = {0};
    for (const char *at = json_get_string(domain, "config", ""); *at; at++)
        if (*at != ' ')
            str_addc(&config, *at);
    if (json_get_int(domain, "memory_kib", 0) != wanted || !strstr(config.data, line))
        fail_msg("%s: the guest has %lld KiB, and stored is: %s", where,
                 (long long)json_get_int(domain, "memory_kib", 0), config.data);
}

/* The same for its virtual CPUs. */
static void check_vcpus(struct bench *b, const struct row *row, bool killed, const char *where)
{
    bool changed = killed && str_eq(row->point, "change.live");

    if (!str_eq(row->call, VCPU_SET))
        return;
    AUTO_JSON json_t *domain = bench_show(b, name);
    const char *config = json_get_string(domain, "config", "");
    bool stored = strstr(config, "vcpus = 3") || strstr(config, "vcpus=3");
    if (json_get_int(domain, "vcpus", 0) != (changed ? 3 : 1) || stored != changed)
        fail_msg("%s: the guest has %lld vCPUs, and stored is: %s", where,
                 (long long)json_get_int(domain, "vcpus", 0), config);
}

/* A drive has the disc that is on record: that of before. The guest's file says "disc" where there
 * is one, and "cdrom" where there is none. */
static void check_disc(struct bench *b, const struct row *row, const char *where)
{
    bool eject = str_eq(row->call, CD_EJECT);
    AUTO_FREE char *command = x_asprintf("grep -q '\"%s " DRIVE "\"' '%s'/run/null/%s",
                                         eject ? "disc" : "cdrom", b->dir, uuid);

    if (!eject && !str_eq(row->call, CD_INSERT))
        return;
    AUTO_JSON json_t *domain = bench_show(b, name);
    const char *config = json_get_string(domain, "config", "");
    if (!!strstr(config, "old.iso") != eject || strstr(config, "new.iso"))
        fail_msg("%s: stored is: %s", where, config);
    if (system(command) != 0) /* NOLINT: a folder of our own */
        fail_msg("%s: the drive has another disc", where);
}

/* The same for a device. That the guest has it is known by a detach that has nothing to say; that
 * it has not, by an attach. */
static void check_device(struct bench *b, const struct row *row, bool killed, const char *where)
{
    bool disk = str_eq(row->call, DISK_ATTACH) || str_eq(row->call, DISK_DETACH);
    bool attach = str_eq(row->call, NIC_ATTACH) || str_eq(row->call, DISK_ATTACH);
    bool done = killed && str_eq(row->point, "change.live");
    bool there = attach == done;
    const char *kind = disk ? "block" : "network";
    AUTO_FREE char *list_call = x_asprintf("%s-list", kind);
    AUTO_FREE char *call = x_asprintf("%s-%s", kind, there ? "detach" : "attach");
    const char *spec = disk ? DISK_SPEC "\",\"directory\":\"/" : "mac=" MAC;

    if (!disk && !attach && !str_eq(row->call, NIC_DETACH))
        return;
    AUTO_JSON json_t *list = bench_call(b, list_call, "{\"domain\":\"%s\"}", name);
    json_t *devices = json_object_get(json_object_get(list, "return"), disk ? "disks" : "vifs");
    if (json_array_size(devices) != (there ? 1 : 0))
        fail_msg("%s: %zu devices are on record", where, json_array_size(devices));
    AUTO_JSON json_t *answer =
        there
            ? bench_call(b, call, "{\"domain\":\"%s\",\"device\":\"%s\"}", name, disk ? DISK : MAC)
            : bench_call(b, call, "{\"domain\":\"%s\",\"spec\":\"%s\"}", name, spec);
    json_t *result = json_object_get(answer, "return");
    if (!result || json_array_size(json_object_get(result, "warnings")) > 0)
        fail_msg("%s: guest and record do not agree: %s", where,
                 json_get_string(json_object_get(answer, "error"), "message", "a warning"));
}

static void begin(struct bench *b, const struct row *row)
{
    bench_open(b);
    snprintf(file, sizeof file, "%.60s/saved.reeve", b->dir);
    uuid[0] = '\0';
    counted_before = 0;
    bench_start(b, NULL);
    make(b, row);
    /* In order, so that the next daemon has nothing to write at its start. */
    bench_stop(b, BENCH_WAIT_MS);
}

/* Nothing unfinished lies beside the save file. */
static void check_folder(const struct bench *b, const char *where)
{
    AUTO_FREE char *command = x_asprintf("find '%s' -name '*.part' | grep -q .", b->dir);

    if (system(command) == 0) /* NOLINT: a folder of our own */
        fail_msg("%s: a temporary file is left", where);
}

static void killed_there(struct bench *b, const struct row *row)
{
    AUTO_FREE char *fault = x_asprintf("%s=kill", row->point);
    const char *where = what(row, "kill");

    begin(b, row);
    bench_start(b, fault);
    AUTO_JSON json_t *answer = act(b, row);
    if (answer)
        fail_msg("%s: the point was not met", where);
    int status = bench_ended(b);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* What is cut there is finished by another boot. */
static bool boots_anew(const struct row *row)
{
    return str_starts(row->point, "restart.");
}

static void test_kill(void **state)
{
    const struct row *row = *state;
    const char *where = what(row, "kill");
    struct bench *b = &bench;

    killed_there(b, row);
    bench_start(b, NULL);
    bench_await_state(b, name, row->after_kill); /* a cut boot is finished by a job */
    /* The row is written at the start, which does not wait for it. */
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    while (!str_eq(row->point, "store.commit") && !listed_as_interrupted(b, row->call))
        bench_pause(deadline, "that a job is listed as interrupted");
    check_file(row, row->after_kill, where);
    check_folder(b, where);
    check_memory(b, row, true, where);
    check_vcpus(b, row, true, where);
    check_disc(b, row, where);
    check_device(b, row, true, where);
    bench_tidy(b, str_eq(row->after_kill, "broken"));
    live_on(b, row->after_kill, had_guest(row) && !boots_anew(row), where);
}

static void test_fail(void **state)
{
    const struct row *row = *state;
    AUTO_FREE char *fault = x_asprintf("%s=fail", row->point);
    const char *where = what(row, "fail");
    struct bench *b = &bench;

    begin(b, row);
    bench_start(b, fault);
    AUTO_JSON json_t *answer = act(b, row);
    if (!answer)
        fail_msg("%s: the daemon went away", where);
    json_t *error = json_object_get(answer, "error");
    const char *text = json_get_string(error, "message", "");
    if (!strstr(text, row->point))
        fail_msg("%s: the point was not met (%s)", where, text);
    bench_await_state(b, name, row->after_fail);
    check_file(row, row->after_fail, where);
    check_folder(b, where);
    /* With the fault gone, and whether or not the daemon that met it lives on. */
    bench_kill(b);
    bench_start(b, NULL);
    assert_state(b, row->after_fail, where);
    check_folder(b, where);
    check_memory(b, row, false, where);
    check_vcpus(b, row, false, where);
    check_disc(b, row, where);
    check_device(b, row, false, where);
    bench_tidy(b, str_eq(row->after_fail, "broken"));
    live_on(b, row->after_fail, had_guest(row), where);
}

static void test_power_cut(void **state)
{
    const struct row *row = *state;
    const char *where = what(row, "power cut");
    bool broken = str_eq(row->after_power, "broken");
    struct bench *b = &bench;

    killed_there(b, row);
    bench_reboot_host(b);
    bench_start(b, NULL);
    assert_state(b, row->after_power, where);
    assert_int_equal(bench_guests(b), 0);
    check_folder(b, where);
    check_file(row, row->after_power, where);
    if (broken && row->from != FROM_SPENT) {
        AUTO_JSON json_t *domain = bench_show(b, name);
        assert_string_equal(json_get_string(domain, "reason", ""), "image-spent");
    }
    bench_tidy(b, broken);
    live_on(b, row->after_power, had_guest(row), where);
}

/* The other way out of a spent image: it is set aside, and the domain can be started. */
static void test_discard_of_spent(void **state)
{
    static const struct row row = {
        "resume.claimed", "resume", FROM_SUSPENDED, true, NULL, NULL, NULL};
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);
    struct bench *b = &bench;

    (void)state;
    killed_there(b, &row);
    bench_reboot_host(b);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, name), "broken");
    bench_refused(b, "wrong-state", "start", "%s", one);
    bench_do(b, "discard", "%s", one);
    assert_string_equal(bench_state(b, name), "halted");
    AUTO_FREE char *kept =
        x_asprintf("ls '%s'/images/%s/*.discarded-* >/dev/null 2>&1", b->state, uuid);
    assert_int_equal(system(kept), 0); /* NOLINT: a folder of our own */
    bench_do(b, "start", "%s", one);
    assert_string_equal(bench_state(b, name), "running");
    assert_true(bench_count(b, name) < BENCH_LONG_MS);
}

/* A resume that fails after its claim, which cannot be taken back: nobody waits for a restart to
 * hear that the image is spent and what brings it back. */
static void test_a_claim_that_stays(void **state)
{
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);
    struct bench *b = &bench;
    struct peer_conn conn;

    (void)state;
    bench_open(b);
    bench_start(b, NULL);
    bench_define(b, "new", name, "null.unpause=slow:6000");
    bench_do(b, "start", "%s", one);
    AUTO_JSON json_t *domain = bench_show(b, name);
    AUTO_FREE char *path =
        x_asprintf("%s/images/%s/memory.reeve", b->state, json_get_string(domain, "uuid", ""));
    AUTO_FREE char *spent = x_asprintf("%s.spent", path);
    bench_do(b, "suspend", "%s", one);
    conn_open(&conn, b);
    int id = conn_request(&conn, "resume", one);
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    while (access(spent, F_OK) < 0)
        bench_pause(deadline, "that the image is claimed");
    assert_int_equal(mkdir(path, 0700), 0);
    AUTO_JSON json_t *resuming = bench_show(b, name);
    bench_do(b, "cancel", "{\"job\":%lld}",
             (long long)json_get_int(json_object_get(resuming, "job"), "id", 0));
    AUTO_JSON json_t *answer = conn_answer(&conn, id, BENCH_WAIT_MS);
    assert_non_null(json_object_get(answer, "error"));
    conn_close(&conn);
    assert_int_equal(rmdir(path), 0);
    assert_string_equal(bench_state(b, name), "broken");
    AUTO_JSON json_t *after = bench_show(b, name);
    assert_string_equal(json_get_string(after, "reason", ""), "image-spent");
    assert_int_equal(access(spent, F_OK), 0);
    bench_do(b, "resume", "{\"domain\":\"%s\",\"force\":true,\"paused\":true}", name);
    assert_string_equal(bench_state(b, name), "paused");
    bench_tidy(b, false);
}

/* The removal of a spent image is not waited for: a power cut may bring it back, beside a guest
 * that ran, or that was suspended once more. */
static void test_spent_comes_back(void **state)
{
    AUTO_FREE char *one = x_asprintf("{\"domain\":\"%s\"}", name);
    struct bench *b = &bench;

    (void)state;
    for (int again = 0; again < 2; again++) {
        bench_open(b);
        bench_start(b, NULL);
        make_running(b, true);
        AUTO_FREE char *path = x_asprintf("%s/images/%s/memory.reeve", b->state, uuid);
        AUTO_FREE char *copy = x_asprintf("%s/old", b->dir);
        AUTO_FREE char *spent = x_asprintf("%s.spent", path);
        AUTO_FREE char *folder = x_asprintf("%s/images/%s", b->state, uuid);
        bench_do(b, "suspend", "%s", one);
        assert_int_equal(link(path, copy), 0);
        bench_do(b, "resume", "%s", one);
        assert_int_equal(access(folder, F_OK), -1);
        int64_t counted = bench_count(b, name);
        if (again)
            bench_do(b, "suspend", "%s", one);
        bench_power_cut(b);
        assert_true(mkdir(folder, 0700) == 0 || errno == EEXIST);
        assert_int_equal(rename(copy, spent), 0);
        bench_start(b, NULL);
        assert_string_equal(bench_state(b, name), again ? "suspended" : "halted");
        if (again) {
            bench_do(b, "resume", "%s", one);
            assert_true(bench_count(b, name) >= counted);
        }
        bench_tidy(b, false);
        bench_close(b);
    }
    bench.dir[0] = '\0';
}

/* A suspend that is taken back spends its image before the guest goes on. Cut there, the guest goes
 * on; where it is gone with the host, the image is there for --force and not to be resumed unasked.
 */
static void test_taken_back_and_cut(void **state)
{
    static const struct row row = {"save.renamed", "suspend", FROM_RUNNING, true, NULL, NULL, NULL};
    struct bench *b = &bench;

    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        killed_there(b, &row);
        AUTO_FREE char *path = x_asprintf("%s/images/%s/memory.reeve", b->state, uuid);
        AUTO_FREE char *spent = x_asprintf("%s.spent", path);
        assert_int_equal(rename(path, spent), 0);
        if (cut)
            bench_reboot_host(b);
        bench_start(b, NULL);
        assert_state(b, cut ? "broken" : "running", "taken back");
        bench_tidy(b, cut);
        live_on(b, cut ? "broken" : "running", true, "taken back");
        bench_close(b);
    }
    bench.dir[0] = '\0';
}

/* A guest is not ended for an image that is not there: the commit that knows of it may have failed,
 * and be on the disk all the same. */
static void test_let_go_without_an_image(void **state)
{
    static const struct row row = {
        "save.committed", "suspend", FROM_RUNNING, true, NULL, NULL, NULL};
    struct bench *b = &bench;

    (void)state;
    killed_there(b, &row);
    AUTO_FREE char *path = x_asprintf("%s/images/%s/memory.reeve", b->state, uuid);
    assert_int_equal(unlink(path), 0);
    bench_start(b, NULL);
    assert_state(b, "running", "without an image");
    bench_tidy(b, false);
    live_on(b, "running", true, "without an image");
}

/* A save that fails removes its temporary file before the store hears of its end. Killed in
 * between, it has not replaced the older image under the final name, which stays. */
static void test_a_failed_save_keeps_the_older(void **state)
{
    static const struct row row = {
        "save.intent", "save+\"file\":\"FILE\"", FROM_RUNNING, true, NULL, NULL, NULL};
    struct bench *b = &bench;

    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct stat before, after;
        begin(b, &row);
        bench_start(b, NULL);
        bench_do(b, "save", "{\"domain\":\"%s\",\"file\":\"%s\",\"checkpoint\":true}", name, file);
        assert_int_equal(stat(file, &before), 0);
        bench_stop(b, BENCH_WAIT_MS);
        bench_start(b, "save.intent=kill");
        AUTO_JSON json_t *answer = act(b, &row);
        assert_null(answer);
        bench_ended(b);
        AUTO_FREE char *remove = x_asprintf("rm '%s'/.*.part", b->dir);
        assert_int_equal(system(remove), 0); /* NOLINT: a folder of our own */
        if (cut)
            bench_reboot_host(b);
        bench_start(b, NULL);
        assert_string_equal(bench_state(b, name), cut ? "halted" : "running");
        AUTO_JSON json_t *domain = bench_show(b, name);
        assert_string_not_equal(json_get_string(domain, "reason", ""), "saved");
        assert_int_equal(stat(file, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        bench_close(b);
    }
    bench.dir[0] = '\0';
}

/* A host that goes down with nothing under way. */
static void test_power_cut_at_rest(void **state)
{
    struct bench *b = &bench;

    (void)state;
    bench_open(b);
    bench_start(b, NULL);
    bench_define(b, "new", "stands", "");
    bench_define(b, "new", "runs", "");
    bench_do(b, "start", "%s", "{\"domain\":\"runs\"}");
    bench_define(b, "new", "pauses", "");
    bench_do(b, "start", "%s", "{\"domain\":\"pauses\",\"paused\":true}");
    bench_define(b, "new", "sleeps", "");
    bench_do(b, "start", "%s", "{\"domain\":\"sleeps\"}");
    bench_do(b, "suspend", "%s", "{\"domain\":\"sleeps\"}");
    bench_define(b, "create", "passes", "");
    bench_power_cut(b);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, "stands"), "halted");
    assert_string_equal(bench_state(b, "runs"), "halted");
    assert_string_equal(bench_state(b, "pauses"), "halted");
    assert_string_equal(bench_state(b, "sleeps"), "suspended");
    assert_string_equal(bench_state(b, "passes"), "absent");
    AUTO_JSON json_t *runs = bench_show(b, "runs");
    assert_string_equal(json_get_string(runs, "reason", ""), "host-rebooted");
    AUTO_JSON json_t *pauses = bench_show(b, "pauses");
    assert_string_equal(json_get_string(pauses, "reason", ""), "host-rebooted");
    AUTO_JSON json_t *stands = bench_show(b, "stands");
    assert_string_equal(json_get_string(stands, "reason", ""), "defined");
    bench_tidy(b, false);
    /* Once: a second start finds nothing new. */
    bench_kill(b);
    bench_start(b, NULL);
    bench_do(b, "resume", "%s", "{\"domain\":\"sleeps\"}");
    assert_string_equal(bench_state(b, "sleeps"), "running");
}

/* Killed with nothing under way: everything is as it was, and time has gone on for those that
 * run. */
static void test_killed_at_rest(void **state)
{
    static const struct row row = {.call = "", .from = FROM_RUNNING, .managed = false};
    struct bench *b = &bench;

    (void)state;
    begin(b, &row);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, name), "running");
    assert_same_guest(b, "killed at rest");
    bench_tidy(b, false);
}

/* Until the store has a job in that phase. */
static void await_stored_phase(const struct bench *b, const char *phase)
{
    AUTO_FREE char *path = x_asprintf("%s/reeve.db", b->state);
    AUTO_FREE char *sql = x_asprintf("SELECT 1 FROM job WHERE phase = '%s'", phase);
    int64_t deadline = bench_now_ms() + BENCH_WAIT_MS;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) != SQLITE_ROW) {
        sqlite3_reset(stmt);
        bench_pause(deadline, "that the phase is in the store");
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* Recovery finds the guest living and removes the spent image; killed before it has written that,
 * the next start finds neither. */
static void test_a_recovery_cut_behind_a_resume(void **state)
{
    static const struct row row = {
        "resume.running", "resume", FROM_SUSPENDED, true, NULL, NULL, NULL};
    struct bench *b = &bench;

    (void)state;
    killed_there(b, &row);
    bench_launch(b, "store.commit=kill", NULL);
    int status = bench_ended(b);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    bench_start(b, NULL);
    assert_state(b, "running", "after a cut recovery");
    bench_tidy(b, false);
    live_on(b, "running", true, "after a cut recovery");
}

/* The end of a job that could not be written: what is left on record as begun is not undone when
 * the domain has had other jobs since. */
static void test_an_end_that_was_not_written(void **state)
{
    static const struct {
        const char *verb, *then[3], *state;
    } cases[] = {
        {"destroy", {"start"},                      "running"  },
        {"suspend", {"resume", "suspend"},          "suspended"},
        {"discard", {"start", "suspend"},           "suspended"},
        {"resume",  {"suspend", "resume", "pause"}, "paused"   },
    };
    struct bench *b = &bench;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *trigger = x_asprintf("CREATE TRIGGER full BEFORE INSERT ON job WHEN "
                                             "NEW.verb = '%s' AND NEW.outcome = 'done' "
                                             "BEGIN SELECT RAISE(FAIL, 'full'); END",
                                             cases[i].verb);
        bool saved = str_eq(cases[i].verb, "discard") || str_eq(cases[i].verb, "resume");
        bench_open(b);
        bench_start(b, NULL);
        bench_run(b, "web1", "");
        if (saved)
            bench_do(b, "suspend", "%s", "{\"domain\":\"web1\"}");
        bench_stop(b, BENCH_WAIT_MS);
        bench_sql(b, trigger);
        bench_start(b, NULL);
        bench_do(b, cases[i].verb, "%s", "{\"domain\":\"web1\"}");
        sqlite3 *db = NULL;
        AUTO_FREE char *path = x_asprintf("%s/reeve.db", b->state);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, BENCH_WAIT_MS);
        assert_int_equal(sqlite3_exec(db, "DROP TRIGGER full", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        for (size_t k = 0; k < ARRAY_LEN(cases[i].then) && cases[i].then[k]; k++)
            bench_do(b, cases[i].then[k], "%s", "{\"domain\":\"web1\"}");
        bench_kill(b);
        bench_start(b, NULL);
        assert_string_equal(bench_state(b, "web1"), cases[i].state);
        bench_tidy(b, false);
        bench_close(b);
    }
}

/* `new --replace` is the cure for a config that cannot be read, also of a guest that lives. */
static void test_a_config_is_replaced_under_a_guest(void **state)
{
    static const char *const texts[] = {"'('", "NULL"};
    struct bench *b = &bench;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_FREE char *sql = x_asprintf("UPDATE domain SET config = %s", texts[i]);
        bench_open(b);
        bench_start(b, NULL);
        bench_run(b, "web1", "");
        bench_stop(b, BENCH_WAIT_MS);
        bench_sql(b, sql);
        bench_start(b, NULL);
        assert_string_equal(bench_state(b, "web1"), "running");
        bench_do(b, "new", "%s",
                 "{\"config\":\"name='web1'\\nmemory=16\\nkernel='/k'\\n\",\"directory\":\"/\","
                 "\"replace\":true}");
        assert_string_equal(bench_state(b, "web1"), "running");
        bench_close(b);
    }
}

/* While the end of a reset is not on record the next start would let the guest run once more. A
 * pause after it is told when that is over, and then it holds. */
static void test_a_pause_behind_a_reset(void **state)
{
    struct bench *b = &bench;
    struct peer_conn c;

    (void)state;
    bench_open(b);
    bench_start(b, NULL);
    bench_define(b, "new", "web1", "null.reset=slow:3000");
    bench_do(b, "start", "%s", "{\"domain\":\"web1\"}");
    conn_open(&c, b);
    int reset = conn_request(&c, "reset", "{\"domain\":\"web1\"}");
    await_stored_phase(b, "resetting");
    sqlite3 *held = bench_hold_store(b);
    AUTO_JSON json_t *done = conn_answer(&c, reset, BENCH_WAIT_MS);
    assert_non_null(json_object_get(done, "return"));
    int pause = conn_request(&c, "pause", "{\"domain\":\"web1\"}");
    bench_await_state(b, "web1", "paused");
    poll(NULL, 0, 200);
    assert_false(conn_ready(&c));
    bench_release_store(held);
    AUTO_JSON json_t *paused = conn_answer(&c, pause, BENCH_WAIT_MS);
    assert_non_null(json_object_get(paused, "return"));
    conn_close(&c);
    bench_kill(b);
    bench_start(b, NULL);
    assert_string_equal(bench_state(b, "web1"), "paused");
    bench_tidy(b, false);
}

/* Each point of the table in fault.c is in a row here. */
static void test_every_point(void **state)
{
    (void)state;
    for (size_t i = 0; fault_name(i); i++) {
        /* In supervision_test.c; and, being steps of one driver, in tests/e2e/crash.bats. */
        bool met = str_starts(fault_name(i), "restart.") || str_starts(fault_name(i), "qemu.");
        for (size_t k = 0; k < ARRAY_LEN(rows); k++)
            met = met || str_eq(rows[k].point, fault_name(i));
        if (!met)
            fail_msg("no row meets the fault point %s", fault_name(i));
    }
}

static int after(void **state)
{
    (void)state;
    if (bench.dir[0])
        bench_close(&bench);
    bench.dir[0] = '\0';
    return 0;
}

static void add(struct CMUnitTest *to, const char *title, CMUnitTestFunction fn,
                const struct row *row)
{
    *to = (struct CMUnitTest){title, fn, NULL, after, (void *)(uintptr_t)row};
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[3 * ARRAY_LEN(rows) + 15];
    size_t count = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: crash_test REEVED [PATTERN]\n");
        return 2;
    }
    bench_program(argv[1]);
    add(&tests[count++], "every fault point has a row", test_every_point, NULL);
    add(&tests[count++], "killed at rest", test_killed_at_rest, NULL);
    add(&tests[count++], "power cut at rest", test_power_cut_at_rest, NULL);
    add(&tests[count++], "a pause behind a reset", test_a_pause_behind_a_reset, NULL);
    add(&tests[count++], "discard of a spent image", test_discard_of_spent, NULL);
    add(&tests[count++], "a spent image comes back", test_spent_comes_back, NULL);
    add(&tests[count++], "a claim that stays", test_a_claim_that_stays, NULL);
    add(&tests[count++], "taken back and cut", test_taken_back_and_cut, NULL);
    add(&tests[count++], "let go without an image", test_let_go_without_an_image, NULL);
    add(&tests[count++], "a recovery cut behind a resume", test_a_recovery_cut_behind_a_resume,
        NULL);
    add(&tests[count++], "an end that was not written", test_an_end_that_was_not_written, NULL);
    add(&tests[count++], "a config is replaced under a guest",
        test_a_config_is_replaced_under_a_guest, NULL);
    add(&tests[count++], "a failed save keeps the older image", test_a_failed_save_keeps_the_older,
        NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        add(&tests[count++], x_strdup(what(&rows[i], "kill")), test_kill, &rows[i]);
        add(&tests[count++], x_strdup(what(&rows[i], "fail")), test_fail, &rows[i]);
        add(&tests[count++], x_strdup(what(&rows[i], "power cut")), test_power_cut, &rows[i]);
    }
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return _cmocka_run_group_tests("crash", tests, count, NULL, NULL);
}
