/* SPDX-License-Identifier: MIT */
/* Keys: CPUs and memory of a Xen guest. */
#include "conf/keys.h"
#include "conf/spec_kinds.h"

/* The tables are laid out by hand. */
/* clang-format off */
static const struct keys_word_row mca_capabilities[] = {
    {.name = "lmce"},
    {0},
};

static const struct key rows[] = {
    {"cpus", &keys_cpus, KEYS_AT(cpu.cpus), .acts = KEYS_ON_XEN,
     .example = "['2', '3-8,^5', 'nodes:0']",
     .help = "Host CPUs that the virtual CPUs may run on"},
    {"cpus_soft", &keys_cpus, KEYS_AT(cpu.cpus_soft), .acts = KEYS_ON_XEN, .example = "'all,^0'",
     .help = "Host CPUs that the virtual CPUs prefer"},
    {"cpu_weight", &keys_whole, KEYS_AT(cpu.cpu_weight), .acts = KEYS_ON_XEN, .min = 1,
     .max = 65535, .def = "256", .later = true,
     .help = "Share of the host's CPUs under contention"},
    {"cap", &keys_whole, KEYS_AT(cpu.cap), .acts = KEYS_ON_XEN, .max = 65535,
     .unit = "% of a CPU", .def = "0", .later = true,
     .help = "Bound of CPU time, in percent of one CPU"},
    {"period", &keys_whole, KEYS_AT(cpu.period), .acts = KEYS_ON_XEN, .max = 2147483647,
     .help = "Period of an old scheduler"},
    {"slice", &keys_whole, KEYS_AT(cpu.slice), .acts = KEYS_ON_XEN, .max = 2147483647,
     .help = "Time slice of an old scheduler"},
    {"latency", &keys_whole, KEYS_AT(cpu.latency), .acts = KEYS_ON_XEN, .max = 2147483647,
     .help = "Latency of an old scheduler"},
    {"extratime", &keys_whole, KEYS_AT(cpu.extratime), .acts = KEYS_ON_XEN, .max = 1,
     .help = "Extra time of an old scheduler"},
    {"vnuma", &keys_specs, KEYS_AT(cpu.vnuma), .acts = KEYS_ON_XEN, .spec = &spec_vnuma,
     .example = "[['pnode=0', 'size=512', 'vcpus=0', 'vdistances=10']]",
     .help = "Virtual NUMA nodes"},
    {"cpuid", &keys_cpuid, KEYS_AT(cpu.cpuid), .acts = KEYS_ON_XEN,
     .example = "'host,tm=0,sse3=0'",
     .help = "CPUID leaves that the guest sees"},
    {"llc_colors", &keys_list, KEYS_AT(cpu.llc_colors), .acts = KEYS_ON_XEN,
     .example = "['0-3', '8']",
     .help = "Colours of the last-level cache"},
    {"mca_caps", &keys_words, KEYS_AT(cpu.mca_caps), .acts = KEYS_ON_XEN,
     .words = mca_capabilities, .example = "['lmce']",
     .help = "Machine check features"},
    {"msr_relaxed", &keys_flag, KEYS_AT(cpu.msr_relaxed), .acts = KEYS_ON_XEN, .def = "0",
     .later = true,
     .help = "Lets unknown MSRs read as 0"},
    {"shadow_memory", &keys_whole, KEYS_AT(map.shadow_memory), .acts = KEYS_ON_XEN,
     .max = 16777216, .unit = "MiB",
     .help = "Memory for shadow page tables"},
    {"mmio_hole", &keys_whole, KEYS_AT(map.mmio_hole), .acts = KEYS_ON_XEN, .min = 256,
     .max = 3840, .unit = "MiB",
     .help = "Size of the hole below 4 GiB"},
    {"rdm", &keys_specs, KEYS_AT(map.rdm), .acts = KEYS_ON_XEN, .spec = &spec_rdm,
     .example = "'strategy=host,policy=relaxed'",
     .help = "Reserved device memory"},
    {"rdm_mem_boundary", &keys_whole, KEYS_AT(map.rdm_mem_boundary), .acts = KEYS_ON_XEN,
     .max = 16777216, .unit = "MiB", .def = "2048", .later = true,
     .help = "Boundary for reserved device memory"},
};
/* clang-format on */

const struct keys_table keys_cpu = KEYS_TABLE(rows);
