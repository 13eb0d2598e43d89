/* SPDX-License-Identifier: MIT */
/* Texts made: conf_text, conf_from_json, conf_edit and conf_diff. */
#include "conf_fixture.h"

#include <time.h>

/* conf_edit of text with up to two words; NULL for none. */
static void edit_is(const char *text, const char *one, const char *two, const char *is)
{
    const char *words[] = {one, two};
    char *ret = NULL;
    struct err e;

    if (conf_edit(text, "t.cfg", words, two ? 2 : one ? 1 : 0, &ret, &e) < 0)
        fail_msg("%s\n%s", text, e.msg);
    if (!str_eq(ret, is))
        fail_msg("%s\nwith %s %s is\n%s\nand not\n%s", text, one, two ? two : "", ret, is);
    free(ret);
}

static void edit_replaces_in_place(void **state)
{
    (void)state;
    edit_is("# top\nmemory = 128   # small\n\nvcpus=1\n", "memory=512", NULL,
            "# top\nmemory = 512   # small\n\nvcpus=1\n");
    edit_is("name    = 'a'  # it\nvcpus   = 1", "name=b", "vcpus=2",
            "name    = \"b\"  # it\nvcpus   = 2");
    edit_is("a = 1; vcpus = 1; b = 2\n", "vcpus=3", NULL, "a = 1; vcpus = 3; b = 2\n");
    edit_is("disk = [\n  'a', # one\n  'b',\n]\n# end\n", "disk=['c']", NULL,
            "disk = [\"c\"]\n# end\n");
    edit_is("extra += 'a'\n", "extra=b", NULL, "extra = \"b\"\n");
    edit_is("vcpus = 1\r\nname = 'a'\r\n", "vcpus=2", NULL, "vcpus = 2\r\nname = 'a'\r\n");
    edit_is("\xef\xbb\xbfvcpus = 1\n", "vcpus=2", NULL, "\xef\xbb\xbfvcpus = 2\n");
    edit_is("name = 'x'", "name=", "name=y", "name = \"y\"");
    edit_is("vcpus = 1\n", NULL, NULL, "vcpus = 1\n");
}

static void edit_leaves_one(void **state)
{
    (void)state;
    edit_is("vcpus = 1 # old\nname = 'a'\nvcpus = 2\n", "vcpus=4", NULL,
            "vcpus = 4 # old\nname = 'a'\n");
    edit_is("disk = ['a']\nname = 'x'\ndisk += ['b'] # more\n", "disk=['c']", NULL,
            "disk = [\"c\"]\nname = 'x'\n# more\n");
}

static void edit_appends(void **state)
{
    (void)state;
    edit_is("name = 'a'", "vcpus=2", "memory=64", "name = 'a'\nvcpus = 2\nmemory = 64\n");
    edit_is("", "name=a b", NULL, "name = \"a b\"\n");
    edit_is("# only this\n", "extra=say \"x\\n\"", NULL,
            "# only this\nextra = \"say \\\"x\\\\n\\\"\"\n");
    edit_is("disk = ['a'] # one\n", "disk+=['b']", NULL, "disk = ['a'] # one\ndisk += [\"b\"]\n");
    edit_is("", "extra=a", "extra+=b", "extra = \"ab\"\n");
}

static void edit_removes(void **state)
{
    (void)state;
    edit_is("name = 'a'\n  vcpus = 1\nmemory = 64\n", "vcpus=", NULL, "name = 'a'\nmemory = 64\n");
    edit_is("vcpus = 1 # why\nname = 'a'\n", "vcpus=", NULL, "# why\nname = 'a'\n");
    edit_is("vcpus = 1; name = 'a'\n", "vcpus=", NULL, "name = 'a'\n");
    edit_is("vcpus = 1; name = 'a'\n", "name=", NULL, "vcpus = 1; \n");
    edit_is("vcpus = 1", "vcpus=", NULL, "");
    edit_is("vcpus = 1\nvcpus = 2\n", "vcpus=", NULL, "");
    edit_is("name = 'a'\n", "vcpus=", NULL, "name = 'a'\n");
    /* Quotes say that the empty string is meant. */
    edit_is("extra = 'a'\n", "extra=\"\"", NULL, "extra = \"\"\n");
}

static void edit_refuses(void **state)
{
    static const char *const good_word[] = {"vcpus=1"}, *const bad_word[] = {"vcpus"};
    char *ret = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_edit("a = [\n", "t.cfg", good_word, 1, &ret, &e), -1);
    assert_int_equal(e.code, ERR_BAD_CONFIG);
    assert_int_equal(e.line, 1);
    assert_string_equal(e.file, "t.cfg");
    assert_int_equal(conf_edit("", "t.cfg", bad_word, 1, &ret, &e), -1);
    assert_non_null(strstr(e.msg, "key=value"));
    AUTO_FREE char *big = x_malloc(CONF_TEXT_MAX + 1);
    memset(big, '\n', CONF_TEXT_MAX);
    big[CONF_TEXT_MAX] = '\0';
    assert_int_equal(conf_edit(big, "t.cfg", good_word, 1, &ret, &e), -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
    assert_null(ret);
}

static struct conf *on_xen(struct outcome *o, const char *text)
{
    parse_bytes(o, text, strlen(text), "xen", NULL, 0);
    if (!o->conf)
        fail_msg("%s\n%s", text, o->e.msg);
    return o->conf;
}

static void diff_names_what_differs(void **state)
{
    struct conf_changes changes;
    struct outcome a, b;

    (void)state;
    on_xen(&a, "name = 'a'; memory = 64; vcpus = 2; pci = ['03:00.0']; extra = 'x'");
    on_xen(&b, "name = 'a'; memory = 96; maxmem = 96; vcpus = 2; pci = ['03:00.0', '4:0.1']; "
               "boot = 'c'");
    conf_diff(a.conf, b.conf, &changes);
    assert_int_equal(changes.count, 5);
    assert_string_equal(changes.rows[0].key, "memory");
    assert_string_equal(changes.rows[0].old_text, "64");
    assert_string_equal(changes.rows[0].new_text, "96");
    assert_string_equal(changes.rows[1].key, "maxmem");
    assert_string_equal(changes.rows[2].key, "cmdline");
    assert_string_equal(changes.rows[2].old_text, "\"x\"");
    assert_null(changes.rows[2].new_text);
    assert_string_equal(changes.rows[3].key, "boot");
    assert_null(changes.rows[3].old_text);
    assert_string_equal(changes.rows[4].key, "pci");
    assert_string_equal(changes.rows[4].new_text, "[\"bdf=0000:03:00.0\", \"bdf=0000:04:00.1\"]");
    conf_changes_finish(&changes);
    conf_diff(a.conf, a.conf, &changes);
    assert_int_equal(changes.count, 0);
    conf_changes_finish(&changes);
    finish(&a);
    finish(&b);
}

/* What the language can say of disks and interfaces, and what it becomes. */
static void specs_are_canonical(void **state)
{
    /* clang-format off */
    static const struct {
        const char *key, *spec, *is;
    } rows[] = {
        {"disk", "/dev/vg/a,raw,xvda,w", "vdev=xvda,format=raw,access=rw,target=/dev/vg/a"},
        {"disk", "phy:vg/a,hda1,r", "vdev=hda1,format=raw,access=ro,target=/dev/vg/a"},
        {"disk", "tap:aio:/a.img,sda1,w", "vdev=sda1,format=raw,access=rw,target=/a.img"},
        {"disk", "tap:qcow2:/a,xvda,w", "vdev=xvda,format=qcow2,access=rw,target=/a"},
        {"disk", "/a,vhd,d5p2,w", "vdev=d5p2,format=vhd,access=rw,target=/a"},
        {"disk", "/a,qed,xvda,rw,backendtype=qdisk,discard,direct-io-safe,untrusted",
         "vdev=xvda,format=qed,access=rw,backendtype=qdisk,direct-io-safe,discard,untrusted,"
         "target=/a"},
        {"disk", "/a,,xvda,,no-discard,specification=virtio,backend=storage",
         "vdev=xvda,format=raw,access=rw,backend=storage,specification=virtio,no-discard,"
         "target=/a"},
        {"disk", "iscsi:iqn.2001:x,xvda,w",
         "vdev=xvda,format=raw,access=rw,script=block-iscsi,target=iqn.2001:x"},
        {"disk", "vdev=xvda, script=drbd, target= a, b=c ",
         "vdev=xvda,format=raw,access=rw,script=drbd,target= a, b=c "},
        {"disk", ",hdc:cdrom,r", "vdev=hdc,format=raw,access=ro,devtype=cdrom"},
        {"vif", "", ""},
        {"vif", "MAC=", NULL},
        {"vif", "type=ioemu, mac=00:16:3E:0a:0b:0c, bridge=br0, model=rtl8139",
         "mac=00:16:3e:0a:0b:0c,model=rtl8139,bridge=br0,type=ioemu"},
        {"vif", "ip=10.0.0.2/24,script=vif-route,gatewaydev=eth0,devid=3,mtu=9000,trusted",
         "script=vif-route,ip=10.0.0.2/24,gatewaydev=eth0,devid=3,mtu=9000,trusted"},
        {"vif", "rate=10Mb/s@20ms,backend=net,vifname=v0,netdev=eth1",
         "vifname=v0,backend=net,rate=10Mb/s@20ms,gatewaydev=eth1"},
        {"vif", "rate=10MiB/s", NULL},
        {"vif", "mtu=10", NULL},
        {"vif", "trusted,untrusted", NULL},
        {"disk", "/a,raw,xvda,w,colo", NULL},
        {"disk", "/a,raw,xvda256,w", NULL},
        {"disk", "/a,vmdk,xvda,w", NULL},
        {"disk", "/a,raw,xvda,w,backendtype=file", NULL},
        {"pci", "0000:AF:1f.7@5,seize=1", "bdf=0000:af:1f.7,vslot=5,seize=1"},
        {"pci", "03:00.*,permissive=0", "bdf=0000:03:00.*,permissive=0"},
        {"pci", "name=gpu,msitranslate=1,power_mgmt=1", "name=gpu,msitranslate=1,power_mgmt=1"},
        {"pci", "03:00.0,name=gpu", NULL},
        {"pci", "seize=1", NULL},
        {"pci", "03:20.0", NULL},
        {"pci", "03:00.8", NULL},
        {"pci", "03:00.0@20", NULL},
        {"usbdev", "hostbus=1,hostaddr=2,port=3", NULL},
        {"usbdev", "hostbus=1", NULL},
        {"usbctrl", "type=pv,version=3", NULL},
        {"usbctrl", "ports=32", NULL},
        {"vtpm", "uuid=ac0a5b9e-cbe2-4c07-b43b-1d69e46fb839", NULL},
        {"vtpm", "backend=a,uuid=x", NULL},
        {"p9", "tag=a,path=/b,security_model=mapped", NULL},
        {"p9", "tag=a", NULL},
        {"channel", "name=a,connection=socket", NULL},
        {"channel", "connection=pty", NULL},
        {"channel", "name=a,connection=PTY", "name=a,connection=pty"},
        {"vfb", "type=vnc,vncunused=1", "vnc=1,vncunused=1"},
        {"vfb", "vnc=1,vnclisten=0.0.0.0:4,vncdisplay=3", NULL},
        {"vdispl", "connectors=a:1x", NULL},
        {"vdispl", "backend=0", NULL},
        {"ioports", "2f8-2f0", NULL},
        {"ioports", "10000", NULL},
        {"ioports", "2F8-2ff", "2f8-2ff"},
        {"iomem", "fd000", NULL},
        {"iomem", "fd000,0", NULL},
        {"iomem", "FD000,1@c", "fd000,1@c"},
        {"irqs", "-1", NULL},
        {"irqs", "0x10", "16"},
        {"vkb", "backend-type=windows", NULL},
        {"virtio", "type=virtio,transport=usb", NULL},
        {"cpus", "0-3,^1", "0-3,^1"},
        {"cpus", "nodes:0-1,^node:1,all", "nodes:0-1,^node:1,all"},
        {"cpus", "3-1", NULL},
        {"cpus", "all,", NULL},
        {"cpus_soft", "^", NULL},
        {"cpuid", "1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0,edx=xx0xxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         "1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0,edx=xx0xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
        {"cpuid", "7,0:ebx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxs", "7,0:ebx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxs"},
        {"cpuid", "1:ecx=01", NULL},
        {"cpuid", "1:esi=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0", NULL},
        {"viridian", "!stimer", "!stimer"},
        {"viridian", "turbo", NULL},
        {"mca_caps", "lmce2", NULL},
        {"smbios", "system_version", NULL},
        {"smbios", "system_version=1", "system_version=1"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = x_asprintf("type = 'pvh'\n%s = ['%s']", rows[i].key, rows[i].spec);
        struct conf_changes changes;
        struct outcome o, empty;
        parse_bytes(&o, text, strlen(text), "xen", NULL, 0);
        if ((o.conf == NULL) != (rows[i].is == NULL))
            fail_msg("%s: %s", text, o.conf ? "accepted" : o.e.msg);
        if (!o.conf) {
            assert_string_equal(o.e.key, rows[i].key);
            finish(&o);
            continue;
        }
        conf_diff(on_xen(&empty, "type = 'pvh'"), o.conf, &changes);
        AUTO_FREE char *is = x_asprintf("[\"%s\"]", rows[i].is);
        assert_int_equal(changes.count, 1);
        assert_string_equal(changes.rows[0].new_text, is);
        conf_changes_finish(&changes);
        finish(&empty);
        finish(&o);
    }
}

static void rates_are_read(void **state)
{
    struct outcome o;
    const struct conf *conf =
        on_xen(&o, "vif = ['rate=10Mb/s', 'rate=1MB/s@20ms', 'rate=250KB/s@1s']");

    (void)state;
    assert_int_equal(conf->vifs[0].rate_bytes, 62500);
    assert_int_equal(conf->vifs[0].rate_interval_us, 50000);
    assert_int_equal(conf->vifs[1].rate_bytes, 20000);
    assert_int_equal(conf->vifs[1].rate_interval_us, 20000);
    assert_int_equal(conf->vifs[2].rate_bytes, 250000);
    finish(&o);
}

static void contradictions(void **state)
{
    static const char *const bad[] = {
        "vnclisten = '0.0.0.0:3'\nvncdisplay = 1",
        "usb = 1\nusbversion = 2",
        "usbversion = 3\nusbdevice = 'tablet'",
        "vga = 'qxl'\nvideoram = 64",
        "vga = 'cirrus'\nstdvga = 1",
        "type = 'hvm'\npvshim = 1",
        "altp2m = 'disabled'\naltp2mhvm = 1",
        "spice = 1\nspicedisable_ticketing = 0",
        "spicevdagent = 0\nspice_clipboard_sharing = 1",
        "maxmem = 100\nvnuma = [['pnode=0', 'size=64', 'vcpus=0', 'vdistances=10']]",
        "vnuma = [['pnode=0', 'size=64', 'vcpus=0', 'vdistances=10']]\nmemory = 65",
        "firmware = 'ovmf'\nbios = 'seabios'",
    };
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        parse_bytes(&o, bad[i], strlen(bad[i]), "xen", NULL, 0);
        if (o.conf)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(o.e.code, ERR_BAD_CONFIG);
        assert_int_equal(o.e.line, 2);
        finish(&o);
    }
    assert_int_equal(
        on_xen(&o, "type = 'pvh'; vnuma = [['pnode=0', 'size=64', 'vcpus=0', 'vdistances=10,20'],\n"
                   "['pnode=1', 'size=32', 'vcpus=1-2,3', 'vdistances=20,10']]")
            ->max_memory_kib,
        96 * 1024);
    assert_int_equal(o.conf->cpu.vnuma.items[0].vdistances[1], 20);
    finish(&o);
    const char *twice = "vnuma = [['pnode=0', 'size=64', 'vcpus=0-1', 'vdistances=10,20'],\n"
                        "['pnode=1', 'size=32', 'vcpus=1', 'vdistances=20,10']]";
    parse_bytes(&o, twice, strlen(twice), "xen", NULL, 0);
    assert_null(o.conf);
    assert_non_null(strstr(o.e.msg, "vCPU 1 is in two nodes"));
    finish(&o);
}

static void json_is_checked(void **state)
{
    static const char *const bad[] = {
        "{\"nonsense\": 1}",
        "{\"memory_kib\": 1}",
        "{\"memory_kib\": \"x\"}",
        "{\"name\": [\"a\"]}",
        "{\"vcpus\": 0}",
        "{\"name\": null}",
        "{\"disk\": [{}]}",
        "{\"disk\": \"x\"}",
        "{\"vif\": [{\"mac\": \"x\"}]}",
        "{\"kernel\": {\"escaped\": \"\\\\q\"}}",
        "{\"kernel\": {\"x\": \"a\"}}",
        "{\"name\": \"a\\u0000b\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON json_t *json = json_loads(bad[i], JSON_ALLOW_NUL, NULL);
        struct conf_warnings warnings;
        struct conf *conf = NULL;
        struct err e;
        assert_non_null(json);
        if (conf_from_json(json, "qemu", &conf, &warnings, &e) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(e.code, ERR_BAD_CONFIG);
        conf_warnings_finish(&warnings);
    }
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The longest texts of each kind take no more than a moment: a quadratic one would take minutes. */
static void long_texts_are_quick(void **state)
{
    static const struct {
        const char *head, *unit, *tail;
    } rows[] = {
        {"",                    "vcpus=1;",     ""  },
        {"",                    "extra+='a'\n", ""  },
        {"disk=[",              "'a,b,c',",     "]" },
        {"vif=['",              "a=b,",         "']"},
        {"cpus='0",             ",0",           "'" },
        {"cpuid='host",         ",a=x",         "'" },
        {"viridian=[",          "'base',",      "]" },
        {"device_model_args=[", "'a',",         "]" },
        {"",                    "zzz=1\n",      ""  },
        {"",                    "# comment\n",  ""  },
        {"x='",                 "\\n",          "'" },
        {"vnuma=[",             "['pnode=0'],", "]" },
        {"ioports=[",           "'1',",         "]" },
        {"disk=['target=",      "/",            "']"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STR struct str text = {0};
        static const char *const words[] = {"vcpus=2", "extra=x", "disk=[]", "name="};
        double begin = seconds();
        struct outcome o;
        char *edited = NULL;
        str_add(&text, rows[i].head);
        while (text.len + 64 < CONF_TEXT_MAX)
            str_add(&text, rows[i].unit);
        str_add(&text, rows[i].tail);
        parse_bytes(&o, text.data, text.len, "xen", NULL, 0);
        if (conf_edit(text.data, "t.cfg", words, ARRAY_LEN(words), &edited, &o.e) < 0)
            fail_msg("%s: %s", rows[i].unit, o.e.msg);
        free(edited);
        finish(&o);
        if (seconds() - begin > 5)
            fail_msg("%s took %.1f s", rows[i].unit, seconds() - begin);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(edit_replaces_in_place), cmocka_unit_test(edit_leaves_one),
        cmocka_unit_test(edit_appends),           cmocka_unit_test(edit_removes),
        cmocka_unit_test(edit_refuses),           cmocka_unit_test(diff_names_what_differs),
        cmocka_unit_test(specs_are_canonical),    cmocka_unit_test(rates_are_read),
        cmocka_unit_test(contradictions),         cmocka_unit_test(json_is_checked),
        cmocka_unit_test(long_texts_are_quick),
    };

    return cmocka_run_group_tests_name("conf_text", tests, NULL, NULL);
}
