/* SPDX-License-Identifier: MIT */
/* What is pressed on the machine from outside. */
#include <ctype.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/life.h"
#include "driver/qemu/live.h"

/* How long the keys are held: the guest sees them go down and up. */
enum { HOLD_MS = 100, UP_MS = HOLD_MS + 20 };

/* The console's line may be held by somebody, so it is the keyboard: pc and q35 have one with or
 * without a screen. */
int inject_sysrq(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    char name[2] = {(char)tolower((unsigned char)key), '\0'};

    if (!isalnum((unsigned char)key))
        return err_set(e, ERR_BAD_REQUEST, "a SysRq key is a letter or a digit");
    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    if (l.paused)
        return err_set(e, ERR_WRONG_STATE, "it is paused and would not see the key; unpause it");
    if (l.machine->places == 0)
        return err_set(e, ERR_UNSUPPORTED, "the machine %s has no keyboard; pc and q35 have one",
                       l.machine->name);
    if (qmp_run(&l.s.qmp, "send-key",
                json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:i}", "keys", "type", "qcode",
                          "data", "alt", "type", "qcode", "data", "sysrq", "type", "qcode", "data",
                          name, "hold-time", HOLD_MS),
                op, NULL, e) < 0)
        return -1;
    /* That they go up again is in no saved state: one that comes now would keep them down. */
    return op_nap(op, UP_MS, "the keys", e);
}

static const struct {
    const char *event;
    const char *command; /* NULL: there is none */
} events[] = {
    {"nmi",      "inject-nmi"      },
    {"power",    "system_powerdown"},
    {"s3resume", "system_wakeup"   },
    {"reset",    NULL              }, /* below */
};

int inject_trigger(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   int vcpu, const struct op *op, struct err *e)
{
    AUTO_LIVE struct live l = LIVE_NONE;
    size_t i = 0;

    while (i < ARRAY_LEN(events) && !str_eq(events[i].event, event))
        i++;
    if (i == ARRAY_LEN(events))
        return err_set(e, ERR_UNSUPPORTED,
                       "no trigger \"%s\" on QEMU; nmi, power, reset and s3resume are there",
                       event);
    if (vcpu >= 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "QEMU sends a trigger to the whole machine, not to one CPU");
    if (!events[i].command)
        return life_reset(h, ref, op, e);
    if (live_open(&l, h, ref, false, op, e) < 0)
        return -1;
    return qmp_run(&l.s.qmp, events[i].command, NULL, op, NULL, e);
}
