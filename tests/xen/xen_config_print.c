/* SPDX-License-Identifier: MIT */
/* What the Xen driver hands to libxl for a config, as libxl's own JSON.
 *
 *     xen_config_print [--host] FILE [key=value ...]   as `xl create --dryrun FILE` prints it
 *     xen_config_print [--host] --text FILE            read back from libxl, as text
 *     xen_config_print --read FILE                     libxl's JSON of a domain, as text; needs Xen
 *     xen_config_print [--host] --into FOLDER FILE ...
 *         each to FOLDER/NAME.json; a FILE without .cfg holds lines "disk SPEC" and "vif SPEC",
 * each to FOLDER/disk SPEC.json with % for /, as `xl -N block-attach 0 SPEC` prints it
 *
 * With --host this host's CPUs and xl.conf count; without, a made-up one's with 8 CPUs in 2 nodes,
 * which needs no Xen. */
#include <errno.h>
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

/* A whole config as JSON, or read back as text. Owned by the caller; NULL: refused. */
static char *show_config(const char *file, char **words, const struct host_config *host, bool back,
                         struct err *e)
{
    AUTO_FREE char *text = NULL;
    libxl_domain_config config;
    struct conf *conf;
    char *shown = NULL;
    size_t len;

    if (fs_read_file(file, CONF_TEXT_MAX, &text, &len, e) < 0 ||
        parse(text, len, file, words, &conf, e) < 0)
        return NULL;
    const struct config_args args = {.conf = conf, .host = host, .uuid = MADE_UP_UUID};
    if (xen_config(&args, &config, e) == 0) {
        if (!back)
            shown = libxl_domain_config_to_json(NULL, &config);
        else if (xen_config_text(&config, &shown, NULL, e) < 0)
            shown = NULL;
        libxl_domain_config_dispose(&config);
    }
    conf_free(conf);
    return shown;
}

/* A disk or vif spec as JSON, likewise. */
static char *show_device(const char *key, const char *spec, const struct host_config *host,
                         struct err *e)
{
    AUTO_FREE char *text = x_asprintf("name = 'x'\n%s = ['%s']\n", key, spec);
    char *no_words[] = {NULL}, *json = NULL;
    libxl_device_disk disk;
    libxl_device_nic nic;
    struct conf *conf;

    if (parse(text, strlen(text), "spec", no_words, &conf, e) < 0)
        return NULL;
    if (conf->disk_count && xen_config_disk(conf->disks, NULL, &disk, e) == 0) {
        json = libxl_device_disk_to_json(NULL, &disk);
        libxl_device_disk_dispose(&disk);
    } else if (conf->vif_count && xen_config_nic(conf->vifs, NULL, host, &nic, e) == 0) {
        json = libxl_device_nic_to_json(NULL, &nic);
        libxl_device_nic_dispose(&nic);
    }
    conf_free(conf);
    return json;
}

/* FOLDER/NAME.json, or FOLDER/NAME.err where shown is NULL. */
static int store(const char *folder, const char *name, const char *shown, struct err *e)
{
    AUTO_FREE char *path = x_asprintf("%s/%s.%s", folder, name, shown ? "json" : "err");
    FILE *file = fopen(path, "w");

    if (!file)
        return err_errno(e, ERR_FAILED, errno, "cannot make %s", path);
    fprintf(file, "%s\n", shown ? shown : e->msg);
    return fclose(file) == 0 ? 0 : err_errno(e, ERR_FAILED, errno, "cannot write %s", path);
}

static int store_specs(const char *folder, const char *file, const struct host_config *host,
                       struct err *e)
{
    AUTO_FREE char *text = NULL;
    char *rest, *line;
    size_t len;

    if (fs_read_file(file, CONF_TEXT_MAX, &text, &len, e) < 0)
        return -1;
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        if (!str_starts(line, "disk ") && !str_starts(line, "vif "))
            continue;
        AUTO_FREE char *name = x_strdup(line);
        for (char *c = name; (c = strchr(c, '/'));)
            *c = '%';
        char *spec = strchr(line, ' ');
        *spec++ = '\0';
        AUTO_FREE char *json = show_device(line, spec, host, e);
        if (store(folder, name, json, e) < 0)
            return -1;
    }
    return 0;
}

static int store_all(const char *folder, char **files, const struct host_config *host,
                     struct err *e)
{
    char *no_words[] = {NULL};
    int rc = 0;

    for (; *files && rc == 0; files++) {
        const char *slash = strrchr(*files, '/');
        const char *base = slash ? slash + 1 : *files;
        if (!str_ends(base, ".cfg")) {
            rc = store_specs(folder, *files, host, e);
            continue;
        }
        AUTO_FREE char *name = x_strndup(base, strlen(base) - strlen(".cfg"));
        AUTO_FREE char *json = show_config(*files, no_words, host, false, e);
        rc = store(folder, name, json, e);
    }
    return rc;
}

/* What libxl says of a domain that is there, as text; what that leaves out goes to stderr. */
static int read_back(const char *file, struct err *e)
{
    AUTO_FREE char *json = NULL, *text = NULL, *left_out = NULL;
    libxl_domain_config config;
    libxl_ctx *ctx;
    size_t len;

    if (fs_read_file(file, CONF_TEXT_MAX, &json, &len, e) < 0)
        return -1;
    if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, NULL) != 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "no Xen here");
    libxl_domain_config_init(&config);
    int rc = libxl_domain_config_from_json(ctx, &config, json) == 0
                 ? xen_config_text(&config, &text, &left_out, e)
                 : err_set(e, ERR_FAILED, "%s is not libxl's JSON", file);
    libxl_domain_config_dispose(&config);
    libxl_ctx_free(ctx);
    if (text)
        fputs(text, stdout);
    if (left_out)
        fprintf(stderr, "left out: %s\n", left_out);
    return rc;
}

static int run(char **words, struct err *e)
{
    struct host_config host;
    bool real = str_eq(*words, "--host");

    if (str_eq(*words, "--read") && words[1])
        return read_back(words[1], e);
    words += real;
    bool back = str_eq(*words, "--text"), into = str_eq(*words, "--into");
    words += back || into;
    if (!*words || str_starts(*words, "--") || (into && !words[1]))
        return err_set(e, ERR_BAD_REQUEST,
                       "usage: xen_config_print [--host] [--text | --into FOLDER] FILE ...");
    if (read_host(real, &host, e) < 0)
        return -1;
    int rc = -1;
    if (into) {
        rc = store_all(words[0], words + 1, &host, e);
    } else {
        AUTO_FREE char *shown = show_config(words[0], words + 1, &host, back, e);
        rc = shown ? 0 : -1;
        if (shown)
            puts(shown);
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
