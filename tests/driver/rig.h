/* SPDX-License-Identifier: MIT */
/* What the conformance cases stand on: a driver opened on folders of its own, guests, and their
 * counters. A subject is a driver with what its guests need; the cases do not know which it is.
 * A check that fails ends the case (cmocka). */
#ifndef TESTS_DRIVER_RIG_H
#define TESTS_DRIVER_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/driver.h"

struct guest;

/* What a guest is to do by itself. */
enum behaviour { PLAIN, DEAF, POWERS_OFF, REBOOTS, CRASHES, HANGS, CANNOT_BE_MADE };

struct subject {
    const struct driver *driver;
    int64_t boot_ms;         /* within which it has booted and counts */
    int64_t window_ms;       /* in which a counter that stands must not move */
    int64_t enough;          /* a counter so high that one that starts over is told from it */
    int64_t slack;           /* what the counter may gain until it is read, */
    int64_t count_ms;        /* and one more each so many milliseconds */
    bool has_process;        /* each guest is a process with its uuid in the arguments */
    bool has_host;           /* guests are the host's: the driver lists those of others too */
    bool has_watchdog;       /* guests can be given one, and HANGS is one that no longer feeds it */
    bool has_machine;        /* guests see a whole machine: drives for discs, a power button */
    bool saved_standing;     /* guests of this kind cannot be saved while they run */
    unsigned vain_saves;     /* how many in the case with saves that come to nothing */
    unsigned parallel;       /* guests at once in the case with several */
    const char *disk_prefix; /* "vd": a disk is vdb */
    /* What a saved state begins with, without which nothing is made of it; NULL: nothing. */
    const char *stream_head;
    size_t stream_head_len;
    /* How the line of `platform` differs elsewhere: a word of it, and what stands there instead;
     * a refusal has `named`. Ended by NULL; NULL: no such case. */
    const struct elsewhere {
        const char *word, *instead, *named;
    } * elsewhere;
    /* Fills in what makes such a guest; strings owned by conf. */
    void (*prepare)(struct conf *conf, enum behaviour b);
    /* The guest runs: it is made to do it, now or by itself soon. */
    void (*provoke)(struct guest *g, enum behaviour b);
    /* Begins to look at the counter, of a guest that has just been made. */
    void (*attach)(struct guest *g);
    /* The latest value seen since attach, -1 before the first. */
    int64_t (*value)(struct guest *g);
    /* Types a command on the guest's console, again and again, until it writes a line that has
     * `wanted` in it; fails the case when none comes. NULL: its guests have no console. */
    void (*ask)(struct guest *g, const char *command, const char *wanted);
};

struct rig {
    const struct subject *subject;
    const struct driver *driver;
    struct driver_handle *handle;
    struct driver_options options;
    char *folder; /* owned; holds run and state */
    char *run_dir;
    char *state_dir;
    char *before; /* owned; what was in the folder before the first guest */
    unsigned last_id;
    char (*uuids)[IDENT_UUID_LEN + 1]; /* owned; of all guests, also of those that are gone */
    size_t uuid_count;
};

struct guest {
    struct rig *rig;
    struct domain_ref ref;
    struct conf *conf;
    struct create_args args;
    int console;    /* -1: none */
    int64_t seen;   /* the last counter on the console */
    char line[256]; /* of the console, not yet whole */
    size_t line_len;
};

extern const struct subject subject_null, subject_qemu;
/* Xen's, of guests of that type ("pv", "pvh"), with the driver of that module; NULL with a line on
 * stderr. */
const struct subject *subject_xen(const char *module, const char *type);
/* Where real guests find vmlinuz and initrd.gz; Xen's prefer vmlinux, which builds faster. */
extern const char *subject_guest_dir;

struct rig *rig_open(const struct subject *subject);
/* Ends all guests and tidies up; fails the case when something was left of them. */
void rig_close(struct rig *r);
/* As a daemon that is restarted: closes the driver, unless that is done, and opens it again. */
void rig_reopen(struct rig *r);
/* Fails the case when a file or a process is left. */
void rig_expect_no_trace(struct rig *r);
/* Waits until there is one of a guest that is being built, its process where it has one. */
bool rig_await_trace(struct rig *r);

/* An operation with a deadline that nothing healthy meets. */
struct op rig_op(struct rig *r);

/* A guest that is not made yet; guest_create makes it, paused. */
struct guest *guest_new(struct rig *r, enum behaviour b);
void guest_free(struct guest *g); /* ours alone: the driver's guest goes on */
void guest_create(struct guest *g);
/* Made, let run, and counting above subject->enough. */
struct guest *guest_running(struct rig *r, enum behaviour b);
void guest_pause(struct guest *g);
void guest_unpause(struct guest *g);
void guest_destroy(struct guest *g);

struct observation guest_info(struct guest *g);
/* Waits until info gives that state. */
struct observation guest_await(struct guest *g, enum observed state);
/* As the driver's list has it; false when it has not. */
bool guest_listed(struct guest *g, struct observation *ret);

void guest_await_above(struct guest *g, int64_t value); /* waits until the counter is above */
void guest_await_over(struct guest *g, int64_t below);  /* waits until it has started over */
int64_t guest_expect_standing(struct guest *g);         /* the value at which it stands */
/* Stands at `value`; unpaused, it goes on from just there. With `fresh` it was made anew, so that
 * its counter is looked at from here. */
void guest_expect_goes_on(struct guest *g, int64_t value, bool fresh);
/* It has run on since it was at `value`, at the time since_ms (monotonic), and not faster than
 * time. */
void guest_expect_near(struct guest *g, int64_t value, int64_t since_ms);
/* It runs: not paused, not ended, and the counter moves. */
void guest_expect_runs(struct guest *g);

/* Something else reads or writes the other end of a pipe, in a thread. */
struct pump {
    pthread_t thread;
    int from;
    int to;
};
void pump_start(struct pump *p, int from, int to); /* owns both descriptors from here */
void pump_join(struct pump *p);

#define EXPECT_OK(call)                                                                            \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s (%s)", #call, e.msg, err_name(e.code));                               \
    } while (0)

#define EXPECT_ERR(call, wanted)                                                                   \
    do {                                                                                           \
        if ((call) == 0)                                                                           \
            fail_msg("%s: did not fail", #call);                                                   \
        if (e.code != (wanted))                                                                    \
            fail_msg("%s: %s, not %s: %s", #call, err_name(e.code), err_name(wanted), e.msg);      \
    } while (0)

#endif
