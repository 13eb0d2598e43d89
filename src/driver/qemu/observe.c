/* SPDX-License-Identifier: MIT */
#include "driver/qemu/observe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/host.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/qmp.h"
#include "driver/qemu/resets.h"
#include "driver/qemu/stats.h"

/* One domain that is watched. It is what list found in the folder; when the folder is another (the
 * domain was ended and made again) the entry is thrown away and made anew. */
struct watched {
    struct list link; /* observer.domains */
    struct meta meta;
    ino_t inode; /* of meta.json, by which another one is told */
    struct timespec mtime;
    int dirfd;  /* owned, as are the next two; -1 when there is none */
    int pidfd;  /* -1: it is dead */
    int events; /* the connection to events.sock; -1: not connected */
    struct qmp_lines lines;
    struct resets resets;
    bool seen;     /* in this round of list */
    bool asked;    /* query-status is on its way */
    bool leaving;  /* it has said that its process ends: it is asked nothing more */
    bool answered; /* status is of this round */
    char status[QMP_STATUS_MAX];
    unsigned owed;             /* answers to the questions of stats_all that are on their way */
    bool counts;               /* it takes part in this round of stats_all */
    bool counted;              /* stats has the answers of this round */
    struct domain_stats stats; /* owned: its lists */
};

struct observer {
    struct list domains; /* watched.link */
    int epoll;           /* owned */
    int inotify;         /* owned; of the folder of folders: domains that come and go */
    bool changed;        /* an event came while list was reading answers */
};

/* The ids of what is asked. */
enum { ASK_HELLO = 1, ASK_STATUS, ASK_BALLOON, ASK_BLOCKS, ASK_DEVICES };

/* The events that mean "look again" (qapi/run-state.json and others in QEMU's source). */
static const char *const telling[] = {
    "STOP",           "RESUME",         "SHUTDOWN", "RESET",          "POWERDOWN",
    "SUSPEND",        "SUSPEND_DISK",   "WAKEUP",   "GUEST_PANICKED", "GUEST_CRASHLOADED",
    "BLOCK_IO_ERROR", "BALLOON_CHANGE", "WATCHDOG", "MIGRATION",
};

static int add_to_epoll(struct observer *observer, int fd, struct watched *w)
{
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = w};

    return epoll_ctl(observer->epoll, EPOLL_CTL_ADD, fd, &want);
}

/* Closing alone would leave it in the epoll set while a child that is being started still has its
 * copy, and with it a pointer to what may be freed. */
static void close_watched(struct observer *observer, int *fd)
{
    if (*fd < 0)
        return;
    epoll_ctl(observer->epoll, EPOLL_CTL_DEL, *fd, NULL);
    close(*fd);
    *fd = -1;
}

static void forget_stats(struct watched *w)
{
    free(w->stats.disks);
    free(w->stats.nics);
    w->stats = (struct domain_stats){0};
    w->counted = false;
}

static void disconnect(struct observer *observer, struct watched *w)
{
    close_watched(observer, &w->events);
    qmp_lines_finish(&w->lines);
    forget_stats(w);
    w->asked = false;
    w->owed = 0;
}

static void watched_free(struct observer *observer, struct watched *w)
{
    list_remove(&w->link);
    disconnect(observer, w);
    close_watched(observer, &w->pidfd);
    if (w->dirfd >= 0)
        close(w->dirfd);
    free(w);
}

/* A domain comes with a touch of the folder (start.c), once its own is whole, and goes with the
 * removal of its own. */
int observer_new(const char *dir, struct observer **ret, struct err *e)
{
    struct observer *observer = x_calloc(1, sizeof *observer);

    list_init(&observer->domains);
    observer->epoll = epoll_create1(EPOLL_CLOEXEC);
    observer->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (observer->epoll < 0 || observer->inotify < 0 ||
        inotify_add_watch(observer->inotify, dir, IN_ATTRIB | IN_DELETE | IN_MOVED_FROM) < 0 ||
        add_to_epoll(observer, observer->inotify, NULL) < 0) {
        err_errno(e, ERR_FAILED, errno, "cannot watch the folder %s", dir);
        observer_free(observer);
        return -1;
    }
    *ret = observer;
    return 0;
}

void observer_free(struct observer *observer)
{
    if (!observer)
        return;
    LIST_EACH (&observer->domains, w, struct watched, link)
        watched_free(observer, w);
    if (observer->inotify >= 0)
        close(observer->inotify);
    if (observer->epoll >= 0)
        close(observer->epoll);
    free(observer);
}

/* ---- the set of domains ---- */

static struct watched *find(struct observer *observer, const char *uuid)
{
    LIST_EACH (&observer->domains, w, struct watched, link)
        if (str_eq(w->meta.ref.uuid, uuid))
            return w;
    return NULL;
}

static bool same_meta(const struct watched *w, const struct stat *st)
{
    return w->inode == st->st_ino && w->mtime.tv_sec == st->st_mtim.tv_sec &&
           w->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* A folder without a meta.json that is one is left to `destroy`; it has no domain that anybody
 * knows.
 */
static int add_domain(struct driver_handle *h, const char *uuid, int dirfd, const struct stat *st,
                      struct err *e)
{
    struct observer *observer = h->observer;
    struct watched *w = x_calloc(1, sizeof *w);

    list_init(&w->link);
    w->dirfd = dirfd;
    w->pidfd = w->events = -1;
    w->inode = st->st_ino;
    w->mtime = st->st_mtim;
    errno = 0;
    if (meta_read(dirfd, &w->meta, e) < 0) {
        bool shortage = proc_is_shortage(errno);
        watched_free(observer, w);
        return shortage ? -1 : 0;
    }
    aside_rehome(dirfd, h->dir, uuid, &w->meta);
    if (proc_open(w->meta.pid, w->meta.start, &w->pidfd, e) == 0) {
        add_to_epoll(observer, w->pidfd, w);
    } else if (e->code == ERR_BUSY) {
        watched_free(observer, w);
        return -1;
    }
    w->seen = true;
    list_append(&observer->domains, &w->link);
    return 0;
}

/* -1 when nobody can tell what there is: what cannot be seen must not be taken for gone. */
static int visit(struct driver_handle *h, const char *uuid, struct err *e)
{
    struct observer *observer = h->observer;
    struct watched *w = find(observer, uuid);
    AUTO_FREE char *path = x_asprintf("%s/%s", uuid, FOLDER_META);
    struct stat st;
    int dirfd;

    if (fstatat(h->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return proc_is_shortage(errno)
                   ? err_errno(e, ERR_FAILED, errno, "cannot look at %s/%s", h->dir, path)
                   : 0;
    if (w && same_meta(w, &st)) {
        w->seen = true;
        return 0;
    }
    if (w)
        watched_free(observer, w);
    errno = 0;
    if (folder_open(h->dirfd, uuid, &dirfd, e) < 0)
        return proc_is_shortage(errno) ? -1 : 0;
    return add_domain(h, uuid, dirfd, &st, e);
}

static int scan(struct driver_handle *h, struct err *e)
{
    int fd = openat(h->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return err_errno(e, ERR_FAILED, errno, "cannot read the folder %s", h->dir);
    }
    LIST_EACH (&h->observer->domains, w, struct watched, link)
        w->seen = w->answered = false;
    int result = 0;
    while (result == 0 && (entry = readdir(dir)))
        if (ident_uuid_valid(entry->d_name))
            result = visit(h, entry->d_name, e);
    closedir(dir);
    if (result < 0)
        return -1;
    LIST_EACH (&h->observer->domains, w, struct watched, link)
        if (!w->seen)
            watched_free(h->observer, w);
    return 0;
}

/* ---- the conversation ---- */

static void died(struct observer *observer, struct watched *w)
{
    if (w->pidfd < 0)
        return;
    proc_reap(w->pidfd);
    close_watched(observer, &w->pidfd);
    disconnect(observer, w);
}

/* QEMU takes commands before it has said its greeting, so one write does for all. */
static bool ask(struct observer *observer, struct watched *w, const char *questions)
{
    static const char enter[] = "{\"execute\":\"qmp_capabilities\",\"id\":1}\n";
    AUTO_STR struct str text = {0};
    struct err e;
    bool hello = w->events < 0;

    if (hello && (folder_connect(w->dirfd, FOLDER_EVENTS, &w->events, &e) < 0 ||
                  add_to_epoll(observer, w->events, w) < 0)) {
        disconnect(observer, w);
        return false;
    }
    /* After the connection: what comes from here on comes there too. */
    if (hello)
        resets_catch_up(&w->resets, w->dirfd, w->meta.pid);
    str_addf(&text, "%s%s", hello ? enter : "", questions);
    /* A question is asked again only once it is answered, so they fit; else the connection is of no
     * use. */
    if (send(w->events, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)text.len)
        return true;
    disconnect(observer, w);
    return false;
}

static void question(struct observer *observer, struct watched *w)
{
    if (w->pidfd < 0 || w->asked || w->leaving)
        return;
    w->asked = ask(observer, w, "{\"execute\":\"query-status\",\"id\":2}\n");
}

/* A signal or `quit` ends the process; what the guest does only stops it (argv.c: -action). */
static bool says_farewell(const json_t *message)
{
    const json_t *data = json_object_get(message, "data");
    const char *reason = json_get_string(data, "reason", "");

    return str_eq(json_get_string(message, "event", NULL), "SHUTDOWN") &&
           (str_eq(reason, "host-signal") || str_eq(reason, "host-qmp-quit"));
}

/* answer: NULL for a refusal. */
static void take_answer(struct watched *w, int64_t id, const json_t *answer)
{
    const char *status = json_get_string(answer, "status", NULL);

    if (id == ASK_STATUS) {
        w->asked = false;
        w->answered = status && str_copy(w->status, sizeof w->status, status);
    }
    if (id < ASK_BALLOON || id > ASK_DEVICES || w->owed == 0)
        return;
    if (id == ASK_BALLOON)
        w->stats.balloon_kib = (uint64_t)json_get_int(answer, "actual", 0) / 1024;
    else if (id == ASK_BLOCKS && !w->stats.disks)
        stats_take_disks(answer, &w->stats);
    else if (id == ASK_DEVICES && !w->stats.nics)
        stats_take_nics(answer, &w->stats);
    w->counted = --w->owed == 0;
}

/* Returns whether it tells of a change. */
static bool take(struct watched *w, const json_t *message)
{
    const char *event = json_get_string(message, "event", NULL);

    if (event) {
        /* A command that reaches QEMU 7.2 in its last moments can hang its exit for good
         * (monitor_cleanup waits for an answer that nobody makes any more). */
        if (says_farewell(message))
            w->leaving = true;
        resets_event(&w->resets, w->dirfd, w->meta.pid, message);
        for (size_t i = 0; i < ARRAY_LEN(telling); i++)
            if (str_eq(telling[i], event))
                return true;
        return false;
    }
    take_answer(w, json_get_int(message, "id", 0), json_object_get(message, "return"));
    return false;
}

/* Reads what is there. Returns whether an event told of a change. One that sends what is no QMP is
 * cut off; the next round of list connects anew. */
static bool pump(struct observer *observer, struct watched *w)
{
    bool changed = false;
    struct err e;
    int got = qmp_lines_read(&w->lines, w->events, &e);

    while (got > 0) {
        AUTO_JSON json_t *message = NULL;
        got = qmp_lines_next(&w->lines, &message, &e);
        if (got > 0)
            changed = take(w, message) || changed;
    }
    if (got < 0)
        disconnect(observer, w);
    return changed;
}

/* ---- list ---- */

static bool owes_status(const struct watched *w)
{
    return w->pidfd >= 0 && w->events >= 0 && w->asked && !w->answered;
}

/* Reads from all who owe an answer until they have given it or the time is over. */
static void collect(struct observer *observer, const struct op *op,
                    bool (*owes)(const struct watched *))
{
    size_t count = 0, waiting;

    LIST_EACH (&observer->domains, w, struct watched, link)
        count++;
    AUTO_FREE struct pollfd *fds = x_calloc(count + 1, sizeof *fds);
    AUTO_FREE struct watched **who = x_calloc(count + 1, sizeof *who);
    for (;;) {
        waiting = 0;
        LIST_EACH (&observer->domains, w, struct watched, link) {
            if (!owes(w))
                continue;
            fds[waiting] = (struct pollfd){.fd = w->events, .events = POLLIN};
            who[waiting++] = w;
        }
        int left = clock_left_ms(op->deadline_ms);
        if (waiting == 0 || left == 0)
            return;
        int n = poll(fds, waiting, left);
        if (n < 0 && errno != EINTR)
            return;
        for (size_t i = 0; n > 0 && i < waiting; i++)
            if (fds[i].revents && pump(observer, who[i]))
                observer->changed = true;
    }
}

static void observe(struct observer *observer, struct watched *w, struct observation *ret)
{
    struct pollfd end = {.fd = w->pidfd, .events = POLLIN};

    if (w->pidfd >= 0 && poll(&end, 1, 0) > 0)
        died(observer, w);
    observation_init(ret, &w->meta);
    if (w->pidfd < 0)
        observation_set_dead(ret);
    else if (w->answered)
        observation_set_status(ret, w->dirfd, w->status);
}

int observe_list(struct driver_handle *h, const struct op *op, struct observation **ret,
                 size_t *ret_count, struct err *e)
{
    struct observer *observer = h->observer;
    size_t count = 0;

    if (scan(h, e) < 0)
        return -1;
    LIST_EACH (&observer->domains, w, struct watched, link) {
        question(observer, w);
        count++;
    }
    collect(observer, op, owes_status);
    struct observation *all = x_calloc(count + 1, sizeof *all);
    size_t i = 0;
    LIST_EACH (&observer->domains, w, struct watched, link)
        observe(observer, w, &all[i++]);
    *ret = all;
    *ret_count = count;
    return 0;
}

/* ---- stats_all ---- */

static bool owes_stats(const struct watched *w)
{
    return w->counts && w->pidfd >= 0 && w->events >= 0 && !w->counted;
}

/* What was asked in an earlier round, and not answered by its end, is not asked again. */
static void count(struct observer *observer, struct watched *w, const char *uuid)
{
    static const char questions[] =
        "{\"execute\":\"query-balloon\",\"id\":3}\n"
        "{\"execute\":\"query-blockstats\",\"id\":4}\n"
        "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral\"},\"id\":5}\n";

    w->counts = w->pidfd >= 0 && !w->leaving && (!uuid || str_eq(uuid, w->meta.ref.uuid));
    if (!w->counts || w->owed > 0)
        return;
    forget_stats(w);
    if (ask(observer, w, questions))
        w->owed = 3;
    else
        w->counts = false;
}

int observe_stats(struct driver_handle *h, const char *uuid, const struct op *op,
                  struct domain_counters **ret, size_t *ret_count, struct err *e)
{
    struct observer *observer = h->observer;
    struct stats_taps taps;
    size_t room = 1, n = 0;

    if (scan(h, e) < 0)
        return -1;
    LIST_EACH (&observer->domains, w, struct watched, link) {
        count(observer, w, uuid);
        room++;
    }
    collect(observer, op, owes_stats);
    stats_taps_read(&taps);
    struct domain_counters *all = x_calloc(room, sizeof *all);
    LIST_EACH (&observer->domains, w, struct watched, link) {
        if (!w->counts || !w->counted)
            continue;
        struct domain_counters *one = &all[n++];
        str_copy(one->uuid, sizeof one->uuid, w->meta.ref.uuid);
        one->stats = w->stats;
        w->stats = (struct domain_stats){0};
        w->counted = false;
        stats_count_nics(&taps, &one->stats);
        stats_count_process(w->meta.pid, &one->stats);
    }
    stats_taps_finish(&taps);
    *ret = all;
    *ret_count = n;
    return 0;
}

/* ---- watch ---- */

static bool drain_inotify(const struct observer *observer)
{
    char buf[4096];
    bool any = false;

    while (read(observer->inotify, buf, sizeof buf) > 0)
        any = true;
    return any;
}

/* Which of a domain's two descriptors it was is asked of them: reading one that has nothing costs
 * nothing. */
static bool handle(struct observer *observer, struct watched *w)
{
    struct pollfd end = {.fd = w->pidfd, .events = POLLIN};
    bool owed = w->asked;
    bool changed = false;

    /* An answer that comes only now is of a QEMU that was hung: its state is known again. */
    if (w->events >= 0)
        changed = pump(observer, w) || (owed && !w->asked);
    if (w->pidfd >= 0 && poll(&end, 1, 0) > 0) {
        died(observer, w);
        changed = true;
    }
    return changed || w->events < 0;
}

static int drain_events(struct observer *observer, bool *ret_changed, struct err *e)
{
    struct epoll_event ready[64];
    int n = epoll_wait(observer->epoll, ready, ARRAY_LEN(ready), 0);

    if (n < 0 && errno != EINTR)
        return err_errno(e, ERR_FAILED, errno, "cannot wait for QEMU");
    for (int i = 0; i < n; i++) {
        struct watched *w = ready[i].data.ptr;
        *ret_changed = (w ? handle(observer, w) : drain_inotify(observer)) || *ret_changed;
    }
    return 0;
}

int observe_watch(struct driver_handle *h, int wake_fd, struct err *e)
{
    struct observer *observer = h->observer;
    struct pollfd fds[] = {
        {.fd = observer->epoll, .events = POLLIN},
        {.fd = wake_fd,         .events = POLLIN}
    };
    bool changed = observer->changed;

    observer->changed = false;
    while (!changed) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(e, ERR_FAILED, errno, "cannot wait for QEMU");
        }
        if (fds[1].revents)
            return 0;
        if (drain_events(observer, &changed, e) < 0)
            return -1;
    }
    return 1;
}
