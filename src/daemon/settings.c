/* SPDX-License-Identifier: MIT */
#include "daemon/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/tree.h"

enum { FILE_MAX = 256 * 1024 };

/* Strings of reeve.conf. An option on the command line has filled the member already. */
static const struct {
    const char *key;
    size_t member;
} strings[] = {
    {"driver",      offsetof(struct settings, driver)     },
    {"state_dir",   offsetof(struct settings, state_dir)  },
    {"run_dir",     offsetof(struct settings, run_dir)    },
    {"console_dir", offsetof(struct settings, console_dir)},
    {"qemu",        offsetof(struct settings, qemu)       },
    {"qemu_user",   offsetof(struct settings, qemu_user)  },
};
static const char roles_key[] = "roles";

const char *settings_key(size_t i)
{
    if (i < ARRAY_LEN(strings))
        return strings[i].key;
    return i == ARRAY_LEN(strings) ? roles_key : NULL;
}

static char **member(struct settings *s, size_t row)
{
    return (char **)(void *)((char *)s + strings[row].member);
}

static char *user_dir(const char *variable, const char *fallback)
{
    const char *dir = getenv(variable);
    const char *home = getenv("HOME");

    if (dir && dir[0] == '/')
        return x_asprintf("%s/reeve", dir);
    return x_asprintf("%s/%s/reeve", home ? home : "", fallback);
}

void settings_init(struct settings *s)
{
    *s = (struct settings){0};
    AUTO_FREE char *dir =
        geteuid() == 0 ? x_strdup(REEVE_SYSCONFDIR) : user_dir("XDG_CONFIG_HOME", ".config");
    s->config_file = x_asprintf("%s/reeve.conf", dir);
}

/* After file and options: what nobody has said. */
static void fill_in(struct settings *s)
{
    bool root = geteuid() == 0;
    bool own_state = s->state_dir != NULL;

    if (!s->driver)
        s->driver = x_strdup("auto");
    if (!s->state_dir)
        s->state_dir =
            root ? x_strdup("/var/lib/reeve") : user_dir("XDG_STATE_HOME", ".local/state");
    if (!s->run_dir)
        s->run_dir = root                        ? x_strdup("/run/reeve")
                     : getenv("XDG_RUNTIME_DIR") ? user_dir("XDG_RUNTIME_DIR", "")
                                                 : x_asprintf("/tmp/reeve-%u", getuid());
    if (!s->console_dir)
        s->console_dir = root && !own_state ? x_strdup("/var/log/reeve/console")
                                            : x_asprintf("%s/console", s->state_dir);
}

void settings_finish(struct settings *s)
{
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        free(*member(s, i));
    for (size_t i = 0; i < s->rule_count; i++)
        free(s->rules[i].who);
    free(s->rules);
    free(s->config_file);
    *s = (struct settings){0};
}

static int bad(struct err *e, const struct settings *s, const struct setting *at, const char *what)
{
    err_set(e, ERR_BAD_CONFIG, "%s:%d: %s: %s", s->config_file, at->line, at->key, what);
    str_copy(e->file, sizeof e->file, s->config_file);
    str_copy(e->key, sizeof e->key, at->key);
    e->line = at->line;
    return -1;
}

static int take_roles(struct settings *s, const struct setting *at, struct err *e)
{
    const struct value *v = &at->value;

    if (v->kind != VALUE_LIST)
        return bad(e, s, at, "must be a list like [\"alice=admin\", \"@staff=operator\"]");
    s->rules = x_calloc(v->count + 1, sizeof *s->rules);
    for (size_t i = 0; i < v->count; i++) {
        struct err why;
        if (v->items[i].kind != VALUE_STRING)
            return bad(e, s, at, "its items must be strings");
        if (role_parse(v->items[i].text, &s->rules[s->rule_count], &why) < 0)
            return bad(e, s, at, why.msg);
        s->rule_count++;
    }
    return 0;
}

static int take_setting(struct settings *s, const struct setting *at, struct err *e)
{
    if (str_eq(at->key, roles_key))
        return take_roles(s, at, e);
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        if (!str_eq(at->key, strings[i].key))
            continue;
        if (at->value.kind != VALUE_STRING)
            return bad(e, s, at, "must be a string");
        if (!*member(s, i))
            *member(s, i) = x_strdup(at->value.text);
        return 0;
    }
    const char *near = str_nearest(at->key, settings_key);
    AUTO_FREE char *what =
        near ? x_asprintf("unknown key; did you mean %s?", near) : x_strdup("unknown key");
    return bad(e, s, at, what);
}

static int read_file(struct settings *s, struct err *e)
{
    struct conf_warnings warnings = {0};
    AUTO_FREE char *text = NULL;
    struct tree tree = {0};
    size_t len = 0;

    if (!s->config_named && access(s->config_file, F_OK) < 0)
        return 0;
    if (fs_read_file(s->config_file, FILE_MAX, &text, &len, e) < 0)
        return -1;
    int result = tree_parse(&tree, s->config_file, text, len, e);
    if (result == 0)
        result = tree_fold(&tree, &warnings, e);
    for (size_t i = 0; result == 0 && i < tree.count; i++)
        result = take_setting(s, &tree.settings[i], e);
    tree_finish(&tree);
    conf_warnings_finish(&warnings);
    return result;
}

int settings_read(struct settings *s, struct err *e)
{
    if (read_file(s, e) < 0)
        return -1;
    fill_in(s);
    return 0;
}
