/* SPDX-License-Identifier: MIT */
/* dump-core, sysrq, trigger. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/change.h"
#include "cli/run.h"

int run_dump_core(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = change_args(cmd, e);

    if (!args || (o->operand_count > 1 && set_path(args, "file", o->operands[1], e) < 0))
        return -1;
    return change_one(cmd, o->operands[0], TAKE(args), e);
}

int run_sysrq(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    json_t *args = change_args(cmd, e);

    if (!args)
        return -1;
    json_set_string(args, "key", o->operands[1]);
    return change_one(cmd, o->operands[0], args, e);
}

int run_trigger(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    int64_t vcpu = 0;

    if (o->operand_count > 2 && options_number(o->operands[2], "vcpu", &vcpu, e) < 0)
        return -1;
    json_t *args = change_args(cmd, e);
    if (!args)
        return -1;
    json_set_string(args, "event", o->operands[1]);
    if (o->operand_count > 2)
        json_set_int(args, "vcpu", vcpu);
    return change_one(cmd, o->operands[0], args, e);
}
