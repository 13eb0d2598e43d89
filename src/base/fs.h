/* SPDX-License-Identifier: MIT */
/* Files: durable writes, bounded reads, and acting with a client's own rights. All of these may
 * block on the disk: never on the event loop, except at start. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

/* A pipe (close-on-exec; ends[0] to read, both owned by the caller) for much that goes through it,
 * as wide as the kernel lets it be: 8 MiB for root, 1 MiB for others, less where that is refused
 * (pipe(7), "Pipe capacity"). Sets ERR_FAILED. */
int fs_wide_pipe(int ends[2], struct err *e) MUST_CHECK;

/* Writes all of buf. Sets ERR_FAILED or ERR_NO_SPACE; what is already written stays. `what`
 * names the file in the message. */
int fs_write_all(int fd, const void *buf, size_t len, const char *what, struct err *e) MUST_CHECK;

/* The same at a place of the file, without moving it. */
int fs_write_at(int fd, const void *buf, size_t len, uint64_t offset, const char *what,
                struct err *e) MUST_CHECK;

/* Reads until len bytes or the end. Returns the count, or -1 with ERR_FAILED. */
ssize_t fs_read_upto(int fd, void *buf, size_t len, const char *what, struct err *e) MUST_CHECK;

/* Replaces dirfd/name durably: temporary file in the same folder, fsync, rename, fsync of the
 * folder. A failure leaves the old file as it was and no temporary. Sets ERR_FAILED or
 * ERR_NO_SPACE. */
int fs_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
               struct err *e) MUST_CHECK;

/* Reads a regular file whole: not a folder, FIFO or device, at most max bytes. *ret_text is owned
 * by the caller and ended by NUL (which *ret_len does not count). Sets ERR_FAILED or
 * ERR_TOO_LARGE; the message names path. */
int fs_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                 struct err *e) MUST_CHECK;

int fs_sync_dir(int dirfd, const char *what, struct err *e) MUST_CHECK;

/* Makes an eventfd readable. It cannot fail but for a full counter: then it is readable already. */
void fs_raise(int event_fd);

/* Makes path and its missing parents with `mode`. Sets ERR_FAILED. */
int fs_make_dirs(const char *path, mode_t mode, struct err *e) MUST_CHECK;

/* Removes a folder with everything in it; not following links. A missing one is no failure. */
int fs_remove_tree(int dirfd, const char *name, struct err *e) MUST_CHECK;

/* The bytes that the filesystem of fd has free for this user. -1 with ERR_FAILED. */
int64_t fs_free_bytes(int fd, struct err *e) MUST_CHECK;

/* The folder part and the last part of path: "/a/b" is "/a" and "b", "b" is "." and "b".
 * *ret_dir is owned by the caller; the return value points into path. */
const char *fs_split(const char *path, char **ret_dir);

/* `path` itself when it is absolute, else directory/path. Owned by the caller. */
char *fs_join(const char *directory, const char *path);

/* Who a client is, for files that it names. */
struct fs_user {
    uid_t uid;
    gid_t gid;
};

/* From here to fs_as_end this thread alone opens files with the user's rights (uid, gid and
 * supplementary groups; setfsuid(2), which is per thread). Nothing is done when the user is root
 * or this process's own uid. Sets ERR_NOT_ALLOWED when this process may not. Not on the loop
 * thread. */
int fs_as_begin(const struct fs_user *user, struct err *e) MUST_CHECK;
void fs_as_end(void);

/* Locks the whole file for writing, until its last descriptor is closed (fcntl(2), F_OFD_SETLK);
 * waits up to ms while another has it. Sets ERR_BUSY, or ERR_FAILED. */
int fs_lock(int fd, int64_t ms, struct err *e) MUST_CHECK;

#endif
