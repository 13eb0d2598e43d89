/* SPDX-License-Identifier: MIT */
/* Keys: Files that a guest boots with, and how a Xen guest boots. */
#include "conf/keys.h"

/* The tables are laid out by hand. */
/* clang-format off */
static const struct key rows[] = {
    {"bios_path_override", &keys_string, KEYS_AT(booting.bios_path_override),
     .acts = KEYS_EVERYWHERE, .max = 4095,
     .help = "File with the firmware; on QEMU an OVMF of which the name has CODE takes new "
             "variables from the file beside it with VARS"},
    {"firmware_override", &keys_string, KEYS_AT(booting.firmware_override),
     .acts = KEYS_EVERYWHERE, .max = 4095,
     .help = "File with the firmware, old spelling"},
    {"bootloader", &keys_string, KEYS_AT(booting.bootloader), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "Program that fetches the kernel from the guest's disk",
     .refused = "the guest would boot something else; "
                "give kernel and ramdisk, or boot from the disk"},
    {"bootloader_args", &keys_args, KEYS_AT(booting.bootloader_args), .acts = KEYS_ON_XEN,
     .example = "['--kernel', '/boot/vmlinuz']",
     .help = "Arguments of the boot loader"},
    {"bootloader_restrict", &keys_flag, KEYS_AT(booting.bootloader_restrict), .acts = KEYS_ON_XEN,
     .help = "Runs the boot loader confined"},
    {"bootloader_user", &keys_string, KEYS_AT(booting.bootloader_user), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "User that the boot loader runs as"},
    {"pvshim", &keys_flag, KEYS_AT(booting.pvshim), .acts = KEYS_ON_XEN, .def = "0",
     .later = true,
     .help = "Runs a PV guest inside a PVH one"},
    {"pvshim_path", &keys_string, KEYS_AT(booting.pvshim_path), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "The shim"},
    {"pvshim_cmdline", &keys_string, KEYS_AT(booting.pvshim_cmdline), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Command line of the shim"},
    {"pvshim_extra", &keys_string, KEYS_AT(booting.pvshim_extra), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "More of the shim's command line"},
};
/* clang-format on */

const struct keys_table keys_boot = KEYS_TABLE(rows);
