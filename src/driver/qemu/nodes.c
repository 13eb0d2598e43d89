/* SPDX-License-Identifier: MIT */
#include "driver/qemu/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { RELEASE_MS = 3000, RELEASE_LOOK_MS = 5 };

static int add_fd(struct live *l, const char *node, int fd, const struct op *op, int64_t *ret_set,
                  struct err *e)
{
    AUTO_JSON json_t *answer = NULL;

    if (qmp_run_with_fd(&l->s.qmp, "add-fd", json_pack("{s:s}", "opaque", node), fd, op, &answer,
                        e) < 0)
        return -1;
    *ret_set = json_get_int(answer, "fdset-id", -1);
    return 0;
}

static int add_nodes(struct live *l, const char *name, const struct launch_disk *disk, int64_t set,
                     const struct op *op, struct err *e)
{
    AUTO_FREE char *file = x_asprintf("file-%s", name);
    AUTO_FREE char *node = x_asprintf("disk-%s", name);
    AUTO_FREE char *path = x_asprintf("/dev/fdset/%lld", (long long)set);
    bool read_only = disk->conf->read_only || disk->conf->cdrom;
    json_t *lower =
        json_pack("{s:s, s:s, s:s, s:b}", "driver", disk->host_device ? "host_device" : "file",
                  "node-name", file, "filename", path, "read-only", read_only);
    if (!disk->host_device)
        json_set_string(lower, "locking", "on");
    json_t *upper = json_pack("{s:s, s:s, s:s, s:b}", "driver",
                              disk->conf->format == CONF_QCOW2 ? "qcow2" : "raw", "node-name", node,
                              "file", file, "read-only", read_only);
    if (qmp_run(&l->s.qmp, "blockdev-add", lower, op, NULL, e) < 0) {
        json_decref(upper);
        return -1;
    }
    return qmp_run(&l->s.qmp, "blockdev-add", upper, op, NULL, e);
}

int nodes_add(struct live *l, const char *name, const struct launch_disk *disk, int fd,
              const struct op *op, struct err *e)
{
    AUTO_FREE char *node = x_asprintf("disk-%s", name);
    struct op undo = op_within(QMP_COMMAND_MS);
    struct err second;
    int64_t set;

    if (add_fd(l, node, fd, op, &set, e) == 0 && add_nodes(l, name, disk, set, op, e) == 0)
        return 0;
    if (nodes_remove(l, name, &undo, &second) < 0)
        err_wrap(e, "%s; and then", second.msg);
    return -1;
}

static int node_there(struct live *l, const char *node, const struct op *op, struct err *e)
{
    AUTO_JSON json_t *all = NULL;
    size_t i;
    json_t *item;

    if (qmp_run(&l->s.qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), op, &all, e) <
        0)
        return -1;
    json_array_foreach(all, i,
                       item) if (str_eq(json_get_string(item, "node-name", NULL), node)) return 1;
    return 0;
}

int nodes_there(struct live *l, const char *name, const struct op *op, struct err *e)
{
    AUTO_FREE char *node = x_asprintf("disk-%s", name);

    return node_there(l, node, op, e);
}

/* A device that is gone by name lets go of its node a moment later, of which no event tells. */
static int remove_node(struct live *l, const char *lead, const char *name, const struct op *op,
                       struct err *e)
{
    AUTO_FREE char *node = x_asprintf("%s-%s", lead, name);
    struct op limit = op_narrow(op, RELEASE_MS);
    int there = node_there(l, node, op, e);
    struct err why, late;

    if (there <= 0)
        return there;
    for (;;) {
        if (qmp_run(&l->s.qmp, "blockdev-del", json_pack("{s:s}", "node-name", node), op, NULL,
                    &why) == 0)
            return 0;
        if (why.code != ERR_FAILED || !strstr(why.msg, "in use") ||
            op_nap(&limit, RELEASE_LOOK_MS, "release", &late) < 0)
            break;
    }
    *e = why;
    return -1;
}

static int remove_sets(struct live *l, const char *name, const struct op *op, struct err *e)
{
    AUTO_FREE char *node = x_asprintf("disk-%s", name);
    AUTO_JSON json_t *sets = NULL;
    size_t i, k;
    json_t *set, *fd;

    if (qmp_run(&l->s.qmp, "query-fdsets", NULL, op, &sets, e) < 0)
        return -1;
    json_array_foreach(sets, i, set)
        json_array_foreach(json_object_get(set, "fds"), k,
                           fd) if (str_eq(json_get_string(fd, "opaque", NULL), node) &&
                                   qmp_run(&l->s.qmp, "remove-fd",
                                           json_pack("{s:I}", "fdset-id",
                                                     (json_int_t)json_get_int(set, "fdset-id", 0)),
                                           op, NULL, e) < 0) return -1;
    return 0;
}

int nodes_remove(struct live *l, const char *name, const struct op *op, struct err *e)
{
    if (remove_node(l, "disk", name, op, e) < 0 || remove_node(l, "file", name, op, e) < 0)
        return -1;
    return remove_sets(l, name, op, e);
}
