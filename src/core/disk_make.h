/* SPDX-License-Identifier: MIT */
/* Empty disks for new guests (the key reeve_disk_create). A disk comes whole under its name or not
 * at all, also when we are killed meanwhile, and takes the place of nothing. It is sparse: it takes
 * space as the guest writes. All of it acts with the rights that the thread has (fs_as_begin), may
 * block on the disk, and sets ERR_BAD_CONFIG, ERR_NO_SPACE or ERR_FAILED with a message that names
 * path. */
#ifndef CORE_DISK_MAKE_H
#define CORE_DISK_MAKE_H

#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"

/* Makes path, 0600, a disk of that size (whole MiB) in the format raw or qcow2; durable on return.
 * *ret_fd is open for reading and writing and owned by the caller. */
int disk_make(const char *path, enum conf_format format, uint64_t bytes, int *ret_fd,
              struct err *e) MUST_CHECK;

/* Whether it could be made now; leaves nothing. */
int disk_make_check(const char *path, struct err *e) MUST_CHECK;

/* As disk_make on a file system that has no files without a name (NFS, FAT), which disk_make finds
 * out by itself: by way of a temporary name in the same folder, which the next try removes should
 * it be left over. */
int disk_make_by_name(const char *path, enum conf_format format, uint64_t bytes, int *ret_fd,
                      struct err *e) MUST_CHECK;

#endif
