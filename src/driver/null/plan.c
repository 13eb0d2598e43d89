/* SPDX-License-Identifier: MIT */
#include "driver/null/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const call_names[CALL_N] = {
    [CALL_CREATE] = "create",       [CALL_RESTORE] = "restore",   [CALL_DESTROY] = "destroy",
    [CALL_PAUSE] = "pause",         [CALL_UNPAUSE] = "unpause",   [CALL_SAVE] = "save",
    [CALL_SAVE_UNDO] = "save-undo", [CALL_SHUTDOWN] = "shutdown", [CALL_REBOOT] = "reboot",
    [CALL_RESET] = "reset",         [CALL_INFO] = "info",         [CALL_LIST] = "list",
    [CALL_MEMORY] = "memory",       [CALL_VCPUS] = "vcpus",       [CALL_ATTACH] = "attach",
    [CALL_DETACH] = "detach",       [CALL_MEDIUM] = "medium",     [CALL_SET_ASIDE] = "set-aside",
    [CALL_DUMP_CORE] = "dump-core",
};

static const struct {
    const char *name;
    bool takes_ms;
} actions[ACT_N] = {
    [ACT_FAIL] = {"fail",  false},
      [ACT_SLOW] = {"slow",  true },
      [ACT_HANG] = {"hang",  false},
    [ACT_STUCK] = {"stuck", true },
      [ACT_DIE] = {"die",   false},
};

static const struct {
    const char *name;
    enum observed state;
    enum reason reason;
} events[EVENT_N] = {
    [EVENT_POWEROFF] = {"poweroff-after",   OBS_SHUTDOWN, REASON_GUEST_POWEROFF},
    [EVENT_REBOOT] = {"reboot-after",     OBS_SHUTDOWN, REASON_GUEST_REBOOT  },
    [EVENT_CRASH] = {"crash-after",      OBS_CRASHED,  REASON_GUEST_CRASH   },
    [EVENT_WATCHDOG] = {"watchdog-after",   OBS_CRASHED,  REASON_WATCHDOG      },
    [EVENT_SOFT_RESET] = {"soft-reset-after", OBS_SHUTDOWN, REASON_SOFT_RESET    },
    [EVENT_IO_ERROR] = {"io-error-after",   OBS_PAUSED,   REASON_IO_ERROR      },
    [EVENT_DIE] = {"die-after",        OBS_DEAD,     REASON_BACKEND_DIED  },
};

enum { SAVE_BYTES_DEFAULT = 4096 };

/* Ten days: a counter of milliseconds that no test and no demo reaches. */
static const uint64_t after_max_ms = 10ULL * 24 * 3600 * 1000;
static const uint64_t save_bytes_max = 1ULL << 40;

static int bad_word(struct err *e, const char *word, size_t len, const char *want)
{
    err_set(e, ERR_BAD_CONFIG, "\"%.*s\" in cmdline: %s", (int)(len < 80 ? len : 80), word, want);
    str_copy(e->key, sizeof e->key, "cmdline");
    return -1;
}

static bool same(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* True when all of text is a number from 1 to max. */
static bool number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    if (len == 0 || len > 15)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = value;
    return value >= 1 && value <= max;
}

static bool parse_action(const char *text, size_t len, struct plan_fault *fault)
{
    const char *colon = memchr(text, ':', len);
    size_t name_len = colon ? (size_t)(colon - text) : len;

    for (unsigned i = 0; i < ACT_N; i++) {
        uint64_t ms = 0;
        if (!same(text, name_len, actions[i].name) || actions[i].takes_ms != (colon != NULL))
            continue;
        if (colon && !number(colon + 1, len - name_len - 1, PLAN_WAIT_MAX_MS, &ms))
            return false;
        fault->action = (enum plan_action)i;
        fault->ms = (int64_t)ms;
        return true;
    }
    return false;
}

static int add_fault(struct plan *p, struct plan_fault fault, const char *word, size_t len,
                     struct err *e)
{
    if (p->fault_count == PLAN_FAULTS_MAX)
        return bad_word(e, word, len, "there are too many such words");
    p->faults[p->fault_count++] = fault;
    return 0;
}

/* The word whole for messages; its key (after "null.") and its value (NULL without a "="). */
struct word {
    const char *text;
    size_t len;
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

static struct word split(const char *text, size_t len)
{
    size_t prefix = strlen("null.");
    struct word w = {.text = text, .len = len, .key = text + prefix, .key_len = len - prefix};
    const char *equals = memchr(w.key, '=', w.key_len);

    if (equals) {
        w.key_len = (size_t)(equals - w.key);
        w.value = equals + 1;
        w.value_len = (size_t)(text + len - w.value);
    }
    return w;
}

static int parse_word(const struct word *w, struct plan *p, struct err *e)
{
    uint64_t value = 0;

    if (same(w->key, w->key_len, "ignore-power") && !w->value) {
        struct plan_fault ignore = {.call = CALL_SHUTDOWN, .action = ACT_HANG};
        if (add_fault(p, ignore, w->text, w->len, e) < 0)
            return -1;
        ignore.call = CALL_REBOOT;
        return add_fault(p, ignore, w->text, w->len, e);
    }
    if (same(w->key, w->key_len, "save-bytes")) {
        if (!w->value || !number(w->value, w->value_len, save_bytes_max, &p->save_bytes))
            return bad_word(e, w->text, w->len, "it takes a number of bytes");
        return 0;
    }
    for (unsigned i = 0; i < EVENT_N; i++) {
        if (!same(w->key, w->key_len, events[i].name))
            continue;
        if (!w->value || !number(w->value, w->value_len, after_max_ms, &value))
            return bad_word(e, w->text, w->len, "it takes a number of milliseconds, at least 1");
        p->after_ms[i] = (int64_t)value;
        return 0;
    }
    for (unsigned i = 0; i < CALL_N; i++) {
        struct plan_fault fault = {.call = (enum plan_call)i};
        if (!same(w->key, w->key_len, call_names[i]))
            continue;
        if (!w->value || !parse_action(w->value, w->value_len, &fault))
            return bad_word(e, w->text, w->len,
                            "it takes fail, slow:MS, hang, stuck:MS or die, MS from 1 to 600000");
        return add_fault(p, fault, w->text, w->len, e);
    }
    return bad_word(e, w->text, w->len,
                    "the null driver knows no such word; docs/drivers.md lists "
                    "them");
}

int plan_parse(const char *cmdline, struct plan *ret, struct err *e)
{
    *ret = (struct plan){.save_bytes = SAVE_BYTES_DEFAULT};
    for (const char *at = cmdline ? cmdline : "";;) {
        at += strspn(at, " \t\n");
        size_t len = strcspn(at, " \t\n");
        if (len == 0)
            return 0;
        if (str_starts(at, "null.")) {
            struct word w = split(at, len);
            if (parse_word(&w, ret, e) < 0)
                return -1;
        }
        at += len;
    }
}

const char *plan_call_name(enum plan_call call)
{
    return call_names[call];
}

bool plan_next(const struct plan *p, int64_t fired_ms, enum plan_event *ret, int64_t *ret_ms)
{
    bool found = false;

    for (unsigned i = 0; i < EVENT_N; i++) {
        int64_t at = p->after_ms[i];
        if (at <= fired_ms || (found && at >= *ret_ms))
            continue;
        found = true;
        *ret = (enum plan_event)i;
        *ret_ms = at;
    }
    return found;
}

enum observed plan_event_state(enum plan_event event)
{
    return events[event].state;
}

enum reason plan_event_reason(enum plan_event event)
{
    return events[event].reason;
}

static const struct {
    const char *word;
    const char *help;
} docs[] = {
    {"null.CALL=fail",           "the call fails with `failed`"                              },
    {"null.CALL=slow:MS",        "it takes MS milliseconds more; cancel and deadline end it" },
    {"null.CALL=hang",           "it lasts until it is cancelled or its deadline is over"    },
    {"null.CALL=stuck:MS",       "it takes MS milliseconds more and hears nothing meanwhile" },
    {"null.CALL=die",            "the guest's process dies under the call, which fails"      },
    {"null.ignore-power",        "`null.shutdown=hang null.reboot=hang`: a deaf power button"},
    {"null.poweroff-after=MS",   "the guest powers off by itself"                            },
    {"null.reboot-after=MS",     "the guest reboots by itself; stands as ended, by reboot"   },
    {"null.crash-after=MS",      "the guest crashes"                                         },
    {"null.watchdog-after=MS",   "its watchdog ends it"                                      },
    {"null.soft-reset-after=MS", "the guest asks to be started over in its own memory"       },
    {"null.io-error-after=MS",   "a disk fails: it is paused, and unpause lets it go on"     },
    {"null.die-after=MS",        "its process dies"                                          },
    {"null.save-bytes=N",
     "bytes that stand for its memory in a saved state (4096); each is written and read"     },
};

const char *plan_word(size_t i)
{
    return i < ARRAY_LEN(docs) ? docs[i].word : NULL;
}

const char *plan_help(size_t i)
{
    return i < ARRAY_LEN(docs) ? docs[i].help : NULL;
}
