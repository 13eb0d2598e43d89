/* SPDX-License-Identifier: MIT */
/* tests/golden/keys.txt: every key with what it takes at its bounds and what it refuses, and with
 * which words. The head of that file tells its form. The file is the first argument. */
#include "conf_fixture.h"

#include <stdio.h>

#include "base/fs.h"

enum { KEYS_MAX = 512 };

struct block {
    char *name, *def; /* def: NULL for none */
    char *lines;      /* to the next block */
    size_t row;
};

static char *table;
static struct block blocks[KEYS_MAX];
static size_t block_count;

static char *table_from_source(void)
{
    AUTO_FREE char *here = NULL;

    fs_split(__FILE__, &here);
    return x_asprintf("%s/../golden/keys.txt", here);
}

static const char *driver_of(size_t row)
{
    return conf_key_acts(row, "xen") ? "xen" : "qemu";
}

/* "{OTHERS} VALUE" as a config of two lines. */
static void parse_case(struct outcome *o, const struct block *block, const char *what)
{
    const char *close = what[0] == '{' ? strchr(what, '}') : NULL;
    int others = close ? (int)(close - what - 1) : 0;
    const char *value = close ? close + 1 : what;

    if (what[0] == '{' && !close)
        fail_msg("%s: %s has no }", block->name, what);
    AUTO_FREE char *text = x_asprintf("%.*s\n%s = %s", others, close ? what + 1 : "", block->name,
                                      value + strspn(value, " "));
    parse_bytes(o, text, strlen(text), driver_of(block->row), NULL, 0);
}

static void takes(const struct block *block, const char *what)
{
    struct outcome o, again;

    parse_case(&o, block, what);
    if (!o.conf)
        fail_msg("%s: + %s: %s", block->name, what, o.e.msg);
    AUTO_FREE char *text = conf_text(o.conf);
    parse_bytes(&again, text, strlen(text), driver_of(block->row), NULL, 0);
    if (!again.conf || !conf_equal(o.conf, again.conf))
        fail_msg("%s: + %s is another after\n%s%s", block->name, what, text,
                 again.conf ? "" : again.e.msg);
    finish(&o);
    finish(&again);
}

static void means(const struct block *block, const char *what, const char *other)
{
    struct outcome a, b;

    parse_case(&a, block, what);
    parse_case(&b, block, other);
    if (!a.conf || !b.conf)
        fail_msg("%s: = %s => %s: %s%s", block->name, what, other, a.conf ? "" : a.e.msg,
                 b.conf ? "" : b.e.msg);
    if (!conf_equal(a.conf, b.conf))
        fail_msg("%s: %s is not %s", block->name, what, other);
    finish(&a);
    finish(&b);
}

static void refuses(const struct block *block, const char *what, const char *words)
{
    struct outcome o;

    parse_case(&o, block, what);
    if (o.conf)
        fail_msg("%s: - %s is taken", block->name, what);
    if (o.e.line != 2 || !str_eq(o.e.key, block->name) || !strstr(o.e.msg, words))
        fail_msg("%s: - %s: line %d, key %s: %s", block->name, what, o.e.line, o.e.key, o.e.msg);
    finish(&o);
}

static void check_line(const struct block *block, char *line, size_t *ret_taken,
                       size_t *ret_refused)
{
    char kind = *line, *what = line + 2;
    char *second = strstr(what, " => ");

    if (!strchr("+-=", kind) || line[1] != ' ' || (kind != '+' && !second))
        fail_msg("%s: %s is not of the form that the head tells", block->name, line);
    if (kind == '+') {
        takes(block, what);
        ++*ret_taken;
        return;
    }
    *second = '\0';
    second += strlen(" => ");
    if (kind == '=')
        means(block, what, second);
    else
        refuses(block, what, second);
    *ret_refused += kind == '-';
}

static void key(void **state)
{
    const struct block *block = *state;
    const char *def = conf_key_default(block->row);
    AUTO_FREE char *lines = x_strdup(block->lines);
    char *rest = lines, *line;
    size_t taken = 0, refused = 0;

    if (!str_eq(def, block->def))
        fail_msg("%s has the default %s, and in the table %s", block->name, def, block->def);
    while ((line = strsep(&rest, "\n"))) {
        line += strspn(line, " ");
        if (*line)
            check_line(block, line, &taken, &refused);
    }
    if (taken == 0 || refused == 0)
        fail_msg("%s: the table has nothing that is taken, or nothing that is refused",
                 block->name);
}

static void every_key_is_there(void **state)
{
    size_t of = 0;

    (void)state;
    for (size_t i = 0; conf_key_name(i); i++) {
        if (!conf_key_takes(i))
            continue;
        if (of == block_count || !str_eq(blocks[of].name, conf_key_name(i)))
            fail_msg("%s is not where its row is; the order is that of the rows", conf_key_name(i));
        of++;
    }
    assert_int_equal(of, block_count);
}

/* Blocks begin at lines without a blank. */
static void cut(char *text)
{
    char *line, *next;

    for (line = text; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        if (*line != ' ') {
            char *equals = strstr(line, " = ");
            if (equals)
                *equals = '\0';
            struct block *block = &blocks[block_count++];
            *block = (struct block){.name = line, .def = equals ? equals + 3 : NULL};
            while (conf_key_name(block->row) && !str_eq(conf_key_name(block->row), line))
                block->row++;
            assert_non_null(conf_key_name(block->row));
            assert_true(block_count < KEYS_MAX);
            continue;
        }
        /* The lines of a block stay one string. */
        struct block *block = &blocks[block_count - 1];
        if (block->lines)
            line[-1] = '\n';
        else
            block->lines = line;
    }
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[KEYS_MAX + 1];
    AUTO_FREE char *path = argc > 1 ? x_strdup(argv[1]) : table_from_source();
    struct err e;
    size_t len;

    if (fs_read_file(path, CONF_TEXT_MAX, &table, &len, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    cut(table);
    for (size_t i = 0; i < block_count; i++)
        tests[i] = (struct CMUnitTest){
            .name = blocks[i].name, .test_func = key, .initial_state = &blocks[i]};
    tests[block_count] = (struct CMUnitTest)cmocka_unit_test(every_key_is_there);
    int rc = _cmocka_run_group_tests("conf_table", tests, block_count + 1, NULL, NULL);
    free(table);
    return rc;
}
