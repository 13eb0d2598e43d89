/* SPDX-License-Identifier: MIT */
#include "driver/xen/xl.h"

#include <stdlib.h>

#include "base/mem.h"
#include "driver/xen/build.h"
#include "driver/xen/config.h"

int xl_write(struct driver_handle *h, const struct create_args *args, char **ret_json,
             struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    libxl_domain_config config;

    (void)h;
    if (session_open(&s, e) < 0 || build_translate(&s, args, &config, e) < 0)
        return -1;
    *ret_json = libxl_domain_config_to_json(s.ctx, &config);
    libxl_domain_config_dispose(&config);
    return *ret_json ? 0 : err_set(e, ERR_FAILED, "libxl cannot write the config as JSON");
}

int xl_read(struct driver_handle *h, const char *json, char **ret_config, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    libxl_domain_config config;

    (void)h;
    if (session_open(&s, e) < 0)
        return -1;
    libxl_domain_config_init(&config);
    session_begin(&s);
    int result = 0;
    if (libxl_domain_config_from_json(s.ctx, &config, json) < 0)
        result =
            err_set(e, ERR_DAMAGED, "it is none of this libxl's%s%s", s.why[0] ? ": " : "", s.why);
    if (result == 0)
        result = xen_config_whole_text(&config, ret_config, e);
    libxl_domain_config_dispose(&config);
    return result;
}
