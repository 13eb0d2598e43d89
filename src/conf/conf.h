/* SPDX-License-Identifier: MIT */
/* A domain's configuration: xl.cfg(5) text parsed into struct conf by key rows (keys.c). */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ident.h"
#include "conf/parts.h"

enum { CONF_TEXT_MAX = 512 * 1024 }; /* bytes of a config text; more is refused */

enum conf_type { CONF_TYPE_UNSET, CONF_TYPE_PV, CONF_TYPE_PVH, CONF_TYPE_HVM };

/* What to do when the guest ends by itself (xl.cfg(5), "Event Actions"). */
enum conf_action {
    CONF_DESTROY,
    CONF_RESTART,
    CONF_PRESERVE,
    CONF_RENAME_RESTART,
    CONF_COREDUMP_DESTROY,
    CONF_COREDUMP_RESTART,
    CONF_SOFT_RESET,
};

/* What host-stop does with a domain. */
enum conf_host_stop { CONF_HOST_SHUTDOWN, CONF_HOST_SUSPEND, CONF_HOST_IGNORE };

/* reeve_on_host_stop and others: the host's stop and start. */
struct conf_host {
    enum conf_host_stop on_stop;
    unsigned order;   /* lower ones start first and stop last */
    unsigned timeout; /* seconds for the guest's power-off */
    bool destroy;     /* what does not power off is destroyed */
    unsigned delay;   /* seconds after its start before the next */
    struct conf_strings after;
};

enum conf_machine { CONF_MACHINE_PC, CONF_MACHINE_Q35, CONF_MACHINE_MICROVM };
enum conf_memory { CONF_MEMORY_RAM, CONF_MEMORY_FILE };
enum conf_accel { CONF_ACCEL_AUTO, CONF_ACCEL_KVM, CONF_ACCEL_TCG };

/* One disk (xl-disk-configuration(5)). */
enum conf_format { CONF_RAW, CONF_QCOW2, CONF_QCOW, CONF_VHD, CONF_QED };
enum conf_backendtype {
    CONF_BACKENDTYPE_UNSET,
    CONF_BACKENDTYPE_PHY,
    CONF_BACKENDTYPE_QDISK,
    CONF_BACKENDTYPE_TAP,
    CONF_BACKENDTYPE_STANDALONE,
};
enum conf_specification {
    CONF_SPECIFICATION_UNSET,
    CONF_SPECIFICATION_XEN,
    CONF_SPECIFICATION_VIRTIO
};
struct conf_disk {
    char *target;            /* path as written; NULL for an empty cdrom drive */
    char vdev[16];           /* as written: "xvda", "hdc", "vda", "sda" */
    unsigned index;          /* 0 for a, 1 for b, ... */
    enum conf_format format; /* always explicit: raw unless written otherwise */
    bool read_only;
    bool cdrom;
    uint64_t create_mib; /* reeve_disk_create: made with that size when it is missing; 0: never */
    /* Xen's */
    char *backend, *script; /* script: the target is for it to understand */
    enum conf_backendtype backendtype;
    enum conf_specification specification;
    enum conf_flag direct_io_safe, discard, trusted;
};

/* One network interface (xl-network-configuration(5)). */
struct conf_vif {
    char mac[IDENT_MAC_LEN + 1]; /* "" when not given */
    char *bridge;                /* NULL: user network on QEMU; the default bridge on Xen */
    char model[24];              /* "" when not given: virtio on QEMU, rtl8139 on Xen */
    char *ifname;                /* vifname=; NULL */
    /* Xen's */
    enum { CONF_VIF_UNSET, CONF_VIF_IOEMU, CONF_VIF_VIF } type;
    char *backend, *script, *ip, *gatewaydev;
    char *rate;                            /* "10Mb/s@20ms", checked */
    uint64_t rate_bytes, rate_interval_us; /* what rate says: bytes an interval; 0: unlimited */
    struct conf_number devid, mtu;
    enum conf_flag trusted;
};

struct conf {
    char *name;                    /* NULL when not given */
    char uuid[IDENT_UUID_LEN + 1]; /* "" when not given */
    enum conf_type type;
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    unsigned vcpus;
    unsigned max_vcpus;
    char *kernel;
    char *ramdisk;
    char *cmdline; /* cmdline=, or root= and extra= put together; NULL */
    struct conf_disk *disks;
    size_t disk_count;
    struct conf_vif *vifs;
    size_t vif_count;
    char **serials; /* "pty", "file:PATH", "unix:PATH" */
    size_t serial_count;
    char *boot;         /* letters c d n; NULL */
    enum conf_flag vnc; /* unset: off on QEMU; libxl decides by the type on Xen */
    enum conf_action on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset;
    struct conf_host host;
    unsigned restart_min_run; /* reeve_restart_min_run; seconds, 0: no end is too soon */
    unsigned restart_tries;   /* reeve_restart_tries */
    /* reeve_ keys */
    enum conf_machine machine;       /* reeve_machine = "pc" | "q35" | "microvm" */
    enum conf_accel accel;           /* reeve_accel = "auto" | "kvm" | "tcg" */
    enum conf_memory memory;         /* reeve_memory = "ram" | "file" */
    bool autostart;                  /* reeve_autostart */
    bool watchdog;                   /* reeve_watchdog */
    struct conf_strings disk_create; /* reeve_disk_create, as written; read into disks */
    /* by subject */
    struct conf_general general;
    struct conf_cpu cpu;
    struct conf_memory_map map;
    struct conf_boot booting;
    struct conf_devices dev;
    struct conf_hvm hvm;
    struct conf_display screen;
    struct conf_device_model dm;
    struct conf_arm arm;
};

/* Warnings while parsing: unknown keys with "did you mean", keys known and ignored here. */
struct conf_warnings {
    char **lines; /* owned; each "FILE:LINE: ..." */
    size_t count;
};

/* Parses text (len bytes; `file` names it in messages) with `overrides`, key=value words from the
 * command line (the part after "=" may be a bare word, which is a string), applied after the
 * text as if appended. `driver` ("qemu", "null", "xen") decides which keys are ignored with a
 * warning. On success *ret is owned by the caller (conf_free) and has all defaults filled in
 * except name, uuid and MACs. Sets ERR_BAD_CONFIG with file, line and key, ERR_UNSUPPORTED (a key
 * or value that this driver cannot do) likewise, or ERR_TOO_LARGE; the message begins with
 * "FILE:LINE: ", or "command line: " (and line 0) for an override.
 * Never blocks, never opens a file. *warnings is filled in either case. */
int conf_parse(const char *text, size_t len, const char *file, const char *const *overrides,
               size_t override_count, const char *driver, struct conf **ret,
               struct conf_warnings *warnings, struct err *e) MUST_CHECK;
void conf_free(struct conf *conf);
void conf_warnings_finish(struct conf_warnings *warnings);

/* The text with the overrides appended as lines of the language ("key = \"value\""), so that the
 * stored config is one text; settings that they replace become comments. Owned by the caller.
 * Sets ERR_BAD_CONFIG for a word, ERR_TOO_LARGE; a mistake in text is left for conf_parse. */
int conf_merge(const char *text, const char *const *overrides, size_t override_count,
               char **ret_text, struct err *e) MUST_CHECK;

/* conf as text of the language, one line a key in the order of the rows, with every default that is
 * not the same on each driver left out. Parsing it on the same driver gives an equal conf. Owned
 * by the caller. */
char *conf_text(const struct conf *conf);

/* What conf_json made, parsed again on that driver; members of other names are refused. The text
 * it stands for is checked as any other, so errors are as conf_parse's with "json" for the file.
 * A string can also be {"escaped": "a\\xff"}, as conf_json writes one that is not UTF-8. */
int conf_from_json(const json_t *json, const char *driver, struct conf **ret,
                   struct conf_warnings *warnings, struct err *e) MUST_CHECK;

/* True when a and b mean the same. */
bool conf_equal(const struct conf *a, const struct conf *b);

/* text with each key=value word put in place of the setting that it replaces: the first one of that
 * key; later ones of the same key go. A new key is appended as a line, `key+=value` likewise,
 * and "key=" with nothing behind it removes the key. Comments, blank lines and the order stay.
 * Sets ERR_BAD_CONFIG for a word, and for a text that does not parse (`file` names it), or
 * ERR_TOO_LARGE. What the keys mean is for conf_parse to check. Owned by the caller. */
int conf_edit(const char *text, const char *file, const char *const *overrides, size_t count,
              char **ret_text, struct err *e) MUST_CHECK;

/* text with `item` as one more string of the list that the key has, or with a list of it alone:
 * comments, order and layout stay. ERR_BAD_CONFIG as of conf_edit. Owned by the caller. */
int conf_item_add(const char *text, const char *file, const char *key, const char *item,
                  char **ret_text, struct err *e) MUST_CHECK;
/* text with the item of that index (over all that += adds) replaced by `item`, or, with NULL, taken
 * out. ERR_BAD_CONFIG also when there is none. Owned by the caller. */
int conf_item_set(const char *text, const char *file, const char *key, size_t index,
                  const char *item, char **ret_text, struct err *e) MUST_CHECK;

/* conf->disks[i] and conf->vifs[i] as an item of `disk` and `vif`, every parameter by its name.
 * Owned by the caller. */
char *conf_disk_text(const struct conf *conf, size_t i);
char *conf_vif_text(const struct conf *conf, size_t i);

/* What differs between two configs, one row a key in the order of the rows. */
struct conf_change {
    const char *key; /* borrowed from the rows */
    char *old_text;  /* values as text of the language; NULL: not set */
    char *new_text;
};
struct conf_changes {
    struct conf_change *rows;
    size_t count;
};
void conf_diff(const struct conf *a, const struct conf *b, struct conf_changes *ret);
void conf_changes_finish(struct conf_changes *changes);

/* conf as JSON, one member a key row that is set. New reference. */
json_t *conf_json(const struct conf *conf);

/* The rows of keys*.c for manuals and tests: name of row i, or NULL after the last; what it takes,
 * its help, and whether `driver` acts on it. */
const char *conf_key_name(size_t i);
const char *conf_key_help(size_t i);
bool conf_key_acts(size_t i, const char *driver);
/* Whether a new value of the key of that name acts on a running guest; false: at its next boot. */
bool conf_key_live(const char *name, const char *driver);
/* The verbs that change it on a running guest at once, as "mem-set"; NULL for none. */
const char *conf_key_verb(const char *name);
/* "a string", "0 or 1", ...; NULL for a key that is only known and acts nowhere. */
const char *conf_key_takes(size_t i);
const char *conf_key_unit(size_t i);           /* of a number; NULL for none */
const char *conf_key_default(size_t i);        /* as text of the language; NULL for unset */
const char *conf_key_word(size_t i, size_t n); /* the n-th word that it takes; NULL for none */
/* A value as text of the language, of lists and specs; NULL for others. */
const char *conf_key_example(size_t i);
/* Whether parsing fills the default in; false: it is the driver's, and the member stays unset. */
bool conf_key_default_applied(size_t i);
/* Of a number in its unit, or of a string its bytes (0 to max). False when there are none. */
bool conf_key_bounds(size_t i, int64_t *ret_min, int64_t *ret_max);
/* Why a value is refused where the key does not act: ignoring it would make another guest of it.
 * NULL for a key that is ignored there with a warning. */
const char *conf_key_refused(size_t i);

#endif
