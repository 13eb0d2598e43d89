/* SPDX-License-Identifier: MIT */
/* The Xen driver, by libxl. A module of its own (xen.so), since libxl's ABI is of one release of
 * Xen: reeved loads it where Xen is and does not link libxl itself. */
#include "core/driver.h"
#include "driver/xen/adopt.h"
#include "driver/xen/aside.h"
#include "driver/xen/build.h"
#include "driver/xen/host.h"
#include "driver/xen/inject.h"
#include "driver/xen/life.h"
#include "driver/xen/live.h"
#include "driver/xen/observe.h"
#include "driver/xen/save.h"
#include "driver/xen/xl.h"

/* All that a module shows; its other names may be another driver's too. */
#define SHOWN __attribute__((visibility("default")))
extern SHOWN const struct driver driver_xen;
/* Of which version of reeve this module is: struct driver is of one build. */
extern SHOWN const char driver_module_version[];

const struct driver driver_xen = {
    .name = "xen",
    .builds_anew = true,
    .lists_others = true,
    .probe = host_probe,
    .open = host_open,
    .close = host_close,
    .list = observe_list,
    .watch = observe_watch,
    .create = build_create,
    .restore = build_restore,
    .destroy = life_destroy,
    .pause = life_pause,
    .unpause = life_unpause,
    .save = save_save,
    .save_live = save_live,
    .save_undo = save_undo,
    .platform = save_platform,
    .to_xl = xl_write,
    .from_xl = xl_read,
    .shutdown = life_shutdown,
    .reboot = life_reboot,
    .reset = life_reset,
    .soft_reset = life_soft_reset,
    .set_aside = aside_set,
    .dump_core = dump_core,
    .info = observe_info,
    .console = console_open,
    .memory = memory_set,
    .vcpus = vcpus_set,
    .vcpu_list = vcpus_list,
    .vcpu_pin = vcpus_pin,
    .attach = devices_attach,
    .detach = devices_detach,
    .medium = devices_medium,
    .sysrq = inject_sysrq,
    .trigger = inject_trigger,
    .stats = stats_read,
    .stats_all = stats_all,
    .adopt = adopt_domain,
    .check = build_check,
};

const char driver_module_version[] = REEVE_VERSION;
