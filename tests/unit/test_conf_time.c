/* SPDX-License-Identifier: MIT */
/* A config of four times the size takes about four times the time: no shape of text makes the
 * reader slow. Sixteen times would be quadratic; the limit stands between, far from both, and the
 * time is this thread's own, so that a busy machine does not matter. */
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/tree.h"

enum {
    SMALL_BYTES = 120 * 1024,
    QUARTER_BYTES = 256 * 1024,
    TIMES = 4,
    LIMIT = 10,
    FLOOR_US = 2 * 1000,
    TRIES = 3,
    MORE_TRIES = 20
};

/* head, then `part` with a number in it until the text is long enough, then tail. */
static const struct shape {
    const char *what, *head, *part, *tail;
} shapes[] = {
    {"unknown keys",               "",              "key%zu = 1\n",                   ""   },
    {"one key again and again",    "",              "memory = %zu\n",                 ""   },
    {"a string joined",            "extra = 'a'\n", "extra += 'b%zu'\n",              ""   },
    {"a list joined",              "disk = []\n",   "disk += ['/a%zu,raw,xvda,w']\n", ""   },
    {"a long list",                "disk = [",      "'/a%zu,raw,xvda,w',",            "]\n"},
    {"many interfaces",            "vif = [",       "'bridge=br%zu',",                "]\n"},
    {"a long list of CPUs",        "cpus = [",      "'%zu',",                         "]\n"},
    {"a long string",              "extra = '",     "word%zu ",                       "'\n"},
    {"a string of escapes",        "extra = '",     "\\x41\\n%zu",                    "'\n"},
    {"comments",                   "",              "# nothing %zu\n",                ""   },
    {"statements on one line",     "",              "a%zu = 1;",                      "\n" },
    {"a list that does not end",   "disk = [",      "'a%zu',",                        ""   },
    {"a string that does not end", "extra = '",     "a%zu",                           ""   },
    {"brackets",                   "vif = ",        "[%zu",                           ""   },
    {"words of Python",            "",              "import os%zu\n",                 ""   },
    {"a long CPUID",               "cpuid = 'host", ",tm=%zu",                        "'\n"},
    {"a range list",               "cpus = '0",     ",%zu",                           "'\n"},
    {"lists in lists",             "vnuma = [",     "[['a%zu'],['b',['c']]],",        "]\n"},
    {"disks with much in them",    "disk = [",      "'vdev=xvda,a,b,c=%zu',",         "]\n"},
};

static char *text_of(const struct shape *shape, size_t bytes)
{
    struct str to = {0};

    str_add(&to, shape->head);
    for (size_t i = 0; to.len < bytes; i++) {
        const char *mark = strstr(shape->part, "%zu");
        str_addn(&to, shape->part, (size_t)(mark - shape->part));
        str_addf(&to, "%zu%s", i, mark + strlen("%zu"));
    }
    str_add(&to, shape->tail);
    return str_take(&to);
}

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* To read it, and where it reads to write it, edit it and read it again. */
static int64_t time_of(const char *text)
{
    static const char *const word = "vcpus=1";
    struct conf_warnings warnings;
    struct conf *conf = NULL;
    char *edited = NULL;
    struct err e;
    int64_t began = cpu_us();

    if (conf_parse(text, strlen(text), "x.cfg", NULL, 0, "xen", &conf, &warnings, &e) == 0) {
        free(conf_text(conf));
        json_decref(conf_json(conf));
        conf_free(conf);
    }
    conf_warnings_finish(&warnings);
    if (conf_edit(text, "x.cfg", &word, 1, &edited, &e) == 0)
        free(edited);
    return cpu_us() - began;
}

/* The grammar alone, which has no bound of its own. */
static int64_t grammar_time_of(const char *text)
{
    struct conf_warnings warnings = {0};
    struct tree tree = {0};
    struct err e;
    int64_t began = cpu_us();

    bool good = tree_parse(&tree, "x.cfg", text, strlen(text), &e) == 0 &&
                tree_fold(&tree, &warnings, &e) == 0;
    (void)good; /* some shapes are wrong on purpose */
    tree_finish(&tree);
    conf_warnings_finish(&warnings);
    return cpu_us() - began;
}

static void improve(int64_t *best, int64_t took)
{
    *best = took < *best ? took : *best;
}

static void compare(int64_t (*time)(const char *text), size_t bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        AUTO_FREE char *small = text_of(&shapes[i], bytes);
        AUTO_FREE char *large = text_of(&shapes[i], bytes * TIMES);
        int64_t one = INT64_MAX, four = INT64_MAX;
        /* Below the floor nothing can be said, and nothing need be. A machine can slow down for a
         * while; what is quadratic stays so however often it is tried. */
        for (int k = 0; k < TRIES || (k < MORE_TRIES && four > FLOOR_US && four > LIMIT * one);
             k++) {
            improve(&one, time(small));
            improve(&four, time(large));
        }
        if (four > FLOOR_US && four > LIMIT * one)
            fail_msg("%s: %zu bytes take %lld us, %zu bytes %lld us", shapes[i].what, strlen(small),
                     (long long)one, strlen(large), (long long)four);
        print_message("%s: %lld us, %lld us\n", shapes[i].what, (long long)one, (long long)four);
    }
}

static void test_time_grows_with_size(void **state)
{
    (void)state;
    compare(time_of, SMALL_BYTES);
}

static void test_grammar_reads_a_megabyte_in_four_times_a_quarter(void **state)
{
    (void)state;
    compare(grammar_time_of, QUARTER_BYTES);
}

static void test_a_megabyte_is_refused_at_once(void **state)
{
    AUTO_FREE char *text = text_of(&shapes[0], 1024 * 1024);
    struct conf_warnings warnings;
    struct conf *conf = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_parse(text, strlen(text), "x.cfg", NULL, 0, "xen", &conf, &warnings, &e),
                     -1);
    assert_int_equal(e.code, ERR_TOO_LARGE);
    conf_warnings_finish(&warnings);
}

int main(void)
{
    /* The pages of one try are those of the next: where this machine's own memory comes late from
     * its host, to touch new ones takes longer than all else. */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_grows_with_size),
        cmocka_unit_test(test_grammar_reads_a_megabyte_in_four_times_a_quarter),
        cmocka_unit_test(test_a_megabyte_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
