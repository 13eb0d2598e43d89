/* SPDX-License-Identifier: MIT */
/* What the Xen driver hands to libxl for a config, as libxl's own JSON.
 *
 *     xen_config_print [--host] FILE [key=value ...]    as `xl create --dryrun FILE` prints it
 *     xen_config_print [--host] --disk SPEC             as `xl -N block-attach 0 SPEC`
 *     xen_config_print [--host] --vif SPEC              as `xl -N network-attach 0 SPEC`
 *     xen_config_print --text FILE [key=value ...]      read back from libxl, as text
 *
 * With --host this host's CPUs and xl.conf count; without, a made-up one's with 8 CPUs in 2 nodes,
 * which needs no Xen. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/xen/host_config.h"
#include "made_up_host.h"

static int read_host(bool real, struct host_config *host, struct err *e)
{
    libxl_ctx *ctx;

    if (!real) {
        made_up_host(host);
        return 0;
    }
    if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, NULL) != 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "no Xen here");
    int rc = host_config_read(ctx, host, e);
    libxl_ctx_free(ctx);
    return rc;
}

static int parse(const char *text, size_t len, const char *file, char **words, struct conf **conf,
                 struct err *e)
{
    struct conf_warnings warnings;
    size_t count = 0;

    while (words[count])
        count++;
    int rc =
        conf_parse(text, len, file, (const char *const *)words, count, "xen", conf, &warnings, e);
    for (size_t i = 0; i < warnings.count; i++)
        fprintf(stderr, "%s\n", warnings.lines[i]);
    conf_warnings_finish(&warnings);
    return rc;
}

/* A whole config as JSON, or read back as text. */
static int print_config(const struct conf *conf, const struct host_config *host, bool back,
                        struct err *e)
{
    const struct config_args args = {.conf = conf, .host = host, .uuid = MADE_UP_UUID};
    AUTO_FREE char *text = NULL, *left_out = NULL;
    libxl_domain_config config;

    if (xen_config(&args, &config, e) < 0)
        return -1;
    int rc = 0;
    if (back)
        rc = xen_config_text(&config, &text, &left_out, e);
    else
        text = libxl_domain_config_to_json(NULL, &config);
    libxl_domain_config_dispose(&config);
    if (rc == 0)
        fputs(text, stdout);
    if (left_out)
        fprintf(stderr, "left out: %s\n", left_out);
    return rc;
}

static int print_device(const char *key, const char *spec, const struct host_config *host,
                        struct err *e)
{
    AUTO_STR struct str text = {0};
    char *const no_words[] = {NULL};
    struct conf *conf;
    libxl_device_disk disk;
    libxl_device_nic nic;
    char *json = NULL;

    str_addf(&text, "name = 'x'\n%s = ['%s']\n", key, spec);
    if (parse(text.data, text.len, "spec", (char **)no_words, &conf, e) < 0)
        return -1;
    int rc;
    if (conf->disk_count) {
        rc = xen_config_disk(conf->disks, NULL, &disk, e);
        json = rc == 0 ? libxl_device_disk_to_json(NULL, &disk) : NULL;
        if (rc == 0)
            libxl_device_disk_dispose(&disk);
    } else {
        rc = xen_config_nic(conf->vifs, NULL, host, &nic, e);
        json = rc == 0 ? libxl_device_nic_to_json(NULL, &nic) : NULL;
        if (rc == 0)
            libxl_device_nic_dispose(&nic);
    }
    if (json)
        fputs(json, stdout);
    free(json);
    conf_free(conf);
    return rc;
}

static int run(char **words, struct err *e)
{
    struct host_config host;
    bool real = str_eq(*words, "--host");
    AUTO_FREE char *text = NULL;
    struct conf *conf;
    size_t len;

    words += real;
    if (!*words || (str_starts(*words, "--") && !words[1]))
        return err_set(e, ERR_BAD_REQUEST, "usage: xen_config_print [--host] FILE [key=value ...]");
    if (read_host(real, &host, e) < 0)
        return -1;
    bool back = str_eq(*words, "--text");
    words += back;
    int rc = -1;
    if (str_eq(*words, "--disk") || str_eq(*words, "--vif")) {
        rc = print_device(*words + 2, words[1], &host, e);
    } else if (fs_read_file(*words, CONF_TEXT_MAX, &text, &len, e) == 0 &&
               parse(text, len, *words, words + 1, &conf, e) == 0) {
        rc = print_config(conf, &host, back, e);
        conf_free(conf);
    }
    host_config_finish(&host);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e;

    (void)argc;
    if (run(argv + 1, &e) == 0)
        return 0;
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}
