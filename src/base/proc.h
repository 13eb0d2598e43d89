/* SPDX-License-Identifier: MIT */
/* Processes that outlive us: started with chosen descriptors and rights, held by pidfd, known
 * again after a restart by pid and start time. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

struct proc_fd {
    int from; /* ours */
    int to;   /* its number in the child */
};

struct proc_spec {
    char *const *argv;         /* argv[0] is an absolute path */
    const struct proc_fd *fds; /* besides these the child has /dev/null as 0, 1 and 2 */
    size_t fd_count;
    bool gains_rights; /* by its file: without no_new_privs */
    bool drop_rights;  /* become uid and gid, no supplementary groups but `groups` */
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
    int pid_file; /* -1, or a descriptor the child writes its pid to before exec */
};

/* Starts the program in a session of its own, with PATH alone in its environment, no_new_privs,
 * default signals, umask 077. Returns with exec done. *ret_pidfd is owned by the caller
 * (O_CLOEXEC). fork and exec, since posix_spawn cannot change rights; between them the child makes
 * async-signal-safe calls only. Sets ERR_FAILED with the step that failed. */
int proc_spawn(const struct proc_spec *spec, pid_t *ret_pid, int *ret_pidfd,
               struct err *e) MUST_CHECK;

/* fork(2); in the child every signal has its default action, the mask is the caller's. */
pid_t proc_fork(void);

/* An errno of a call that failed for want of what there may be later: a descriptor, memory. What it
 * was asked for is not known then. */
bool proc_is_shortage(int errnum);

/* A pidfd of a process that is still the one with that start time (clock ticks since boot,
 * proc(5) stat field 22); start 0 skips the comparison. ERR_FAILED when it is gone; ERR_BUSY when
 * the host cannot tell (no descriptor or memory is left), and then it may live. */
int proc_open(pid_t pid, uint64_t start, int *ret_pidfd, struct err *e) MUST_CHECK;
/* The start time, 0 when there is no such process; a zombie has one still. */
uint64_t proc_start(pid_t pid);
/* User and system time in nanoseconds, 0 when there is no such process. */
uint64_t proc_cpu_ns(pid_t pid);
/* Ends it: SIGTERM (again and again: it wakes a QEMU 7.2 that a command caught in its last moments
 * and that waits for ever in monitor_cleanup), up to grace_ms, then SIGKILL and up to kill_ms;
 * reaps it when it is our child. Returns 0 when it is gone. ERR_TIMED_OUT when even SIGKILL has not
 * ended it. Blocks. */
int proc_end(int pidfd, int64_t grace_ms, int64_t kill_ms, struct err *e) MUST_CHECK;
/* Reaps it when it is our child and has ended; harmless otherwise. */
void proc_reap(int pidfd);

#endif
