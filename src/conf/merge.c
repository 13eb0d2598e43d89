/* SPDX-License-Identifier: MIT */
/* conf_merge: key=value words become lines of the text. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/tree.h"

static const char merge_file[] = "config";

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The keys that the words set anew (= and not +=), sorted; *ret_count of them. The names are
 * borrowed from words. */
static const char **replaced_keys(const struct tree *words, size_t *ret_count)
{
    const char **names = x_calloc(words->count + 1, sizeof *names);

    *ret_count = 0;
    for (size_t i = 0; i < words->count; i++)
        if (!words->settings[i].append)
            names[(*ret_count)++] = words->settings[i].key;
    if (*ret_count > 0)
        qsort(names, *ret_count, sizeof *names, compare_names);
    return names;
}

/* A setting as a comment: it may go over several lines, and more may follow on its last. */
static void add_comment(struct str *to, const char *text, size_t len)
{
    str_add(to, "# ");
    for (size_t i = 0; i < len; i++) {
        str_addc(to, text[i]);
        if (text[i] == '\n')
            str_add(to, "# ");
    }
    str_add(to, "\n");
}

/* Copies text with the settings that the words replace made comments, so that none is given
 * twice. A text that does not parse is copied as it is: whoever parses the result names its
 * mistake, with the place. */
static void add_text(struct str *to, const char *text, const struct tree *words)
{
    struct tree tree;
    struct err ignored;
    size_t at = 0, count;
    AUTO_FREE const char **names = replaced_keys(words, &count);

    if (tree_parse(&tree, merge_file, text, strlen(text), &ignored) < 0)
        count = 0;
    for (size_t i = 0; i < tree.count && count > 0; i++) {
        const struct setting *setting = &tree.settings[i];
        if (!bsearch(&setting->key, names, count, sizeof *names, compare_names))
            continue;
        str_addn(to, text + at, setting->begin - at);
        add_comment(to, text + setting->begin, setting->end - setting->begin);
        /* The comment has ended the line; an end of line that was there is not needed twice. */
        at = setting->end + (text[setting->end] == '\n');
    }
    str_add(to, text + at);
    tree_finish(&tree);
}

int conf_merge(const char *text, const char *const *overrides, size_t override_count,
               char **ret_text, struct err *e)
{
    struct tree words = {.file = merge_file};
    AUTO_STR struct str to = {0};
    size_t total = strlen(text);
    int rc = 0;

    for (size_t i = 0; i < override_count; i++)
        total += strlen(overrides[i]) + 1;
    if (total > CONF_TEXT_MAX)
        return err_set(e, ERR_TOO_LARGE,
                       "the config and the key=value words have %zu bytes, and "
                       "%d are the most",
                       total, CONF_TEXT_MAX);
    for (size_t i = 0; i < override_count && rc == 0; i++)
        rc = tree_add_override(&words, overrides[i], e);
    if (rc == 0) {
        add_text(&to, text, &words);
        if (to.len > 0 && to.data[to.len - 1] != '\n' && words.count > 0)
            str_addc(&to, '\n');
        for (size_t i = 0; i < words.count; i++) {
            const struct setting *word = &words.settings[i];
            str_addf(&to, "%s %s ", word->key, word->append ? "+=" : "=");
            tree_write_value(&to, &word->value);
            str_addc(&to, '\n');
        }
        *ret_text = str_take(&to);
    }
    tree_finish(&words);
    return rc;
}
