/* SPDX-License-Identifier: MIT */
/* Save images (.reeve, format version 2; docs/image-format.md): a header, framed chunks with
 * checksums, compressed by zstd on all CPUs, an index, a trailer with length, checksum and end
 * mark. Written under a temporary name in the target's folder; the name appears by rename after
 * fsync. Everything here blocks on the disk: job threads only. */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/ident.h"
#include "core/op.h"

struct create_args; /* core/driver.h */
struct driver;
struct driver_handle;

/* A disk as it was when the guest stopped. */
struct image_disk {
    char *path; /* owned; absolute */
    bool block; /* a block device */
    uint64_t size_bytes;
    int64_t mtime_ns;         /* files */
    uint64_t head_hash;       /* xxh3 of the first MiB */
    uint64_t tail_hash;       /* block devices: of the last MiB */
    uint64_t written_sectors; /* block devices: from sysfs, with boot_id */
    bool read_only;           /* not compared */
};

/* The file that holds the guest's memory, beside a managed image, as it was when it was durable.
 * There is no checksum of its pages: it is known again by these. */
struct image_memory_file {
    bool bound; /* there is one */
    uint64_t size_bytes;
    uint64_t inode;
    uint64_t generation; /* of the inode, where the filesystem has it; else 0 */
    int64_t mtime_ns;
};

/* The header's content. All strings owned. */
struct image_header {
    char *driver;
    char *driver_version;
    char *platform; /* from driver->platform */
    char uuid[IDENT_UUID_LEN + 1];
    char *name;
    char *config;
    char *directory;
    char *macs;
    char *host;
    char *boot_id;
    int64_t saved_at_ms;
    uint64_t memory_kib;
    bool was_paused;
    bool xl; /* a save file of xl: there are no disks, no MACs beside the config, no checksums */
    char *libxl_json; /* xl: the config where that is libxl's; config is NULL, then */
    struct image_disk *disks;
    size_t disk_count;
    struct image_memory_file memory_file; /* from the index, as the disks are */
};
void image_header_finish(struct image_header *h);

struct image_writer;

/* Begins an image that will be `path`: opens its folder and a temporary file (0600, exclusive)
 * there with the user's rights, checks that the target is a regular file or nothing and that
 * `need_bytes` of stream fit, and reserves them (0: reserves nothing). Sets ERR_NO_SPACE,
 * ERR_FAILED, ERR_EXISTS (target is a folder, FIFO, device, symbolic link). Nothing is left on
 * failure. `user` NULL: this process's own rights. SIGXFSZ should be ignored. */
int image_writer_open(const char *path, const struct fs_user *user, uint64_t need_bytes,
                      struct image_writer **ret, struct err *e) MUST_CHECK;
/* What a crash leaves is known by: three lines, the temporary file's whole path, the final one, and
 * the number of the file's inode, which the rename keeps. For an intent; owned by the caller. */
char *image_writer_intent(const struct image_writer *w, struct err *e) MUST_CHECK;
/* Whether a file's name is that of a temporary file of an image called `name`. */
bool image_is_temporary_of(const char *name, const char *file);
/* Writes the header; once, first. */
int image_writer_header(struct image_writer *w, const struct image_header *h,
                        struct err *e) MUST_CHECK;
/* Instead of the header: the file is to be `len` bytes of head, the stream as it comes, and
 * nothing else; the rest of the calls are the same, but disks, level and memory are not kept. */
int image_writer_plain(struct image_writer *w, const void *head, size_t len,
                       struct err *e) MUST_CHECK;
/* Writes one part of the stream, or of the memory, as a chunk; what image_writer_stream and
 * image_writer_memory do for all. In any order and from several threads; `len` is at most 1 MiB. */
int image_writer_chunk(struct image_writer *w, bool memory, uint64_t position, const void *bytes,
                       size_t len, struct err *e) MUST_CHECK;
/* Once all chunks are written: how much memory there is of which they are parts. */
void image_writer_chunks_end(struct image_writer *w, uint64_t memory_bytes);
/* How chunks are compressed from here on: a level of zstd, from IMAGE_LEVEL_MIN (fast) to
 * IMAGE_LEVEL_MAX (small); 0 stores them plain. IMAGE_LEVEL_DEFAULT without this call. */
enum { IMAGE_LEVEL_MIN = -7, IMAGE_LEVEL_MAX = 19, IMAGE_LEVEL_DEFAULT = -1 };
void image_writer_level(struct image_writer *w, int level);
/* Reads stream_fd to its end and writes it as chunks; once, after the header; calls op_progress
 * (total is need_bytes or what there is so far; from any of the threads that pack, one at a
 * time). */
int image_writer_stream(struct image_writer *w, int stream_fd, const struct op *op,
                        struct err *e) MUST_CHECK;
/* Writes the guest's memory beside the stream: `bytes` bytes of fd, a multiple of 4096, which
 * nobody changes meanwhile. Holes and zero pages take no space. fd must be our own (its place is
 * moved). Once, after the header. */
int image_writer_memory(struct image_writer *w, int fd, uint64_t bytes, const struct op *op,
                        struct err *e) MUST_CHECK;
/* The memory is in a file beside the image. */
void image_writer_bind(struct image_writer *w, const struct image_memory_file *file);
/* Disks as they are now that the guest stands still (kept in the index, after the stream; without
 * this call it has those of the header). */
int image_writer_disks(struct image_writer *w, const struct image_disk *disks, size_t count,
                       struct err *e) MUST_CHECK;
/* Index, trailer, fsync, rename to the final name, fsync of the folder. Durable at 0. On failure
 * there is no file of the final name that was not there before (one that was there is replaced by
 * the rename only; when just the fsync of the folder after it fails, the new one stays). A cancel
 * of op (NULL: none) counts until the rename. */
int image_writer_finish(struct image_writer *w, uint64_t *ret_size, const struct op *op,
                        struct err *e) MUST_CHECK;
/* Removes the temporary unless finished, and frees. NULL is accepted. */
void image_writer_free(struct image_writer *w);

struct image_reader;

/* Opens path with the user's rights, reads header and trailer, checks lengths and end mark. Sets
 * ERR_NO_SUCH_IMAGE, ERR_DAMAGED (says in what way), ERR_UNSUPPORTED (another format version or
 * kind of chunk), ERR_FAILED. The header's disks are those of the index.
 *
 * A save file of xl is read too (core/xl_file.h): its records are all looked at; uuid "" where its
 * config has none, the time is that of the file. */
int image_reader_open(const char *path, const struct fs_user *user, struct image_reader **ret,
                      struct err *e) MUST_CHECK;
const struct image_header *image_reader_header(const struct image_reader *r); /* borrowed */
uint64_t image_reader_size(const struct image_reader *r);
uint64_t image_reader_stream_bytes(const struct image_reader *r);
/* Checks every chunk and the whole; does not change the place of image_reader_stream. */
int image_reader_verify(struct image_reader *r, const struct op *op, struct err *e) MUST_CHECK;
/* Writes the stream to fd, each chunk after its checksum was compared. ERR_DAMAGED at the first
 * bad one. A reader that closes early (EPIPE) is ERR_FAILED. SIGPIPE must be ignored. fd is set
 * non-blocking while it runs. Does not close fd. */
int image_reader_stream(struct image_reader *r, int fd, const struct op *op,
                        struct err *e) MUST_CHECK;
/* How much memory is kept beside the stream; 0: all is in the stream. */
uint64_t image_reader_memory_bytes(const struct image_reader *r);
/* Writes it to fd, which is of that size and reads as zeros: only what is not zero is written, each
 * chunk after its checksum was compared. */
int image_reader_memory(struct image_reader *r, int fd, const struct op *op,
                        struct err *e) MUST_CHECK;
void image_reader_free(struct image_reader *r);

/* Hands each chunk to fn, its bytes checked and unpacked, in any order and on several threads at a
 * time: `len` bytes (at most 1 MiB) for `position` of the stream, or of the memory. */
typedef int image_chunk_fn(void *arg, bool memory, uint64_t position, const void *bytes, size_t len,
                           struct err *e);
int image_reader_each(struct image_reader *r, image_chunk_fn *fn, void *arg, const struct op *op,
                      struct err *e) MUST_CHECK;

/* image_xl.c: sees to it that the header has a config, where it has libxl's. ERR_UNSUPPORTED: the
 * driver does not know libxl's, or there is in it what a config cannot say. Blocks. */
int image_reader_translate(struct image_reader *r, const struct driver *driver,
                           struct driver_handle *handle, struct err *e) MUST_CHECK;
/* Writes what stands before the stream in a save file of xl, for the domain of args; instead of
 * image_writer_header. ERR_UNSUPPORTED: the driver does not make what xl can load. Blocks. */
int image_writer_xl(struct image_writer *w, const struct create_args *args,
                    const struct driver *driver, struct driver_handle *handle,
                    struct err *e) MUST_CHECK;

/* The same for the domain that an image is of. */
int image_writer_xl_of(struct image_writer *w, const struct image_header *h,
                       const struct driver *driver, struct driver_handle *handle,
                       struct err *e) MUST_CHECK;

/* image_copy.c: writes the image `from` (or xl's save file) anew as `to`, each side with the rights
 * of the user (NULL: our own). A memory file that `from` is bound to is copied into the image. All
 * is verified on the way. Errors as of the reader and the writer, and of the translations; ERR_BUSY
 * when the memory file changed meanwhile. */
struct image_copy_how {
    int level;                   /* of the image */
    bool as_xl;                  /* a save file of xl is made, from an image */
    const struct driver *driver; /* who translates */
    struct driver_handle *handle;
};
int image_copy(const char *from, const struct fs_user *from_user, const char *to,
               const struct fs_user *to_user, const struct image_copy_how *how, const struct op *op,
               uint64_t *ret_size, struct err *e) MUST_CHECK;

/* Fills *d for a path; with the rights of the calling thread. */
int image_disk_look(const char *path, bool read_only, struct image_disk *d,
                    struct err *e) MUST_CHECK;
void image_disk_finish(struct image_disk *d);
/* Compares the header's disks with what is there now: ERR_DISK_CHANGED names the first that
 * differs and how. */
int image_disks_check(const struct image_header *h, struct err *e) MUST_CHECK;

/* image_memory.c: the file of a guest's memory. Its name beside the managed image at image_path;
 * owned by the caller. */
char *image_memory_path(const char *image_path);
/* Makes it anew, with all its space allocated (a guest that wrote to a full disk would die).
 * ERR_NO_SPACE; ERR_FAILED, also when the filesystem cannot allocate. Nothing is left on failure.
 * *ret_fd is owned by the caller. */
int image_memory_make(const char *path, uint64_t bytes, int *ret_fd, struct err *e) MUST_CHECK;
/* What it is now. */
int image_memory_look(int fd, struct image_memory_file *ret, struct err *e) MUST_CHECK;
/* Opens it for reading and writing, with the user's rights (NULL: our own). ERR_DAMAGED when it is
 * missing, or not as `was` says. */
int image_memory_open(const char *path, const struct image_memory_file *was,
                      const struct fs_user *user, int *ret_fd, struct err *e) MUST_CHECK;

/* path renamed to path.spent, and the folder synced: from here the image is never loaded
 * unattended. */
int image_claim(const char *path, struct err *e) MUST_CHECK;
/* Makes a claim durable whose maker may have been killed before it was. */
int image_claim_settle(const char *path, struct err *e) MUST_CHECK;
/* The reverse, when no vCPU has run. */
int image_unclaim(const char *path, struct err *e) MUST_CHECK;
/* Removes path (a missing one is no failure), durably. */
int image_unlink(const char *path, struct err *e) MUST_CHECK;
/* The same, and its folder when that is empty: for the daemon's own images/UUID/ only. */
int image_remove(const char *path, struct err *e) MUST_CHECK;
/* The same without waiting for the disk: for a spent image that the store knows no more. One that a
 * power cut brings back is removed by the next start. */
int image_clear(const char *path, struct err *e) MUST_CHECK;
/* Renames path to path.discarded-TIME, beside it; for images set aside. *ret_path is owned. */
int image_set_aside(const char *path, char **ret_path, struct err *e) MUST_CHECK;

/* The header as JSON, for `image info` and logs. New reference. */
json_t *image_header_json(const struct image_header *h, uint64_t size_bytes);

#endif
