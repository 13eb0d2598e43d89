/* SPDX-License-Identifier: MIT */
/* The verbs about the host and the daemon. */
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

int run_info(struct command *cmd, struct err *e)
{
    AUTO_STR struct str text = {0};

    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *info = client_call(&cmd->client, "info", NULL, CLIENT_LIMIT_MS, e);
    if (!info)
        return -1;
    if (cmd->format == PRINT_JSON)
        return print_json(info, e);
    print_fields(info, &text);
    return print_out(&text, e);
}

int run_hostrun(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    AUTO_STR struct str text = {0};
    int64_t parallel = 0;
    const json_t *row;
    size_t i;

    if (cmd->options.given[OPT_PARALLEL]) {
        if (options_number(cmd->options.value[OPT_PARALLEL], "number of domains", &parallel, e) < 0)
            return -1;
        json_set_int(args, "parallel", parallel);
    }
    if (command_connect(cmd, e) < 0)
        return -1;
    /* No limit: each domain has its own. */
    AUTO_JSON json_t *answer = client_call(&cmd->client, cmd->row->name, TAKE(args), 0, e);
    if (!answer)
        return -1;
    int status = json_get_int(answer, "failed", 0) > 0;
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e) < 0 ? -1 : status;
    json_array_foreach(json_object_get(answer, "domains"), i, row)
    {
        bool done = json_get_bool(row, "done", false);
        if (done && cmd->options.given[OPT_QUIET])
            continue;
        str_addf(&text, "%s%s: ", done ? "" : "failed: ", json_get_string(row, "domain", "?"));
        print_sentence(json_get_string(row, "message", ""), &text);
        str_addc(&text, '\n');
    }
    if (i == 0 && !cmd->options.given[OPT_QUIET])
        str_add(&text, "there is nothing to do\n");
    return print_out(&text, e) < 0 ? -1 : status;
}

int run_doctor(struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    AUTO_STR struct str text = {0};
    const json_t *finding;
    size_t i;

    json_set_bool(args, "repair", cmd->options.given[OPT_REPAIR]);
    if (command_connect(cmd, e) < 0)
        return -1;
    /* No limit: it reads images whole. */
    AUTO_JSON json_t *answer = client_call(&cmd->client, "doctor", TAKE(args), 0, e);
    if (!answer)
        return -1;
    const json_t *findings = json_object_get(answer, "findings");
    int status = json_array_size(findings) > 0;
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e) < 0 ? -1 : status;
    json_array_foreach(json_object_get(answer, "repaired"), i, finding)
    {
        print_sentence(json_is_string(finding) ? json_string_value(finding) : "?", &text);
        str_addc(&text, '\n');
    }
    json_array_foreach(findings, i, finding)
    {
        print_sentence(json_is_string(finding) ? json_string_value(finding)
                                               : json_get_string(finding, "text", "?"),
                       &text);
        str_addc(&text, '\n');
    }
    if (status == 0 && !cmd->options.given[OPT_QUIET])
        str_add(&text, "nothing found\n");
    return print_out(&text, e) < 0 ? -1 : status;
}
