/* SPDX-License-Identifier: MIT */
/* The order of the steps that a power cut must not find otherwise, and what is left when one of
 * them fails. The program's own fsync, renameat and ftruncate stand before libc's: they note the
 * call, fail when told to, and else do it. */
#include "image_fixture.h"

#include <sys/syscall.h>

static struct str steps;
static unsigned fail_at; /* the step that fails, counted from 1; 0 for none */
static unsigned step_count;

static bool fails(const char *step)
{
    str_addf(&steps, "%s%s", steps.len ? " " : "", step);
    if (++step_count != fail_at)
        return false;
    errno = EIO;
    return true;
}

static bool is_folder(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int fsync(int fd)
{
    return fails(is_folder(fd) ? "sync-folder" : "sync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    return fails("trim") ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fails("rename") ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return fails("rename") ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

static void watch_steps(unsigned fail_step)
{
    str_finish(&steps);
    step_count = 0;
    fail_at = fail_step;
}

static void assert_steps(const char *text)
{
    assert_string_equal(steps.data ? steps.data : "", text);
    watch_steps(0);
}

/* image_writer_finish of a new image, with step `fail_step` failing. */
static int finish_image(const char *path, unsigned fail_step, struct err *e)
{
    struct image_writer *w = begin_image(path, 1000);
    AUTO_CLOSE int fd = stream_of(1000);
    uint64_t size;

    assert_int_equal(image_writer_stream(w, fd, &endless, e), 0);
    watch_steps(fail_step);
    int result = image_writer_finish(w, &size, NULL, e);
    fail_at = 0;
    image_writer_free(w);
    return result;
}

static void an_image_has_its_name_once_it_is_on_the_disk(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct err e = {0};

    (void)state;
    assert_int_equal(finish_image(path, 0, &e), 0);
    assert_steps("trim sync rename sync-folder");
}

static void a_step_that_fails_leaves_no_name(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");

    (void)state;
    for (unsigned step = 1; step <= 4; step++) {
        struct err e = {0};
        assert_int_equal(finish_image(path, step, &e), -1);
        assert_int_equal(e.code, ERR_FAILED);
        assert_non_null(strstr(e.msg, "Input/output error"));
        assert_int_equal(step_count, step);
        assert_int_equal(files_in(folder), 0);
    }
}

static void a_step_that_fails_keeps_what_was_there(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct stat before, after;

    (void)state;
    make_image(path, 5000);
    assert_int_equal(stat(path, &before), 0);
    for (unsigned step = 1; step <= 4; step++) {
        struct err e = {0};
        assert_int_equal(finish_image(path, step, &e), -1);
        assert_int_equal(files_in(folder), 1);
        assert_false(refused(path, &e));
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_ino == before.st_ino, step < 4);
    }
}

static void claims_are_durable_or_taken_back(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_FREE char *spent = in_folder("a.reeve.spent");
    char *aside = NULL;
    struct err e = {0};

    (void)state;
    put_file(path, "x", 1);
    for (unsigned step = 1; step <= 2; step++) {
        watch_steps(step);
        assert_int_equal(image_claim(path, &e), -1);
        assert_int_equal(access(path, F_OK), 0);
        watch_steps(step);
        assert_int_equal(image_set_aside(path, &aside, &e), -1);
        assert_int_equal(access(path, F_OK), 0);
    }
    watch_steps(0);
    assert_int_equal(image_claim(path, &e), 0);
    assert_steps("rename sync-folder");
    for (unsigned step = 1; step <= 2; step++) {
        watch_steps(step);
        assert_int_equal(image_unclaim(path, &e), -1);
        assert_int_equal(access(spent, F_OK), 0);
    }
    watch_steps(0);
    assert_int_equal(image_unclaim(path, &e), 0);
    assert_steps("rename sync-folder");
    assert_int_equal(image_unlink(path, &e), 0);
    assert_steps("sync-folder");
    assert_int_equal(files_in(folder), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_image_has_its_name_once_it_is_on_the_disk),
        TEST(a_step_that_fails_leaves_no_name),
        TEST(a_step_that_fails_keeps_what_was_there),
        TEST(claims_are_durable_or_taken_back),
    };

    int failed = cmocka_run_group_tests_name("image_order", tests, NULL, NULL);
    str_finish(&steps);
    return failed;
}
