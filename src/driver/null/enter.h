/* SPDX-License-Identifier: MIT */
/* How a call begins: the guest is found, its state checked, and what its plan says of the call is
 * done, without the lock. */
#ifndef DRIVER_NULL_ENTER_H
#define DRIVER_NULL_ENTER_H

#include <stdint.h>

#include "core/op.h"
#include "driver/null/plan.h"
#include "driver/null/table.h"

/* What a call remembers of its guest while it does not hold the lock. */
struct target {
    char uuid[IDENT_UUID_LEN + 1];
    char name[IDENT_NAME_MAX + 1];
    uint64_t serial;
    struct plan plan;
    int64_t due_ms; /* the guest's own next event ends a wait too */
};

/* With the lock. */
struct target enter_target(const struct sim *s);

/* 0 when the call acts on a guest in this state, else ERR_WRONG_STATE. With the lock. */
int enter_check(const struct sim *s, enum plan_call call, struct err *e) MUST_CHECK;

/* Waits ms within op, or until the guest's own next event; both are 0. Sets ERR_CANCELLED or
 * ERR_TIMED_OUT with `phase`. Without the lock. */
int enter_wait(const struct target *t, int64_t ms, const struct op *op, const char *phase,
               struct err *e) MUST_CHECK;

/* Waits ms whatever comes, signals too. Without the lock. */
void enter_stuck(int64_t ms);

/* Does what the guest's plan says of this call: it may wait, fail, or let the guest die. Without
 * the lock; afterwards the guest may be in another state or gone. */
int enter_misbehave(struct driver_handle *h, const struct target *t, enum plan_call call,
                    const struct op *op, struct err *e) MUST_CHECK;

/* Finds the guest, checks its state, misbehaves as planned, and returns it with the lock held
 * (table_leave); NULL with the error and without the lock. After a wait the state may be another:
 * who changes it asks enter_check again. Sets ERR_NO_SUCH_DOMAIN too. */
struct sim *enter_call(struct driver_handle *h, const struct domain_ref *ref, enum plan_call call,
                       const struct op *op, struct err *e) MUST_CHECK;

#endif
