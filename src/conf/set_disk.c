/* SPDX-License-Identifier: MIT */
/* disk: xl-disk-configuration(5). Positional parameters fill target, format, vdev and access in
 * that order, whichever of them are still open. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/lex.h"
#include "conf/spec.h"

enum { DISKS_MAX = 64, TARGET_MAX = 4095, DRIVES_MAX = 1 << 20 };

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

/* clang-format off */
static const struct {
    const char *name;
    enum conf_format format;
    bool known; /* to Xen */
} formats[] = {
    {"raw",   CONF_RAW,   true},
    {"qcow2", CONF_QCOW2, true},
    {"qcow",  CONF_QCOW,  true},
    {"vhd",   CONF_VHD,   true},
    {"qed",   CONF_QED,   true},
    {"vmdk",  CONF_RAW,   false},
    {"vdi",   CONF_RAW,   false},
    {"vhdx",  CONF_RAW,   false},
};
/* clang-format on */

static int set_format(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];

    if (draft->has_format)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "the format is given twice");
    draft->has_format = true;
    draft->empty = str_eq(value, "empty");
    if (*value == '\0' || draft->empty)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!str_eq(value, formats[i].name))
            continue;
        draft->disk.format = formats[i].format;
        bool everywhere = formats[i].format == CONF_QCOW2 || str_eq(value, "raw");
        if (everywhere || (formats[i].known && spec->c->driver == KEYS_XEN))
            return 0;
        draft->disk.format = CONF_RAW;
        return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED, "format %s is not supported; %s",
                          value,
                          spec->c->driver == KEYS_XEN ? "raw, qcow2, qcow, vhd and qed are"
                                                      : "raw and qcow2 are");
    }
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is not a format, which is raw or qcow2; the order is "
                      "target,format,vdev,access",
                      place_show(value, shown));
}

static const char *format_name(enum conf_format format)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (formats[i].format == format && formats[i].known)
            return formats[i].name;
    return "raw";
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

/* What libxl takes (xen-vbd-interface(7)): a drive, a partition of it as xvda1, sda15 or hda3, a
 * drive by its number as d0p1, and the number that the guest is told, as 51712. -1 when it is none.
 */
static int xen_index(const char *value)
{
    static const struct {
        const char *kind;
        int drives, partitions;
    } kinds[] = {
        {"xvd", DRIVES_MAX, 255},
        {"hd",  4,          63 },
        {"sd",  16,         15 }
    };
    enum { MINOR_BITS = 4 };
    int64_t number;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_starts(value, kinds[i].kind))
            continue;
        const char *letters = value + strlen(kinds[i].kind);
        const char *digits = letters + strcspn(letters, "0123456789");
        AUTO_FREE char *drive = x_strndup(letters, (size_t)(digits - letters));
        int index = drive_index(drive);
        bool partition =
            *digits != '0' && spec_number(digits, 10, &number) && number <= kinds[i].partitions;
        return index < kinds[i].drives && (!*digits || partition) ? index : -1;
    }
    if (value[0] == 'd' && strchr(value, 'p')) {
        AUTO_FREE char *drive = x_strdup(value + 1);
        char *partition = strchr(drive, 'p');
        *partition++ = '\0';
        int64_t at;
        bool good = spec_number(drive, 10, &at) && at < DRIVES_MAX &&
                    spec_number(partition, 10, &number) && number <= 255;
        return good ? (int)at : -1;
    }
    uint64_t told;
    if (lex_number_read(value, strlen(value), &told) == LEX_NUMBER_OK && told <= INT_MAX)
        return (int)(told & 0xff) >> MINOR_BITS;
    return -1;
}

static int drive_of(const struct spec *spec, const char *value)
{
    static const char *const kinds[] = {"xvd", "vd", "hd", "sd"};
    int index = -1;

    if (spec->c->driver == KEYS_XEN)
        return xen_index(value);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && index < 0; i++)
        if (str_starts(value, kinds[i]))
            index = drive_index(value + strlen(kinds[i]));
    return index;
}

static int check_vdev(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    char shown[PLACE_SHOWN];
    int index = drive_of(spec, value);

    if (index >= 0 && strlen(value) < sizeof draft->disk.vdev) {
        draft->disk.index = (unsigned)index;
        str_copy(draft->disk.vdev, sizeof draft->disk.vdev, value);
        return 0;
    }
    size_t len = strlen(value);
    if (spec->c->driver == KEYS_XEN)
        return keys_error(
            spec->c, spec->v, e, ERR_BAD_CONFIG,
            "%s is not a drive of a Xen guest; vdev is xvda, hda to hdd, sda to sdp, or "
            "a partition as xvda1",
            place_show(value, shown));
    if (len > 0 && isdigit((unsigned char)value[len - 1]))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a whole drive; vdev is xvda, vda, hda, sda and so on",
                          place_show(value, shown));
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "%s is not a drive; vdev is xvda, vda, hda, sda and so on",
                      place_show(value, shown));
}

/* Also the old VDEV:cdrom and ioemu:VDEV. */
static int set_vdev(struct spec *spec, const char *value, struct err *e)
{
    static const char emulated[] = "ioemu:";
    struct disk_draft *draft = spec->to;

    if (str_starts(value, emulated))
        value += strlen(emulated);
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

static int set_backend(struct spec *spec, const char *value, struct err *e)
{
    struct disk_draft *draft = spec->to;
    int rc = spec_check_backend(spec, value, e);

    if (rc > 0)
        draft->disk.backend = x_strdup(value);
    return rc < 0 ? -1 : 0;
}

static const char script_refused[] = "the target would not be a path of the host";
static const char colo_refused[] = "the disk would not be replicated";

/* clang-format off */
static const struct keys_word_row backendtypes[] = {
    {"phy",        CONF_BACKENDTYPE_PHY},
    {"qdisk",      CONF_BACKENDTYPE_QDISK},
    {"tap",        CONF_BACKENDTYPE_TAP},
    {"standalone", CONF_BACKENDTYPE_STANDALONE},
    {0},
};

static const struct keys_word_row specifications[] = {
    {"xen",    CONF_SPECIFICATION_XEN},
    {"virtio", CONF_SPECIFICATION_VIRTIO},
    {0},
};

#define AT(member) offsetof(struct conf_disk, member)
static const struct spec_param disk_params[] = {
    {"target",         .set = set_target},
    {"format",         .set = set_format},
    {"vdev",           .set = set_vdev},
    {"access",         .set = set_access},
    {"devtype",        .set = set_devtype},
    {"cdrom",          .flag = true, .set = set_cdrom},
    {"backend",        .set = set_backend, .store = SPEC_STRING, .offset = AT(backend)},
    {"backendtype",    .xen = true, .store = SPEC_WORD, .offset = AT(backendtype),
     .words = backendtypes},
    {"specification",  .xen = true, .store = SPEC_WORD, .offset = AT(specification),
     .words = specifications},
    {"grant_usage"},
    {"script",         .xen = true, .store = SPEC_STRING, .offset = AT(script),
     .refused = script_refused},
    {"direct-io-safe", .flag = true, .xen = true, .store = SPEC_FLAG,
     .offset = AT(direct_io_safe), .value = CONF_FLAG_ON},
    {"discard",        .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(discard),
     .value = CONF_FLAG_ON},
    {"no-discard",     .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(discard),
     .value = CONF_FLAG_OFF},
    {"trusted",        .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(trusted),
     .value = CONF_FLAG_ON},
    {"untrusted",      .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(trusted),
     .value = CONF_FLAG_OFF},
    {"colo",           .flag = true, .refused = colo_refused},
    {"no-colo",        .flag = true},
    {"colo-host",      .refused = colo_refused},
    {"colo-port",      .refused = colo_refused},
    {"colo-export",    .refused = colo_refused},
    {"active-disk",    .refused = colo_refused},
    {"hidden-disk",    .refused = colo_refused},
    {0},
};
#undef AT
/* clang-format on */
_Static_assert(ARRAY_LEN(disk_params) <= SPEC_PARAMS_MAX, "spec.seen is too short");
_Static_assert(offsetof(struct disk_draft, disk) == 0, "the rows are of struct conf_disk");

/* Prefixes of targets in xm's time: most meant no more than which program served the disk. */
/* clang-format off */
static const struct {
    const char *name;
    const char *format; /* that it stands for */
    const char *script; /* likewise */
} prefixes[] = {
    {"phy:",     NULL,    NULL         },
    {"file:",    NULL,    NULL         },
    {"aio:",     NULL,    NULL         },
    {"tap:",     NULL,    NULL         },
    {"tap2:",    NULL,    NULL         },
    {"tapdisk:", NULL,    NULL         },
    {"ioemu:",   NULL,    NULL         },
    {"raw:",     "raw",   NULL         },
    {"qcow2:",   "qcow2", NULL         },
    {"qcow:",    "qcow",  NULL         },
    {"vhd:",     "vhd",   NULL         },
    {"iscsi:",   NULL,    "block-iscsi"},
    {"nbd:",     NULL,    "block-nbd"},
    {"enbd:",    NULL,    "block-enbd"},
    {"drbd:",    NULL,    "block-drbd"},
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
        if (prefixes[i].script && spec->c->driver != KEYS_XEN)
            return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED, "%s is not supported on %s: %s",
                              prefixes[i].name, spec->c->driver_name, script_refused);
        if (prefixes[i].script && !draft->disk.script)
            draft->disk.script = x_strdup(prefixes[i].script);
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
        if (str_starts(rest, "target=")) {
            size_t len = strlen(rest);
            /* xl cuts one comma off the end. */
            if (rest[len - 1] == ',')
                rest[len - 1] = '\0';
            return set_target(spec, rest + strlen("target="), e);
        }
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

static void clear_disk(struct conf_disk *disk)
{
    free(disk->target);
    spec_clear(disk_params, disk);
}

static int add_disk(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct disk_draft draft = {0};
    struct conf *conf = c->conf;
    struct spec spec = {.c = c, .v = v, .params = disk_params, .to = &draft};

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each disk is a string");
    if (conf->disk_count == DISKS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d disks", DISKS_MAX);
    AUTO_FREE char *text = x_strdup(v->text);
    if (parse_parts(&spec, text, e) < 0 || check_disk(&spec, e) < 0) {
        clear_disk(&draft.disk);
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
        json_object_set_new(one, "target",
                            disk->target ? keys_json_string(disk->target) : json_null());
        json_set_string(one, "vdev", disk->vdev);
        json_set_string(one, "format", format_name(disk->format));
        json_set_bool(one, "read_only", disk->read_only);
        json_set_bool(one, "cdrom", disk->cdrom);
        spec_show(disk_params, disk, one);
        json_array_append_new(list, one);
    }
    return list;
}

static void clear_disks(struct conf *conf, const struct key *row)
{
    (void)row;
    for (size_t i = 0; i < conf->disk_count; i++)
        clear_disk(&conf->disks[i]);
    free(conf->disks);
    conf->disks = NULL;
    conf->disk_count = 0;
}

/* The target goes last: it may hold anything. */
static int disk_spec(const json_t *disk, struct str *spec, struct err *e)
{
    const json_t *target = json_object_get(disk, "target");

    str_addf(spec, "vdev=%s,format=%s,access=%s", json_get_string(disk, "vdev", ""),
             json_get_string(disk, "format", ""),
             json_get_bool(disk, "read_only", false) ? "ro" : "rw");
    if (json_get_bool(disk, "cdrom", false))
        str_add(spec, ",devtype=cdrom");
    AUTO_JSON json_t *rest = json_copy((json_t *)disk);
    json_object_del(rest, "cdrom");
    if (spec_text(disk_params, rest, spec, e) < 0)
        return -1;
    if (target && !json_is_null(target)) {
        AUTO_FREE char *path = keys_json_text(target);
        if (!path)
            return err_set(e, ERR_BAD_CONFIG, "disk: target is a string or null");
        str_add(spec, ",target=");
        str_add(spec, path);
        str_add(spec, str_ends(path, ",") ? "," : "");
    }
    return 0;
}

static int text_disk(const json_t *disk, struct str *to, struct err *e)
{
    AUTO_STR struct str spec = {0};

    if (disk_spec(disk, &spec, e) < 0)
        return -1;
    tree_write_string(to, spec.data);
    return 0;
}

char *conf_disk_text(const struct conf *conf, size_t i)
{
    AUTO_JSON json_t *all = show_disks(conf, NULL);
    AUTO_STR struct str spec = {0};
    struct err never; /* what show_disks made */

    return disk_spec(json_array_get(all, i), &spec, &never) < 0 ? NULL : str_take(&spec);
}

static int text_disks(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    const json_t *disk;
    size_t i;

    (void)row;
    if (!json_is_array(json))
        return err_set(e, ERR_BAD_CONFIG, "disk: it takes a list");
    str_addc(to, '[');
    json_array_foreach(json, i, disk)
    {
        str_add(to, i ? ", " : "");
        if (text_disk(disk, to, e) < 0)
            return -1;
    }
    str_addc(to, ']');
    return 0;
}

const struct keys_type keys_disk = {"a list of strings", set_disks, show_disks, clear_disks,
                                    text_disks};
