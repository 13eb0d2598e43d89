/* SPDX-License-Identifier: MIT */
/* Disks, discs and network interfaces. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/change.h"
#include "cli/run.h"

/* The words after the domain as one spec. target= takes all that follows it, commas too, so that it
 * goes last; a word of its own it stays, as for xl. */
static int set_spec(json_t *args, const struct options *o, struct err *e)
{
    static const char target[] = "target=";
    AUTO_STR struct str spec = {0};

    str_add(&spec, "");
    for (int last = 0; last <= 1; last++)
        for (size_t i = 1; i < o->operand_count; i++)
            if (str_starts(o->operands[i], target) == (last == 1))
                str_addf(&spec, "%s%s", spec.len ? "," : "", o->operands[i]);
    json_t *value = json_string(spec.data);
    if (!value || json_object_set_new(args, "spec", value) < 0)
        return err_set(e, ERR_BAD_REQUEST, "the spec must be UTF-8");
    return 0;
}

int run_block_attach(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = change_args(cmd, e);
    AUTO_FREE char *here = getcwd(NULL, 0);

    if (!here)
        return err_errno(e, ERR_FAILED, errno, "cannot find the current folder");
    if (!args || set_spec(args, o, e) < 0 || set_path(args, "directory", here, e) < 0)
        return -1;
    return change_one(cmd, o->operands[0], TAKE(args), e);
}

int run_network_attach(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args || set_spec(args, o, e) < 0)
        return -1;
    return change_one(cmd, o->operands[0], TAKE(args), e);
}

/* The device by its name, with the command's row as the call: block-, network-detach, cd-eject. */
static json_t *device_args(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args)
        return NULL;
    json_set_string(args, "device", cmd->options.operands[1]);
    return TAKE(args);
}

int run_detach(struct command *cmd, struct err *e)
{
    json_t *args = device_args(cmd, e);

    return args ? change_one(cmd, cmd->options.operands[0], args, e) : -1;
}

int run_cd_eject(struct command *cmd, struct err *e)
{
    return run_detach(cmd, e);
}

int run_cd_insert(struct command *cmd, struct err *e)
{
    /* xl wants the kind of backend before the path; there is but one here. */
    static const char *const kinds[] = {"phy:", "file:", "raw:"};
    const char *path = cmd->options.operands[2];
    AUTO_JSON json_t *args = device_args(cmd, e);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_starts(path, kinds[i])) {
            path += strlen(kinds[i]);
            break;
        }
    }
    if (!args || set_path(args, "file", path, e) < 0)
        return -1;
    return change_one(cmd, cmd->options.operands[0], TAKE(args), e);
}

/* ---- lists ---- */

#define TEXT_CELL(key)                                                                             \
    static void cell_##key(const json_t *row, bool people, struct str *to)                         \
    {                                                                                              \
        const char *text = json_get_string(row, #key, "");                                         \
        (void)people;                                                                              \
        str_add_escaped(to, text, strlen(text));                                                   \
    }
#define BOOL_CELL(key)                                                                             \
    static void cell_##key(const json_t *row, bool people, struct str *to)                         \
    {                                                                                              \
        (void)people;                                                                              \
        str_add(to, json_get_bool(row, #key, false) ? "yes" : "no");                               \
    }

TEXT_CELL(domain)
TEXT_CELL(vdev)
TEXT_CELL(format)
TEXT_CELL(target)
TEXT_CELL(mac)
TEXT_CELL(bridge)
TEXT_CELL(model)
BOOL_CELL(now)
BOOL_CELL(next_boot)

static void cell_index(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_addf(to, "%jd", (intmax_t)json_get_int(row, "index", 0));
}

static void cell_access(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_add(to, json_get_bool(row, "cdrom", false)       ? "cdrom"
                : json_get_bool(row, "read_only", false) ? "ro"
                                                         : "rw");
}

static const struct column disk_columns[] = {
    {"name",      "NAME",      false, cell_domain   },
    {"vdev",      "VDEV",      false, cell_vdev     },
    {"access",    "ACCESS",    false, cell_access   },
    {"format",    "FORMAT",    false, cell_format   },
    {"now",       "NOW",       false, cell_now      },
    {"next_boot", "NEXT-BOOT", false, cell_next_boot},
    {"target",    "TARGET",    false, cell_target   },
};

static const struct column vif_columns[] = {
    {"name",      "NAME",      false, cell_domain   },
    {"index",     "INDEX",     true,  cell_index    },
    {"mac",       "MAC",       false, cell_mac      },
    {"model",     "MODEL",     false, cell_model    },
    {"now",       "NOW",       false, cell_now      },
    {"next_boot", "NEXT-BOOT", false, cell_next_boot},
    {"bridge",    "BRIDGE",    false, cell_bridge   },
};

int run_block_list(struct command *cmd, struct err *e)
{
    return list_rows(cmd, "disks", disk_columns, ARRAY_LEN(disk_columns), e);
}

int run_network_list(struct command *cmd, struct err *e)
{
    return list_rows(cmd, "vifs", vif_columns, ARRAY_LEN(vif_columns), e);
}
