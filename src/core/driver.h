/* SPDX-License-Identifier: MIT */
/* What a driver is: one `const struct driver` with a handle. A NULL member means that the driver
 * does not have it; docs/drivers.md lists these.
 *
 * Threads. `list`, `watch` and `stats_all` are called by the observer thread alone, one at a time.
 * Every other call runs on a job thread (console: a job thread too); calls on different domains run
 * at the same time, calls on one domain never do, except `destroy`, which may come while an
 * abandoned call on the same domain still hangs, and `stats` and `vcpu_list`, which only look: a
 * job may begin while a worker thread is in one of them. No call may run on the event loop. Each
 * fails with a struct err or does what it says; where it says "nothing has changed", that is
 * tested. */
#ifndef CORE_DRIVER_H
#define CORE_DRIVER_H

#include <sched.h>
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
    bool reboots;         /* a guest that reboots itself comes up again without anybody's doing */
    uint64_t own_reboots; /* how often it has done so since it was built (restored) */
    char vnc[OBSERVATION_VNC_MAX]; /* path of the VNC socket; "" for none */
};

/* A guest's memory where it is not the driver's own matter. */
struct guest_memory {
    int file_fd; /* the file that it is to be, of max_memory_kib rounded up to 8 KiB, borrowed; -1:
                    memory that the driver makes */
    bool apart;  /* restore: it is not in the stream (save_apart) but in the file, or: */
    /* NULL, or writes all of it to fd, which has `bytes` bytes and reads as zeros. Called once, on
     * any thread; it has returned before the stream is read, and before `restore` does. fd stays
     * the driver's. */
    int (*fill)(void *arg, int fd, uint64_t bytes, const struct op *op, struct err *e);
    void *arg;
};

/* What a domain is made from. */
struct create_args {
    struct domain_ref ref; /* id is a number that this daemon has not used before */
    const struct conf *conf;
    const char *directory;   /* relative paths in conf are relative to it */
    const char *const *macs; /* one for each conf->vifs */
    struct fs_user user;     /* who asked: paths in conf are opened with these rights */
    const char *platform;    /* restore: what `platform` gave when it was saved; else NULL */
    const struct guest_memory *memory; /* NULL: the driver makes it, and all is in the stream */
};

/* A device that comes or goes while the domain lives. It is known by its name: a disk by its vdev,
 * a network interface by its MAC. */
enum device_kind { DEVICE_DISK, DEVICE_NIC };

struct device {
    enum device_kind kind;
    const struct conf_disk *disk; /* DEVICE_DISK */
    const struct conf_vif *vif;   /* DEVICE_NIC */
    const char *mac;              /* DEVICE_NIC: of the interface, also when vif has none */
    const char *directory;        /* a relative target is relative to it */
    struct fs_user user;          /* the target is opened with these rights */
};

/* One virtual CPU; those that are not plugged in are listed too. */
struct vcpu_info {
    unsigned index;
    bool online;        /* the domain has it; a guest may leave it unused */
    bool running;       /* its thread is on a host CPU or waits for one; not: it sleeps */
    int host_cpu;       /* where it ran last; -1 when that is not known */
    uint64_t cpu_ns;    /* time it has run */
    cpu_set_t affinity; /* host CPUs that it may run on */
};

enum { DOMAIN_STATS_NAME_MAX = 24 };

struct disk_stats {
    char vdev[DOMAIN_STATS_NAME_MAX];
    uint64_t read_bytes, read_ops, write_bytes, write_ops;
};

struct nic_stats {
    char mac[DOMAIN_STATS_NAME_MAX];
    bool counted; /* false: there is no way to know (QEMU's user network), the rest is 0 */
    uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets; /* as the guest sees it */
};

/* Counters since the domain was built (restored). */
struct domain_stats {
    uint64_t cpu_ns;
    uint64_t host_memory_kib; /* that its process takes of the host's */
    uint64_t balloon_kib;     /* memory that the guest has now */
    struct disk_stats *disks; /* owned; the caller frees both with free */
    size_t disk_count;
    struct nic_stats *nics;
    size_t nic_count;
};

/* The same of one domain among several. */
struct domain_counters {
    char uuid[IDENT_UUID_LEN + 1];
    struct domain_stats stats;
};

struct driver;
struct driver_handle; /* each driver has its own */

struct driver {
    const char *name;
    bool id_is_ours;   /* ids are counted by the daemon (QEMU), not given by the driver (Xen) */
    bool builds_anew;  /* reset and reboot give the domain another id and another console */
    bool lists_others; /* `list` has the host's domains, also those that other tools made */
    bool saves_paused; /* save works on a paused domain and the image remembers it */
    bool file_memory;  /* a guest's memory can be a file (guest_memory.file_fd) */

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
    /* Of a domain that another tool made (lists_others): sees to it that nothing but us acts on its
     * end from here on, and gives its config as text that it could be made from again; owned by the
     * caller. The guest is not touched. ERR_UNSUPPORTED: what is in the way; ERR_TIMED_OUT. On
     * failure nothing has changed. */
    int (*adopt)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 char **ret_config, struct err *e);

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
    /* As save, with the guest's memory left out of the stream: *ret_memory_fd, owned by the caller,
     * can be read for it (`*ret_bytes` bytes, a multiple of 4096) as long as the guest stands still
     * after a success. ERR_UNSUPPORTED, with the reason: this guest cannot be saved so, and nothing
     * has happened; `save` is the way then. */
    int (*save_apart)(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
                      const struct op *op, int *ret_memory_fd, uint64_t *ret_bytes, struct err *e);
    /* As save, but the guest runs on until what is left to be written is little; *ret_stopped_ms is
     * when it was stopped (monotonic). ERR_UNSUPPORTED, with the reason: this guest cannot be saved
     * so, and nothing has happened; `save` is the way then. */
    int (*save_live)(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
                     const struct op *op, int64_t *ret_stopped_ms, struct err *e);
    /* After a save that succeeded: the guest goes on in place; `paused` leaves it paused. Also
     * after a daemon died in the middle of a save; harmless on one that is already so. */
    int (*save_undo)(struct driver_handle *h, const struct domain_ref *ref, bool paused,
                     const struct op *op, struct err *e);
    /* What a restore must have alike (versioned machine type, accelerator, CPU), as one line of
     * text; owned by the caller. */
    int (*platform)(struct driver_handle *h, const struct domain_ref *ref, char **ret,
                    struct err *e);

    /* For drivers whose guests xl can run: the domain as xl keeps it in its save files, JSON of
     * libxl; owned by the caller. `save` writes the stream that such a file has. Errors as of
     * `check`. */
    int (*to_xl)(struct driver_handle *h, const struct create_args *args, char **ret_json,
                 struct err *e);
    /* The reverse, as text of a config; owned by the caller. ERR_DAMAGED; ERR_UNSUPPORTED: it has
     * what a config cannot say. */
    int (*from_xl)(struct driver_handle *h, const char *json, char **ret_config, struct err *e);

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
     * restart, is `reset`. There is no other call for it but the next. */

    /* After the guest asked for it (REASON_SOFT_RESET): starts it over in its own memory.
     * ERR_UNSUPPORTED: not of this guest; nothing has changed. */
    int (*soft_reset)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                      struct err *e);
    /* For drivers whose guests can come up again from their own reboot without a daemon
     * (observation.reboots): whether this one is to, or is to stand as OBS_SHUTDOWN. Running and
     * paused ones. */
    int (*set_reboots)(struct driver_handle *h, const struct domain_ref *ref, bool reboots,
                       const struct op *op, struct err *e);
    /* What is left of a guest that ended (OBS_SHUTDOWN, OBS_CRASHED) becomes a domain of the uuid
     * and name of `as`, so that another of its own uuid can be made beside it with the same
     * devices. It can only be looked at, dumped and destroyed then. ERR_UNSUPPORTED, with the
     * reason: not of this guest. On failure nothing has changed. One that was cut by the end of the
     * daemon when it was done is finished by a call with ref like `as`. */
    int (*set_aside)(struct driver_handle *h, const struct domain_ref *ref,
                     const struct domain_ref *as, const struct op *op, struct err *e);

    /* Writes the domain's memory for a debugger (ELF) to fd: a file of the caller's, from its
     * start. The guest stands still meanwhile and is then as it was, also on failure or cancel;
     * what was written so far is left. Also on OBS_SHUTDOWN and OBS_CRASHED. */
    int (*dump_core)(struct driver_handle *h, const struct domain_ref *ref, int fd,
                     const struct op *op, struct err *e);
    /* One domain, fresh. ERR_NO_SUCH_DOMAIN when the driver has none of that uuid. */
    int (*info)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                struct observation *ret, struct err *e);
    /* A connected descriptor that carries the console's bytes both ways; owned by the caller.
     * One at a time a domain. */
    int (*console)(struct driver_handle *h, const struct domain_ref *ref, int *ret_fd,
                   struct err *e);

    /* The calls below are for running and paused domains; others are ERR_WRONG_STATE. Their
     * effects are in what `info` and a later `save` say; the caller keeps them in the config, and
     * gives `restore` one that has them all. */

    /* Gives the guest that much memory, at most max_memory_kib, and waits until it has it (within
     * 1 %). ERR_TIMED_OUT (phase "balloon"): the guest did not do it, or stopped half way;
     * the figure stays asked for. *ret_reached_kib is filled then too. */
    int (*memory)(struct driver_handle *h, const struct domain_ref *ref, uint64_t memory_kib,
                  const struct op *op, uint64_t *ret_reached_kib, struct err *e);
    /* Plugs CPUs in or out until there are `vcpus`, at most max_vcpus. A guest may refuse to give
     * one up: ERR_TIMED_OUT (phase "unplug"). *ret_online is what it has, also on failure (0: not
     * known). ERR_UNSUPPORTED where that direction is not possible. */
    int (*vcpus)(struct driver_handle *h, const struct domain_ref *ref, unsigned vcpus,
                 const struct op *op, unsigned *ret_online, struct err *e);
    /* All up to max_vcpus, by index; *ret is owned by the caller. */
    int (*vcpu_list)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                     struct vcpu_info **ret, size_t *ret_count, struct err *e);
    /* The host CPUs that a vCPU may run on; vcpu -1: all of them. It holds until the domain's
     * process ends and is not saved. ERR_BAD_REQUEST for a vCPU that is not there or CPUs that
     * the host has not. */
    int (*vcpu_pin)(struct driver_handle *h, const struct domain_ref *ref, int vcpu,
                    const cpu_set_t *cpus, const struct op *op, struct err *e);
    /* Adds a device. ERR_EXISTS: there is one of that name; ERR_BAD_CONFIG, ERR_UNSUPPORTED as of
     * `check`. On failure nothing has changed. */
    int (*attach)(struct driver_handle *h, const struct domain_ref *ref,
                  const struct device *device, const struct op *op, struct err *e);
    /* Asks the guest to let go of the device and waits until it has; then nothing on the host
     * holds its file or interface any more. ERR_FAILED: there is none of that name.
     * ERR_TIMED_OUT (phase "unplug"): the guest still has it, and may yet give it up; detach
     * again then finishes it. */
    int (*detach)(struct driver_handle *h, const struct domain_ref *ref, enum device_kind kind,
                  const char *name, const struct op *op, struct err *e);
    /* Puts the target of disk (a cdrom that is there) into the drive, in place of what is in it;
     * target NULL ejects. A guest that has locked its drive loses the disc all the same, as with
     * a paper clip. On failure the drive holds what it held. */
    int (*medium)(struct driver_handle *h, const struct domain_ref *ref,
                  const struct conf_disk *disk, const char *directory, const struct fs_user *user,
                  const struct op *op, struct err *e);
    /* Presses SysRq and the key on the guest's console; what the guest does with it is its own
     * matter. ERR_WRONG_STATE on a paused one. */
    int (*sysrq)(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e);
    /* "nmi" (to vCPU `vcpu`, -1 all), "power", "sleep", "reset", "s3resume", as xl's trigger; it
     * only sends. ERR_UNSUPPORTED for an event that there is not here, naming those that are. */
    int (*trigger)(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   int vcpu, const struct op *op, struct err *e);
    /* Fills *ret, which is the caller's to finish; on failure there is nothing to free. */
    int (*stats)(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 struct domain_stats *ret, struct err *e);

    /* The same of all domains that live (uuid NULL) or of one, on the observer thread as `list`: no
     * job is in its way. *ret is an array; the caller frees what the stats own, then it. One that
     * does not answer within the op is left out and fails nothing. */
    int (*stats_all)(struct driver_handle *h, const char *uuid, const struct op *op,
                     struct domain_counters **ret, size_t *ret_count, struct err *e);

    /* Removes what was kept beyond its end of a domain that is no more; nothing is fine. */
    int (*forget)(struct driver_handle *h, const char *uuid, struct err *e);

    /* Checks a config before anything is stored or made: keys that this driver cannot do,
     * files that are missing. Opens paths with args->user's rights. Sets ERR_BAD_CONFIG,
     * ERR_UNSUPPORTED or ERR_FAILED; the message names key and path. */
    int (*check)(struct driver_handle *h, const struct create_args *args, struct err *e);
};

extern const struct driver driver_null;
extern const struct driver driver_qemu;
/* Xen's is in a module, xen.so, which has its driver_xen. */

#endif
