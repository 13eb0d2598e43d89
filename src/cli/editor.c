/* SPDX-License-Identifier: MIT */
/* A text in the user's own editor. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

/* As much as a config may have. */
enum { TEXT_MAX = 512 * 1024 };

static const char *editor(void)
{
    static const char *const names[] = {"VISUAL", "EDITOR"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *word = getenv(names[i]);
        if (word && *word)
            return word;
    }
    return "vi";
}

/* Through the shell, since the variable may have options in it, as in "code --wait". While it runs
 * the terminal's signals are the editor's. */
static int run_editor(const char *path, struct err *e)
{
    AUTO_FREE char *script = x_asprintf("%s \"$1\"", editor());
    char *const argv[] = {"sh", "-c", script, "sh", (char *)path, NULL};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    int status = 0;

    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGQUIT, &quit, NULL);
        execv("/bin/sh", argv);
        _exit(127);
    }
    int errnum = errno;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    if (pid < 0)
        return err_errno(e, ERR_FAILED, errnum, "cannot start the editor");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(e, ERR_FAILED,
                       "there is no editor \"%.100s\"; set VISUAL or EDITOR to the one you use",
                       editor());
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(e, ERR_FAILED, "the editor \"%.100s\" ended with a failure (%d)", editor(),
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}

static int write_text(const char *path, const char *text, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make %s", path);
    return fs_write_all(fd, text, strlen(text), path, e);
}

static int make_file(const char *name, const char *text, char **ret, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    AUTO_FREE char *folder =
        x_asprintf("%s/reeve-edit-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");

    if (!mkdtemp(folder))
        return err_errno(e, ERR_FAILED, errno, "cannot make a folder %s", folder);
    *ret = x_asprintf("%s/%s.cfg", folder, name);
    return write_text(*ret, text, e);
}

int editor_run(const char *name, const char *text, char **ret_path, char **ret, struct err *e)
{
    size_t len;

    if (!*ret_path && make_file(name, text, ret_path, e) < 0) {
        if (*ret_path)
            editor_remove(*ret_path);
        free(TAKE(*ret_path));
        return -1;
    }
    if (run_editor(*ret_path, e) < 0 || fs_read_file(*ret_path, TEXT_MAX, ret, &len, e) < 0)
        return -1;
    if (strlen(*ret) == len)
        return 0;
    free(TAKE(*ret));
    return err_set(e, ERR_BAD_CONFIG, "%s: there is a NUL byte in it", *ret_path);
}

void editor_remove(const char *path)
{
    AUTO_FREE char *folder = NULL;
    struct err ignored;

    fs_split(path, &folder);
    if (fs_remove_tree(AT_FDCWD, folder, &ignored) < 0)
        print_failure(ignored.msg);
}
