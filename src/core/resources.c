/* SPDX-License-Identifier: MIT */
/* Steps of the verbs that change what a domain has: its name, its config, its resources. The live
 * domain first, then the record: a live change that fails stores nothing. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/job.h"

static void take_config(struct job *j)
{
    free(j->r->config);
    j->r->config = TAKE(j->args.config);
}

/* The new text was parsed when it was asked for; here the driver says whether it could boot it. */
static int check_new_config(struct job *j, struct err *e)
{
    AUTO_FREE char **macs = NULL;

    if (steps_conf(j, j->r->config, e) < 0)
        return -1;
    struct create_args args = steps_create_args(j, j->r->directory, j->r->macs, &macs);
    return j->engine->driver->check(j->engine->handle, &args, e);
}

int resources_config_set(struct job *j, struct err *e)
{
    take_config(j);
    if (check_new_config(j, e) < 0 || job_commit(j, "configured", NULL, e) < 0)
        return -1;
    j->message = x_asprintf("changed the config of %s (%s)", j->r->name,
                            j->seen ? "it acts at the next boot" : "start boots it so");
    return 0;
}

int resources_rename(struct job *j, struct err *e)
{
    AUTO_FREE char *old = x_strdup(j->r->name);

    take_config(j);
    str_copy(j->r->name, sizeof j->r->name, j->args.name);
    if (job_commit(j, "renamed", NULL, e) < 0)
        return -1;
    j->message = x_asprintf("renamed %s to %s", old, j->r->name);
    return 0;
}
