/* SPDX-License-Identifier: MIT */
#include "core/policy.h"

#include <stddef.h>

#include "base/attr.h"

enum { FIRST_DELAY_MS = 1000, DELAY_MAX_MS = 5 * 60 * 1000 };

/* clang-format off */
static const struct policy actions[] = {
    [CONF_DESTROY]          = {.then = THEN_END},
    [CONF_RESTART]          = {.then = THEN_BOOT},
    [CONF_PRESERVE]         = {.then = THEN_KEEP},
    [CONF_RENAME_RESTART]   = {.then = THEN_BOOT, .rename = true},
    [CONF_COREDUMP_DESTROY] = {.then = THEN_END, .core = true},
    [CONF_COREDUMP_RESTART] = {.then = THEN_BOOT, .core = true},
    [CONF_SOFT_RESET]       = {.then = THEN_BOOT, .soft = true},
};
/* clang-format on */

/* Which key is about which end. */
static const struct {
    enum reason end;
    size_t member;
} ends[] = {
    {REASON_GUEST_POWEROFF, offsetof(struct conf, on_poweroff)  },
    {REASON_GUEST_REBOOT,   offsetof(struct conf, on_reboot)    },
    {REASON_GUEST_CRASH,    offsetof(struct conf, on_crash)     },
    {REASON_BACKEND_DIED,   offsetof(struct conf, on_crash)     },
    {REASON_WATCHDOG,       offsetof(struct conf, on_watchdog)  },
    {REASON_SOFT_RESET,     offsetof(struct conf, on_soft_reset)},
};

const struct policy *policy_of(enum conf_action action)
{
    return &actions[action];
}

enum conf_action policy_action(const struct conf *conf, enum reason end)
{
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends[i].end == end)
            return *(const enum conf_action *)(const void *)((const char *)conf + ends[i].member);
    return CONF_DESTROY;
}

int64_t policy_delay_ms(uint64_t quick_ends, unsigned tries)
{
    int64_t ms = FIRST_DELAY_MS;

    if (quick_ends == 0)
        return 0;
    if (quick_ends > tries)
        return -1;
    for (uint64_t i = 1; i < quick_ends && ms < DELAY_MAX_MS; i++)
        ms *= 2;
    return ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS;
}
