/* SPDX-License-Identifier: MIT */
/* Small changes of a domain that are kept in its config: its name, its autostart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/change.h"
#include "cli/run.h"

int run_rename(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    json_t *args = change_args(cmd, e);

    if (!args)
        return -1;
    json_set_string(args, "name", o->operands[1]);
    return change_one(cmd, o->operands[0], args, e);
}

int run_autostart(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    bool on = str_eq(o->operands[1], "on");

    if (!on && !str_eq(o->operands[1], "off"))
        return err_set(e, ERR_BAD_REQUEST, "autostart takes on or off after the domain");
    json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    json_set_bool(args, "on", on);
    return change_one(cmd, o->operands[0], args, e);
}
