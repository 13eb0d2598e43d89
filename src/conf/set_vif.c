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
    str_copy(vif->model, sizeof vif->model, str_eq(value, "virtio") ? "" : value);
    return 0;
}

/* On QEMU each interface is what its model says, so that the type says nothing more. */
static int set_type(struct spec *spec, const char *value, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (!str_eq(value, "ioemu") && !str_eq(value, "vif"))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "type %s is not one of: vif, ioemu",
                          place_show(value, shown));
    return 0;
}

/* clang-format off */
static const struct spec_param vif_params[] = {
    {"mac",        .set = set_mac},
    {"bridge",     .set = set_bridge},
    {"model",      .set = set_model},
    {"vifname",    .set = set_ifname},
    {"type",       .set = set_type},
    {"backend",    .set = spec_set_backend},
    {"script",     .set = NULL},
    {"ip",         .set = NULL},
    {"rate",       .set = NULL},
    {"gatewaydev", .set = NULL},
    {"netdev",     .set = NULL},
    {"devid",      .set = NULL},
    {"mtu",        .set = NULL},
    {"accel",      .set = NULL},
    {"trusted",    .flag = true},
    {"untrusted",  .flag = true},
    {"vlan",       .refused = "the guest would be in another network than its own"},
    {0},
};
/* clang-format on */
_Static_assert(ARRAY_LEN(vif_params) <= SPEC_PARAMS_MAX, "spec.seen is too short");

static const char *vif_param_name(size_t i)
{
    return vif_params[i].name;
}

static int parse_parts(struct spec *spec, char *rest, struct err *e)
{
    char *word;
    bool known;

    while ((word = strsep(&rest, ","))) {
        char shown[PLACE_SHOWN];
        word = spec_trim(word);
        if (!*word)
            continue;
        if (spec_apply(spec, word, &known, e) < 0)
            return -1;
        if (!known)
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "%s is not of the form parameter=value, as in bridge=xenbr0",
                              place_show(word, shown));
    }
    return 0;
}

static int add_vif(const struct keys_context *c, const struct value *v, struct err *e)
{
    struct conf_vif vif = {0};
    struct conf *conf = c->conf;
    struct spec spec = {
        .c = c, .v = v, .params = vif_params, .param_name = vif_param_name, .to = &vif};

    if (v->kind == VALUE_LIST)
        return keys_error(c, v, e, ERR_BAD_CONFIG,
                          "a list inside the list; each interface is a string");
    if (conf->vif_count == VIFS_MAX)
        return keys_error(c, v, e, ERR_BAD_CONFIG, "more than %d interfaces", VIFS_MAX);
    AUTO_FREE char *text = x_strdup(v->text);
    if (parse_parts(&spec, text, e) < 0) {
        free(vif.bridge);
        free(vif.ifname);
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
            json_set_string(one, "bridge", vif->bridge);
        json_set_string(one, "model", vif->model[0] ? vif->model : "virtio");
        if (vif->ifname)
            json_set_string(one, "vifname", vif->ifname);
        json_array_append_new(list, one);
    }
    return list;
}

const struct keys_type keys_vif = {"a list of strings", set_vifs, show_vifs};
