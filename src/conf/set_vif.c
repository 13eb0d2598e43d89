/* SPDX-License-Identifier: MIT */
/* vif: xl-network-configuration(5). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/spec.h"

enum { VIFS_MAX = 32, IFNAME_MAX = 15 /* IFNAMSIZ without the NUL */ };

static int set_mac(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vif *vif = spec->to;
    char shown[PLACE_SHOWN];
    bool zero = true;

    if (!*value)
        return 0;
    for (int i = 0; i < IDENT_MAC_LEN; i++) {
        bool colon = i % 3 == 2;
        if (colon ? value[i] != ':' : !isxdigit((unsigned char)value[i]))
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "%s is not a MAC address, as in 00:16:3e:00:00:01",
                              place_show(value, shown));
        vif->mac[i] = (char)tolower((unsigned char)value[i]);
        zero = zero && (colon || value[i] == '0');
    }
    vif->mac[IDENT_MAC_LEN] = '\0';
    if (value[IDENT_MAC_LEN])
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a MAC address, as in 00:16:3e:00:00:01",
                          place_show(value, shown));
    if (strchr("13579bdf", vif->mac[1]) || zero)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not the address of one interface; the second digit must be even",
                          vif->mac);
    return 0;
}

static int set_interface(struct spec *spec, const char *value, char **to, const char *what,
                         struct err *e)
{
    char shown[PLACE_SHOWN];
    size_t len = strlen(value);
    bool good = len <= IFNAME_MAX && !str_eq(value, ".") && !str_eq(value, "..");

    for (size_t i = 0; i < len && good; i++)
        good = isgraph((unsigned char)value[i]) && !strchr("/:%", value[i]);
    if (!good)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s %s is not the name of an interface: at most %d bytes, without "
                          "blanks, / and :",
                          what, place_show(value, shown), IFNAME_MAX);
    *to = len ? x_strdup(value) : NULL;
    return 0;
}

static int set_bridge(struct spec *spec, const char *value, struct err *e)
{
    return set_interface(spec, value, &((struct conf_vif *)spec->to)->bridge, "bridge", e);
}

static int set_ifname(struct spec *spec, const char *value, struct err *e)
{
    return set_interface(spec, value, &((struct conf_vif *)spec->to)->ifname, "vifname", e);
}

static int set_model(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vif *vif = spec->to;
    char shown[PLACE_SHOWN];
    size_t len = strlen(value);
    bool good = len < sizeof vif->model;

    for (size_t i = 0; i < len && good; i++)
        good = isalnum((unsigned char)value[i]) || strchr("-_.", value[i]);
    if (!good)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a model, as in virtio, e1000 or rtl8139",
                          place_show(value, shown));
    str_copy(vif->model, sizeof vif->model, value);
    return 0;
}

static int set_backend(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vif *vif = spec->to;
    int rc = spec_check_backend(spec, value, e);

    if (rc > 0)
        vif->backend = x_strdup(value);
    return rc < 0 ? -1 : 0;
}

/* ---- rate=AMOUNT/s[@INTERVAL] ---- */

/* A whole number and one of the suffixes, as *ret times what the suffix says. */
static bool read_amount(const char *text, const struct keys_word_row *suffixes, uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    AUTO_FREE char *number = x_strndup(text, digits);
    int64_t value;

    if (digits > 10 || !spec_number(number, 10, &value) || value == 0 || value > UINT32_MAX)
        return false;
    for (; suffixes->name; suffixes++)
        if (str_eq(suffixes->name, text + digits)) {
            *ret = (uint64_t)value * suffixes->value;
            return true;
        }
    return false;
}

/* clang-format off */
static const struct keys_word_row byte_suffixes[] = {
    {"GB/s", 1000000000}, {"MB/s", 1000000}, {"KB/s", 1000}, {"B/s", 1}, {0},
};
static const struct keys_word_row bit_suffixes[] = {
    {"Gb/s", 1000000000}, {"Mb/s", 1000000}, {"Kb/s", 1000}, {"b/s", 1}, {0},
};
static const struct keys_word_row time_suffixes[] = {
    {"s", 1000000}, {"ms", 1000}, {"us", 1}, {0},
};
/* clang-format on */

static int set_rate(struct spec *spec, const char *value, struct err *e)
{
    enum { INTERVAL_US = 50000, SECOND_US = 1000000 };
    struct conf_vif *vif = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *interval = strchr(copy, '@');
    uint64_t second, us = INTERVAL_US;
    char shown[PLACE_SHOWN];

    if (!*value)
        return 0;
    if (interval)
        *interval++ = '\0';
    bool bits = read_amount(copy, bit_suffixes, &second);
    if (!(bits || read_amount(copy, byte_suffixes, &second)) ||
        (interval && !read_amount(interval, time_suffixes, &us)) || us == 0 || us > UINT32_MAX)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "rate %s is not a rate above 0, as in 10Mb/s, 250KB/s or 1MB/s@20ms; the "
                          "interval has its unit, us, ms or s",
                          place_show(value, shown));
    if (bits)
        second /= 8;
    /* Whole seconds apart, so that the product stays in 64 bits. */
    vif->rate_bytes = second / SECOND_US * us + second % SECOND_US * us / SECOND_US;
    vif->rate_interval_us = us;
    vif->rate = x_strdup(value);
    return 0;
}

static int set_gateway(struct spec *spec, const char *value, struct err *e)
{
    char **to = &((struct conf_vif *)spec->to)->gatewaydev;

    free(*to);
    *to = NULL;
    return set_interface(spec, value, to, "gatewaydev", e);
}

/* clang-format off */
static const struct keys_word_row vif_types[] = {
    {"vif",   CONF_VIF_VIF},
    {"ioemu", CONF_VIF_IOEMU},
    {0},
};

/* On QEMU each interface is what its model says, so that type says nothing more. */
#define AT(member) offsetof(struct conf_vif, member)
static const struct spec_param vif_params[] = {
    {"mac",        .set = set_mac},
    {"bridge",     .set = set_bridge, .store = SPEC_STRING, .offset = AT(bridge)},
    {"model",      .set = set_model},
    {"vifname",    .set = set_ifname, .store = SPEC_STRING, .offset = AT(ifname)},
    {"type",       .store = SPEC_WORD, .offset = AT(type), .words = vif_types},
    {"backend",    .set = set_backend, .store = SPEC_STRING, .offset = AT(backend)},
    {"script",     .xen = true, .store = SPEC_STRING, .offset = AT(script)},
    {"ip",         .xen = true, .store = SPEC_STRING, .offset = AT(ip)},
    {"rate",       .xen = true, .set = set_rate, .store = SPEC_STRING, .offset = AT(rate)},
    {"gatewaydev", .xen = true, .set = set_gateway, .store = SPEC_STRING,
     .offset = AT(gatewaydev)},
    {"netdev",     .xen = true, .set = set_gateway},
    {"devid",      .xen = true, .store = SPEC_NUMBER, .offset = AT(devid), .max = 65535},
    {"mtu",        .xen = true, .store = SPEC_NUMBER, .offset = AT(mtu), .min = 68,
     .max = 65535},
    {"accel"},
    {"trusted",    .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(trusted),
     .value = CONF_FLAG_ON},
    {"untrusted",  .flag = true, .xen = true, .store = SPEC_FLAG, .offset = AT(trusted),
     .value = CONF_FLAG_OFF},
    {"vlan",       .refused = "the guest would be in another network than its own"},
    {0},
};
#undef AT
/* clang-format on */
_Static_assert(ARRAY_LEN(vif_params) <= SPEC_PARAMS_MAX, "spec.seen is too short");

static int add_vif(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_vif vif = {0};
    struct conf *conf = c->conf;
    struct spec spec = {.c = c, .v = v, .params = vif_params, .to = &vif};

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "a list inside the list; each interface is a string");
    if (conf->vif_count == VIFS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d interfaces", VIFS_MAX);
    AUTO_FREE char *text = x_strdup(v->text);
    if (spec_parse(&spec, text, NULL, e) < 0) {
        spec_clear(vif_params, &vif);
        return -1;
    }
    conf->vifs = x_reallocarray(conf->vifs, conf->vif_count + 1, sizeof *conf->vifs);
    conf->vifs[conf->vif_count++] = vif;
    return 0;
}

static int set_vifs(const struct keys_context *c, const struct value *v, struct err *e)
{
    if (v->kind != VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "a single value is given, but it takes a list, as in [\"...\"]");
    for (size_t i = 0; i < v->count; i++)
        if (add_vif(c, &v->items[i], e) < 0)
            return -1;
    return 0;
}

static json_t *show_vifs(const struct conf *conf, const struct key *row)
{
    (void)row;
    if (conf->vif_count == 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < conf->vif_count; i++) {
        const struct conf_vif *vif = &conf->vifs[i];
        json_t *one = json_object();
        if (vif->mac[0])
            json_set_string(one, "mac", vif->mac);
        if (vif->bridge)
            json_object_set_new(one, "bridge", keys_json_string(vif->bridge));
        if (vif->model[0])
            json_set_string(one, "model", vif->model);
        spec_show(vif_params, vif, one);
        json_array_append_new(list, one);
    }
    return list;
}

static void clear_vifs(struct conf *conf, const struct key *row)
{
    (void)row;
    for (size_t i = 0; i < conf->vif_count; i++)
        spec_clear(vif_params, &conf->vifs[i]);
    free(conf->vifs);
    conf->vifs = NULL;
    conf->vif_count = 0;
}

static int vif_spec(const json_t *vif, struct str *spec, struct err *e)
{
    const char *mac = json_get_string(vif, "mac", ""), *model = json_get_string(vif, "model", "");

    str_addf(spec, "%s%s%s", *mac ? "mac=" : "", mac, *mac && *model ? "," : "");
    str_addf(spec, "%s%s", *model ? "model=" : "", model);
    return spec_text(vif_params, vif, spec, e);
}

char *conf_vif_text(const struct conf *conf, size_t i)
{
    AUTO_JSON json_t *all = show_vifs(conf, NULL);
    AUTO_STR struct str spec = {0};
    struct err never; /* what show_vifs made */

    return vif_spec(json_array_get(all, i), &spec, &never) < 0 ? NULL : str_take(&spec);
}

static int text_vifs(const struct key *row, const json_t *json, struct str *to, struct err *e)
{
    const json_t *vif;
    size_t i;

    (void)row;
    if (!json_is_array(json))
        return err_set(e, ERR_BAD_CONFIG, "vif: it takes a list");
    str_addc(to, '[');
    json_array_foreach(json, i, vif)
    {
        AUTO_STR struct str spec = {0};
        if (vif_spec(vif, &spec, e) < 0)
            return -1;
        str_add(to, i ? ", " : "");
        tree_write_string(to, spec.data ? spec.data : "");
    }
    str_addc(to, ']');
    return 0;
}

const struct keys_type keys_vif = {"a list of strings", set_vifs, show_vifs, clear_vifs, text_vifs};
