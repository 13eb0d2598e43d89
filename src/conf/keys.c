/* SPDX-License-Identifier: MIT */
#include "conf/keys.h"

#include <string.h>

#include "base/str.h"

static const char *const driver_names[KEYS_DRIVERS] = {
    [KEYS_QEMU] = "qemu",
    [KEYS_NULL] = "null",
    [KEYS_XEN] = "xen",
};

/* The tables are laid out by hand. */
/* clang-format off */

static const struct keys_word_row types[] = {
    {"pv",  CONF_TYPE_PV},
    {"pvh", CONF_TYPE_PVH},
    {"hvm", CONF_TYPE_HVM},
    {0},
};

static const struct keys_word_row builders[] = {
    {"generic", CONF_TYPE_PV},
    {"linux",   CONF_TYPE_PV},
    {"hvm",     CONF_TYPE_HVM},
    {0},
};

/* The last column: where the action is refused. */
static const struct keys_word_row actions[] = {
    {"destroy",          CONF_DESTROY},
    {"restart",          CONF_RESTART},
    {"preserve",         CONF_PRESERVE},
    {"rename-restart",   CONF_RENAME_RESTART},
    {"coredump-destroy", CONF_COREDUMP_DESTROY},
    {"coredump-restart", CONF_COREDUMP_RESTART},
    {"soft-reset",       CONF_SOFT_RESET,       KEYS_ON_QEMU_ONLY},
    {0},
};

static const struct keys_word_row machines[] = {
    {"pc",      CONF_MACHINE_PC},
    {"q35",     CONF_MACHINE_Q35},
    {"microvm", CONF_MACHINE_MICROVM},
    {0},
};

static const struct keys_word_row memories[] = {
    {"ram",  CONF_MEMORY_RAM},
    {"file", CONF_MEMORY_FILE},
    {0},
};

static const struct keys_word_row accels[] = {
    {"auto", CONF_ACCEL_AUTO},
    {"kvm",  CONF_ACCEL_KVM},
    {"tcg",  CONF_ACCEL_TCG},
    {0},
};


static const struct keys_word_row firmwares[] = {
    {"bios",     CONF_FIRMWARE_BIOS},
    {"seabios",  CONF_FIRMWARE_SEABIOS},
    {"rombios",  CONF_FIRMWARE_ROMBIOS,  KEYS_NOT_ON_XEN},
    {"uefi",     CONF_FIRMWARE_OVMF},
    {"ovmf",     CONF_FIRMWARE_OVMF},
    {"pvgrub32", CONF_FIRMWARE_PVGRUB32, KEYS_NOT_ON_XEN},
    {"pvgrub64", CONF_FIRMWARE_PVGRUB64, KEYS_NOT_ON_XEN},
    {0},
};

/* What xl knows by the old name. */
static const struct keys_word_row old_firmwares[] = {
    {"seabios",  CONF_FIRMWARE_SEABIOS},
    {"rombios",  CONF_FIRMWARE_ROMBIOS,  KEYS_NOT_ON_XEN},
    {"ovmf",     CONF_FIRMWARE_OVMF},
    {0},
};

static const struct key rows[] = {
    {"name", &keys_name, KEYS_AT(name), .acts = KEYS_EVERYWHERE,
     .help = "Name of the domain; A-Z a-z 0-9 _ . : + - and at most 128 bytes"},
    {"uuid", &keys_uuid, KEYS_AT(uuid), .acts = KEYS_EVERYWHERE,
     .help = "Identity of the domain; drawn once and kept when it is not given"},
    {"type", &keys_word, KEYS_AT(type), .words = types, .acts = KEYS_ON_XEN,
     .help = "Kind of guest on Xen; on QEMU every guest is a whole machine"},
    {"builder", &keys_builder, KEYS_AT(type), .words = builders, .acts = KEYS_ON_XEN,
     .help = "Old spelling of type"},
    {"memory", &keys_mib, KEYS_AT(memory_kib), .min = 1, .max = 16777216, .unit = "MiB", .def = "128",
     .json = "memory_kib", .acts = KEYS_EVERYWHERE, .verb = "mem-set",
     .help = "Memory at start; when only maxmem is given, as much as that"},
    {"maxmem", &keys_mib, KEYS_AT(max_memory_kib), .min = 1, .max = 16777216, .unit = "MiB",
     .json = "max_memory_kib", .acts = KEYS_EVERYWHERE,
     .help = "Memory that the guest can ever have; as memory when it is not given"},
    {"vcpus", &keys_number, KEYS_AT(vcpus), .min = 1, .max = 512, .def = "1", .acts = KEYS_EVERYWHERE,
     .verb = "vcpu-set",
     .help = "Virtual CPUs at start"},
    {"maxvcpus", &keys_number, KEYS_AT(max_vcpus), .min = 1, .max = 512, .json = "max_vcpus",
     .acts = KEYS_EVERYWHERE,
     .help = "Virtual CPUs that the guest can ever have; as vcpus when it is not given"},
    {"kernel", &keys_string, KEYS_AT(kernel), .max = 4095, .acts = KEYS_EVERYWHERE,
     .help = "Kernel to boot directly; without one the guest boots from its disks"},
    {"ramdisk", &keys_string, KEYS_AT(ramdisk), .max = 4095, .acts = KEYS_EVERYWHERE,
     .help = "Initial RAM disk for the kernel"},
    {"cmdline", &keys_string, KEYS_AT(cmdline), .max = 65535, .acts = KEYS_EVERYWHERE,
     .help = "Kernel command line; root and extra are ignored beside it"},
    {"root", &keys_text, .max = 65535, .acts = KEYS_EVERYWHERE,
     .help = "Puts root=VALUE on the kernel command line"},
    {"extra", &keys_text, .max = 65535, .acts = KEYS_EVERYWHERE,
     .help = "Put on the kernel command line after root"},
    {"disk", &keys_disk, .acts = KEYS_EVERYWHERE, .verb = "block-attach, block-detach, cd-insert",
     .example = "['/srv/web1.qcow2,qcow2,xvda,w', 'vdev=hdc,cdrom,target=/srv/my.iso']",
     .help = "Disks, as xl-disk-configuration(5): TARGET,FORMAT,VDEV,ACCESS or target= format= "
             "vdev= access= devtype=; the format is raw or qcow2"},
    {"vif", &keys_vif, .acts = KEYS_EVERYWHERE, .verb = "network-attach, network-detach",
     .example = "['mac=00:16:3e:00:00:01,bridge=xenbr0,model=e1000']",
     .help = "Network interfaces, as xl-network-configuration(5): mac= bridge= model= vifname="},
    {"serial", &keys_serial, .acts = KEYS_EVERYWHERE,
     .example = "['pty', 'file:/var/log/web1.log']",
     .help = "Serial ports: pty, file:PATH or unix:PATH; on Xen also QEMU's others, as tcp:HOST:PORT"},
    {"boot", &keys_order, KEYS_AT(boot), .acts = KEYS_EVERYWHERE,
     .help = "Boot order in letters: c disk, d cdrom, n network; a, the floppy, is Xen's and passed over "
             "elsewhere"},
    {"vnc", &keys_flag, KEYS_AT(vnc), .def = "0", .later = true, .acts = KEYS_EVERYWHERE,
     .help = "Graphical console over VNC; an HVM guest on Xen has one unless this is 0"},
    {"on_poweroff", &keys_word, KEYS_AT(on_poweroff), .words = actions, .def = "destroy",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE, .help = "What happens when the guest powers itself off"},
    {"on_reboot", &keys_word, KEYS_AT(on_reboot), .words = actions, .def = "restart",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE, .help = "What happens when the guest reboots itself"},
    {"on_crash", &keys_word, KEYS_AT(on_crash), .words = actions, .def = "destroy",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE, .help = "What happens when the guest crashes"},
    {"on_watchdog", &keys_word, KEYS_AT(on_watchdog), .words = actions, .def = "destroy",
     .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE, .help = "What happens when the guest's watchdog ends it"},
    {"on_soft_reset", &keys_word, KEYS_AT(on_soft_reset), .words = actions, .def = "soft-reset",
     .acts = KEYS_NOT_ON_QEMU, .live = KEYS_NOT_ON_QEMU, .help = "What happens when the guest asks to be started over in its own memory (kexec on Xen); QEMU has no such thing"},
    {"firmware", &keys_bios, .words = firmwares, .acts = KEYS_EVERYWHERE,
     .help = "Firmware: bios, seabios, rombios, uefi, ovmf, pvgrub32, pvgrub64 or the path of a file; "
             "on QEMU bios, seabios, uefi and ovmf are what a guest gets, others are refused"},
    {"bios", &keys_bios_old, .words = old_firmwares, .acts = KEYS_EVERYWHERE,
     .help = "Old spelling of firmware"},
    {"reeve_machine", &keys_word, KEYS_AT(machine), .words = machines, .def = "pc", .acts = KEYS_NOT_ON_XEN,
     .help = "Machine that QEMU is"},
    {"reeve_accel", &keys_word, KEYS_AT(accel), .words = accels, .def = "auto", .acts = KEYS_NOT_ON_XEN,
     .help = "How QEMU runs the guest's code; auto is KVM where it is proved to work, else TCG"},
    {"reeve_memory", &keys_word, KEYS_AT(memory), .words = memories, .def = "ram", .acts = KEYS_NOT_ON_XEN,
     .help = "Where the guest's memory is: ram, or file, a file on disk beside the domain's image, by "
             "which suspend and resume take an instant (reeve(1) says what it costs); on null it "
             "changes nothing"},
    {"reeve_disk_create", &keys_disk_create, KEYS_AT(disk_create), .acts = KEYS_NOT_ON_XEN,
     .example = "['xvda=20G']",
     .help = "Sizes of disks that a start makes, empty, when their files are missing: VDEV=SIZE, in "
             "MiB or with M, G or T"},
    {"reeve_restart_min_run", &keys_number, KEYS_AT(restart_min_run), .min = 0, .max = 86400,
     .def = "60", .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "Seconds; a guest that ends sooner after its boot is booted again with growing delay"},
    {"reeve_restart_tries", &keys_number, KEYS_AT(restart_tries), .min = 0, .max = 1000,
     .def = "5", .acts = KEYS_EVERYWHERE, .live = KEYS_EVERYWHERE,
     .help = "How often in a row a guest that ended too soon is booted again before it is left"},
    {"reeve_autostart", &keys_bool, KEYS_AT(autostart), .def = "0", .acts = KEYS_EVERYWHERE,
     .live = KEYS_EVERYWHERE,
     .help = "Start the domain when the host has started"},
};
/* clang-format on */

int keys_driver_of(const char *name)
{
    for (int i = 0; i < KEYS_DRIVERS; i++)
        if (str_eq(name, driver_names[i]))
            return i;
    return -1;
}

static const struct keys_table own = KEYS_TABLE(rows);

static const struct keys_table *const tables[] = {
    &own,          &keys_general, &keys_cpu,   &keys_boot,   &keys_hvm,
    &keys_devices, &keys_display, &keys_model, &keys_legacy, &keys_host,
};

const struct key *keys_row(size_t i)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        if (i < tables[t]->count)
            return &tables[t]->rows[i];
        i -= tables[t]->count;
    }
    return NULL;
}

const struct key *keys_find(const char *name)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            if (str_eq(tables[t]->rows[i].name, name))
                return &tables[t]->rows[i];
    return NULL;
}

const char *conf_key_name(size_t i)
{
    const struct key *row = keys_row(i);

    return row ? row->name : NULL;
}

const char *conf_key_help(size_t i)
{
    return keys_row(i)->help;
}

const char *conf_key_takes(size_t i)
{
    const struct key *row = keys_row(i);

    return row->type ? row->type->takes : NULL;
}

const char *conf_key_unit(size_t i)
{
    return keys_row(i)->unit;
}

const char *conf_key_default(size_t i)
{
    return keys_row(i)->def;
}

const char *conf_key_word(size_t i, size_t n)
{
    const struct keys_word_row *words = keys_row(i)->words;

    return words ? words[n].name : NULL;
}

bool conf_key_acts(size_t i, const char *driver)
{
    int at = keys_driver_of(driver);

    return at >= 0 && keys_row(i)->acts[at];
}

bool conf_key_live(const char *name, const char *driver)
{
    const struct key *row = keys_find(name);
    int at = keys_driver_of(driver);

    return row && at >= 0 && row->live[at];
}

const char *conf_key_verb(const char *name)
{
    const struct key *row = keys_find(name);

    return row ? row->verb : NULL;
}

const char *conf_key_refused(size_t i)
{
    return keys_row(i)->refused;
}

const char *conf_key_example(size_t i)
{
    return keys_row(i)->example;
}

bool conf_key_default_applied(size_t i)
{
    const struct key *row = keys_row(i);

    return row->def && !row->later;
}

bool conf_key_bounds(size_t i, int64_t *ret_min, int64_t *ret_max)
{
    const struct key *row = keys_row(i);

    *ret_min = row->min;
    *ret_max = row->max;
    return row->max != 0;
}
