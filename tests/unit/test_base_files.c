/* SPDX-License-Identifier: MIT */
/* fs: durable writes, bounded reads, another user's rights. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

static char dir[64];
static int dirfd_;

static int make_dir(void **state)
{
    (void)state;
    str_copy(dir, sizeof dir, "/tmp/reeve-fs.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd_ < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    struct err e;

    (void)state;
    close(dirfd_);
    return fs_remove_tree(AT_FDCWD, dir, &e);
}

static char *in_dir(const char *name)
{
    return x_asprintf("%s/%s", dir, name);
}

static void assert_content(const char *name, const char *wanted)
{
    AUTO_FREE char *path = in_dir(name);
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err e;

    assert_int_equal(fs_read_file(path, 1 << 20, &text, &len, &e), 0);
    assert_int_equal(len, strlen(wanted));
    assert_string_equal(text, wanted);
}

static void test_replace(void **state)
{
    AUTO_FREE char *path = in_dir("a");
    struct stat st;
    struct err e;

    (void)state;
    assert_int_equal(fs_replace(dirfd_, "a", "one", 3, 0600, &e), 0);
    assert_content("a", "one");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fs_replace(dirfd_, "a", "", 0, 0640, &e), 0);
    assert_content("a", "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

/* A write that fails leaves the old file and no temporary one. */
static void test_replace_fails(void **state)
{
    struct rlimit before, none = {0};
    struct err e;

    (void)state;
    assert_int_equal(fs_replace(dirfd_, "a", "one", 3, 0600, &e), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int result = fs_replace(dirfd_, "a", "two", 3, 0600, &e);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(result, -1);
    assert_content("a", "one");
    assert_true(faccessat(dirfd_, ".a.new", F_OK, 0) < 0 && errno == ENOENT);
    /* A folder is not replaced. */
    assert_int_equal(mkdirat(dirfd_, "d", 0700), 0);
    assert_int_equal(fs_replace(dirfd_, "d", "two", 3, 0600, &e), -1);
    assert_true(faccessat(dirfd_, ".d.new", F_OK, 0) < 0);
}

static void test_read(void **state)
{
    AUTO_FREE char *path = in_dir("a"), *fifo = NULL, *text = NULL;
    size_t len = 0;
    struct err e;

    (void)state;
    fifo = in_dir("fifo");
    assert_int_equal(fs_replace(dirfd_, "a", "0123456789", 10, 0600, &e), 0);
    assert_int_equal(fs_read_file(path, 10, &text, &len, &e), 0);
    assert_int_equal(len, 10);
    assert_int_equal(fs_read_file(path, 9, &text, &len, &e), -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
    assert_int_equal(fs_read_file(dir, 9, &text, &len, &e), -1);
    assert_non_null(strstr(e.msg, "folder"));
    /* A FIFO without a writer, a device, nothing: at once, and named. */
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(fs_read_file(fifo, 9, &text, &len, &e), -1);
    assert_int_equal(fs_read_file("/dev/zero", 9, &text, &len, &e), -1);
    assert_int_equal(fs_read_file("/nowhere/at/all", 9, &text, &len, &e), -1);
    assert_non_null(strstr(e.msg, "/nowhere/at/all"));
    /* A file that says it has nothing, and more than is allowed. */
    free(TAKE(text));
    assert_int_equal(fs_read_file("/proc/self/status", 1 << 20, &text, &len, &e), 0);
    assert_true(len > 100);
    AUTO_FREE char *none = NULL;
    assert_int_equal(fs_read_file("/proc/self/status", 100, &none, &len, &e), -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void test_folders(void **state)
{
    AUTO_FREE char *deep = in_dir("x/y/z"), *file = in_dir("f"), *link_path = in_dir("x/link");
    AUTO_FREE char *below_file = in_dir("f/g");
    struct err e;

    (void)state;
    assert_int_equal(fs_make_dirs(deep, 0700, &e), 0);
    assert_int_equal(fs_make_dirs(deep, 0700, &e), 0);
    assert_int_equal(fs_replace(dirfd_, "f", "kept", 4, 0600, &e), 0);
    assert_int_equal(fs_make_dirs(file, 0700, &e), -1);
    assert_int_equal(fs_make_dirs(below_file, 0700, &e), -1);
    /* A link in a tree that is removed is removed, not followed. */
    assert_int_equal(symlink(dir, link_path), 0);
    assert_int_equal(fs_remove_tree(dirfd_, "x", &e), 0);
    assert_content("f", "kept");
    assert_int_equal(fs_remove_tree(dirfd_, "x", &e), 0);
    assert_int_equal(symlinkat("f", dirfd_, "to_f"), 0);
    assert_int_equal(fs_remove_tree(dirfd_, "to_f", &e), -1);
    assert_true(fs_free_bytes(dirfd_, &e) > 0);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *dir, *name;
    } rows[] = {
        {"/a/b", "/a", "b"},
        {"/a",   "/",  "a"},
        {"a",    ".",  "a"},
        {"a/b",  "a",  "b"},
        {"/a/",  "/a", "" },
        {"/",    "/",  "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *folder = NULL;
        assert_string_equal(fs_split(rows[i].path, &folder), rows[i].name);
        assert_string_equal(folder, rows[i].dir);
    }
    AUTO_FREE char *joined = fs_join("/a", "b"), *absolute = fs_join("/a", "/b");
    assert_string_equal(joined, "/a/b");
    assert_string_equal(absolute, "/b");
}

static void test_as_user(void **state)
{
    AUTO_FREE char *path = in_dir("secret");
    struct fs_user nobody = {65534, 65534}, self = {geteuid(), getegid()};
    struct err e;

    (void)state;
    assert_int_equal(fs_replace(dirfd_, "secret", "x", 1, 0600, &e), 0);
    assert_int_equal(fs_as_begin(&self, &e), 0);
    assert_int_equal(access(path, R_OK), 0);
    fs_as_end();
    if (geteuid() != 0) {
        assert_int_equal(fs_as_begin(&nobody, &e), -1);
        assert_int_equal(e.code, ERR_NOT_ALLOWED);
        return;
    }
    assert_int_equal(fs_as_begin(&nobody, &e), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int why = errno;
    fs_as_end();
    assert_true(fd < 0 && why == EACCES);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_replace_fails, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_read, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_folders, make_dir, remove_dir),
        cmocka_unit_test(test_paths),
        cmocka_unit_test_setup_teardown(test_as_user, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
