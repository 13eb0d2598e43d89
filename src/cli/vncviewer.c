/* SPDX-License-Identifier: MIT */
/* vncviewer: the screen of a domain in a viewer that is installed here. The screen is a Unix
 * socket: a viewer is needed that takes one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"
#include "core/names.h"

/* In the order of preference: the program, and the text before the socket's path. */
static const struct {
    const char *program, *lead;
} viewers[] = {
    {"remote-viewer", "vnc+unix://"},
    {"gvncviewer",    ""           },
    {"vncviewer",     ""           }, /* TigerVNC's */
};

/* The program's path by PATH, owned by the caller; NULL when it is not there. */
static char *find(const char *program)
{
    AUTO_FREE char *path = x_strdup(getenv("PATH"));
    char *rest = NULL;

    for (char *dir = path ? strtok_r(path, ":", &rest) : NULL; dir;
         dir = strtok_r(NULL, ":", &rest)) {
        AUTO_FREE char *whole = x_asprintf("%s/%s", dir, program);
        if (access(whole, X_OK) == 0)
            return TAKE(whole);
    }
    return NULL;
}

static int no_screen(const json_t *domain, const char *name, struct err *e)
{
    const char *state = json_get_string(domain, "state", "");

    if (json_is_null(json_object_get(domain, "id")))
        return err_set(
            e, ERR_WRONG_STATE, "cannot show the screen of %s: it is %s; %s", name, state,
            state_of(state) == ST_SUSPENDED ? "resume brings it back" : "start boots it");
    return err_set(e, ERR_UNSUPPORTED,
                   "%s has no screen: vnc = 1 in its config gives it one at the next boot (reeve "
                   "config set %s vnc=1)",
                   name, name);
}

/* The viewer's command line; NULL when there is none. The caller frees both. */
static char *choose(const char *socket, char **ret_address)
{
    for (size_t i = 0; i < ARRAY_LEN(viewers); i++) {
        char *path = find(viewers[i].program);
        if (!path)
            continue;
        *ret_address = x_asprintf("%s%s", viewers[i].lead, socket);
        return path;
    }
    return NULL;
}

int run_vncviewer(struct command *cmd, struct err *e)
{
    const char *name = cmd->options.operands[0];
    json_t *args = json_pack("{s:s}", "domain", name);
    AUTO_FREE char *address = NULL;

    if (command_connect(cmd, e) < 0) {
        json_decref(args);
        return -1;
    }
    AUTO_JSON json_t *domain = client_call(&cmd->client, "show", args, CLIENT_LIMIT_MS, e);
    if (!domain)
        return -1;
    const char *socket = json_get_string(domain, "vnc", NULL);
    if (!socket)
        return no_screen(domain, json_get_string(domain, "name", name), e);
    AUTO_FREE char *path = choose(socket, &address);
    if (cmd->format == PRINT_JSON) {
        AUTO_JSON json_t *answer =
            json_pack("{s:s, s:s?, s:s?}", "vnc", socket, "viewer", path, "address", address);
        return print_json(answer, e);
    }
    if (!path)
        return err_set(e, ERR_UNSUPPORTED,
                       "no viewer is installed here that takes a Unix socket (remote-viewer, "
                       "TigerVNC's vncviewer); for any other, type: socat "
                       "TCP-LISTEN:5900,bind=127.0.0.1 UNIX-CONNECT:%s - and open 127.0.0.1:5900",
                       socket);
    execl(path, path, address, (char *)NULL);
    return err_errno(e, ERR_FAILED, errno, "cannot run %s", path);
}
