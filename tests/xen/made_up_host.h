/* SPDX-License-Identifier: MIT */
/* A host that there is not, so that configs can be translated without Xen. */
#ifndef TESTS_XEN_MADE_UP_HOST_H
#define TESTS_XEN_MADE_UP_HOST_H

#include <libxl_utils.h>

#include "base/mem.h"
#include "driver/xen/config.h"

#define MADE_UP_UUID "11111111-2222-3333-4444-555555555555"

/* 8 CPUs in 2 nodes, and no xl.conf. For the caller to finish. */
static inline void made_up_host(struct host_config *host)
{
    enum { CPUS = 8, NODES = 2 };

    host_config_init(host);
    host->cpus = CPUS;
    host->nodes = NODES;
    host->node_cpus = x_calloc(NODES, sizeof *host->node_cpus);
    host->firmware_dir = x_strdup("/usr/lib/xen/boot");
    for (int node = 0; node < NODES; node++) {
        host->node_cpus[node].size = CPUS / 8;
        host->node_cpus[node].map = x_calloc(1, CPUS / 8);
        for (int i = 0; i < CPUS / NODES; i++)
            libxl_bitmap_set(&host->node_cpus[node], node * CPUS / NODES + i);
    }
}

#endif
