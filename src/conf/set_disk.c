/* SPDX-License-Identifier: MIT */
/* disk: xl-disk-configuration(5). Positional parameters fill target, format, vdev and access in
 * that order, whichever of them are still open. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/spec.h"

enum { DISKS_MAX = 64, TARGET_MAX = 4095 };

struct disk_draft {
    struct conf_disk disk;
    bool has_target, has_format, has_vdev, has_access;
    bool prefixed; /* an old "phy:" or "file:" stands before the target and takes format's place */
    bool empty;    /* format=empty */
    bool writable; /* said so */
};

static int set_target(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    size_t len = strlen(value);

    if (draft->disk.target)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the target is given twice");
    if (len > TARGET_MAX)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "the target is %zu bytes long; at most %d", len, TARGET_MAX);
    draft->has_target = true;
    draft->disk.target = len ? x_strdup(value) : NULL;
    return 0;
}

static int set_format(struct spec *spec, const char *value, struct err *e)
{
    static const char *const others[] = {"qcow", "vhd", "qed", "vmdk", "vdi", "vhdx"};
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];

    if (draft->has_format)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the format is given twice");
    draft->has_format = true;
    if (*value == '\0' || str_eq(value, "raw"))
        return 0;
    draft->disk.format = CONF_QCOW2;
    if (str_eq(value, "qcow2"))
        return 0;
    draft->disk.format = CONF_RAW;
    draft->empty = str_eq(value, "empty");
    if (draft->empty)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_eq(value, others[i]))
            return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED,
                              "format %s is not supported; raw and qcow2 are", value);
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is not a format, which is raw or qcow2; the order is "
                      "target,format,vdev,access",
                      place_show(value, shown));
}

/* The number of a drive from its letters: a is 0, z is 25, aa is 26. -1 when it is not one. */
static int drive_index(const char *letters)
{
    int index = 0;

    if (!*letters || strlen(letters) > 2)
        return -1;
    for (; *letters; letters++) {
        if (*letters < 'a' || *letters > 'z')
            return -1;
        index = index * 26 + (*letters - 'a') + 1;
    }
    return index - 1;
}

static int check_vdev(struct spec *spec, const char *value, struct err *e)
{
    static const char *const kinds[] = {"xvd", "vd", "hd", "sd"};
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];
    int index = -1;

    for (size_t i = 0; i < ARRAY_LEN(kinds) && index < 0; i++)
        if (str_starts(value, kinds[i]))
            index = drive_index(value + strlen(kinds[i]));
    if (index >= 0) {
        draft->disk.index = (unsigned)index;
        str_copy(draft->disk.vdev, sizeof draft->disk.vdev, value);
        return 0;
    }
    size_t len = strlen(value);
    if (len > 0 && isdigit((unsigned char)value[len - 1]))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a whole drive; vdev is xvda, vda, hda, sda and so on",
                          place_show(value, shown));
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is not a drive; vdev is xvda, vda, hda, sda and so on",
                      place_show(value, shown));
}

/* Also the old VDEV:cdrom. */
static int set_vdev(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    AUTO_FREE char *vdev = x_strdup(value);
    char shown[PLACE_SHOWN];
    char *colon = strchr(vdev, ':');

    if (draft->has_vdev)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the vdev is given twice");
    draft->has_vdev = true;
    if (colon) {
        *colon = '\0';
        if (str_eq(colon + 1, "cdrom"))
            draft->disk.cdrom = true;
        else if (!str_eq(colon + 1, "disk"))
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "%s is not a kind of device; cdrom and disk are",
                              place_show(colon + 1, shown));
    }
    return check_vdev(spec, vdev, e);
}

static int set_access(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];

    if (draft->has_access)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the access is given twice");
    draft->has_access = true;
    draft->writable = str_eq(value, "w") || str_eq(value, "rw");
    draft->disk.read_only = str_eq(value, "r") || str_eq(value, "ro");
    if (*value && !draft->writable && !draft->disk.read_only)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not an access; r, ro, w and rw are", place_show(value, shown));
    return 0;
}

static int set_devtype(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];

    if (str_eq(value, "cdrom"))
        draft->disk.cdrom = true;
    else if (!str_eq(value, "disk"))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a devtype; cdrom and disk are", place_show(value, shown));
    return 0;
}

static int set_cdrom(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;

    (void)value;
    (void)e;
    draft->disk.cdrom = true;
    return 0;
}

static const char script_refused[] = "the target would not be a path of the host";
static const char colo_refused[] = "the disk would not be replicated";

/* clang-format off */
static const struct spec_param disk_params[] = {
    {"target",         .set = set_target},
    {"format",         .set = set_format},
    {"vdev",           .set = set_vdev},
    {"access",         .set = set_access},
    {"devtype",        .set = set_devtype},
    {"cdrom",          .flag = true, .set = set_cdrom},
    {"backend",        .set = spec_set_backend},
    {"backendtype",    .set = NULL},
    {"specification",  .set = NULL},
    {"grant_usage",    .set = NULL},
    {"script",         .refused = script_refused},
    {"direct-io-safe", .flag = true},
    {"discard",        .flag = true},
    {"no-discard",     .flag = true},
    {"trusted",        .flag = true},
    {"untrusted",      .flag = true},
    {"colo",           .flag = true, .refused = colo_refused},
    {"no-colo",        .flag = true},
    {"colo-host",      .refused = colo_refused},
    {"colo-port",      .refused = colo_refused},
    {"colo-export",    .refused = colo_refused},
    {"active-disk",    .refused = colo_refused},
    {"hidden-disk",    .refused = colo_refused},
    {0},
};
/* clang-format on */
_Static_assert(ARRAY_LEN(disk_params) <= SPEC_PARAMS_MAX, "spec.seen is too short");

static const char *disk_param_name(size_t i)
{
    return disk_params[i].name;
}

/* Prefixes of targets in xm's time: most meant no more than which program served the disk. */
/* clang-format off */
static const struct {
    const char *name;
    const char *format; /* that it stands for */
    const char *refused;
} prefixes[] = {
    {"phy:",     NULL,    NULL          },
    {"file:",    NULL,    NULL          },
    {"aio:",     NULL,    NULL          },
    {"tap:",     NULL,    NULL          },
    {"tap2:",    NULL,    NULL          },
    {"tapdisk:", NULL,    NULL          },
    {"ioemu:",   NULL,    NULL          },
    {"raw:",     "raw",   NULL          },
    {"qcow2:",   "qcow2", NULL          },
    {"qcow:",    "qcow",  NULL          },
    {"vhd:",     "vhd",   NULL          },
    {"iscsi:",   NULL,    script_refused},
    {"nbd:",     NULL,    script_refused},
    {"enbd:",    NULL,    script_refused},
    {"drbd:",    NULL,    script_refused},
};
/* clang-format on */

/* Strips the old prefixes off a positional target. A relative phy: path is below /dev, as ever. */
static int take_prefixes(struct spec *spec, char **target, bool *ret_phy, struct err *e)
{
    struct disk_draft *draft = spec->to;
    size_t i = 0;

    *ret_phy = false;
    while (i < ARRAY_LEN(prefixes)) {
        if (!str_starts(*target, prefixes[i].name)) {
            i++;
            continue;
        }
        if (prefixes[i].refused)
            return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED, "%s is not supported on %s: %s",
                              prefixes[i].name, spec->c->driver_name, prefixes[i].refused);
        if (prefixes[i].format && set_format(spec, prefixes[i].format, e) < 0)
            return -1;
        *ret_phy = str_eq(prefixes[i].name, "phy:");
        *target += strlen(prefixes[i].name);
        draft->prefixed = true;
        i = 0;
    }
    return 0;
}

static int set_positional_target(struct spec *spec, char *word, struct err *e)
{
    bool phy;

    if (take_prefixes(spec, &word, &phy, e) < 0)
        return -1;
    if (!phy || word[0] == '/' || word[0] == '\0')
        return set_target(spec, word, e);
    AUTO_FREE char *path = x_asprintf("/dev/%s", word);
    return set_target(spec, path, e);
}

static int set_positional(struct spec *spec, char *word, struct err *e)
{
    struct disk_draft *draft = spec->to;

    if (!draft->has_target)
        return set_positional_target(spec, word, e);
    if (!draft->has_format && !draft->prefixed) {
        /* ",hdc:cdrom,r" is how xm wrote an empty drive. */
        if (!draft->disk.target && strchr(word, ':')) {
            draft->has_format = true;
            return set_vdev(spec, word, e);
        }
        return set_format(spec, word, e);
    }
    if (!draft->has_vdev)
        return set_vdev(spec, word, e);
    if (!draft->has_access)
        return set_access(spec, word, e);
    char shown[PLACE_SHOWN];
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is one too many; target, format, vdev and access come before it",
                      place_show(word, shown));
}

/* The comma-separated parts; target= takes all that is left. */
static int parse_parts(struct spec *spec, char *rest, struct err *e)
{
    while (*(rest += strspn(rest, " \t\n"))) {
        if (str_starts(rest, "target="))
            return set_target(spec, rest + strlen("target="), e);
        char *comma = strchr(rest, ',');
        char *word = rest;
        bool known;
        rest = comma ? comma + 1 : rest + strlen(rest);
        if (comma)
            *comma = '\0';
        word = spec_trim(word);
        if (spec_apply(spec, word, &known, e) < 0)
            return -1;
        if (!known && set_positional(spec, word, e) < 0)
            return -1;
    }
    return 0;
}

static int check_disk(struct spec *spec, struct err *e)
{
    struct disk_draft *draft = spec->to;
    struct conf_disk *disk = &draft->disk;

    if (!disk->vdev[0])
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "a disk has no vdev; say which drive it is, as in vdev=xvda");
    if (draft->empty && disk->target)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s has a target and format=empty",
                          disk->vdev);
    if (!disk->target && !disk->cdrom)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s has no target; only a cdrom drive can be empty", disk->vdev);
    if (disk->cdrom && draft->writable)
        keys_warn(spec->c, spec->v, "%s is a cdrom and is read-only", disk->vdev);
    if (disk->cdrom)
        disk->read_only = true;
    return 0;
}

static int add_disk(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct disk_draft draft = {0};
    struct conf *conf = c->conf;
    struct spec spec = {
        .c = c, .v = v, .params = disk_params, .param_name = disk_param_name, .to = &draft};

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each disk is a string");
    if (conf->disk_count == DISKS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d disks", DISKS_MAX);
    AUTO_FREE char *text = x_strdup(v->text);
    if (parse_parts(&spec, text, e) < 0 || check_disk(&spec, e) < 0) {
        free(draft.disk.target);
        return -1;
    }
    conf->disks = x_reallocarray(conf->disks, conf->disk_count + 1, sizeof *conf->disks);
    conf->disks[conf->disk_count++] = draft.disk;
    return 0;
}

static int set_disks(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "a single value is given, but it takes a list, as in [\"...\"]");
    for (size_t i = 0; i < v->count; i++)
        if (add_disk(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_disks(const struct conf *conf, const struct key *row)
{
    (void)row;
    if (conf->disk_count == 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < conf->disk_count; i++) {
        const struct conf_disk *disk = &conf->disks[i];
        json_t *one = json_object();
        json_set_string(one, "target", disk->target);
        json_set_string(one, "vdev", disk->vdev);
        json_set_string(one, "format", disk->format == CONF_QCOW2 ? "qcow2" : "raw");
        json_set_bool(one, "read_only", disk->read_only);
        json_set_bool(one, "cdrom", disk->cdrom);
        json_array_append_new(list, one);
    }
    return list;
}

const struct keys_type keys_disk = {"a list of strings", set_disks, show_disks};
