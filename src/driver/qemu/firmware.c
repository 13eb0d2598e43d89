/* SPDX-License-Identifier: MIT */
#include "driver/qemu/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* Both chips together, and each in steps of (hw/i386/pc_sysfw.c of QEMU). */
enum { FLASH_MAX = 8 * 1024 * 1024, FLASH_STEP = 4096 };

#define STORE_FOLDER "firmware"

/* Where distributions have OVMF, the first that is there: Debian, Fedora, Arch. */
static const struct {
    const char *code;
    const char *variables;
} packaged[] = {
    {"/usr/share/OVMF/OVMF_CODE_4M.fd",     "/usr/share/OVMF/OVMF_VARS_4M.fd"    },
    {"/usr/share/OVMF/OVMF_CODE.fd",        "/usr/share/OVMF/OVMF_VARS.fd"       },
    {"/usr/share/edk2/ovmf/OVMF_CODE.fd",   "/usr/share/edk2/ovmf/OVMF_VARS.fd"  },
    {"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
};

/* The files of one OVMF. */
struct ovmf {
    const char *key; /* that named it */
    char *code;      /* owned; NULL: it is in one file with the variables */
    char *variables; /* owned; what a new domain's are copied from */
};

static void ovmf_finish(struct ovmf *o)
{
    free(TAKE(o->code));
    free(TAKE(o->variables));
}

/* "OVMF_CODE_4M.fd" has its variables in "OVMF_VARS_4M.fd" beside it. */
static void name_own(const char *path, struct ovmf *ret)
{
    AUTO_FREE char *folder = NULL;
    const char *name = fs_split(path, &folder);
    const char *code = strstr(name, "CODE");

    ret->key = "bios_path_override";
    if (!code) {
        ret->variables = x_strdup(path);
        return;
    }
    ret->code = x_strdup(path);
    ret->variables = x_asprintf("%s/%.*sVARS%s", folder, (int)(code - name), name, code + 4);
}

static int find_ovmf(const struct launch *l, struct ovmf *ret, struct err *e)
{
    *ret = (struct ovmf){.key = "firmware"};
    if (l->firmware_path) {
        AUTO_FREE char *path = fs_join(l->args->directory, l->firmware_path);
        name_own(path, ret);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(packaged); i++) {
        if (access(packaged[i].code, R_OK) < 0 || access(packaged[i].variables, R_OK) < 0)
            continue;
        ret->code = x_strdup(packaged[i].code);
        ret->variables = x_strdup(packaged[i].variables);
        return 0;
    }
    return err_set_key(e, ERR_UNSUPPORTED, "firmware",
                       "there is no OVMF on this host; install the package ovmf");
}

/* ---- the domain's variables ---- */

static int open_folder(const struct driver_handle *h, int *ret, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", h->state_dir, STORE_FOLDER);

    if (fs_make_dirs(path, 0700, e) < 0)
        return -1;
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", path) : 0;
}

static int open_store(const struct driver_handle *h, struct launch *l, const char *data, size_t len,
                      int *ret_fd, struct err *e)
{
    AUTO_FREE char *name = x_asprintf("%s.fd", l->args->ref.uuid);
    AUTO_CLOSE int dirfd = -1;
    struct stat st;

    if (open_folder(h, &dirfd, e) < 0)
        return -1;
    int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (fs_replace(dirfd, name, data, len, 0600, e) < 0)
            return err_wrap(e, "the variables of its UEFI cannot be made");
        l->variables_made = true;
        fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open the variables of its UEFI, %s/%s/%s",
                         h->state_dir, STORE_FOLDER, name);
    *ret_fd = fd;
    if ((size_t)st.st_size == len)
        return 0;
    close(fd);
    return err_set_key(
        e, ERR_BAD_CONFIG, "firmware",
        "%s/%s/%s was made by another OVMF (%jd bytes, and it takes %zu); move it away, "
        "and the guest starts with new variables",
        h->state_dir, STORE_FOLDER, name, (intmax_t)st.st_size, len);
}

int firmware_forget(struct driver_handle *h, const char *uuid, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/%s/%s.fd", h->state_dir, STORE_FOLDER, uuid);

    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, ERR_FAILED, errno, "cannot remove %s", path);
    return 0;
}

/* ---- opening ---- */

static int check_sizes(const struct ovmf *o, off_t code, size_t variables, struct err *e)
{
    const char *path = o->code ? o->code : o->variables;

    if (variables > 0 && (code > 0 || !o->code) && code % FLASH_STEP == 0 &&
        variables % FLASH_STEP == 0 && (uint64_t)code + variables <= FLASH_MAX)
        return 0;
    return err_set_key(e, ERR_BAD_CONFIG, o->key,
                       "%s is no firmware for flash, which is made of whole 4 KiB and holds 8 MiB",
                       path);
}

/* With the user's rights: the code into files, what new variables are into *ret_data (owned). */
static int open_ovmf(struct launch *l, const struct ovmf *o, struct files *files, char **ret_data,
                     size_t *ret_len, struct err *e)
{
    struct stat st = {0};

    if (o->code) {
        int fd = files_open_file(l, o->key, o->code, &st, e);
        if (fd < 0)
            return -1;
        l->firmware = files_add(files, fd);
    }
    if (fs_read_file(o->variables, FLASH_MAX, ret_data, ret_len, e) < 0)
        goto unreadable;
    if (check_sizes(o, st.st_size, *ret_len, e) == 0)
        return 0;
    free(TAKE(*ret_data));
    return -1;
unreadable:
    e->code = ERR_BAD_CONFIG;
    err_wrap(e, "%s", o->key);
    str_copy(e->key, sizeof e->key, o->key);
    return -1;
}

static int open_flash(const struct driver_handle *h, struct launch *l, bool check,
                      struct files *files, struct err *e)
{
    AUTO_FREE char *data = NULL;
    struct ovmf ovmf;
    size_t len = 0;
    int fd = -1;

    if (find_ovmf(l, &ovmf, e) < 0)
        return -1;
    int result = fs_as_begin(&l->args->user, e);
    if (result == 0) {
        result = open_ovmf(l, &ovmf, files, &data, &len, e);
        fs_as_end();
    }
    ovmf_finish(&ovmf);
    if (result < 0 || check)
        return result;
    if (open_store(h, l, data, len, &fd, e) < 0)
        return -1;
    l->variables = files_add(files, fd);
    return 0;
}

int firmware_open(const struct driver_handle *h, struct launch *l, bool check, struct files *files,
                  struct err *e)
{
    if (l->flash)
        return open_flash(h, l, check, files, e);
    if (!l->firmware_path)
        return 0;
    if (fs_as_begin(&l->args->user, e) < 0)
        return -1;
    int result = files_open_readable(h, l, "bios_path_override", l->firmware_path, check, files,
                                     &l->firmware, e);
    fs_as_end();
    return result;
}
