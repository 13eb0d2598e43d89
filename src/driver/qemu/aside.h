/* SPDX-License-Identifier: MIT */
/* What is left of a guest that ended, kept beside as another domain while a new process is made
 * from the same config. The process goes on standing, with its memory and without what the new one
 * needs: the locks of its disks go by a migration to nowhere, after which QEMU lets go of all
 * images and gives them to whoever comes next; the host's end of its network interfaces goes too.
 * The folder with all its sockets gets the other uuid as its name; that one rename is when it
 * happens. Before it, the domain is what it was, and a reset boots it again.
 *
 * After that migration QEMU has forgotten how the guest ended, so that is written down first. */
#ifndef DRIVER_QEMU_ASIDE_H
#define DRIVER_QEMU_ASIDE_H

#include "core/driver.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/qmp.h"

/* `set_aside` of core/driver.h. ERR_UNSUPPORTED for a guest whose memory is a file. With ref of the
 * uuid of `as` it finishes what was cut after the rename. */
int aside_set(struct driver_handle *h, const struct domain_ref *ref, const struct domain_ref *as,
              const struct op *op, struct err *e);

/* Writes down how the guest ended, as query-status had it, for aside_status. ERR_FAILED. */
int aside_note(int dirfd, const char *status, const char *name, struct err *e) MUST_CHECK;

/* Puts how the guest ended in the place of status, when that says no more than that its state is
 * being given away, or has been; else nothing happens. */
void aside_status(int dirfd, char status[QMP_STATUS_MAX]);

/* A folder has the uuid of its name; what was set aside has another uuid and name than its process
 * was started with. dir: the folder of folders. */
void aside_rehome(int dirfd, const char *dir, const char *uuid, struct meta *meta);

/* ERR_UNSUPPORTED when the domain of that uuid was set aside: it has neither disks nor network, so
 * it cannot boot. */
int aside_refuse(const struct meta *meta, const char *uuid, struct err *e) MUST_CHECK;

/* Before a guest whose setting aside was cut runs again: it is an ordinary one from here on. */
int aside_forget(int dirfd, struct err *e) MUST_CHECK;

#endif
