/* SPDX-License-Identifier: MIT */
/* destroy_early MS: waits until Xen has a domain beside domain 0, then that many milliseconds, and
 * destroys it through libxl, as xl does, which takes too long to begin to meet a domain that is
 * just being made. */
#define LIBXL_API_VERSION 0x041400
#include <libxl.h>
#include <libxl_utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xentoollog.h>

enum { LOOKS = 30 * 1000 };

static uint32_t newest(libxl_ctx *ctx)
{
    int count = 0;
    uint32_t domid = 0;
    libxl_dominfo *all = libxl_list_domain(ctx, &count);

    for (int i = 0; all && i < count; i++) {
        if (all[i].domid > domid)
            domid = all[i].domid;
    }
    libxl_dominfo_list_free(all, count);
    return domid;
}

int main(int argc, char **argv)
{
    libxl_ctx *ctx;
    uint32_t domid = 0;
    xentoollog_logger_stdiostream *log = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);

    if (argc != 2 || !log ||
        libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (struct xentoollog_logger *)log) != 0)
        return 2;
    for (int i = 0; i < LOOKS && domid == 0; i++) {
        domid = newest(ctx);
        if (domid == 0)
            usleep(1000);
    }
    usleep((useconds_t)(strtoul(argv[1], NULL, 10) * 1000));
    return domid != 0 && libxl_domain_destroy(ctx, domid, NULL) == 0 ? 0 : 1;
}
