/* SPDX-License-Identifier: MIT */
/* `xl create` leaves a process behind for each domain, which waits for its end and then does what
 * on_poweroff and the like say. Two that do that would destroy each other's domains, so it is ended
 * first. It has no pid file; what is known of it is that it is xl, that its output is a log,
 * /var/log/xen/xl-NAME.log (later "...log.1" and so on: logs are rotated under it), and that it
 * says there for which domain it waits. The name is that of the domain's beginning: `xl rename`
 * changes it, and `xl migrate` begins with another. */
#include "driver/xen/adopt.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "driver/xen/config.h"
#include "driver/xen/logs.h"

enum { TERM_MS = 5000, KILL_MS = 2000, LINK_MAX = 512, TAIL_MAX = 64 * 1024 };

#define LOG_LEAD "/var/log/xen/xl-"

/* Where /proc/PID/WHAT leads to; "" when that cannot be told. */
static void read_link(const char *pid, const char *what, char text[LINK_MAX])
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%.20s/%s", pid, what);
    ssize_t n = readlink(path, text, LINK_MAX - 1);
    text[n < 0 ? 0 : n] = '\0';
}

/* "/usr/lib/xen-4.17/bin/xl", "/usr/sbin/xl", also when the file has been replaced since. */
static bool is_xl(const char *pid)
{
    char exe[LINK_MAX];

    read_link(pid, "exe", exe);
    char *deleted = strstr(exe, " (deleted)");
    if (deleted)
        *deleted = '\0';
    return str_ends(exe, "/xl");
}

static bool is_log_of(const char *path, const char *name)
{
    AUTO_FREE char *log = x_asprintf(LOG_LEAD "%s.log", name);

    if (!str_starts(path, log))
        return false;
    const char *rest = path + strlen(log);
    return rest[0] == '\0' ||
           (rest[0] == '.' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")]);
}

/* The id in the last "Waiting for domain NAME (domid ID) to die [pid PID]" of that process; -1:
 * there is none. */
static int64_t waits_for(const char *pid)
{
    AUTO_FREE char *path = x_asprintf("/proc/%.20s/fd/1", pid);
    AUTO_FREE char *end = x_asprintf(") to die [pid %.20s]", pid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    AUTO_FREE char *text = x_malloc(TAIL_MAX + 1);
    struct stat st;
    int64_t found = -1;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    ssize_t n = pread(fd, text, TAIL_MAX, st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0);
    text[n < 0 ? 0 : n] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *after = strstr(line, end), *id = after;
        while (id && id > line && isdigit((unsigned char)id[-1]))
            id--;
        if (id && id < after)
            found = strtoll(id, NULL, 10);
    }
    return found;
}

static bool monitors(const char *pid, const char *name, uint32_t domid)
{
    char out[LINK_MAX];

    if (!is_xl(pid))
        return false;
    read_link(pid, "fd/1", out);
    int64_t told = str_starts(out, LOG_LEAD) ? waits_for(pid) : -1;
    return told >= 0 ? told == domid : is_log_of(out, name);
}

/* The pid of the domain's monitor; 0: it has none. */
static pid_t find_monitor(const char *name, uint32_t domid)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while (dir && found == 0 && (entry = readdir(dir))) {
        if (isdigit((unsigned char)entry->d_name[0]) && monitors(entry->d_name, name, domid))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    if (dir)
        closedir(dir);
    return found;
}

static int end_monitor(const char *name, uint32_t domid, struct err *e)
{
    pid_t pid;

    while ((pid = find_monitor(name, domid)) != 0) {
        uint64_t start = proc_start(pid);
        AUTO_CLOSE int pidfd = -1;
        if (proc_open(pid, start, &pidfd, e) < 0) {
            if (e->code == ERR_BUSY)
                return -1;
            continue; /* it ended by itself */
        }
        if (find_monitor(name, domid) != pid)
            continue; /* the number is another process's by now */
        log_info("%s: its xl monitor, process %d, is ended", name, (int)pid);
        if (proc_end(pidfd, TERM_MS, KILL_MS, e) < 0)
            return err_wrap(e, "the xl monitor of %s (process %d) does not end", name, (int)pid);
    }
    return 0;
}

/* libvirt keeps its own record with the domain, and would not give it up. */
static int expect_no_libvirt(struct session *s, uint32_t domid, struct err *e)
{
    AUTO_FREE uint8_t *data = NULL;
    int len = 0;

    session_begin(s);
    int rc = libxl_userdata_retrieve(s->ctx, domid, "libvirt-xml", &data, &len);
    if (session_result(s, rc, "cannot tell whose the domain is", e) < 0)
        return -1;
    if (len > 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "libvirt manages it; it must be defined there no more before reeve can");
    return 0;
}

static int read_config(struct session *s, uint32_t domid, const struct op *op, char **ret,
                       struct err *e)
{
    libxl_domain_config config;

    libxl_domain_config_init(&config);
    int rc = libxl_retrieve_domain_configuration(s->ctx, domid, &config, session_how(s));
    int result =
        session_await(s, rc, op, NULL, "cannot read libxl's record of the domain", NULL, e);
    if (result == 0)
        result = xen_config_whole_text(&config, ret, e);
    libxl_domain_config_dispose(&config);
    return result;
}

int adopt_domain(struct driver_handle *h, const struct domain_ref *ref, const struct op *op,
                 char **ret_config, struct err *e)
{
    AUTO_SESSION struct session s = SESSION_NONE;
    AUTO_DOMINFO libxl_dominfo info = {0};
    AUTO_FREE char *text = NULL;

    (void)h;
    if (host_enter(&s, ref, &info, e) < 0)
        return -1;
    if (info.shutdown)
        return err_set(e, ERR_WRONG_STATE, "it has ended, or is being saved");
    if (expect_no_libvirt(&s, info.domid, e) < 0 || read_config(&s, info.domid, op, &text, e) < 0 ||
        end_monitor(ref->name, info.domid, e) < 0)
        return -1;
    logs_mark(&s, info.domid, ref->name);
    *ret_config = TAKE(text);
    return 0;
}
