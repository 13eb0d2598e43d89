/* SPDX-License-Identifier: MIT */
/* Apart from fs.c for the sake of the command line, which is linked statically where it can be:
 * glibc looks users up in shared libraries only. */
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

/* The raw calls act on this thread only; glibc's wrappers of setgroups act on the process. */
static int set_groups(size_t count, const gid_t *groups)
{
    return (int)syscall(SYS_setgroups, count, groups);
}

static bool set_fs_ids(uid_t uid, gid_t gid)
{
    setfsgid(gid);
    setfsuid(uid);
    /* Neither call reports a failure; asking with an impossible id tells what is so. */
    return (gid_t)setfsgid((gid_t)-1) == gid && (uid_t)setfsuid((uid_t)-1) == uid;
}

static _Thread_local bool acting;

int fs_as_begin(const struct fs_user *user, struct err *e)
{
    acting = false;
    if (user->uid == 0 || user->uid == geteuid())
        return 0;
    gid_t groups[NGROUPS_MAX > 256 ? 256 : NGROUPS_MAX];
    int count = (int)ARRAY_LEN(groups);
    char buf[4096];
    struct passwd pw, *found = NULL;
    getpwuid_r(user->uid, &pw, buf, sizeof buf, &found);
    if (!found || getgrouplist(found->pw_name, user->gid, groups, &count) < 0) {
        groups[0] = user->gid;
        count = 1;
    }
    acting = true;
    if (set_groups((size_t)count, groups) < 0 || !set_fs_ids(user->uid, user->gid)) {
        fs_as_end();
        return err_set(e, ERR_NOT_ALLOWED,
                       "cannot act with the rights of uid %u: the daemon is "
                       "not root",
                       user->uid);
    }
    return 0;
}

void fs_as_end(void)
{
    if (!acting)
        return;
    acting = false;
    /* The daemon itself runs with its primary group alone. */
    if (!set_fs_ids(geteuid(), getegid()) || (geteuid() == 0 && set_groups(0, NULL) < 0))
        abort();
}
