/* SPDX-License-Identifier: MIT */
#include "core/foreign.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/config.h"
#include "core/job.h"

enum { ADOPT_MS = 15 * 1000 };

void foreign_take(struct engine *g, const struct observation *seen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* One without a name is still being made. */
        if (!seen[i].ref.name[0] || engine_by_uuid(g, seen[i].ref.uuid))
            continue;
        struct record *r = record_new();
        str_copy(r->uuid, sizeof r->uuid, seen[i].ref.uuid);
        str_copy(r->name, sizeof r->name, seen[i].ref.name);
        r->config = x_strdup("");
        r->directory = x_strdup("/");
        r->macs = x_strdup("");
        r->reason = seen[i].reason;
        r->since_ms = clock_wall_ms();
        struct domain *d = engine_insert(g, r);
        d->foreign = true;
        d->seen = true;
        d->obs = seen[i];
        r->state = r->wanted = engine_state(g, d);
        g->host.changed(g->host.arg, d, NULL, NULL);
    }
}

void foreign_follow(struct engine *g, struct domain *d)
{
    if (!d->seen) {
        engine_remove(g, d);
        return;
    }
    enum state state = engine_state(g, d);
    bool renamed = d->obs.ref.name[0] && !str_eq(d->obs.ref.name, d->r->name);
    if (renamed) {
        char old[IDENT_NAME_MAX + 1];
        memcpy(old, d->r->name, sizeof old);
        str_copy(d->r->name, sizeof d->r->name, d->obs.ref.name);
        engine_renamed(g, d, old);
    }
    if (state == d->r->state && !renamed)
        return;
    if (state != d->r->state)
        d->r->since_ms = clock_wall_ms();
    d->r->state = d->r->wanted = state;
    d->r->reason = d->obs.reason;
    g->host.changed(g->host.arg, d, NULL, NULL);
}

int foreign_judge(const struct engine *g, const struct domain *d, enum verb verb, struct err *e)
{
    if (d->obs.ref.id == 0)
        return err_set(
            e, ERR_UNSUPPORTED,
            "cannot %s %s: it is the domain in which reeved itself runs; it is only shown",
            verb_name(verb), d->r->name);
    if (verb != VERB_ADOPT)
        return err_set(e, ERR_WRONG_STATE,
                       "cannot %s %s: another tool made it, and reeve leaves it alone; adopt takes "
                       "it over",
                       verb_name(verb), d->r->name);
    if (!g->driver->adopt)
        return err_set(e, ERR_UNSUPPORTED, "cannot adopt %s: the %s driver does not have it",
                       d->r->name, g->driver->name);
    LIST_EACH (&g->domains, other, struct domain, link)
        if (other != d && str_eq(other->r->name, d->r->name))
            return err_set(e, ERR_EXISTS,
                           "cannot adopt %s: another domain has that name (uuid %s); rename one of "
                           "them first",
                           d->r->name, other->r->uuid);
    return 0;
}

int foreign_adopt(struct job *j, struct err *e)
{
    const struct driver *driver = j->engine->driver;
    struct op op = op_narrow(&j->op, ADOPT_MS);
    struct domain_ref ref = job_ref(j);
    AUTO_FREE char *text = NULL;

    if (ident_name_check(j->r->name, e) < 0)
        return err_wrap(e, "cannot adopt a domain of such a name; give it another with its tool");
    if (driver->adopt(j->engine->handle, &ref, &op, &text, e) < 0)
        return -1;
    if (steps_conf(j, text, e) < 0)
        return err_wrap(e, "the config of %s cannot be read back", j->r->name);
    x_replace(&j->r->config, TAKE(text));
    x_replace(&j->r->macs, config_macs(j->conf, driver->name, j->conf, NULL));
    j->r->managed = true;
    j->r->id = j->obs.ref.id;
    str_copy(j->r->boot_id, sizeof j->r->boot_id, clock_boot_id());
    steps_console(j);
    return job_commit(j, "adopted", NULL, e);
}
