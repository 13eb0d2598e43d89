/* SPDX-License-Identifier: MIT */
#include "daemon/roles.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { GROUPS_MAX = 1024 };

static const char *const names[ROLE_N] = {
    [ROLE_NONE] = "none",
    [ROLE_VIEWER] = "viewer",
    [ROLE_OPERATOR] = "operator",
    [ROLE_ADMIN] = "admin",
};

const char *role_name(enum role role)
{
    return names[role];
}

int role_parse(const char *line, struct role_rule *ret, struct err *e)
{
    const char *equals = strchr(line, '=');

    for (int role = 0; equals && equals > line && role < ROLE_N; role++) {
        if (!str_eq(equals + 1, names[role]))
            continue;
        ret->group = line[0] == '@';
        const char *who = line + ret->group;
        if (who == equals)
            break;
        ret->who = x_strndup(who, (size_t)(equals - who));
        ret->role = (enum role)role;
        return 0;
    }
    return err_set(e, ERR_BAD_CONFIG,
                   "roles: \"%.80s\" is not USER=ROLE or @GROUP=ROLE with a role "
                   "of none, viewer, operator, admin",
                   line);
}

int peer_of(int fd, struct peer *ret, struct err *e)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    *ret = (struct peer){0};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot learn who the client is");
    ret->user.uid = cred.uid;
    ret->user.gid = cred.gid;
    ret->pid = cred.pid;
    gid_t *groups = x_calloc(GROUPS_MAX, sizeof *groups);
    len = GROUPS_MAX * sizeof *groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        len = 0; /* an old kernel: the primary group alone counts */
    ret->group_count = len / sizeof *groups;
    ret->groups = x_reallocarray(groups, ret->group_count + 1, sizeof *groups);
    return 0;
}

void peer_finish(struct peer *peer)
{
    free(peer->groups);
    *peer = (struct peer){0};
}

static bool in_group(const struct peer *peer, const char *name)
{
    struct group gr, *found = NULL;
    char buf[16384];

    if (getgrnam_r(name, &gr, buf, sizeof buf, &found) != 0 || !found)
        return false;
    if (peer->user.gid == found->gr_gid)
        return true;
    for (size_t i = 0; i < peer->group_count; i++)
        if (peer->groups[i] == found->gr_gid)
            return true;
    return false;
}

static bool is_user(const struct peer *peer, const char *name)
{
    struct passwd pw, *found = NULL;
    char buf[4096];

    return getpwnam_r(name, &pw, buf, sizeof buf, &found) == 0 && found &&
           found->pw_uid == peer->user.uid;
}

enum role role_of(const struct peer *peer, const struct role_rule *rules, size_t rule_count)
{
    enum role role = ROLE_NONE;

    if (peer->user.uid == 0 || peer->user.uid == geteuid())
        return ROLE_ADMIN;
    for (size_t i = 0; i < rule_count; i++)
        if (!rules[i].group && is_user(peer, rules[i].who))
            return rules[i].role;
    if (in_group(peer, "reeve"))
        role = ROLE_OPERATOR;
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].group && rules[i].role > role && in_group(peer, rules[i].who))
            role = rules[i].role;
    return role;
}
