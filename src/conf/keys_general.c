/* SPDX-License-Identifier: MIT */
/* Keys: What a Xen guest is beside its CPUs, memory and devices; Arm. */
#include "conf/keys.h"

/* The tables are laid out by hand. */
/* clang-format off */
static const struct keys_word_row passthroughs[] = {
    {"disabled", CONF_PASSTHROUGH_DISABLED},
    {"enabled", CONF_PASSTHROUGH_ENABLED},
    {"sync_pt", CONF_PASSTHROUGH_SYNC_PT},
    {"share_pt", CONF_PASSTHROUGH_SHARE_PT},
    {"default", CONF_PASSTHROUGH_DEFAULT},
    {0},
};

static const struct keys_word_row gics[] = {
    {"default", CONF_GIC_DEFAULT},
    {"v2", CONF_GIC_V2},
    {"v3", CONF_GIC_V3},
    {0},
};

static const struct keys_word_row vuarts[] = {
    {"sbsa_uart", CONF_VUART_SBSA},
    {0},
};

static const struct key rows[] = {
    {"pool", &keys_string, KEYS_AT(general.pool), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "CPU pool of the host"},
    {"seclabel", &keys_string, KEYS_AT(general.seclabel), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "Security label (XSM)"},
    {"init_seclabel", &keys_string, KEYS_AT(general.init_seclabel), .acts = KEYS_ON_XEN,
     .max = 4095,
     .help = "Security label while the domain is built (XSM)"},
    {"driver_domain", &keys_flag, KEYS_AT(general.driver_domain), .acts = KEYS_ON_XEN, .def = "0",
     .later = true,
     .help = "Marks a domain that serves devices to others"},
    {"nomigrate", &keys_flag, KEYS_AT(general.nomigrate), .acts = KEYS_ON_XEN, .def = "0",
     .later = true,
     .help = "Forbids migration"},
    {"device_tree", &keys_string, KEYS_AT(general.device_tree), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "Partial device tree for a guest on Arm"},
    {"passthrough", &keys_choice, KEYS_AT(general.passthrough), .acts = KEYS_ON_XEN,
     .words = passthroughs, .def = "default", .later = true,
     .help = "How DMA of passed-through devices is mapped"},
    {"xend_suspend_evtchn_compat", &keys_flag, KEYS_AT(general.xend_suspend_evtchn_compat), .acts = KEYS_ON_XEN,
     .def = "0", .later = true,
     .help = "Event channel for the suspend of old guests"},
    {"max_grant_frames", &keys_whole, KEYS_AT(general.max_grant_frames), .acts = KEYS_ON_XEN,
     .max = 2147483647,
     .help = "Bound of the grant table"},
    {"max_maptrack_frames", &keys_whole, KEYS_AT(general.max_maptrack_frames), .acts = KEYS_ON_XEN,
     .max = 2147483647,
     .help = "Bound of the grant map tracking table"},
    {"max_grant_version", &keys_whole, KEYS_AT(general.max_grant_version), .acts = KEYS_ON_XEN,
     .max = 15,
     .help = "Highest grant table version"},
    {"max_event_channels", &keys_whole, KEYS_AT(general.max_event_channels), .acts = KEYS_ON_XEN,
     .max = 131071, .def = "1023", .later = true,
     .help = "Bound of the event channels"},
    {"vmtrace_buf_kb", &keys_whole, KEYS_AT(general.vmtrace_buf_kb), .acts = KEYS_ON_XEN,
     .max = 4194303, .unit = "KiB", .def = "0", .later = true,
     .help = "Buffer for processor traces"},
    {"vpmu", &keys_flag, KEYS_AT(general.vpmu), .acts = KEYS_ON_XEN, .def = "0", .later = true,
     .help = "Virtual performance counters"},
    {"xenstore_feature_mask", &keys_whole, KEYS_AT(general.xenstore_feature_mask), .acts = KEYS_ON_XEN,
     .max = 4294967295,
     .help = "Features of Xenstore that the guest sees"},
    {"xenstore_quota", &keys_list, KEYS_AT(general.xenstore_quota), .acts = KEYS_ON_XEN,
     .example = "['nodes=1000']",
     .help = "Quotas of the guest in Xenstore"},
    {"gic_version", &keys_choice, KEYS_AT(arm.gic_version), .acts = KEYS_ON_XEN, .words = gics,
     .def = "default", .later = true,
     .help = "Interrupt controller on Arm"},
    {"vuart", &keys_choice, KEYS_AT(arm.vuart), .acts = KEYS_ON_XEN, .words = vuarts,
     .help = "Virtual UART on Arm"},
    {"sve", &keys_string, KEYS_AT(arm.sve), .acts = KEYS_ON_XEN, .max = 4095,
     .help = "Vector length on Arm"},
    {"nr_spis", &keys_whole, KEYS_AT(arm.nr_spis), .acts = KEYS_ON_XEN, .max = 991,
     .help = "Number of shared interrupts on Arm"},
    {"trap_unmapped_accesses", &keys_flag, KEYS_AT(arm.trap_unmapped_accesses), .acts = KEYS_ON_XEN,
     .help = "Traps reads of unmapped memory on Arm"},
};
/* clang-format on */

const struct keys_table keys_general = KEYS_TABLE(rows);
