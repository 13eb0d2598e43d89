/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/keys.h"
#include "conf/place.h"
#include "conf/rules.h"
#include "conf/tree.h"

static const char own_prefix[] = "reeve_";

struct parse {
    struct tree tree;
    struct keys_context c;
    struct conf_warnings *warnings;
};

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    const struct key *row;
    for (size_t i = 0; (row = keys_row(i)); i++)
        if (row->type && row->type->clear)
            row->type->clear(conf, row);
    free(conf);
}

void conf_warnings_finish(struct conf_warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        free(warnings->lines[i]);
    free(warnings->lines);
    *warnings = (struct conf_warnings){0};
}

/* ---- what can be said before the text is read ---- */

static int check_text(const char *text, size_t len, const char *file, struct err *e)
{
    struct place at = {.file = file, .line = 1};

    if (len > CONF_TEXT_MAX) {
        char shown[PLACE_SHOWN];
        err_set(e, ERR_TOO_LARGE, "%s is no config: it has %zu bytes, and %d are the most",
                place_show(file, shown), len, CONF_TEXT_MAX);
        str_copy(e->file, sizeof e->file, file);
        return -1;
    }
    const char *nul = memchr(text, '\0', len);
    if (!nul)
        return 0;
    for (const char *c = text; c < nul; c++)
        at.line += *c == '\n';
    return place_error(e, &at, ERR_BAD_CONFIG, "this is not text: it has a NUL byte");
}

static int check_overrides(const char *const *overrides, size_t count, struct err *e)
{
    size_t left = CONF_TEXT_MAX;

    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(overrides[i]);
        if (len >= left)
            return err_set(e, ERR_TOO_LARGE,
                           "the key=value words are too long; %d bytes are the most",
                           CONF_TEXT_MAX);
        left -= len + 1;
    }
    return 0;
}

static int read_tree(struct tree *tree, const char *file, const char *text, size_t len,
                     const char *const *overrides, size_t override_count, struct err *e)
{
    if (tree_parse(tree, file, text, len, e) < 0)
        return -1;
    for (size_t i = 0; i < override_count; i++)
        if (tree_add_override(tree, overrides[i], e) < 0)
            return -1;
    return 0;
}

/* ---- rows ---- */

static struct place setting_place(const struct parse *p, const struct setting *setting)
{
    return (struct place){.file = p->tree.file, .line = setting->line, .key = setting->key};
}

/* Other names are as "", which is near to nothing. */
static const char *own_key_name(size_t i)
{
    static const char none[] = "";
    const char *name = conf_key_name(i);

    return name && !str_starts(name, own_prefix) ? none : name;
}

/* A key of ours means nothing to another tool, so an unknown one is a slip of the pen. */
static int unknown_key(struct parse *p, const struct setting *setting, struct err *e)
{
    struct place at = setting_place(p, setting);
    char shown[PLACE_SHOWN];
    bool own = str_starts(setting->key, own_prefix);

    if (!own && place_warned_enough(p->warnings))
        return 0;
    const char *near = str_nearest(setting->key, own ? own_key_name : conf_key_name);
    place_show(setting->key, shown);
    if (!own) {
        place_warn(p->warnings, &at, "%s is not a known key and does nothing%s%s%s", shown,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        return 0;
    }
    return place_error(e, &at, ERR_BAD_CONFIG, "%s is not a key of reeve%s%s%s", shown,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* True for the ways to write "none": 0, "" and []. */
static bool is_nothing(const struct value *v)
{
    if (v->kind == VALUE_LIST)
        return v->count == 0;
    return *v->text == '\0' || str_eq(v->text, "0");
}

static int ignored_key(struct parse *p, const struct key *row, const struct setting *setting,
                       struct err *e)
{
    struct place at = setting_place(p, setting);

    if (row->refused && !is_nothing(&setting->value))
        return place_error(e, &at, ERR_UNSUPPORTED, "%s is not supported on %s: %s", row->name,
                           p->c.driver_name, row->refused);
    if (!row->refused)
        place_warn(p->warnings, &at, "%s is ignored on %s", row->name, p->c.driver_name);
    return 0;
}

static int compare_order(const void *left, const void *right)
{
    const struct setting *const *a = left, *const *b = right;

    return (*a)->order < (*b)->order ? -1 : (*a)->order > (*b)->order;
}

/* Unknown and ignored keys, in the order of the text. */
static int look_over(struct parse *p, struct err *e)
{
    AUTO_FREE const struct setting **all = x_calloc(p->tree.count + 1, sizeof(struct setting *));
    int rc = 0;

    for (size_t i = 0; i < p->tree.count; i++)
        all[i] = &p->tree.settings[i];
    if (p->tree.count > 0)
        qsort(all, p->tree.count, sizeof *all, compare_order);
    for (size_t i = 0; i < p->tree.count && rc == 0; i++) {
        const struct key *row = keys_find(all[i]->key);
        if (!row)
            rc = unknown_key(p, all[i], e);
        else if (!row->acts[p->c.driver])
            rc = ignored_key(p, row, all[i], e);
    }
    return rc;
}

static int apply_default(struct parse *p, const struct key *row, struct err *e)
{
    struct value value = {.kind = VALUE_STRING};

    if (!row->def || row->later)
        return 0;
    AUTO_FREE char *text = x_strdup(row->def);
    value.text = text;
    return row->type->set(&p->c, &value, e);
}

static int apply_rows(struct parse *p, struct err *e)
{
    const struct key *row;

    for (size_t i = 0; (row = keys_row(i)); i++) {
        if (!row->type)
            continue;
        const struct setting *setting = tree_find(&p->tree, row->name);
        /* Where a value would be refused, "none" in whatever form is as not given. */
        if (setting && row->refused && !row->acts[p->c.driver] && is_nothing(&setting->value))
            continue;
        p->c.row = row;
        if (setting ? row->type->set(&p->c, &setting->value, e) < 0 : apply_default(p, row, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- keys that depend on each other ---- */

/* Of two given settings that contradict each other, the later one is where the message points. */
static int contradiction(struct parse *p, const char *low, const char *high, const char *rule,
                         struct err *e)
{
    const struct setting *a = tree_find(&p->tree, low), *b = tree_find(&p->tree, high);
    struct place at = setting_place(p, a->order > b->order ? a : b);

    return place_error(e, &at, ERR_BAD_CONFIG, "%s = %s and %s = %s contradict each other: %s", low,
                       a->value.text, high, b->value.text, rule);
}

static int settle_sizes(struct parse *p, struct err *e)
{
    struct conf *conf = p->c.conf;
    bool memory = tree_find(&p->tree, "memory") != NULL;

    /* The nodes are all of the memory (xl.cfg(5), "vnuma"). */
    if (conf->max_memory_kib == 0 && p->c.driver == KEYS_XEN)
        for (size_t i = 0; i < conf->cpu.vnuma.count; i++)
            conf->max_memory_kib += (uint64_t)conf->cpu.vnuma.items[i].size.value * 1024;

    if (conf->max_memory_kib == 0)
        conf->max_memory_kib = conf->memory_kib;
    else if (!memory)
        conf->memory_kib = conf->max_memory_kib;
    if (conf->memory_kib > conf->max_memory_kib && !tree_find(&p->tree, "maxmem")) {
        struct place at = setting_place(p, tree_find(&p->tree, "memory"));
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "memory and vnuma contradict each other: the nodes have %llu MiB",
                           (unsigned long long)conf->max_memory_kib / 1024);
    }
    if (conf->memory_kib > conf->max_memory_kib)
        return contradiction(p, "memory", "maxmem", "memory can be at most maxmem", e);
    /* Every vCPU is in a node. */
    if (conf->max_vcpus == 0 && p->c.driver == KEYS_XEN)
        conf->max_vcpus = conf->cpu.vnuma.vcpus;
    if (conf->max_vcpus == 0)
        conf->max_vcpus = conf->vcpus;
    if (conf->vcpus > conf->max_vcpus && !tree_find(&p->tree, "maxvcpus")) {
        struct place at = setting_place(p, tree_find(&p->tree, "vcpus"));
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "vcpus and vnuma contradict each other: the nodes have %u vCPUs",
                           conf->max_vcpus);
    }
    if (conf->vcpus > conf->max_vcpus)
        return contradiction(p, "vcpus", "maxvcpus", "vcpus can be at most maxvcpus", e);
    return 0;
}

static int settle_type(struct parse *p, struct err *e)
{
    const struct setting *type = tree_find(&p->tree, "type");
    const struct setting *builder = tree_find(&p->tree, "builder");

    if (!type || !builder)
        return 0;
    bool hvm_type = str_eq(type->value.text, "hvm");
    bool hvm_builder = str_eq(builder->value.text, "hvm");
    if (hvm_type != hvm_builder)
        return contradiction(p, "builder", "type", "leave builder out", e);
    p->c.row = keys_find("type");
    return p->c.row->type->set(&p->c, &type->value, e);
}

/* xl passes over bios for a guest that has none; firmware means such a guest too (rules.c). */
static void settle_bios(struct parse *p)
{
    struct conf *conf = p->c.conf;
    const struct setting *bios = tree_find(&p->tree, "bios");

    if (!bios || tree_find(&p->tree, "firmware") || p->c.driver != KEYS_XEN ||
        conf->type == CONF_TYPE_HVM || conf->booting.firmware == CONF_FIRMWARE_UNSET)
        return;
    struct place at = setting_place(p, bios);
    place_warn(p->warnings, &at, "bios is ignored: it is for type = \"hvm\"");
    conf->booting.firmware = CONF_FIRMWARE_UNSET;
}

/* cmdline counts alone; else root and extra are put together (xl.cfg(5), "Direct Kernel Boot"). */
static void settle_cmdline(struct parse *p)
{
    struct conf *conf = p->c.conf;
    const struct setting *cmdline = tree_find(&p->tree, "cmdline");
    const struct setting *parts[] = {tree_find(&p->tree, "root"), tree_find(&p->tree, "extra")};
    AUTO_STR struct str text = {0};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i] || !*parts[i]->value.text)
            continue;
        if (cmdline) {
            struct place at = setting_place(p, parts[i]);
            place_warn(p->warnings, &at, "%s is ignored because cmdline is given", parts[i]->key);
            continue;
        }
        str_addf(&text, "%s%s", text.len ? " " : "", i == 0 ? "root=" : "");
        str_add(&text, parts[i]->value.text);
    }
    if (text.len)
        conf->cmdline = str_take(&text);
}

static struct place item_place(struct parse *p, const char *key, size_t i)
{
    const struct setting *setting = tree_find(&p->tree, key);

    return (struct place){
        .file = p->tree.file, .line = setting->value.items[i].line, .key = setting->key};
}

/* On Xen xvda and hda are two devices; elsewhere each is the first disk. */
static int check_disks(struct parse *p, struct err *e)
{
    const struct conf *conf = p->c.conf;

    for (size_t i = 0; i < conf->disk_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct conf_disk *a = &conf->disks[j], *b = &conf->disks[i];
            struct place at = item_place(p, "disk", i);
            if (str_eq(a->vdev, b->vdev))
                return place_error(e, &at, ERR_BAD_CONFIG, "disk: two disks are %s", b->vdev);
            if (a->index == b->index && p->c.driver != KEYS_XEN)
                return place_error(e, &at, ERR_BAD_CONFIG,
                                   "disk: %s and %s are one drive on %s; give one another letter",
                                   a->vdev, b->vdev, p->c.driver_name);
        }
    return 0;
}

static int check_vifs(struct parse *p, struct err *e)
{
    const struct conf *conf = p->c.conf;

    for (size_t i = 0; i < conf->vif_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct conf_vif *a = &conf->vifs[j], *b = &conf->vifs[i];
            struct place at = item_place(p, "vif", i);
            if (b->mac[0] && str_eq(a->mac, b->mac))
                return place_error(e, &at, ERR_BAD_CONFIG, "vif: two interfaces have mac=%s",
                                   b->mac);
            if (b->ifname && str_eq(a->ifname, b->ifname))
                return place_error(e, &at, ERR_BAD_CONFIG, "vif: two interfaces have vifname=%s",
                                   b->ifname);
        }
    return 0;
}

static int fill(struct parse *p, struct err *e)
{
    if (apply_rows(p, e) < 0 || settle_sizes(p, e) < 0 || settle_type(p, e) < 0 ||
        check_disks(p, e) < 0 || check_vifs(p, e) < 0 || rules_check(&p->c, &p->tree, e) < 0)
        return -1;
    settle_bios(p);
    settle_cmdline(p);
    return 0;
}

int conf_parse(const char *text, size_t len, const char *file, const char *const *overrides,
               size_t override_count, const char *driver, struct conf **ret,
               struct conf_warnings *warnings, struct err *e)
{
    struct parse p = {.warnings = warnings};
    int at = keys_driver_of(driver);

    *warnings = (struct conf_warnings){0};
    if (at < 0)
        return err_set(e, ERR_BAD_REQUEST, "there is no driver %s", driver);
    if (check_text(text, len, file, e) < 0 || check_overrides(overrides, override_count, e) < 0)
        return -1;
    struct conf *conf = x_calloc(1, sizeof *conf);
    p.c = (struct keys_context){.conf = conf,
                                .driver = (enum keys_driver)at,
                                .driver_name = driver,
                                .file = file,
                                .warnings = warnings};
    int rc = read_tree(&p.tree, file, text, len, overrides, override_count, e);
    if (rc == 0)
        rc = tree_fold(&p.tree, warnings, e);
    if (rc == 0)
        rc = look_over(&p, e);
    if (rc == 0)
        rc = fill(&p, e);
    tree_finish(&p.tree);
    if (rc < 0)
        conf_free(conf);
    else
        *ret = conf;
    return rc;
}

json_t *conf_json(const struct conf *conf)
{
    json_t *object = json_object();
    const struct key *row;

    for (size_t i = 0; (row = keys_row(i)); i++) {
        json_t *value = row->type && row->type->json ? row->type->json(conf, row) : NULL;
        if (value)
            json_object_set_new(object, row->json ? row->json : row->name, value);
    }
    return object;
}
