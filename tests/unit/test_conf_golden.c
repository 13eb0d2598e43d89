/* SPDX-License-Identifier: MIT */
/* Whole configs: each NAME.cfg of tests/golden/conf gives NAME.json (the config and its warnings)
 * or NAME.err (the error). In the .cfg, comment lines "# driver: NAME" and "# override: WORD" say
 * how it is parsed. The folder is the first argument. With REEVE_GOLDEN_UPDATE set the files are
 * written instead of compared. */
#include "conf_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"

enum { WORDS_MAX = 16, CASES_MAX = 512 };

struct directions {
    char driver[16];
    char *words[WORDS_MAX];
    size_t count;
};

static const char *folder;

/* The default for a run in the build folder by hand. */
static char *folder_from_source(void)
{
    AUTO_FREE char *here = NULL;

    fs_split(__FILE__, &here);
    return x_asprintf("%s/../golden/conf", here);
}

static void read_directions(const char *text, struct directions *ret)
{
    static const char driver[] = "# driver: ", word[] = "# override: ";

    *ret = (struct directions){.driver = "qemu"};
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t len = strcspn(line, "\n");
        if (str_starts(line, driver))
            snprintf(ret->driver, sizeof ret->driver, "%.*s", (int)(len - strlen(driver)),
                     line + strlen(driver));
        if (!str_starts(line, word))
            continue;
        assert_true(ret->count < WORDS_MAX);
        ret->words[ret->count++] = x_strndup(line + strlen(word), len - strlen(word));
    }
}

static char *show_outcome(const struct outcome *o)
{
    if (!o->conf)
        return x_asprintf("%s\n%s:%d %s\n%s\n", err_name(o->e.code), o->e.file, o->e.line, o->e.key,
                          o->e.msg);
    AUTO_JSON json_t *all = json_object();
    json_t *warnings = json_array();
    for (size_t i = 0; i < o->warnings.count; i++)
        json_array_append_new(warnings, json_string(o->warnings.lines[i]));
    json_object_set_new(all, "config", conf_json(o->conf));
    json_object_set_new(all, "warnings", warnings);
    AUTO_FREE char *text = json_dumps(all, JSON_INDENT(2));
    return x_asprintf("%s\n", text);
}

/* The file with the wanted outcome; exactly one of the two may be there. */
static char *wanted_path(const char *base, bool passes)
{
    char *good = x_asprintf("%s/%s.json", folder, base);
    char *bad = x_asprintf("%s/%s.err", folder, base);
    char *path = passes ? good : bad, *other = passes ? bad : good;

    if (access(other, F_OK) == 0)
        fail_msg("%s.cfg %s, but there is %s", base, passes ? "passes" : "fails", other);
    free(other);
    return path;
}

static void compare(const char *base, bool passes, const char *shown)
{
    AUTO_FREE char *path = wanted_path(base, passes);
    AUTO_FREE char *wanted = NULL;
    struct err e;
    size_t len;

    if (getenv("REEVE_GOLDEN_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(shown, file);
        assert_int_equal(fclose(file), 0);
        return;
    }
    if (fs_read_file(path, CONF_TEXT_MAX, &wanted, &len, &e) < 0)
        fail_msg("%s", e.msg);
    if (!str_eq(wanted, shown))
        fail_msg("%s.cfg gives\n%s", base, shown);
}

/* What conf_merge makes of a good text and its words means the same. */
static void check_merge(const struct outcome *o, const char *text, const struct directions *how)
{
    struct outcome merged;
    struct err e;
    char *one = NULL;

    if (conf_merge(text, (const char *const *)how->words, how->count, &one, &e) < 0)
        fail_msg("%s", e.msg);
    parse_bytes(&merged, one, strlen(one), how->driver, NULL, 0);
    if (!merged.conf)
        fail_msg("%s", merged.e.msg);
    AUTO_FREE char *a = json_text(o->conf);
    AUTO_FREE char *b = json_text(merged.conf);
    assert_string_equal(a, b);
    finish(&merged);
    free(one);
}

static void golden(void **state)
{
    const char *base = *state;
    AUTO_FREE char *path = x_asprintf("%s/%s.cfg", folder, base);
    AUTO_FREE char *name = x_asprintf("%s.cfg", base);
    AUTO_FREE char *text = NULL;
    struct outcome o = {0};
    struct directions how;
    size_t len;

    if (fs_read_file(path, CONF_TEXT_MAX, &text, &len, &o.e) < 0)
        fail_msg("%s", o.e.msg);
    read_directions(text, &how);
    int rc = conf_parse(text, len, name, (const char *const *)how.words, how.count, how.driver,
                        &o.conf, &o.warnings, &o.e);
    AUTO_FREE char *shown = show_outcome(&o);
    compare(base, rc == 0, shown);
    if (rc == 0 && strlen(text) == len)
        check_merge(&o, text, &how);
    finish(&o);
    for (size_t i = 0; i < how.count; i++)
        free(how.words[i]);
}

static int is_config(const struct dirent *entry)
{
    return str_ends(entry->d_name, ".cfg");
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[CASES_MAX];
    AUTO_FREE char *from_source = folder_from_source();
    struct dirent **entries;

    folder = argc > 1 ? argv[1] : from_source;
    int count = scandir(folder, &entries, is_config, alphasort);
    if (count <= 0 || count > CASES_MAX) {
        fprintf(stderr, "%s: %d configs; 1 to %d are right\n", folder, count, CASES_MAX);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *base = x_strndup(entries[i]->d_name, strlen(entries[i]->d_name) - strlen(".cfg"));
        tests[i] = (struct CMUnitTest){.name = base, .test_func = golden, .initial_state = base};
        free(entries[i]);
    }
    free(entries);
    int rc = _cmocka_run_group_tests("conf_golden", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(tests[i].initial_state);
    return rc;
}
