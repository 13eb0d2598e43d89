/* SPDX-License-Identifier: MIT */
#include "driver/xen/inject.h"

#include "base/mem.h"
#include "base/str.h"

int inject_sysrq(struct driver_handle *h, const struct domain_ref *ref, char key,
                 const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};

    (void)h;
    (void)op;
    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (info.paused || info.shutdown)
        return err_set(e, ERR_WRONG_STATE, "a guest that does not run takes no SysRq");
    session_begin(&s);
    return session_result(&s, libxl_send_sysrq(s.ctx, info.domid, key), "cannot send the SysRq key",
                          e);
}

/* libxl has "reset" and "init" besides, which Xen refuses for every guest on x86. */
static const struct {
    const char *name;
    libxl_trigger trigger;
} triggers[] = {
    {"nmi",      LIBXL_TRIGGER_NMI     },
    {"power",    LIBXL_TRIGGER_POWER   },
    {"sleep",    LIBXL_TRIGGER_SLEEP   },
    {"s3resume", LIBXL_TRIGGER_S3RESUME},
};

static int find_trigger(const char *event, libxl_trigger *ret, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        if (str_eq(triggers[i].name, event)) {
            *ret = triggers[i].trigger;
            return 0;
        }
    }
    return err_set(e, ERR_UNSUPPORTED,
                   "there is no event %s on Xen; there are nmi, power, sleep and s3resume", event);
}

int inject_trigger(struct driver_handle *h, const struct domain_ref *ref, const char *event,
                   int vcpu, const struct op *op, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    libxl_trigger trigger = LIBXL_TRIGGER_UNKNOWN;

    (void)h;
    if (find_trigger(event, &trigger, e) < 0 || host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (host_type(&s, &info) != LIBXL_DOMAIN_TYPE_HVM && trigger != LIBXL_TRIGGER_NMI)
        return err_set(e, ERR_UNSUPPORTED,
                       "a guest of this type has no machine that takes %s; it takes nmi alone",
                       event);
    if (vcpu > (int)info.vcpu_max_id)
        return err_set(e, ERR_BAD_REQUEST, "there is no vCPU %d; the last is %u", vcpu,
                       info.vcpu_max_id);
    unsigned first = vcpu < 0 ? 0 : (unsigned)vcpu;
    unsigned last = vcpu < 0 && trigger == LIBXL_TRIGGER_NMI ? info.vcpu_max_id : first;
    for (unsigned i = first; i <= last; i++) {
        int rc = libxl_send_trigger(s.ctx, info.domid, trigger, i, session_how(&s));
        if (session_await(&s, rc, op, NULL, "cannot send the event", NULL, e) < 0)
            return -1;
    }
    return 0;
}
