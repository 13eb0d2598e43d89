/* SPDX-License-Identifier: MIT */
/* cpus, cpus_soft, cpuid, viridian and vnuma. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/lex.h"
#include "conf/spec_kinds.h"

enum { CPU_MAX = 4095, VCPU_MAX = 511, CPUID_BITS = 32, ITEMS_MAX = 512 };

/* ---- cpus: the bool that says "one a vCPU" stands in struct conf_cpu for each of the two ---- */

static bool *each_of(struct conf *conf, const struct key *row)
{
    bool hard = keys_member(conf, row) == (void *)&conf->cpu.cpus;

    return hard ? &conf->cpu.cpus_each : &conf->cpu.cpus_soft_each;
}

/* One of: all, N, N-M, node:N, nodes:N-M; each but all also with ^ before it. */
static bool good_part(const char *part)
{
    int64_t first, last;

    if (str_eq(part, "all"))
        return true;
    part += *part == '^';
    if (str_starts(part, "nodes:"))
        part += strlen("nodes:");
    else if (str_starts(part, "node:"))
        part += strlen("node:");
    return spec_range(part, 10, CPU_MAX, &first, &last);
}

static int add_cpus(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_strings *to = keys_member(c->conf, c->row);
    char shown[PLACE_SHOWN];

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "a list inside the list; each item is a string");
    if (to->count > VCPU_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more items than vCPUs can be");
    AUTO_FREE char *copy = x_strdup(v->text);
    char *rest = copy, *part;
    while ((part = strsep(&rest, ",")))
        if (!good_part(spec_trim(part)))
            return keys_error(c, v, e, ERR_BAD_CONFIG,
                              "%s is not a list of CPUs, as in \"all\", \"0-3,^1\" or \"nodes:0\"",
                              place_show(v->text, shown));
    keys_strings_add(to, v->text);
    return 0;
}

static int set_cpus(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return *v->text ? add_cpus(c, v, e) : 0;
    *each_of(c->conf, c->row) = v->count > 0;
    for (size_t i = 0; i < v->count; i++)
        if (add_cpus(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_cpus(const struct conf *conf, const struct key *row)
{
    const struct conf_strings *from = keys_member_const(conf, row);
    bool each = from == &conf->cpu.cpus ? conf->cpu.cpus_each : conf->cpu.cpus_soft_each;

    if (from->count && !each)
        return keys_json_string(from->items[0]);
    return keys_strings_json(from);
}

static void clear_strings(struct conf *conf, const struct key *row)
{
    keys_strings_clear(keys_member(conf, row));
}

/* ---- cpuid ---- */

static bool good_bits(const char *text)
{
    return strlen(text) == CPUID_BITS && strspn(text, "01xks") == CPUID_BITS;
}

/* xend's form: LEAF[,SUBLEAF]:REG=BITS,REG=BITS */
static bool good_leaf(const char *text)
{
    static const char *const registers[] = {"eax", "ebx", "ecx", "edx"};
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = strchr(copy, ':'), *part;
    uint64_t number;

    if (!rest)
        return false;
    *rest++ = '\0';
    for (char *leaf = copy; (part = strsep(&leaf, ","));) {
        part = spec_trim(part);
        if (lex_number_read(part, strlen(part), &number) != LEX_NUMBER_OK || number > UINT32_MAX)
            return false;
    }
    while ((part = strsep(&rest, ","))) {
        part = spec_trim(part);
        char *bits = strchr(part, '=');
        if (!bits)
            return false;
        *bits++ = '\0';
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(registers); i++)
            known = known || str_eq(part, registers[i]);
        if (!known || !good_bits(bits))
            return false;
    }
    return true;
}

/* libxl's form: "host" and then FEATURE=0|1|x|k|s, or FIELD=NUMBER for a few. */
static bool good_features(const char *text)
{
    static const char *const fields[] = {"maxleaf", "family",  "model",       "stepping",
                                         "brandid", "clflush", "localapicid", "proccount",
                                         "nc",      "procpkg", "maxhvleaf",   "apicidsize"};
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = copy, *part = strsep(&rest, ",");
    uint64_t number;

    if (!str_eq(spec_trim(part), "host"))
        return false;
    while ((part = strsep(&rest, ","))) {
        part = spec_trim(part);
        char *value = strchr(part, '=');
        if (!value || value == part)
            return false;
        *value++ = '\0';
        bool field = false;
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            field = field || str_eq(part, fields[i]);
        bool number_like = lex_number_read(value, strlen(value), &number) == LEX_NUMBER_OK;
        if (!(strlen(value) == 1 && strchr("01xks", *value)) && !(field && number_like))
            return false;
    }
    return true;
}

static int set_cpuid(const struct keys_context *c, const struct value *v, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (v->kind != VALUE_LIST) {
        if (*v->text && !good_features(v->text))
            return keys_error(c, v, e, ERR_BAD_CONFIG,
                              "%s is not of the form \"host,FEATURE=0\"; a feature is 0, 1, x, k "
                              "or s",
                              place_show(v->text, shown));
        if (*v->text)
            keys_strings_add(&c->conf->cpu.cpuid, v->text);
        return 0;
    }
    if (v->count > ITEMS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d leaves", ITEMS_MAX);
    for (size_t i = 0; i < v->count; i++) {
        const struct value *item = &v->items[i];
        if (item->kind == VALUE_LIST || !good_leaf(item->text))
            return keys_error(c, item, e, ERR_BAD_CONFIG,
                              "%s is not of the form \"LEAF:REG=BITS\" with 32 bits of 0, 1, x, k "
                              "or s",
                              item->kind == VALUE_LIST ? "a list" : place_show(item->text, shown));
        keys_strings_add(&c->conf->cpu.cpuid, item->text);
    }
    return 0;
}

static json_t *show_cpuid(const struct conf *conf, const struct key *row)
{
    const struct conf_strings *from = &conf->cpu.cpuid;

    (void)row;
    if (from->count == 1 && str_starts(from->items[0], "host"))
        return keys_json_string(from->items[0]);
    return keys_strings_json(from);
}

/* ---- viridian: 0, 1, or a list of groups, each taken out with ! before it ---- */

static int set_viridian(const struct keys_context *c, const struct value *v, struct err *e)
{
    AUTO_STR struct str all = {0};
    char shown[PLACE_SHOWN];
    uint64_t number;

    if (v->kind != VALUE_LIST) {
        if (v->joined || lex_number_read(v->text, strlen(v->text), &number) != LEX_NUMBER_OK)
            return keys_error(c, v, e, ERR_BAD_CONFIG,
                              "%s is neither 0 nor 1, nor a list of groups",
                              place_show(v->text, shown));
        c->conf->hvm.viridian = number ? CONF_FLAG_ON : CONF_FLAG_OFF;
        return 0;
    }
    if (v->count > ITEMS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d groups", ITEMS_MAX);
    for (size_t i = 0; i < v->count; i++) {
        const struct value *item = &v->items[i];
        const struct keys_word_row *word = c->row->words;
        if (item->kind == VALUE_LIST)
            return keys_error(c, item, e, ERR_BAD_CONFIG,
                              "a list inside the list; each item is a string");
        bool out = *item->text == '!';
        for (; word->name && strcasecmp(word->name, item->text + out) != 0; word++)
            str_addf(&all, "%s%s", all.len ? ", " : "", word->name);
        if (!word->name)
            return keys_error(c, item, e, ERR_BAD_CONFIG, "%s is not one of: %s",
                              place_show(item->text, shown), all.data);
        str_finish(&all);
        AUTO_FREE char *group = x_asprintf("%s%s", out ? "!" : "", word->name);
        keys_strings_add(&c->conf->hvm.viridian_groups, group);
    }
    return 0;
}

static json_t *show_viridian(const struct conf *conf, const struct key *row)
{
    (void)row;
    if (conf->hvm.viridian != CONF_FLAG_UNSET)
        return json_boolean(conf->hvm.viridian == CONF_FLAG_ON);
    return keys_strings_json(&conf->hvm.viridian_groups);
}

static void clear_viridian(struct conf *conf, const struct key *row)
{
    (void)row;
    keys_strings_clear(&conf->hvm.viridian_groups);
}

const struct keys_type keys_cpus = {"a string or a list of strings", set_cpus, show_cpus,
                                    clear_strings, NULL};
const struct keys_type keys_cpuid = {"a string or a list of strings", set_cpuid, show_cpuid,
                                     clear_strings, NULL};
const struct keys_type keys_viridian = {"0 or 1, or a list of strings", set_viridian, show_viridian,
                                        clear_viridian, NULL};

/* ---- vnuma ---- */

static int set_vnode_vcpus(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vnode *node = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *rest = copy, *part, shown[PLACE_SHOWN];
    int64_t first, last;

    while ((part = strsep(&rest, ",")))
        if (!spec_range(spec_trim(part), 10, VCPU_MAX, &first, &last))
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "vcpus=%s is not a list of vCPUs, as in 0-3,6",
                              place_show(value, shown));
    node->vcpus = x_strdup(value);
    return 0;
}

static int set_distances(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vnode *node = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *rest = copy, *part, shown[PLACE_SHOWN];
    int64_t distance;

    node->vdistance_text = x_strdup(value);
    while ((part = strsep(&rest, ","))) {
        if (!spec_number(spec_trim(part), 10, &distance) || distance > UINT32_MAX ||
            node->vdistance_count == CONF_VNODES_MAX)
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "vdistances=%s is not a list of numbers, one a node, as in 10,20",
                              place_show(value, shown));
        node->vdistances[node->vdistance_count++] = (unsigned)distance;
    }
    return 0;
}

static int check_vnode(struct spec *spec, struct err *e)
{
    const struct conf_vnode *node = spec->to;

    if (node->pnode.given && node->size.given && node->vcpus && node->vdistance_count)
        return 0;
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "pnode=, size=, vcpus= and vdistances= are all needed");
}

static int take_vcpus(const struct keys_context *c, const struct value *v,
                      const struct conf_vnode *node, bool taken[VCPU_MAX + 1], struct err *e)
{
    AUTO_FREE char *copy = x_strdup(node->vcpus);
    char *rest = copy, *part;
    int64_t first = 0, last = -1;

    while ((part = strsep(&rest, ","))) {
        if (!spec_range(spec_trim(part), 10, VCPU_MAX, &first, &last))
            continue;
        for (; first <= last; first++) {
            if (taken[first])
                return keys_error(c, v, e, ERR_BAD_CONFIG, "vCPU %d is in two nodes", (int)first);
            taken[first] = true;
        }
    }
    return 0;
}

static int check_vnodes(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_vnodes *nodes = &c->conf->cpu.vnuma;
    bool taken[VCPU_MAX + 1] = {false};

    if (nodes->count > CONF_VNODES_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d nodes", CONF_VNODES_MAX);
    for (size_t i = 0; i < nodes->count; i++) {
        const struct value *at = &v->items[i];
        if (nodes->items[i].vdistance_count != nodes->count)
            return keys_error(c, at, e, ERR_BAD_CONFIG,
                              "vdistances has %zu numbers; it takes one a node, which is %zu",
                              nodes->items[i].vdistance_count, nodes->count);
        if (take_vcpus(c, at, &nodes->items[i], taken, e) < 0)
            return -1;
    }
    for (size_t i = 0; i <= VCPU_MAX; i++)
        nodes->vcpus += taken[i];
    return 0;
}

/* clang-format off */
#define AT(member) offsetof(struct conf_vnode, member)
static const struct spec_param vnode_params[] = {
    {"pnode",      .store = SPEC_NUMBER, .offset = AT(pnode), .max = 1023},
    {"size",       .store = SPEC_NUMBER, .offset = AT(size), .min = 1, .max = 16777216},
    {"vcpus",      .set = set_vnode_vcpus, .store = SPEC_STRING, .offset = AT(vcpus)},
    {"vdistances", .set = set_distances, .store = SPEC_STRING, .offset = AT(vdistance_text)},
    {0},
};
/* clang-format on */

const struct spec_kind spec_vnuma = {.params = vnode_params,
                                     .size = sizeof(struct conf_vnode),
                                     .lists = true,
                                     .check = check_vnode,
                                     .check_all = check_vnodes};
