/* SPDX-License-Identifier: MIT */
#include "driver/qemu/bridge_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

enum { ANSWER_MS = 10 * 1000, WORDS_MAX = 300, SOCKET_FD = 3, STDERR_FD = 2 };

const char *bridge_helper_path(void)
{
    static const char *const places[] = {"/usr/lib/qemu/qemu-bridge-helper",
                                         "/usr/libexec/qemu-bridge-helper"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct stat st;
        if (stat(places[i], &st) < 0 || !S_ISREG(st.st_mode) || access(places[i], X_OK) < 0)
            continue;
        bool root = st.st_uid == 0 && (st.st_mode & S_ISUID);
        if (root || getxattr(places[i], "security.capability", NULL, 0) > 0)
            return places[i];
    }
    return NULL;
}

/* -1 with errno; 0 is its end of the socket without a descriptor. */
static int receive_fd(int socket, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct pollfd ready = {.fd = socket, .events = POLLIN};

    int count = poll(&ready, 1, ANSWER_MS);
    if (count == 0)
        errno = ETIMEDOUT;
    if (count <= 0)
        return -1;
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return (int)n;
    const struct cmsghdr *got = CMSG_FIRSTHDR(&message);
    if (!got || got->cmsg_level != SOL_SOCKET || got->cmsg_type != SCM_RIGHTS ||
        got->cmsg_len != CMSG_LEN(sizeof(int)))
        return 0;
    memcpy(ret_fd, CMSG_DATA(got), sizeof *ret_fd);
    return 1;
}

/* What it printed, on one line. */
static void read_words(int fd, char words[WORDS_MAX])
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&ready, 1, 1000) > 0 ? read(fd, words, WORDS_MAX - 1) : 0;

    words[n > 0 ? n : 0] = '\0';
    words[strcspn(words, "\n")] = '\0';
}

/* It ends by itself; with root's rights it could not be ended either. */
static void wait_end(int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};

    poll(&ended, 1, ANSWER_MS);
    proc_reap(pidfd);
}

int bridge_helper_open(const char *path, const char *bridge, int *ret_fd, struct err *e)
{
    AUTO_FREE char *on = x_asprintf("--br=%s", bridge);
    char program[64], vnet[] = "--use-vnet", fd[] = "--fd=3", words[WORDS_MAX];
    char *argv[] = {program, vnet, on, fd, NULL};
    int sockets[2], pipes[2];
    pid_t pid;

    str_copy(program, sizeof program, path);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return err_errno(e, ERR_FAILED, errno, "vif: no socket for %s", path);
    AUTO_CLOSE int ours = sockets[0], theirs = sockets[1];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_errno(e, ERR_FAILED, errno, "vif: no pipe for %s", path);
    AUTO_CLOSE int output = pipes[0], input = pipes[1], pidfd = -1;
    const struct proc_fd fds[] = {
        {theirs, SOCKET_FD},
        {input,  STDERR_FD}
    };
    const struct proc_spec spec = {
        .argv = argv, .fds = fds, .fd_count = ARRAY_LEN(fds), .gains_rights = true, .pid_file = -1};
    if (proc_spawn(&spec, &pid, &pidfd, e) < 0)
        return -1;
    /* So that its end is the end of the socket and of the pipe. */
    close(TAKE_FD(theirs));
    close(TAKE_FD(input));
    int got = receive_fd(ours, ret_fd);
    int failed = errno;
    if (got < 0)
        return err_errno(e, failed == ETIMEDOUT ? ERR_TIMED_OUT : ERR_FAILED, failed,
                         "vif: %s does not answer", path);
    if (got == 0)
        read_words(output, words);
    wait_end(pidfd);
    if (got > 0)
        return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "vif: qemu-bridge-helper does not give a port of the bridge %s (%s); an admin "
                   "allows it by the line \"allow %s\" in /etc/qemu/bridge.conf",
                   bridge, words, bridge);
}
