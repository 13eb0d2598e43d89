/* SPDX-License-Identifier: MIT */
/* Disks that changed since a save, and the names of an image on its way. */
#include "image_fixture.h"

static void set_mtime(const char *path, int64_t seconds, long ns)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        { .tv_sec = seconds,        .tv_nsec = ns}
    };

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void refuse_disk(struct image_disk *disk, const char *text)
{
    struct image_header h = {.disks = disk, .disk_count = 1};
    struct err e = {0};

    assert_int_equal(image_disks_check(&h, &e), -1);
    assert_int_equal(e.code, ERR_DISK_CHANGED);
    if (!strstr(e.msg, disk->path) || !strstr(e.msg, text))
        fail_msg("\"%s\" does not say \"%s\"", e.msg, text);
}

static void changed_files_are_refused(void **state)
{
    AUTO_FREE char *path = in_folder("disk.img");
    struct image_disk disk;
    struct image_header h = {.disks = &disk, .disk_count = 1};
    struct err e = {0};

    (void)state;
    put_file(path, "0123456789", 10);
    set_mtime(path, 1700000000, 1);
    assert_int_equal(image_disk_look(path, false, &disk, &e), 0);
    assert_int_equal(disk.size_bytes, 10);
    assert_false(disk.block);
    assert_int_equal(image_disks_check(&h, &e), 0);

    set_mtime(path, 1700000000, 2);
    refuse_disk(&disk, "its mtime went from 2023-11-14T22:13:20.000000001Z to "
                       "2023-11-14T22:13:20.000000002Z");
    put_file(path, "0123456789a", 11);
    set_mtime(path, 1700000000, 1);
    refuse_disk(&disk, "its size went from 10 to 11 bytes");
    put_file(path, "0123x56789", 10);
    set_mtime(path, 1700000000, 1);
    refuse_disk(&disk, "its first MiB is another");
    assert_int_equal(unlink(path), 0);
    refuse_disk(&disk, "is no longer there");
    disk.read_only = true;
    assert_int_equal(image_disks_check(&h, &e), 0);
    image_disk_finish(&disk);
}

static void the_first_changed_disk_is_named(void **state)
{
    AUTO_FREE char *a = in_folder("a.img");
    AUTO_FREE char *b = in_folder("b.img");
    struct image_disk disks[2];
    struct image_header h = {.disks = disks, .disk_count = 2};
    struct err e = {0};

    (void)state;
    put_file(a, "a", 1);
    put_file(b, "b", 1);
    assert_int_equal(image_disk_look(a, false, &disks[0], &e), 0);
    assert_int_equal(image_disk_look(b, false, &disks[1], &e), 0);
    assert_int_equal(image_disks_check(&h, &e), 0);
    put_file(b, "bb", 2);
    assert_int_equal(image_disks_check(&h, &e), -1);
    assert_non_null(strstr(e.msg, b));
    image_disk_finish(&disks[0]);
    image_disk_finish(&disks[1]);
}

static void a_file_is_no_block_device(void **state)
{
    AUTO_FREE char *path = in_folder("disk.img");
    struct image_disk disk;
    struct err e = {0};

    (void)state;
    put_file(path, "x", 1);
    assert_int_equal(image_disk_look(path, false, &disk, &e), 0);
    disk.block = true;
    refuse_disk(&disk, "it was a block device and is a file");
    image_disk_finish(&disk);
}

static void assert_difference(const struct image_disk *was, const struct image_disk *is,
                              bool same_boot, const char *text)
{
    AUTO_STR struct str difference = {0};

    image_disk_difference(&difference, was, is, same_boot);
    assert_string_equal(difference.data ? difference.data : "", text);
}

static void block_devices_differ_by_counter_and_hashes(void **state)
{
    const struct image_disk was = {.block = true,
                                   .size_bytes = 4096,
                                   .mtime_ns = 1,
                                   .head_hash = 1,
                                   .tail_hash = 2,
                                   .written_sectors = 100};
    struct image_disk is = was;

    (void)state;
    is.mtime_ns = 2;
    assert_difference(&was, &is, true, "");
    is.written_sectors = 8;
    assert_difference(&was, &is, true, "its written sectors went from 100 to 8");
    assert_difference(&was, &is, false, "");
    is.tail_hash = 3;
    assert_difference(&was, &is, false, "its last MiB is another");
    is.head_hash = 3;
    assert_difference(&was, &is, false, "its first MiB is another");
    is.size_bytes = 8192;
    assert_difference(&was, &is, true, "its size went from 4096 to 8192 bytes");
    is.block = false;
    assert_difference(&was, &is, true, "it was a block device and is a file");
}

static void only_files_and_block_devices_are_disks(void **state)
{
    AUTO_FREE char *missing = in_folder("missing");
    struct image_disk disk;
    struct err e = {0};

    (void)state;
    assert_int_equal(image_disk_look("/dev/null", false, &disk, &e), -1);
    assert_non_null(strstr(e.msg, "a character device"));
    assert_int_equal(image_disk_look(folder, false, &disk, &e), -1);
    assert_non_null(strstr(e.msg, "a folder"));
    assert_int_equal(image_disk_look(missing, false, &disk, &e), -1);
    assert_non_null(strstr(e.msg, missing));
}

static void claimed_and_unclaimed(void **state)
{
    AUTO_FREE char *path = in_folder("sub/image.reeve");
    AUTO_FREE char *spent = in_folder("sub/image.reeve.spent");
    AUTO_FREE char *sub = in_folder("sub");
    struct err e = {0};
    size_t len;

    (void)state;
    assert_int_equal(image_claim(path, &e), -1);
    assert_int_equal(e.code, ERR_NO_SUCH_IMAGE);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(image_claim(path, &e), -1);
    assert_int_equal(e.code, ERR_NO_SUCH_IMAGE);
    put_file(path, "one", 3);
    assert_int_equal(image_claim(path, &e), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(spent, F_OK), 0);
    assert_int_equal(image_unclaim(path, &e), 0);
    assert_int_equal(access(spent, F_OK), -1);
    assert_int_equal(image_unclaim(path, &e), -1);
    assert_int_equal(e.code, ERR_NO_SUCH_IMAGE);
    /* A newer image is not lost to an old spent one. */
    put_file(spent, "two!", 4);
    assert_int_equal(image_unclaim(path, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    AUTO_FREE char *kept = get_file(path, &len);
    assert_string_equal(kept, "one");
    assert_int_equal(image_claim(path, &e), 0);
    assert_int_equal(files_in(sub), 1);
}

static void removed_with_its_empty_folder(void **state)
{
    AUTO_FREE char *sub = in_folder("sub");
    AUTO_FREE char *path = in_folder("sub/image.reeve");
    AUTO_FREE char *other = in_folder("sub/other");
    struct err e = {0};

    (void)state;
    assert_int_equal(image_remove(path, &e), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    put_file(path, "one", 3);
    put_file(other, "other", 5);
    assert_int_equal(image_remove(path, &e), 0);
    assert_int_equal(files_in(sub), 1);
    assert_int_equal(unlink(other), 0);
    put_file(path, "one", 3);
    assert_int_equal(image_unlink(path, &e), 0);
    assert_int_equal(image_unlink(path, &e), 0);
    assert_int_equal(files_in(sub), 0);
    assert_int_equal(image_remove(path, &e), 0);
    assert_int_equal(access(sub, F_OK), -1);
    assert_int_equal(image_clear(path, &e), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    put_file(path, "one", 3);
    assert_int_equal(image_clear(path, &e), 0);
    assert_int_equal(access(sub, F_OK), -1);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(image_clear(path, &e), -1);
    assert_non_null(strstr(e.msg, path));
    assert_int_equal(image_remove(path, &e), -1);
    assert_non_null(strstr(e.msg, path));
}

static void set_aside_keeps_all(void **state)
{
    AUTO_FREE char *path = in_folder("image.reeve");
    struct err e = {0};

    (void)state;
    for (size_t i = 1; i <= 3; i++) {
        AUTO_FREE char *aside = NULL;
        AUTO_FREE char *prefix = x_asprintf("%s.discarded-2", path);
        struct stat st;
        put_file(path, "image", i);
        assert_int_equal(image_set_aside(path, &aside, &e), 0);
        assert_true(str_starts(aside, prefix));
        assert_int_equal(stat(aside, &st), 0);
        assert_int_equal(st.st_size, i);
        assert_int_equal(files_in(folder), i);
    }
    char *aside = NULL;
    assert_int_equal(image_set_aside(path, &aside, &e), -1);
    assert_int_equal(e.code, ERR_NO_SUCH_IMAGE);
    assert_null(aside);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(changed_files_are_refused),
        TEST(the_first_changed_disk_is_named),
        TEST(a_file_is_no_block_device),
        TEST(block_devices_differ_by_counter_and_hashes),
        TEST(only_files_and_block_devices_are_disks),
        TEST(claimed_and_unclaimed),
        TEST(removed_with_its_empty_folder),
        TEST(set_aside_keeps_all),
    };

    return cmocka_run_group_tests_name("image_disk", tests, NULL, NULL);
}
