/* SPDX-License-Identifier: MIT */
/* Disks that a start makes: what is in them, what is refused, and what a kill leaves. */
#include "image_fixture.h"

#include <sys/wait.h>
#include <time.h>

#include "core/disk_make.h"

typedef int (*maker)(const char *path, enum conf_format format, uint64_t bytes, int *ret_fd,
                     struct err *e);

/* Both ways, whichever the test's own file system would take. */
static const maker makers[] = {disk_make, disk_make_by_name};

static int run(const char *command)
{
    int status = system(command);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void raw_is_sparse_and_private(void **state)
{
    AUTO_FREE char *path = in_folder("new.raw");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        struct err e = {0};
        struct stat st, open_one;
        int fd;
        assert_int_equal(disk_make_check(path, &e), 0);
        assert_int_equal(makers[i](path, CONF_RAW, UINT64_C(3) << 40, &fd, &e), 0);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(fstat(fd, &open_one), 0);
        assert_int_equal(st.st_ino, open_one.st_ino);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_size, (off_t)3 << 40);
        assert_int_equal(st.st_nlink, 1);
        assert_true(st.st_blocks < 64);
        assert_int_equal(pwrite(fd, "x", 1, 0), 1);
        close(fd);
        assert_int_equal(files_in(folder), 1);
        assert_int_equal(unlink(path), 0);
    }
}

/* qemu-img has no fault to find with it, reads the size, and can write to all of it. */
static void qcow2_is_as_qemu_knows_it(void **state)
{
    static const uint64_t sizes_mib[] = {1, 511, 512, 513, 20 << 10, UINT64_C(64) << 20};
    AUTO_FREE char *path = in_folder("new.qcow2");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes_mib); i++) {
        struct err e = {0};
        int fd;
        assert_int_equal(disk_make(path, CONF_QCOW2, sizes_mib[i] << 20, &fd, &e), 0);
        close(fd);
        AUTO_FREE char *look = x_asprintf("qemu-img check -q -f qcow2 '%s' && qemu-img info -f "
                                          "qcow2 '%s' | grep -q '(%llu bytes)'",
                                          path, path, (unsigned long long)(sizes_mib[i] << 20));
        assert_int_equal(run(look), 0);
        AUTO_FREE char *use = x_asprintf(
            "qemu-io -f qcow2 -c 'write -P 7 0 64k' -c 'write -P 9 %llu 64k' '%s' >/dev/null && "
            "qemu-io -f qcow2 -r -c 'read -P 7 0 64k' -c 'read -P 0 64k 64k' -c 'read -P 9 %llu "
            "64k' "
            "'%s' >/dev/null && qemu-img check -q -f qcow2 '%s'",
            (unsigned long long)(sizes_mib[i] << 20) - 65536, path,
            (unsigned long long)(sizes_mib[i] << 20) - 65536, path, path);
        assert_int_equal(run(use), 0);
        assert_int_equal(unlink(path), 0);
    }
}

static void refuse(const char *path, enum err_code code, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(makers) + 1; i++) {
        struct err e = {0};
        int fd = -1;
        int result = i < ARRAY_LEN(makers) ? makers[i](path, CONF_RAW, 1 << 20, &fd, &e)
                                           : disk_make_check(path, &e);
        assert_int_equal(result, -1);
        assert_int_equal(fd, -1);
        assert_int_equal(e.code, code);
        if (!strstr(e.msg, path) || !strstr(e.msg, text))
            fail_msg("\"%s\" does not say \"%s\"", e.msg, text);
    }
}

static void what_is_there_stays(void **state)
{
    AUTO_FREE char *there = in_folder("there");
    AUTO_FREE char *dangling = in_folder("link");
    AUTO_FREE char *missing = in_folder("no/such/disk");

    (void)state;
    put_file(there, "mine", 4);
    assert_int_equal(symlink("/nowhere/at/all", dangling), 0);
    refuse(there, ERR_BAD_CONFIG, "is there");
    refuse(dangling, ERR_BAD_CONFIG, "is there");
    refuse(missing, ERR_BAD_CONFIG, "No such file");
    refuse("/dev/reeve-test", ERR_BAD_CONFIG, "devices");
    struct stat st;
    assert_int_equal(stat(there, &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(files_in(folder), 2);
    unlink(there);
    unlink(dangling);
}

static void a_leftover_is_no_obstacle(void **state)
{
    AUTO_FREE char *path = in_folder("disk");
    AUTO_FREE char *leftover = in_folder(".disk.reeve-new");
    struct err e = {0};
    int fd;

    (void)state;
    put_file(leftover, "half", 4);
    assert_int_equal(disk_make_by_name(path, CONF_RAW, 1 << 20, &fd, &e), 0);
    close(fd);
    assert_int_equal(files_in(folder), 1);
    unlink(path);
}

/* Killed at any moment: there is the whole disk or none. */
static void a_kill_leaves_all_or_nothing(void **state)
{
    AUTO_FREE char *path = in_folder("killed.qcow2");
    AUTO_FREE char *look = x_asprintf("qemu-img check -q -f qcow2 '%s'", path);
    size_t whole = 0, none = 0;

    (void)state;
    for (long i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct err e;
            int fd;
            _exit(disk_make(path, CONF_QCOW2, UINT64_C(1) << 40, &fd, &e) < 0);
        }
        struct timespec pause = {.tv_nsec = i * 20 * 1000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        int names = (int)files_in(folder);
        if (names == 0) {
            none++;
            continue;
        }
        assert_int_equal(names, 1);
        assert_int_equal(run(look), 0);
        assert_int_equal(unlink(path), 0);
        whole++;
    }
    print_message("# killed: %zu whole, %zu none\n", whole, none);
    assert_true(none > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(raw_is_sparse_and_private),    TEST(qcow2_is_as_qemu_knows_it),
        TEST(what_is_there_stays),          TEST(a_leftover_is_no_obstacle),
        TEST(a_kill_leaves_all_or_nothing),
    };

    return cmocka_run_group_tests_name("disk_make", tests, NULL, NULL);
}
