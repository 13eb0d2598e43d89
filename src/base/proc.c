/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* What the child was doing when it failed; sent to the parent through a pipe that exec closes. */
enum step { SIGNALS, SESSION, DESCRIPTORS, RIGHTS, PID_FILE, EXEC };
static const char *const steps[] = {
    [SIGNALS] = "reset its signals",   [SESSION] = "make its session",
    [DESCRIPTORS] = "pass its files",  [RIGHTS] = "give up its rights",
    [PID_FILE] = "write its pid file", [EXEC] = "execute it",
};

struct failure {
    enum step step;
    int errnum;
};

/* ---- in the child: async-signal-safe calls only ---- */

static NORETURN void child_fail(int report, enum step step)
{
    struct failure failure = {step, errno};
    ssize_t n = write(report, &failure, sizeof failure);

    _exit(n == (ssize_t)sizeof failure ? 127 : 126);
}

static int child_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Numbers from here up are free of the child's own: the sources are moved there first, so that
 * no target overwrites a source that is still to be placed. */
enum { FD_HIGH = 200 };

static int child_descriptors(const struct proc_spec *spec, int *moved, int *report, int *pid_file)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return -1;
    for (size_t i = 0; i < spec->fd_count; i++) {
        moved[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, FD_HIGH);
        if (moved[i] < 0)
            return -1;
    }
    if (*pid_file >= 0 && (*pid_file = fcntl(*pid_file, F_DUPFD_CLOEXEC, FD_HIGH)) < 0)
        return -1;
    int copy = fcntl(*report, F_DUPFD_CLOEXEC, FD_HIGH);
    if (copy < 0)
        return -1;
    *report = copy;
    /* Whatever a library may have opened without O_CLOEXEC is not the program's either. Kernels
     * before 5.11 do not know the flag; ours are all O_CLOEXEC anyway. */
    syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(null, fd) < 0)
            return -1;
    for (size_t i = 0; i < spec->fd_count; i++)
        if (dup2(moved[i], spec->fds[i].to) < 0)
            return -1;
    return 0;
}

static int child_rights(const struct proc_spec *spec)
{
    if (!spec->gains_rights && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (!spec->drop_rights)
        return 0;
    /* The raw calls: the library's would try to reach the threads that fork did not copy. */
    if (syscall(SYS_setgroups, spec->group_count, spec->groups) < 0 ||
        syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0 ||
        syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0)
        return -1;
    return 0;
}

static int child_pid_file(int fd)
{
    char text[16];
    size_t at = sizeof text;
    pid_t pid = getpid();

    text[--at] = '\n';
    for (; pid > 0; pid /= 10)
        text[--at] = (char)('0' + pid % 10);
    return write(fd, text + at, sizeof text - at) < 0 ? -1 : 0;
}

/* All that a child has of an environment: ours may hold secrets, and it lives longer. */
static char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static char *const environment[] = {path_variable, NULL};

static NORETURN void child(const struct proc_spec *spec, int *moved, int report)
{
    int pid_file = spec->pid_file;

    if (child_signals() < 0)
        child_fail(report, SIGNALS);
    if (setsid() < 0)
        child_fail(report, SESSION);
    umask(077);
    if (child_descriptors(spec, moved, &report, &pid_file) < 0)
        child_fail(report, DESCRIPTORS);
    if (pid_file >= 0 && child_pid_file(pid_file) < 0)
        child_fail(report, PID_FILE);
    if (child_rights(spec) < 0)
        child_fail(report, RIGHTS);
    execve(spec->argv[0], spec->argv, environment);
    child_fail(report, EXEC);
}

/* ---- in the parent ---- */

/* With every signal blocked until there is no handler of ours in the child. An ignored signal would
 * survive exec too. */
pid_t proc_fork(void)
{
    const struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    int errnum = errno;
    for (int sig = 1; pid == 0 && sig < NSIG; sig++)
        sigaction(sig, &act, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = errnum;
    return pid;
}

int proc_spawn(const struct proc_spec *spec, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
    AUTO_FREE int *moved = x_calloc(spec->fd_count + 1, sizeof *moved);
    AUTO_CLOSE int from_child = -1;
    AUTO_CLOSE int report = -1;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    from_child = ends[0];
    report = ends[1];
    pid_t pid = proc_fork();
    if (pid == 0)
        child(spec, moved, report);
    if (pid < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot start a process");
    AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
    int errnum = errno;
    close(TAKE_FD(report));

    struct failure failure;
    ssize_t n;
    while ((n = read(from_child, &failure, sizeof failure)) < 0 && errno == EINTR)
        ;
    if (n == 0 && pidfd >= 0) {
        *ret_pid = pid;
        *ret_pidfd = TAKE_FD(pidfd);
        return 0;
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof failure)
        return err_errno(e, ERR_FAILED, errnum, "cannot hold the process of %s", spec->argv[0]);
    return err_errno(e, ERR_FAILED, failure.errnum, "cannot start %s: cannot %s", spec->argv[0],
                     steps[failure.step]);
}

/* The fields of proc(5) stat after the command name, which may hold blanks and brackets itself, and
 * the state, which is no number: ret[1] is field 4. False when there is no such process. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_START = 19, STAT_FIELDS = 20 };

static bool read_stat(pid_t pid, uint64_t ret[STAT_FIELDS])
{
    char path[32], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == '\0')
        return false;
    at += 3;
    for (size_t i = 1; i < STAT_FIELDS; i++)
        ret[i] = (uint64_t)strtoll(at, &at, 10);
    return true;
}

uint64_t proc_start(pid_t pid)
{
    uint64_t fields[STAT_FIELDS];

    return read_stat(pid, fields) ? fields[STAT_START] : 0;
}

uint64_t proc_cpu_ns(pid_t pid)
{
    uint64_t fields[STAT_FIELDS];
    long hz = sysconf(_SC_CLK_TCK);

    if (hz <= 0 || !read_stat(pid, fields))
        return 0;
    return (fields[STAT_UTIME] + fields[STAT_STIME]) * (UINT64_C(1000000000) / (uint64_t)hz);
}

void proc_reap(int pidfd)
{
    siginfo_t info;

    waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

/* Waits for its end. A pidfd is readable once the last thread has ended, zombie or not. */
static bool ended_within(int pidfd, int64_t ms)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    int64_t deadline = clock_mono_ms() + ms;

    for (;;) {
        int n = poll(&fd, 1, clock_left_ms(deadline));
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

bool proc_is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}

int proc_open(pid_t pid, uint64_t start, int *ret_pidfd, struct err *e)
{
    AUTO_CLOSE int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;

    if (pid > 0 && pidfd < 0 && proc_is_shortage(errno))
        return err_errno(e, ERR_BUSY, errno, "cannot tell whether process %d lives", (int)pid);
    if (pidfd < 0)
        return err_set(e, ERR_FAILED, "process %d is gone", (int)pid);
    /* Asked after the pidfd is held, so that the answer is about the process it holds. Its state
     * in proc(5) would be the first thread's, and one that lives longer holds disks and taps. */
    uint64_t now = proc_start(pid);
    bool ended = ended_within(pidfd, 0);
    if (ended)
        proc_reap(pidfd);
    if (!ended && now == 0)
        return err_set(e, ERR_BUSY, "process %d lives, and cannot be looked at", (int)pid);
    if (ended || (start != 0 && now != start))
        return err_set(e, ERR_FAILED, "process %d is gone", (int)pid);
    *ret_pidfd = TAKE_FD(pidfd);
    return 0;
}

enum { TERM_AGAIN_MS = 100 };

/* Sends sig, again every TERM_AGAIN_MS, until the process has ended (1) or the time is over (0). */
static int end_by(int pidfd, int sig, int64_t ms, struct err *e)
{
    int64_t left = ms;

    do {
        int64_t part = left < TERM_AGAIN_MS ? left : TERM_AGAIN_MS;
        if (pidfd_send_signal(pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
            return err_errno(e, ERR_FAILED, errno, "cannot end a process");
        if (ended_within(pidfd, part))
            return 1;
        left -= part;
    } while (left > 0);
    return 0;
}

int proc_end(int pidfd, int64_t grace_ms, int64_t kill_ms, struct err *e)
{
    int ended = end_by(pidfd, SIGTERM, grace_ms, e);

    if (ended == 0)
        ended = end_by(pidfd, SIGKILL, kill_ms, e);
    if (ended < 0)
        return -1;
    if (ended > 0) {
        proc_reap(pidfd);
        return 0;
    }
    return err_set(e, ERR_TIMED_OUT, "a process did not end within %lld ms of SIGKILL",
                   (long long)kill_ms);
}
