/* SPDX-License-Identifier: MIT */
/* The language of configs: values, places of mistakes, the command line, limits. */
#include "conf_fixture.h"

static void strings_and_escapes(void **state)
{
    /* clang-format off */
    static const struct {
        const char *written, *is;
    } rows[] = {
        {"'plain'", "plain"},
        {"\"plain\"", "plain"},
        {"'say \"hi\"'", "say \"hi\""},
        {"\"it's\"", "it's"},
        {"'it\\'s'", "it's"},
        {"\"a\\\\b\"", "a\\b"},
        {"\"\\a\\b\\f\\n\\r\\t\\v\"", "\a\b\f\n\r\t\v"},
        {"\"\\x41\\x7f\\xfF\"", "A\x7f\xff"},
        {"\"\\101\\1\\0012\"", "A\001\0012"},
        {"\"\\1018\"", "A8"},
        {"\"# no ; comment\"", "# no ; comment"},
        {"\"\xc3\xa4\"", "\xc3\xa4"},
        {"\"tab\there\"", "tab\there"},
        {"0x1F", "0x1F"}, /* a number is a string to a key that takes strings */
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        AUTO_FREE char *text = x_asprintf("extra = %s\n", rows[i].written);
        assert_string_equal(good(&o, text)->cmdline, rows[i].is);
        finish(&o);
    }
}

/* Every string of bytes but NUL comes back from conf_merge and conf_parse as it was. */
static void strings_round_trip(void **state)
{
    char bytes[256];

    (void)state;
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i;
    bytes[255] = '\0';
    for (size_t from = 0; from < 255; from += 5) {
        struct outcome o;
        struct err e;
        char *merged;
        AUTO_FREE char *word = x_asprintf("extra=x%s", bytes + from);
        const char *words[] = {word};
        assert_int_equal(conf_merge("extra = 'old'\n", words, 1, &merged, &e), 0);
        assert_string_equal(good(&o, merged)->cmdline, word + strlen("extra="));
        finish(&o);
        free(merged);
    }
}

static void numbers(void **state)
{
    /* clang-format off */
    static const struct {
        const char *written;
        unsigned is;
    } rows[] = {
        {"3", 3},
        {"017", 15},
        {"0x1f", 31},
        {"0X1F", 31},
        {"'4'", 4},
        {"\"0x10\"", 16},
        {"'010'", 8},
        {"512", 512},
        {"00007", 7},
        {"1", 1 }
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        AUTO_FREE char *text = x_asprintf("vcpus = %s", rows[i].written);
        assert_int_equal(good(&o, text)->vcpus, rows[i].is);
        assert_int_equal(o.conf->max_vcpus, rows[i].is);
        finish(&o);
    }
    refuse("vcpus = 0", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = 513", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = '-1'", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = 99999999999999999999999", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = 0xfffffffffffffffff1", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = 4294967297", ERR_BAD_CONFIG, 1, "vcpus", "1 to 512");
    refuse("vcpus = ''", ERR_BAD_CONFIG, 1, "vcpus", "whole number");
    refuse("vcpus = '2 '", ERR_BAD_CONFIG, 1, "vcpus", "whole number");
    refuse("vcpus = '0x'", ERR_BAD_CONFIG, 1, "vcpus", "whole number");
    refuse("vcpus = 08", ERR_BAD_CONFIG, 1, "vcpus", "octal");
    refuse("vcpus = '08'", ERR_BAD_CONFIG, 1, "vcpus", "octal");
    refuse("vcpus = -1", ERR_BAD_CONFIG, 1, "vcpus", "below 0");
    refuse("vcpus = 1.5", ERR_BAD_CONFIG, 1, "vcpus", "whole number");
    refuse("memory = 512M", ERR_BAD_CONFIG, 1, "memory", "MiB");
    refuse("memory = '2g'", ERR_BAD_CONFIG, 1, "memory", "MiB");
    refuse("vcpus = [2]", ERR_BAD_CONFIG, 1, "vcpus", "takes a number");
    refuse("memory = 16777217", ERR_BAD_CONFIG, 1, "memory", "MiB");
}

static void booleans(void **state)
{
    struct outcome o;

    (void)state;
    assert_int_equal(good(&o, "vnc = 1")->vnc, CONF_FLAG_ON);
    finish(&o);
    assert_int_equal(good(&o, "vnc = 7")->vnc, CONF_FLAG_ON);
    finish(&o);
    assert_int_equal(good(&o, "vnc = '1'")->vnc, CONF_FLAG_ON);
    finish(&o);
    assert_int_equal(good(&o, "vnc = 0")->vnc, CONF_FLAG_OFF);
    finish(&o);
    assert_int_equal(good(&o, "")->vnc, CONF_FLAG_UNSET);
    finish(&o);
    refuse("vnc = 'yes'", ERR_BAD_CONFIG, 1, "vnc", "neither 0 nor 1");
    refuse("vnc = []", ERR_BAD_CONFIG, 1, "vnc", "neither 0 nor 1");
    refuse("vnc = true", ERR_BAD_CONFIG, 1, "vnc", "write 1");
    refuse("vnc = True.x", ERR_BAD_CONFIG, 1, "vnc", "Python");
    refuse("serial = ['pty', None]", ERR_BAD_CONFIG, 1, "serial", "no place for null");
    refuse("extra = 'a'\nextra += null", ERR_BAD_CONFIG, 2, "extra", "null");
    refuse("vnc = false", ERR_BAD_CONFIG, 1, "vnc", "write 0");
}

static void separators_comments_and_lists(void **state)
{
    struct outcome o;
    struct conf *conf;

    (void)state;
    conf = good(&o, "\xef\xbb\xbf# first\r\n ; ;name='a';vcpus=2;\r\n\n"
                    "serial = [ # a comment\n 'pty', # and one\n\n 'file:/x' ,\n ] # end\n"
                    "vif=[\n]; boot='cd'#last");
    assert_string_equal(conf->name, "a");
    assert_int_equal(conf->vcpus, 2);
    assert_int_equal(conf->serial_count, 2);
    assert_string_equal(conf->serials[1], "file:/x");
    assert_int_equal(conf->vif_count, 0);
    assert_string_equal(conf->boot, "cd");
    finish(&o);
}

static void appending(void **state)
{
    struct outcome o;
    struct conf *conf;

    (void)state;
    conf = good(&o, "extra = 'a'\nserial = ['pty']\nextra += \" b\"\nserial += ['file:/1',\n"
                    "'file:/2']\nextra += 5\n");
    assert_string_equal(conf->cmdline, "a b5");
    assert_int_equal(conf->serial_count, 3);
    assert_string_equal(conf->serials[2], "file:/2");
    finish(&o);
    assert_string_equal(good(&o, "extra += 'alone'")->cmdline, "alone");
    finish(&o);
    refuse("\nvcpus += 1", ERR_BAD_CONFIG, 2, "vcpus", "+=");
    refuse("vcpus = 1\nvcpus += 1", ERR_BAD_CONFIG, 2, "vcpus", "+=");
    refuse("vnc = 1\nvnc += 1", ERR_BAD_CONFIG, 2, "vnc", "neither");
    refuse("extra = 'a'\n\nextra += ['b']", ERR_BAD_CONFIG, 3, "extra", "alike");
    refuse("serial = ['pty']\nserial += 'pty'", ERR_BAD_CONFIG, 2, "serial", "alike");
    refuse("serial = ['pty']\nserial += [\n'pty',\n'tcp:1']", ERR_BAD_CONFIG, 4, "serial", "tcp:1");
}

static void given_twice(void **state)
{
    struct outcome o;

    (void)state;
    warn_on("qemu", "vcpus = 1\n\nvcpus = 3", "t.cfg:3: vcpus is given twice, first on line 1");
    parse_text(&o, "extra = 'a'\nextra += 'b'\nextra = 'c'\nextra += 'd'\n");
    assert_string_equal(o.conf->cmdline, "cd");
    assert_int_equal(o.warnings.count, 1);
    finish(&o);
}

static void mistakes_have_places(void **state)
{
    (void)state;
    refuse("\n\nname = web1\n", ERR_BAD_CONFIG, 3, "name", "quotes");
    refuse("name = 'web1\nvcpus = 1", ERR_BAD_CONFIG, 1, "name", "not closed");
    refuse("name = \"web1", ERR_BAD_CONFIG, 1, "name", "not closed");
    refuse("name = \"web1\\", ERR_BAD_CONFIG, 1, "name", "not closed");
    refuse("name = 'a\\\nb'", ERR_BAD_CONFIG, 1, "name", "next line");
    refuse("name = 'a\\q'", ERR_BAD_CONFIG, 1, "name", "unknown escape");
    refuse("name = 'a\\x1'", ERR_BAD_CONFIG, 1, "name", "two hexadecimal digits");
    refuse("name = 'a\\0'", ERR_BAD_CONFIG, 1, "name", "1 to 255");
    refuse("name = 'a\\x00'", ERR_BAD_CONFIG, 1, "name", "1 to 255");
    refuse("name = 'a\\777'", ERR_BAD_CONFIG, 1, "name", "1 to 255");
    refuse("name =\n'a'", ERR_BAD_CONFIG, 1, "name", "no value");
    refuse("name =", ERR_BAD_CONFIG, 1, "name", "no value");
    refuse("name", ERR_BAD_CONFIG, 1, "name", "not followed by =");
    refuse("name 'a'", ERR_BAD_CONFIG, 1, "name", "not followed by =");
    refuse("name = 'a' 'b'", ERR_BAD_CONFIG, 1, "name", "line must end");
    refuse("name = 'a' vcpus = 2", ERR_BAD_CONFIG, 1, "name", "line must end");
    refuse("vcpus = 1\n= 3", ERR_BAD_CONFIG, 2, "", "where a key is expected");
    refuse("'name' = 3", ERR_BAD_CONFIG, 1, "", "where a key is expected");
    refuse("vcpus = 1\n\x7f\x45LF", ERR_BAD_CONFIG, 2, "", "\\x7f");
    refuse("name = 'x'\nserial = [ 'pty',\n", ERR_BAD_CONFIG, 2, "serial", "not closed by ]");
    refuse("serial = [ 'pty'\nvcpus = 1\n", ERR_BAD_CONFIG, 1, "serial", "not closed by ]");
    refuse("\nserial = [\nvcpus=1\n", ERR_BAD_CONFIG, 2, "serial", "not closed by ]");
    refuse("serial = [ 'pty' 'pty' ]", ERR_BAD_CONFIG, 1, "serial", "\",\" or \"]\"");
    refuse("serial = [ , ]", ERR_BAD_CONFIG, 1, "serial", "not a value");
    refuse("serial = [\n'pty',, ]", ERR_BAD_CONFIG, 2, "serial", "not a value");
    refuse("serial = [ pty ]", ERR_BAD_CONFIG, 1, "serial", "quotes");
    refuse("x = ]", ERR_BAD_CONFIG, 1, "x", "not a value");
    refuse("a = \r", ERR_BAD_CONFIG, 1, "a", "\\x0d");
}

static void python_is_named(void **state)
{
    static const char *const texts[] = {
        "import os, re\n",
        "from os import *\n",
        "def vnc(x):\n  return x\n",
        "name = \"\"\"a\"\"\"\n",
        "if True:\n  vcpus = 1\n",
        "print 'hello'\n",
        "arch = os.uname()[4]\n",
        "kernel = '/boot/' + arch\n",
        "extra = 'a=%d' % 5\n",
        "kernel = (1)\n",
        "disk = ['a' + 'b']\n",
        "x = {}\n",
        "foo(1)\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct outcome o;
        parse_text(&o, texts[i]);
        assert_null(o.conf);
        if (!strstr(o.e.msg, "Python"))
            fail_msg("%s%s", texts[i], o.e.msg);
        finish(&o);
    }
}

static char *repeated(const char *head, const char *part, size_t times, const char *tail)
{
    struct str s = {0};

    str_add(&s, head);
    for (size_t i = 0; i < times; i++)
        str_add(&s, part);
    str_add(&s, tail);
    return str_take(&s);
}

static void limits(void **state)
{
    struct outcome o;

    (void)state;
    AUTO_FREE char *most = repeated("vcpus = 2", "\n", CONF_TEXT_MAX - 9, "");
    assert_int_equal(good(&o, most)->vcpus, 2);
    finish(&o);
    AUTO_FREE char *more = repeated("vcpus = 2", "\n", CONF_TEXT_MAX - 8, "");
    parse_text(&o, more);
    assert_int_equal(o.e.code, ERR_TOO_LARGE);
    assert_non_null(strstr(o.e.msg, "524289"));
    finish(&o);
    parse_bytes(&o, "name = 'a'\n\0\n", 13, "qemu", NULL, 0);
    assert_int_equal(o.e.code, ERR_BAD_CONFIG);
    assert_int_equal(o.e.line, 2);
    assert_non_null(strstr(o.e.msg, "not text"));
    finish(&o);

    AUTO_FREE char *deep = repeated("foo = ", "[", 16, "]]]]]]]]]]]]]]]]");
    warn_on("qemu", deep, "foo");
    AUTO_FREE char *deeper = repeated("foo = ", "[", 17, "]]]]]]]]]]]]]]]]]");
    refuse(deeper, ERR_BAD_CONFIG, 1, "foo", "nested");

    AUTO_FREE char *name = repeated("name = '", "n", 129, "'");
    refuse(name, ERR_BAD_CONFIG, 1, "name", "129 bytes");
    AUTO_FREE char *kernel = repeated("kernel = '", "k", 4096, "'");
    refuse(kernel, ERR_BAD_CONFIG, 1, "kernel", "4096 bytes are too long; at most 4095");
    AUTO_FREE char *target = repeated("disk = ['vdev=xvda,target=", "t", 4096, "']");
    refuse(target, ERR_BAD_CONFIG, 1, "disk", "4096 bytes long; at most 4095");
    AUTO_FREE char *ports = repeated("serial = [", "'pty',", 5, "]");
    refuse(ports, ERR_BAD_CONFIG, 1, "serial", "more than 4");
    AUTO_FREE char *vifs = repeated("vif = [", "'',", 33, "]");
    refuse(vifs, ERR_BAD_CONFIG, 1, "vif", "more than 32");
}

/* A thousand slips of the pen are told without a flood. */
static void warnings_are_bounded(void **state)
{
    struct outcome o;
    AUTO_STR struct str text = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        str_addf(&text, "slip%d = 1\n", i);
    parse_text(&o, text.data);
    assert_non_null(o.conf);
    assert_int_equal(o.warnings.count, 65);
    assert_string_equal(o.warnings.lines[0],
                        "t.cfg:1: \"slip0\" is not a known key and does nothing");
    assert_non_null(strstr(o.warnings.lines[64], "left out"));
    finish(&o);
    /* A slip in a key of ours is found behind them all the same. */
    str_add(&text, "reeve_acel = 'tcg'\n");
    refuse(text.data, ERR_BAD_CONFIG, 1001, "reeve_acel", "did you mean reeve_accel?");
}

static void command_line(void **state)
{
    static const char text[] = "name = 'web1'\nvcpus = 1\nextra = 'a'\nserial = ['pty']\n";
    static const char *const words[] = {
        "vcpus=4",
        "kernel=/boot/vm linuz",
        "extra+= b=c",
        "serial+=['file:/x']",
        "uuid=\"A0000000-0000-4000-8000-00000000000b\"",
        "vnc = 1",
        "ramdisk=",
        "reeve_machine=q35",
    };
    struct outcome o;

    (void)state;
    parse_bytes(&o, text, strlen(text), "qemu", words, ARRAY_LEN(words));
    if (!o.conf)
        fail_msg("%s", o.e.msg);
    assert_int_equal(o.warnings.count, 0);
    assert_int_equal(o.conf->vcpus, 4);
    assert_string_equal(o.conf->kernel, "/boot/vm linuz");
    assert_string_equal(o.conf->cmdline, "a b=c");
    assert_int_equal(o.conf->serial_count, 2);
    assert_string_equal(o.conf->uuid, "a0000000-0000-4000-8000-00000000000b");
    assert_true(o.conf->vnc);
    assert_null(o.conf->ramdisk);
    assert_int_equal(o.conf->machine, CONF_MACHINE_Q35);
    finish(&o);
}

static void bad_words(void **state)
{
    /* clang-format off */
    static const struct {
        const char *word, *says;
    } rows[] = {
        {"vcpus", "not of the form key=value"},
        {"=3", "not of the form key=value"},
        {"", "not of the form key=value"},
        {"1x=3", "not of the form key=value"},
        {"a-b=3", "not of the form key=value"},
        {"name='x", "not closed"},
        {"name='x' y", "line must end"},
        {"name='x'; vcpus=2", "line must end"},
        {"serial=['pty'", "not closed by ]"},
        {"vcpus=two", "not a whole number"},
        {"disk=/x", "takes a list"},
        {"vnc=true", "neither 0 nor 1"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        parse_bytes(&o, "", 0, "qemu", &rows[i].word, 1);
        assert_null(o.conf);
        if (!strstr(o.e.msg, rows[i].says) || !str_starts(o.e.msg, "command line: "))
            fail_msg("%s: %s", rows[i].word, o.e.msg);
        assert_int_equal(o.e.line, 0);
        assert_string_equal(o.e.file, "command line");
        assert_int_equal(o.e.code, ERR_BAD_CONFIG);
        finish(&o);
    }
    struct outcome o;
    static const char *const twice[] = {"vcpus=2", "vcpus=3"};
    parse_bytes(&o, "vcpus=1", 7, "qemu", twice, 2);
    assert_int_equal(o.conf->vcpus, 3);
    assert_int_equal(o.warnings.count, 1);
    assert_string_equal(o.warnings.lines[0],
                        "command line: vcpus is given twice; the last one counts");
    finish(&o);
}

/* Merging and parsing is as parsing with the words, and nothing is given twice. */
static void merge_is_parse(void **state)
{
    static const char *const texts[] = {
        "",
        "name = 'x'",
        "name = 'x' # no line end",
        "vcpus = 3; memory = 5; serial = ['pty',\n # here\n 'file:/a'\n]; vnc = 1\r\nextra = 'q'\n",
        "\xef\xbb\xbfvcpus=8",
        "serial=[\n'pty']\nserial+=['pty']\nextra='a'\nextra+='b'",
    };
    static const char *const words[] = {"vcpus=2", "serial=['unix:/s', \"file:/b\"]",
                                        "extra=it's \"q\"\n\\", "extra+=!", "memory=0x40"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct outcome with, merged;
        struct err e;
        char *text;
        parse_bytes(&with, texts[i], strlen(texts[i]), "qemu", words, ARRAY_LEN(words));
        assert_non_null(with.conf);
        assert_int_equal(conf_merge(texts[i], words, ARRAY_LEN(words), &text, &e), 0);
        good(&merged, text);
        AUTO_FREE char *a = json_text(with.conf);
        AUTO_FREE char *b = json_text(merged.conf);
        assert_string_equal(a, b);
        finish(&with);
        finish(&merged);
        free(text);
    }
}

static void merge_texts(void **state)
{
    static const char *const words[] = {"vcpus=2", "name=a\"b"};
    static const char *const wrong[] = {"vcpus"};
    struct err e;
    char *text;

    (void)state;
    assert_int_equal(conf_merge("memory=1\nvcpus=1; vnc=1\n", words, 2, &text, &e), 0);
    assert_string_equal(text, "memory=1\n# vcpus=1\n; vnc=1\nvcpus = 2\nname = \"a\\\"b\"\n");
    free(text);
    assert_int_equal(conf_merge("memory=1", NULL, 0, &text, &e), 0);
    assert_string_equal(text, "memory=1");
    free(text);
    /* A text with a mistake is left for the parser, which knows the name of the file. */
    assert_int_equal(conf_merge("vcpus=[", words, 1, &text, &e), 0);
    assert_string_equal(text, "vcpus=[\nvcpus = 2\n");
    free(text);
    assert_int_equal(conf_merge("memory=1", wrong, 1, &text, &e), -1);
    assert_int_equal(e.code, ERR_BAD_CONFIG);
    AUTO_FREE char *large = repeated("", "#", CONF_TEXT_MAX, "");
    assert_int_equal(conf_merge(large, words, 1, &text, &e), -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
    const char *large_word = large;
    struct outcome o;
    parse_bytes(&o, "", 0, "qemu", &large_word, 1);
    assert_int_equal(o.e.code, ERR_TOO_LARGE);
    finish(&o);
}

/* The end of a long file name is shown, and the mistake behind it still has room. */
static void long_file_name(void **state)
{
    AUTO_FREE char *file = repeated("", "/folder", 500, "/web1.cfg");
    struct outcome o = {0};

    (void)state;
    assert_int_equal(conf_parse("vcpus = 0", 9, file, NULL, 0, "qemu", &o.conf, &o.warnings, &o.e),
                     -1);
    assert_true(str_starts(o.e.msg, "...") && strstr(o.e.msg, "/web1.cfg:1: vcpus: 0 is out of"));
    finish(&o);
}

static void unknown_driver(void **state)
{
    struct outcome o;

    (void)state;
    parse_bytes(&o, "", 0, "kvmtool", NULL, 0);
    assert_int_equal(o.e.code, ERR_BAD_REQUEST);
    finish(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_escapes),
        cmocka_unit_test(strings_round_trip),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(separators_comments_and_lists),
        cmocka_unit_test(appending),
        cmocka_unit_test(given_twice),
        cmocka_unit_test(mistakes_have_places),
        cmocka_unit_test(python_is_named),
        cmocka_unit_test(limits),
        cmocka_unit_test(warnings_are_bounded),
        cmocka_unit_test(command_line),
        cmocka_unit_test(bad_words),
        cmocka_unit_test(merge_is_parse),
        cmocka_unit_test(merge_texts),
        cmocka_unit_test(long_file_name),
        cmocka_unit_test(unknown_driver),
    };

    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
