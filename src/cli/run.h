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

/* --level as "level" in args, when it is given. ERR_BAD_REQUEST. */
int run_set_level(const struct options *o, json_t *args, struct err *e) MUST_CHECK;
/* The same, and --as as "as". */
int run_set_as(const struct options *o, json_t *args, struct err *e) MUST_CHECK;

verb_run run_image; /* image.c */

/* list.c */
verb_run run_list;
verb_run run_show;
/* Adds the names that --columns knows, separated by ", ". */
void list_column_names(struct str *to);

verb_run run_rename; /* rename.c */
verb_run run_autostart;
verb_run run_config; /* config.c */

verb_run run_memory; /* resources.c: mem-set, mem-max */
verb_run run_vcpu_set;
verb_run run_vcpu_pin;
verb_run run_vcpu_list;

verb_run run_top; /* top.c */

verb_run run_dump_core; /* debug.c */
verb_run run_sysrq;
verb_run run_trigger;
verb_run run_vncviewer; /* vncviewer.c */

verb_run run_block_attach; /* devices.c */
verb_run run_network_attach;
verb_run run_detach;
verb_run run_cd_insert;
verb_run run_cd_eject;
verb_run run_block_list;
verb_run run_network_list;

/* resources.c: the rows that the verb's call gives under `key` for each operand, or for each domain
 * that lives, as one table of at most 16 columns. One that fails is told and the others are shown.
 * Returns the exit status, that of the first failure; -1 with an error. */
int list_rows(struct command *cmd, const char *key, const struct column *all, size_t count,
              struct err *e) MUST_CHECK;

/* life.c: puts a path, made absolute against the current folder. Sets ERR_BAD_REQUEST. */
int set_path(json_t *args, const char *key, const char *path, struct err *e) MUST_CHECK;

verb_run run_log; /* log.c */

verb_run run_jobs; /* jobs.c */
verb_run run_wait;
verb_run run_cancel;

verb_run run_console; /* console.c */
verb_run run_explain; /* explain.c */
verb_run run_info;    /* host.c */
verb_run run_doctor;
verb_run run_hostrun; /* host-stop, host-start */
verb_run run_help;    /* help.c */

/* editor.c: opens `text` in $VISUAL or $EDITOR as a file NAME in a folder of its own that only the
 * user can read; *ret_path (owned) is that file, which stays until editor_remove. *ret is the text
 * afterwards, owned. With *ret_path set already that file is opened again. Sets ERR_FAILED when
 * there is no editor or it fails, ERR_TOO_LARGE; then the file, where there is one, stays too. */
int editor_run(const char *name, const char *text, char **ret_path, char **ret,
               struct err *e) MUST_CHECK;
/* Removes the file and its folder, with what the editor left beside it. */
void editor_remove(const char *path);

/* console.c: attaches to the console of `domain` on the command's connection until the user or
 * the daemon ends it. Returns the exit status; -1 with an error. */
int console_attach(struct command *cmd, const char *domain, struct err *e) MUST_CHECK;

/* help.c: adds `help VERB`. */
void help_verb(const struct verb_row *row, struct str *to);

#endif
