/* SPDX-License-Identifier: MIT */
#include "driver/qemu/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/accel.h"
#include "driver/qemu/argv.h"
#include "driver/qemu/end.h"
#include "driver/qemu/files.h"
#include "driver/qemu/firmware.h"
#include "driver/qemu/folder.h"
#include "driver/qemu/host.h"
#include "driver/qemu/launch.h"
#include "driver/qemu/meta.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/platform.h"
#include "driver/qemu/qmp.h"
#include "driver/qemu/ram.h"

enum { START_MS = 30 * 1000, LAST_WORDS_MS = 2000 };

/* A start under way. */
struct start {
    struct driver_handle *h;
    const struct create_args *args;
    struct launch launch;
    struct accel accel;
    struct platform platform;
    struct files files;
    int dirfd;
    pid_t pid;
    int pidfd;
    int stderr_fd; /* the read end of QEMU's stderr */
    int vnc;       /* the listening socket, until QEMU has it */
    int ram;       /* the memory of a saved guest, where it is no file */
    struct ram_fill fill;
    struct qmp qmp;
};

static struct start start_of(struct driver_handle *h, const struct create_args *args)
{
    return (struct start){.h = h,
                          .args = args,
                          .dirfd = -1,
                          .pidfd = -1,
                          .stderr_fd = -1,
                          .vnc = -1,
                          .ram = -1,
                          .fill = RAM_FILL_NONE,
                          .qmp = {.fd = -1}};
}

static void start_finish(struct start *s)
{
    const int fds[] = {s->dirfd, s->pidfd, s->stderr_fd, s->vnc, s->ram};

    ram_fill_finish(&s->fill);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    qmp_close(&s->qmp);
    files_finish(&s->files);
    launch_finish(&s->launch);
}

/* ---- machine and accelerator ---- */

/* A new guest: the host's best. What a balloon takes from a file goes back to its filesystem, and
 * a full disk would then kill the guest when it touches that again. */
static int choose_platform(struct start *s, struct err *e)
{
    const struct conf *conf = s->args->conf;
    struct platform *p = &s->platform;

    if (conf->memory == CONF_MEMORY_FILE && conf->memory_kib < conf->max_memory_kib)
        return err_set_key(e, ERR_UNSUPPORTED, "reeve_memory",
                           "a guest whose memory is a file has all of it: memory must be maxmem");
    if (accel_choose(s->h, s->args->conf->accel, &s->accel, e) < 0 ||
        binary_machine(&s->h->binary, s->launch.machine->name, p->machine, sizeof p->machine, e) <
            0)
        return -1;
    str_copy(p->qemu, sizeof p->qemu, s->h->binary.version);
    str_copy(p->accel, sizeof p->accel, s->accel.name);
    str_copy(p->cpu, sizeof p->cpu, s->accel.cpu);
    unsigned most = conf->max_vcpus;
    if (s->launch.machine->places > 0)
        p->queues = most < META_QUEUES_MAX ? most : META_QUEUES_MAX;
    return 0;
}

/* A saved guest: what it was saved on, or nothing. */
static int take_platform(struct start *s, struct err *e)
{
    struct platform *p = &s->platform;
    const struct machine *machine = s->launch.machine;

    if (platform_parse(s->args->platform, p, e) < 0)
        return -1;
    if (machine_of_versioned(p->machine) != machine)
        return err_set(e, ERR_BAD_CONFIG, "it was saved on the machine %s and cannot go on as a %s",
                       p->machine, machine->name);
    if (!machine->versioned && !str_eq(p->qemu, s->h->binary.version))
        return err_set(e, ERR_UNSUPPORTED,
                       "it was saved by QEMU %s, and a %s goes on only on the "
                       "same version; here is %s",
                       p->qemu, machine->name, s->h->binary.version);
    char known[META_MACHINE_MAX];
    if (binary_machine(&s->h->binary, p->machine, known, sizeof known, e) < 0)
        return err_wrap(e, "it cannot go on here");
    enum conf_accel wanted = str_eq(p->accel, "kvm") ? CONF_ACCEL_KVM : CONF_ACCEL_TCG;
    if (accel_choose(s->h, wanted, &s->accel, e) < 0)
        return err_wrap(e, "it was saved under %s", p->accel);
    str_copy(p->qemu, sizeof p->qemu, s->h->binary.version);
    return 0;
}

static int decide(struct start *s, bool incoming, struct err *e)
{
    if (launch_init(&s->launch, s->args, e) < 0)
        return -1;
    s->launch.incoming = incoming;
    if ((s->args->platform ? take_platform(s, e) : choose_platform(s, e)) < 0)
        return -1;
    s->launch.places = s->platform.places;
    s->launch.queues = s->platform.queues;
    if (launch_place(&s->launch, e) < 0)
        return -1;
    s->launch.machine_name = s->platform.machine;
    s->launch.accel = s->platform.accel;
    s->launch.cpu = s->platform.cpu;
    return 0;
}

/* ---- the memory, where it is not QEMU's own matter ---- */

static bool is_to_be_filled(const struct start *s)
{
    return s->args->memory && s->args->memory->apart && s->args->memory->fill;
}

/* Memory that is to be filled is there before QEMU is. */
static int make_memory(struct start *s, struct err *e)
{
    if (s->args->memory)
        s->launch.ram_file = s->args->memory->file_fd;
    if (s->launch.ram_file >= 0 || !is_to_be_filled(s))
        return 0;
    if (ram_make(ram_bytes(s->args->conf->max_memory_kib), &s->ram, e) < 0)
        return -1;
    s->launch.ram_file = s->ram;
    return 0;
}

static int begin_filling(struct start *s, const struct op *op, struct err *e)
{
    if (!is_to_be_filled(s))
        return 0;
    return ram_fill_begin(&s->fill, s->args->memory, s->launch.ram_file,
                          ram_bytes(s->args->conf->max_memory_kib), op, e);
}

/* ---- the folder and what QEMU gets from it ---- */

static int make_folder(struct start *s, struct err *e)
{
    const char *uuid = s->args->ref.uuid;

    if (mkdirat(s->h->dirfd, uuid, 0700) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make the folder %s/%s", s->h->dir, uuid);
    return 0;
}

static int listen_for(struct start *s, const char *name, int *ret_number, struct err *e)
{
    int fd;

    if (folder_listen(s->dirfd, name, &fd, e) < 0)
        return -1;
    *ret_number = files_add(&s->files, fd);
    return 0;
}

static int open_journal(struct start *s, struct err *e)
{
    int fd = openat(s->dirfd, FOLDER_JOURNAL_LOG,
                    O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_JOURNAL_LOG);
    s->launch.journal_log = files_add(&s->files, fd);
    return listen_for(s, FOLDER_JOURNAL, &s->launch.journal, e);
}

static int make_sockets(struct start *s, struct err *e)
{
    struct launch *l = &s->launch;

    if (listen_for(s, FOLDER_CONTROL, &l->control, e) < 0 ||
        listen_for(s, FOLDER_EVENTS, &l->events, e) < 0)
        return -1;
    if (open_journal(s, e) < 0)
        return -1;
    for (size_t i = 0; i < l->serial_count; i++)
        if (l->serials[i].kind == SERIAL_CONSOLE &&
            (listen_for(s, FOLDER_CONSOLE, &l->serials[i].fd, e) < 0 ||
             (l->incoming &&
              folder_connect(s->dirfd, FOLDER_CONSOLE, &l->serials[i].reader, e) < 0)))
            return -1;
    return s->args->conf->vnc == CONF_FLAG_ON ? folder_listen(s->dirfd, FOLDER_VNC, &s->vnc, e) : 0;
}

/* ---- the process ---- */

/* stderr is a pipe that nobody empties later: it does not block (QEMU drops what does not go in,
 * and goes on when we are gone), so it is bounded and needs no reader. */
static int make_stderr(struct start *s, int *ret_write_end, struct err *e)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make a pipe");
    s->stderr_fd = ends[0];
    *ret_write_end = ends[1];
    return 0;
}

static int spawn(struct start *s, struct err *e)
{
    AUTO_CLOSE int pid_file =
        openat(s->dirfd, FOLDER_PID, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    AUTO_CLOSE int write_end = -1;

    if (pid_file < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot write %s", FOLDER_PID);
    if (make_stderr(s, &write_end, e) < 0)
        return -1;
    AUTO_FREE struct proc_fd *fds = x_calloc(s->files.count + 1, sizeof *fds);
    memcpy(fds, s->files.fds, s->files.count * sizeof *fds);
    fds[s->files.count] = (struct proc_fd){write_end, 2};
    char **argv = argv_build(s->h->binary.path, &s->launch);
    const struct proc_spec spec = {.argv = argv,
                                   .fds = fds,
                                   .fd_count = s->files.count + 1,
                                   .drop_rights = s->h->drop_rights,
                                   .uid = s->h->uid,
                                   .gid = s->h->gid,
                                   .groups = s->accel.groups,
                                   .group_count = s->accel.group_count,
                                   .pid_file = pid_file};
    int result = proc_spawn(&spec, &s->pid, &s->pidfd, e);
    argv_free(argv);
    /* Ours are closed now, so that QEMU's end is the end of its sockets. */
    files_finish(&s->files);
    return result;
}

/* The path behind a descriptor number that QEMU names in its message. */
static const char *path_of_number(const struct launch *l, int number)
{
    const struct conf *conf = l->args->conf;

    if (number == l->kernel)
        return conf->kernel;
    if (number == l->ramdisk)
        return conf->ramdisk;
    if (number == l->firmware)
        return l->firmware_path;
    for (size_t i = 0; i < l->disk_count; i++)
        if (l->disks[i].fd == number)
            return l->disks[i].conf->target;
    return NULL;
}

/* "/dev/fdset/7" and "/proc/self/fd/7" as what they are. */
static void add_with_paths(struct str *to, const struct launch *l, const char *line)
{
    static const char *const leads[] = {"/dev/fdset/", "/proc/self/fd/"};

    while (*line) {
        const char *path = NULL;
        char *end = NULL;
        for (size_t i = 0; i < ARRAY_LEN(leads) && !path; i++)
            if (str_starts(line, leads[i]))
                path = path_of_number(l, (int)strtol(line + strlen(leads[i]), &end, 10));
        if (path) {
            str_add_escaped(to, path, strlen(path));
            line = end;
        } else {
            str_add_escaped(to, line++, 1);
        }
    }
}

/* The last line that QEMU wrote to stderr, or "" ; owned by the caller. Waits for its end first,
 * for a moment, since it writes before it ends. */
static char *last_words(struct start *s)
{
    struct pollfd end = {.fd = s->pidfd, .events = POLLIN};
    AUTO_STR struct str all = {0}, line = {0};
    char buf[4096];
    ssize_t n;

    poll(&end, 1, LAST_WORDS_MS);
    while ((n = read(s->stderr_fd, buf, sizeof buf)) > 0)
        str_addn(&all, buf, (size_t)n);
    while (all.len > 0 && strchr("\r\n ", all.data[all.len - 1]))
        all.data[--all.len] = '\0';
    if (all.len == 0)
        return x_strdup("");
    const char *last = strrchr(all.data, '\n');
    last = last ? last + 1 : all.data;
    const char *name = strrchr(s->h->binary.path, '/') + 1;
    if (str_starts(last, name) && str_starts(last + strlen(name), ": "))
        last += strlen(name) + 2;
    add_with_paths(&line, &s->launch, last);
    return str_take(&line);
}

/* When the process has ended, its own words say more than a closed socket does. */
static int explain(struct start *s, const char *what, struct err *e)
{
    if (e->code != ERR_FAILED)
        return err_wrap(e, "%s", what);
    AUTO_FREE char *words = last_words(s);
    return words[0] ? err_set(e, ERR_FAILED, "%s: %s", what, words) : err_wrap(e, "%s", what);
}

/* ---- the conversation ---- */

/* Opened once and left: from then on its events go to the journal's file (recipe: a monitor keeps
 * sending to its log with no client there). */
static int wake_journal(struct start *s, const struct op *op, struct err *e)
{
    struct qmp journal;
    int fd;

    if (folder_connect(s->dirfd, FOLDER_JOURNAL, &fd, e) < 0 || qmp_open(&journal, fd, op, e) < 0)
        return -1;
    qmp_close(&journal);
    return 0;
}

static int give_vnc(struct start *s, const struct op *op, struct err *e)
{
    if (s->vnc < 0)
        return 0;
    if (qmp_give_fd(&s->qmp, "vnc", s->vnc, op, e) < 0)
        return -1;
    return qmp_run(
        &s->qmp, "display-update",
        json_pack("{s:s, s:[{s:s, s:s}]}", "type", "vnc", "addresses", "type", "fd", "str", "vnc"),
        op, NULL, e);
}

static int set_balloon(struct start *s, const struct op *op, struct err *e)
{
    const struct conf *conf = s->args->conf;

    if (conf->max_memory_kib <= conf->memory_kib)
        return 0;
    return qmp_run(&s->qmp, "balloon",
                   json_pack("{s:I}", "value", (json_int_t)(conf->memory_kib * 1024)), op, NULL, e);
}

static int converse(struct start *s, const struct op *op, struct err *e)
{
    struct op step = op_narrow(op, START_MS);
    int fd;

    if (folder_connect(s->dirfd, FOLDER_CONTROL, &fd, e) < 0 ||
        qmp_open(&s->qmp, fd, &step, e) < 0 || wake_journal(s, &step, e) < 0 ||
        give_vnc(s, &step, e) < 0)
        return -1;
    return s->launch.incoming ? 0 : set_balloon(s, &step, e);
}

/* ---- the saved state ---- */

/* The inode of the file that is the guest's memory; 0 for none. */
static uint64_t ram_inode(const struct start *s)
{
    const struct guest_memory *memory = s->args->memory;
    struct stat st;

    return memory && memory->file_fd >= 0 && fstat(memory->file_fd, &st) == 0 ? st.st_ino : 0;
}

/* Before anything is loaded: a guest that goes on without a feature that it uses dies of it. */
static int check_features(struct start *s, const struct op *op, struct err *e)
{
    struct platform here = s->platform;

    if (!s->platform.features[0])
        return 0; /* not known when it was saved */
    return platform_ask_features(&s->qmp, &here, op, e) < 0
               ? -1
               : platform_compare_features(&s->platform, &here, e);
}

static int load(struct start *s, int stream_fd, const struct op *op, struct err *e)
{
    if (check_features(s, op, e) < 0 ||
        ram_set_apart(&s->qmp, s->args->memory && s->args->memory->apart, op, e) < 0 ||
        qmp_give_fd(&s->qmp, "stream", stream_fd, op, e) < 0 ||
        ram_fill_await(&s->fill, op, e) < 0 ||
        qmp_run(&s->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:stream"), op, NULL, e) <
            0)
        return -1;
    for (;;) {
        AUTO_JSON json_t *event = NULL;
        if (qmp_event(&s->qmp, op, "the saved state", &event, e) < 0)
            return -1;
        if (!str_eq(json_get_string(event, "event", NULL), "MIGRATION"))
            continue;
        const char *status = json_get_string(json_object_get(event, "data"), "status", "");
        if (str_eq(status, "completed"))
            return 0;
        if (str_eq(status, "failed"))
            return err_set(e, ERR_FAILED, "QEMU could not load the saved state");
    }
}

/* ---- the whole ---- */

static int write_meta(struct start *s, struct observation *ret, struct err *e)
{
    const struct conf *conf = s->args->conf;
    const struct platform *p = &s->platform;
    struct meta meta = {.ref = s->args->ref,
                        .pid = s->pid,
                        .start = proc_start(s->pid),
                        .memory_kib = conf->memory_kib,
                        .max_memory_kib = conf->max_memory_kib,
                        .vcpus = conf->vcpus,
                        .max_vcpus = conf->max_vcpus,
                        .ram_inode = ram_inode(s),
                        .console = s->launch.has_console,
                        .reboots = s->launch.reboots};
    char status[QMP_STATUS_MAX];

    str_copy(meta.machine, sizeof meta.machine, p->machine);
    str_copy(meta.accel, sizeof meta.accel, p->accel);
    str_copy(meta.cpu, sizeof meta.cpu, p->cpu);
    str_copy(meta.qemu, sizeof meta.qemu, p->qemu);
    meta.places = s->launch.places;
    meta.queues = s->launch.queues;
    if (conf->vnc == CONF_FLAG_ON) {
        AUTO_FREE char *path = x_asprintf("%s/%s/%s", s->h->dir, meta.ref.uuid, FOLDER_VNC);
        if (!str_copy(meta.vnc, sizeof meta.vnc, path))
            meta.vnc[0] = '\0'; /* too long for a socket's address: nobody could connect */
    }
    struct op op = op_within(QMP_COMMAND_MS);
    if (qmp_status(&s->qmp, &op, status, e) < 0 || meta_write(s->dirfd, &meta, e) < 0)
        return -1;
    observation_init(ret, &meta);
    observation_set_status(ret, s->dirfd, status);
    /* A touch tells the observer that there is one more; a touch that fails is the next look's. */
    futimens(s->h->dirfd, NULL);
    return 0;
}

static int build(struct start *s, int stream_fd, const struct op *op, struct observation *ret,
                 struct err *e)
{
    if (folder_open(s->h->dirfd, s->args->ref.uuid, &s->dirfd, e) < 0 || make_sockets(s, e) < 0 ||
        op_check(op, e) < 0 || begin_filling(s, op, e) < 0 || spawn(s, e) < 0 ||
        fault_point("qemu.spawned", e) < 0)
        return -1;
    if (converse(s, op, e) < 0)
        return explain(s, "QEMU did not start", e);
    if (stream_fd >= 0 && load(s, stream_fd, op, e) < 0)
        return explain(s, "cannot load the saved state", e);
    return fault_point("qemu.answered", e) < 0 ? -1 : write_meta(s, ret, e);
}

/* Ends what this start made, and nothing else: when it comes late, after a `destroy` has gone past
 * it, there may be a new process and folder of the same uuid. */
static int tear_down(struct start *s, struct err *e)
{
    struct stat ours, there;

    if (s->pidfd >= 0 && proc_end(s->pidfd, END_GRACE_MS, END_MS - END_GRACE_MS, e) < 0)
        return -1;
    if (s->dirfd < 0 || fstat(s->dirfd, &ours) < 0 ||
        fstatat(s->h->dirfd, s->args->ref.uuid, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
        ours.st_ino != there.st_ino)
        return 0;
    return fs_remove_tree(s->h->dirfd, s->args->ref.uuid, e);
}

static int start(struct driver_handle *h, const struct create_args *args, int stream_fd,
                 const struct op *op, struct observation *ret, struct err *e)
{
    struct start s = start_of(h, args);
    struct err ignored;
    int result = -1;

    if (decide(&s, stream_fd >= 0, e) < 0 || make_memory(&s, e) < 0 ||
        files_open(h, &s.launch, false, &s.files, e) < 0)
        goto out;
    if (end_leftover(h, &args->ref, e) < 0 || make_folder(&s, e) < 0)
        goto out;
    result = build(&s, stream_fd, op, ret, e);
    if (result < 0 && tear_down(&s, &ignored) < 0)
        err_wrap(e, "%s; what is left of it cannot be removed", ignored.msg);
out:
    if (result < 0 && s.launch.variables_made && firmware_forget(h, args->ref.uuid, &ignored) < 0)
        err_wrap(e, "%s", ignored.msg);
    start_finish(&s);
    return result;
}

int start_create(struct driver_handle *h, const struct create_args *args, const struct op *op,
                 struct observation *ret, struct err *e)
{
    return start(h, args, -1, op, ret, e);
}

int start_restore(struct driver_handle *h, const struct create_args *args, int stream_fd,
                  const struct op *op, struct observation *ret, struct err *e)
{
    return start(h, args, stream_fd, op, ret, e);
}

int start_check(struct driver_handle *h, const struct create_args *args, struct err *e)
{
    struct start s = start_of(h, args);
    int result = decide(&s, false, e);

    if (result == 0)
        result = files_open(h, &s.launch, true, &s.files, e);
    start_finish(&s);
    return result;
}
