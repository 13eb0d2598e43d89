/* SPDX-License-Identifier: MIT */
/* conf_item_add and conf_item_set: one item of a list, and everything around it as it was. */
#include "conf_fixture.h"

static void added_is(const char *text, const char *is)
{
    char *ret = NULL;
    struct err e;

    if (conf_item_add(text, "t.cfg", "disk", "new", &ret, &e) < 0)
        fail_msg("%s\n%s", text, e.msg);
    if (!str_eq(ret, is))
        fail_msg("%s\nis\n%s\nand not\n%s", text, ret, is);
    free(ret);
}

/* With item NULL: taken out. */
static void set_is(const char *text, size_t index, const char *item, const char *is)
{
    char *ret = NULL;
    struct err e;

    if (conf_item_set(text, "t.cfg", "disk", index, item, &ret, &e) < 0)
        fail_msg("%s\n%s", text, e.msg);
    if (!str_eq(ret, is))
        fail_msg("%s\nwithout item %zu is\n%s\nand not\n%s", text, index, ret, is);
    free(ret);
}

static void an_item_is_added_where_the_list_ends(void **state)
{
    (void)state;
    added_is("name = 'x'\n", "name = 'x'\ndisk = [\"new\"]\n");
    added_is("", "disk = [\"new\"]\n");
    added_is("disk = [] # none\n", "disk = [\"new\"] # none\n");
    added_is("disk = null\n", "disk = [\"new\"]\n");
    added_is("disk = [ 'a' ] # one\nvcpus = 1\n", "disk = [ 'a', \"new\" ] # one\nvcpus = 1\n");
    added_is("disk = [ 'a', ]", "disk = [ 'a', \"new\", ]");
    added_is("disk = [\n  'a', # one\n  'b' # two, last\n]\n",
             "disk = [\n  'a', # one\n  'b', # two, last\n  \"new\"\n]\n");
    added_is("disk = [\n  'a',\n  'b', # two\n]\n",
             "disk = [\n  'a',\n  'b', # two\n  \"new\",\n]\n");
    added_is("disk = [ 'a',\n         'b' ]\n", "disk = [ 'a',\n         'b', \"new\" ]\n");
    added_is("disk = ['a']\ndisk += ['b']\n", "disk = ['a']\ndisk += ['b', \"new\"]\n");
    added_is("disk = ['a']\ndisk = ['b']\n", "disk = ['a']\ndisk = ['b', \"new\"]\n");
    added_is("disk = ['a # , b']; vcpus = 1\n", "disk = ['a # , b', \"new\"]; vcpus = 1\n");
}

static void an_item_is_taken_out(void **state)
{
    (void)state;
    set_is("disk = ['a', 'b', 'c'] # three\n", 0, NULL, "disk = ['b', 'c'] # three\n");
    set_is("disk = ['a', 'b', 'c']\n", 1, NULL, "disk = ['a', 'c']\n");
    set_is("disk = ['a', 'b', 'c']\n", 2, NULL, "disk = ['a', 'b']\n");
    set_is("disk = ['a']\n", 0, NULL, "disk = []\n");
    set_is("disk = ['a',]\n", 0, NULL, "disk = []\n");
    set_is("disk = ['a', 'b',]\n", 1, NULL, "disk = ['a', ]\n");
    set_is("# kept\ndisk = [\n  'a',\n  'b',\n  'c'\n]\n", 1, NULL,
           "# kept\ndisk = [\n  'a',\n  'c'\n]\n");
    set_is("disk = [\n  'a', # one\n  'b'  # two\n]\n", 1, NULL,
           "disk = [\n  'a' # one\n  # two\n]\n");
    set_is("disk = [\n  'a'\n]\n", 0, NULL, "disk = [\n]\n");
    set_is("disk = ['a']\nvcpus = 1\ndisk += ['b', 'c']\n", 2, NULL,
           "disk = ['a']\nvcpus = 1\ndisk += ['b']\n");
    set_is("disk = ['x']\ndisk = ['a', 'b']\n", 0, NULL, "disk = ['x']\ndisk = ['b']\n");
    set_is("disk = ['a' # first, not last\n , 'b']\n", 0, NULL,
           "disk = [# first, not last\n  'b']\n");
}

static void an_item_is_replaced(void **state)
{
    (void)state;
    set_is("disk = ['a', 'b'] # two\n", 1, "say \"c\"", "disk = ['a', \"say \\\"c\\\"\"] # two\n");
    set_is("disk = [\n 'a',\n 'b', ]\n", 0, "c", "disk = [\n \"c\",\n 'b', ]\n");
}

static void what_is_not_there_is_refused(void **state)
{
    static const char *const texts[] = {"", "disk = []\n", "disk = ['a']\n", "disk = ['a'\n"};
    char *ret = NULL;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(conf_item_set(texts[i], "t.cfg", "disk", 1, NULL, &ret, &e), -1);
        assert_int_equal(e.code, ERR_BAD_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_added_where_the_list_ends),
        cmocka_unit_test(an_item_is_taken_out),
        cmocka_unit_test(an_item_is_replaced),
        cmocka_unit_test(what_is_not_there_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
