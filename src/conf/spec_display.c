/* SPDX-License-Identifier: MIT */
/* vfb, vkb and vdispl: specs of xl.cfg(5). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/spec_kinds.h"

/* xm wrote type=vnc and type=sdl. */
static int set_vfb_type(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vfb *vfb = spec->to;
    char shown[PLACE_SHOWN];

    if (str_eq(value, "vnc"))
        vfb->vnc = CONF_FLAG_ON;
    else if (str_eq(value, "sdl"))
        vfb->sdl = CONF_FLAG_ON;
    else
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "type %s is not one of: vnc, sdl",
                          place_show(value, shown));
    return 0;
}

/* clang-format off */
#define AT(member) offsetof(struct conf_vfb, member)
static const struct spec_param vfb_params[] = {
    {"type",       .set = set_vfb_type},
    {"vnc",        .store = SPEC_FLAG, .offset = AT(vnc)},
    {"vnclisten",  .store = SPEC_STRING, .offset = AT(vnclisten)},
    {"vncdisplay", .store = SPEC_NUMBER, .offset = AT(vncdisplay), .max = 59635},
    {"vncunused",  .store = SPEC_FLAG, .offset = AT(vncunused)},
    {"vncpasswd",  .store = SPEC_STRING, .offset = AT(vncpasswd)},
    {"sdl",        .store = SPEC_FLAG, .offset = AT(sdl)},
    {"display",    .store = SPEC_STRING, .offset = AT(display)},
    {"xauthority", .store = SPEC_STRING, .offset = AT(xauthority)},
    {"opengl",     .store = SPEC_FLAG, .offset = AT(opengl)},
    {"keymap",     .store = SPEC_STRING, .offset = AT(keymap)},
    {0},
};
#undef AT
/* clang-format on */

static int check_vfb(struct spec *spec, struct err *e)
{
    const struct conf_vfb *vfb = spec->to;

    if (vfb->vnclisten && strchr(vfb->vnclisten, ':') && vfb->vncdisplay.given &&
        strchr(vfb->vnclisten, ':') == strrchr(vfb->vnclisten, ':'))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "vnclisten=%s has a display number and so has vncdisplay; leave one out",
                          vfb->vnclisten);
    return 0;
}

const struct spec_kind spec_vfb = {
    .params = vfb_params, .size = sizeof(struct conf_vfb), .check = check_vfb};

/* clang-format off */
static const struct keys_word_row vkb_backends[] = {
    {"qemu",  CONF_VKB_QEMU},
    {"linux", CONF_VKB_LINUX},
    {0},
};

#define AT(member) offsetof(struct conf_vkb, member)
static const struct spec_param vkb_params[] = {
    {"unique-id",                .store = SPEC_STRING, .offset = AT(unique_id)},
    {"backend",                  .store = SPEC_STRING, .offset = AT(backend)},
    {"backend-type",             .store = SPEC_WORD, .offset = AT(backend_type),
     .words = vkb_backends},
    {"feature-disable-keyboard", .store = SPEC_FLAG, .offset = AT(disable_keyboard)},
    {"feature-disable-pointer",  .store = SPEC_FLAG, .offset = AT(disable_pointer)},
    {"feature-abs-pointer",      .store = SPEC_FLAG, .offset = AT(abs_pointer)},
    {"feature-raw-pointer",      .store = SPEC_FLAG, .offset = AT(raw_pointer)},
    {"feature-multi-touch",      .store = SPEC_FLAG, .offset = AT(multi_touch)},
    {"multi-touch-width",        .store = SPEC_NUMBER, .offset = AT(touch_width),
     .max = UINT32_MAX},
    {"multi-touch-height",       .store = SPEC_NUMBER, .offset = AT(touch_height),
     .max = UINT32_MAX},
    {"multi-touch-num-contacts", .store = SPEC_NUMBER, .offset = AT(touch_contacts),
     .max = UINT32_MAX},
    {"width",                    .store = SPEC_NUMBER, .offset = AT(width), .max = UINT32_MAX},
    {"height",                   .store = SPEC_NUMBER, .offset = AT(height), .max = UINT32_MAX},
    {0},
};
#undef AT
/* clang-format on */

/* The size of a touch screen says that it is one. */
static int check_vkb(struct spec *spec, struct err *e)
{
    struct conf_vkb *vkb = spec->to;
    bool sized = vkb->touch_width.value || vkb->touch_height.value || vkb->touch_contacts.value;

    if (vkb->backend_type == CONF_VKB_UNSET)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "backend-type= is missing; it is qemu or linux");
    if (vkb->multi_touch == CONF_FLAG_ON && !sized)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "feature-multi-touch=1 takes multi-touch-width=, multi-touch-height= or "
                          "multi-touch-num-contacts=");
    return 0;
}

const struct spec_kind spec_vkb = {
    .params = vkb_params, .size = sizeof(struct conf_vkb), .check = check_vkb};

/* ID:WxH */
static bool good_connector(const char *text)
{
    const char *colon = strchr(text, ':');
    int64_t width, height;

    if (!colon || colon == text)
        return false;
    AUTO_FREE char *size = x_strdup(colon + 1);
    char *by = strchr(size, 'x');
    if (!by)
        return false;
    *by = '\0';
    return spec_number(size, 10, &width) && spec_number(by + 1, 10, &height) && width > 0 &&
           height > 0 && width <= UINT32_MAX && height <= UINT32_MAX;
}

static int set_connectors(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vdispl *vdispl = spec->to;
    AUTO_FREE char *copy = x_strdup(value);
    char *rest = copy, *one;

    while ((one = strsep(&rest, ";"))) {
        char shown[PLACE_SHOWN];
        if (!good_connector(one))
            return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                              "connector %s is not of the form ID:WIDTHxHEIGHT",
                              place_show(one, shown));
    }
    vdispl->connectors = x_strdup(value);
    return 0;
}

static int check_vdispl(struct spec *spec, struct err *e)
{
    const struct conf_vdispl *vdispl = spec->to;

    if (vdispl->connectors)
        return 0;
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                      "connectors= is missing, as in connectors=id0:1920x1080");
}

/* clang-format off */
#define AT(member) offsetof(struct conf_vdispl, member)
static const struct spec_param vdispl_params[] = {
    {"backend",    .store = SPEC_STRING, .offset = AT(backend)},
    {"be-alloc",   .store = SPEC_FLAG, .offset = AT(be_alloc)},
    {"connectors", .set = set_connectors, .store = SPEC_STRING, .offset = AT(connectors)},
    {0},
};
/* clang-format on */

const struct spec_kind spec_vdispl = {
    .params = vdispl_params, .size = sizeof(struct conf_vdispl), .check = check_vdispl};
