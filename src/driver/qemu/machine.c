/* SPDX-License-Identifier: MIT */
#include "driver/qemu/machine.h"

#include "base/attr.h"
#include "base/str.h"

static const struct machine machines[] = {
    {
     .kind = CONF_MACHINE_PC,
     .name = "pc",
     .family = "pc-i440fx-",
     .versioned = true,
     .options = "",
     .block = "virtio-blk-pci",
     .net = "virtio-net-pci",
     .scsi = "virtio-scsi-pci",
     .balloon = "virtio-balloon-pci",
     .cdrom = "ide-cd",
     .cdrom_buses = 2,
     .cdrom_units = 2,
     .video = "VGA",
     .panic = "pvpanic",
     .places = 24,
     .first_slot = 5,
     .video_place = ",bus=pci.0,addr=0x2",
     .balloon_place = ",bus=pci.0,addr=0x3",
     .watchdog_place = ",bus=pci.0,addr=0x1f",
     .pci_nics = true,
     .flash = true,
     },
    {
     .kind = CONF_MACHINE_Q35,
     .name = "q35",
     .family = "pc-q35-",
     .versioned = true,
     .options = "",
     .block = "virtio-blk-pci",
     .net = "virtio-net-pci",
     .scsi = "virtio-scsi-pci",
     .balloon = "virtio-balloon-pci",
     .cdrom = "ide-cd",
     .cdrom_buses = 6,
     .cdrom_units = 1,
     .video = "VGA",
     .panic = "pvpanic",
     .places = 16,
     .first_slot = 3,
     .root_ports = true,
     .video_place = ",bus=pcie.0,addr=0x1",
     .balloon_place = ",bus=pcie.0,addr=0x2",
     .watchdog_place = ",bus=pcie.0,addr=0x1e",
     .pci_nics = true,
     .flash = true,
     },
    {
     .kind = CONF_MACHINE_MICROVM,
     .name = "microvm",
     .family = "microvm",
     .options = ",acpi=on",
     .block = "virtio-blk-device",
     .net = "virtio-net-device",
     .scsi = "virtio-scsi-device",
     .balloon = "virtio-balloon-device",
     .balloon_place = "",
     .panic = "pvpanic",
     .needs_kernel = true,
     .slow_clock = true,
     },
};

const struct machine *machine_of(enum conf_machine kind)
{
    size_t i = 0;

    while (i < ARRAY_LEN(machines) - 1 && machines[i].kind != kind)
        i++;
    return &machines[i];
}

const struct machine *machine_of_versioned(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(machines); i++)
        if (str_starts(name, machines[i].family))
            return &machines[i];
    return NULL;
}
