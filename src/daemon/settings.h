/* SPDX-License-Identifier: MIT */
/* What the daemon runs with: reeve.conf (the syntax of domain configs), then its options. */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/roles.h"

struct settings {
    char *config_file; /* all strings owned */
    bool config_named; /* by an option: then it must be there */
    char *state_dir;
    char *run_dir;
    char *console_dir;
    char *driver; /* auto, qemu, null, xen */
    char *qemu;   /* NULL: the default */
    char *qemu_user;
    struct role_rule *rules;
    size_t rule_count;
    bool foreground;
    bool debug;
};

/* Fills in the places that the contract fixes for root, or for this user. */
void settings_init(struct settings *s);
void settings_finish(struct settings *s);

/* Reads s->config_file (a missing one is fine unless it was named); rows that `given` options set
 * already are kept. Sets ERR_BAD_CONFIG with file, line and key. */
int settings_read(struct settings *s, struct err *e) MUST_CHECK;

/* Row i of the keys, for the manual and its test; NULL after the last. */
const char *settings_key(size_t i);

#endif
