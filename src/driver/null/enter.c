/* SPDX-License-Identifier: MIT */
#include "driver/null/enter.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* From which states each call acts, a letter each as in state_letters; from others it is refused.
 * CALL_CREATE, CALL_RESTORE, CALL_DESTROY and CALL_LIST are not refused by state. */
static const struct {
    const char *verb;
    const char *from;
} calls[CALL_N] = {
    [CALL_CREATE] = {"create",                ""      },
    [CALL_RESTORE] = {"restore",               ""      },
    [CALL_DESTROY] = {"destroy",               ""      },
    [CALL_PAUSE] = {"pause",                 "rp"    },
    [CALL_UNPAUSE] = {"unpause",               "rp"    },
    [CALL_SAVE] = {"save",                  "rp"    },
    [CALL_SAVE_UNDO] = {"take back the save of", "rpb"   },
    [CALL_SHUTDOWN] = {"shut down",             "r"     },
    [CALL_REBOOT] = {"reboot",                "r"     },
    [CALL_RESET] = {"reset",                 "rpsc"  },
    [CALL_MEMORY] = {"change the memory of",  "rp"    },
    [CALL_VCPUS] = {"change the CPUs of",    "rp"    },
    [CALL_ATTACH] = {"add a device to",       "rp"    },
    [CALL_DETACH] = {"take a device from",    "rp"    },
    [CALL_MEDIUM] = {"change a disc of",      "rp"    },
    [CALL_SET_ASIDE] = {"set aside",             "sc"    },
    [CALL_DUMP_CORE] = {"dump",                  "rpsc"  },
    [CALL_INFO] = {"look at",               "rpscdb"},
    [CALL_LIST] = {"list",                  ""      },
};
static const char state_letters[] = {
    [OBS_RUNNING] = 'r', [OBS_PAUSED] = 'p', [OBS_SHUTDOWN] = 's',
    [OBS_CRASHED] = 'c', [OBS_DEAD] = 'd',   [OBS_BUSY] = 'b',
};

static const char *const state_text[] = {
    [OBS_RUNNING] = "running",   [OBS_PAUSED] = "paused", [OBS_SHUTDOWN] = "shut down",
    [OBS_CRASHED] = "crashed",   [OBS_DEAD] = "dead",     [OBS_BUSY] = "being built or saved",
    [OBS_UNKNOWN] = "not known",
};

int enter_check(const struct sim *s, enum plan_call call, struct err *e)
{
    /* A half-made guest is busy too, but there is no save of it to take back. */
    bool half_made = s->state == OBS_BUSY && s->reason != REASON_BEING_SAVED;

    if (strchr(calls[call].from, state_letters[s->state]) && !(call == CALL_SAVE_UNDO && half_made))
        return 0;
    return err_set(e, ERR_WRONG_STATE, "cannot %s %s: it is %s", calls[call].verb, s->ref.name,
                   state_text[s->state]);
}

struct target enter_target(const struct sim *s)
{
    struct target t = {.serial = s->serial, .plan = s->plan, .due_ms = sim_due(s)};

    str_copy(t.uuid, sizeof t.uuid, s->ref.uuid);
    str_copy(t.name, sizeof t.name, s->ref.name);
    return t;
}

/* Waits ms within op, or until the guest's own next event. */
int enter_wait(const struct target *t, int64_t ms, const struct op *op, const char *phase,
               struct err *e)
{
    int64_t now = clock_mono_ms(), left = ms;

    if (t->due_ms > 0 && t->due_ms - now < left)
        left = t->due_ms > now ? t->due_ms - now : 0;
    return op_nap(op, left, phase, e);
}

void enter_stuck(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

static int die(struct driver_handle *h, const struct target *t, enum plan_call call, struct err *e)
{
    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, t->uuid, t->serial);
    int r = s ? table_set(h, s, OBS_DEAD, REASON_BACKEND_DIED, e) : 0;
    pthread_mutex_unlock(&h->lock);
    if (r < 0)
        return -1;
    return err_set(e, ERR_FAILED, "cannot %s %s: its process died", calls[call].verb, t->name);
}

/* Does what the guest's plan says of this call. Without the lock. */
int enter_misbehave(struct driver_handle *h, const struct target *t, enum plan_call call,
                    const struct op *op, struct err *e)
{
    for (size_t i = 0; i < t->plan.fault_count; i++) {
        const struct plan_fault *f = &t->plan.faults[i];
        int r = 0;
        if (f->call != call)
            continue;
        switch (f->action) {
        case ACT_FAIL:
            r = err_set(e, ERR_FAILED, "cannot %s %s: null.%s=fail is in its cmdline",
                        calls[call].verb, t->name, plan_call_name(call));
            break;
        case ACT_SLOW:
            r = enter_wait(t, f->ms, op, plan_call_name(call), e);
            break;
        case ACT_HANG:
            r = enter_wait(t, PLAN_WAIT_MAX_MS, op, plan_call_name(call), e);
            break;
        case ACT_STUCK:
            log_info("null driver: %s: %s is stuck for %lld ms", t->name, plan_call_name(call),
                     (long long)f->ms);
            enter_stuck(f->ms);
            break;
        case ACT_DIE:
            r = die(h, t, call, e);
            break;
        case ACT_N:
            break;
        }
        if (r < 0)
            return -1;
    }
    return 0;
}

/* Finds the guest, checks its state, misbehaves as planned, and gives it back with the lock held;
 * NULL with the error and without the lock. */
struct sim *enter_call(struct driver_handle *h, const struct domain_ref *ref, enum plan_call call,
                       const struct op *op, struct err *e)
{
    pthread_mutex_lock(&h->lock);
    struct sim *s = table_find(h, ref->uuid, 0);
    if (!s) {
        err_set(e, ERR_NO_SUCH_DOMAIN, "there is no domain %s", ref->uuid);
        goto out;
    }
    if (enter_check(s, call, e) < 0)
        goto out;
    if (s->plan.fault_count == 0)
        return s;
    struct target t = enter_target(s);
    pthread_mutex_unlock(&h->lock);
    if (enter_misbehave(h, &t, call, op, e) < 0)
        return NULL;
    pthread_mutex_lock(&h->lock);
    s = table_find(h, t.uuid, t.serial);
    if (s)
        return s; /* each call looks at the state again: the guest may have ended meanwhile */
    err_set(e, ERR_NO_SUCH_DOMAIN, "%s was destroyed meanwhile", t.name);
out:
    pthread_mutex_unlock(&h->lock);
    return NULL;
}
