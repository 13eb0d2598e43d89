/* SPDX-License-Identifier: MIT */
/* The keys of xl.cfg(5) that are one member of libxl_domain_config each, one row a key. */
#include "base/str.h"
#include "driver/xen/config_rows.h"

/* The tables are laid out by hand. */
/* clang-format off */
#define WORDS(table) table, ARRAY_LEN(table)

static const struct row_word passthroughs[] = {
    {CONF_PASSTHROUGH_DISABLED, LIBXL_PASSTHROUGH_DISABLED},
    {CONF_PASSTHROUGH_ENABLED,  LIBXL_PASSTHROUGH_ENABLED},
    {CONF_PASSTHROUGH_SYNC_PT,  LIBXL_PASSTHROUGH_SYNC_PT},
    {CONF_PASSTHROUGH_SHARE_PT, LIBXL_PASSTHROUGH_SHARE_PT},
    {CONF_PASSTHROUGH_DEFAULT,  LIBXL_PASSTHROUGH_DEFAULT},
};

static const struct row_word tsc_modes[] = {
    {CONF_TSC_DEFAULT,         LIBXL_TSC_MODE_DEFAULT},
    {CONF_TSC_ALWAYS_EMULATE,  LIBXL_TSC_MODE_ALWAYS_EMULATE},
    {CONF_TSC_NATIVE,          LIBXL_TSC_MODE_NATIVE},
    {CONF_TSC_NATIVE_PARAVIRT, LIBXL_TSC_MODE_NATIVE_PARAVIRT},
};

static const struct row_word timer_modes[] = {
    {CONF_TIMER_DELAY_FOR_MISSED_TICKS,    LIBXL_TIMER_MODE_DELAY_FOR_MISSED_TICKS},
    {CONF_TIMER_NO_DELAY_FOR_MISSED_TICKS, LIBXL_TIMER_MODE_NO_DELAY_FOR_MISSED_TICKS},
    {CONF_TIMER_NO_MISSED_TICKS_PENDING,   LIBXL_TIMER_MODE_NO_MISSED_TICKS_PENDING},
    {CONF_TIMER_ONE_MISSED_TICK_PENDING,   LIBXL_TIMER_MODE_ONE_MISSED_TICK_PENDING},
};

static const struct row_word altp2ms[] = {
    {CONF_ALTP2M_DISABLED, LIBXL_ALTP2M_MODE_DISABLED},
    {CONF_ALTP2M_MIXED,    LIBXL_ALTP2M_MODE_MIXED},
    {CONF_ALTP2M_EXTERNAL, LIBXL_ALTP2M_MODE_EXTERNAL},
    {CONF_ALTP2M_LIMITED,  LIBXL_ALTP2M_MODE_LIMITED},
};

static const struct row_word gics[] = {
    {CONF_GIC_DEFAULT, LIBXL_GIC_VERSION_DEFAULT},
    {CONF_GIC_V2,      LIBXL_GIC_VERSION_V2},
    {CONF_GIC_V3,      LIBXL_GIC_VERSION_V3},
};

static const struct row_word vuarts[] = {
    {CONF_VUART_SBSA, LIBXL_VUART_TYPE_SBSA_UART},
};

static const struct row_word tees[] = {
    {CONF_TEE_NONE,  LIBXL_TEE_TYPE_NONE},
    {CONF_TEE_OPTEE, LIBXL_TEE_TYPE_OPTEE},
};

static const struct row_word models[] = {
    {CONF_MODEL_XEN,         LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN},
    {CONF_MODEL_TRADITIONAL, LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN_TRADITIONAL},
};

static const struct row_word hdtypes[] = {
    {CONF_HDTYPE_IDE,  LIBXL_HDTYPE_IDE},
    {CONF_HDTYPE_AHCI, LIBXL_HDTYPE_AHCI},
};

static const struct row_word vgas[] = {
    {CONF_VGA_NONE,   LIBXL_VGA_INTERFACE_TYPE_NONE},
    {CONF_VGA_STDVGA, LIBXL_VGA_INTERFACE_TYPE_STD},
    {CONF_VGA_CIRRUS, LIBXL_VGA_INTERFACE_TYPE_CIRRUS},
    {CONF_VGA_QXL,    LIBXL_VGA_INTERFACE_TYPE_QXL},
};

static const struct row_word vendors[] = {
    {CONF_VENDOR_NONE,      LIBXL_VENDOR_DEVICE_NONE},
    {CONF_VENDOR_XENSERVER, LIBXL_VENDOR_DEVICE_XENSERVER},
};

static const struct row_word actions[] = {
    {CONF_DESTROY,          LIBXL_ACTION_ON_SHUTDOWN_DESTROY},
    {CONF_RESTART,          LIBXL_ACTION_ON_SHUTDOWN_RESTART},
    {CONF_PRESERVE,         LIBXL_ACTION_ON_SHUTDOWN_PRESERVE},
    {CONF_RENAME_RESTART,   LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME},
    {CONF_COREDUMP_DESTROY, LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY},
    {CONF_COREDUMP_RESTART, LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART},
    {CONF_SOFT_RESET,       LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET},
};

#define OURS(member) offsetof(struct conf, member)
#define DOMAIN(member) offsetof(libxl_domain_config, member)
#define INFO(member) offsetof(libxl_domain_config, c_info.member)
#define BUILD(member) offsetof(libxl_domain_config, b_info.member)
#define HVM(member) offsetof(libxl_domain_config, b_info.u.hvm.member)
#define PVH(member) offsetof(libxl_domain_config, b_info.u.pvh.member)

const struct row config_rows[] = {
    {"name",                       ROW_STRING,  ON_ALL, OURS(name), INFO(name)},
    {"pool",                       ROW_STRING,  ON_ALL, OURS(general.pool), INFO(pool_name)},
    {"hap",                        ROW_FLAG,    ON_ALL, OURS(hvm.hap), INFO(hap)},
    {"oos",                        ROW_FLAG,    ON_ALL, OURS(hvm.oos), INFO(oos)},
    {"driver_domain",              ROW_FLAG,    ON_ALL, OURS(general.driver_domain), INFO(driver_domain)},
    {"passthrough",                ROW_WORD,    ON_ALL, OURS(general.passthrough), INFO(passthrough), WORDS(passthroughs)},
    {"xend_suspend_evtchn_compat", ROW_FLAG,    ON_ALL, OURS(general.xend_suspend_evtchn_compat), INFO(xend_suspend_evtchn_compat)},
    {"on_poweroff",                ROW_WORD,    ON_ALL, OURS(on_poweroff), DOMAIN(on_poweroff), WORDS(actions)},
    {"on_reboot",                  ROW_WORD,    ON_ALL, OURS(on_reboot), DOMAIN(on_reboot), WORDS(actions)},
    {"on_watchdog",                ROW_WORD,    ON_ALL, OURS(on_watchdog), DOMAIN(on_watchdog), WORDS(actions)},
    {"on_crash",                   ROW_WORD,    ON_ALL, OURS(on_crash), DOMAIN(on_crash), WORDS(actions)},
    {"on_soft_reset",              ROW_WORD,    ON_ALL, OURS(on_soft_reset), DOMAIN(on_soft_reset), WORDS(actions)},
    /* CPU and memory */
    {"cpu_weight",                 ROW_INT,     ON_ALL, OURS(cpu.cpu_weight), BUILD(sched_params.weight)},
    {"cap",                        ROW_INT,     ON_ALL, OURS(cpu.cap), BUILD(sched_params.cap)},
    {"period",                     ROW_INT,     ON_ALL, OURS(cpu.period), BUILD(sched_params.period)},
    {"slice",                      ROW_INT,     ON_ALL, OURS(cpu.slice), BUILD(sched_params.slice)},
    {"latency",                    ROW_INT,     ON_ALL, OURS(cpu.latency), BUILD(sched_params.latency)},
    {"extratime",                  ROW_INT,     ON_ALL, OURS(cpu.extratime), BUILD(sched_params.extratime)},
    {"tsc_mode",                   ROW_WORD,    ON_ALL, OURS(hvm.tsc_mode), BUILD(tsc_mode), WORDS(tsc_modes)},
    {"videoram",                   ROW_KIB,     ON_ALL, OURS(screen.videoram), BUILD(video_memkb)},
    {"shadow_memory",              ROW_KIB,     ON_ALL, OURS(map.shadow_memory), BUILD(shadow_memkb)},
    /* libxl says it is unsigned and means seconds that can be below 0 */
    {"rtc_timeoffset",             ROW_INT,     ON_ALL, OURS(hvm.rtc_timeoffset), BUILD(rtc_timeoffset)},
    {"localtime",                  ROW_FLAG,    ON_ALL, OURS(hvm.localtime), BUILD(localtime)},
    {"nomigrate",                  ROW_FLAG,    ON_ALL, OURS(general.nomigrate), BUILD(disable_migrate)},
    {"max_grant_frames",           ROW_U32,     ON_ALL, OURS(general.max_grant_frames), BUILD(max_grant_frames)},
    {"max_maptrack_frames",        ROW_U32,     ON_ALL, OURS(general.max_maptrack_frames), BUILD(max_maptrack_frames)},
    {"max_grant_version",          ROW_INT,     ON_ALL, OURS(general.max_grant_version), BUILD(max_grant_version)},
    {"max_event_channels",         ROW_U32,     ON_ALL, OURS(general.max_event_channels), BUILD(event_channels)},
    {"vmtrace_buf_kb",             ROW_INT,     ON_ALL, OURS(general.vmtrace_buf_kb), BUILD(vmtrace_buf_kb)},
    {"vpmu",                       ROW_FLAG,    ON_ALL, OURS(general.vpmu), BUILD(vpmu)},
    {"msr_relaxed",                ROW_FLAG,    ON_ALL, OURS(cpu.msr_relaxed), BUILD(arch_x86.msr_relaxed)},
    {"altp2m",                     ROW_WORD,    ON_ALL, OURS(hvm.altp2m), BUILD(altp2m), WORDS(altp2ms)},
    {"timer_mode",                 ROW_WORD,    ON_PVH | ON_HVM, OURS(hvm.timer_mode), BUILD(timer_mode), WORDS(timer_modes)},
    {"nestedhvm",                  ROW_FLAG,    ON_PVH | ON_HVM, OURS(hvm.nestedhvm), BUILD(nested_hvm)},
    {"acpi",                       ROW_FLAG,    ON_ALL, OURS(hvm.acpi), BUILD(acpi)},
    /* boot */
    {"kernel",                     ROW_PATH,    ON_ALL, OURS(kernel), BUILD(kernel)},
    {"ramdisk",                    ROW_PATH,    ON_ALL, OURS(ramdisk), BUILD(ramdisk)},
    {"cmdline",                    ROW_STRING,  ON_ALL, OURS(cmdline), BUILD(cmdline)},
    {"device_tree",                ROW_PATH,    ON_ALL, OURS(general.device_tree), BUILD(device_tree)},
    {"bootloader",                 ROW_STRING,  ON_ALL, OURS(booting.bootloader), BUILD(bootloader)},
    {"bootloader_args",            ROW_STRINGS, ON_ALL, OURS(booting.bootloader_args), BUILD(bootloader_args)},
    {"pvshim",                     ROW_FLAG,    ON_PVH, OURS(booting.pvshim), PVH(pvshim)},
    {"pvshim_path",                ROW_STRING,  ON_PVH, OURS(booting.pvshim_path), PVH(pvshim_path)},
    {"pvshim_cmdline",             ROW_STRING,  ON_PVH, OURS(booting.pvshim_cmdline), PVH(pvshim_cmdline)},
    {"pvshim_extra",               ROW_STRING,  ON_PVH, OURS(booting.pvshim_extra), PVH(pvshim_extra)},
    {"firmware_override",          ROW_STRING,  ON_HVM, OURS(booting.firmware_override), HVM(firmware)},
    {"bios_path_override",         ROW_PATH,    ON_HVM, OURS(booting.bios_path_override), HVM(system_firmware)},
    {"boot",                       ROW_STRING,  ON_HVM, OURS(boot), HVM(boot)},
    /* the device model */
    {"device_model_override",      ROW_STRING,  ON_ALL, OURS(dm.override), BUILD(device_model)},
    {"device_model_version",       ROW_WORD,    ON_ALL, OURS(dm.version), BUILD(device_model_version), WORDS(models)},
    {"device_model_user",          ROW_STRING,  ON_ALL, OURS(dm.user), BUILD(device_model_user)},
    {"device_model_stubdomain_override", ROW_FLAG, ON_ALL, OURS(dm.stubdomain_override), BUILD(device_model_stubdomain)},
    {"device_model_stubdomain_seclabel", ROW_STRING, ON_ALL, OURS(dm.seclabel), BUILD(device_model_ssid_label)},
    {"stubdomain_kernel",          ROW_STRING,  ON_ALL, OURS(dm.stubdomain_kernel), BUILD(stubdomain_kernel)},
    {"stubdomain_cmdline",         ROW_STRING,  ON_ALL, OURS(dm.stubdomain_cmdline), BUILD(stubdomain_cmdline)},
    {"stubdomain_ramdisk",         ROW_STRING,  ON_ALL, OURS(dm.stubdomain_ramdisk), BUILD(stubdomain_ramdisk)},
    {"stubdomain_memory",          ROW_KIB,     ON_ALL, OURS(dm.stubdomain_memory), BUILD(stubdomain_memkb)},
    {"dm_restrict",                ROW_FLAG,    ON_ALL, OURS(dm.restricted), BUILD(dm_restrict)},
    {"device_model_args",          ROW_STRINGS, ON_ALL, OURS(dm.args), BUILD(extra)},
    {"device_model_args_pv",       ROW_STRINGS, ON_ALL, OURS(dm.args_pv), BUILD(extra_pv)},
    {"device_model_args_hvm",      ROW_STRINGS, ON_ALL, OURS(dm.args_hvm), BUILD(extra_hvm)},
    /* Arm */
    {"gic_version",                ROW_WORD,    ON_ALL, OURS(arm.gic_version), BUILD(arch_arm.gic_version), WORDS(gics)},
    {"vuart",                      ROW_WORD,    ON_ALL, OURS(arm.vuart), BUILD(arch_arm.vuart), WORDS(vuarts)},
    {"tee",                        ROW_WORD,    ON_ALL, OURS(dev.tee), BUILD(tee), WORDS(tees)},
    /* the platform */
    {"e820_host",                  ROW_FLAG,    ON_PV,  OURS(hvm.e820_host), offsetof(libxl_domain_config, b_info.u.pv.e820_host)},
    {"apic",                       ROW_FLAG,    ON_HVM, OURS(hvm.apic), BUILD(apic)},
    {"pae",                        ROW_FLAG,    ON_HVM, OURS(hvm.pae), HVM(pae)},
    {"acpi_s3",                    ROW_FLAG,    ON_HVM, OURS(hvm.acpi_s3), HVM(acpi_s3)},
    {"acpi_s4",                    ROW_FLAG,    ON_HVM, OURS(hvm.acpi_s4), HVM(acpi_s4)},
    {"acpi_laptop_slate",          ROW_FLAG,    ON_HVM, OURS(hvm.acpi_laptop_slate), HVM(acpi_laptop_slate)},
    {"nx",                         ROW_FLAG,    ON_HVM, OURS(hvm.nx), HVM(nx)},
    {"hpet",                       ROW_FLAG,    ON_HVM, OURS(hvm.hpet), HVM(hpet)},
    {"vpt_align",                  ROW_FLAG,    ON_HVM, OURS(hvm.vpt_align), HVM(vpt_align)},
    {"mmio_hole",                  ROW_KIB,     ON_HVM, OURS(map.mmio_hole), HVM(mmio_hole_memkb)},
    {"altp2mhvm",                  ROW_FLAG,    ON_HVM, OURS(hvm.altp2mhvm), HVM(altp2m)},
    {"smbios_firmware",            ROW_PATH,    ON_HVM, OURS(hvm.smbios_firmware), HVM(smbios_firmware)},
    {"acpi_firmware",              ROW_PATH,    ON_HVM, OURS(hvm.acpi_firmware), HVM(acpi_firmware)},
    {"rdm_mem_boundary",           ROW_KIB,     ON_HVM, OURS(map.rdm_mem_boundary), HVM(rdm_mem_boundary_memkb)},
    {"hdtype",                     ROW_WORD,    ON_HVM, OURS(hvm.hdtype), HVM(hdtype), WORDS(hdtypes)},
    {"xen_platform_pci",           ROW_FLAG,    ON_HVM, OURS(hvm.xen_platform_pci), HVM(xen_platform_pci)},
    {"vendor_device",              ROW_WORD,    ON_HVM, OURS(hvm.vendor_device), HVM(vendor_device), WORDS(vendors)},
    /* display, sound and USB */
    {"vga",                        ROW_WORD,    ON_HVM, OURS(screen.vga), HVM(vga.kind), WORDS(vgas)},
    {"keymap",                     ROW_STRING,  ON_HVM, OURS(screen.keymap), HVM(keymap)},
    {"nographic",                  ROW_FLAG,    ON_HVM, OURS(screen.nographic), HVM(nographic)},
    {"spice",                      ROW_FLAG,    ON_HVM, OURS(screen.spice), HVM(spice.enable)},
    {"spiceport",                  ROW_INT,     ON_HVM, OURS(screen.spiceport), HVM(spice.port)},
    {"spicetls_port",              ROW_INT,     ON_HVM, OURS(screen.spicetls_port), HVM(spice.tls_port)},
    {"spicehost",                  ROW_STRING,  ON_HVM, OURS(screen.spicehost), HVM(spice.host)},
    {"spicedisable_ticketing",     ROW_FLAG,    ON_HVM, OURS(screen.spicedisable_ticketing), HVM(spice.disable_ticketing)},
    {"spicepasswd",                ROW_STRING,  ON_HVM, OURS(screen.spicepasswd), HVM(spice.passwd)},
    {"spiceagent_mouse",           ROW_FLAG,    ON_HVM, OURS(screen.spiceagent_mouse), HVM(spice.agent_mouse)},
    {"spicevdagent",               ROW_FLAG,    ON_HVM, OURS(screen.spicevdagent), HVM(spice.vdagent)},
    {"spice_clipboard_sharing",    ROW_FLAG,    ON_HVM, OURS(screen.spice_clipboard_sharing), HVM(spice.clipboard_sharing)},
    {"spiceusbredirection",        ROW_INT,     ON_HVM, OURS(screen.spiceusbredirection), HVM(spice.usbredirection)},
    {"spice_image_compression",    ROW_STRING,  ON_HVM, OURS(screen.spice_image_compression), HVM(spice.image_compression)},
    {"spice_streaming_video",      ROW_STRING,  ON_HVM, OURS(screen.spice_streaming_video), HVM(spice.streaming_video)},
    {"soundhw",                    ROW_STRING,  ON_HVM, OURS(screen.soundhw), HVM(soundhw)},
    {"vkb_device",                 ROW_FLAG,    ON_HVM, OURS(screen.vkb_device), HVM(vkb_device)},
    {"usb",                        ROW_FLAG,    ON_HVM, OURS(screen.usb), HVM(usb)},
    {"usbversion",                 ROW_INT,     ON_HVM, OURS(screen.usbversion), HVM(usbversion)},
    {0},
};

const struct row config_vnc_rows[] = {
    {"vnc",        ROW_FLAG,   ON_ALL, OURS(vnc), offsetof(libxl_vnc_info, enable)},
    {"vnclisten",  ROW_STRING, ON_ALL, OURS(screen.vnclisten), offsetof(libxl_vnc_info, listen)},
    {"vncpasswd",  ROW_STRING, ON_ALL, OURS(screen.vncpasswd), offsetof(libxl_vnc_info, passwd)},
    {"vncdisplay", ROW_INT,    ON_ALL, OURS(screen.vncdisplay), offsetof(libxl_vnc_info, display)},
    {"vncunused",  ROW_FLAG,   ON_ALL, OURS(screen.vncunused), offsetof(libxl_vnc_info, findunused)},
    {0},
};

const struct row config_sdl_rows[] = {
    {"sdl",        ROW_FLAG,   ON_ALL, OURS(screen.sdl), offsetof(libxl_sdl_info, enable)},
    {"opengl",     ROW_FLAG,   ON_ALL, OURS(screen.opengl), offsetof(libxl_sdl_info, opengl)},
    {"display",    ROW_STRING, ON_ALL, OURS(screen.display), offsetof(libxl_sdl_info, display)},
    {"xauthority", ROW_STRING, ON_ALL, OURS(screen.xauthority), offsetof(libxl_sdl_info, xauthority)},
    {0},
};
/* clang-format on */
