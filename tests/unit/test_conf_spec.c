/* SPDX-License-Identifier: MIT */
/* disk and vif specs: every form of the manuals, and what is wrong with the others. */
#include "conf_fixture.h"

static struct conf *one_disk(struct outcome *o, const char *spec)
{
    AUTO_FREE char *text = x_asprintf("disk = [\n\"%s\" ]", spec);
    struct conf *conf = good(o, text);

    assert_int_equal(conf->disk_count, 1);
    return conf;
}

static void disks(void **state)
{
    /* clang-format off */
    static const struct {
        const char *spec, *target, *vdev;
        unsigned index;
        enum conf_format format;
        bool read_only, cdrom;
    } rows[] = {
        {"/dev/vg/a,,hda", "/dev/vg/a", "hda", 0, CONF_RAW, false, false},
        {"/dev/vg/a,raw,hda,rw", "/dev/vg/a", "hda", 0, CONF_RAW, false, false},
        {"format=raw, vdev=hda, access=rw, target=/dev/vg/a", "/dev/vg/a", "hda", 0, CONF_RAW,
         false, false},
        {"raw:/dev/vg/a,hda,w", "/dev/vg/a", "hda", 0, CONF_RAW, false, false},
        {"/i.iso,,hdc,cdrom", "/i.iso", "hdc", 2, CONF_RAW, true, true},
        {"/i.iso,,hdc,,cdrom", "/i.iso", "hdc", 2, CONF_RAW, true, true},
        {"/i.iso,raw,hdc,devtype=cdrom", "/i.iso", "hdc", 2, CONF_RAW, true, true},
        {"format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/i.iso", "/i.iso", "hdc", 2,
         CONF_RAW, true, true},
        {"raw:/i.iso,hdc:cdrom,ro", "/i.iso", "hdc", 2, CONF_RAW, true, true},
        {",hdc:cdrom,r", NULL, "hdc", 2, CONF_RAW, true, true},
        {"vdev=hdc,cdrom", NULL, "hdc", 2, CONF_RAW, true, true},
        {"format=empty,vdev=hdc,cdrom", NULL, "hdc", 2, CONF_RAW, true, true},
        {",empty,hdc,cdrom", NULL, "hdc", 2, CONF_RAW, true, true},
        {"disk.qcow2,qcow2,xvdb,r", "disk.qcow2", "xvdb", 1, CONF_QCOW2, true, false},
        {"qcow2:/a,xvda,r", "/a", "xvda", 0, CONF_QCOW2, true, false},
        {"phy:/dev/vg/a,xvda,w", "/dev/vg/a", "xvda", 0, CONF_RAW, false, false},
        {"phy:vg/a,xvda,w", "/dev/vg/a", "xvda", 0, CONF_RAW, false, false},
        {"file:/a,sda,w", "/a", "sda", 0, CONF_RAW, false, false},
        {"file:a.img,vda:disk,w", "a.img", "vda", 0, CONF_RAW, false, false},
        {"tap:aio:/a,xvda,w", "/a", "xvda", 0, CONF_RAW, false, false},
        {"tap2:tapdisk:qcow2:/a,xvda,w", "/a", "xvda", 0, CONF_QCOW2, false, false},
        {"/a,raw,xvdz", "/a", "xvdz", 25, CONF_RAW, false, false},
        {"/a,raw,xvdaa", "/a", "xvdaa", 26, CONF_RAW, false, false},
        {"/a,raw,xvdzz", "/a", "xvdzz", 701, CONF_RAW, false, false},
        {"vdev=xvda,access=r,/a", "/a", "xvda", 0, CONF_RAW, true, false},
        {"vdev=xvda,/a,qcow2,w", "/a", "xvda", 0, CONF_QCOW2, false, false},
        {" /a , raw , xvda , w ", "/a", "xvda", 0, CONF_RAW, false, false},
        {"/a,raw,xvda,w,", "/a", "xvda", 0, CONF_RAW, false, false},
        {"/a,raw,xvda,devtype=disk", "/a", "xvda", 0, CONF_RAW, false, false},
        {"/a,raw,xvda,backend=0", "/a", "xvda", 0, CONF_RAW, false, false},
        {"vdev=xvda,target=/a, b=c:d ", "/a, b=c:d ", "xvda", 0, CONF_RAW, false, false},
        {",raw,xvda,w,target=/a,b", "/a,b", "xvda", 0, CONF_RAW, false, false},
        {"host:path,raw,xvda", "host:path", "xvda", 0, CONF_RAW, false, false},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        const struct conf_disk *disk = one_disk(&o, rows[i].spec)->disks;
        if (!str_eq(disk->target, rows[i].target) || !str_eq(disk->vdev, rows[i].vdev) ||
            disk->index != rows[i].index || disk->format != rows[i].format ||
            disk->read_only != rows[i].read_only || disk->cdrom != rows[i].cdrom)
            fail_msg("%s: %s %s %u %d %d %d", rows[i].spec, disk->target, disk->vdev, disk->index,
                     (int)disk->format, disk->read_only, disk->cdrom);
        finish(&o);
    }
}

static void bad_disks(void **state)
{
    /* clang-format off */
    static const struct {
        const char *spec, *says;
        enum err_code code;
    } rows[] = {
        {"", "no vdev", ERR_BAD_CONFIG},
        {"/a", "no vdev", ERR_BAD_CONFIG},
        {"/a,raw", "no vdev", ERR_BAD_CONFIG},
        {"/a,xvda", "target,format,vdev,access", ERR_BAD_CONFIG},
        {",raw,xvda,w", "xvda has no target", ERR_BAD_CONFIG},
        {"/a,empty,hdc,cdrom", "format=empty", ERR_BAD_CONFIG},
        {"/a,qcow,xvda", "format qcow is not supported", ERR_UNSUPPORTED},
        {"/a,vhd,xvda", "format vhd is not supported", ERR_UNSUPPORTED},
        {"/a,qed,xvda", "format qed is not supported", ERR_UNSUPPORTED},
        {"/a,format=vmdk,vdev=xvda", "format vmdk is not supported", ERR_UNSUPPORTED},
        {"vhd:/a,xvda,w", "format vhd is not supported", ERR_UNSUPPORTED},
        {"/a,qcow3,xvda", "not a format", ERR_BAD_CONFIG},
        {"/a,raw,xvda1", "whole drive", ERR_BAD_CONFIG},
        {"/a,raw,fda", "not a drive", ERR_BAD_CONFIG},
        {"/a,raw,xvd", "not a drive", ERR_BAD_CONFIG},
        {"/a,raw,xvdaaa", "not a drive", ERR_BAD_CONFIG},
        {"/a,raw,xvdA", "not a drive", ERR_BAD_CONFIG},
        {"/a,raw,xvda:tape", "not a kind of device", ERR_BAD_CONFIG},
        {"/a,raw,xvda,x", "not an access", ERR_BAD_CONFIG},
        {"/a,raw,xvda,w,more", "one too many", ERR_BAD_CONFIG},
        {"/a,raw,xvda,format=raw", "format is given twice", ERR_BAD_CONFIG},
        {"/a,raw,vdev=xvda,vdev=xvdb", "vdev is given twice", ERR_BAD_CONFIG},
        {"/a,raw,xvda,vdev=xvdb", "vdev is given twice", ERR_BAD_CONFIG},
        {"/a,raw,xvda,w,access=r", "access is given twice", ERR_BAD_CONFIG},
        {"/a,raw,xvda,target=/b", "target is given twice", ERR_BAD_CONFIG},
        {"/a,raw,xvda,devtype=tape", "not a devtype", ERR_BAD_CONFIG},
        {"/a,raw,xvda,acces=r", "did you mean access?", ERR_BAD_CONFIG},
        {"/a=b,raw,xvda", "target=PATH", ERR_BAD_CONFIG},
        {"/a,raw,xvda,script=block-x", "script is not supported on qemu", ERR_UNSUPPORTED},
        {"nbd:/a,xvda,w", "nbd: is not supported on qemu", ERR_UNSUPPORTED},
        {"/a,raw,xvda,backend=netdom", "backend", ERR_UNSUPPORTED},
        {"/a,raw,xvda,colo", "colo is not supported", ERR_UNSUPPORTED},
        {"/a\\n,ra\\x1bw,xvda", "\\x1bw", ERR_BAD_CONFIG},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = x_asprintf("disk = [\n\"%s\" ]", rows[i].spec);
        refuse(text, rows[i].code, 2, "disk", rows[i].says);
    }
    refuse("disk = '/a,raw,xvda'", ERR_BAD_CONFIG, 1, "disk", "takes a list");
    refuse("disk = [['/a,raw,xvda']]", ERR_BAD_CONFIG, 1, "disk", "list inside");
    refuse("disk = ['/a,raw,xvda',\n'/b,raw,xvda']", ERR_BAD_CONFIG, 2, "disk", "two disks are");
    refuse("disk = ['/a,raw,xvda']\ndisk += ['/b,raw,hda']", ERR_BAD_CONFIG, 2, "disk",
           "one drive on qemu");
}

static void disks_on_xen(void **state)
{
    static const char two[] = "disk = ['/a,raw,xvda', '/b,raw,hda']";
    struct outcome o;

    (void)state;
    parse_bytes(&o, two, strlen(two), "xen", NULL, 0);
    assert_int_equal(o.conf->disk_count, 2);
    finish(&o);
}

static void too_many_disks(void **state)
{
    AUTO_STR struct str text = {0};

    (void)state;
    str_add(&text, "disk = [");
    for (int i = 0; i < 65; i++)
        str_addf(&text, "'/a,raw,xvd%c%c',\n", 'a' + i / 26, 'a' + i % 26);
    str_add(&text, "]");
    refuse(text.data, ERR_BAD_CONFIG, 65, "disk", "more than 64");
}

static void disk_warnings(void **state)
{
    static const char *const params[] = {"discard",           "no-discard",    "direct-io-safe",
                                         "backendtype=phy",   "trusted",       "untrusted",
                                         "specification=xen", "grant_usage=1", "no-colo"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        AUTO_FREE char *name = x_strndup(params[i], strcspn(params[i], "="));
        AUTO_FREE char *text = x_asprintf("disk = ['/a,raw,xvda,%s']", params[i]);
        AUTO_FREE char *says = x_asprintf("t.cfg:1: disk: %s is ignored on qemu", name);
        warn_on("qemu", text, says);
    }
    warn_on("qemu", "disk = ['/a,raw,hdc,w,cdrom']",
            "t.cfg:1: disk: hdc is a cdrom and is "
            "read-only");
}

static void vifs(void **state)
{
    /* clang-format off */
    static const struct {
        const char *spec, *mac, *bridge, *model, *ifname;
    } rows[] = {
        {"", "", NULL, "", NULL},
        {" , ,", "", NULL, "", NULL},
        {"mac=00:16:3E:AB:cd:0F", "00:16:3e:ab:cd:0f", NULL, "", NULL},
        {"mac=00:16:3e:00:00:01,bridge=xenbr0", "00:16:3e:00:00:01", "xenbr0", "", NULL},
        {" bridge = br.0 , model = e1000 ", "", "br.0", "e1000", NULL},
        {"type=ioemu,model=virtio", "", NULL, "virtio", NULL},
        {"type=vif,model=virtio-net-pci", "", NULL, "virtio-net-pci", NULL},
        {"vifname=web1.0,bridge=", "", NULL, "", "web1.0"},
        {"backend=Domain-0,mac=", "", NULL, "", NULL},
        {"bridge=exactly15bytes_", "", "exactly15bytes_", "", NULL},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        AUTO_FREE char *text = x_asprintf("vif = ['%s']", rows[i].spec);
        const struct conf_vif *vif = good(&o, text)->vifs;
        assert_int_equal(o.conf->vif_count, 1);
        if (!str_eq(vif->mac, rows[i].mac) || !str_eq(vif->bridge, rows[i].bridge) ||
            !str_eq(vif->model, rows[i].model) || !str_eq(vif->ifname, rows[i].ifname))
            fail_msg("%s: %s %s %s %s", rows[i].spec, vif->mac, vif->bridge, vif->model,
                     vif->ifname);
        finish(&o);
    }
}

static void bad_vifs(void **state)
{
    /* clang-format off */
    static const struct {
        const char *spec, *says;
        enum err_code code;
    } rows[] = {
        {"mac=1", "not a MAC address", ERR_BAD_CONFIG},
        {"mac=00:16:3e:00:00:0", "not a MAC address", ERR_BAD_CONFIG},
        {"mac=00:16:3e:00:00:011", "not a MAC address", ERR_BAD_CONFIG},
        {"mac=00-16-3e-00-00-01", "not a MAC address", ERR_BAD_CONFIG},
        {"mac=0g:16:3e:00:00:01", "not a MAC address", ERR_BAD_CONFIG},
        {"mac=01:16:3e:00:00:01", "not the address of one interface", ERR_BAD_CONFIG},
        {"mac=ff:ff:ff:ff:ff:ff", "not the address of one interface", ERR_BAD_CONFIG},
        {"mac=00:00:00:00:00:00", "not the address of one interface", ERR_BAD_CONFIG},
        {"mac=00:16:3e:00:00:01,mac=00:16:3e:00:00:02", "mac is given twice", ERR_BAD_CONFIG},
        {"brige=xenbr0", "did you mean bridge?", ERR_BAD_CONFIG},
        {"bridge=a/b", "name of an interface", ERR_BAD_CONFIG},
        {"bridge=a b", "name of an interface", ERR_BAD_CONFIG},
        {"bridge=sixteen_bytes_xx", "name of an interface", ERR_BAD_CONFIG},
        {"vifname=..", "name of an interface", ERR_BAD_CONFIG},
        {"model=a b", "not a model", ERR_BAD_CONFIG},
        {"model=abcdefghijklmnopqrstuvwx", "not a model", ERR_BAD_CONFIG},
        {"type=tap", "vif, ioemu", ERR_BAD_CONFIG},
        {"bridge", "parameter=value", ERR_BAD_CONFIG},
        {"trusted=1", "not a parameter", ERR_BAD_CONFIG},
        {"vlan=5", "vlan is not supported on qemu", ERR_UNSUPPORTED},
        {"backend=netdom", "backend", ERR_UNSUPPORTED},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = x_asprintf("\nvif = [ '',\n'%s' ]", rows[i].spec);
        refuse(text, rows[i].code, 3, "vif", rows[i].says);
    }
    refuse("vif = 1", ERR_BAD_CONFIG, 1, "vif", "takes a list");
    refuse("vif = [[]]", ERR_BAD_CONFIG, 1, "vif", "list inside");
    refuse("vif = ['mac=00:16:3e:00:00:0A', '',\n'mac=00:16:3E:00:00:0a']", ERR_BAD_CONFIG, 2,
           "vif", "mac=00:16:3e:00:00:0a");
    refuse("vif = ['vifname=a', 'vifname=a']", ERR_BAD_CONFIG, 1, "vif", "vifname=a");
}

static void vif_warnings(void **state)
{
    static const char *const params[] = {
        "script=vif-route", "rate=10Mb/s", "ip=10.0.0.1", "gatewaydev=eth0", "netdev=eth0",
        "devid=1",          "mtu=9000",    "accel=x",     "trusted",         "untrusted"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        AUTO_FREE char *name = x_strndup(params[i], strcspn(params[i], "="));
        AUTO_FREE char *text = x_asprintf("vif = ['bridge=b,%s']", params[i]);
        AUTO_FREE char *says = x_asprintf("t.cfg:1: vif: %s is ignored on null", name);
        warn_on("null", text, says);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(disks),         cmocka_unit_test(bad_disks),
        cmocka_unit_test(disks_on_xen),  cmocka_unit_test(too_many_disks),
        cmocka_unit_test(disk_warnings), cmocka_unit_test(vifs),
        cmocka_unit_test(bad_vifs),      cmocka_unit_test(vif_warnings),
    };

    return cmocka_run_group_tests_name("conf_spec", tests, NULL, NULL);
}
