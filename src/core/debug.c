/* SPDX-License-Identifier: MIT */
/* Steps of the verbs that look into a guest or press its keys: dump-core, sysrq, trigger. The guest
 * goes on as it was, as far as it does not mind being pressed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cores.h"
#include "core/job.h"

enum { QUICK_MS = 15 * 1000 };

/* ---- dump-core ---- */

/* A core in a file of the user's, opened with the user's rights. */
struct user_core {
    char *dir;        /* owned */
    const char *name; /* borrowed */
    char *part;    /* owned; its name until it is whole, as remove_temporaries of recover.c knows */
    int dirfd, fd; /* owned */
};

static int create(struct user_core *core, const char *path, struct err *e)
{
    char uuid[IDENT_UUID_LEN + 1];
    struct stat st;

    ident_uuid_draw(uuid);
    core->part = x_asprintf(".%s.%.8s.part", core->name, uuid);
    core->dirfd = open(core->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (core->dirfd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot use the folder %s", core->dir);
    if (core->name[0] == '\0' || fstatat(core->dirfd, core->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, ERR_EXISTS, "%s is there already", path);
    core->fd = openat(core->dirfd, core->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return core->fd < 0 ? err_errno(e, ERR_FAILED, errno, "cannot make a file in %s", core->dir)
                        : 0;
}

static int user_core_open(struct user_core *core, const char *path, const struct fs_user *user,
                          struct err *e)
{
    *core = (struct user_core){.dirfd = -1, .fd = -1};
    core->name = fs_split(path, &core->dir);
    if (fs_as_begin(user, e) < 0)
        return -1;
    int result = create(core, path, e);
    fs_as_end();
    return result;
}

/* Durable under its name, where nothing has come meanwhile. */
static int user_core_keep(struct user_core *core, const char *path, const struct fs_user *user,
                          struct err *e)
{
    if (fsync(core->fd) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", path);
    if (fs_as_begin(user, e) < 0)
        return -1;
    bool renamed =
        renameat2(core->dirfd, core->part, core->dirfd, core->name, RENAME_NOREPLACE) == 0;
    int failed = errno;
    fs_as_end();
    if (!renamed)
        return err_errno(e, failed == EEXIST ? ERR_EXISTS : ERR_FAILED, failed,
                         "cannot give the core the name %s", path);
    free(TAKE(core->part));
    return fs_sync_dir(core->dirfd, core->dir, e);
}

static void user_core_finish(struct user_core *core, const struct fs_user *user)
{
    struct err ignored;

    if (core->fd >= 0 && core->part && fs_as_begin(user, &ignored) == 0) {
        unlinkat(core->dirfd, core->part, 0);
        fs_as_end();
    }
    if (core->fd >= 0)
        close(core->fd);
    if (core->dirfd >= 0)
        close(core->dirfd);
    free(core->part);
    free(core->dir);
}

static int dump(struct job *j, int fd, struct err *e)
{
    struct domain_ref ref = job_ref(j);

    job_phase(j, "dumping");
    if (j->engine->driver->dump_core(j->engine->handle, &ref, fd, &j->op, e) < 0)
        return -1;
    return fault_point("core.written", e);
}

static void say(struct job *j, const char *path)
{
    struct stat st = {0};

    if (stat(path, &st) < 0)
        st.st_size = 0; /* somebody was quick */
    j->message = x_asprintf("dumped the core of %s to %s (it goes on as it was)", j->r->name, path);
    j->details = json_pack("{s:s, s:I}", "file", path, "size_bytes", (json_int_t)st.st_size);
}

static int dump_to_user(struct job *j, struct err *e)
{
    const char *path = j->args.file;
    struct user_core core;

    int result = user_core_open(&core, path, &j->args.user, e);
    if (result == 0)
        result = dump(j, core.fd, e);
    if (result == 0)
        result = user_core_keep(&core, path, &j->args.user, e);
    if (result == 0)
        say(j, path);
    user_core_finish(&core, &j->args.user);
    return result;
}

int debug_dump_core(struct job *j, struct err *e)
{
    struct core_file core;
    int result;

    if (j->obs.state == OBS_RUNNING || j->obs.state == OBS_PAUSED)
        j->r->state = j->obs.state == OBS_PAUSED ? ST_PAUSED : ST_RUNNING;
    /* On record before it is made, so that the next start finds a part of it, and how the guest
     * was. */
    if (job_commit(j, "dumping", j->args.file, e) < 0)
        return -1;
    if (j->args.file)
        result = dump_to_user(j, e);
    else if (cores_open(j->engine->state_dir, j->r->name, j->obs.max_memory_kib * 1024, &core, e) <
             0)
        result = -1;
    else {
        result = dump(j, core.fd, e);
        if (result == 0)
            result = cores_keep(&core, e);
        if (result == 0)
            say(j, core.path);
        cores_finish(&core);
    }
    return result < 0 ? err_wrap(e, "cannot dump-core %s", j->r->name) : 0;
}

/* ---- keys and events ---- */

int debug_sysrq(struct job *j, struct err *e)
{
    struct op op = op_narrow(&j->op, QUICK_MS);
    struct domain_ref ref = job_ref(j);

    if (j->engine->driver->sysrq(j->engine->handle, &ref, j->args.name[0], &op, e) < 0)
        return err_wrap(e, "cannot sysrq %s", j->r->name);
    j->message = x_asprintf("pressed SysRq %s on %s (its console shows what came of it)",
                            j->args.name, j->r->name);
    return 0;
}

int debug_trigger(struct job *j, struct err *e)
{
    struct op op = op_narrow(&j->op, QUICK_MS);
    struct domain_ref ref = job_ref(j);

    if (j->engine->driver->trigger(j->engine->handle, &ref, j->args.name, j->args.vcpu, &op, e) < 0)
        return err_wrap(e, "cannot trigger %s", j->r->name);
    j->message =
        x_asprintf("sent %s to %s (its console shows what came of it)", j->args.name, j->r->name);
    return 0;
}
