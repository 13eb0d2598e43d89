/* SPDX-License-Identifier: MIT */
/* Keys: the guest's health, and what becomes of the domain when the host stops and starts. */
#include "conf/keys.h"

/* The tables are laid out by hand. */
/* clang-format off */
static const struct keys_word_row stops[] = {
    {"shutdown", CONF_HOST_SHUTDOWN},
    {"suspend",  CONF_HOST_SUSPEND},
    {"ignore",   CONF_HOST_IGNORE},
    {0},
};

static const struct key rows[] = {
    {"reeve_watchdog", &keys_bool, KEYS_AT(watchdog), .def = "0", .acts = KEYS_ON_QEMU_ONLY,
     .help = "A watchdog device (i6300esb) that the guest's own watchdog daemon feeds; when it stops, "
             "on_watchdog acts. A Xen guest has Xen's without any key"},
    {"reeve_on_host_stop", &keys_word, KEYS_AT(host.on_stop), .words = stops, .def = "shutdown",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "What host-stop does with it: shutdown, suspend (host-start resumes it), or ignore"},
    {"reeve_host_order", &keys_number, KEYS_AT(host.order), .min = 0, .max = 9999, .def = "100",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "Lower ones start first and stop last; equal ones at the same time"},
    {"reeve_host_timeout", &keys_number, KEYS_AT(host.timeout), .min = 1, .max = 86400,
     .def = "120", .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "Seconds that the guest has to power off when the host stops"},
    {"reeve_host_destroy", &keys_bool, KEYS_AT(host.destroy), .def = "0", .acts = KEYS_EVERYWHERE,
     .live = KEYS_EVERYWHERE,
     .help = "Whether host-stop destroys a guest that did not power off in that time"},
    {"reeve_autostart_delay", &keys_number, KEYS_AT(host.delay), .min = 0, .max = 3600, .def = "0",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "Seconds that host-start waits after it before those that come later"},
    {"reeve_autostart_after", &keys_list, KEYS_AT(host.after), .acts = KEYS_EVERYWHERE,
     .live = KEYS_EVERYWHERE, .example = "['db1']",
     .help = "Names of domains that run before host-start starts it, and stop after it"},
};
/* clang-format on */

const struct keys_table keys_host = KEYS_TABLE(rows);
