/* SPDX-License-Identifier: MIT */
/* docs/drivers.md has parts that come from the code: which calls each driver has, the config keys
 * that act, the words of the null driver. This test compares them, and writes them on request.
 *
 *     drivers_doc FILE [MODULE]            compares
 *     drivers_doc --write FILE [MODULE]    puts the parts right
 *
 * MODULE is xen.so: what Xen's driver has is known to that alone, and without it the parts that
 * tell of it are left as they are. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "core/driver.h"
#include "driver/null/plan.h"

enum { DOC_MAX = 1024 * 1024, LINE_WIDTH = 110 };

static const struct driver *const drivers[] = {&driver_qemu, &driver_null};
static const struct driver *xen; /* NULL without its module */

/* Every function of struct driver, in its order. What a call is for is said for people. */
static const struct {
    const char *name;
    size_t at;
    const char *what;
} members[] = {
#define MEMBER(m, what)                                                                            \
    {                                                                                              \
#m, offsetof(struct driver, m), what                                                       \
    }
    MEMBER(probe, "can it work on this host"),
    MEMBER(open, "begin"),
    MEMBER(close, "end; guests go on"),
    MEMBER(list, "all domains at once"),
    MEMBER(watch, "wait for a change"),
    MEMBER(create, "build a domain, paused"),
    MEMBER(restore, "build a domain from a saved state, paused"),
    MEMBER(destroy, "end it at once"),
    MEMBER(adopt, "take over a domain that another tool made"),
    MEMBER(pause, "stop its processors"),
    MEMBER(unpause, "let them run"),
    MEMBER(save, "write its state"),
    MEMBER(save_apart, "write its state without its memory, which is read beside it"),
    MEMBER(save_live, "write its state while it runs, until little is left"),
    MEMBER(save_undo, "go on in place after a save"),
    MEMBER(platform, "what a restore must have alike"),
    MEMBER(to_xl, "its config as xl's save files have it"),
    MEMBER(from_xl, "the reverse"),
    MEMBER(shutdown, "ask it to power off"),
    MEMBER(reboot, "ask it to power off, boot it again"),
    MEMBER(reset, "the reset button"),
    MEMBER(soft_reset, "start it over in its own memory, as it asked"),
    MEMBER(set_reboots, "whether its own reboot needs nobody"),
    MEMBER(set_aside, "keep what an end left of it beside"),
    MEMBER(dump_core, "write its memory for a debugger"),
    MEMBER(info, "one domain, fresh"),
    MEMBER(console, "its console, both ways"),
    MEMBER(memory, "change its memory while it runs"),
    MEMBER(vcpus, "change its processors while it runs"),
    MEMBER(vcpu_list, "its processors and where they run"),
    MEMBER(vcpu_pin, "choose the host's processors for them"),
    MEMBER(attach, "add a device while it runs"),
    MEMBER(detach, "take a device away while it runs"),
    MEMBER(medium, "change the disc in a drive"),
    MEMBER(sysrq, "send it a SysRq key"),
    MEMBER(trigger, "send it an event"),
    MEMBER(stats, "counters of its disks and network interfaces"),
    MEMBER(stats_all, "the same of all at once, beside any job"),
    MEMBER(forget, "remove what was kept of it beyond its end"),
    MEMBER(check, "look at a config before anything is made"),
};

/* A member that is added to struct driver needs its row above. */
_Static_assert(offsetof(struct driver, check) - offsetof(struct driver, probe) +
                       sizeof(((struct driver *)0)->check) ==
                   ARRAY_LEN(members) * sizeof(void (*)(void)),
               "a member of struct driver is missing here");
_Static_assert(offsetof(struct driver, check) + sizeof(((struct driver *)0)->check) ==
                   sizeof(struct driver),
               "a member of struct driver comes after check");

static bool has(const struct driver *d, size_t at)
{
    void *function;

    memcpy(&function, (const char *)d + at, sizeof function);
    return function != NULL;
}

static void add_calls(struct str *to)
{
    const struct driver *const all[] = {drivers[0], xen, drivers[1]};

    str_addf(to, "| call | %s | %s | %s | does |\n|---|---|---|---|---|\n", all[0]->name,
             all[1]->name, all[2]->name);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        str_addf(to, "| %s |", members[i].name);
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            str_add(to, has(all[k], members[i].at) ? " yes |" : " NULL |");
        str_addf(to, " %s |\n", members[i].what);
    }
}

/* A "|" would end the cell. */
static void add_cell(struct str *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            str_addc(to, '\\');
        str_addc(to, *text);
    }
}

static bool acts_anywhere(size_t key)
{
    for (size_t k = 0; k < ARRAY_LEN(drivers); k++) {
        if (conf_key_acts(key, drivers[k]->name))
            return true;
    }
    return false;
}

/* Keys that act on neither driver are known and ignored; they are named below the table. */
static void add_keys(struct str *to)
{
    size_t line = 0; /* its length; 0 before the first key */

    str_addf(to, "| key | %s | %s | meaning |\n|---|---|---|---|\n", drivers[0]->name,
             drivers[1]->name);
    for (size_t i = 0; conf_key_name(i); i++) {
        if (!acts_anywhere(i))
            continue;
        str_addf(to, "| %s |", conf_key_name(i));
        for (size_t k = 0; k < ARRAY_LEN(drivers); k++)
            str_add(to, conf_key_acts(i, drivers[k]->name) ? " acts |" : " ignored |");
        str_addc(to, ' ');
        add_cell(to, conf_key_help(i));
        str_add(to, " |\n");
    }
    for (size_t i = 0; conf_key_name(i); i++) {
        if (acts_anywhere(i))
            continue;
        const char *name = conf_key_name(i);
        if (line == 0)
            str_add(to, "\nKnown, and ignored with a warning by all of these drivers:\n");
        else
            str_add(to, line + strlen(name) > LINE_WIDTH ? ",\n" : ", ");
        line = line == 0 || line + strlen(name) > LINE_WIDTH ? 0 : line + 2;
        str_add(to, name);
        line += strlen(name);
    }
    if (line > 0)
        str_add(to, ".\n");
}

static void add_listed(struct str *to, const char *name, size_t *line)
{
    bool breaks = *line + strlen(name) > LINE_WIDTH;

    str_addf(to, "%s%s", *line == 0 ? "" : breaks ? ",\n" : ", ", name);
    *line = (breaks ? 0 : *line + 2) + strlen(name);
}

/* What is other than in the tables of the drivers that are built in. */
static void add_xen(struct str *to)
{
    size_t line = 0;

    str_add(to, "Of the keys above ignored on Xen, with a warning:\n");
    for (size_t i = 0; conf_key_name(i); i++)
        if (!conf_key_acts(i, xen->name))
            add_listed(to, conf_key_name(i), &line);
    str_add(to, ".\nThe others act.\n");
}

static void add_words(struct str *to)
{
    str_add(to, "| word | meaning |\n|---|---|\n");
    for (size_t i = 0; plan_word(i); i++)
        str_addf(to, "| `%s` | %s |\n", plan_word(i), plan_help(i));
    str_add(to, "\nCALL is one of");
    for (unsigned i = 0; i < CALL_N; i++)
        str_addf(to, "%s %s",
                 i == 0            ? ""
                 : i == CALL_N - 1 ? " or"
                                   : ",",
                 plan_call_name((enum plan_call)i));
    str_addf(to, "; MS is 1 to %d for calls.\n", (int)PLAN_WAIT_MAX_MS);
}

static const struct {
    const char *name;
    void (*add)(struct str *to);
    bool of_xen;
} parts[] = {
    {"calls",      add_calls, true },
    {"keys",       add_keys,  false},
    {"xen",        add_xen,   true },
    {"null-words", add_words, false},
};

/* The text with each part between its marks written anew; NULL with a line on stderr. */
static char *renew(const char *text)
{
    AUTO_STR struct str out = {0};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_FREE char *begin = x_asprintf("<!-- begin %s (from the code) -->\n", parts[i].name);
        AUTO_FREE char *end = x_asprintf("<!-- end %s -->\n", parts[i].name);
        const char *from = strstr(text, begin);
        const char *to = from ? strstr(from, end) : NULL;
        if (!to) {
            fprintf(stderr, "drivers_doc: the marks of %s are missing or out of order\n",
                    parts[i].name);
            return NULL;
        }
        from += strlen(begin);
        str_addn(&out, text, (size_t)(from - text));
        if (parts[i].of_xen && !xen)
            str_addn(&out, from, (size_t)(to - from));
        else
            parts[i].add(&out);
        text = to;
    }
    str_add(&out, text);
    return str_take(&out);
}

static void show_difference(const char *have, const char *want)
{
    size_t line = 1, at = 0;

    while (have[at] != '\0' && have[at] == want[at]) {
        if (have[at++] == '\n')
            line++;
    }
    while (at > 0 && have[at - 1] != '\n')
        at--;
    fprintf(stderr, "line %zu is:        %.*s\nand should be: %.*s\n", line,
            (int)strcspn(have + at, "\n"), have + at, (int)strcspn(want + at, "\n"), want + at);
}

int main(int argc, char **argv)
{
    bool writing = argc >= 3 && str_eq(argv[1], "--write");
    int files = argc - 1 - writing;
    AUTO_FREE char *have = NULL;
    size_t len;
    struct err e;

    if (files < 1 || files > 2) {
        fprintf(stderr, "usage: %s [--write] FILE [MODULE]\n", argv[0]);
        return 2;
    }
    if (files == 2) {
        void *module = dlopen(argv[argc - 1], RTLD_NOW);
        xen = module ? dlsym(module, "driver_xen") : NULL;
        if (!xen) {
            fprintf(stderr, "drivers_doc: cannot load %s: %s\n", argv[argc - 1], dlerror());
            return 1;
        }
    }
    const char *path = argv[argc - files];
    if (fs_read_file(path, DOC_MAX, &have, &len, &e) < 0) {
        fprintf(stderr, "drivers_doc: %s\n", e.msg);
        return 1;
    }
    AUTO_FREE char *want = renew(have);
    if (!want)
        return 1;
    if (str_eq(have, want))
        return 0;
    if (!writing) {
        fprintf(stderr, "drivers_doc: %s is stale; drivers_doc --write puts it right\n", path);
        show_difference(have, want);
        return 1;
    }
    FILE *file = fopen(path, "w");
    bool ok = file && fputs(want, file) >= 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "drivers_doc: cannot write %s\n", path);
    return ok ? 0 : 1;
}
