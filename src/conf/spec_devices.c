/* SPDX-License-Identifier: MIT */
/* usbctrl, usbdev, vtpm, p9, pvcalls, channel and virtio: specs of xl.cfg(5). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/spec_kinds.h"

enum { PORTS_MAX = 31 };

static int wrong(struct spec *spec, struct err *e, const char *what)
{
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s", what);
}

/* clang-format off */
static const struct keys_word_row usb_types[] = {
    {"auto",        CONF_USBCTRL_AUTO},
    {"pv",          CONF_USBCTRL_PV},
    {"qusb",        CONF_USBCTRL_QUSB},
    {"devicemodel", CONF_USBCTRL_DEVICEMODEL},
    {0},
};

#define AT(member) offsetof(struct conf_usbctrl, member)
static const struct spec_param usbctrl_params[] = {
    {"type",    .store = SPEC_WORD, .offset = AT(type), .words = usb_types},
    {"version", .store = SPEC_NUMBER, .offset = AT(version), .min = 1, .max = 3},
    {"ports",   .store = SPEC_NUMBER, .offset = AT(ports), .min = 1, .max = PORTS_MAX},
    {0},
};
#undef AT
/* clang-format on */

static int check_usbctrl(struct spec *spec, struct err *e)
{
    const struct conf_usbctrl *ctrl = spec->to;

    int64_t version = ctrl->version.given ? ctrl->version.value : 2, ports = ctrl->ports.value;

    if (version == 3 && (ctrl->type == CONF_USBCTRL_PV || ctrl->type == CONF_USBCTRL_QUSB))
        return wrong(spec, e, "version=3 is for type=devicemodel only");
    if (ctrl->type != CONF_USBCTRL_DEVICEMODEL || !ctrl->ports.given)
        return 0;
    /* QEMU's controllers. */
    if (version == 1 && ports != 2)
        return wrong(spec, e, "version=1 of type=devicemodel has 2 ports");
    if (version == 2 && ports != 6)
        return wrong(spec, e, "version=2 of type=devicemodel has 6 ports");
    if (version == 3 && ports > 15)
        return wrong(spec, e, "version=3 has at most 15 ports");
    return 0;
}

const struct spec_kind spec_usbctrl = {
    .params = usbctrl_params, .size = sizeof(struct conf_usbctrl), .check = check_usbctrl};

static int set_usb_type(struct spec *spec, const char *value, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (str_eq(value, "hostdev"))
        return 0;
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "type %s is not one of: hostdev",
                      place_show(value, shown));
}

/* clang-format off */
#define AT(member) offsetof(struct conf_usbdev, member)
static const struct spec_param usbdev_params[] = {
    {"type",       .set = set_usb_type},
    {"hostbus",    .store = SPEC_NUMBER, .offset = AT(hostbus), .min = 1, .max = 255},
    {"hostaddr",   .store = SPEC_NUMBER, .offset = AT(hostaddr), .min = 1, .max = 127},
    {"controller", .store = SPEC_NUMBER, .offset = AT(controller), .max = 255},
    {"port",       .store = SPEC_NUMBER, .offset = AT(port), .min = 1, .max = PORTS_MAX},
    {0},
};
#undef AT
/* clang-format on */

static int check_usbdev(struct spec *spec, struct err *e)
{
    const struct conf_usbdev *dev = spec->to;

    if (!dev->hostbus.given || !dev->hostaddr.given)
        return wrong(spec, e, "a USB device is named by hostbus= and hostaddr=; both are needed");
    if (dev->port.given && !dev->controller.given)
        return wrong(spec, e, "port= is of a controller; give controller= too");
    return 0;
}

const struct spec_kind spec_usbdev = {
    .params = usbdev_params, .size = sizeof(struct conf_usbdev), .check = check_usbdev};

static int set_vtpm_uuid(struct spec *spec, const char *value, struct err *e)
{
    struct conf_vtpm *vtpm = spec->to;
    char shown[PLACE_SHOWN];

    if (!*value)
        return 0;
    if (!ident_uuid_valid(value))
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a uuid, which is 8-4-4-4-12 hexadecimal digits",
                          place_show(value, shown));
    ident_uuid_normal(value, vtpm->uuid);
    return 0;
}

static int check_vtpm(struct spec *spec, struct err *e)
{
    const struct conf_vtpm *vtpm = spec->to;

    return vtpm->backend ? 0
                         : wrong(spec, e, "backend= is missing; it names the domain of the TPM");
}

static char *vtpm_text(const void *item)
{
    const struct conf_vtpm *vtpm = item;

    return x_asprintf("backend=%s%s%s", vtpm->backend, *vtpm->uuid ? ",uuid=" : "", vtpm->uuid);
}

/* clang-format off */
static const struct spec_param vtpm_params[] = {
    {"backend", .store = SPEC_STRING, .offset = offsetof(struct conf_vtpm, backend)},
    {"uuid",    .set = set_vtpm_uuid},
    {0},
};

#define AT(member) offsetof(struct conf_p9, member)
static const struct spec_param p9_params[] = {
    {"tag",            .store = SPEC_STRING, .offset = AT(tag)},
    {"path",           .store = SPEC_STRING, .offset = AT(path)},
    {"security_model", .store = SPEC_STRING, .offset = AT(security_model)},
    {"backend",        .store = SPEC_STRING, .offset = AT(backend)},
    {"type",           .store = SPEC_STRING, .offset = AT(type)},
    {"max-space",      .store = SPEC_NUMBER, .offset = AT(max_space), .max = UINT32_MAX},
    {"max-files",      .store = SPEC_NUMBER, .offset = AT(max_files), .max = UINT32_MAX},
    {"max-open-files", .store = SPEC_NUMBER, .offset = AT(max_open_files), .max = UINT32_MAX},
    {"auto-delete",    .store = SPEC_NUMBER, .offset = AT(auto_delete), .max = 1},
    {0},
};
#undef AT
/* clang-format on */

const struct spec_kind spec_vtpm = {.params = vtpm_params,
                                    .size = sizeof(struct conf_vtpm),
                                    .check = check_vtpm,
                                    .text = vtpm_text};

static int check_p9(struct spec *spec, struct err *e)
{
    const struct conf_p9 *p9 = spec->to;

    if (!p9->tag || !p9->path || !p9->security_model)
        return wrong(spec, e, "tag=, path= and security_model= are all needed");
    if (!str_eq(p9->security_model, "none"))
        return wrong(spec, e, "security_model is none; there is no other");
    return 0;
}

const struct spec_kind spec_p9 = {
    .params = p9_params, .size = sizeof(struct conf_p9), .check = check_p9};

/* clang-format off */
static const struct spec_param pvcalls_params[] = {
    {"backend", .store = SPEC_STRING, .offset = offsetof(struct conf_pvcalls, backend)},
    {0},
};

static const struct keys_word_row connections[] = {
    {"pty",    CONF_CONNECTION_PTY},
    {"socket", CONF_CONNECTION_SOCKET},
    {0},
};

#define AT(member) offsetof(struct conf_channel, member)
static const struct spec_param channel_params[] = {
    {"name",       .store = SPEC_STRING, .offset = AT(name)},
    {"connection", .store = SPEC_WORD, .offset = AT(connection), .words = connections},
    {"path",       .store = SPEC_STRING, .offset = AT(path)},
    {"backend",    .store = SPEC_STRING, .offset = AT(backend)},
    {0},
};
#undef AT
/* clang-format on */

const struct spec_kind spec_pvcalls = {.params = pvcalls_params,
                                       .size = sizeof(struct conf_pvcalls)};

static int check_channel(struct spec *spec, struct err *e)
{
    const struct conf_channel *channel = spec->to;

    if (!channel->name)
        return wrong(spec, e, "name= is missing; the guest finds the channel by it");
    if (channel->connection == CONF_CONNECTION_UNSET)
        return wrong(spec, e, "connection= is missing; it is pty or socket");
    if (channel->connection == CONF_CONNECTION_SOCKET && !channel->path)
        return wrong(spec, e, "connection=socket needs path=");
    if (channel->connection == CONF_CONNECTION_PTY && channel->path)
        return wrong(spec, e, "path= is for connection=socket");
    return 0;
}

const struct spec_kind spec_channel = {
    .params = channel_params, .size = sizeof(struct conf_channel), .check = check_channel};

/* clang-format off */
#define AT(member) offsetof(struct conf_virtio, member)
static const struct spec_param virtio_params[] = {
    {"type",        .store = SPEC_STRING, .offset = AT(type)},
    {"backend",     .store = SPEC_STRING, .offset = AT(backend)},
    {"transport",   .store = SPEC_STRING, .offset = AT(transport)},
    {"base",        .store = SPEC_NUMBER, .offset = AT(base), .max = INT64_MAX},
    {"irq",         .store = SPEC_NUMBER, .offset = AT(irq), .max = UINT32_MAX},
    {"grant_usage", .store = SPEC_FLAG, .offset = AT(grant_usage)},
    {0},
};
#undef AT
/* clang-format on */

static int check_virtio(struct spec *spec, struct err *e)
{
    const struct conf_virtio *virtio = spec->to;

    if (!virtio->type)
        return wrong(spec, e, "type= is missing, as in type=virtio");
    if (virtio->transport && !str_eq(virtio->transport, "mmio") &&
        !str_eq(virtio->transport, "pci"))
        return wrong(spec, e, "transport is mmio or pci");
    return 0;
}

const struct spec_kind spec_virtio = {
    .params = virtio_params, .size = sizeof(struct conf_virtio), .check = check_virtio};
