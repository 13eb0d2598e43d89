/* SPDX-License-Identifier: MIT */
/* The calls of the host's stop and start. */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/hostrun.h"
#include "daemon/daemon.h"

static void on_done(void *arg, const json_t *result)
{
    struct request *r = arg;

    r->drop = NULL;
    request_return(r, json_deep_copy(result));
}

/* The client went away: the run goes on. */
static void dropped(struct request *r)
{
    hostrun_forget(r->state, r);
}

void call_hostrun(struct daemon *d, struct request *r)
{
    enum hostrun_kind kind = str_eq(r->name, "host-stop") ? HOSTRUN_STOP : HOSTRUN_START;
    int64_t parallel = json_get_int(r->args, "parallel", HOSTRUN_PARALLEL);
    int result = 0;
    struct err e;

    if (parallel < 1 || parallel > HOSTRUN_PARALLEL_MAX)
        result = err_set(&e, ERR_BAD_REQUEST, "%s: \"parallel\" must be from 1 to %d", r->name,
                         HOSTRUN_PARALLEL_MAX);
    if (result == 0)
        result = hostrun_begin(&d->engine, kind, (unsigned)parallel, client_actor(r->client),
                               on_done, r, &e);
    if (result < 0) {
        request_fail(r, &e, NULL);
        return;
    }
    r->state = &d->engine;
    r->drop = dropped;
}
