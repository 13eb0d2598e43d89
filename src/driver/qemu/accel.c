/* SPDX-License-Identifier: MIT */
#include "driver/qemu/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/binary.h"

enum {
    PROOF_MS = 5000,
    PROOF_SIZE = 65536,
    PROOF_PORT_VALUE = 0x2a,
    PROOF_EXIT = (PROOF_PORT_VALUE << 1) | 1, /* what isa-debug-exit makes of it */
    PROOF_FD = 3,
    CPUINFO_MAX = 4 * 1024 * 1024,
};

#define PROOF_NAME "kvm-proof"
#define KVM_DEVICE "/dev/kvm"

static const struct accel tcg = {.name = "tcg", .cpu = "max"};

/* ---- the proof ---- */

/* A firmware whose reset vector, 16 bytes before its end, is:
 *     mov $0x2a, %al; out %al, $0xf4; hlt; jmp to the hlt */
static int proof_firmware(struct err *e)
{
    static const unsigned char code[] = {0xb0, PROOF_PORT_VALUE, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd};
    AUTO_FREE unsigned char *blob = x_calloc(1, PROOF_SIZE);

    memcpy(blob + PROOF_SIZE - 16, code, sizeof code);
    AUTO_CLOSE int fd = memfd_create("kvm-proof", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a memory file");
    if (fs_write_all(fd, blob, PROOF_SIZE, "the proof's firmware", e) < 0)
        return -1;
    return TAKE_FD(fd);
}

int accel_prove(const char *binary, const char *accel, struct err *e)
{
    AUTO_CLOSE int firmware = proof_firmware(e);
    AUTO_FREE char *path = x_asprintf("/proc/self/fd/%d", PROOF_FD);
    char *argv[] = {(char *)binary,
                    "-nodefaults",
                    "-no-user-config",
                    "-display",
                    "none",
                    "-machine",
                    "pc",
                    "-m",
                    "2M",
                    "-accel",
                    (char *)accel,
                    "-bios",
                    path,
                    "-device",
                    "isa-debug-exit,iobase=0xf4,iosize=4",
                    NULL};
    AUTO_FREE char *output = NULL;
    int status;

    if (firmware < 0 || binary_run(argv, firmware, PROOF_FD, PROOF_MS, &output, &status, e) < 0)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PROOF_EXIT)
        return 0;
    AUTO_STR struct str said = {0};
    str_add_escaped(&said, output, strcspn(output, "\n"));
    return err_set(e, ERR_FAILED, "a test guest did not run%s%s", said.len ? ": " : "",
                   said.len ? said.data : "");
}

/* ---- remembered for this boot of the host ---- */

/* The file: the boot id, a blank, and "yes" or why not. Two jobs may prove at the same time; both
 * write the same. */
static bool recall(const struct driver_handle *h, char **ret_why_not)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", h->state_dir, PROOF_NAME);
    AUTO_FREE char *text = NULL;
    const char *boot = clock_boot_id();
    struct err e;
    size_t len;

    if (!boot[0] || fs_read_file(path, 4096, &text, &len, &e) < 0 || !str_starts(text, boot))
        return false;
    char *said = text + strlen(boot);
    if (*said != ' ')
        return false;
    said[strcspn(said, "\n")] = '\0';
    *ret_why_not = str_eq(said, " yes") ? NULL : x_strdup(said + 1);
    return true;
}

static void remember(const struct driver_handle *h, const char *why_not)
{
    AUTO_CLOSE int dirfd = open(h->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE char *text = x_asprintf("%s %s\n", clock_boot_id(), why_not ? why_not : "yes");
    struct err e;

    /* What cannot be remembered is proved again. */
    if (dirfd >= 0 && fs_replace(dirfd, PROOF_NAME, text, strlen(text), 0600, &e) < 0)
        return;
}

static bool cpu_has_it(void)
{
    AUTO_FREE char *text = NULL;
    struct err e;
    size_t len;

    if (fs_read_file("/proc/cpuinfo", CPUINFO_MAX, &text, &len, &e) < 0)
        return false;
    char *flags = strstr(text, "\nflags");
    if (!flags)
        return false;
    flags[1 + strcspn(flags + 1, "\n")] = '\0';
    for (char *rest = NULL, *word = strtok_r(flags, " \t:", &rest); word;
         word = strtok_r(NULL, " \t:", &rest))
        if (str_eq(word, "vmx") || str_eq(word, "svm"))
            return true;
    return false;
}

/* Why guests cannot use KVM here, owned by the caller; NULL when they can. */
static char *why_no_kvm(const struct driver_handle *h)
{
    char *why_not = NULL;
    struct err e;

    if (access(KVM_DEVICE, F_OK) < 0)
        return x_strdup("there is no " KVM_DEVICE);
    if (!cpu_has_it())
        return x_strdup("the processor shows neither vmx nor svm in /proc/cpuinfo");
    if (access(KVM_DEVICE, R_OK | W_OK) < 0)
        return x_asprintf("%s: %s", KVM_DEVICE, strerror(errno));
    if (recall(h, &why_not))
        return why_not;
    if (accel_prove(h->binary.path, "kvm", &e) < 0)
        why_not = x_strdup(e.msg);
    remember(h, why_not);
    return why_not;
}

int accel_choose(const struct driver_handle *h, enum conf_accel wanted, struct accel *ret,
                 struct err *e)
{
    *ret = tcg;
    if (wanted == CONF_ACCEL_TCG)
        return 0;
    AUTO_FREE char *why_not = why_no_kvm(h);
    struct stat st;
    if (!why_not && h->drop_rights && stat(KVM_DEVICE, &st) == 0) {
        /* The device is given to a group; a guest's process joins that and nothing else. */
        if ((st.st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP) && st.st_gid != 0) {
            ret->groups[0] = st.st_gid;
            ret->group_count = 1;
        } else if ((st.st_mode & (S_IROTH | S_IWOTH)) != (S_IROTH | S_IWOTH)) {
            why_not = x_strdup("only root may open " KVM_DEVICE "; give it to the group kvm");
        }
    }
    if (!why_not) {
        ret->name = "kvm";
        ret->cpu = "host";
        return 0;
    }
    if (wanted == CONF_ACCEL_AUTO)
        return 0;
    err_set(e, ERR_UNSUPPORTED, "reeve_accel: KVM does not work on this host: %s; \"tcg\" does",
            why_not);
    str_copy(e->key, sizeof e->key, "reeve_accel");
    return -1;
}
