/* SPDX-License-Identifier: MIT */
/* The QEMU driver: a process a domain, see folder.h for what is kept and host.h for threads. */
#include "core/driver.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/end.h"
#include "driver/qemu/firmware.h"
#include "driver/qemu/host.h"
#include "driver/qemu/life.h"
#include "driver/qemu/live.h"
#include "driver/qemu/observe.h"
#include "driver/qemu/save.h"
#include "driver/qemu/start.h"

const struct driver driver_qemu = {
    .name = "qemu",
    .id_is_ours = true,
    .saves_paused = true,
    .file_memory = true,
    .probe = host_probe,
    .open = host_open,
    .close = host_close,
    .list = observe_list,
    .watch = observe_watch,
    .create = start_create,
    .restore = start_restore,
    .destroy = end_destroy,
    .pause = life_pause,
    .unpause = life_unpause,
    .save = save_save,
    .save_apart = save_apart,
    .save_live = save_live,
    .save_undo = save_undo,
    .platform = life_platform,
    .shutdown = life_shutdown,
    .reboot = life_reboot,
    .reset = life_reset,
    .set_reboots = life_set_reboots,
    .set_aside = aside_set,
    .dump_core = dump_core,
    .info = life_info,
    .console = life_console,
    .memory = memory_set,
    .vcpus = vcpus_set,
    .vcpu_list = vcpus_list,
    .vcpu_pin = vcpus_pin,
    .attach = hotplug_attach,
    .detach = hotplug_detach,
    .medium = medium_change,
    .sysrq = inject_sysrq,
    .trigger = inject_trigger,
    .stats = stats_read,
    .stats_all = observe_stats,
    .forget = firmware_forget,
    .check = start_check,
};
