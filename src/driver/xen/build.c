/* SPDX-License-Identifier: MIT */
#include "driver/xen/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/config.h"
#include "driver/xen/host_config.h"
#include "driver/xen/logs.h"
#include "driver/xen/observe.h"
#include "driver/xen/relay.h"
#include "driver/xen/remains.h"
#include "driver/xen/room.h"
#include "driver/xen/save.h"

/* How long what was built in part may take to go. */
enum { UNDO_MS = 60 * 1000 };

/* ---- Checks ---- */

static int check_file(const char *key, const char *directory, const char *path, bool device_too,
                      struct err *e)
{
    AUTO_FREE char *full = fs_join(directory, path);
    AUTO_CLOSE int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        err_errno(e, ERR_BAD_CONFIG, errno, "%s: cannot open %s", key, full);
    else if (fstat(fd, &st) < 0)
        err_errno(e, ERR_BAD_CONFIG, errno, "%s: cannot look at %s", key, full);
    else if (!S_ISREG(st.st_mode) && !(device_too && S_ISBLK(st.st_mode)))
        err_set(e, ERR_BAD_CONFIG, "%s: %s is not a file%s", key, full,
                device_too ? " and not a block device" : "");
    else
        return 0;
    str_copy(e->key, sizeof e->key, key);
    return -1;
}

/* The caller has the user's rights. What a script or another domain serves is no path of this one.
 */
static int check_target(const struct conf_disk *disk, const char *directory, struct err *e)
{
    if (!disk->target || disk->script || disk->backend)
        return 0;
    return check_file("disk", directory, disk->target, true, e);
}

int build_check_disk(const struct conf_disk *disk, const char *directory,
                     const struct fs_user *user, struct err *e)
{
    if (fs_as_begin(user, e) < 0)
        return -1;
    int result = check_target(disk, directory, e);
    fs_as_end();
    return result;
}

/* The files that libxl is to open as root must be ones that the user could open. */
static int check_files(const struct create_args *args, struct err *e)
{
    const struct conf *conf = args->conf;
    int result = 0;

    if (fs_as_begin(&args->user, e) < 0)
        return -1;
    if (conf->kernel)
        result = check_file("kernel", args->directory, conf->kernel, false, e);
    if (result == 0 && conf->ramdisk)
        result = check_file("ramdisk", args->directory, conf->ramdisk, false, e);
    for (size_t i = 0; result == 0 && i < conf->disk_count; i++)
        result = check_target(&conf->disks[i], args->directory, e);
    fs_as_end();
    return result;
}

int build_translate(struct session *s, const struct create_args *args, libxl_domain_config *config,
                    struct err *e)
{
    struct host_config host;

    if (host_config_read(s->ctx, &host, e) < 0)
        return -1;
    const struct config_args in = {.conf = args->conf,
                                   .host = &host,
                                   .uuid = args->ref.uuid,
                                   .macs = args->macs,
                                   .directory = args->directory};
    int result = xen_config(&in, config, e);
    host_config_finish(&host);
    if (result == 0) {
        /* The record's name may have changed since the text was written. */
        x_replace(&config->c_info.name, x_strdup(args->ref.name));
    }
    return result;
}

int build_check(struct driver_handle *h, const struct create_args *args, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    libxl_domain_config config;

    (void)h;
    if (check_files(args, e) < 0 || session_open(&s, e) < 0 ||
        build_translate(&s, args, &config, e) < 0)
        return -1;
    libxl_domain_config_dispose(&config);
    return 0;
}

/* libxl sees to the name alone; a second domain of one uuid would take the first one's folder in
 * xenstore. */
static int check_free(struct session *s, const struct domain_ref *ref, struct err *e)
{
    AUTO_DOMINFO libxl_dominfo info = {0};
    const struct domain_ref any = {.id = 0};
    struct domain_ref by_uuid = any;
    uint32_t domid;

    str_copy(by_uuid.uuid, sizeof by_uuid.uuid, ref->uuid);
    libxl_dominfo_init(&info);
    int found = host_find(s, &by_uuid, &info, e);
    if (found < 0)
        return -1;
    if (found)
        return err_set(e, ERR_EXISTS, "Xen has a domain of uuid %s already, with id %u", ref->uuid,
                       info.domid);
    if (libxl_name_to_domid(s->ctx, ref->name, &domid) == 0)
        return err_set(e, ERR_EXISTS, "Xen has a domain with the name %s already, with id %u",
                       ref->name, domid);
    return 0;
}

/* ---- Building ---- */

/* Another tool can have made a domain of that uuid since we looked; ours has not run yet, and libxl
 * has a record of it only when it is whole, or after an abort, when it leaves it there. */
static bool is_ours(struct session *s, uint32_t domid, bool aborted, const libxl_dominfo *info)
{
    AUTO_FREE uint8_t *record = NULL;
    int len = 0;

    if (info->domid == domid)
        return true;
    if (!info->paused || info->cpu_time != 0)
        return false;
    if (aborted)
        return true;
    return libxl_userdata_retrieve(s->ctx, info->domid, "libxl-json", &record, &len) == 0 &&
           len == 0;
}

/* libxl removes what it could not build, but not after an abort, not when it fails in that, and
 * not what another tool has destroyed by then. */
static void unmake(struct session *s, uint32_t domid, const char *uuid, bool aborted, struct err *e)
{
    struct op op = op_within(UNDO_MS);
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct domain_ref ref = {.id = domid};
    struct err second;

    str_copy(ref.uuid, sizeof ref.uuid, uuid);
    libxl_dominfo_init(&info);
    int left = host_find(s, &ref, &info, &second);
    if (left > 0 && is_ours(s, domid, aborted, &info)) {
        int rc = libxl_domain_destroy(s->ctx, info.domid, session_how(s));
        left = session_await(s, rc, &op, NULL, "cannot destroy it", NULL, &second);
    }
    if (left < 0)
        err_set(e, e->code, "%s; and what was built could not be removed: %s", e->msg, second.msg);
    remains_remove(s, &ref, e);
}

/* relay: where a saved state comes from; NULL for a new guest. */
static int build(struct session *s, libxl_domain_config *config, struct relay *relay,
                 const struct op *op, uint32_t *ret_domid, struct err *e)
{
    AUTO_ROOM struct room room = {.lock_fd = -1};
    libxl_domain_restore_params params;
    uint64_t need_kib = 0;
    uint32_t domid = NO_DOMID;

    session_begin(s);
    int rc = libxl_domain_need_memory(s->ctx, config, NO_DOMID, &need_kib);
    if (session_result(s, rc, "cannot tell how much memory the guest needs", e) < 0 ||
        room_make(s, NO_DOMID, need_kib, op, &room, e) < 0)
        return -1;
    /* The wait for xl's lock was for a tool that made a domain: perhaps this one. */
    struct domain_ref ref = {0};
    host_uuid_text(&config->c_info.uuid, ref.uuid);
    str_copy(ref.name, sizeof ref.name, config->c_info.name);
    if (room.lock_fd >= 0 && check_free(s, &ref, e) < 0)
        return -1;
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    struct session_beside beside = {.count = 0};
    if (relay) {
        beside = relay_beside(relay);
        rc = libxl_domain_create_restore(s->ctx, config, &domid, relay->fd, -1, &params,
                                         session_how(s), NULL);
    } else {
        rc = libxl_domain_create_new(s->ctx, config, &domid, session_how(s), NULL);
    }
    int result = session_await(s, rc, op, relay ? &beside : NULL,
                               relay ? "cannot load the guest" : "cannot build the guest", &rc, e);
    libxl_domain_restore_params_dispose(&params);
    *ret_domid = domid;
    if (result == 0)
        return 0;
    unmake(s, domid, ref.uuid, rc == ERROR_ABORTED, e);
    /* libxl waits for the terminal that xenconsoled makes, and names that alone. */
    if (strstr(e->msg, "console tty: timed out"))
        return err_set(e, ERR_TIMED_OUT, "%s; is xenconsoled running?", e->msg);
    if (e->code == ERR_FAILED || e->code == ERR_NO_SPACE)
        room_explain(s, need_kib, e);
    return -1;
}

int build_new(struct session *s, libxl_domain_config *config, const struct op *op,
              uint32_t *ret_domid, struct err *e)
{
    return build(s, config, NULL, op, ret_domid, e);
}

/* stream_fd -1: a new guest. */
static int make(struct session *s, const struct create_args *args, int stream_fd,
                libxl_domain_config *config, const struct op *op, struct observation *ret,
                struct err *e)
{
    struct relay relay = {.fd = -1, .in = -1, .out = -1};
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct domain_ref ref = args->ref;
    uint32_t domid = NO_DOMID;
    int result = 0;

    if (stream_fd >= 0 && save_check_platform(s, args->platform, config->c_info.type, e) < 0)
        return -1;
    if (stream_fd >= 0)
        result = relay_open_load(&relay, stream_fd, config->b_info.target_memkb * 1024, op, e);
    if (result == 0)
        result = build(s, config, stream_fd >= 0 ? &relay : NULL, op, &domid, e);
    if (result == 0 && stream_fd >= 0 && (result = relay_drain(&relay, e)) < 0)
        unmake(s, domid, ref.uuid, false, e);
    relay_finish(&relay);
    if (result < 0)
        return -1;
    libxl_dominfo_init(&info);
    ref.id = domid;
    int found = host_find(s, &ref, &info, e);
    if (found <= 0)
        return found < 0 ? -1 : err_set(e, ERR_FAILED, "the guest died as soon as it was built");
    logs_mark(s, domid, ref.name);
    observe_fill(s, &info, ret);
    return 0;
}

static int enter_and_make(struct driver_handle *h, const struct create_args *args, int stream_fd,
                          const struct op *op, struct observation *ret, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    libxl_domain_config config;

    if (check_files(args, e) < 0 || session_open(&s, e) < 0 || check_free(&s, &args->ref, e) < 0 ||
        build_translate(&s, args, &config, e) < 0)
        return -1;
    int result = make(&s, args, stream_fd, &config, op, ret, e);
    libxl_domain_config_dispose(&config);
    host_changed(h);
    return result;
}

int build_create(struct driver_handle *h, const struct create_args *args, const struct op *op,
                 struct observation *ret, struct err *e)
{
    return enter_and_make(h, args, -1, op, ret, e);
}

int build_restore(struct driver_handle *h, const struct create_args *args, int stream_fd,
                  const struct op *op, struct observation *ret, struct err *e)
{
    return enter_and_make(h, args, stream_fd, op, ret, e);
}
