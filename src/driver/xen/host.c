/* SPDX-License-Identifier: MIT */
#include "driver/xen/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/logs.h"

/* ---- Can it work here? ---- */

static int check_dom0(struct err *e)
{
    char text[64] = "";

    AUTO_CLOSE int fd = open("/proc/xen/capabilities", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && access("/sys/hypervisor/type", F_OK) == 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "there is no /proc/xen/capabilities; in a Xen dom0, mount -t xenfs xenfs "
                       "/proc/xen makes it");
    if (fd < 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "this host does not run under Xen; --driver qemu works here");
    if (read(fd, text, sizeof text - 1) < 0)
        return err_errno(e, ERR_DRIVER_UNAVAILABLE, errno, "cannot read /proc/xen/capabilities");
    if (!strstr(text, "control_d"))
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "this host is a guest of Xen and not its dom0; --driver qemu works here");
    if (geteuid() != 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "the xen driver needs root");
    return 0;
}

static int check_xenstored(struct session *s, struct err *e)
{
    AUTO_FREE char *domid = session_read(s, 0, "domid");

    if (!domid)
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "xenstore does not know domain 0; Xen's services (xen-init-dom0) must have "
                       "been started");
    return 0;
}

static int check_version(struct session *s, struct err *e)
{
    session_begin(s);
    const libxl_version_info *xen = libxl_get_version_info(s->ctx);
    if (!xen)
        return session_result(s, ERROR_FAIL, "the hypervisor does not tell its version", e);
    AUTO_FREE char *version = x_asprintf("%d.%d", xen->xen_version_major, xen->xen_version_minor);
    if (!str_eq(version, REEVE_XEN_VERSION))
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "the hypervisor is Xen %s, and this driver is built for Xen %s", version,
                       REEVE_XEN_VERSION);
    return 0;
}

int host_probe(const struct driver_options *options, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;

    (void)options;
    if (check_dom0(e) < 0 || session_open(&s, e) < 0 || check_xenstored(&s, e) < 0)
        return -1;
    return check_version(&s, e);
}

/* ---- Handle ---- */

int host_open(const struct driver_options *options, struct driver_handle **ret, struct err *e)
{
    struct driver_handle *h = x_calloc(1, sizeof *h);

    struct err no_logs;

    (void)options;
    h->logs_fd = logs_watch(&no_logs);
    if (h->logs_fd < 0)
        log_error("the logs of device models are not bounded: %s", no_logs.msg);
    h->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->changed_fd < 0)
        err_errno(e, ERR_FAILED, errno, "cannot make an eventfd");
    else
        h->xc = hypervisor_open(e);
    h->looking = h->xc && session_open(&h->look, e) == 0;
    if (!h->looking) {
        host_close(h);
        return -1;
    }
    *ret = h;
    return 0;
}

void host_close(struct driver_handle *h)
{
    if (h->watch)
        xs_close(h->watch);
    if (h->looking)
        session_close(&h->look);
    session_close_idle();
    hypervisor_close(h->xc);
    free(h->told);
    if (h->changed_fd >= 0)
        close(h->changed_fd);
    if (h->logs_fd >= 0)
        close(h->logs_fd);
    free(h);
}

void host_changed(struct driver_handle *h)
{
    fs_raise(h->changed_fd);
}

/* ---- Domains ---- */

void host_uuid_text(const libxl_uuid *uuid, char text[IDENT_UUID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = libxl_uuid_bytearray_const(uuid);
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = digits[bytes[i] >> 4];
        text[at++] = digits[bytes[i] & 15];
    }
    text[at] = '\0';
}

static bool is_it(const libxl_dominfo *info, const struct domain_ref *ref)
{
    char uuid[IDENT_UUID_LEN + 1];

    host_uuid_text(&info->uuid, uuid);
    return !info->dying && str_eq(uuid, ref->uuid);
}

int host_find(struct session *s, const struct domain_ref *ref, libxl_dominfo *ret, struct err *e)
{
    libxl_dominfo first;
    int count, found = 0;

    session_begin(s);
    libxl_dominfo_init(&first);
    if (ref->id != 0 && libxl_domain_info(s->ctx, &first, ref->id) == 0 && is_it(&first, ref)) {
        *ret = first;
        return 1;
    }
    libxl_dominfo_dispose(&first);
    libxl_dominfo *all = libxl_list_domain(s->ctx, &count);
    if (!all)
        return session_result(s, ERROR_FAIL, "cannot ask for Xen's domains", e);
    for (int i = 0; i < count && !found; i++) {
        if (is_it(&all[i], ref)) {
            found = 1;
            libxl_dominfo_init(ret);
            libxl_dominfo_copy(s->ctx, ret, &all[i]);
        }
    }
    libxl_dominfo_list_free(all, count);
    return found;
}

int host_enter(struct session *s, const struct domain_ref *ref, libxl_dominfo *info, struct err *e)
{
    libxl_dominfo_init(info);
    if (session_open(s, e) < 0)
        return -1;
    int found = host_find(s, ref, info, e);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(e, ERR_NO_SUCH_DOMAIN, "Xen has no domain %s", ref->name);
    if (info->domid == 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "this is domain 0, in which reeved itself runs; it is only shown");
    return 0;
}

libxl_domain_type host_type(struct session *s, const libxl_dominfo *info)
{
    libxl_domain_type type;
    char path[64];
    unsigned len;

    snprintf(path, sizeof path, "/libxl/%u/type", info->domid);
    AUTO_FREE char *text = xs_read(s->xs, XBT_NULL, path, &len);
    if (!text || libxl_domain_type_from_string(text, &type) != 0)
        return info->domain_type; /* not made by libxl */
    return type;
}
