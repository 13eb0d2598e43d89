/* SPDX-License-Identifier: MIT */
#include "core/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

enum { STACK_BYTES = 256 * 1024, LEFT_LOCK_MS = 10 * 1000 };

/* The lock is of the open file, so that it also keeps out a second store of this process and ends
 * with the process, however that ends. A daemon that was killed while it started a program leaves
 * it for a moment to that child, until the child is the program. */
static int take_lock(struct store *s, struct err *e)
{
    AUTO_FREE char *path = fs_join(s->dir, "lock");
    char text[32] = "";

    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", path);
    ssize_t n = pread(s->lock_fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    bool lives = pid > 0 && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
    if (fs_lock(s->lock_fd, lives ? 0 : LEFT_LOCK_MS, e) < 0) {
        if (e->code != ERR_BUSY)
            return err_wrap(e, "%s", path);
        if (pid <= 0)
            return err_set(e, ERR_BUSY, "another reeved uses %s", s->dir);
        return err_set(e, ERR_BUSY, "another reeved (pid %ld) uses %s", pid, s->dir);
    }
    /* For the message above only: on a full disk it does without. */
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, text, (size_t)len, 0) < 0)
        log_debug("cannot write the pid to %s", path);
    return 0;
}

static bool has_copies(const struct store *s)
{
    AUTO_FREE char *path = fs_join(s->dir, "domains");
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir)))
        found = entry->d_name[0] != '.' && str_ends(entry->d_name, ".cfg");
    if (dir)
        closedir(dir);
    return found;
}

static bool log_has_content(const struct store *s)
{
    AUTO_FREE char *path = x_asprintf("%s-wal", s->path);
    struct stat st;

    return stat(path, &st) == 0 && st.st_size > 0;
}

/* SQLite reads what is missing of the last page as zeroes. Only a log explains it: writing that
 * into the database was cut, and will be done again. */
static int check_size(struct store *s, off_t size, struct err *e)
{
    /* The page size at offset 16, big-endian, 1 for 65536 (sqlite.org/fileformat2.html). */
    unsigned char bytes[2] = {0};
    AUTO_CLOSE int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", s->path);
    unsigned page = pread(fd, bytes, 2, 16) == 2 ? (unsigned)(bytes[0] << 8 | bytes[1]) : 0;
    page = page == 1 ? 65536 : page;
    if (page < 512 || size % page == 0 || log_has_content(s))
        return 0;
    return schema_damaged(s->path, "is damaged (its last page is cut)", e);
}

/* SQLite takes a missing or empty file for a new database and throws a log beside it away. Here
 * that may be the loss of all domains, so it is looked at before. */
static int check_file(struct store *s, bool *ret_made, struct err *e)
{
    struct stat st;

    *ret_made = false;
    if (lstat(s->path, &st) < 0) {
        if (errno != ENOENT)
            return err_errno(e, ERR_FAILED, errno, "cannot open %s", s->path);
        if (log_has_content(s))
            return err_set(e, ERR_DAMAGED,
                           "the store %s is missing, but its log %s-wal is there; restore the "
                           "store, or move the log away to start with none",
                           s->path, s->path);
        /* SQLite gives the log the mode of the database. */
        AUTO_CLOSE int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_errno(e, ERR_FAILED, errno, "cannot make %s", s->path);
        *ret_made = true;
        return 0;
    }
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FAILED, "cannot open %s: it is not a regular file", s->path);
    if (st.st_size == 0 && (log_has_content(s) || has_copies(s)))
        return schema_damaged(s->path, "is empty, but there were domains", e);
    if ((st.st_mode & 077) != 0 && chmod(s->path, 0600) < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot set the mode of %s", s->path);
    return check_size(s, st.st_size, e);
}

/* What fs_replace had not renamed yet when the daemon was killed; the copy is made again. */
static void sweep_half_copies(const struct store *s)
{
    AUTO_FREE char *path = fs_join(s->dir, "domains");
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] == '.' && str_ends(entry->d_name, ".cfg.new"))
            (void)unlinkat(s->domains_fd, entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int open_domains(struct store *s, struct err *e)
{
    AUTO_FREE char *path = fs_join(s->dir, "domains");

    if (fs_make_dirs(path, 0700, e) < 0)
        return -1;
    s->domains_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s->domains_fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", path);
    sweep_half_copies(s);
    AUTO_CLOSE int dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open the folder %s", s->dir);
    return fs_sync_dir(dir_fd, s->path, e);
}

static int open_database(struct store *s, struct store_contents *contents, struct err *e)
{
    if (schema_connect(s->path, SQLITE_OPEN_READWRITE, &s->db, e) < 0 ||
        schema_check(s->db, s->path, e) < 0)
        return -1;
    if (schema_migrate(s->db, s->path, e) < 0 || schema_prepare(s->db, s->path, s->stmts, e) < 0 ||
        read_mend_uuids(s->db, s->path, e) < 0 || open_domains(s, e) < 0 ||
        read_contents(s, contents, e) < 0)
        return -1;
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    s->checkpoint_at = STORE_CHECKPOINT_PAGES;
    sqlite3_wal_hook(s->db, writer_committed, s);
    return 0;
}

static int start_writer(struct store *s, struct err *e)
{
    pthread_attr_t attr;
    sigset_t all, old;

    /* Signals are the loop thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int errnum = pthread_create(&s->thread, &attr, writer_run, s);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (errnum)
        return err_errno(e, ERR_FAILED, errnum, "cannot start the store's thread");
    s->running = true;
    return 0;
}

static struct store *new_store(const char *state_dir)
{
    struct store *s = x_calloc(1, sizeof *s);
    pthread_condattr_t attr;

    s->dir = x_strdup(state_dir);
    s->path = fs_join(state_dir, "reeve.db");
    s->lock_fd = s->domains_fd = -1;
    list_init(&s->queue);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_cond_init(&s->settled, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

int store_open(const char *state_dir, struct store **ret, struct store_contents *ret_contents,
               struct err *e)
{
    struct store *s = new_store(state_dir);
    struct store_contents contents = {0};
    bool made = false;

    if (fs_make_dirs(s->dir, 0700, e) < 0 || take_lock(s, e) < 0 || check_file(s, &made, e) < 0 ||
        open_database(s, &contents, e) < 0 || start_writer(s, e) < 0) {
        /* A half-made one would be taken for a lost one at the next start. */
        if (made)
            unlink(s->path);
        store_contents_finish(&contents);
        store_close(s);
        return -1;
    }
    *ret = s;
    *ret_contents = contents;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->running) {
        pthread_mutex_lock(&s->mutex);
        s->stopping = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
    }
    for (size_t i = 0; i < STMT_N; i++)
        sqlite3_finalize(s->stmts[i]);
    sqlite3_close(s->db);
    if (s->domains_fd >= 0)
        close(s->domains_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    uuid_list_finish(&s->copies_due);
    uuid_list_finish(&s->copies_failed);
    uuid_list_finish(&s->copies_made);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->settled);
    pthread_mutex_destroy(&s->mutex);
    free(s->dir);
    free(s->path);
    free(s);
}
