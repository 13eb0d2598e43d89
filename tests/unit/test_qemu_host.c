/* SPDX-License-Identifier: MIT */
/* The QEMU driver against binaries that are missing, too old, broken or dying: shell scripts that
 * stand in for QEMU. And the proof of an accelerator, on the real one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/driver.h"
#include "driver/qemu/accel.h"
#include "driver/qemu/binary.h"

#define UUID "11111111-2222-4333-8444-555555555555"

struct place {
    char path[64];
    char *binary; /* of the stand-in */
    struct driver_options options;
};

static int setup(void **state)
{
    struct place *place = x_calloc(1, sizeof *place);

    str_copy(place->path, sizeof place->path, "/tmp/reeve-host-XXXXXX");
    if (!mkdtemp(place->path) || chmod(place->path, 0755) < 0)
        return -1;
    place->binary = x_asprintf("%s/stand-in", place->path);
    place->options = (struct driver_options){
        .run_dir = place->path, .state_dir = place->path, .qemu = place->binary};
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    struct err e;
    int result = fs_remove_tree(AT_FDCWD, place->path, &e);

    free(place->binary);
    free(place);
    return result;
}

/* A stand-in of that version; `otherwise` is what it does when it is to be a guest. */
static void stand_in(struct place *place, const char *version, const char *otherwise)
{
    FILE *file = fopen(place->binary, "we");

    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\necho asked >> %s/asked\ncase \"$1 $2\" in\n"
            "--version*) echo \"%s\" ;;\n"
            "'-machine help') echo 'pc  PC (alias of pc-i440fx-7.2)' ;;\n"
            "*) %s ;;\nesac\n",
            place->path, version, otherwise);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(place->binary, 0755), 0);
}

static void expect_no_probe(struct place *place, const char *says)
{
    struct err e;

    assert_int_equal(driver_qemu.probe(&place->options, &e), -1);
    assert_int_equal(e.code, ERR_DRIVER_UNAVAILABLE);
    if (!strstr(e.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
}

static void test_missing(void **state)
{
    struct place *place = *state;

    expect_no_probe(place, "cannot find the program");
    expect_no_probe(place, "install qemu-system-x86");
}

static void test_too_old(void **state)
{
    struct place *place = *state;

    stand_in(place, "QEMU emulator version 7.1.9 (x)", "exit 1");
    expect_no_probe(place, "it is QEMU 7.1.9, and 7.2 is the oldest that works");
    stand_in(place, "QEMU emulator version 2.11.1", "exit 1");
    expect_no_probe(place, "it is QEMU 2.11.1");
}

static void test_no_qemu(void **state)
{
    struct place *place = *state;

    stand_in(place, "GNU bash, version 5.2", "exit 1");
    expect_no_probe(place, "does not say what version");
    stand_in(place, "x\"; echo it is out of order >&2; exit 3; echo \"", "exit 1");
    expect_no_probe(place, "fails: x");
}

static int asked(struct place *place)
{
    AUTO_FREE char *path = x_asprintf("%s/asked", place->path);
    AUTO_FREE char *text = NULL;
    struct err e;
    size_t len;

    return fs_read_file(path, 65536, &text, &len, &e) < 0 ? 0 : (int)(len / strlen("asked\n"));
}

/* The binary is asked once; another one of the same name is asked again. */
static void test_is_remembered(void **state)
{
    struct place *place = *state;
    struct binary binary;
    struct err e;

    stand_in(place, "QEMU emulator version 7.2.1", "exit 1");
    for (int round = 0; round < 3; round++)
        assert_int_equal(driver_qemu.probe(&place->options, &e), 0);
    assert_int_equal(asked(place), 2); /* --version and -machine help */
    assert_int_equal(unlink(place->binary), 0);
    stand_in(place, "QEMU emulator version 8.0.2", "exit 1");
    assert_int_equal(binary_init(&binary, &place->options, &e), 0);
    assert_string_equal(binary.version, "8.0.2");
    assert_int_equal(asked(place), 4);
    binary_finish(&binary);
    /* What is remembered is not believed when it is damaged. */
    AUTO_FREE char *path = x_asprintf("%s/qemu-binary.json", place->path);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(driver_qemu.probe(&place->options, &e), 0);
    assert_int_equal(asked(place), 6);
}

/* ---- dying at start ---- */

static void expect_no_create(struct place *place, int64_t patience_ms, enum err_code code,
                             const char *says)
{
    static struct conf conf = {.memory_kib = 65536,
                               .max_memory_kib = 65536,
                               .vcpus = 1,
                               .max_vcpus = 1,
                               .accel = CONF_ACCEL_TCG,
                               .on_reboot = CONF_RESTART};
    struct create_args args = {
        .ref = {.uuid = UUID, .name = "web1", .id = 1},
        .conf = &conf,
        .directory = place->path,
        .user = {getuid(),            getgid()                  }
    };
    struct op op = op_within(patience_ms);
    struct driver_handle *h;
    struct observation seen;
    struct err e;

    assert_int_equal(driver_qemu.open(&place->options, &h, &e), 0);
    assert_int_equal(driver_qemu.create(h, &args, &op, &seen, &e), -1);
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("%s: %s", err_name(e.code), e.msg);
    /* Nothing is left of it. */
    AUTO_FREE char *folder = x_asprintf("%s/qemu/%s", place->path, UUID);
    assert_int_equal(access(folder, F_OK), -1);
    driver_qemu.close(h);
}

static void test_dies_at_start(void **state)
{
    struct place *place = *state;

    stand_in(place, "QEMU emulator version 7.2.1",
             "echo a warning >&2; echo stand-in: the last straw >&2; exit 1");
    expect_no_create(place, 20000, ERR_FAILED, "QEMU did not start: the last straw");
    stand_in(place, "QEMU emulator version 7.2.1", "kill -9 $$");
    expect_no_create(place, 20000, ERR_FAILED, "QEMU did not start");
    stand_in(place, "QEMU emulator version 7.2.1", "printf 'a \\033[31mred\\rlie' >&2; exit 1");
    expect_no_create(place, 20000, ERR_FAILED, "a \\x1b[31mred\\x0dlie");
}

static void test_hangs_at_start(void **state)
{
    struct place *place = *state;

    stand_in(place, "QEMU emulator version 7.2.1", "exec sleep 60");
    expect_no_create(place, 300, ERR_TIMED_OUT, "QEMU did not start");
}

static void test_vanishes_after_open(void **state)
{
    struct place *place = *state;

    stand_in(place, "QEMU emulator version 7.2.1", "rm -f \"$0\"; exit 1");
    expect_no_create(place, 20000, ERR_FAILED, "QEMU did not start");
}

/* ---- the proof ---- */

static void test_proof(void **state)
{
    struct driver_options options = {.run_dir = "/nonexistent", .state_dir = "/nonexistent"};
    struct binary binary;
    struct err e;

    (void)state;
    if (binary_init(&binary, &options, &e) < 0)
        fail_msg("%s", e.msg);
    if (accel_prove(binary.path, "tcg", &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(accel_prove(binary.path, "no-such-accelerator", &e), -1);
    assert_non_null(strstr(e.msg, "a test guest did not run: "));
    assert_int_equal(accel_prove("/bin/true", "tcg", &e), -1);
    binary_finish(&binary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_qemu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dies_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangs_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vanishes_after_open, setup, teardown),
        cmocka_unit_test(test_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
