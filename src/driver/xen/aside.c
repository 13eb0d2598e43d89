/* SPDX-License-Identifier: MIT */
/* xl keeps a corpse by another name and another folder in xenstore, with its disks still open, and
 * leaves the hypervisor's own uuid and libxl's record as they are, so that two domains have one.
 * Here the uuid changes where every tool looks, in the hypervisor, and disks and interfaces are let
 * go of: the successor has the same ones. The hypervisor's uuid is the last that changes, in one
 * call: who is cut before it finds the domain under its old uuid and can do all of it again. */
#include "driver/xen/aside.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/hypervisor.h"

/* libxl's own record of a domain, kept under its uuid. */
#define RECORD "libxl-json"

/* In xenstore: the name, and the folder /vm/UUID. libxl_domain_preserve can only add to a name. */
static int become(struct session *s, uint32_t domid, const struct domain_ref *as, struct err *e)
{
    AUTO_FREE char *name = session_read(s, domid, "name");
    libxl_domain_create_info info;
    libxl_uuid uuid;

    if (libxl_uuid_from_string(&uuid, as->uuid) != 0)
        return err_set(e, ERR_FAILED, "%s is no uuid", as->uuid);
    session_begin(s);
    int rc = libxl_domain_rename(s->ctx, domid, name ? name : "", as->name);
    if (rc == 0) {
        libxl_domain_create_info_init(&info);
        info.name = x_strdup(as->name);
        rc = libxl_domain_preserve(s->ctx, domid, &info, "", uuid);
        libxl_domain_create_info_dispose(&info);
    }
    return session_result(s, rc, "cannot rename what is left of the guest", e);
}

static int drop_disks(struct session *s, uint32_t domid, const struct op *op, struct err *e)
{
    int count = 0, result = 0;
    libxl_device_disk *all = libxl_device_disk_list(s->ctx, domid, &count);

    for (int i = 0; i < count && result == 0; i++) {
        int rc = libxl_device_disk_destroy(s->ctx, domid, &all[i], session_how(s));
        result = session_await(s, rc, op, NULL, "cannot take the disks from it", NULL, e);
    }
    libxl_device_disk_list_free(all, count);
    return result;
}

static int drop_nics(struct session *s, uint32_t domid, const struct op *op, struct err *e)
{
    int count = 0, result = 0;
    libxl_device_nic *all = libxl_device_nic_list(s->ctx, domid, &count);

    for (int i = 0; i < count && result == 0; i++) {
        int rc = libxl_device_nic_destroy(s->ctx, domid, &all[i], session_how(s));
        result = session_await(s, rc, op, NULL, "cannot take the interfaces from it", NULL, e);
    }
    libxl_device_nic_list_free(all, count);
    return result;
}

static int change_uuid(uint32_t domid, const char *text, struct err *e)
{
    libxl_uuid uuid;

    if (libxl_uuid_from_string(&uuid, text) != 0)
        return err_set(e, ERR_FAILED, "%s is no uuid", text);
    return hypervisor_change_uuid(domid, libxl_uuid_bytearray(&uuid), e);
}

/* What is found by the uuid: libxl's record, and the old folder, which nobody would remove when no
 * successor comes. What is left of a guest is looked at and destroyed without, so a failure is
 * none.
 */
static void move_rest(struct session *s, uint32_t domid, const char *old_uuid,
                      const uint8_t *record, int len)
{
    AUTO_FREE char *file = x_asprintf("/var/lib/xen/userdata-d.%u.%s." RECORD, domid, old_uuid);
    AUTO_FREE char *folder = x_asprintf("/vm/%s", old_uuid);

    libxl_userdata_store(s->ctx, domid, RECORD, record, len);
    unlink(file);
    xs_rm(s->xs, XBT_NULL, folder);
}

/* As it was, with the devices in its record, from which a reset builds it. */
static void undo(struct session *s, uint32_t domid, const struct domain_ref *ref,
                 const uint8_t *record, int len, struct err *e)
{
    struct err second;

    if (len > 0)
        libxl_userdata_store(s->ctx, domid, RECORD, record, len);
    if (become(s, domid, ref, &second) < 0)
        err_set(e, e->code, "%s; and %s", e->msg, second.msg);
}

int aside_set(struct driver_handle *h, const struct domain_ref *ref, const struct domain_ref *as,
              const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    AUTO_FREE uint8_t *record = NULL;
    int len = 0;

    if (str_eq(ref->uuid, as->uuid))
        return 0; /* cut after the last step: there is nothing to finish */
    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (!info.shutdown || info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return err_set(e, ERR_WRONG_STATE, "the guest has not ended");
    int rc = libxl_userdata_retrieve(s.ctx, info.domid, RECORD, &record, &len);
    if (session_result(&s, rc, "cannot read libxl's record of the guest", e) < 0)
        return -1;
    if (become(&s, info.domid, as, e) < 0 || drop_disks(&s, info.domid, op, e) < 0 ||
        drop_nics(&s, info.domid, op, e) < 0 || change_uuid(info.domid, as->uuid, e) < 0) {
        undo(&s, info.domid, ref, record, len, e);
        return -1;
    }
    move_rest(&s, info.domid, ref->uuid, record, len);
    host_changed(h);
    return 0;
}
