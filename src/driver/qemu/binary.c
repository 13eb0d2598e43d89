/* SPDX-License-Identifier: MIT */
#include "driver/qemu/binary.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "core/op.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 2, OUTPUT_MAX = 65536, ASK_MS = 10 * 1000 };

#define CACHE_NAME "qemu-binary.json"
#define DEFAULT_BINARY "qemu-system-x86_64"
#define INSTALL_HINT "install qemu-system-x86, or name the binary in reeve.conf (qemu = \"PATH\")"

/* Reads until the end of the pipe or the deadline; what is past the limit is dropped. */
static int drain(int fd, const struct op *op, struct str *output, struct err *e)
{
    char buf[4096];

    for (;;) {
        if (op_wait(op, fd, POLLIN, "the program's end", e) < 0)
            return -1;
        ssize_t n = read(fd, buf, sizeof buf);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot read a program's output");
        if (n > 0 && output->len < OUTPUT_MAX)
            str_addn(output, buf, (size_t)n);
    }
}

int binary_run(char *const *argv, int passed_fd, int passed_as, int64_t ms, char **ret_output,
               int *ret_status, struct err *e)
{
    struct op op = op_within(ms);
    AUTO_STR struct str output = {0};
    AUTO_CLOSE int pidfd = -1;
    AUTO_CLOSE int out = -1;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    out = ends[0];
    const struct proc_fd fds[] = {
        {ends[1],   1        },
        {ends[1],   2        },
        {passed_fd, passed_as}
    };
    const struct proc_spec spec = {
        .argv = argv, .fds = fds, .fd_count = passed_fd >= 0 ? 3 : 2, .pid_file = -1};
    int started = proc_spawn(&spec, &pid, &pidfd, e);
    close(ends[1]);
    if (started < 0)
        return -1;

    int result = drain(out, &op, &output, e);
    if (result == 0)
        result = op_wait(&op, pidfd, POLLIN, "the program's end", e);
    if (result < 0)
        pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    if (result < 0)
        return err_wrap(e, "%s", argv[0]);
    *ret_output = str_take(&output);
    return 0;
}

/* The absolute path of a program that is looked for as the shell would. */
static char *search(const char *name)
{
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? realpath(name, NULL) : NULL;
    const char *path = getenv("PATH");
    AUTO_FREE char *copy = x_strdup(path ? path : "/usr/bin:/usr/local/bin:/usr/libexec");
    char *rest = NULL;
    for (char *dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
        AUTO_FREE char *full = x_asprintf("%s/%s", dir, name);
        if (dir[0] == '/' && access(full, X_OK) == 0)
            return TAKE(full);
    }
    return NULL;
}

bool binary_parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor,
                          char **ret_version)
{
    static const char lead[] = "QEMU emulator version ";
    const char *at = strstr(text, lead);
    int end = 0;

    if (!at)
        return false;
    at += sizeof lead - 1;
    if (sscanf(at, "%4u.%4u%n", ret_major, ret_minor, &end) != 2)
        return false;
    end += (int)strspn(at + end, ".0123456789");
    *ret_version = x_strndup(at, (size_t)end);
    return true;
}

/* One question to the binary. */
static int ask(const char *path, const char *option, const char *value, char **ret, struct err *e)
{
    char *argv[] = {(char *)path, (char *)option, (char *)value, NULL};
    AUTO_FREE char *output = NULL;
    struct err why;
    int status;

    if (binary_run(argv, -1, -1, ASK_MS, &output, &status, &why) < 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "cannot run QEMU: %s", why.msg);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        AUTO_STR struct str first = {0};
        str_add_escaped(&first, output, strcspn(output, "\n"));
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "cannot use %s: %s fails: %s", path, option,
                       first.data ? first.data : "(no message)");
    }
    *ret = TAKE(output);
    return 0;
}

/* What the cache must agree with to be about this very file. */
static char *fingerprint(const struct stat *st, const char *path)
{
    return x_asprintf("%s %ju %ju %jd.%09ld", path, (uintmax_t)st->st_ino, (uintmax_t)st->st_size,
                      (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static bool recall(struct binary *binary, const char *state_dir, const char *print)
{
    AUTO_FREE char *path = x_asprintf("%s/%s", state_dir, CACHE_NAME);
    AUTO_FREE char *text = NULL;
    struct err e;
    size_t len;

    if (fs_read_file(path, (size_t)4 * OUTPUT_MAX, &text, &len, &e) < 0)
        return false;
    AUTO_JSON json_t *json = json_parse_object(text, len, &e);
    if (!str_eq(json_get_string(json, "binary", NULL), print))
        return false;
    binary->version = x_strdup(json_get_string(json, "version", NULL));
    binary->machines = x_strdup(json_get_string(json, "machines", NULL));
    return binary->version && binary->machines;
}

/* Not to be able to remember it is no failure: the next start asks again. */
static void remember(const struct binary *binary, const char *state_dir, const char *print)
{
    AUTO_CLOSE int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_JSON json_t *json = json_pack("{s:s, s:s, s:s}", "binary", print, "version",
                                       binary->version, "machines", binary->machines);
    AUTO_STR struct str text = {0};
    struct err e;

    if (dirfd < 0 || !json)
        return;
    json_add_line(&text, json);
    if (fs_replace(dirfd, CACHE_NAME, text.data, text.len, 0600, &e) < 0)
        return;
}

static int question(struct binary *binary, struct err *e)
{
    AUTO_FREE char *text = NULL;
    unsigned major, minor;

    if (ask(binary->path, "--version", NULL, &text, e) < 0)
        return -1;
    if (!binary_parse_version(text, &major, &minor, &binary->version))
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "cannot use %s: it does not say what version of "
                       "QEMU it is",
                       binary->path);
    if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "cannot use %s: it is QEMU %s, and %d.%d is the "
                       "oldest that works",
                       binary->path, binary->version, OLDEST_MAJOR, OLDEST_MINOR);
    return ask(binary->path, "-machine", "help", &binary->machines, e);
}

int binary_init(struct binary *ret, const struct driver_options *options, struct err *e)
{
    const char *name = options->qemu ? options->qemu : DEFAULT_BINARY;
    struct binary binary = {.path = search(name)};
    struct stat st;

    if (!binary.path || stat(binary.path, &st) < 0) {
        free(binary.path);
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "cannot find the program %s; " INSTALL_HINT,
                       name);
    }
    AUTO_FREE char *print = fingerprint(&st, binary.path);
    if (!recall(&binary, options->state_dir, print)) {
        free(TAKE(binary.version));
        free(TAKE(binary.machines));
        if (question(&binary, e) < 0) {
            binary_finish(&binary);
            return -1;
        }
        remember(&binary, options->state_dir, print);
    }
    *ret = binary;
    return 0;
}

void binary_finish(struct binary *binary)
{
    free(TAKE(binary->path));
    free(TAKE(binary->version));
    free(TAKE(binary->machines));
}

/* The line of `-machine help` that begins with the name, or NULL. */
static const char *machine_line(const char *help, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = help; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, name, len) == 0 && at[len] == ' ')
            return at;
    return NULL;
}

int binary_machine(const struct binary *binary, const char *name, char *ret, size_t size,
                   struct err *e)
{
    static const char mark[] = "(alias of ";
    const char *line = machine_line(binary->machines, name);

    if (!line)
        return err_set(e, ERR_UNSUPPORTED, "QEMU %s has no machine \"%s\"", binary->version, name);
    AUTO_FREE char *text = x_strndup(line, strcspn(line, "\n"));
    char *alias = strstr(text, mark);
    if (alias) {
        alias += sizeof mark - 1;
        alias[strcspn(alias, ")")] = '\0';
    }
    if (!str_copy(ret, size, alias ? alias : name))
        return err_set(e, ERR_UNSUPPORTED, "QEMU's name for the machine \"%s\" is too long", name);
    return 0;
}
