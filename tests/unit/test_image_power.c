/* SPDX-License-Identifier: MIT */
/* A power cut at any moment of a save, a claim, a removal: the log of what was asked of the
 * filesystem is replayed to every prefix, with what was not synced kept, dropped or torn, and what
 * a next start would find is looked at. The program's own calls stand before libc's and note
 * themselves. */
#include "image_fixture.h"

#include <pthread.h>
#include <sys/syscall.h>

enum kind { WRITE, TRIM, SYNC, RENAME, UNLINK, SYNC_FOLDER };

struct entry {
    enum kind kind;
    ino_t file; /* WRITE, TRIM, SYNC */
    uint64_t offset;
    size_t len;
    char *bytes;     /* owned; WRITE */
    char name[64];   /* of the file when it was first written to; RENAME, UNLINK: from */
    char target[64]; /* RENAME */
};

enum { ENTRIES_MAX = 4096, FILES_MAX = 8, SIZE_MAX_BYTES = 4 << 20, TEARS = 4 };

static struct entry log_entries[ENTRIES_MAX];
static size_t log_count;
static bool logging;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry *note(enum kind kind)
{
    assert_true(log_count < ENTRIES_MAX);
    struct entry *e = &log_entries[log_count++];
    *e = (struct entry){.kind = kind};
    return e;
}

/* A regular file in our folder. */
static bool is_ours(int fd, struct stat *st, char name[64])
{
    char link[64], path[256];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = logging && fstat(fd, st) == 0 ? readlink(link, path, sizeof path - 1) : -1;
    if (n < 0)
        return false;
    path[n] = '\0';
    if (!str_starts(path, folder))
        return false;
    const char *last = strrchr(path, '/') + 1;
    return str_copy(name, 64, last);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    struct stat st;
    char name[64];

    pthread_mutex_lock(&log_lock);
    ssize_t n = (ssize_t)syscall(SYS_pwrite64, fd, buf, len, offset);
    if (n > 0 && is_ours(fd, &st, name)) {
        struct entry *e = note(WRITE);
        e->file = st.st_ino;
        e->offset = (uint64_t)offset;
        e->len = (size_t)n;
        e->bytes = x_malloc((size_t)n);
        memcpy(e->bytes, buf, (size_t)n);
        str_copy(e->name, sizeof e->name, name);
    }
    pthread_mutex_unlock(&log_lock);
    return n;
}

int ftruncate(int fd, off_t length)
{
    struct stat st;
    char name[64];
    int result = (int)syscall(SYS_ftruncate, fd, length);

    if (result == 0 && is_ours(fd, &st, name)) {
        struct entry *e = note(TRIM);
        e->file = st.st_ino;
        e->offset = (uint64_t)length;
    }
    return result;
}

int fsync(int fd)
{
    struct stat st;
    char name[64];

    if (logging && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        note(SYNC_FOLDER);
    else if (is_ours(fd, &st, name))
        note(SYNC)->file = st.st_ino;
    return 0; /* the disk of this machine is not what is tested */
}

static int rename_noted(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);

    if (result == 0 && logging) {
        struct entry *e = note(RENAME);
        str_copy(e->name, sizeof e->name, from);
        str_copy(e->target, sizeof e->target, to);
    }
    return result;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return rename_noted(from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return rename_noted(from_dir, from, to_dir, to, flags);
}

int unlinkat(int dirfd, const char *name, int flags)
{
    int result = (int)syscall(SYS_unlinkat, dirfd, name, flags);

    if (result == 0 && logging)
        str_copy(note(UNLINK)->name, 64, name);
    return result;
}

/* ---- the disk after the cut ---- */

/* How what was not synced is lost: bytes, names (all that was done since the folder's last sync, or
 * nothing of it), or of each write all, the first half or nothing, at random. */
enum loss { NOTHING_LOST, DATA_LOST, NAMES_LOST, ALL_LOST, TORN };

struct disk_file {
    ino_t inode;
    char *bytes; /* owned */
    size_t len;
};

struct disk {
    struct disk_file files[FILES_MAX];
    size_t count;
    struct {
        char name[64];
        size_t file;
    } names[FILES_MAX];
    size_t name_count;
};

static struct disk_file *file_of(struct disk *d, ino_t inode)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->files[i].inode == inode)
            return &d->files[i];
    assert_true(d->count < FILES_MAX);
    d->files[d->count] = (struct disk_file){.inode = inode, .bytes = x_calloc(1, SIZE_MAX_BYTES)};
    return &d->files[d->count++];
}

static void set_name(struct disk *d, const char *name, size_t file)
{
    for (size_t i = 0; i < d->name_count; i++) {
        if (str_eq(d->names[i].name, name)) {
            d->names[i].file = file;
            return;
        }
    }
    assert_true(d->name_count < FILES_MAX);
    str_copy(d->names[d->name_count].name, 64, name);
    d->names[d->name_count++].file = file;
}

static size_t drop_name(struct disk *d, const char *name)
{
    for (size_t i = 0; i < d->name_count; i++) {
        if (str_eq(d->names[i].name, name)) {
            size_t file = d->names[i].file;
            d->names[i] = d->names[--d->name_count];
            return file;
        }
    }
    fail_msg("no name %s", name);
    return 0;
}

/* Whether entry i of the first `cut` was made durable by a sync before the cut. */
static bool synced(size_t i, size_t cut)
{
    const struct entry *e = &log_entries[i];
    bool of_names = e->kind == RENAME || e->kind == UNLINK;

    for (size_t k = i + 1; k < cut; k++)
        if (of_names ? log_entries[k].kind == SYNC_FOLDER
                     : log_entries[k].kind == SYNC && log_entries[k].file == e->file)
            return true;
    return false;
}

static bool kept(size_t i, size_t cut, enum loss loss, uint64_t *random)
{
    enum kind kind = log_entries[i].kind;
    bool of_names = kind == RENAME || kind == UNLINK;

    if (loss == NOTHING_LOST || synced(i, cut))
        return true;
    if (loss == TORN && !of_names) {
        *random = *random * 6364136223846793005U + 1442695040888963407U;
        return (*random >> 60) & 1;
    }
    return of_names ? loss == DATA_LOST || loss == TORN : loss == NAMES_LOST;
}

static void apply(struct disk *d, const struct entry *e, size_t part)
{
    struct disk_file *f;

    switch (e->kind) {
    case WRITE:
        f = file_of(d, e->file);
        assert_true(e->offset + e->len <= SIZE_MAX_BYTES);
        memcpy(f->bytes + e->offset, e->bytes, part);
        if (f->len < e->offset + part)
            f->len = (size_t)e->offset + part;
        break;
    case TRIM:
        file_of(d, e->file)->len = (size_t)e->offset;
        break;
    case RENAME:
        set_name(d, e->target, drop_name(d, e->name));
        break;
    case UNLINK:
        drop_name(d, e->name);
        break;
    case SYNC:
    case SYNC_FOLDER:
        break;
    }
}

/* The folder as it was before the log, and then the first `cut` entries with their losses. A new
 * file's name is there from its first write on: whether it is or not makes no difference to us. */
static void replay(struct disk *d, const struct disk *before, size_t cut, enum loss loss,
                   uint64_t seed)
{
    uint64_t random = seed;

    *d = (struct disk){0};
    for (size_t i = 0; i < before->count; i++) {
        struct disk_file *f = file_of(d, before->files[i].inode);
        memcpy(f->bytes, before->files[i].bytes, before->files[i].len);
        f->len = before->files[i].len;
    }
    for (size_t i = 0; i < before->name_count; i++)
        set_name(d, before->names[i].name, before->names[i].file);
    for (size_t i = 0; i < cut; i++) {
        const struct entry *e = &log_entries[i];
        if (e->kind == WRITE) {
            size_t known = d->count;
            file_of(d, e->file);
            if (d->count > known)
                set_name(d, e->name, d->count - 1);
        }
        bool whole = kept(i, cut, loss, &random);
        if (whole)
            apply(d, e, e->len);
        else if (loss == TORN && e->kind == WRITE)
            apply(d, e, e->len / 2);
    }
}

static void disk_free(struct disk *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->files[i].bytes);
}

/* 1: there and whole, 0: not there, -1: there and refused. */
static int look(const struct disk *d, const char *name, size_t *ret_len)
{
    char path[128];
    struct err e;

    for (size_t i = 0; i < d->name_count; i++) {
        if (!str_eq(d->names[i].name, name))
            continue;
        const struct disk_file *f = &d->files[d->names[i].file];
        snprintf(path, sizeof path, "%s/after", folder);
        put_file(path, f->bytes, f->len);
        *ret_len = f->len;
        int result = refused(path, &e) ? -1 : 1;
        unlink(path);
        return result;
    }
    return 0;
}

/* The folder as it is, all durable. */
static void take_folder(struct disk *d)
{
    DIR *dir = opendir(folder);

    *d = (struct disk){0};
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        AUTO_FREE char *path = in_folder(entry->d_name);
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        size_t len;
        AUTO_FREE char *bytes = get_file(path, &len);
        struct disk_file *f = file_of(d, st.st_ino);
        memcpy(f->bytes, bytes, len);
        f->len = len;
        set_name(d, entry->d_name, d->count - 1);
    }
    closedir(dir);
}

static void log_reset(void)
{
    for (size_t i = 0; i < log_count; i++)
        free(log_entries[i].bytes);
    log_count = 0;
}

/* Runs act under the log, then check for each cut and each loss; `done`: act has returned. */
static void cut_everywhere(void (*act)(void), void (*check)(const struct disk *d, bool done))
{
    struct disk before, after;

    take_folder(&before);
    log_reset();
    logging = true;
    act();
    logging = false;
    assert_true(log_count >= 2);
    for (size_t cut = 0; cut <= log_count; cut++) {
        for (int loss = NOTHING_LOST; loss < TORN + TEARS; loss++) {
            replay(&after, &before, cut, loss < TORN ? (enum loss)loss : TORN,
                   (uint64_t)(loss + 1) * 7919 + cut);
            check(&after, cut == log_count);
            disk_free(&after);
        }
    }
    disk_free(&before);
    log_reset();
}

/* ---- the cases ---- */

static uint64_t old_size, new_size;

static void save(void)
{
    AUTO_FREE char *path = in_folder("a.reeve");

    new_size = make_image(path, 3 * IMAGE_RAW / 2);
}

/* Under the name there is what was there before or the new image, whole; once it was said that it
 * is done, the new one. */
static void check_save(const struct disk *d, bool done)
{
    size_t len = 0;
    int there = look(d, "a.reeve", &len);

    if (there < 0)
        fail_msg("the image is there and not whole");
    if (there == 0 ? old_size > 0 || done : len != new_size && (done || len != old_size))
        fail_msg("%d, %zu bytes, old %ju, new %ju, done %d", there, len, (uintmax_t)old_size,
                 (uintmax_t)new_size, done);
}

static void a_save_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    old_size = 0;
    cut_everywhere(save, check_save);
}

static void a_save_over_an_old_one_loses_neither(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");

    (void)state;
    old_size = make_image(path, 1000);
    cut_everywhere(save, check_save);
}

static void claim(void)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct err e;

    assert_int_equal(image_claim(path, &e), 0);
}

/* One of the two names; the spent one once a vCPU may run. */
static void check_claim(const struct disk *d, bool done)
{
    size_t len;
    int fresh = look(d, "a.reeve", &len), spent = look(d, "a.reeve.spent", &len);

    assert_int_equal(fresh + spent, 1);
    assert_true(!done || spent == 1);
}

static void a_claimed_image_is_never_fresh_again(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");

    (void)state;
    make_image(path, 1000);
    cut_everywhere(claim, check_claim);
}

static void unclaim(void)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct err e;

    assert_int_equal(image_unclaim(path, &e), 0);
}

static void check_unclaim(const struct disk *d, bool done)
{
    size_t len;
    int fresh = look(d, "a.reeve", &len), spent = look(d, "a.reeve.spent", &len);

    assert_int_equal(fresh + spent, 1);
    assert_true(!done || fresh == 1);
}

static void remove_image(void)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct err e;

    assert_int_equal(image_unlink(path, &e), 0);
}

static void check_removed(const struct disk *d, bool done)
{
    size_t len;
    int there = look(d, "a.reeve", &len);

    assert_true(there == 0 || (there == 1 && !done));
}

static void an_image_that_is_given_back_or_removed_is_so(void **state)
{
    AUTO_FREE char *spent = in_folder("a.reeve.spent");

    (void)state;
    make_image(spent, 1000);
    cut_everywhere(unclaim, check_unclaim);
    cut_everywhere(remove_image, check_removed);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_save_is_there_whole_or_not_at_all),
        TEST(a_save_over_an_old_one_loses_neither),
        TEST(a_claimed_image_is_never_fresh_again),
        TEST(an_image_that_is_given_back_or_removed_is_so),
    };

    return cmocka_run_group_tests_name("image_power", tests, NULL, NULL);
}
