/* SPDX-License-Identifier: MIT */
/* Save files of xl as save images: what xl_file.c finds in one fills an image's header, and a
 * domain's config becomes what stands before the stream. Which config libxl's JSON is, the driver
 * says; what is read of it here are the names that "xl list -l" shows too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "core/driver.h"
#include "core/image_format.h"
#include "core/xl_file.h"

static int bad(struct err *e, const char *key)
{
    return err_set(e, ERR_DAMAGED, "its config has no usable \"%s\"", key);
}

/* Members of libxl_domain_config, as libxl_domain_config_to_json writes them. */
static int read_json(const struct xl_file *f, struct image_header *h, char type[8], struct err *e)
{
    struct err why;
    AUTO_JSON json_t *json = json_parse_object(f->config, f->config_len, &why);

    if (!json)
        return err_set(e, ERR_DAMAGED, "its config cannot be read: %s", why.msg);
    const json_t *made = json_object_get(json, "c_info"), *built = json_object_get(json, "b_info");
    const char *uuid = json_get_string(made, "uuid", "");
    h->name = x_strdup(json_get_string(made, "name", ""));
    if (h->name[0] == '\0')
        return bad(e, "name");
    if (!ident_uuid_valid(uuid))
        return bad(e, "uuid");
    ident_uuid_normal(uuid, h->uuid);
    if (!str_copy(type, 8, json_get_string(made, "type", "")))
        return bad(e, "type");
    int64_t memory = json_get_int(built, "target_memkb", json_get_int(built, "max_memkb", -1));
    if (memory < 0)
        return bad(e, "target_memkb");
    h->memory_kib = (uint64_t)memory;
    h->libxl_json = x_strdup(f->config);
    return 0;
}

/* As xl wrote it up to Xen 4.4, and as xl restore still takes it. */
static int read_text(const struct xl_file *f, const char *path, struct image_header *h,
                     char type[8], struct err *e)
{
    static const char *const types[] = {[CONF_TYPE_UNSET] = "pv",
                                        [CONF_TYPE_PV] = "pv",
                                        [CONF_TYPE_PVH] = "pvh",
                                        [CONF_TYPE_HVM] = "hvm"};
    struct conf_warnings warnings = {0};
    struct conf *conf = NULL;

    int result = conf_parse(f->config, f->config_len, path, NULL, 0, "xen", &conf, &warnings, e);
    conf_warnings_finish(&warnings);
    if (result < 0)
        return -1;
    h->name = x_strdup(conf->name ? conf->name : "");
    if (conf->uuid[0])
        ident_uuid_normal(conf->uuid, h->uuid);
    h->memory_kib = conf->memory_kib;
    h->config = x_strdup(f->config);
    str_copy(type, 8, types[conf->type]);
    conf_free(conf);
    return h->name[0] ? 0 : bad(e, "name");
}

/* The stream is of the machine that the config means: libxc tells PV from the rest alone. */
static int check_type(const struct xl_file *f, const char *type, struct err *e)
{
    bool pv = f->guest != XL_GUEST_HVM;

    if (!str_eq(type, "pv") && !str_eq(type, "pvh") && !str_eq(type, "hvm"))
        return err_set(e, ERR_UNSUPPORTED, "its guest is of a type that this reeve does not know");
    if (str_eq(type, "pv") != pv)
        return err_set(e, ERR_DAMAGED, "its config says %s, and its guest's state is of a %s guest",
                       type, pv ? "pv" : "pvh or hvm");
    return 0;
}

static int fill(int fd, const char *path, const struct xl_file *f, struct image_header *h,
                struct err *e)
{
    struct stat st;
    char type[8];

    if ((f->json ? read_json(f, h, type, e) : read_text(f, path, h, type, e)) < 0 ||
        check_type(f, type, e) < 0)
        return -1;
    h->xl = true;
    h->driver = x_strdup("xen");
    /* As the Xen driver's own, which checks it at a restore. */
    h->platform = x_asprintf("xen %u.%u %s%s", f->xen_major, f->xen_minor, type,
                             f->guest == XL_GUEST_PV32 ? " 32-bit" : "");
    h->directory = x_strdup("/");
    h->macs = x_strdup("");
    if (fstat(fd, &st) == 0)
        h->saved_at_ms = (int64_t)st.st_mtim.tv_sec * 1000;
    return 0;
}

int image_xl_read(int fd, const char *path, struct image_header *h, uint64_t *ret_offset,
                  uint64_t *ret_bytes, struct err *e)
{
    struct xl_file f = {0};
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot stat %s", path);
    int result = xl_file_read(fd, (uint64_t)st.st_size, &f, e);
    if (result == 0)
        result = fill(fd, path, &f, h, e);
    *ret_offset = f.stream_offset;
    *ret_bytes = f.stream_bytes;
    xl_file_finish(&f);
    if (result == 0)
        return 0;
    if (e->code == ERR_BAD_CONFIG) /* it names the file */
        return -1;
    if (e->code == ERR_DAMAGED)
        return err_wrap(e, "the save file of xl %s is damaged", path);
    return err_wrap(e, "cannot read the save file of xl %s", path);
}

int image_reader_translate(struct image_reader *r, const struct driver *driver,
                           struct driver_handle *handle, struct err *e)
{
    struct image_header *h = image_reader_own_header(r);

    if (h->config)
        return 0;
    if (!driver->from_xl)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s is a save file of xl, whose guests run on Xen; this daemon's driver is "
                       "%s",
                       image_reader_path(r), driver->name);
    if (driver->from_xl(handle, h->libxl_json, &h->config, e) < 0)
        return err_wrap(e, "cannot use the config in %s", image_reader_path(r));
    return 0;
}

int image_writer_xl(struct image_writer *w, const struct create_args *args,
                    const struct driver *driver, struct driver_handle *handle, struct err *e)
{
    AUTO_STR struct str head = {0};
    AUTO_FREE char *json = NULL;

    if (!driver->to_xl)
        return err_set(e, ERR_UNSUPPORTED,
                       "xl's save files are of guests that run on Xen; this daemon's driver is %s",
                       driver->name);
    if (driver->to_xl(handle, args, &json, e) < 0 || xl_file_head(json, &head, e) < 0)
        return -1;
    return image_writer_plain(w, head.data, head.len, e);
}

int image_writer_xl_of(struct image_writer *w, const struct image_header *h,
                       const struct driver *driver, struct driver_handle *handle, struct err *e)
{
    struct create_args args = {.directory = h->directory ? h->directory : "/"};
    AUTO_FREE char *words = x_strdup(h->macs ? h->macs : "");
    struct conf_warnings warnings = {0};
    struct conf *conf = NULL;
    char *rest = NULL;

    int result =
        conf_parse(h->config, strlen(h->config), h->name, NULL, 0, h->driver, &conf, &warnings, e);
    conf_warnings_finish(&warnings);
    if (result < 0)
        return -1;
    AUTO_FREE const char **macs = x_calloc(conf->vif_count + 1, sizeof *macs);
    for (size_t i = 0; i < conf->vif_count; i++)
        macs[i] = strtok_r(i == 0 ? words : NULL, " ", &rest);
    args.conf = conf;
    args.macs = macs;
    str_copy(args.ref.uuid, sizeof args.ref.uuid, h->uuid);
    str_copy(args.ref.name, sizeof args.ref.name, h->name);
    result = image_writer_xl(w, &args, driver, handle, e);
    conf_free(conf);
    return result;
}
