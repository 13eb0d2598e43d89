/* SPDX-License-Identifier: MIT */
/* The QEMU binary: where it is, its version, its versioned machine names. Asked of the binary once
 * and remembered by its inode, size and time in STATE_DIR, so that no verb pays for it. */
#ifndef DRIVER_QEMU_BINARY_H
#define DRIVER_QEMU_BINARY_H

#include <stdbool.h>

#include "base/err.h"
#include "core/driver.h"

struct binary {
    char *path;     /* owned */
    char *version;  /* owned; "7.2.22" */
    char *machines; /* owned; the text of -machine help */
};

/* Finds it and asks it. ERR_DRIVER_UNAVAILABLE when it is missing, is not executable, says nothing
 * useful or is older than 7.2; the message says what to install. Blocks for tens of milliseconds
 * when it is not remembered. */
int binary_init(struct binary *ret, const struct driver_options *options, struct err *e) MUST_CHECK;
void binary_finish(struct binary *binary);

/* The versioned name behind an alias ("pc" -> "pc-i440fx-7.2"; a name that is none, "microvm", as
 * it is) into ret[size]. ERR_UNSUPPORTED when this QEMU has no such machine. */
int binary_machine(const struct binary *binary, const char *name, char *ret, size_t size,
                   struct err *e) MUST_CHECK;

/* Runs a program to its end within `ms` and takes what it wrote on stdout and stderr, at most
 * 64 KiB. *ret_status is as of waitpid(2). ERR_FAILED, or ERR_TIMED_OUT (it is killed). */
int binary_run(char *const *argv, int passed_fd, int passed_as, int64_t ms, char **ret_output,
               int *ret_status, struct err *e) MUST_CHECK;

/* For tests: reads "QEMU emulator version 7.2.22 (...)"; false when it is not that. */
bool binary_parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor,
                          char **ret_version);

#endif
