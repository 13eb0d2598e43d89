/* SPDX-License-Identifier: MIT */
/* The functions of the verb rows (verbs.c), one file a noun. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/verbs.h"

/* life.c */
verb_run run_config_file; /* new, create */
verb_run run_life;        /* one request for each DOMAIN */
verb_run run_all;         /* shutdown, reboot: each DOMAIN, or --all of them */
verb_run run_adopt;
verb_run run_save;
verb_run run_restore;

/* list.c */
verb_run run_list;
verb_run run_show;
/* Adds the names that --columns knows, separated by ", ". */
void list_column_names(struct str *to);

verb_run run_rename; /* config.c */
verb_run run_autostart;

verb_run run_memory; /* resources.c: mem-set, mem-max */
verb_run run_vcpu_set;
verb_run run_vcpu_pin;
verb_run run_vcpu_list;

verb_run run_log; /* log.c */

verb_run run_jobs; /* jobs.c */
verb_run run_wait;
verb_run run_cancel;

verb_run run_console; /* console.c */
verb_run run_explain; /* explain.c */
verb_run run_info;    /* host.c */
verb_run run_doctor;
verb_run run_help; /* help.c */

/* console.c: attaches to the console of `domain` on the command's connection until the user or
 * the daemon ends it. Returns the exit status; -1 with an error. */
int console_attach(struct command *cmd, const char *domain, struct err *e) MUST_CHECK;

/* help.c: adds `help VERB`. */
void help_verb(const struct verb_row *row, struct str *to);

#endif
