/* SPDX-License-Identifier: MIT */
/* Save images: a save that fails leaves nothing and keeps what was there. */
#include "image_fixture.h"

#include <pthread.h>
#include <sys/eventfd.h>

/* The path of the temporary file, from the intent; owned by the caller. */
static char *temporary_of(const struct image_writer *w)
{
    struct err e = {0};
    char *intent = image_writer_intent(w, &e);

    assert_non_null(intent);
    *strchr(intent, '\n') = '\0';
    return intent;
}

static void stat_temporary(const struct image_writer *w, struct stat *ret)
{
    AUTO_FREE char *temporary = temporary_of(w);

    assert_int_equal(stat(temporary, ret), 0);
}

static void refuse_target(const char *path, const struct fs_user *user, uint64_t need_bytes,
                          enum err_code code, const char *text)
{
    struct image_writer *w = NULL;
    struct err e = {0};

    assert_int_equal(image_writer_open(path, user, need_bytes, &w, &e), -1);
    assert_null(w);
    assert_null(strchr(e.msg, '\n'));
    if (e.code != code || !strstr(e.msg, path) || !strstr(e.msg, text))
        fail_msg("%s: \"%s\" does not say \"%s\"", err_name(e.code), e.msg, text);
}

static void targets_that_are_no_files_are_refused(void **state)
{
    AUTO_FREE char *fifo = in_folder("fifo");
    AUTO_FREE char *link = in_folder("link");
    AUTO_FREE char *slash = in_folder("");
    AUTO_FREE char *dots = in_folder("..");
    AUTO_FREE char *nowhere = in_folder("no/such/a.reeve");
    AUTO_FREE char *under_file = in_folder("file/a.reeve");
    AUTO_FREE char *file = in_folder("file");
    AUTO_FREE char *name = x_calloc(1, 302);
    memset(name, 'n', 300);
    AUTO_FREE char *long_name = in_folder(name);

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("elsewhere", link), 0);
    put_file(file, "x", 1);
    refuse_target(folder, &self, 0, ERR_EXISTS, "a folder");
    refuse_target(slash, &self, 0, ERR_EXISTS, "a folder");
    refuse_target(dots, &self, 0, ERR_EXISTS, "a folder");
    refuse_target(fifo, &self, 0, ERR_EXISTS, "a FIFO");
    refuse_target(link, &self, 0, ERR_EXISTS, "a symbolic link");
    refuse_target("/dev/null", &self, 0, ERR_EXISTS, "a character device");
    refuse_target(nowhere, &self, 0, ERR_FAILED, "No such file");
    refuse_target(under_file, &self, 0, ERR_FAILED, "Not a directory");
    refuse_target(long_name, &self, 0, ERR_FAILED, "File name too long");
    assert_int_equal(files_in(folder), 3);
}

/* As root with the rights of nobody, else with one's own on a folder without the right. */
static void a_folder_without_the_right_is_refused(void **state)
{
    const struct fs_user nobody = {65534, 65534};
    const struct fs_user *user = geteuid() == 0 ? &nobody : &self;
    AUTO_FREE char *sub = in_folder("sub");
    AUTO_FREE char *path = in_folder("sub/a.reeve");
    AUTO_FREE char *old = in_folder("old.reeve");

    (void)state;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(mkdir(sub, 0555), 0);
    refuse_target(path, user, 0, ERR_FAILED, "Permission denied");
    /* The folder would allow it, the file does not. */
    put_file(old, "old", 3);
    assert_int_equal(chmod(old, 0400), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    refuse_target(old, user, 0, ERR_FAILED, "Permission denied");
    assert_int_equal(chmod(sub, 0755), 0);
    assert_int_equal(files_in(sub), 0);
    assert_int_equal(files_in(folder), 2);
}

static void the_file_is_the_users(void **state)
{
    const struct fs_user nobody = {65534, 65534};
    AUTO_FREE char *path = in_folder("a.reeve");
    struct stat st;

    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    if (geteuid() == 0)
        self = nobody;
    make_image(path, 10);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, self.uid);
    assert_int_equal(files_in(folder), 1);
}

static void mode_is_0600_under_any_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 0777};
    AUTO_FREE char *path = in_folder("a.reeve");
    struct stat st;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        mode_t was = umask(masks[i]);
        struct image_writer *w = begin_image(path, 0);
        umask(was);
        stat_temporary(w, &st);
        assert_int_equal(st.st_mode & 07777, 0600);
        image_writer_free(w);
        was = umask(masks[i]);
        make_image(path, 10);
        umask(was);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void too_little_space_leaves_nothing(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct rlimit was, small = {.rlim_cur = 4 << 20};

    (void)state;
    put_file(path, "old", 3);
    refuse_target(path, &self, (uint64_t)1 << 60, ERR_NO_SPACE, "it needs ");
    refuse_target(path, &self, UINT64_MAX, ERR_NO_SPACE, "it needs ");
    /* Where the filesystem would have it: the limit stands for a full disk. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    refuse_target(path, &self, 8 << 20, ERR_NO_SPACE, "it needs 8 MiB");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(files_in(folder), 1);
}

static void space_is_reserved_and_trimmed(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1000);
    struct err e = {0};
    struct stat st;
    uint64_t size;

    (void)state;
    struct image_writer *w = begin_image(path, 16 << 20);
    stat_temporary(w, &st);
    assert_true(st.st_blocks * 512 >= 16 << 20 || st.st_size < 16 << 20);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_true(st.st_blocks * 512 < 1 << 20);
}

static void a_disk_full_in_mid_stream_keeps_the_old_image(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(8 << 20);
    struct rlimit was, small = {.rlim_cur = 1 << 20};
    struct err e = {0};

    (void)state;
    make_image(path, 1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int result = image_writer_stream(w, fd, &endless, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(result, -1);
    assert_non_null(strstr(e.msg, path));
    assert_int_equal(files_in(folder), 2);
    image_writer_free(w);
    assert_int_equal(files_in(folder), 1);
    assert_false(refused(path, &e));
}

static void there_is_no_name_before_the_end(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1 << 20);
    AUTO_FREE char *temporary = NULL;
    struct err e = {0};

    (void)state;
    struct image_writer *w = begin_image(path, 1 << 20);
    temporary = temporary_of(w);
    assert_int_equal(access(temporary, F_OK), 0);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(refused(temporary, &e)); /* what a power cut here would leave */
    assert_int_equal(e.code, ERR_DAMAGED);
    image_writer_free(w);
    assert_int_equal(files_in(folder), 0);
}

/* By the temporary file's name before the rename, by its inode after it; with names that are too
 * long for the ends, too. */
static void an_intent_knows_the_file_again(void **state)
{
    char longest[NAME_MAX + 1] = "";

    (void)state;
    memset(longest, 'n', NAME_MAX);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? longest : "a.reeve";
        AUTO_FREE char *path = in_folder(name);
        AUTO_CLOSE int fd = stream_of(1000);
        struct err e = {0};
        struct stat st;
        uint64_t size;
        struct image_writer *w = begin_image(path, 0);
        AUTO_FREE char *temporary = temporary_of(w);
        AUTO_FREE char *intent = image_writer_intent(w, &e);
        stat_temporary(w, &st);
        AUTO_FREE char *wanted = x_asprintf("%s\n%s\n%ju", temporary, path, (uintmax_t)st.st_ino);
        assert_string_equal(intent, wanted);
        const char *last = strrchr(temporary, '/') + 1;
        assert_true(image_is_temporary_of(name, last));
        assert_false(image_is_temporary_of("b.reeve", last));
        assert_false(image_is_temporary_of(name, name));
        assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
        assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
        image_writer_free(w);
        ino_t inode = st.st_ino;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_ino, inode);
    }
}

static void a_target_that_turns_up_late_is_not_replaced(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1000);
    struct err e = {0};
    uint64_t size;

    (void)state;
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), -1);
    assert_int_equal(e.code, ERR_EXISTS);
    image_writer_free(w);
    assert_int_equal(files_in(folder), 1);
}

static void a_good_image_is_replaced_whole(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1 << 20);
    struct err e = {0};
    struct stat before, during, after;
    uint64_t size;

    (void)state;
    make_image(path, 1000);
    assert_int_equal(stat(path, &before), 0);
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    assert_int_equal(stat(path, &during), 0);
    assert_int_equal(during.st_ino, before.st_ino);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_ino != before.st_ino);
    assert_int_equal(after.st_size, size);
    assert_false(refused(path, &e));
    assert_int_equal(files_in(folder), 1);
}

/* The sync of a large image takes long, and a cancel in it counts: by its end there may be a newer
 * image of that name. */
static void a_cancel_before_the_rename_leaves_the_older(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1 << 20);
    struct err e = {0};
    struct stat before, after;
    uint64_t size;

    (void)state;
    make_image(path, 1000);
    assert_int_equal(stat(path, &before), 0);
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(image_writer_stream(w, fd, &endless, &e), 0);
    struct op op = op_within(60 * 1000);
    AUTO_CLOSE int cancel = eventfd(1, EFD_CLOEXEC);
    op.cancel_fd = cancel;
    assert_int_equal(image_writer_finish(w, &size, &op, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    image_writer_free(w);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(files_in(folder), 1);
}

/* The guest's side of a save: two chunks, then silence. */
struct silent_guest {
    int stream;
    int cancel;
    bool cancels;
};

static void *feed_then_cancel(void *arg)
{
    struct silent_guest *guest = arg;
    static const char bytes[2 * IMAGE_RAW];
    struct err e;

    if (fs_write_all(guest->stream, bytes, sizeof bytes, "stream", &e) == 0 && guest->cancels)
        return fs_write_all(guest->cancel, "x", 1, "cancel", &e) == 0 ? guest : NULL;
    return guest;
}

static void end_in_mid_stream(bool cancels, enum err_code code)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    struct err e = {0};
    int stream[2], cancel[2];
    pthread_t thread;
    void *fed = NULL;

    make_image(path, 1000);
    assert_int_equal(pipe2(stream, O_CLOEXEC), 0);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    struct silent_guest guest = {stream[1], cancel[1], cancels};
    struct op op = op_within(cancels ? 60000 : 200);
    op.cancel_fd = cancel[0];
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_then_cancel, &guest), 0);
    assert_int_equal(image_writer_stream(w, stream[0], &op, &e), -1);
    close(stream[0]);
    pthread_join(thread, &fed);
    assert_ptr_equal(fed, &guest);
    assert_int_equal(e.code, code);
    image_writer_free(w);
    assert_int_equal(files_in(folder), 1);
    assert_false(refused(path, &e));
    close(stream[1]);
    close(cancel[0]);
    close(cancel[1]);
}

static void cancel_in_mid_stream_leaves_nothing(void **state)
{
    (void)state;
    end_in_mid_stream(true, ERR_CANCELLED);
}

static void a_silent_guest_meets_the_deadline(void **state)
{
    (void)state;
    end_in_mid_stream(false, ERR_TIMED_OUT);
}

/* A stream that always has more must meet the deadline too. */
static void an_endless_stream_meets_the_deadline(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct op op = op_within(100);
    struct err e = {0};

    (void)state;
    struct image_writer *w = begin_image(path, 0);
    assert_int_equal(image_writer_stream(w, zero, &op, &e), -1);
    assert_int_equal(e.code, ERR_TIMED_OUT);
    assert_string_equal(e.phase, "the guest's state");
    image_writer_free(w);
    assert_int_equal(files_in(folder), 0);
}

static void count_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    uint64_t *last = arg;

    assert_true(done_bytes > *last && done_bytes <= total_bytes);
    *last = done_bytes;
}

static void progress_goes_to_the_end(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_CLOSE int fd = stream_of(1 << 20);
    AUTO_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    uint64_t done = 0, size;
    struct op op = {.cancel_fd = -1, .progress = count_progress, .progress_arg = &done};
    struct image_reader *r = NULL;
    struct err e = {0};

    (void)state;
    struct image_writer *w = begin_image(path, 1000);
    assert_int_equal(image_writer_stream(w, fd, &op, &e), 0);
    assert_int_equal(done, 1 << 20);
    assert_int_equal(image_writer_finish(w, &size, NULL, &e), 0);
    image_writer_free(w);
    assert_int_equal(image_reader_open(path, &self, &r, &e), 0);
    done = 0;
    assert_int_equal(image_reader_stream(r, null, &op, &e), 0);
    assert_int_equal(done, 1 << 20);
    image_reader_free(r);
}

static void a_header_that_cannot_be_kept_is_refused(void **state)
{
    AUTO_FREE char *path = in_folder("a.reeve");
    AUTO_FREE char *big = x_calloc(1, IMAGE_HEADER_MAX + 1);
    struct image_header h = sample_header();
    struct image_writer *w = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(image_writer_open(path, &self, 0, &w, &e), 0);
    h.config = (char *)(uintptr_t) "name = \"\xff\"";
    assert_int_equal(image_writer_header(w, &h, &e), -1);
    assert_non_null(strstr(e.msg, "config: it is not UTF-8"));
    memset(big, 'x', IMAGE_HEADER_MAX);
    h.config = big;
    assert_int_equal(image_writer_header(w, &h, &e), -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
    h.config = NULL;
    assert_int_equal(image_writer_header(w, &h, &e), -1);
    image_writer_free(w);
    image_writer_free(NULL);
    assert_int_equal(files_in(folder), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        TEST(targets_that_are_no_files_are_refused),
        TEST(a_folder_without_the_right_is_refused),
        TEST(an_intent_knows_the_file_again),
        TEST(the_file_is_the_users),
        TEST(mode_is_0600_under_any_umask),
        TEST(too_little_space_leaves_nothing),
        TEST(space_is_reserved_and_trimmed),
        TEST(a_disk_full_in_mid_stream_keeps_the_old_image),
        TEST(there_is_no_name_before_the_end),
        TEST(a_target_that_turns_up_late_is_not_replaced),
        TEST(a_good_image_is_replaced_whole),
        TEST(a_cancel_before_the_rename_leaves_the_older),
        TEST(cancel_in_mid_stream_leaves_nothing),
        TEST(a_silent_guest_meets_the_deadline),
        TEST(an_endless_stream_meets_the_deadline),
        TEST(progress_goes_to_the_end),
        TEST(a_header_that_cannot_be_kept_is_refused),
    };

    return cmocka_run_group_tests_name("image_write", tests, NULL, NULL);
}
