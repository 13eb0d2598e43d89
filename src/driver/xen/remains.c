/* SPDX-License-Identifier: MIT */
#include "driver/xen/remains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/xen/host.h"

#define BACKENDS "/local/domain/0/backend"

static void remove_folder(struct session *s, const char *path, struct err *e)
{
    if (!xs_rm(s->xs, XBT_NULL, path) && errno != ENOENT)
        err_set(e, e->code, "%s; and %s is left in xenstore: %s", e->msg, path, strerror(errno));
}

/* A domain that came after it may have the same uuid; so it may when Xen does not say. */
static bool is_used(struct session *s, const struct domain_ref *ref)
{
    AUTO_DOMINFO libxl_dominfo info = {0};
    struct err e;

    libxl_dominfo_init(&info);
    return host_find(s, ref, &info, &e) != 0;
}

void remains_remove(struct session *s, const struct domain_ref *ref, struct err *e)
{
    AUTO_FREE char *domain = x_asprintf("/local/domain/%u", ref->id);
    AUTO_FREE char *libxl = x_asprintf("/libxl/%u", ref->id);
    AUTO_FREE char *vm = x_asprintf("/vm/%s", ref->uuid);
    unsigned count = 0;

    if (ref->id == NO_DOMID || libxl_domain_info(s->ctx, NULL, ref->id) != ERROR_DOMAIN_NOTFOUND)
        return;
    remove_folder(s, domain, e);
    remove_folder(s, libxl, e);
    if (!is_used(s, ref))
        remove_folder(s, vm, e);
    AUTO_FREE char **kinds = xs_directory(s->xs, XBT_NULL, BACKENDS, &count);
    for (unsigned i = 0; kinds && i < count; i++) {
        AUTO_FREE char *backend = x_asprintf(BACKENDS "/%s/%u", kinds[i], ref->id);
        remove_folder(s, backend, e);
    }
}
