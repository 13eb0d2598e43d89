/* SPDX-License-Identifier: MIT */
/* Who may do what: a client's role from the credentials that the kernel gives of it. */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/fs.h"

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_N };

const char *role_name(enum role role);

/* One line of `roles` in reeve.conf: "alice=admin" or "@staff=operator". */
struct role_rule {
    char *who; /* owned; a user, or a group without its @ */
    int group; /* who is a group */
    enum role role;
};

/* Parses a line. Sets ERR_BAD_CONFIG. */
int role_parse(const char *line, struct role_rule *ret, struct err *e) MUST_CHECK;

/* Who is at the other end of a connected Unix socket, as the kernel says (SO_PEERCRED,
 * SO_PEERGROUPS; unix(7)). Sets ERR_FAILED. */
struct peer {
    struct fs_user user;
    pid_t pid;
    gid_t *groups; /* owned */
    size_t group_count;
};
int peer_of(int fd, struct peer *ret, struct err *e) MUST_CHECK;
void peer_finish(struct peer *peer);

/* root and this process's own user are admin, the group reeve is operator; a rule that names the
 * user goes before one that names a group; the highest counts. Reads the user database. */
enum role role_of(const struct peer *peer, const struct role_rule *rules, size_t rule_count);

#endif
