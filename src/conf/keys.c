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
#define EVERYWHERE {true, true, true}
#define NOT_ON_XEN {true, true, false}
#define ON_XEN     {false, false, true}

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
    {"rename-restart",   CONF_RENAME_RESTART,   NOT_ON_XEN},
    {"coredump-destroy", CONF_COREDUMP_DESTROY, NOT_ON_XEN},
    {"coredump-restart", CONF_COREDUMP_RESTART, NOT_ON_XEN},
    {"soft-reset",       CONF_SOFT_RESET,       NOT_ON_XEN},
    {0},
};

static const struct keys_word_row machines[] = {
    {"pc",      CONF_MACHINE_PC},
    {"q35",     CONF_MACHINE_Q35},
    {"microvm", CONF_MACHINE_MICROVM},
    {0},
};

static const struct keys_word_row accels[] = {
    {"auto", CONF_ACCEL_AUTO},
    {"kvm",  CONF_ACCEL_KVM},
    {"tcg",  CONF_ACCEL_TCG},
    {0},
};

#define AT(member) offsetof(struct conf, member)

const struct key keys[] = {
    {"name", &keys_name, AT(name), .acts = EVERYWHERE,
     .help = "Name of the domain; A-Z a-z 0-9 _ . : + - and at most 128 bytes"},
    {"uuid", &keys_uuid, AT(uuid), .acts = EVERYWHERE,
     .help = "Identity of the domain; drawn once and kept when it is not given"},
    {"type", &keys_word, AT(type), .words = types, .acts = ON_XEN,
     .help = "Kind of guest on Xen; on QEMU every guest is a whole machine"},
    {"builder", &keys_builder, AT(type), .words = builders, .acts = ON_XEN,
     .help = "Old spelling of type"},
    {"memory", &keys_mib, AT(memory_kib), .min = 1, .max = 16777216, .unit = "MiB", .def = "128",
     .json = "memory_kib", .acts = EVERYWHERE,
     .help = "Memory at start; when only maxmem is given, as much as that"},
    {"maxmem", &keys_mib, AT(max_memory_kib), .min = 1, .max = 16777216, .unit = "MiB",
     .json = "max_memory_kib", .acts = EVERYWHERE,
     .help = "Memory that the guest can ever have; as memory when it is not given"},
    {"vcpus", &keys_number, AT(vcpus), .min = 1, .max = 512, .def = "1", .acts = EVERYWHERE,
     .help = "Virtual CPUs at start"},
    {"maxvcpus", &keys_number, AT(max_vcpus), .min = 1, .max = 512, .json = "max_vcpus",
     .acts = EVERYWHERE,
     .help = "Virtual CPUs that the guest can ever have; as vcpus when it is not given"},
    {"kernel", &keys_string, AT(kernel), .max = 4095, .acts = EVERYWHERE,
     .help = "Kernel to boot directly; without one the guest boots from its disks"},
    {"ramdisk", &keys_string, AT(ramdisk), .max = 4095, .acts = EVERYWHERE,
     .help = "Initial RAM disk for the kernel"},
    {"cmdline", &keys_string, AT(cmdline), .max = 65535, .acts = EVERYWHERE,
     .help = "Kernel command line; root and extra are ignored beside it"},
    {"root", &keys_text, .max = 65535, .acts = EVERYWHERE,
     .help = "Puts root=VALUE on the kernel command line"},
    {"extra", &keys_text, .max = 65535, .acts = EVERYWHERE,
     .help = "Put on the kernel command line after root"},
    {"disk", &keys_disk, .acts = EVERYWHERE,
     .help = "Disks, as xl-disk-configuration(5): TARGET,FORMAT,VDEV,ACCESS or target= format= "
             "vdev= access= devtype=; the format is raw or qcow2"},
    {"vif", &keys_vif, .acts = EVERYWHERE,
     .help = "Network interfaces, as xl-network-configuration(5): mac= bridge= model= vifname="},
    {"serial", &keys_serial, .acts = EVERYWHERE,
     .help = "Serial ports: pty, file:PATH or unix:PATH"},
    {"boot", &keys_boot, AT(boot), .acts = EVERYWHERE,
     .help = "Boot order in letters: c disk, d cdrom, n network"},
    {"vnc", &keys_bool, AT(vnc), .def = "0", .acts = EVERYWHERE,
     .help = "Graphical console over VNC"},
    {"on_poweroff", &keys_word, AT(on_poweroff), .words = actions, .def = "destroy",
     .acts = EVERYWHERE, .help = "What happens when the guest powers itself off"},
    {"on_reboot", &keys_word, AT(on_reboot), .words = actions, .def = "restart",
     .acts = EVERYWHERE, .help = "What happens when the guest reboots itself"},
    {"on_crash", &keys_word, AT(on_crash), .words = actions, .def = "destroy",
     .acts = EVERYWHERE, .help = "What happens when the guest crashes"},
    {"on_watchdog", &keys_word, AT(on_watchdog), .words = actions, .def = "destroy",
     .acts = EVERYWHERE, .help = "What happens when the guest's watchdog ends it"},
    {"on_soft_reset", &keys_word, AT(on_soft_reset), .words = actions, .def = "soft-reset",
     .acts = ON_XEN, .help = "What happens at a soft reset of a Xen guest (kexec)"},
    {"firmware", &keys_bios, .acts = EVERYWHERE,
     .help = "Firmware; bios and seabios are what a guest gets, others are refused"},
    {"bios", &keys_bios, .acts = EVERYWHERE,
     .help = "Old spelling of firmware"},
    {"reeve_machine", &keys_word, AT(machine), .words = machines, .def = "pc", .acts = NOT_ON_XEN,
     .help = "Machine that QEMU is"},
    {"reeve_accel", &keys_word, AT(accel), .words = accels, .def = "auto", .acts = NOT_ON_XEN,
     .help = "How QEMU runs the guest's code; auto is KVM where it is proved to work, else TCG"},
    {"reeve_autostart", &keys_bool, AT(autostart), .def = "0", .acts = EVERYWHERE,
     .help = "Start the domain when the host has started"},
    {0},
};
/* clang-format on */

int keys_driver_of(const char *name)
{
    for (int i = 0; i < KEYS_DRIVERS; i++)
        if (str_eq(name, driver_names[i]))
            return i;
    return -1;
}

const struct key *keys_row(size_t i)
{
    enum { OWN = ARRAY_LEN(keys) - 1 };
    const struct key *row = i < OWN ? &keys[i] : &keys_known[i - OWN];

    return row->name ? row : NULL;
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

const char *conf_key_refused(size_t i)
{
    return keys_row(i)->refused;
}
