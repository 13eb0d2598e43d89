/* SPDX-License-Identifier: MIT */
/* Whole configs in the styles found in the wild: each NAME.cfg of tests/golden/corpus says on its
 * first line what is so on the Xen driver: "# expect: parses", "# expect: parses, N warnings", or
 * "# expect: refused LINE KEY: words of the message" (KEY is - for none). What parses comes back
 * from text, from JSON and through conf_merge. On QEMU it parses too, or is refused as unsupported,
 * which the file says with "# on qemu: KEY". The folder is the first argument. */
#include "conf_fixture.h"

#include <dirent.h>
#include <stdio.h>

#include "base/fs.h"

enum { CASES_MIN = 60, CASES_MAX = 512, WORDS_MAX = 200 };

static const char *folder;

static char *folder_from_source(void)
{
    AUTO_FREE char *here = NULL;

    fs_split(__FILE__, &here);
    return x_asprintf("%s/../golden/corpus", here);
}

static void comes_back(const struct conf *conf, const char *base)
{
    AUTO_FREE char *text = conf_text(conf);
    AUTO_JSON json_t *json = conf_json(conf);
    struct conf_warnings warnings;
    struct conf *from_json = NULL;
    struct outcome o;
    char *merged = NULL;

    parse_bytes(&o, text, strlen(text), "xen", NULL, 0);
    if (!o.conf)
        fail_msg("%s became\n%s\n%s", base, text, o.e.msg);
    if (!conf_equal(conf, o.conf))
        fail_msg("%s is another after\n%s", base, text);
    finish(&o);
    if (conf_from_json(json, "xen", &from_json, &warnings, &o.e) < 0)
        fail_msg("%s as JSON: %s", base, o.e.msg);
    assert_true(conf_equal(conf, from_json));
    conf_free(from_json);
    conf_warnings_finish(&warnings);
    static const char *const word[] = {"vcpus=1", "maxvcpus=7"};
    assert_int_equal(conf_edit(text, base, word, 2, &merged, &o.e), 0);
    parse_bytes(&o, merged, strlen(merged), "xen", NULL, 0);
    assert_non_null(o.conf);
    assert_int_equal(o.conf->max_vcpus, 7);
    finish(&o);
    free(merged);
}

static void check_refusal(const struct outcome *o, const char *wanted, const char *base)
{
    char key[64], words[WORDS_MAX];
    int line;

    if (sscanf(wanted, "refused %d %63[^: ]: %199[^\n]", &line, key, words) != 3)
        fail_msg("%s: what is expected is not said rightly", base);
    if (o->conf)
        fail_msg("%s is accepted", base);
    if (o->e.line != line || !str_eq(o->e.key, str_eq(key, "-") ? "" : key) ||
        !strstr(o->e.msg, words))
        fail_msg("%s: line %d, key %s: %s", base, o->e.line, o->e.key, o->e.msg);
}

static void check_parsed(const struct outcome *o, const char *wanted, const char *base)
{
    size_t warnings = 0;

    sscanf(wanted, "parses, %zu warnings", &warnings);
    if (!o->conf)
        fail_msg("%s: %s", base, o->e.msg);
    if (o->warnings.count != warnings)
        fail_msg("%s: %zu warnings, the last: %s", base, o->warnings.count,
                 o->warnings.count ? o->warnings.lines[o->warnings.count - 1] : "-");
    comes_back(o->conf, base);
}

static void check_qemu(const char *text, const char *base)
{
    const char *mark = strstr(text, "\n# on qemu: ");
    struct outcome o;

    parse_bytes(&o, text, strlen(text), "qemu", NULL, 0);
    if (!mark && !o.conf)
        fail_msg("%s on qemu: %s", base, o.e.msg);
    if (mark) {
        const char *key = mark + strlen("\n# on qemu: ");
        if (o.conf)
            fail_msg("%s is accepted on qemu", base);
        if (strncmp(key, o.e.key, strcspn(key, "\n")) != 0)
            fail_msg("%s on qemu: key %s: %s", base, o.e.key, o.e.msg);
    }
    finish(&o);
}

static void corpus(void **state)
{
    static const char head[] = "# expect: ";
    const char *base = *state;
    AUTO_FREE char *path = x_asprintf("%s/%s", folder, base);
    AUTO_FREE char *text = NULL;
    struct outcome o;
    size_t len;

    if (fs_read_file(path, CONF_TEXT_MAX, &text, &len, &o.e) < 0)
        fail_msg("%s", o.e.msg);
    if (!str_starts(text, head))
        fail_msg("%s does not say what is expected", base);
    const char *wanted = text + strlen(head);
    parse_bytes(&o, text, len, "xen", NULL, 0);
    if (str_starts(wanted, "refused")) {
        check_refusal(&o, wanted, base);
    } else {
        check_parsed(&o, wanted, base);
        check_qemu(text, base);
    }
    finish(&o);
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
    if (count < CASES_MIN || count > CASES_MAX) {
        fprintf(stderr, "%s: %d configs; %d to %d are right\n", folder, count, CASES_MIN,
                CASES_MAX);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *base = x_strdup(entries[i]->d_name);
        tests[i] = (struct CMUnitTest){.name = base, .test_func = corpus, .initial_state = base};
        free(entries[i]);
    }
    free(entries);
    int rc = _cmocka_run_group_tests("conf_corpus", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(tests[i].initial_state);
    return rc;
}
