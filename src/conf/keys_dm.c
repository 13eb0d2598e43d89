/* SPDX-License-Identifier: MIT */
/* Keys: The device model of a Xen guest. */
#include "conf/keys.h"

/* The tables are laid out by hand. */
/* clang-format off */
static const struct keys_word_row versions[] = {
    {"qemu-xen", CONF_MODEL_XEN},
    {"qemu-xen-traditional", CONF_MODEL_TRADITIONAL},
    {"none", CONF_MODEL_NONE},
    {0},
};

static const struct key rows[] = {
    {"device_model", &keys_string, KEYS_AT(dm.device_model), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "Path of the device model; xl ignores it too"},
    {"device_model_version", &keys_choice, KEYS_AT(dm.version), .acts = KEYS_ON_XEN,
     .words = versions, .def = "qemu-xen", .later = true,
     .help = "Which device model"},
    {"device_model_override", &keys_string, KEYS_AT(dm.override), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Path of the device model"},
    {"device_model_user", &keys_string, KEYS_AT(dm.user), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "User that the device model runs as; reeved's settings say it here"},
    {"device_model_stubdomain_seclabel", &keys_string, KEYS_AT(dm.seclabel), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Security label of the stub domain (XSM)"},
    {"stubdomain_kernel", &keys_string, KEYS_AT(dm.stubdomain_kernel), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Kernel of the stub domain"},
    {"stubdomain_cmdline", &keys_string, KEYS_AT(dm.stubdomain_cmdline), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Command line of the stub domain"},
    {"stubdomain_ramdisk", &keys_string, KEYS_AT(dm.stubdomain_ramdisk), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "RAM disk of the stub domain"},
    {"stubdomain_memory", &keys_whole, KEYS_AT(dm.stubdomain_memory), .acts = KEYS_ON_XEN,
     .min = 1, .max = 65536, .unit = "MiB", .def = "128", .later = true,
     .help = "Memory of the stub domain"},
    {"device_model_stubdomain_override", &keys_flag, KEYS_AT(dm.stubdomain_override), .acts = KEYS_ON_XEN,
     .def = "0", .later = true,
     .help = "Runs the device model in a stub domain"},
    {"dm_restrict", &keys_flag, KEYS_AT(dm.restricted), .acts = KEYS_ON_XEN, .def = "0",
     .later = true,
     .help = "Confines the device model; here it always is"},
    {"device_model_args", &keys_list, KEYS_AT(dm.args), .acts = KEYS_ON_XEN,
     .example = "['-name', 'x']",
     .help = "Arguments for the device model",
     .refused = "the guest would lack what they add"},
    {"device_model_args_pv", &keys_list, KEYS_AT(dm.args_pv), .acts = KEYS_ON_XEN,
     .example = "['-name', 'x']",
     .help = "Arguments for the device model of PV guests"},
    {"device_model_args_hvm", &keys_list, KEYS_AT(dm.args_hvm), .acts = KEYS_ON_XEN,
     .example = "['-name', 'x']",
     .help = "Arguments for the device model of HVM guests",
     .refused = "the guest would lack what they add"},
};
/* clang-format on */

const struct keys_table keys_model = KEYS_TABLE(rows);
