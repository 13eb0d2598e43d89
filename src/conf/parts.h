/* SPDX-License-Identifier: MIT */
/* The parts of struct conf that (but for firmware) only Xen acts on, by subject. A member is named
 * as its key in xl.cfg(5), and one that was not given is unset, so that the driver's own default
 * counts. */
#ifndef CONF_PARTS_H
#define CONF_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ident.h"

enum conf_flag { CONF_FLAG_UNSET, CONF_FLAG_OFF, CONF_FLAG_ON };

struct conf_number {
    bool given;
    int64_t value; /* in the unit of the key's row */
};

struct conf_strings {
    char **items; /* owned, as each of them */
    size_t count;
};

enum conf_passthrough {
    CONF_PASSTHROUGH_UNSET,
    CONF_PASSTHROUGH_DISABLED,
    CONF_PASSTHROUGH_ENABLED,
    CONF_PASSTHROUGH_SYNC_PT,
    CONF_PASSTHROUGH_SHARE_PT,
    CONF_PASSTHROUGH_DEFAULT,
};

enum conf_rdm_policy { CONF_RDM_UNSET, CONF_RDM_STRICT, CONF_RDM_RELAXED };

enum conf_firmware {
    CONF_FIRMWARE_UNSET,
    CONF_FIRMWARE_BIOS, /* what the machine has by itself; SeaBIOS */
    CONF_FIRMWARE_SEABIOS,
    CONF_FIRMWARE_ROMBIOS,
    CONF_FIRMWARE_OVMF,
    CONF_FIRMWARE_PVGRUB32,
    CONF_FIRMWARE_PVGRUB64,
    CONF_FIRMWARE_PATH, /* boot.firmware_path */
};

enum conf_tsc {
    CONF_TSC_UNSET,
    CONF_TSC_DEFAULT,
    CONF_TSC_ALWAYS_EMULATE,
    CONF_TSC_NATIVE,
    CONF_TSC_NATIVE_PARAVIRT,
};

enum conf_timer {
    CONF_TIMER_UNSET,
    CONF_TIMER_DELAY_FOR_MISSED_TICKS,
    CONF_TIMER_NO_DELAY_FOR_MISSED_TICKS,
    CONF_TIMER_NO_MISSED_TICKS_PENDING,
    CONF_TIMER_ONE_MISSED_TICK_PENDING,
};

enum conf_altp2m {
    CONF_ALTP2M_UNSET,
    CONF_ALTP2M_DISABLED,
    CONF_ALTP2M_MIXED,
    CONF_ALTP2M_EXTERNAL,
    CONF_ALTP2M_LIMITED,
};

enum conf_vga { CONF_VGA_UNSET, CONF_VGA_NONE, CONF_VGA_STDVGA, CONF_VGA_CIRRUS, CONF_VGA_QXL };
enum conf_hdtype { CONF_HDTYPE_UNSET, CONF_HDTYPE_IDE, CONF_HDTYPE_AHCI };
enum conf_genid { CONF_GENID_UNSET, CONF_GENID_GENERATE, CONF_GENID_NONE };
enum conf_vendor { CONF_VENDOR_UNSET, CONF_VENDOR_NONE, CONF_VENDOR_XENSERVER };
enum conf_model { CONF_MODEL_UNSET, CONF_MODEL_XEN, CONF_MODEL_TRADITIONAL, CONF_MODEL_NONE };
enum conf_gfx { CONF_GFX_UNSET, CONF_GFX_OFF, CONF_GFX_DEFAULT, CONF_GFX_IGD };
enum conf_gic { CONF_GIC_UNSET, CONF_GIC_DEFAULT, CONF_GIC_V2, CONF_GIC_V3 };
enum conf_tee { CONF_TEE_UNSET, CONF_TEE_NONE, CONF_TEE_OPTEE, CONF_TEE_FFA };
enum conf_vuart { CONF_VUART_UNSET, CONF_VUART_SBSA };
enum conf_sci { CONF_SCI_UNSET, CONF_SCI_NONE, CONF_SCI_SCMI };

struct conf_general {
    char *pool, *seclabel, *init_seclabel, *device_tree;
    enum conf_flag driver_domain, nomigrate, xend_suspend_evtchn_compat, vpmu;
    enum conf_passthrough passthrough;
    struct conf_number max_grant_frames, max_maptrack_frames, max_grant_version;
    struct conf_number max_event_channels, vmtrace_buf_kb, xenstore_feature_mask;
    struct conf_strings xenstore_quota;
};

/* A virtual NUMA node. */
enum { CONF_VNODES_MAX = 64 };
struct conf_vnode {
    struct conf_number pnode, size; /* MiB */
    char *vcpus;                    /* numbers and ranges: "0-3,6" */
    char *vdistance_text;           /* as written, and read: */
    unsigned vdistances[CONF_VNODES_MAX];
    size_t vdistance_count;
};
struct conf_vnodes {
    struct conf_vnode *items;
    size_t count;
    unsigned vcpus; /* in all of them */
};

struct conf_cpu {
    /* One item, for all vCPUs, or with `each` one a vCPU: "all", "0-3,^1", "nodes:0", ... */
    struct conf_strings cpus, cpus_soft;
    bool cpus_each, cpus_soft_each;
    struct conf_number cpu_weight, cap, period, slice, latency, extratime;
    struct conf_vnodes vnuma;
    struct conf_strings cpuid; /* one "host,..." of libxl, or the strings of xend */
    struct conf_strings llc_colors, mca_caps;
    enum conf_flag msr_relaxed;
};

struct conf_rdm {
    bool given, host; /* strategy=host */
    enum conf_rdm_policy policy;
};

struct conf_memory_map {
    struct conf_number shadow_memory, mmio_hole, rdm_mem_boundary; /* MiB */
    struct conf_rdm rdm;
};

struct conf_boot {
    enum conf_firmware firmware;
    char *firmware_path, *bios_path_override, *firmware_override;
    char *bootloader, *bootloader_user;
    struct conf_strings bootloader_args;
    enum conf_flag bootloader_restrict, pvshim;
    char *pvshim_path, *pvshim_cmdline, *pvshim_extra;
};

struct conf_pci {
    char *bdf; /* "0000:03:00.0"; the function may be "*" */
    char *name;
    struct conf_number vslot;
    enum conf_flag permissive, msitranslate, seize, power_mgmt;
    enum conf_rdm_policy rdm_policy;
};

enum conf_usbctrl_type {
    CONF_USBCTRL_AUTO,
    CONF_USBCTRL_PV,
    CONF_USBCTRL_QUSB,
    CONF_USBCTRL_DEVICEMODEL,
};
struct conf_usbctrl {
    enum conf_usbctrl_type type;
    struct conf_number version, ports;
};

struct conf_usbdev {
    struct conf_number hostbus, hostaddr, controller, port;
};

struct conf_vtpm {
    char *backend;
    char uuid[IDENT_UUID_LEN + 1]; /* "" when not given */
};

struct conf_p9 {
    char *tag, *path, *security_model, *backend, *type;
    struct conf_number max_space, max_files, max_open_files, auto_delete;
};

struct conf_pvcalls {
    char *backend;
};

enum conf_connection { CONF_CONNECTION_UNSET, CONF_CONNECTION_PTY, CONF_CONNECTION_SOCKET };
struct conf_channel {
    char *backend, *name, *path;
    enum conf_connection connection;
};

struct conf_vfb {
    enum conf_flag vnc, vncunused, sdl, opengl;
    char *vnclisten, *vncpasswd, *display, *xauthority, *keymap;
    struct conf_number vncdisplay;
};

struct conf_vkb {
    char *unique_id, *backend;
    enum { CONF_VKB_UNSET, CONF_VKB_QEMU, CONF_VKB_LINUX } backend_type;
    enum conf_flag disable_keyboard, disable_pointer, abs_pointer, raw_pointer, multi_touch;
    struct conf_number touch_width, touch_height, touch_contacts, width, height;
};

struct conf_vdispl {
    char *backend;
    enum conf_flag be_alloc;
    char *connectors; /* "ID:WxH;ID:WxH" */
};

/* The parts of a sound card in their order: a PCM belongs to the CARD before it, a STREAM to the
 * PCM before it. */
enum conf_sound_kind { CONF_SOUND_CARD, CONF_SOUND_PCM, CONF_SOUND_STREAM };
struct conf_sound {
    enum conf_sound_kind kind;
    char *sample_rates, *sample_formats; /* lists with ";" */
    struct conf_number channels_min, channels_max, buffer_size;
    char *backend, *short_name, *long_name; /* of a card */
    char *name;                             /* of a PCM */
    char *unique_id;                        /* of a stream, and the direction: */
    enum { CONF_SOUND_UNSET, CONF_SOUND_P, CONF_SOUND_C } type; /* playback or capture */
};

struct conf_virtio {
    char *backend, *type, *transport;
    struct conf_number base, irq;
    enum conf_flag grant_usage;
};

struct conf_iomem {
    struct conf_number start, count; /* pages of 4 KiB */
    struct conf_number gfn;          /* unset: as start */
};

struct conf_range {
    struct conf_number first, last;
};

struct conf_devices {
    struct {
        struct conf_pci *items;
        size_t count;
    } pci;
    struct {
        struct conf_usbctrl *items;
        size_t count;
    } usbctrl;
    struct {
        struct conf_usbdev *items;
        size_t count;
    } usbdev;
    struct {
        struct conf_vtpm *items;
        size_t count;
    } vtpm;
    struct {
        struct conf_p9 *items;
        size_t count;
    } p9;
    struct {
        struct conf_pvcalls *items;
        size_t count;
    } pvcalls;
    struct {
        struct conf_channel *items;
        size_t count;
    } channel;
    struct {
        struct conf_vfb *items;
        size_t count;
    } vfb;
    struct {
        struct conf_vkb *items;
        size_t count;
    } vkb;
    struct {
        struct conf_vdispl *items;
        size_t count;
    } vdispl;
    struct {
        struct conf_sound *items;
        size_t count;
    } vsnd;
    struct {
        struct conf_virtio *items;
        size_t count;
    } virtio;
    struct {
        struct conf_range *items;
        size_t count;
    } ioports, irqs;
    struct {
        struct conf_iomem *items;
        size_t count;
    } iomem;
    struct conf_strings dtdev;
    enum conf_flag pci_permissive, pci_msitranslate, pci_seize, pci_power_mgmt;
    enum conf_gfx gfx_passthru;
    enum conf_tee tee;
    enum conf_sci arm_sci;
};

struct conf_hvm {
    enum conf_hdtype hdtype;
    enum conf_flag hap, oos, pae, acpi, acpi_s3, acpi_s4, acpi_laptop_slate, apic, nx, hpet;
    enum conf_altp2m altp2m;
    enum conf_flag altp2mhvm, nestedhvm, localtime, vpt_align, xen_platform_pci;
    struct conf_number altp2m_count, rtc_timeoffset;
    enum conf_flag xen_platform_pci_bar_uc, hvm_pirq, e820_host;
    char *acpi_firmware, *smbios_firmware;
    struct conf_strings smbios; /* NAME=VALUE */
    enum conf_genid ms_vm_genid;
    enum conf_tsc tsc_mode;
    enum conf_timer timer_mode;
    enum conf_flag viridian;
    struct conf_strings viridian_groups; /* a group, or "!" and one */
    enum conf_vendor vendor_device;
};

struct conf_display {
    struct conf_number videoram; /* MiB */
    enum conf_flag stdvga;
    enum conf_vga vga;
    char *vnclisten, *vncpasswd, *keymap;
    struct conf_number vncdisplay;
    enum conf_flag vncunused, vncviewer, sdl, opengl, nographic;
    char *display, *xauthority;
    enum conf_flag spice, spicedisable_ticketing, spiceagent_mouse, spicevdagent;
    enum conf_flag spice_clipboard_sharing;
    char *spicehost, *spicepasswd, *spice_image_compression, *spice_streaming_video;
    struct conf_number spiceport, spicetls_port, spiceusbredirection;
    char *soundhw;
    enum conf_flag vkb_device, usb;
    struct conf_number usbversion;
    struct conf_strings usbdevice;
};

struct conf_device_model {
    enum conf_model version;
    char *device_model, *override, *user, *seclabel;
    char *stubdomain_kernel, *stubdomain_cmdline, *stubdomain_ramdisk;
    struct conf_number stubdomain_memory; /* MiB */
    enum conf_flag stubdomain_override, restricted;
    struct conf_strings args, args_pv, args_hvm;
};

struct conf_arm {
    enum conf_gic gic_version;
    enum conf_vuart vuart;
    char *sve;
    struct conf_number nr_spis;
    enum conf_flag trap_unmapped_accesses;
};

#endif
