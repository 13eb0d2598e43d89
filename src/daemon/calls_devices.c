/* SPDX-License-Identifier: MIT */
/* Disks, discs and network interfaces that come and go: specs of the request become items of the
 * config. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/devices.h"
#include "daemon/daemon.h"

static void refuse(struct request *r, const struct domain *dom, struct job_args *args,
                   const struct err *e)
{
    job_args_finish(args);
    request_fail(r, e, json_pack("{s:s}", "domain", dom->r->name));
}

/* One spec as a config of its own. */
static int read_spec(const struct daemon *d, const struct domain *dom, const char *key,
                     const char *spec, struct conf **ret, struct err *e)
{
    AUTO_FREE char *text = NULL;

    if (conf_item_add("", dom->r->name, key, spec, &text, e) < 0)
        return -1;
    if (calls_parse(d, dom, text, ret, e) == 0)
        return 0;
    /* The place is of a text that nobody has written. */
    const char *said = strstr(e->msg, ": ");
    AUTO_FREE char *rest = x_strdup(said ? said + 2 : e->msg);
    return err_set(e, e->code, "%s", rest);
}

/* ---- attach ---- */

static int edit_attach(const struct daemon *d, const struct domain *dom,
                       const struct job_args *args, enum device_kind kind, struct edited *edited,
                       struct err *e)
{
    struct conf *conf = NULL;
    size_t i;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    bool there = devices_find(conf, edited->macs, kind, args->name, &i);
    conf_free(conf);
    if (there)
        return err_set(e, ERR_EXISTS, "%s has a %s %s already", dom->r->name,
                       kind == DEVICE_DISK ? "disk" : "network interface", args->name);
    if (conf_item_add(edited->text, dom->r->name, kind == DEVICE_DISK ? "disk" : "vif", args->spec,
                      &edited->new_text, e) < 0 ||
        calls_parse(d, dom, edited->new_text, &conf, e) < 0)
        return -1;
    conf_free(conf);
    if (kind == DEVICE_NIC)
        edited->new_macs =
            x_asprintf("%s%s%s", edited->macs, edited->macs[0] ? " " : "", args->name);
    return 0;
}

static int edit_disk_attach(const struct daemon *d, const struct domain *dom,
                            const struct job_args *args, struct edited *edited, struct err *e)
{
    return edit_attach(d, dom, args, DEVICE_DISK, edited, e);
}

static int edit_nic_attach(const struct daemon *d, const struct domain *dom,
                           const struct job_args *args, struct edited *edited, struct err *e)
{
    return edit_attach(d, dom, args, DEVICE_NIC, edited, e);
}

/* The target is relative to the folder of who asks, not to the config's. */
static void make_absolute(struct conf_disk *disk, const char *directory)
{
    if (disk->target && !disk->script)
        x_replace(&disk->target, fs_join(directory, disk->target));
}

void call_block_attach(struct daemon *d, struct request *r)
{
    const char *directory = json_get_string(r->args, "directory", "");
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    struct conf *conf = NULL;
    struct err e;

    if (!dom)
        return;
    int result = read_spec(d, dom, "disk", json_get_string(r->args, "spec", ""), &conf, &e);
    if (result < 0) {
        refuse(r, dom, &args, &e);
        return;
    }
    make_absolute(&conf->disks[0], directory);
    args.name = x_strdup(conf->disks[0].vdev);
    args.spec = conf_disk_text(conf, 0);
    conf_free(conf);
    calls_change(d, r, dom, edit_disk_attach, &args);
}

void call_network_attach(struct daemon *d, struct request *r)
{
    const char *prefix = str_eq(d->engine.driver->name, "xen") ? "00:16:3e" : "52:54:00";
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    struct conf *conf = NULL;
    struct err e;

    if (!dom)
        return;
    if (read_spec(d, dom, "vif", json_get_string(r->args, "spec", ""), &conf, &e) < 0) {
        refuse(r, dom, &args, &e);
        return;
    }
    if (!conf->vifs[0].mac[0])
        ident_mac_draw(prefix, conf->vifs[0].mac);
    args.name = x_strdup(conf->vifs[0].mac);
    args.spec = conf_vif_text(conf, 0);
    conf_free(conf);
    calls_change(d, r, dom, edit_nic_attach, &args);
}

/* ---- detach ---- */

/* The MACs without the one of that index. Owned by the caller. */
static char *macs_without(const char *macs, size_t index)
{
    AUTO_FREE char *list = x_strdup(macs);
    AUTO_STR struct str left = {0};
    char *rest = NULL, *mac = strtok_r(list, " ", &rest);

    str_add(&left, "");
    for (size_t i = 0; mac; mac = strtok_r(NULL, " ", &rest), i++)
        if (i != index)
            str_addf(&left, "%s%s", left.len ? " " : "", mac);
    return str_take(&left);
}

/* A text that does not have it stays as it is: the other one has it (call_detach). */
static int edit_detach(const struct daemon *d, const struct domain *dom,
                       const struct job_args *args, enum device_kind kind, struct edited *edited,
                       struct err *e)
{
    struct conf *conf = NULL;
    size_t i;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    bool there = devices_find(conf, edited->macs, kind, args->name, &i);
    conf_free(conf);
    if (!there) {
        edited->new_text = x_strdup(edited->text);
        return 0;
    }
    if (conf_item_set(edited->text, dom->r->name, kind == DEVICE_DISK ? "disk" : "vif", i, NULL,
                      &edited->new_text, e) < 0)
        return -1;
    if (kind == DEVICE_NIC)
        edited->new_macs = macs_without(edited->macs, i);
    return 0;
}

static int edit_disk_detach(const struct daemon *d, const struct domain *dom,
                            const struct job_args *args, struct edited *edited, struct err *e)
{
    return edit_detach(d, dom, args, DEVICE_DISK, edited, e);
}

static int edit_nic_detach(const struct daemon *d, const struct domain *dom,
                           const struct job_args *args, struct edited *edited, struct err *e)
{
    return edit_detach(d, dom, args, DEVICE_NIC, edited, e);
}

/* The name that a word means in one text: itself, or for an interface its number. NULL when that
 * text has none; owned by the caller. */
static char *name_in(const struct daemon *d, const struct domain *dom, enum device_kind kind,
                     const char *word, const char *text, const char *macs)
{
    bool number = word[0] && strspn(word, "0123456789") == strlen(word) && strlen(word) < 4;
    AUTO_FREE char *list = x_strdup(macs);
    char *rest = NULL, *mac = list ? strtok_r(list, " ", &rest) : NULL;
    struct conf *conf = NULL;
    struct err ignored;
    size_t i;

    if (!text || calls_parse(d, dom, text, &conf, &ignored) < 0)
        return NULL;
    bool there = devices_find(conf, macs, kind, word, &i);
    if (!there && kind == DEVICE_NIC && number) {
        i = strtoul(word, NULL, 10);
        there = i < conf->vif_count;
    }
    conf_free(conf);
    for (size_t n = 0; there && kind == DEVICE_NIC && n < i && mac; n++)
        mac = strtok_r(NULL, " ", &rest);
    return !there ? NULL : x_strdup(kind == DEVICE_DISK ? word : mac);
}

void call_detach(struct daemon *d, struct request *r)
{
    enum device_kind kind = str_eq(r->name, "block-detach") ? DEVICE_DISK : DEVICE_NIC;
    const char *word = json_get_string(r->args, "device", "");
    bool next_boot = json_get_bool(r->args, "next_boot", false);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};
    struct err e;

    if (!dom)
        return;
    /* A number is that of the list, which shows what the guest has first. */
    if (dom->seen && !next_boot)
        args.name =
            name_in(d, dom, kind, word, record_live_config(dom->r), record_live_macs(dom->r));
    if (!args.name)
        args.name = name_in(d, dom, kind, word, dom->r->config, dom->r->macs);
    if (args.name) {
        calls_change(d, r, dom, kind == DEVICE_DISK ? edit_disk_detach : edit_nic_detach, &args);
        return;
    }
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, word, strlen(word) < 80 ? strlen(word) : 80);
    err_set(&e, ERR_BAD_REQUEST, "cannot %s %s: it has no %s \"%s\"%s; %s shows those there are",
            r->name, dom->r->name, kind == DEVICE_DISK ? "disk" : "network interface",
            shown.data ? shown.data : "", next_boot ? " in its stored config" : "",
            kind == DEVICE_DISK ? "block-list" : "network-list");
    refuse(r, dom, &args, &e);
}

/* ---- the disc in a drive ---- */

static int edit_disc(const struct daemon *d, const struct domain *dom, const struct job_args *args,
                     struct edited *edited, struct err *e)
{
    struct conf *conf = NULL;
    size_t i;

    if (calls_parse(d, dom, edited->text, &conf, e) < 0)
        return -1;
    if (!devices_find(conf, edited->macs, DEVICE_DISK, args->name, &i) || !conf->disks[i].cdrom) {
        conf_free(conf);
        return err_set(e, ERR_BAD_REQUEST,
                       "%s has no cdrom drive %.40s; block-list shows what it has", dom->r->name,
                       args->name);
    }
    struct conf_disk *drive = &conf->disks[i];
    x_replace(&drive->target, x_strdup(args->spec));
    drive->format = CONF_RAW;
    AUTO_FREE char *item = conf_disk_text(conf, i);
    conf_free(conf);
    if (conf_item_set(edited->text, dom->r->name, "disk", i, item, &edited->new_text, e) < 0 ||
        calls_parse(d, dom, edited->new_text, &conf, e) < 0)
        return -1;
    conf_free(conf);
    return 0;
}

void call_cd(struct daemon *d, struct request *r)
{
    const char *file = json_get_string(r->args, "file", NULL);
    struct domain *dom = calls_domain(d, r);
    struct job_args args = {0};

    if (!dom)
        return;
    args.name = x_strdup(json_get_string(r->args, "device", ""));
    args.spec = x_strdup(file);
    calls_change(d, r, dom, edit_disc, &args);
}

/* ---- lists ---- */

/* One text's devices of a kind. */
struct listed {
    struct conf *conf; /* owned; NULL: none */
    char *macs;        /* owned */
    size_t count;
};

static struct listed listed_of(const struct daemon *d, const struct domain *dom, bool disks,
                               const char *text, const char *macs)
{
    struct listed l = {0};
    struct err ignored; /* a config that cannot be read makes the domain broken, and show says so */

    if (text && calls_parse(d, dom, text, &l.conf, &ignored) == 0) {
        l.macs = x_strdup(macs);
        l.count = disks ? l.conf->disk_count : l.conf->vif_count;
    }
    return l;
}

static void listed_finish(struct listed *l)
{
    conf_free(l->conf);
    free(l->macs);
}

static json_t *disk_json(const struct listed *l, size_t i)
{
    static const char *const formats[] = {
        [CONF_RAW] = "raw", [CONF_QCOW2] = "qcow2", [CONF_QCOW] = "qcow",
        [CONF_VHD] = "vhd", [CONF_QED] = "qed",
    };
    const struct conf_disk *disk = &l->conf->disks[i];
    json_t *json = json_object();

    json_set_string(json, "vdev", disk->vdev);
    json_object_set_new(json, "target", json_text(disk->target));
    json_set_string(json, "format", formats[disk->format]);
    json_set_bool(json, "read_only", disk->read_only);
    json_set_bool(json, "cdrom", disk->cdrom);
    return json;
}

static json_t *vif_json(const struct listed *l, size_t i)
{
    const struct conf_vif *vif = &l->conf->vifs[i];
    AUTO_FREE char *list = x_strdup(l->macs);
    char *rest = NULL, *mac = strtok_r(list, " ", &rest);
    json_t *json = json_object();

    for (size_t n = 0; n < i && mac; n++)
        mac = strtok_r(NULL, " ", &rest);
    json_set_string(json, "mac", mac ? mac : vif->mac);
    json_object_set_new(json, "bridge", json_text(vif->bridge));
    json_set_string(json, "model", vif->model[0] ? vif->model : "virtio");
    return json;
}

/* Puts the devices of `from` behind those that are there; the same device is one row. */
static void add_rows(json_t *rows, const struct domain *dom, const struct listed *from, bool disks,
                     const char *mark)
{
    size_t k;
    json_t *row;

    for (size_t i = 0; i < from->count; i++) {
        AUTO_JSON json_t *device = disks ? disk_json(from, i) : vif_json(from, i);
        bool known = false;
        json_array_foreach(rows, k, row)
        {
            AUTO_JSON json_t *same = json_object();
            const char *key;
            json_t *value;
            json_object_foreach(device, key, value)
                json_object_set(same, key, json_object_get(row, key));
            if (json_equal(same, device)) {
                json_set_bool(row, mark, true);
                known = true;
            }
        }
        if (known)
            continue;
        row = json_object();
        json_set_string(row, "domain", dom->r->name);
        json_set_int(row, "index", (int64_t)i);
        json_set_bool(row, "now", false);
        json_set_bool(row, "next_boot", false);
        json_set_bool(row, mark, true);
        json_object_update(row, device);
        json_array_append_new(rows, row);
    }
}

static void list_devices(struct daemon *d, struct request *r, bool disks, const char *key)
{
    struct domain *dom = calls_domain(d, r);

    if (!dom)
        return;
    json_t *rows = json_array();
    struct listed live = listed_of(d, dom, disks, dom->seen ? record_live_config(dom->r) : NULL,
                                   record_live_macs(dom->r));
    struct listed stored = listed_of(d, dom, disks, dom->r->config, dom->r->macs);
    add_rows(rows, dom, &live, disks, "now");
    add_rows(rows, dom, &stored, disks, "next_boot");
    listed_finish(&live);
    listed_finish(&stored);
    request_return(r, json_pack("{s:o}", key, rows));
}

void call_block_list(struct daemon *d, struct request *r)
{
    list_devices(d, r, true, "disks");
}

void call_network_list(struct daemon *d, struct request *r)
{
    list_devices(d, r, false, "vifs");
}
