/* SPDX-License-Identifier: MIT */
#include "core/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

enum { HOOK_MS = 10 * 1000, OUTPUT_KEPT = 4096, LINE_SHOWN = 300, QUEUE_MAX = 256, FILES_MAX = 64 };

struct told {
    struct list link; /* hooks.queue */
    char *text;       /* owned */
};

struct hooks {
    char *dir;   /* owned */
    int stop_fd; /* readable once hooks_free has been called */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct list queue; /* struct told.link */
    size_t waiting;
    pthread_t thread;
    bool started;
    bool stopping;
};

struct hooks *hooks_new(const char *dir)
{
    struct hooks *h = x_calloc(1, sizeof *h);

    h->dir = x_strdup(dir);
    h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    list_init(&h->queue);
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->wake, NULL);
    return h;
}

/* ---- which ---- */

static int is_hook(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && !str_ends(entry->d_name, "~");
}

/* The files by name; owned, as each of them. */
static size_t find(const struct hooks *h, struct dirent ***ret)
{
    int count = scandir(h->dir, ret, is_hook, alphasort);

    if (count < 0) {
        if (errno != ENOENT)
            log_warn("cannot read the hooks in %s: %s", h->dir, strerror(errno));
        *ret = NULL;
        return 0;
    }
    return (size_t)count;
}

static void forget(struct dirent **files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i]);
    free(files);
}

bool hooks_any(const struct hooks *h)
{
    struct dirent **files;
    size_t count = h ? find(h, &files) : 0;

    if (count > 0)
        forget(files, count);
    return count > 0;
}

static bool ours_alone(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & 0022) == 0;
}

/* 1: to be run, 0: no program, -1: not safe to run. */
static int usable(const struct hooks *h, const char *path, struct err *e)
{
    struct stat st, dir;

    if (stat(path, &st) < 0 || stat(h->dir, &dir) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot look at the hook %s", path);
    if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
        return 0;
    if (!ours_alone(&st) || !ours_alone(&dir))
        return err_set(e, ERR_FAILED,
                       "the hook %s or its folder may be written by others than its owner root or "
                       "the daemon's user; chmod go-w and chown put that right",
                       path);
    return 1;
}

/* ---- one run ---- */

/* Its end of what the hook printed. */
struct output {
    char bytes[OUTPUT_KEPT];
    size_t len;
};

static void keep(struct output *out, const char *bytes, size_t len)
{
    if (len > OUTPUT_KEPT / 2) {
        bytes += len - OUTPUT_KEPT / 2;
        len = OUTPUT_KEPT / 2;
    }
    if (out->len + len > OUTPUT_KEPT) {
        size_t drop = out->len + len - OUTPUT_KEPT;
        memmove(out->bytes, out->bytes + drop, out->len - drop);
        out->len -= drop;
    }
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

/* False at the end of the pipe. */
static bool drain(int fd, struct output *out)
{
    char block[1024];

    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        keep(out, block, (size_t)n);
    }
}

/* The last line that is not empty, escaped. */
static void last_line(const struct output *out, struct str *to)
{
    size_t end = out->len, begin;

    while (end > 0 && (out->bytes[end - 1] == '\n' || out->bytes[end - 1] == ' '))
        end--;
    for (begin = end; begin > 0 && out->bytes[begin - 1] != '\n'; begin--)
        ;
    str_add_escaped(to, out->bytes + begin, end - begin < LINE_SHOWN ? end - begin : LINE_SHOWN);
}

/* Reads until the process has ended: 0, ERR_TIMED_OUT, or ERR_CANCELLED when the daemon ends. */
static enum err_code follow(const struct hooks *h, int pidfd, int from, struct output *out)
{
    int64_t deadline_ms = clock_mono_ms() + HOOK_MS;
    struct pollfd fds[] = {
        {.fd = pidfd,      .events = POLLIN},
        {.fd = h->stop_fd, .events = POLLIN},
        {.fd = from,       .events = POLLIN}
    };

    for (;;) {
        int left = clock_left_ms(deadline_ms);
        int n = poll(fds, 3, left);
        if (n < 0 && errno != EINTR)
            return ERR_FAILED;
        if (fds[2].revents && !drain(from, out))
            fds[2].fd = -1;
        if (n > 0 && fds[0].revents) {
            drain(from, out); /* what a child of its own still writes is not waited for */
            return ERR_NONE;
        }
        if (n > 0 && fds[1].revents)
            return ERR_CANCELLED;
        if (clock_left_ms(deadline_ms) == 0)
            return ERR_TIMED_OUT;
    }
}

static int event_fd(const char *text, struct err *e)
{
    int fd = memfd_create("event", MFD_CLOEXEC);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot pass the event to a hook");
    if (fs_write_all(fd, text, strlen(text), "the event", e) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int judge(const char *path, enum err_code how, const siginfo_t *info,
                 const struct output *out, struct err *e)
{
    AUTO_STR struct str line = {0};

    if (how == ERR_TIMED_OUT)
        return err_set(e, ERR_FAILED, "the hook %s took longer than %d s", path, HOOK_MS / 1000);
    if (how != ERR_NONE)
        return err_set(e, ERR_FAILED, "the hook %s was cut off", path);
    if (info->si_code == CLD_EXITED && info->si_status == 0)
        return 0;
    last_line(out, &line);
    if (line.len > 0)
        return err_set(e, ERR_FAILED, "the hook %s refuses: %s", path, line.data);
    return err_set(e, ERR_FAILED, "the hook %s failed (%s %d)", path,
                   info->si_code == CLD_EXITED ? "exit" : "signal", info->si_status);
}

static int run(const struct hooks *h, const char *path, const char *event, struct err *e)
{
    AUTO_CLOSE int in = event_fd(event, e);
    struct output out = {.len = 0};
    siginfo_t info = {0};
    int ends[2], pidfd;
    pid_t pid;

    if (in < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    char *argv[] = {(char *)(uintptr_t)path, NULL};
    const struct proc_fd fds[] = {
        {in,      0},
        {ends[1], 1},
        {ends[1], 2}
    };
    const struct proc_spec spec = {.argv = argv, .fds = fds, .fd_count = 3, .pid_file = -1};
    int result = proc_spawn(&spec, &pid, &pidfd, e);
    close(ends[1]);
    if (result == 0) {
        enum err_code how = follow(h, pidfd, ends[0], &out);
        if (how != ERR_NONE)
            kill(-pid, SIGKILL); /* it leads a session of its own */
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
            ;
        close(pidfd);
        result = judge(path, how, &info, &out, e);
    }
    close(ends[0]);
    return result;
}

/* All of them; `stop_at_failure`: the first that fails ends it. */
static int run_all(const struct hooks *h, const char *event, bool stop_at_failure, struct err *e)
{
    struct dirent **files;
    size_t count = find(h, &files);
    int result = 0;

    if (count > FILES_MAX) {
        forget(files, count);
        return err_set(e, ERR_FAILED, "%s has more than %d hooks", h->dir, FILES_MAX);
    }
    for (size_t i = 0; i < count && (result == 0 || !stop_at_failure); i++) {
        AUTO_FREE char *path = x_asprintf("%s/%s", h->dir, files[i]->d_name);
        int use = usable(h, path, e);
        result = use < 0 ? -1 : use > 0 ? run(h, path, event, e) : 0;
        if (result < 0 && !stop_at_failure)
            log_warn("%s", e->msg);
    }
    forget(files, count);
    return result;
}

static char *event_text(const json_t *event)
{
    AUTO_STR struct str line = {0};

    json_add_line(&line, event);
    str_addc(&line, '\n');
    return str_take(&line);
}

int hooks_before(struct hooks *h, const json_t *event, struct err *e)
{
    AUTO_FREE char *text = event_text(event);

    return run_all(h, text, true, e);
}

/* ---- afterwards ---- */

static struct told *take_first(struct hooks *h)
{
    struct told *told = LIST_ENTRY(h->queue.next, struct told, link);

    list_remove(&told->link);
    h->waiting--;
    return told;
}

static void told_free(struct told *told)
{
    free(told->text);
    free(told);
}

static void *tell_main(void *arg)
{
    struct hooks *h = arg;

    pthread_mutex_lock(&h->mutex);
    while (!h->stopping) {
        if (h->waiting == 0) {
            pthread_cond_wait(&h->wake, &h->mutex);
            continue;
        }
        struct told *told = take_first(h);
        pthread_mutex_unlock(&h->mutex);
        struct err ignored; /* run_all has logged it */
        if (run_all(h, told->text, false, &ignored) < 0)
            log_debug("a hook failed after the event");
        told_free(told);
        pthread_mutex_lock(&h->mutex);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

void hooks_after(struct hooks *h, const json_t *event)
{
    struct told *told = x_calloc(1, sizeof *told);
    bool dropped = false;

    told->text = event_text(event);
    pthread_mutex_lock(&h->mutex);
    if (!h->started && !h->stopping)
        h->started = pthread_create(&h->thread, NULL, tell_main, h) == 0;
    if (!h->started || h->waiting >= QUEUE_MAX) {
        dropped = true;
    } else {
        list_append(&h->queue, &told->link);
        h->waiting++;
        pthread_cond_signal(&h->wake);
    }
    pthread_mutex_unlock(&h->mutex);
    if (dropped) {
        log_warn("hooks are too slow: an event was not told to them");
        told_free(told);
    }
}

void hooks_free(struct hooks *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->mutex);
    h->stopping = true;
    eventfd_write(h->stop_fd, 1);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->mutex);
    if (h->started)
        pthread_join(h->thread, NULL);
    while (h->waiting > 0)
        told_free(take_first(h));
    pthread_mutex_destroy(&h->mutex);
    pthread_cond_destroy(&h->wake);
    close(h->stop_fd);
    free(h->dir);
    free(h);
}
