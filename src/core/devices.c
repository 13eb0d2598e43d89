/* SPDX-License-Identifier: MIT */
/* Steps of the verbs that give a guest a device and take it away. A device is known by its name: a
 * disk by its vdev, a network interface by its MAC; its spec stands in the config. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/devices.h"
#include "core/resources.h"

static const char *kind_text(enum device_kind kind)
{
    return kind == DEVICE_DISK ? "disk" : "network interface";
}

/* ---- finding ---- */

bool devices_find(const struct conf *conf, const char *macs, enum device_kind kind,
                  const char *name, size_t *ret)
{
    AUTO_FREE char *list = x_strdup(macs);
    char *rest = NULL;

    for (size_t i = 0; kind == DEVICE_DISK && i < conf->disk_count; i++) {
        *ret = i;
        if (str_eq(conf->disks[i].vdev, name))
            return true;
    }
    char *mac = kind == DEVICE_NIC && list ? strtok_r(list, " ", &rest) : NULL;
    for (size_t i = 0; mac && i < conf->vif_count; i++) {
        *ret = i;
        if (strcasecmp(mac, name) == 0)
            return true;
        mac = strtok_r(NULL, " ", &rest);
    }
    return false;
}

/* The device of that name, as a config has it: *device borrows from j->conf, which is parsed from
 * `config`. False when it is not there or the config cannot be read. */
static bool device_of(struct job *j, const char *config, const char *macs, enum device_kind kind,
                      const struct fs_user *user, struct device *device)
{
    struct err ignored;
    size_t i;

    conf_free(TAKE(j->conf));
    if (steps_conf(j, config, &ignored) < 0 || !devices_find(j->conf, macs, kind, j->args.name, &i))
        return false;
    *device = (struct device){
        .kind = kind, .directory = record_live_directory(j->r), .user = *user, .mac = j->args.name};
    if (kind == DEVICE_DISK)
        device->disk = &j->conf->disks[i];
    else
        device->vif = &j->conf->vifs[i];
    return true;
}

/* As the guest is to have it, by the new text; as it has it, by the record. */
static bool new_device(struct job *j, enum device_kind kind, struct device *device)
{
    bool apart = j->args.live_config != NULL;
    const char *macs = apart ? j->args.live_macs : j->args.macs;

    return device_of(j, apart ? j->args.live_config : j->args.config,
                     macs ? macs : record_live_macs(j->r), kind, &j->args.user, device);
}

static bool old_device(struct job *j, enum device_kind kind, struct device *device)
{
    return device_of(j, record_live_config(j->r), record_live_macs(j->r), kind, &j->r->user,
                     device);
}

int devices_guest_has(const struct engine *g, const struct domain_ref *ref, enum device_kind kind,
                      const char *name, const struct op *op, struct err *e)
{
    struct domain_stats stats;
    bool found = false;

    if (g->driver->stats(g->handle, ref, op, &stats, e) < 0)
        return -1;
    for (size_t i = 0; kind == DEVICE_DISK && i < stats.disk_count; i++)
        found = found || str_eq(stats.disks[i].vdev, name);
    for (size_t i = 0; kind == DEVICE_NIC && i < stats.nic_count; i++)
        found = found || strcasecmp(stats.nics[i].mac, name) == 0;
    free(stats.disks);
    free(stats.nics);
    return found;
}

/* ---- attach ---- */

static int take_out(struct job *j, enum device_kind kind, const struct op *op, struct err *e)
{
    struct domain_ref ref = job_ref(j);

    return j->engine->driver->detach(j->engine->handle, &ref, kind, j->args.name, op, e);
}

static int put_in(struct job *j, const struct device *device, const struct op *op, struct err *e)
{
    struct domain_ref ref = job_ref(j);

    return j->engine->driver->attach(j->engine->handle, &ref, device, op, e);
}

static int do_attach(struct job *j, enum device_kind kind, struct err *e)
{
    struct op op = resources_op(j);
    struct device device;

    if (!new_device(j, kind, &device))
        return err_set(e, ERR_FAILED, "cannot %s %s: the new config does not have %s",
                       j->kind->name, j->r->name, j->args.name);
    if (put_in(j, &device, &op, e) < 0)
        return err_wrap(e, "cannot %s %s", j->kind->name, j->r->name);
    return 0;
}

static int undo_attach(struct job *j, enum device_kind kind, struct err *e)
{
    struct op op = op_within(RESOURCES_UNDO_MS);

    return take_out(j, kind, &op, e);
}

static int attach_disk(struct job *j, struct err *e)
{
    return do_attach(j, DEVICE_DISK, e);
}

static int unattach_disk(struct job *j, struct err *e)
{
    return undo_attach(j, DEVICE_DISK, e);
}

static int attach_nic(struct job *j, struct err *e)
{
    return do_attach(j, DEVICE_NIC, e);
}

static int unattach_nic(struct job *j, struct err *e)
{
    return undo_attach(j, DEVICE_NIC, e);
}

static json_t *intent_of(const struct job *j, enum device_kind kind, bool there)
{
    return json_pack("{s:s, s:s, s:b}", "kind", kind == DEVICE_DISK ? "disk" : "vif", "device",
                     j->args.name, "there", there);
}

/* A file that is named now is opened with the rights of who names it, and at the next boot with
 * those of who gave the config: both must do. */
static int check_new(struct job *j, struct err *e)
{
    const char *macs = j->args.macs ? j->args.macs : j->r->macs;

    if (resources_check(j, j->args.config, macs, &j->r->user, e) < 0)
        return -1;
    if (j->args.user.uid == j->r->user.uid)
        return 0;
    return resources_check(j, j->args.config, macs, &j->args.user, e);
}

static int attach(struct job *j, enum device_kind kind, struct err *e)
{
    if (check_new(j, e) < 0)
        return -1;
    if (resources_stored_only(j))
        return resources_store(j,
                               x_asprintf("attached %s %s to %s (%s)", kind_text(kind),
                                          j->args.name, j->r->name, resources_when(j)),
                               e);
    if (resources_change(j, intent_of(j, kind, true),
                         kind == DEVICE_DISK ? attach_disk : attach_nic,
                         kind == DEVICE_DISK ? unattach_disk : unattach_nic, e) < 0)
        return -1;
    j->message =
        x_asprintf("attached %s %s to %s (%s takes it out again)", kind_text(kind), j->args.name,
                   j->r->name, kind == DEVICE_DISK ? "block-detach" : "network-detach");
    return 0;
}

int devices_block_attach(struct job *j, struct err *e)
{
    return attach(j, DEVICE_DISK, e);
}

int devices_network_attach(struct job *j, struct err *e)
{
    j->details = json_pack("{s:s}", "mac", j->args.name);
    return attach(j, DEVICE_NIC, e);
}

/* ---- detach ---- */

static int do_detach(struct job *j, enum device_kind kind, struct err *e)
{
    struct op op = resources_op(j), look = op_within(RESOURCES_UNDO_MS);
    struct domain_ref ref = job_ref(j);
    struct err second;
    char phase[sizeof e->phase];

    if (take_out(j, kind, &op, e) == 0)
        return 0;
    /* It may have given it up long after an earlier detach had ended. */
    if (e->code == ERR_FAILED &&
        devices_guest_has(j->engine, &ref, kind, j->args.name, &look, &second) == 0) {
        job_warn(j, "the guest of %s had given up %s already", j->r->name, j->args.name);
        return 0;
    }
    if (e->code != ERR_TIMED_OUT)
        return err_wrap(e, "cannot %s %s", j->kind->name, j->r->name);
    str_copy(phase, sizeof phase, e->phase);
    err_set(e, ERR_TIMED_OUT,
            "cannot %s %s: its guest was asked to give up %s %s and has not; the device is still "
            "there, and in the stored config; %s again when the guest can",
            j->kind->name, j->r->name, kind_text(kind), j->args.name, j->kind->name);
    str_copy(e->phase, sizeof e->phase, phase);
    return -1;
}

static int undo_detach(struct job *j, enum device_kind kind, struct err *e)
{
    struct op op = op_within(RESOURCES_UNDO_MS);
    struct device device;

    if (!old_device(j, kind, &device))
        return err_set(e, ERR_FAILED, "the stored config has no %s", j->args.name);
    return put_in(j, &device, &op, e);
}

static int detach_disk(struct job *j, struct err *e)
{
    return do_detach(j, DEVICE_DISK, e);
}

static int undetach_disk(struct job *j, struct err *e)
{
    return undo_detach(j, DEVICE_DISK, e);
}

static int detach_nic(struct job *j, struct err *e)
{
    return do_detach(j, DEVICE_NIC, e);
}

static int undetach_nic(struct job *j, struct err *e)
{
    return undo_detach(j, DEVICE_NIC, e);
}

static int detach(struct job *j, enum device_kind kind, struct err *e)
{
    struct device device;

    if (resources_stored_only(j))
        return resources_store(j,
                               x_asprintf("detached %s %s from %s (%s)", kind_text(kind),
                                          j->args.name, j->r->name, resources_when(j)),
                               e);
    /* One that waits for the next boot is no device of the guest yet. */
    bool lives = old_device(j, kind, &device);
    conf_free(TAKE(j->conf));
    if (!lives)
        return resources_store(j,
                               x_asprintf("detached %s %s from %s (its guest did not have it yet)",
                                          kind_text(kind), j->args.name, j->r->name),
                               e);
    if (resources_change(j, intent_of(j, kind, false),
                         kind == DEVICE_DISK ? detach_disk : detach_nic,
                         kind == DEVICE_DISK ? undetach_disk : undetach_nic, e) < 0)
        return -1;
    j->message =
        x_asprintf("detached %s %s from %s (%s puts it back)", kind_text(kind), j->args.name,
                   j->r->name, kind == DEVICE_DISK ? "block-attach" : "network-attach");
    return 0;
}

int devices_block_detach(struct job *j, struct err *e)
{
    return detach(j, DEVICE_DISK, e);
}

int devices_network_detach(struct job *j, struct err *e)
{
    return detach(j, DEVICE_NIC, e);
}

/* ---- the disc in a drive ---- */

static int put_disc(struct job *j, const struct device *drive, const struct op *op, struct err *e)
{
    struct domain_ref ref = job_ref(j);

    return j->engine->driver->medium(j->engine->handle, &ref, drive->disk, drive->directory,
                                     &drive->user, op, e);
}

static int do_medium(struct job *j, struct err *e)
{
    struct op op = resources_op(j);
    struct device drive;

    if (!new_device(j, DEVICE_DISK, &drive))
        return err_set(e, ERR_FAILED, "cannot %s %s: its guest has no drive %s yet", j->kind->name,
                       j->r->name, j->args.name);
    if (put_disc(j, &drive, &op, e) < 0)
        return err_wrap(e, "cannot %s %s", j->kind->name, j->r->name);
    return 0;
}

static int undo_medium(struct job *j, struct err *e)
{
    struct op op = op_within(RESOURCES_UNDO_MS);
    struct device drive;

    if (!old_device(j, DEVICE_DISK, &drive))
        return err_set(e, ERR_FAILED, "the stored config has no %s", j->args.name);
    return put_disc(j, &drive, &op, e);
}

static int change_disc(struct job *j, const char *done, const char *counterpart, struct err *e)
{
    AUTO_FREE char *what = x_asprintf("%s %s of %s", done, j->args.name, j->r->name);

    if (!j->engine->driver->medium && !resources_stored_only(j))
        return err_set(e, ERR_UNSUPPORTED,
                       "cannot %s %s: the %s driver cannot change discs; --next-boot stores it",
                       j->kind->name, j->r->name, j->engine->driver->name);
    if (resources_stored_only(j))
        return resources_store(j, x_asprintf("%s (%s)", what, resources_when(j)), e);
    if (resources_change(j, json_pack("{s:s}", "medium", j->args.name), do_medium, undo_medium, e) <
        0)
        return -1;
    j->message = x_asprintf("%s (%s)", what, counterpart);
    return 0;
}

int devices_cd_insert(struct job *j, struct err *e)
{
    if (check_new(j, e) < 0)
        return -1;
    return change_disc(j, "put the disc into", "cd-eject takes it out", e);
}

int devices_cd_eject(struct job *j, struct err *e)
{
    return change_disc(j, "took the disc out of", "cd-insert puts one in", e);
}
