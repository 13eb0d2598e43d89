/* SPDX-License-Identifier: MIT */
#include "driver/qemu/files.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/disk_make.h"
#include "driver/qemu/firmware.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/tap.h"

enum { FIRST_FD = 3 };

int files_add(struct files *files, int fd)
{
    if (files->count == files->cap) {
        files->cap = files->cap ? 2 * files->cap : 16;
        files->fds = x_reallocarray(files->fds, files->cap, sizeof *files->fds);
    }
    int number = FIRST_FD + (int)files->count;
    files->fds[files->count++] = (struct proc_fd){fd, number};
    return number;
}

void files_finish(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->fds[i].from);
    free(TAKE(files->fds));
    files->count = files->cap = 0;
}

static int set_key(struct err *e, const char *key)
{
    str_copy(e->key, sizeof e->key, key);
    return -1;
}

/* A file or block device of the user's. O_NONBLOCK: a FIFO or a drive without a disc must not hold
 * us; on files and block devices it does nothing later. */
static int open_image(const char *key, const char *path, int flags, struct stat *st, struct err *e)
{
    AUTO_CLOSE int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, st) < 0) {
        err_errno(e, ERR_BAD_CONFIG, errno, "%s: cannot open %s%s", key, path,
                  (flags & O_ACCMODE) == O_RDWR ? " for writing" : "");
        return set_key(e, key);
    }
    if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)) {
        err_set(e, ERR_BAD_CONFIG, "%s: %s is %s, not a file or block device", key, path,
                S_ISDIR(st->st_mode) ? "a folder" : "something else");
        return set_key(e, key);
    }
    return TAKE_FD(fd);
}

/* ---- kernel, ramdisk and firmware ---- */

/* QEMU opens these again through /proc/self/fd, with its own rights. Where those would not do, it
 * gets a copy in memory, which belongs to nobody's folder. */
static int readable_copy(int fd, const struct stat *st, const char *path, struct err *e)
{
    AUTO_CLOSE int copy = memfd_create("reeve-kernel", MFD_CLOEXEC);
    off_t at = 0;

    if (copy < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a memory file");
    while (at < st->st_size) {
        ssize_t n = sendfile(copy, fd, &at, (size_t)(st->st_size - at));
        if (n < 0 && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot read %s", path);
        if (n == 0)
            break;
    }
    return TAKE_FD(copy);
}

int files_open_file(const struct launch *l, const char *key, const char *name, struct stat *ret_st,
                    struct err *e)
{
    AUTO_FREE char *path = fs_join(l->args->directory, name);
    AUTO_CLOSE int fd = open_image(key, path, O_RDONLY, ret_st, e);

    if (fd < 0)
        return -1;
    if (S_ISREG(ret_st->st_mode) && ret_st->st_size > 0)
        return TAKE_FD(fd);
    err_set(e, ERR_BAD_CONFIG, "%s: %s is %s", key, path,
            S_ISREG(ret_st->st_mode) ? "empty" : "not a file");
    return set_key(e, key);
}

int files_open_readable(const struct driver_handle *h, const struct launch *l, const char *key,
                        const char *name, bool check, struct files *files, int *ret_number,
                        struct err *e)
{
    struct stat st;
    AUTO_CLOSE int fd = files_open_file(l, key, name, &st, e);

    if (fd < 0)
        return -1;
    if (!check && h->drop_rights && !(st.st_mode & S_IROTH)) {
        int copy = readable_copy(fd, &st, name, e);
        if (copy < 0)
            return -1;
        close(fd);
        fd = copy;
    }
    *ret_number = files_add(files, TAKE_FD(fd));
    return 0;
}

/* ---- disks ---- */

/* The parts of a qcow2 header (docs/interop/qcow2.txt in QEMU's source) that name other files. */
enum { QCOW2_BACKING_AT = 8, QCOW2_FEATURES_AT = 72, QCOW2_HEADER = 80 };
enum { QCOW2_DATA_FILE_BIT = 1 << 2 };

static uint64_t big_endian_64(const unsigned char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

/* The guest's process may open nothing by itself, and a header must not make it try. */
static int check_qcow2(int fd, const char *path, struct err *e)
{
    static const unsigned char magic[] = {'Q', 'F', 'I', 0xfb};
    unsigned char header[QCOW2_HEADER] = {0};

    if (pread(fd, header, sizeof header, 0) < (ssize_t)sizeof magic ||
        memcmp(header, magic, sizeof magic) != 0)
        err_set(e, ERR_BAD_CONFIG, "disk: %s is not in the format qcow2", path);
    else if (big_endian_64(header + QCOW2_BACKING_AT) != 0)
        err_set(e, ERR_UNSUPPORTED,
                "disk: %s has a backing file, which is not supported; qemu-img convert makes one "
                "file of them",
                path);
    else if (header[7] >= 3 && (big_endian_64(header + QCOW2_FEATURES_AT) & QCOW2_DATA_FILE_BIT))
        err_set(e, ERR_UNSUPPORTED,
                "disk: %s keeps its data in another file, which is not "
                "supported",
                path);
    else
        return 0;
    return set_key(e, "disk");
}

/* Of a disk that the config wants made: 1 when it is still to be, 0 when it is there. A saved
 * guest's disk is never made anew. */
static int to_be_made(const struct launch *l, const struct conf_disk *conf, const char *path,
                      struct err *e)
{
    struct stat st;

    if (conf->create_mib == 0)
        return 0;
    if (stat(path, &st) < 0)
        return errno == ENOENT && !l->args->platform;
    if (!S_ISBLK(st.st_mode))
        return 0;
    err_set(e, ERR_BAD_CONFIG,
            "reeve_disk_create: %s is a block device, which has the size it has; leave %s out",
            path, conf->vdev);
    return set_key(e, "reeve_disk_create");
}

/* Makes a disk that the config wants made; with `check` it only says whether it could be. */
static int make_disk(const struct conf_disk *conf, const char *path, bool check,
                     struct launch_disk *disk, struct files *files, struct err *e)
{
    int fd = -1;

    if ((check ? disk_make_check(path, e)
               : disk_make(path, conf->format, conf->create_mib << 20, &fd, e)) < 0) {
        err_wrap(e, "reeve_disk_create");
        return set_key(e, "reeve_disk_create");
    }
    if (!check)
        disk->fd = files_add(files, fd);
    return 0;
}

static int open_disk(const struct launch *l, struct launch_disk *disk, bool check,
                     struct files *files, struct err *e)
{
    const struct conf_disk *conf = disk->conf;
    struct stat st;

    if (!conf->target)
        return 0;
    AUTO_FREE char *path = fs_join(l->args->directory, conf->target);
    int make = to_be_made(l, conf, path, e);
    if (make != 0)
        return make < 0 ? -1 : make_disk(conf, path, check, disk, files, e);
    int flags = conf->read_only || conf->cdrom ? O_RDONLY : O_RDWR;
    AUTO_CLOSE int fd = open_image("disk", path, flags, &st, e);
    if (fd < 0 || (conf->format == CONF_QCOW2 && check_qcow2(fd, path, e) < 0))
        return -1;
    disk->host_device = S_ISBLK(st.st_mode);
    disk->fd = files_add(files, TAKE_FD(fd));
    return 0;
}

/* ---- serial lines ---- */

static int open_serial_file(const char *path, bool check, struct err *e)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (check ? 0 : O_CREAT);
    AUTO_CLOSE int fd = open(path, flags, 0600);
    struct stat st;

    if (fd < 0 && check && errno == ENOENT) {
        AUTO_FREE char *dir = NULL;
        fs_split(path, &dir);
        if (access(dir, F_OK) == 0)
            return 0;
        errno = ENOENT;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_errno(e, ERR_BAD_CONFIG, errno, "serial: cannot write to %s", path);
        return set_key(e, "serial");
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(e, ERR_BAD_CONFIG, "serial: %s is not a file", path);
        return set_key(e, "serial");
    }
    return TAKE_FD(fd);
}

/* A saved guest's gets its reader too. */
static int open_serial_socket(const char *path, bool check, int *ret_reader, struct err *e)
{
    AUTO_FREE char *dir = NULL;
    const char *name = fs_split(path, &dir);
    AUTO_CLOSE int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = -1;

    if (dirfd < 0) {
        err_errno(e, ERR_BAD_CONFIG, errno, "serial: cannot open the folder of %s", path);
        return set_key(e, "serial");
    }
    if (check)
        return 0;
    if (folder_listen(dirfd, name, &fd, e) < 0 ||
        (ret_reader && folder_connect(dirfd, name, ret_reader, e) < 0)) {
        if (fd >= 0)
            close(fd);
        err_wrap(e, "serial: %s", path);
        return set_key(e, "serial");
    }
    return fd;
}

static int open_serial(const struct launch *l, struct launch_serial *serial, bool check,
                       struct files *files, struct err *e)
{
    if (serial->kind == SERIAL_CONSOLE)
        return 0;
    AUTO_FREE char *path = fs_join(l->args->directory, serial->path);
    int *reader = l->incoming ? &serial->reader : NULL;
    int fd = serial->kind == SERIAL_FILE ? open_serial_file(path, check, e)
                                         : open_serial_socket(path, check, reader, e);
    if (fd < 0)
        return -1;
    if (check && fd > 0)
        close(fd);
    if (!check)
        serial->fd = files_add(files, fd);
    return 0;
}

/* ---- all of it ---- */

static int open_users(const struct driver_handle *h, struct launch *l, bool check,
                      struct files *files, struct err *e)
{
    const struct conf *conf = l->args->conf;

    if (conf->kernel &&
        files_open_readable(h, l, "kernel", conf->kernel, check, files, &l->kernel, e) < 0)
        return -1;
    if (conf->ramdisk &&
        files_open_readable(h, l, "ramdisk", conf->ramdisk, check, files, &l->ramdisk, e) < 0)
        return -1;
    for (size_t i = 0; i < l->disk_count; i++)
        if (open_disk(l, &l->disks[i], check, files, e) < 0)
            return -1;
    for (size_t i = 0; i < l->serial_count; i++)
        if (open_serial(l, &l->serials[i], check, files, e) < 0)
            return -1;
    return 0;
}

static int open_taps(struct launch *l, bool check, struct files *files, struct err *e)
{
    for (size_t i = 0; i < l->nic_count; i++) {
        struct launch_nic *nic = &l->nics[i];
        int fd = -1;
        if (!nic->conf->bridge)
            continue;
        if (tap_check(nic->conf->bridge, nic->conf->ifname, e) < 0)
            return set_key(e, "vif");
        if (check)
            continue;
        if (tap_open(nic->conf->bridge, nic->conf->ifname, l->args->macs[i], &fd, e) < 0)
            return set_key(e, "vif");
        nic->tap = files_add(files, fd);
    }
    return 0;
}

/* The file that is the guest's memory: QEMU opens it again, as its own user. */
static int open_ram(const struct driver_handle *h, struct launch *l, struct files *files,
                    struct err *e)
{
    if (l->ram_file < 0)
        return 0;
    if (h->drop_rights && fchown(l->ram_file, h->uid, h->gid) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot give QEMU the file of its memory");
    AUTO_CLOSE int fd = fcntl(l->ram_file, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot give QEMU the file of its memory");
    l->ram = files_add(files, TAKE_FD(fd));
    return 0;
}

int files_open(const struct driver_handle *h, struct launch *launch, bool check,
               struct files *files, struct err *e)
{
    if (!check && open_ram(h, launch, files, e) < 0)
        return -1;
    if (fs_as_begin(&launch->args->user, e) < 0)
        return -1;
    int result = open_users(h, launch, check, files, e);
    fs_as_end();
    if (result < 0 || firmware_open(h, launch, check, files, e) < 0)
        return -1;
    return open_taps(launch, check, files, e);
}
