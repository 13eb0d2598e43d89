/* SPDX-License-Identifier: MIT */
#include "driver/qemu/observation.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/qemu/aside.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/resets.h"

/* The journal's end that is looked at, and the size past which a running guest's is emptied. It
 * grows by at most an event a second (RTC_CHANGE) while nobody looks. */
enum { JOURNAL_TAIL = 16384, JOURNAL_MAX = 65536 };

/* RunState of qapi/run-state.json in QEMU's source. What is not here belongs to a job. */
static const struct {
    const char *status;
    enum observed state;
    enum reason reason;
} statuses[] = {
    {"running",        OBS_RUNNING,  REASON_NONE          },
    {"suspended",      OBS_RUNNING,  REASON_NONE          }, /* the guest's own sleep */
    {"paused",         OBS_PAUSED,   REASON_PAUSED_BY_USER},
    {"prelaunch",      OBS_PAUSED,   REASON_CREATED_PAUSED}, /* meta.json is there: it is built */
    {"io-error",       OBS_PAUSED,   REASON_IO_ERROR      },
    {"debug",          OBS_PAUSED,   REASON_PAUSED_BY_USER},
    {"shutdown",       OBS_SHUTDOWN, REASON_GUEST_POWEROFF},
    {"guest-panicked", OBS_CRASHED,  REASON_GUEST_CRASH   },
    {"internal-error", OBS_CRASHED,  REASON_GUEST_CRASH   },
    {"watchdog",       OBS_CRASHED,  REASON_WATCHDOG      },
    {"finish-migrate", OBS_BUSY,     REASON_BEING_SAVED   },
    {"postmigrate",    OBS_BUSY,     REASON_BEING_SAVED   },
    {"save-vm",        OBS_BUSY,     REASON_BEING_SAVED   },
};

void observation_init(struct observation *ret, const struct meta *meta)
{
    *ret = (struct observation){.ref = meta->ref,
                                .state = OBS_UNKNOWN,
                                .memory_kib = meta->memory_kib,
                                .max_memory_kib = meta->max_memory_kib,
                                .vcpus = meta->vcpus,
                                .max_vcpus = meta->max_vcpus,
                                .cpu_ns = proc_cpu_ns(meta->pid)};
    ret->reboots = meta->reboots;
    str_copy(ret->vnc, sizeof ret->vnc, meta->vnc);
}

/* The next whole line of a journal, a new reference, and *at behind it; false at its end. *ret is
 * NULL for what is no object: the first line may be the end of one that is cut. */
static bool next_event(const char **at, const char *end, json_t **ret)
{
    const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    struct err e;

    if (!stop)
        return false;
    *ret = json_parse_object(line, (size_t)(stop - line), &e);
    *at = stop + 1;
    return true;
}

enum reason observation_journal_reason(const char *text, size_t len)
{
    enum reason reason = REASON_GUEST_POWEROFF;
    const char *at = text;

    for (json_t *got; next_event(&at, text + len, &got);) {
        AUTO_JSON json_t *event = got;
        if (!str_eq(json_get_string(event, "event", NULL), "SHUTDOWN"))
            continue;
        const char *why = json_get_string(json_object_get(event, "data"), "reason", "");
        reason = str_eq(why, "guest-reset") ? REASON_GUEST_REBOOT : REASON_GUEST_POWEROFF;
    }
    return reason;
}

const char *observation_journal_last(const char *text, size_t len)
{
    static const struct {
        const char *event, *status;
    } events[] = {
        {"SHUTDOWN",       "shutdown"      },
        {"GUEST_PANICKED", "guest-panicked"},
        {"WATCHDOG",       "watchdog"      },
        {"RESET",          NULL            },
        {"RESUME",         NULL            },
    };
    const char *status = NULL, *at = text;

    for (json_t *got; next_event(&at, text + len, &got);) {
        AUTO_JSON json_t *event = got;
        for (size_t i = 0; i < ARRAY_LEN(events); i++)
            if (str_eq(json_get_string(event, "event", NULL), events[i].event))
                status = events[i].status;
    }
    return status;
}

/* Its end; 0 bytes when there is none. */
static size_t read_journal(int dirfd, char text[JOURNAL_TAIL])
{
    AUTO_CLOSE int fd = openat(dirfd, FOLDER_JOURNAL_LOG, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return 0;
    off_t from = st.st_size > JOURNAL_TAIL ? st.st_size - JOURNAL_TAIL : 0;
    ssize_t n = pread(fd, text, JOURNAL_TAIL, from);
    return n < 0 ? 0 : (size_t)n;
}

/* Power-off and reboot leave the same status; only the event told them apart. */
static enum reason end_reason(int dirfd)
{
    char text[JOURNAL_TAIL];

    return observation_journal_reason(text, read_journal(dirfd, text));
}

const char *observation_journal_end(int dirfd)
{
    char text[JOURNAL_TAIL];

    return observation_journal_last(text, read_journal(dirfd, text));
}

static void trim_journal(int dirfd)
{
    struct stat st;

    if (fstatat(dirfd, FOLDER_JOURNAL_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        st.st_size <= JOURNAL_MAX)
        return;
    /* QEMU appends: what it writes next begins the file anew. */
    int fd = openat(dirfd, FOLDER_JOURNAL_LOG, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
}

void observation_set_status(struct observation *o, int dirfd, const char *of_qemu)
{
    char status[QMP_STATUS_MAX];

    str_copy(status, sizeof status, of_qemu);
    aside_status(dirfd, status);
    o->state = OBS_BUSY;
    o->reason = REASON_NONE;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (!str_eq(statuses[i].status, status))
            continue;
        o->state = statuses[i].state;
        o->reason = statuses[i].reason;
    }
    struct resets resets;
    resets_read(dirfd, &resets);
    o->own_reboots = resets.reboots;
    o->reboots = o->reboots || folder_marked(dirfd, FOLDER_RESETTING);
    if (o->state == OBS_SHUTDOWN)
        o->reason = end_reason(dirfd);
    if (o->state == OBS_RUNNING)
        trim_journal(dirfd);
    if (str_eq(status, "postmigrate") && folder_marked(dirfd, FOLDER_HELD)) {
        o->state = OBS_PAUSED;
        o->reason = REASON_PAUSED_BY_USER;
    }
}

void observation_set_dead(struct observation *o)
{
    o->state = OBS_DEAD;
    o->reason = REASON_BACKEND_DIED;
}
