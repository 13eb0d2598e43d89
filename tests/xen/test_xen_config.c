/* SPDX-License-Identifier: MIT */
/* struct conf -> libxl_domain_config -> struct conf, without a hypervisor.
 * tests/golden/xen/NAME.cfg and NAME.json: what goes to libxl, as libxl's JSON; or NAME.err: the
 * sentence that refuses it. With REEVE_GOLDEN_UPDATE set the files are written. The folder
 * tests/golden is the argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/keys.h"
#include "driver/xen/host_config.h"
#include "made_up_host.h"

static const char *golden;
static struct host_config host;

static const struct conf *parse(const char *text, const char *file, struct conf **conf,
                                struct err *e)
{
    struct conf_warnings warnings;

    *conf = NULL;
    if (conf_parse(text, strlen(text), file, NULL, 0, "xen", conf, &warnings, e) < 0)
        *conf = NULL;
    conf_warnings_finish(&warnings);
    return *conf;
}

/* libxl's JSON of what conf becomes; NULL: refused. */
static char *json_of(const struct conf *conf, libxl_domain_config *config, struct err *e)
{
    const struct config_args args = {
        .conf = conf, .host = &host, .uuid = MADE_UP_UUID, .directory = "/srv"};

    return xen_config(&args, config, e) < 0 ? NULL : libxl_domain_config_to_json(NULL, config);
}

/* A random id is no part of what is compared. */
static void still(libxl_domain_config *config)
{
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_HVM)
        memset(&config->b_info.u.hvm.ms_vm_genid, 0, sizeof config->b_info.u.hvm.ms_vm_genid);
}

/* What libxl got, read back and given to it again, is the same. */
static void comes_back(const char *name, libxl_domain_config *config)
{
    libxl_domain_config again;
    struct conf *conf;
    struct err e;
    char *text, *left_out;

    still(config);
    AUTO_FREE char *before = libxl_domain_config_to_json(NULL, config);
    if (xen_config_text(config, &text, &left_out, &e) < 0)
        fail_msg("%s: %s", name, e.msg);
    if (left_out)
        fail_msg("%s: left out: %s", name, left_out);
    if (!parse(text, name, &conf, &e))
        fail_msg("%s: %s\n%s", name, e.msg, text);
    AUTO_FREE char *unused = json_of(conf, &again, &e);
    if (!unused)
        fail_msg("%s: %s\n%s", name, e.msg, text);
    still(&again);
    AUTO_FREE char *after = libxl_domain_config_to_json(NULL, &again);
    if (!str_eq(before, after))
        fprintf(stderr, "%s\nbefore: %s\nafter: %s\n", text, before, after);
    if (!str_eq(before, after))
        fail_msg("%s does not come back", name);
    libxl_domain_config_dispose(&again);
    conf_free(conf);
    free(text);
}

/* Calls each with the text of every NAME.cfg of a folder. */
static size_t each_config(const char *folder,
                          void (*call)(const char *path, const char *base, const char *text))
{
    AUTO_FREE char *place = x_asprintf("%s/%s", golden, folder);
    struct dirent **entries;
    int count = scandir(place, &entries, NULL, alphasort);
    size_t seen = 0;

    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        if (str_ends(entries[i]->d_name, ".cfg")) {
            AUTO_FREE char *path = x_asprintf("%s/%s", place, entries[i]->d_name);
            AUTO_FREE char *text = NULL;
            size_t len;
            struct err e;
            if (fs_read_file(path, CONF_TEXT_MAX, &text, &len, &e) < 0)
                fail_msg("%s", e.msg);
            call(path, entries[i]->d_name, text);
            seen++;
        }
        free(entries[i]);
    }
    free(entries);
    return seen;
}

static void compare_golden(const char *path, const char *suffix, const char *now)
{
    AUTO_FREE char *base = x_strndup(path, strlen(path) - strlen(".cfg"));
    AUTO_FREE char *file = x_asprintf("%s.%s", base, suffix);
    AUTO_FREE char *expected = NULL;
    struct err e;
    size_t len;

    if (getenv("REEVE_GOLDEN_UPDATE")) {
        FILE *f = fopen(file, "w");
        assert_non_null(f);
        fputs(now, f);
        assert_int_equal(fclose(f), 0);
        return;
    }
    if (fs_read_file(file, CONF_TEXT_MAX, &expected, &len, &e) < 0)
        fail_msg("%s\nREEVE_GOLDEN_UPDATE=1 writes it:\n%s", e.msg, now);
    if (!str_eq(expected, now))
        fail_msg("%s differs (REEVE_GOLDEN_UPDATE=1 writes it anew); now:\n%s", file, now);
}

static void one_golden(const char *path, const char *base, const char *text)
{
    libxl_domain_config config;
    struct conf *conf;
    struct err e;

    if (!parse(text, base, &conf, &e))
        fail_msg("%s", e.msg);
    AUTO_FREE char *json = json_of(conf, &config, &e);
    if (json) {
        still(&config);
        AUTO_FREE char *stands = libxl_domain_config_to_json(NULL, &config);
        compare_golden(path, "json", stands);
        comes_back(base, &config);
        libxl_domain_config_dispose(&config);
    } else {
        AUTO_FREE char *line = x_asprintf("%s: %s\n", err_name(e.code), e.msg);
        AUTO_FREE char *begin = x_asprintf("%s: ", e.key);
        assert_true(str_starts(e.msg, begin));
        compare_golden(path, "err", line);
    }
    conf_free(conf);
}

static void goldens(void **state)
{
    enum { GOLDENS_MIN = 20 };

    (void)state;
    assert_true(each_config("xen", one_golden) >= GOLDENS_MIN);
}

static size_t came_back;

static void one_of_corpus(const char *path, const char *base, const char *text)
{
    libxl_domain_config config;
    struct conf *conf;
    struct err e;

    (void)path;
    if (!parse(text, base, &conf, &e))
        return;
    AUTO_FREE char *json = json_of(conf, &config, &e);
    if (json) {
        comes_back(base, &config);
        libxl_domain_config_dispose(&config);
        came_back++;
    } else {
        AUTO_FREE char *begin = x_asprintf("%s: ", e.key);
        assert_true(e.key[0] && str_starts(e.msg, begin));
    }
    conf_free(conf);
}

static void corpus_comes_back(void **state)
{
    enum { CORPUS_MIN = 45 };

    (void)state;
    each_config("corpus", one_of_corpus);
    assert_true(came_back >= CORPUS_MIN);
}

static bool listed(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(words[i], word))
            return true;
    return false;
}

static bool handed_over(const char *name)
{
    const char *key;

    for (size_t i = 0; (key = xen_config_key(i)); i++)
        if (str_eq(key, name))
            return true;
    return false;
}

static bool refused(const char *name)
{
    const char *key, *value;

    for (size_t i = 0; (key = xen_config_missing(i, &value)); i++)
        if (str_eq(key, name) && !value)
            return true;
    return false;
}

/* Each key that is said to act on Xen goes to libxl, is refused, or is one of these: */
static void every_key_has_its_place(void **state)
{
    static const char *const elsewhere[] = {
        "arm_sci",         /* "none" is what libxl 4.17 does */
        "device_model",    /* xl ignores it too */
        "vncviewer",       /* likewise */
        "reeve_autostart", /* ours */
    };
    const char *name;

    (void)state;
    for (size_t i = 0; (name = conf_key_name(i)); i++) {
        bool ours = str_starts(name, "reeve_") || listed(elsewhere, ARRAY_LEN(elsewhere), name);
        if (!conf_key_acts(i, "xen")) {
            if (handed_over(name) || refused(name))
                fail_msg("%s acts on Xen, and its row says that it does not", name);
        } else if (handed_over(name) + refused(name) + ours != 1) {
            fail_msg("%s: handed over %d, refused %d, elsewhere %d", name, handed_over(name),
                     refused(name), ours);
        }
    }
}

/* The rows name keys that there are. */
static void every_row_is_a_key(void **state)
{
    const char *key, *value;

    (void)state;
    for (size_t i = 0; (key = xen_config_key(i)); i++)
        if (!keys_find(key))
            fail_msg("there is no key %s", key);
    for (size_t i = 0; (key = xen_config_missing(i, &value)); i++)
        if (!keys_find(key))
            fail_msg("there is no key %s", key);
}

/* docs/drivers.md names each that is refused. */
static void the_refused_are_in_the_manual(void **state)
{
    AUTO_FREE char *path = x_asprintf("%s/../../docs/drivers.md", golden);
    AUTO_FREE char *text = NULL;
    const char *key, *value;
    struct err e;
    size_t len;

    (void)state;
    if (fs_read_file(path, CONF_TEXT_MAX, &text, &len, &e) < 0)
        fail_msg("%s", e.msg);
    const char *section = strstr(text, "## Configs on Xen");
    assert_non_null(section);
    for (size_t i = 0; (key = xen_config_missing(i, &value)); i++) {
        AUTO_FREE char *shown = value ? x_asprintf("%s = \"%s\"", key, value) : x_strdup(key);
        if (!strstr(section, shown))
            fail_msg("docs/drivers.md does not say that %s is refused on Xen", shown);
    }
}

static void xl_conf(void **state)
{
    static const char text[] = "# comment with a . and a =\n"
                               "vif.default.bridge = \"xenbr1\"\n"
                               "vifscript=\"vif-route\"\n"
                               "vif.default.script=\"vif-nat\"\n"
                               "vif.default.backend = \"net\"\n"
                               "claim_mode=0\n"
                               "run_hotplug_scripts = 0\n"
                               "max_grant_frames = 64\n"
                               "max_grant_version = \"no number\"\n"
                               "#blkdev_start=\"xvdb\"\n";
    struct host_config of;

    (void)state;
    host_config_init(&of);
    host_config_parse(text, strlen(text), &of);
    assert_string_equal(of.vif_bridge, "xenbr1");
    assert_string_equal(of.vif_script, "vif-nat");
    assert_string_equal(of.vif_backend, "net");
    assert_null(of.vif_gatewaydev);
    assert_null(of.blkdev_start);
    assert_false(of.claim_mode);
    assert_false(of.run_hotplug_scripts);
    assert_int_equal(of.max_grant_frames, 64);
    assert_int_equal(of.max_grant_version, -1);
    host_config_finish(&of);
    host_config_init(&of);
    host_config_parse("= not ours [", 12, &of);
    assert_true(of.claim_mode);
    host_config_finish(&of);
}

static void autoballoon_as_xl_decides(void **state)
{
    static const struct {
        const char *word, *commandline;
        bool on;
    } rows[] = {
        {NULL,   NULL,                                   true },
        {NULL,   "console=com1",                         true },
        {NULL,   "dom0_mem=1024M loglvl=all",            false},
        {NULL,   "console=vga dom0_mem=min:512M,max:2T", false},
        {NULL,   "dom0_mem=1G+10%,max:50%",              false},
        {NULL,   "dom0_mem=-1G",                         false},
        {NULL,   "xdom0_mem=1024M",                      true },
        {"auto", "dom0_mem=1024M",                       false},
        {"on",   "dom0_mem=1024M",                       true },
        {"1",    "dom0_mem=1024M",                       true },
        {"off",  "console=com1",                         false},
        {"0",    "console=com1",                         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        /* Beside keys with dots, which are no names in a config of a domain. */
        AUTO_FREE char *text = rows[i].word
                                   ? x_asprintf("vif.default.bridge=\"x\"\nautoballoon=\"%s\"\n"
                                                "lockfile=\"/run/lock/mine\"\n",
                                                rows[i].word)
                                   : x_strdup("");
        struct host_config of;
        host_config_init(&of);
        host_config_parse(text, strlen(text), &of);
        if (host_config_autoballoon(&of, rows[i].commandline) != rows[i].on)
            fail_msg("row %zu", i);
        assert_string_equal(of.lockfile ? of.lockfile : "", rows[i].word ? "/run/lock/mine" : "");
        host_config_finish(&of);
    }
}

/* The masks of xl.conf, on 8 CPUs in 2 nodes; NULL: it is refused. */
static void masks_of_the_host(void **state)
{
    static const struct {
        const char *conf, *type, *cpus;
        unsigned want[2]; /* bits of each vCPU's CPUs; 0xffff: there is no map */
        const char *says; /* why it is refused */
    } rows[] = {
        {"",                                     "pv",  "",                 {0xffff},     NULL},
        {"vm.cpumask=\"2-7\"",                   "pv",  "",                 {0xfc, 0xfc}, NULL},
        {"vm.cpumask=\"nodes:1\"",               "pvh", "",                 {0xf0, 0xf0}, NULL},
        {"vm.pv.cpumask=\"3\"",                  "pvh", "",                 {0xffff},     NULL},
        {"vm.pv.cpumask=\"3\"",                  "pv",  "",                 {8, 8},       NULL},
        {"vm.hvm.cpumask=\"all,^0\"",            "hvm", "cpus=['0-3','4']", {0xe, 0x10},  NULL},
        {"vm.cpumask='1-4'\nvm.hvm.cpumask='4'", "pvh", "cpus='2-7'",       {0x10, 0x10}, NULL},
        {"vm.cpumask=\"2-7\"",
         "pv",                                          "cpus='0,1'",
         {0},
         "cpus: vm.cpumask = \"2-7\" in xl.conf leaves none"                                  },
        {"vm.cpumask=\"9\"",
         "pv",                                          "",
         {0},
         "vm.cpumask in xl.conf: cpus: none of the host's 8 CPUs"                             },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = x_asprintf("name='a'\nkernel='/k'\ntype='%s'\nvcpus=2\n%s\n",
                                          rows[i].type, rows[i].cpus);
        libxl_domain_config config;
        struct conf *conf;
        struct err e;
        host_config_parse(rows[i].conf, strlen(rows[i].conf), &host);
        assert_non_null(parse(text, "t.cfg", &conf, &e));
        const struct config_args args = {.conf = conf, .host = &host, .uuid = MADE_UP_UUID};
        int result = xen_config(&args, &config, &e);
        if (rows[i].says) {
            assert_int_equal(result, -1);
            assert_int_equal(e.code, ERR_BAD_CONFIG);
            if (!strstr(e.msg, rows[i].says))
                fail_msg("%s", e.msg);
        } else {
            assert_int_equal(result, 0);
            int maps = rows[i].want[0] == 0xffff ? 0 : 2;
            assert_int_equal(config.b_info.num_vcpu_hard_affinity, maps);
            for (int v = 0; v < maps; v++)
                assert_int_equal(config.b_info.vcpu_hard_affinity[v].map[0], rows[i].want[v]);
            libxl_domain_config_dispose(&config);
        }
        conf_free(conf);
        host_config_finish(&host);
        made_up_host(&host);
    }
}

static void domids_of_the_host(void **state)
{
    static const char text[] = "name='a'\nkernel='/k'\n";
    libxl_domain_config config;
    struct conf *conf;
    struct err e;

    (void)state;
    assert_non_null(parse(text, "t.cfg", &conf, &e));
    const struct config_args args = {.conf = conf, .host = &host, .uuid = MADE_UP_UUID};
    assert_int_equal(xen_config(&args, &config, &e), 0);
    assert_int_equal(config.c_info.domid, 0); /* the hypervisor counts */
    libxl_domain_config_dispose(&config);
    host_config_parse("domid_policy=\"random\"", 21, &host);
    assert_int_equal(xen_config(&args, &config, &e), 0);
    assert_int_equal(config.c_info.domid, (libxl_domid)RANDOM_DOMID);
    libxl_domain_config_dispose(&config);
    conf_free(conf);
    host_config_finish(&host);
    made_up_host(&host);
}

/* xl.conf's defaults are in each interface that says nothing else; paths begin at the folder. */
static void defaults_of_the_host(void **state)
{
    static const char text[] = "name='a'\nkernel='k'\ndisk=['d.img,raw,xvda,w']\n"
                               "vif=['', 'bridge=b,script=s']\n";
    libxl_domain_config config;
    struct conf *conf;
    struct err e;

    (void)state;
    host.vif_bridge = x_strdup("xenbr1");
    host.vif_script = x_strdup("vif-nat");
    assert_non_null(parse(text, "t.cfg", &conf, &e));
    AUTO_FREE char *json = json_of(conf, &config, &e);
    assert_non_null(json);
    assert_string_equal(config.nics[0].bridge, "xenbr1");
    assert_string_equal(config.nics[0].script, "vif-nat");
    assert_string_equal(config.nics[1].bridge, "b");
    assert_string_equal(config.nics[1].script, "s");
    assert_string_equal(config.b_info.kernel, "/srv/k");
    assert_string_equal(config.disks[0].pdev_path, "/srv/d.img");
    libxl_domain_config_dispose(&config);
    conf_free(conf);
    host_config_finish(&host);
    made_up_host(&host);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens),
        cmocka_unit_test(corpus_comes_back),
        cmocka_unit_test(every_key_has_its_place),
        cmocka_unit_test(every_row_is_a_key),
        cmocka_unit_test(the_refused_are_in_the_manual),
        cmocka_unit_test(xl_conf),
        cmocka_unit_test(autoballoon_as_xl_decides),
        cmocka_unit_test(masks_of_the_host),
        cmocka_unit_test(domids_of_the_host),
        cmocka_unit_test(defaults_of_the_host),
    };

    golden = argc > 1 ? argv[1] : "tests/golden";
    made_up_host(&host);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    host_config_finish(&host);
    return failed;
}
