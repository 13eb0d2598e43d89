/* SPDX-License-Identifier: MIT */
/* base/proc: children get what they are given and nothing else, and are told apart. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

enum { PATIENCE_MS = 10000 };

/* Runs a shell script with stdout to a pipe; the spec's other fields are the caller's. */
static void spawn(const char *script, struct proc_spec spec, pid_t *pid, int *pidfd, int *out)
{
    char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
    int ends[2];
    struct err e;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct proc_fd fds[] = {
        {ends[1], 1}
    };
    if (spec.fd_count == 0) {
        spec.fds = fds;
        spec.fd_count = 1;
    }
    spec.argv = argv;
    if (proc_spawn(&spec, pid, pidfd, &e) < 0)
        fail_msg("%s", e.msg);
    close(ends[1]);
    *out = ends[0];
}

static char *read_to_end(int fd)
{
    AUTO_STR struct str text = {0};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char buf[512];
    ssize_t n;

    while (poll(&ready, 1, PATIENCE_MS) == 1 && (n = read(fd, buf, sizeof buf)) > 0)
        str_addn(&text, buf, (size_t)n);
    close(fd);
    return str_take(&text);
}

static void reap(pid_t pid, int pidfd)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pidfd);
}

static char *output_of(const char *script, struct proc_spec spec)
{
    pid_t pid;
    int pidfd, out;

    spawn(script, spec, &pid, &pidfd, &out);
    char *text = read_to_end(out);
    reap(pid, pidfd);
    return text;
}

static const struct proc_spec plain = {.pid_file = -1};

static void test_only_given_descriptors(void **state)
{
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
    AUTO_FREE char *text = output_of("ls /proc/self/fd | tr '\\n' ' '", plain);

    (void)state;
    /* 3 is the folder that ls reads. */
    assert_string_equal(text, "0 1 2 3 ");
    close(leaked);
}

/* Sources and targets that are each other's numbers must not be mixed up. */
static void test_descriptors_swap(void **state)
{
    int a[2], b[2], out[2];
    struct proc_spec spec = plain;
    struct err e;
    pid_t pid;
    int pidfd;

    (void)state;
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(write(a[1], "first", 5), 5);
    assert_int_equal(write(b[1], "second", 6), 6);
    close(a[1]);
    close(b[1]);
    int x = fcntl(a[0], F_DUPFD_CLOEXEC, 50);
    int y = fcntl(b[0], F_DUPFD_CLOEXEC, x + 1);
    AUTO_FREE char *script = x_asprintf("cat /proc/self/fd/%d /proc/self/fd/%d", x, y);
    char *argv[] = {"/bin/sh", "-c", script, NULL};
    const struct proc_fd fds[] = {
        {x,      y},
        {y,      x},
        {out[1], 1}
    };
    spec.argv = argv;
    spec.fds = fds;
    spec.fd_count = 3;
    assert_int_equal(proc_spawn(&spec, &pid, &pidfd, &e), 0);
    close(out[1]);
    AUTO_FREE char *text = read_to_end(out[0]);
    assert_string_equal(text, "secondfirst");
    reap(pid, pidfd);
    close(x);
    close(y);
    close(a[0]);
    close(b[0]);
}

static void test_signals_and_rights(void **state)
{
    sigset_t term;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    AUTO_FREE char *text = output_of("grep -E '^(SigBlk|SigIgn|NoNewPrivs):' /proc/self/status; "
                                     "umask; "
                                     "[ \"$(cut -d' ' -f6 /proc/self/stat)\" = $$ ] && echo own",
                                     plain);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    signal(SIGPIPE, SIG_DFL);
    assert_string_equal(text, "SigBlk:\t0000000000000000\n"
                              "SigIgn:\t0000000000000000\n"
                              "NoNewPrivs:\t1\n"
                              "0077\nown\n");
}

static void test_drops_rights(void **state)
{
    struct proc_spec spec = plain;
    gid_t group = 12345;

    (void)state;
    spec.drop_rights = true;
    spec.uid = spec.gid = 65534;
    spec.groups = &group;
    spec.group_count = 1;
    if (geteuid() == 0) {
        AUTO_FREE char *text = output_of("id -u; id -g; id -G", spec);
        assert_string_equal(text, "65534\n65534\n65534 12345\n");
        return;
    }
    /* Who is not root may not, and is told so; the program is not run with rights kept. */
    char *argv[] = {"/bin/true", NULL};
    struct err e;
    pid_t pid;
    int pidfd;
    spec.argv = argv;
    assert_int_equal(proc_spawn(&spec, &pid, &pidfd, &e), -1);
    assert_non_null(strstr(e.msg, "give up its rights"));
}

static void test_writes_pid_file(void **state)
{
    int ends[2];
    struct proc_spec spec = plain;
    pid_t pid;
    int pidfd, out;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.pid_file = ends[1];
    spawn("echo $$", spec, &pid, &pidfd, &out);
    close(ends[1]);
    AUTO_FREE char *written = read_to_end(ends[0]);
    AUTO_FREE char *said = read_to_end(out);
    assert_string_equal(written, said);
    assert_int_equal(atoi(written), pid);
    reap(pid, pidfd);
}

static void test_missing_program(void **state)
{
    char *argv[] = {"/nonexistent/program", NULL};
    struct proc_spec spec = {.argv = argv, .pid_file = -1};
    struct err e;
    pid_t pid;
    int pidfd;

    (void)state;
    assert_int_equal(proc_spawn(&spec, &pid, &pidfd, &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    assert_string_equal(e.msg, "cannot start /nonexistent/program: cannot execute it: No such file "
                               "or directory");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void test_start_tells_processes_apart(void **state)
{
    int pidfd, again, out;
    struct err e;
    pid_t pid;

    (void)state;
    spawn(":", plain, &pid, &pidfd, &out);
    close(out);
    reap(pid, pidfd);

    uint64_t own = proc_start(getpid());
    assert_true(own > 0);
    assert_int_equal(proc_open(getpid(), own, &again, &e), 0);
    close(again);
    assert_int_equal(proc_open(getpid(), 0, &again, &e), 0);
    close(again);
    assert_int_equal(proc_open(getpid(), own + 1, &again, &e), -1);
    assert_int_equal(e.code, ERR_FAILED);
    assert_int_equal(proc_open(pid, 0, &again, &e), -1);
    assert_int_equal(proc_open(0, 0, &again, &e), -1);
}

/* With no descriptor left nobody can tell, and with one the process is seen and not looked at. */
static void test_what_cannot_be_told_is_not_gone(void **state)
{
    struct rlimit was, few;
    int again, free_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct err none, one;

    (void)state;
    assert_true(free_fd >= 0);
    close(free_fd); /* the lowest that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = was;
    few.rlim_cur = (rlim_t)free_fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int with_none = proc_open(getpid(), 0, &again, &none);
    few.rlim_cur = (rlim_t)free_fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int with_one = proc_open(getpid(), 0, &again, &one);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(with_none, -1);
    assert_int_equal(none.code, ERR_BUSY);
    assert_int_equal(with_one, -1);
    assert_int_equal(one.code, ERR_BUSY);
}

static void test_zombie_is_gone(void **state)
{
    struct pollfd end = {.events = POLLIN};
    int pidfd, again, out;
    struct err e;
    pid_t pid;

    (void)state;
    spawn(":", plain, &pid, &pidfd, &out);
    close(out);
    end.fd = pidfd;
    assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
    assert_int_equal(proc_open(pid, 0, &again, &e), -1);
    assert_int_equal(proc_start(pid), 0);
    /* and it has been reaped on the way */
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    proc_reap(pidfd);
    close(pidfd);
}

static void *live_on(void *arg)
{
    pause();
    return arg;
}

/* proc(5) calls such a process a zombie, and it still holds its files. */
static void test_lives_while_a_thread_does(void **state)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    AUTO_FREE char *path = NULL;
    char text[256] = "";
    int pidfd;
    struct err e;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_on, NULL) == 0)
            syscall(SYS_exit, 0); /* of this thread alone */
        _exit(1);
    }
    assert_true(pid > 0);
    path = x_asprintf("/proc/%d/stat", (int)pid);
    while (!strstr(text, ") Z ") && clock_mono_ms() < deadline) {
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_non_null(fgets(text, sizeof text, f));
        fclose(f);
        nanosleep(&moment, NULL);
    }
    assert_non_null(strstr(text, ") Z "));
    if (proc_open(pid, proc_start(pid), &pidfd, &e) < 0)
        fail_msg("%s", e.msg);
    if (proc_end(pidfd, 0, PATIENCE_MS, &e) < 0)
        fail_msg("%s", e.msg);
    close(pidfd);
    assert_int_equal(proc_open(pid, 0, &pidfd, &e), -1);
}

static void test_counts_cpu(void **state)
{
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    uint64_t before = proc_cpu_ns(getpid());
    volatile unsigned spin = 0;

    (void)state;
    while (proc_cpu_ns(getpid()) <= before && clock_mono_ms() < deadline)
        spin++;
    assert_true(proc_cpu_ns(getpid()) > before);
    assert_int_equal(proc_cpu_ns(-1), 0);
}

static void end_of(const char *script, int64_t grace_ms, int64_t least_ms, int64_t most_ms)
{
    int pidfd, out;
    struct err e;
    char ready[3] = "";
    pid_t pid;

    spawn(script, plain, &pid, &pidfd, &out);
    assert_int_equal(read(out, ready, 2), 2); /* it has set its traps */
    int64_t began = clock_mono_ms();
    if (proc_end(pidfd, grace_ms, PATIENCE_MS, &e) < 0)
        fail_msg("%s", e.msg);
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= least_ms && took <= most_ms);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped */
    /* Once more on what is gone is harmless. */
    assert_int_equal(proc_end(pidfd, grace_ms, PATIENCE_MS, &e), 0);
    close(pidfd);
    close(out);
}

static void test_ends_by_term(void **state)
{
    (void)state;
    end_of("echo r; exec sleep 100", PATIENCE_MS, 0, PATIENCE_MS / 2);
}

static void test_ends_by_kill(void **state)
{
    (void)state;
    end_of("trap '' TERM; echo r; exec sleep 100", 200, 200, PATIENCE_MS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_given_descriptors),
        cmocka_unit_test(test_descriptors_swap),
        cmocka_unit_test(test_signals_and_rights),
        cmocka_unit_test(test_drops_rights),
        cmocka_unit_test(test_writes_pid_file),
        cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_start_tells_processes_apart),
        cmocka_unit_test(test_what_cannot_be_told_is_not_gone),
        cmocka_unit_test(test_zombie_is_gone),
        cmocka_unit_test(test_lives_while_a_thread_does),
        cmocka_unit_test(test_counts_cpu),
        cmocka_unit_test(test_ends_by_term),
        cmocka_unit_test(test_ends_by_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
