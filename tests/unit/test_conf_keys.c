/* SPDX-License-Identifier: MIT */
/* Keys: the rows, what each takes and refuses, defaults, and keys that depend on each other. */
#include "conf_fixture.h"

static const char *const drivers[] = {"qemu", "null", "xen"};

static size_t row_of(const char *name)
{
    for (size_t i = 0; conf_key_name(i); i++)
        if (str_eq(conf_key_name(i), name))
            return i;
    fail_msg("no row for %s", name);
    return 0;
}

static void rows_are_whole(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++, count++) {
        const char *help = conf_key_help(i);
        bool acts = false;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(conf_key_name(i), conf_key_name(j));
        for (size_t d = 0; d < ARRAY_LEN(drivers); d++)
            acts = acts || conf_key_acts(i, drivers[d]);
        if (!help || strlen(help) < 3 || str_ends(help, "."))
            fail_msg("%s has no help, or one with a full stop", conf_key_name(i));
        if (acts != (conf_key_takes(i) != NULL))
            fail_msg("%s acts and takes nothing, or the other way round", conf_key_name(i));
        if (conf_key_acts(i, "qemu") && conf_key_refused(i))
            fail_msg("%s acts and is refused", conf_key_name(i));
        assert_false(conf_key_acts(i, "other"));
    }
    assert_true(count > 170);
    assert_null(conf_key_name(count));
    assert_string_equal(conf_key_unit(row_of("memory")), "MiB");
    assert_string_equal(conf_key_default(row_of("on_reboot")), "restart");
    assert_string_equal(conf_key_word(row_of("on_reboot"), 2), "preserve");
    assert_null(conf_key_word(row_of("on_reboot"), 7));
    assert_null(conf_key_word(row_of("memory"), 0));
}

/* A row that acts nowhere warns, and one with a reason refuses what is not "none" on QEMU. */
static void known_keys(void **state)
{
    static const char *const nothing[] = {"0", "''", "[]", "None"};

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        const char *name = conf_key_name(i);
        AUTO_FREE char *text = x_asprintf("\n%s = 'x'", name);
        for (size_t d = 0; d < ARRAY_LEN(drivers); d++) {
            AUTO_FREE char *says = x_asprintf("t.cfg:2: %s is ignored on %s", name, drivers[d]);
            if (!conf_key_takes(i) && !conf_key_refused(i))
                warn_on(drivers[d], text, says);
        }
        if (!conf_key_refused(i))
            continue;
        AUTO_FREE char *says = x_asprintf("%s is not supported on qemu: ", name);
        refuse(text, ERR_UNSUPPORTED, 2, name, says);
        for (size_t n = 0; n < ARRAY_LEN(nothing); n++) {
            struct outcome o;
            AUTO_FREE char *none = x_asprintf("%s = %s", name, nothing[n]);
            good(&o, none);
            finish(&o);
        }
    }
}

static void unknown_keys(void **state)
{
    (void)state;
    warn_on("qemu", "\nmemroy = 5",
            "t.cfg:2: \"memroy\" is not a known key and does nothing; did "
            "you mean memory?");
    warn_on("qemu", "zzzzzzzz = [['a']]", "does nothing");
    warn_on("qemu", "Name = 'x'", "did you mean name?");
    refuse("\nreeve_machin = 'pc'", ERR_BAD_CONFIG, 2, "reeve_machin",
           "did you mean reeve_machine?");
    refuse("reeve_zzzzzzzzzzzzzzzz = 1", ERR_BAD_CONFIG, 1, "reeve_zzzzzzzzzzzzzzzz",
           "not a key of reeve");
}

static void keys_of_the_other_driver(void **state)
{
    (void)state;
    warn_on("qemu", "type = 'pvh'", "t.cfg:1: type is ignored on qemu");
    warn_on("qemu", "on_soft_reset = 'soft-reset'", "on_soft_reset is ignored on qemu");
    warn_on("xen", "reeve_machine = 'q35'", "reeve_machine is ignored on xen");
    refuse("type = 'pvhh'", ERR_BAD_CONFIG, 1, "type", "pv, pvh, hvm");
    refuse("reeve_machine = 'virt'", ERR_BAD_CONFIG, 1, "reeve_machine", "pc, q35, microvm");
    refuse("reeve_accel = 'hvf'", ERR_BAD_CONFIG, 1, "reeve_accel", "auto, kvm, tcg");
}

static void defaults(void **state)
{
    struct outcome o;
    const struct conf *conf = good(&o, "");

    (void)state;
    assert_null(conf->name);
    assert_string_equal(conf->uuid, "");
    assert_int_equal(conf->type, CONF_TYPE_UNSET);
    assert_int_equal(conf->memory_kib, 128 * 1024);
    assert_int_equal(conf->max_memory_kib, 128 * 1024);
    assert_int_equal(conf->vcpus, 1);
    assert_int_equal(conf->max_vcpus, 1);
    assert_null(conf->kernel);
    assert_null(conf->ramdisk);
    assert_null(conf->cmdline);
    assert_null(conf->boot);
    assert_int_equal(conf->disk_count + conf->vif_count + conf->serial_count, 0);
    assert_int_equal(conf->on_poweroff, CONF_DESTROY);
    assert_int_equal(conf->on_reboot, CONF_RESTART);
    assert_int_equal(conf->on_crash, CONF_DESTROY);
    assert_int_equal(conf->on_watchdog, CONF_DESTROY);
    assert_int_equal(conf->on_soft_reset, CONF_SOFT_RESET);
    assert_int_equal(conf->machine, CONF_MACHINE_PC);
    assert_int_equal(conf->accel, CONF_ACCEL_AUTO);
    assert_int_equal(conf->vnc, CONF_FLAG_UNSET);
    assert_false(conf->autostart);
    finish(&o);
}

static void sizes(void **state)
{
    struct outcome o;
    const struct conf *conf;

    (void)state;
    conf = good(&o, "memory = 64\nmaxmem = 256\nvcpus = 2\nmaxvcpus = 4");
    assert_int_equal(conf->memory_kib, 64 * 1024);
    assert_int_equal(conf->max_memory_kib, 256 * 1024);
    assert_int_equal(conf->vcpus, 2);
    assert_int_equal(conf->max_vcpus, 4);
    finish(&o);
    conf = good(&o, "maxmem = 64\nmaxvcpus = 4");
    assert_int_equal(conf->memory_kib, 64 * 1024);
    assert_int_equal(conf->vcpus, 1);
    assert_int_equal(conf->max_vcpus, 4);
    finish(&o);
    conf = good(&o, "memory = 16777216");
    assert_int_equal(conf->memory_kib, UINT64_C(17179869184));
    finish(&o);
    refuse("maxmem = 64\nmemory = 65", ERR_BAD_CONFIG, 2, "memory", "at most maxmem");
    refuse("memory = 65\n\nmaxmem = 64", ERR_BAD_CONFIG, 3, "maxmem", "at most maxmem");
    refuse("vcpus = 3\nmaxvcpus = 2", ERR_BAD_CONFIG, 2, "maxvcpus", "vcpus = 3 and maxvcpus = 2");
}

static void command_lines(void **state)
{
    /* clang-format off */
    static const struct {
        const char *text, *is;
    } rows[] = {
        {"cmdline = 'a b'", "a b"},
        {"root = '/dev/xvda ro'", "root=/dev/xvda ro"},
        {"extra = 'quiet'", "quiet"},
        {"extra = 'quiet'; root = '/dev/vda'", "root=/dev/vda quiet"},
        {"root = ''; extra = 'quiet'", "quiet"},
        {"root = '/dev/vda'; extra = ''", "root=/dev/vda"},
        {"root = ''", NULL},
        {"cmdline = ''", NULL},
        {"cmdline = 'a'; root = ''", "a"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        const struct conf *conf = good(&o, rows[i].text);
        if (!str_eq(conf->cmdline, rows[i].is))
            fail_msg("%s: %s", rows[i].text, conf->cmdline);
        finish(&o);
    }
    warn_on("qemu", "root = 'x'\ncmdline = 'a'", "t.cfg:1: root is ignored because cmdline");
    warn_on("qemu", "cmdline = ''\nextra = 'x'", "t.cfg:2: extra is ignored because cmdline");
    refuse("extra = ['a']", ERR_BAD_CONFIG, 1, "extra", "takes a string");
}

static void actions(void **state)
{
    static const char *const keys[] = {"on_poweroff", "on_reboot", "on_crash", "on_watchdog"};
    /* What each driver has. */
    static const struct {
        const char *action;
        bool qemu, null;
    } rows[] = {
        {"rename-restart",   true,  true},
        {"coredump-destroy", true,  true},
        {"coredump-restart", true,  true},
        {"soft-reset",       false, true},
    };
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
            AUTO_FREE char *text = x_asprintf("%s = '%s'", keys[i], rows[j].action);
            if (!rows[j].qemu)
                refuse(text, ERR_UNSUPPORTED, 1, keys[i], "not supported on qemu");
            parse_bytes(&o, text, strlen(text), "qemu", NULL, 0);
            assert_int_equal(o.conf != NULL, rows[j].qemu);
            finish(&o);
            parse_bytes(&o, text, strlen(text), "null", NULL, 0);
            assert_int_equal(o.conf != NULL, rows[j].null);
            finish(&o);
            parse_bytes(&o, text, strlen(text), "xen", NULL, 0);
            assert_non_null(o.conf);
            finish(&o);
        }
    const struct conf *conf = good(&o, "on_poweroff = 'restart'; on_reboot = 'preserve'\n"
                                       "on_crash = 'restart'; on_watchdog = 'preserve'");
    assert_int_equal(conf->on_poweroff, CONF_RESTART);
    assert_int_equal(conf->on_reboot, CONF_PRESERVE);
    assert_int_equal(conf->on_crash, CONF_RESTART);
    assert_int_equal(conf->on_watchdog, CONF_PRESERVE);
    finish(&o);
    refuse("on_crash = 'explode'", ERR_BAD_CONFIG, 1, "on_crash", "destroy, restart, preserve");
    refuse("on_crash = ''", ERR_BAD_CONFIG, 1, "on_crash", "destroy, restart, preserve");
}

static void types_and_builders(void **state)
{
    /* clang-format off */
    static const struct {
        const char *text;
        enum conf_type is;
    } rows[] = {
        {"type = 'pv'", CONF_TYPE_PV},
        {"type = 'pvh'", CONF_TYPE_PVH},
        {"type = 'hvm'", CONF_TYPE_HVM},
        {"builder = 'hvm'", CONF_TYPE_HVM},
        {"builder = 'generic'", CONF_TYPE_PV},
        {"builder = 'linux'", CONF_TYPE_PV},
        {"builder = 'hvm'; type = 'hvm'", CONF_TYPE_HVM},
        {"type = 'pvh'; builder = 'generic'", CONF_TYPE_PVH},
    };
    /* clang-format on */
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        parse_bytes(&o, rows[i].text, strlen(rows[i].text), "xen", NULL, 0);
        assert_non_null(o.conf);
        assert_int_equal(o.warnings.count, 0);
        assert_int_equal(o.conf->type, rows[i].is);
        finish(&o);
    }
    refuse("type = 'pv'\nbuilder = 'hvm'", ERR_BAD_CONFIG, 2, "builder", "leave builder out");
}

static void single_keys(void **state)
{
    struct outcome o;

    (void)state;
    assert_string_equal(good(&o, "name = 'a.b:c+d-e_f'")->name, "a.b:c+d-e_f");
    finish(&o);
    refuse("name = ''", ERR_BAD_CONFIG, 1, "name", "empty");
    refuse("name = 42", ERR_BAD_CONFIG, 1, "name", "only digits");
    refuse("name = 'a/b'", ERR_BAD_CONFIG, 1, "name", "not a domain name");
    refuse("name = ['a']", ERR_BAD_CONFIG, 1, "name", "takes a string");
    refuse("uuid = ''", ERR_BAD_CONFIG, 1, "uuid", "not a uuid");
    refuse("uuid = 'a0000000-0000-4000-8000-00000000000'", ERR_BAD_CONFIG, 1, "uuid", "8-4-4-4-12");
    assert_string_equal(good(&o, "boot = 'ndc'")->boot, "ndc");
    finish(&o);
    assert_null(good(&o, "boot = ''; kernel = ''; serial = ''; serial += ''")->boot);
    finish(&o);
    refuse("boot = 'x'", ERR_BAD_CONFIG, 1, "boot", "c (disk)");
    warn_on("qemu", "boot = 'dca'", "a is passed over on qemu");
    refuse("boot = 'cc'", ERR_BAD_CONFIG, 1, "boot", "twice");
    assert_string_equal(good(&o, "serial = 'unix:/run/x'")->serials[0], "unix:/run/x");
    finish(&o);
    refuse("serial = 'unix:'", ERR_BAD_CONFIG, 1, "serial", "unix:PATH");
    refuse("serial = 'pty2'", ERR_BAD_CONFIG, 1, "serial", "pty, file:PATH");
    refuse("serial = 'unix:/x,server,nowait'", ERR_BAD_CONFIG, 1, "serial", "path alone");
    refuse("serial = [['pty']]", ERR_BAD_CONFIG, 1, "serial", "list inside");
    good(&o, "bios = 'seabios'; firmware = 'bios'");
    finish(&o);
    assert_int_equal(good(&o, "bios = 'ovmf'")->booting.firmware, CONF_FIRMWARE_OVMF);
    finish(&o);
    refuse("firmware = 'rombios'", ERR_UNSUPPORTED, 1, "firmware", "seabios, uefi and ovmf");
    assert_true(good(&o, "reeve_autostart = 1; reeve_accel = 'tcg'")->autostart);
    assert_int_equal(o.conf->accel, CONF_ACCEL_TCG);
    finish(&o);
}

static void shown_as_json(void **state)
{
    struct outcome o;

    (void)state;
    good(&o, "name = 'a'; cmdline = '\\xff'; disk = [',hdc:cdrom,r']\n"
             "vif = ['mac=00:16:3e:00:00:01,vifname=v,bridge=b']; serial = 'pty'");
    AUTO_FREE char *text = json_text(o.conf);
    assert_string_equal(
        text, "{\"cmdline\":{\"escaped\":\"\\\\xff\"},"
              "\"disk\":[{\"cdrom\":true,\"format\":\"raw\",\"read_only\":true,\"target\":null,"
              "\"vdev\":\"hdc\"}],\"max_memory_kib\":131072,\"max_vcpus\":1,\"memory_kib\":131072,"
              "\"name\":\"a\",\"on_crash\":\"destroy\",\"on_poweroff\":\"destroy\",\"on_reboot\":"
              "\"restart\",\"on_soft_reset\":\"soft-reset\",\"on_watchdog\":\"destroy\","
              "\"reeve_accel\":\"auto\",\"reeve_autostart\":false,\"reeve_autostart_delay\":0,"
              "\"reeve_host_destroy\":false,\"reeve_host_order\":100,\"reeve_host_timeout\":120,"
              "\"reeve_machine\":\"pc\",\"reeve_memory\":\"ram\","
              "\"reeve_on_host_stop\":\"shutdown\","
              "\"reeve_restart_min_run\":60,\"reeve_restart_tries\":5,\"reeve_watchdog\":false,"
              "\"serial\":[\"pty\"],\"vcpus\":1,"
              "\"vif\":[{\"bridge\":\"b\",\"mac\":\"00:16:3e:00:00:01\","
              "\"vifname\":\"v\"}]}");
    finish(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),     cmocka_unit_test(known_keys),
        cmocka_unit_test(unknown_keys),       cmocka_unit_test(keys_of_the_other_driver),
        cmocka_unit_test(defaults),           cmocka_unit_test(sizes),
        cmocka_unit_test(command_lines),      cmocka_unit_test(actions),
        cmocka_unit_test(types_and_builders), cmocka_unit_test(single_keys),
        cmocka_unit_test(shown_as_json),
    };

    return cmocka_run_group_tests_name("conf_keys", tests, NULL, NULL);
}
