/* SPDX-License-Identifier: MIT */
/* Stands before libuv in a daemon (LD_PRELOAD): its timers come too early, as those of a loop do
 * that has worked for a while when it sets them. */
#include <dlfcn.h>
#include <string.h>
#include <uv.h>

enum { EARLY_MS = 100 };

int uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    void *found = dlsym(RTLD_NEXT, "uv_timer_start");
    int (*start)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);

    memcpy(&start, &found, sizeof start);
    return start(handle, cb, timeout > EARLY_MS ? timeout - EARLY_MS : timeout, repeat);
}
