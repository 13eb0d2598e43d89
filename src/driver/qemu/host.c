/* SPDX-License-Identifier: MIT */
#include "driver/qemu/host.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/observe.h"

/* The machine rows are x86's. */
#define HOST_ARCHITECTURE "x86_64"

/* Who guests' processes run as when nobody else is named, the first that there is. */
static const char *const users[] = {"reeve-qemu", "nobody"};

static bool find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    char buf[4096];
    struct passwd pw, *found = NULL;

    if (getpwnam_r(name, &pw, buf, sizeof buf, &found) != 0 || !found)
        return false;
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    return true;
}

static int choose_user(const struct driver_options *options, uid_t *ret_uid, gid_t *ret_gid,
                       struct err *e)
{
    if (options->user) {
        if (find_user(options->user, ret_uid, ret_gid))
            return 0;
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "cannot run guests as %s: there is no such user",
                       options->user);
    }
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        if (find_user(users[i], ret_uid, ret_gid))
            return 0;
    return err_set(e, ERR_DRIVER_UNAVAILABLE,
                   "cannot run guests as root, and there is no user reeve-qemu or nobody; add one "
                   "or name one in reeve.conf");
}

static int check_architecture(struct err *e)
{
    struct utsname host;

    if (uname(&host) < 0)
        return err_errno(e, ERR_DRIVER_UNAVAILABLE, errno, "cannot ask for the architecture");
    if (strcmp(host.machine, HOST_ARCHITECTURE) != 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "the QEMU driver knows machines of x86-64 only, and this host is %s",
                       host.machine);
    return 0;
}

int host_probe(const struct driver_options *options, struct err *e)
{
    struct binary binary;
    uid_t uid;
    gid_t gid;

    if (check_architecture(e) < 0 || binary_init(&binary, options, e) < 0)
        return -1;
    binary_finish(&binary);
    return geteuid() == 0 ? choose_user(options, &uid, &gid, e) : 0;
}

int host_open(const struct driver_options *options, struct driver_handle **ret, struct err *e)
{
    struct driver_handle *h = x_calloc(1, sizeof *h);

    h->dirfd = -1;
    h->dir = x_asprintf("%s/qemu", options->run_dir);
    h->state_dir = x_strdup(options->state_dir);
    h->drop_rights = geteuid() == 0;
    if (h->drop_rights && choose_user(options, &h->uid, &h->gid, e) < 0)
        goto fail;
    if (binary_init(&h->binary, options, e) < 0 || fs_make_dirs(h->dir, 0700, e) < 0)
        goto fail;
    h->dirfd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->dirfd < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", h->dir);
        goto fail;
    }
    if (observer_new(h->dir, &h->observer, e) < 0)
        goto fail;
    *ret = h;
    return 0;
fail:
    host_close(h);
    return -1;
}

void host_close(struct driver_handle *h)
{
    if (!h)
        return;
    observer_free(h->observer);
    if (h->dirfd >= 0)
        close(h->dirfd);
    binary_finish(&h->binary);
    free(h->state_dir);
    free(h->dir);
    free(h);
}
