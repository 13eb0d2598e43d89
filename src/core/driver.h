/* SPDX-License-Identifier: MIT */
/* What a driver is: one `const struct driver` with a handle. A NULL member means that the driver
 * does not have it; docs/drivers.md lists these.
 *
 * Threads. `list` and `watch` are called by the observer thread alone, one at a time. Every other
 * call runs on a job thread (console: a job thread too); calls on different domains run at the
 * same time, calls on one domain never do, except `destroy`, which may come while an abandoned
 * call on the same domain still hangs. No call may run on the event loop. Each fails with a
 * struct err or does what it says; where it says "nothing has changed", that is tested. */
#ifndef CORE_DRIVER_H
#define CORE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/ident.h"
#include "conf/conf.h"
#include "core/names.h"
#include "core/op.h"

/* Where a driver may keep things, and its defaults. Borrowed strings, alive while it is open. */
struct driver_options {
    const char *run_dir;   /* for sockets; gone after a reboot of the host */
    const char *state_dir; /* durable */
    const char *qemu;      /* QEMU binary, NULL for the default of the host's architecture */
    const char *user;      /* user that guests' processes run as when we are root; NULL: default */
};

/* Which domain. */
struct domain_ref {
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    unsigned id;
};

enum observed {
    OBS_RUNNING,
    OBS_PAUSED,
    OBS_SHUTDOWN, /* the guest ended; what is left of it is still there. reason says how */
    OBS_CRASHED,  /* it crashed (reason); what is left of it is still there */
    OBS_DEAD,     /* its process died; only `destroy` can be done, to clean up. reason says how */
    OBS_BUSY,     /* being built, loaded, saved: belongs to a job */
    OBS_UNKNOWN,  /* it did not answer in time */
};

enum { OBSERVATION_VNC_MAX = 108 };

/* What the driver sees of one domain; a value without pointers. */
struct observation {
    struct domain_ref ref;
    enum observed state;
    enum reason reason;
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    unsigned vcpus;
    unsigned max_vcpus;
    uint64_t cpu_ns;
    char vnc[OBSERVATION_VNC_MAX]; /* path of the VNC socket; "" for none */
};

/* What a domain is made from. */
struct create_args {
    struct domain_ref ref; /* id is a number that this daemon has not used before */
    const struct conf *conf;
    const char *directory;   /* relative paths in conf are relative to it */
    const char *const *macs; /* one for each conf->vifs */
    struct fs_user user;     /* who asked: paths in conf are opened with these rights */
    const char *platform;    /* restore: what `platform` gave when it was saved; else NULL */
};

struct driver;
struct driver_handle; /* each driver has its own */

struct driver {
    const char *name;
    bool id_is_ours;   /* ids are counted by the daemon (QEMU), not given by the driver (Xen) */
    bool saves_paused; /* save works on a paused domain and the image remembers it */

    /* Can it work on this host? Sets ERR_DRIVER_UNAVAILABLE and says what is missing. */
    int (*probe)(const struct driver_options *options, struct err *e);
    int (*open)(const struct driver_options *options, struct driver_handle **ret, struct err *e);
    /* Guests go on. */
    void (*close)(struct driver_handle *h);

    /* All domains at once, also those that were there before this daemon (after a restart, that
     * is how guests are found again). *ret is an array owned by the caller. A domain that does
     * not answer within the op is OBS_UNKNOWN and fails nothing. */
    int (*list)(struct driver_handle *h, const struct op *op, struct observation **ret,
                size_t *ret_count, struct err *e);
    /* Blocks until a domain may have changed (returns 1) or wake_fd is readable (returns 0; the
     * caller reads it). Spurious 1 is fine; a lost change is not. */
    int (*watch)(struct driver_handle *h, int wake_fd, struct err *e);

    /* Builds the domain, paused: it exists, no vCPU has run. On failure nothing is left. */
    int (*create)(struct driver_handle *h, const struct create_args *args, const struct op *op,
                  struct observation *ret, struct err *e);
    /* As create, with the state that `save` wrote, read from stream_fd to its end; paused. */
    int (*restore)(struct driver_handle *h, const struct create_args *args, int stream_fd,
                   const struct op *op, struct observation *ret, struct err *e);
    /* Ends it at once and removes every trace. Also on OBS_DEAD and half-made ones, and when
     * nothing is there (0). Waits until it is gone. */
    int (*destroy)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                   struct err *e);

    int (*pause)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e);
    /* Also lets a just created or restored domain run. */
    int (*unpause)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                   struct err *e);
    /* Writes the state to stream_fd (a pipe or file; not closed here). On success the guest
     * stands still and is still there. On failure or cancel it is as it was: running, or paused
     * when it was. */
    int (*save)(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
                const struct op *op, struct err *e);
    /* After a save that succeeded: the guest goes on in place; `paused` leaves it paused. Also
     * after a daemon died in the middle of a save; harmless on one that is already so. */
    int (*save_undo)(struct driver_handle *h, const struct domain_ref *ref, bool paused,
                     const struct op *op, struct err *e);
    /* What a restore must have alike (versioned machine type, accelerator, CPU), as one line of
     * text; owned by the caller. */
    int (*platform)(struct driver_handle *h, const struct domain_ref *ref, char **ret,
                    struct err *e);

    /* Asks the guest to power off and waits until it has (OBS_SHUTDOWN). ERR_TIMED_OUT: the
     * guest runs on. */
    int (*shutdown)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                    struct err *e);
    /* Asks the guest to power off, waits, and boots it again in the same domain. */
    int (*reboot)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                  struct err *e);
    /* The reset button; also on OBS_SHUTDOWN and OBS_CRASHED and paused ones: afterwards it
     * runs from the start of its boot. */
    int (*reset)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct err *e);
    /* Takes back a guest's own power-off or reboot that stands as OBS_SHUTDOWN, per on_reboot =
     * restart, is `reset`. There is no other call for it. */

    int (*dump_core)(struct driver_handle *h, const struct domain_ref *ref, int fd,
                     const struct op *op, struct err *e);
    /* One domain, fresh. ERR_NO_SUCH_DOMAIN when the driver has none of that uuid. */
    int (*info)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct observation *ret, struct err *e);
    /* A connected descriptor that carries the console's bytes both ways; owned by the caller.
     * One at a time a domain. */
    int (*console)(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd,
                   struct err *e);
    int (*memory)(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
                  const struct op *op, struct err *e);
    int (*vcpus)(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
                 const struct op *op, struct err *e);
    int (*attach)(struct driver_handle *h, const struct domain_ref *ref, const char *spec,
                  const struct op *op, struct err *e);
    int (*detach)(struct driver_handle *h, const struct domain_ref *ref, const char *device,
                  const struct op *op, struct err *e);
    int (*sysrq)(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e);
    int (*trigger)(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   const struct op *op, struct err *e);

    /* Checks a config before anything is stored or made: keys that this driver cannot do,
     * files that are missing. Opens paths with args->user's rights. Sets ERR_BAD_CONFIG,
     * ERR_UNSUPPORTED or ERR_FAILED; the message names key and path. */
    int (*check)(struct driver_handle *h, const struct create_args *args, struct err *e);
};

extern const struct driver driver_null;
extern const struct driver driver_qemu;

#endif
