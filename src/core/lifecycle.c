/* SPDX-License-Identifier: MIT */
/* The rows. A verb without a row for a state has that state's row at the end of the table; the
 * unit test proves that every verb, state and kind has exactly one. */
#include "core/lifecycle.h"

#include <string.h>

#include "base/attr.h"

enum kind {
    ANY,
    MANAGED,   /* survives its own end */
    TRANSIENT, /* is gone when it ends */
};

struct row {
    enum verb verb; /* VERB_N: of every verb that has no row of its own for this state */
    enum state from;
    enum kind kind;
    struct outcome outcome;
};

#define PLAIN(kind_, to_)                                                                          \
    {                                                                                              \
        .kind = (kind_), .to = (to_), .because = "", .way_out = "", .try = { VERB_N }              \
    }
#define MOVES(to_) PLAIN(OUT_MOVES, to_)
#define SAME PLAIN(OUT_SAME, ST_ABSENT)
#define STAYS PLAIN(OUT_STAYS, ST_ABSENT)
#define STORED PLAIN(OUT_STORED, ST_ABSENT)

/* The verbs that would work come last; VERB_N says that there is none. */
#define NO(code_, because_, way_, ...)                                                             \
    {                                                                                              \
        .kind = OUT_REFUSES, .code = (code_), .because = (because_), .way_out = (way_), .try = {   \
            __VA_ARGS__,                                                                           \
            VERB_N                                                                                 \
        }                                                                                          \
    }
#define REFUSES(because_, way_, ...) NO(ERR_WRONG_STATE, because_, way_, __VA_ARGS__)
#define EXISTS(because_, way_, ...) NO(ERR_EXISTS, because_, way_, __VA_ARGS__)

/* Refused, unless the option is given: then it leads to `to`. */
#define UNLESS(option_, to_, code_, because_, way_, ...)                                           \
    {                                                                                              \
        .kind = OUT_REFUSES, .code = (code_), .because = (because_), .way_out = (way_),            \
        .try = {__VA_ARGS__, VERB_N}, .option = (option_), .option_to = (to_)                      \
    }

#define SHUT_DOWN "it has shut down and is kept"
#define CRASHED "it has crashed and is kept"
#define BROKEN "its record is broken"
#define CHOOSE "choose another name"
#define CLEAR "destroy clears it away"
#define MEND "show tells why; new --replace, discard or delete may mend it"
#define NEXT_BOOT "new --replace stores the config for its next boot"
#define NOTHING_SAVED "no saved state is kept of it"
#define TRANSIENT_LIVES "shutdown ends it, and then it is gone; adopt keeps it"
#define TRANSIENT_ENDED "it was transient and is gone; create boots one like it"
#define HAS_NO_RECORD "it is transient and has no record to delete"

/* verb, from, kind, outcome. NAME in a way out stands for the domain's name. Aligned by hand:
 * clang-format 14 crashes on these rows. What mends a broken record depends on why it is broken:
 * the way out says so, and no verb is offered to programs that try what they are offered. */
/* clang-format off */
static const struct row rows[] = {
    {VERB_NEW,       ST_ABSENT,    ANY,       MOVES(ST_HALTED)},
    {VERB_NEW,       ST_HALTED,    ANY,
     UNLESS("--replace", ST_HALTED, ERR_EXISTS, "it exists already",
            "new --replace changes its config", VERB_N)},
    {VERB_NEW,       ST_RUNNING,   MANAGED,
     UNLESS("--replace", ST_RUNNING, ERR_EXISTS, "it exists and is running", NEXT_BOOT, VERB_N)},
    {VERB_NEW,       ST_RUNNING,   TRANSIENT,
     EXISTS("it exists and is running", "adopt makes it managed as it is", VERB_ADOPT)},
    {VERB_NEW,       ST_PAUSED,    MANAGED,
     UNLESS("--replace", ST_PAUSED, ERR_EXISTS, "it exists and is paused", NEXT_BOOT, VERB_N)},
    {VERB_NEW,       ST_PAUSED,    TRANSIENT,
     EXISTS("it exists and is paused", "adopt makes it managed as it is", VERB_ADOPT)},
    {VERB_NEW,       ST_SUSPENDED, ANY,
     EXISTS("it exists and is suspended", "resume it, or discard its saved state, first",
            VERB_RESUME, VERB_DISCARD)},
    {VERB_NEW,       ST_SHUTDOWN,  ANY,       EXISTS("it exists: " SHUT_DOWN, CLEAR, VERB_DESTROY)},
    {VERB_NEW,       ST_CRASHED,   ANY,       EXISTS("it exists: " CRASHED, CLEAR, VERB_DESTROY)},
    {VERB_NEW,       ST_BROKEN,    ANY,
     UNLESS("--replace", ST_HALTED, ERR_EXISTS, "it exists and " BROKEN,
            "new --replace gives it a config that works; delete sets it aside", VERB_N)},

    {VERB_ADOPT,     ST_HALTED,    ANY,       SAME},
    {VERB_ADOPT,     ST_RUNNING,   MANAGED,   SAME},
    {VERB_ADOPT,     ST_RUNNING,   TRANSIENT, STAYS},
    {VERB_ADOPT,     ST_PAUSED,    MANAGED,   SAME},
    {VERB_ADOPT,     ST_PAUSED,    TRANSIENT, STAYS},
    {VERB_ADOPT,     ST_SUSPENDED, ANY,       SAME},

    {VERB_START,     ST_ABSENT,    ANY,
     NO(ERR_NO_SUCH_DOMAIN, "there is no such domain",
        "new makes one known from a config file, create boots one from it", VERB_NEW, VERB_CREATE)},
    {VERB_START,     ST_HALTED,    ANY,       MOVES(ST_RUNNING)},
    {VERB_START,     ST_RUNNING,   ANY,       REFUSES("it is running already", "", VERB_N)},
    {VERB_START,     ST_PAUSED,    ANY,
     REFUSES("it is paused, not halted", "unpause lets it run on", VERB_UNPAUSE)},
    {VERB_START,     ST_SUSPENDED, ANY,
     REFUSES("it is suspended, not halted",
             "resume brings it back; or discard its saved state, then start", VERB_RESUME,
             VERB_DISCARD)},

    {VERB_CREATE,    ST_ABSENT,    ANY,       MOVES(ST_RUNNING)},
    {VERB_CREATE,    ST_HALTED,    ANY,
     EXISTS("it exists and is halted", "start boots it", VERB_START)},
    {VERB_CREATE,    ST_RUNNING,   ANY,       EXISTS("it exists and is running", CHOOSE, VERB_N)},
    {VERB_CREATE,    ST_PAUSED,    ANY,       EXISTS("it exists and is paused", CHOOSE, VERB_N)},
    {VERB_CREATE,    ST_SUSPENDED, ANY,
     EXISTS("it exists and is suspended", "resume brings it back", VERB_RESUME)},
    {VERB_CREATE,    ST_SHUTDOWN,  ANY,       EXISTS("it exists: " SHUT_DOWN, CLEAR, VERB_DESTROY)},
    {VERB_CREATE,    ST_CRASHED,   ANY,       EXISTS("it exists: " CRASHED, CLEAR, VERB_DESTROY)},
    {VERB_CREATE,    ST_BROKEN,    ANY,
     EXISTS("it exists and " BROKEN, MEND, VERB_N)},

    {VERB_PAUSE,     ST_HALTED,    ANY,
     REFUSES("it is halted", "start --paused boots it paused", VERB_START)},
    {VERB_PAUSE,     ST_RUNNING,   ANY,       MOVES(ST_PAUSED)},
    {VERB_PAUSE,     ST_PAUSED,    ANY,       SAME},
    {VERB_PAUSE,     ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume --paused brings it back paused", VERB_RESUME)},

    {VERB_UNPAUSE,   ST_RUNNING,   ANY,       SAME},
    {VERB_UNPAUSE,   ST_PAUSED,    ANY,       MOVES(ST_RUNNING)},
    {VERB_UNPAUSE,   ST_SUSPENDED, ANY,
     REFUSES("it is suspended, not paused", "resume brings it back", VERB_RESUME)},

    {VERB_SAVE,      ST_RUNNING,   MANAGED,   MOVES(ST_HALTED)},
    {VERB_SAVE,      ST_RUNNING,   TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_SAVE,      ST_PAUSED,    MANAGED,   MOVES(ST_HALTED)},
    {VERB_SAVE,      ST_PAUSED,    TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_SAVE,      ST_SUSPENDED, ANY,
     REFUSES("it is suspended: its state is saved already",
             "resume it, then save; or image export, which copies that state", VERB_RESUME)},

    {VERB_RESTORE,   ST_ABSENT,    ANY,       MOVES(ST_RUNNING)},
    {VERB_RESTORE,   ST_HALTED,    ANY,       MOVES(ST_RUNNING)},
    {VERB_RESTORE,   ST_RUNNING,   ANY,
     EXISTS("it exists and is running", "save or shut it down first", VERB_SAVE, VERB_SHUTDOWN)},
    {VERB_RESTORE,   ST_PAUSED,    ANY,
     EXISTS("it exists and is paused", "save or destroy it first", VERB_SAVE, VERB_DESTROY)},
    {VERB_RESTORE,   ST_SUSPENDED, ANY,
     EXISTS("it is suspended: another state of it is kept",
            "resume goes on from that, discard drops it", VERB_RESUME, VERB_DISCARD)},
    {VERB_RESTORE,   ST_SHUTDOWN,  ANY,       EXISTS("it exists: " SHUT_DOWN, CLEAR, VERB_DESTROY)},
    {VERB_RESTORE,   ST_CRASHED,   ANY,       EXISTS("it exists: " CRASHED, CLEAR, VERB_DESTROY)},
    {VERB_RESTORE,   ST_BROKEN,    ANY,
     EXISTS("it exists and " BROKEN, MEND, VERB_N)},

    {VERB_SUSPEND,   ST_RUNNING,   MANAGED,   MOVES(ST_SUSPENDED)},
    {VERB_SUSPEND,   ST_RUNNING,   TRANSIENT,
     REFUSES("it is transient", "save keeps its state in a file; or adopt it, then suspend",
             VERB_SAVE, VERB_ADOPT)},
    {VERB_SUSPEND,   ST_PAUSED,    MANAGED,   MOVES(ST_SUSPENDED)},
    {VERB_SUSPEND,   ST_PAUSED,    TRANSIENT,
     REFUSES("it is transient", "save keeps its state in a file; or adopt it, then suspend",
             VERB_SAVE, VERB_ADOPT)},
    {VERB_SUSPEND,   ST_SUSPENDED, ANY,       SAME},

    {VERB_RESUME,    ST_HALTED,    ANY,
     REFUSES("it is halted, not suspended", "start boots it", VERB_START)},
    {VERB_RESUME,    ST_RUNNING,   ANY,       REFUSES("it is running, not suspended", "", VERB_N)},
    {VERB_RESUME,    ST_PAUSED,    ANY,
     REFUSES("it is paused, not suspended", "unpause lets it run on", VERB_UNPAUSE)},
    {VERB_RESUME,    ST_SUSPENDED, ANY,       MOVES(ST_RUNNING)},
    {VERB_RESUME,    ST_BROKEN,    ANY,
     UNLESS("--force", ST_RUNNING, ERR_WRONG_STATE, BROKEN,
            "discard sets its saved state aside; resume --force goes on from a spent image if the "
            "disks are unchanged", VERB_N)},

    {VERB_DISCARD,   ST_HALTED,    ANY,       REFUSES(NOTHING_SAVED, "", VERB_N)},
    {VERB_DISCARD,   ST_RUNNING,   ANY,       REFUSES(NOTHING_SAVED, "", VERB_N)},
    {VERB_DISCARD,   ST_PAUSED,    ANY,       REFUSES(NOTHING_SAVED, "", VERB_N)},
    {VERB_DISCARD,   ST_SUSPENDED, ANY,       MOVES(ST_HALTED)},
    {VERB_DISCARD,   ST_SHUTDOWN,  ANY,       REFUSES(NOTHING_SAVED, "", VERB_N)},
    {VERB_DISCARD,   ST_CRASHED,   ANY,       REFUSES(NOTHING_SAVED, "", VERB_N)},
    {VERB_DISCARD,   ST_BROKEN,    ANY,       MOVES(ST_HALTED)},

    {VERB_REBOOT,    ST_RUNNING,   ANY,       MOVES(ST_RUNNING)},
    {VERB_REBOOT,    ST_PAUSED,    ANY,
     REFUSES("it is paused and cannot hear the request",
             "unpause it first; or reset, which does not ask the guest", VERB_UNPAUSE, VERB_RESET)},
    {VERB_REBOOT,    ST_SHUTDOWN,  ANY,
     REFUSES(SHUT_DOWN, "reset boots it again", VERB_RESET)},
    {VERB_REBOOT,    ST_CRASHED,   ANY,       REFUSES(CRASHED, "reset boots it again", VERB_RESET)},

    {VERB_RESET,     ST_RUNNING,   ANY,       MOVES(ST_RUNNING)},
    {VERB_RESET,     ST_PAUSED,    ANY,       MOVES(ST_RUNNING)},
    {VERB_RESET,     ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume brings it back; or discard its saved state, then start",
             VERB_RESUME, VERB_DISCARD)},
    {VERB_RESET,     ST_SHUTDOWN,  ANY,       MOVES(ST_RUNNING)},
    {VERB_RESET,     ST_CRASHED,   ANY,       MOVES(ST_RUNNING)},

    {VERB_SHUTDOWN,  ST_HALTED,    ANY,       REFUSES("it is halted, not running", "", VERB_N)},
    {VERB_SHUTDOWN,  ST_RUNNING,   MANAGED,   MOVES(ST_HALTED)},
    {VERB_SHUTDOWN,  ST_RUNNING,   TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_SHUTDOWN,  ST_PAUSED,    ANY,
     REFUSES("it is paused and cannot hear the request",
             "unpause it first; or destroy, which does not ask the guest", VERB_UNPAUSE,
             VERB_DESTROY)},
    {VERB_SHUTDOWN,  ST_SUSPENDED, ANY,
     REFUSES("it is suspended, not running", "discard drops its saved state and leaves it halted",
             VERB_DISCARD)},

    {VERB_DESTROY,   ST_HALTED,    ANY,
     REFUSES("it is halted, not running", "delete removes it for good", VERB_DELETE)},
    {VERB_DESTROY,   ST_RUNNING,   MANAGED,   MOVES(ST_HALTED)},
    {VERB_DESTROY,   ST_RUNNING,   TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_DESTROY,   ST_PAUSED,    MANAGED,   MOVES(ST_HALTED)},
    {VERB_DESTROY,   ST_PAUSED,    TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_DESTROY,   ST_SUSPENDED, ANY,
     REFUSES("it is suspended, not running", "discard drops its saved state and leaves it halted",
             VERB_DISCARD)},
    {VERB_DESTROY,   ST_SHUTDOWN,  MANAGED,   MOVES(ST_HALTED)},
    {VERB_DESTROY,   ST_SHUTDOWN,  TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_DESTROY,   ST_CRASHED,   MANAGED,   MOVES(ST_HALTED)},
    {VERB_DESTROY,   ST_CRASHED,   TRANSIENT, MOVES(ST_ABSENT)},
    {VERB_DESTROY,   ST_BROKEN,    MANAGED,   MOVES(ST_HALTED)},
    {VERB_DESTROY,   ST_BROKEN,    TRANSIENT, MOVES(ST_ABSENT)},

    {VERB_DELETE,    ST_HALTED,    ANY,       MOVES(ST_ABSENT)},
    {VERB_DELETE,    ST_RUNNING,   MANAGED,
     UNLESS("--destroy", ST_ABSENT, ERR_WRONG_STATE, "it is running",
            "shut it down or destroy it first (reeve delete --destroy NAME does both)",
            VERB_SHUTDOWN, VERB_DESTROY)},
    {VERB_DELETE,    ST_RUNNING,   TRANSIENT,
     REFUSES(HAS_NO_RECORD, "destroy ends it, and then it is gone", VERB_DESTROY)},
    {VERB_DELETE,    ST_PAUSED,    MANAGED,
     UNLESS("--destroy", ST_ABSENT, ERR_WRONG_STATE, "it is paused",
            "destroy it first (reeve delete --destroy NAME does both), or unpause it and shut it "
            "down", VERB_DESTROY, VERB_UNPAUSE)},
    {VERB_DELETE,    ST_PAUSED,    TRANSIENT,
     REFUSES(HAS_NO_RECORD, "destroy ends it, and then it is gone", VERB_DESTROY)},
    {VERB_DELETE,    ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume it, or discard its saved state, first", VERB_RESUME,
             VERB_DISCARD)},
    {VERB_DELETE,    ST_SHUTDOWN,  MANAGED,
     UNLESS("--destroy", ST_ABSENT, ERR_WRONG_STATE, SHUT_DOWN,
            "destroy it first (reeve delete --destroy NAME does both)", VERB_DESTROY)},
    {VERB_DELETE,    ST_SHUTDOWN,  TRANSIENT, REFUSES(HAS_NO_RECORD, CLEAR, VERB_DESTROY)},
    {VERB_DELETE,    ST_CRASHED,   MANAGED,
     UNLESS("--destroy", ST_ABSENT, ERR_WRONG_STATE, CRASHED,
            "destroy it first (reeve delete --destroy NAME does both)", VERB_DESTROY)},
    {VERB_DELETE,    ST_CRASHED,   TRANSIENT, REFUSES(HAS_NO_RECORD, CLEAR, VERB_DESTROY)},
    {VERB_DELETE,    ST_BROKEN,    ANY,       MOVES(ST_ABSENT)},

    {VERB_DUMP_CORE, ST_RUNNING,   ANY,       STAYS},
    {VERB_DUMP_CORE, ST_PAUSED,    ANY,       STAYS},
    {VERB_DUMP_CORE, ST_SHUTDOWN,  ANY,       STAYS},
    {VERB_DUMP_CORE, ST_CRASHED,   ANY,       STAYS},

    {VERB_RENAME,    ST_HALTED,    ANY,       STAYS},
    {VERB_RENAME,    ST_RUNNING,   ANY,       STAYS},
    {VERB_RENAME,    ST_PAUSED,    ANY,       STAYS},
    {VERB_RENAME,    ST_SUSPENDED, ANY,       STAYS},
    {VERB_RENAME,    ST_SHUTDOWN,  ANY,       STAYS},
    {VERB_RENAME,    ST_CRASHED,   ANY,       STAYS},
    {VERB_RENAME,    ST_BROKEN,    ANY,       STAYS},

    {VERB_MEM_SET,   ST_HALTED,    ANY,       STORED},
    {VERB_MEM_SET,   ST_RUNNING,   ANY,       STAYS},
    {VERB_MEM_SET,   ST_PAUSED,    ANY,       STAYS},

    {VERB_VCPU_SET,  ST_HALTED,    ANY,       STORED},
    {VERB_VCPU_SET,  ST_RUNNING,   ANY,       STAYS},
    {VERB_VCPU_SET,  ST_PAUSED,    ANY,       STAYS},

    {VERB_VCPU_PIN,  ST_RUNNING,   ANY,       STAYS},
    {VERB_VCPU_PIN,  ST_PAUSED,    ANY,       STAYS},

    {VERB_ATTACH,    ST_HALTED,    ANY,       STORED},
    {VERB_ATTACH,    ST_RUNNING,   ANY,       STAYS},
    {VERB_ATTACH,    ST_PAUSED,    ANY,       STAYS},

    {VERB_DETACH,    ST_HALTED,    ANY,       STORED},
    {VERB_DETACH,    ST_RUNNING,   ANY,       STAYS},
    {VERB_DETACH,    ST_PAUSED,    ANY,       STAYS},

    {VERB_MEM_MAX,   ST_HALTED,    ANY,       STORED},
    {VERB_MEM_MAX,   ST_RUNNING,   ANY,       STORED},
    {VERB_MEM_MAX,   ST_PAUSED,    ANY,       STORED},
    {VERB_MEM_MAX,   ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume it, or discard its saved state, first", VERB_RESUME,
             VERB_DISCARD)},
    {VERB_MEM_MAX,   ST_SHUTDOWN,  ANY,       STORED},
    {VERB_MEM_MAX,   ST_CRASHED,   ANY,       STORED},
    {VERB_MEM_MAX,   ST_BROKEN,    ANY,       STORED},

    {VERB_CONFIG_SET,ST_HALTED,    ANY,       STORED},
    {VERB_CONFIG_SET,ST_RUNNING,   ANY,       STORED},
    {VERB_CONFIG_SET,ST_PAUSED,    ANY,       STORED},
    {VERB_CONFIG_SET,ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume it, or discard its saved state, first", VERB_RESUME,
             VERB_DISCARD)},
    {VERB_CONFIG_SET,ST_SHUTDOWN,  ANY,       STORED},
    {VERB_CONFIG_SET,ST_CRASHED,   ANY,       STORED},
    {VERB_CONFIG_SET,ST_BROKEN,    ANY,       STORED},

    {VERB_SYSRQ,     ST_RUNNING,   ANY,       STAYS},
    {VERB_SYSRQ,     ST_PAUSED,    ANY,
     REFUSES("it is paused and cannot hear the key", "unpause lets it run on", VERB_UNPAUSE)},

    {VERB_TRIGGER,   ST_RUNNING,   ANY,       STAYS},
    {VERB_TRIGGER,   ST_PAUSED,    ANY,       STAYS},

    {VERB_CONSOLE,   ST_RUNNING,   ANY,       STAYS},
    {VERB_CONSOLE,   ST_PAUSED,    ANY,       STAYS},
    {VERB_CONSOLE,   ST_SHUTDOWN,  ANY,       STAYS}, /* the last lines */
    {VERB_CONSOLE,   ST_CRASHED,   ANY,       STAYS},

    {VERB_N,         ST_ABSENT,    ANY,
     NO(ERR_NO_SUCH_DOMAIN, "there is no such domain", "list shows those there are", VERB_N)},
    {VERB_N,         ST_HALTED,    ANY,
     REFUSES("it is halted", "start boots it", VERB_START)},
    {VERB_N,         ST_SUSPENDED, ANY,
     REFUSES("it is suspended", "resume brings it back", VERB_RESUME)},
    {VERB_N,         ST_SHUTDOWN,  ANY,       REFUSES(SHUT_DOWN, CLEAR, VERB_DESTROY)},
    {VERB_N,         ST_CRASHED,   ANY,       REFUSES(CRASHED, CLEAR, VERB_DESTROY)},
    {VERB_N,         ST_BROKEN,    ANY,       REFUSES(BROKEN, MEND, VERB_N)},
};
/* clang-format on */

static const struct outcome needs_unpause = REFUSES(
    "it is paused, and this driver cannot save a paused domain", "unpause it first", VERB_UNPAUSE);

/* What a verb that acted says, and what takes it back. */
#define WORDS(verb_, counterpart_, done_, hint_)                                                   \
    [verb_] = {.counterpart = (counterpart_), .done = (done_), .hint = (hint_)}
#define WORDS_BY_KIND(verb_, counterpart_, done_, hint_, transient_)                               \
    [verb_] = {(counterpart_), (done_), (hint_), (transient_)}
static const struct {
    enum verb counterpart; /* VERB_N: none */
    const char *done;
    const char *hint;           /* for a managed domain */
    const char *hint_transient; /* NULL: the same */
} words[VERB_N] = {
    WORDS(VERB_NEW, VERB_DELETE, "stored", "start boots it, delete forgets it"),
    WORDS(VERB_ADOPT, VERB_N, "adopted", "it is managed now and survives its own end"),
    WORDS(VERB_START, VERB_SHUTDOWN, "started", "shutdown ends it in order"),
    WORDS_BY_KIND(VERB_CREATE, VERB_SHUTDOWN, "created", "shutdown ends it in order",
                  TRANSIENT_LIVES),
    WORDS(VERB_PAUSE, VERB_UNPAUSE, "paused", "unpause lets it run on"),
    WORDS(VERB_UNPAUSE, VERB_PAUSE, "unpaused", "pause stops it again"),
    WORDS(VERB_SAVE, VERB_RESTORE, "saved", "restore with that file goes on from there"),
    WORDS(VERB_RESTORE, VERB_SAVE, "restored", "save writes its state to a file again"),
    WORDS(VERB_SUSPEND, VERB_RESUME, "suspended", "resume goes on from there"),
    WORDS(VERB_RESUME, VERB_SUSPEND, "resumed", "suspend keeps its state on disk again"),
    WORDS(VERB_DISCARD, VERB_N, "discarded the saved state of", "start boots it afresh"),
    WORDS(VERB_REBOOT, VERB_N, "rebooted", "its guest booted afresh"),
    WORDS(VERB_RESET, VERB_N, "reset", "its guest boots afresh, unasked"),
    WORDS_BY_KIND(VERB_SHUTDOWN, VERB_START, "shut down", "start boots it again", TRANSIENT_ENDED),
    WORDS_BY_KIND(VERB_DESTROY, VERB_START, "destroyed", "start boots it again", TRANSIENT_ENDED),
    WORDS(VERB_DELETE, VERB_NEW, "deleted", "new makes it known again"),
    WORDS(VERB_DUMP_CORE, VERB_N, "dumped the core of", "it goes on as it was"),
    WORDS(VERB_RENAME, VERB_RENAME, "renamed", "rename gives the old name back"),
    WORDS(VERB_MEM_SET, VERB_MEM_SET, "set the memory of", "mem-set with the old size undoes it"),
    WORDS(VERB_VCPU_SET, VERB_VCPU_SET, "set the vcpus of",
          "vcpu-set with the old number undoes it"),
    WORDS(VERB_VCPU_PIN, VERB_VCPU_PIN, "pinned the vcpus of",
          "it holds until the domain ends; vcpu-pin with all lifts it"),
    WORDS(VERB_ATTACH, VERB_DETACH, "attached to", "detach takes it out again"),
    WORDS(VERB_DETACH, VERB_ATTACH, "detached from", "attach puts it back"),
    WORDS(VERB_MEM_MAX, VERB_MEM_MAX, "set the memory limit of",
          "mem-max with the old size undoes it"),
    WORDS(VERB_CONFIG_SET, VERB_CONFIG_SET, "changed the config of",
          "config history has the one before"),
    WORDS(VERB_SYSRQ, VERB_N, "sent the key to", "its console shows what came of it"),
    WORDS(VERB_TRIGGER, VERB_N, "sent the event to", "its console shows what came of it"),
    WORDS(VERB_CONSOLE, VERB_N, "left the console of", "it goes on as it was"),
};

static bool row_fits(const struct row *r, enum state from, bool managed)
{
    return r->from == from && (r->kind == ANY || (r->kind == MANAGED) == managed);
}

const struct outcome *lifecycle_outcome(enum verb verb, enum state from, bool managed)
{
    const struct outcome *of_every_verb = NULL;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!row_fits(&rows[i], from, managed))
            continue;
        if (rows[i].verb == verb)
            return &rows[i].outcome;
        if (rows[i].verb == VERB_N)
            of_every_verb = &rows[i].outcome;
    }
    return of_every_verb;
}

size_t lifecycle_rows(enum verb verb, enum state from, bool managed)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].verb == verb && row_fits(&rows[i], from, managed))
            count++;
    return count;
}

const struct outcome *lifecycle_needs_unpause(enum verb verb)
{
    return verb == VERB_SAVE || verb == VERB_SUSPEND ? &needs_unpause : NULL;
}

static void add_way_out(struct str *to, const char *text, const char *name)
{
    static const char placeholder[] = "NAME";
    const char *at = strstr(text, placeholder);

    if (!at) {
        str_add(to, text);
        return;
    }
    str_addn(to, text, (size_t)(at - text));
    str_add_escaped(to, name, strlen(name));
    str_add(to, at + strlen(placeholder));
}

static void add_why(const struct outcome *o, const char *name, const char *reason, struct str *to)
{
    str_add(to, o->because);
    if (reason && *reason)
        str_addf(to, " (%s)", reason);
    if (*o->way_out) {
        str_add(to, "; ");
        add_way_out(to, o->way_out, name);
    }
}

void lifecycle_refusal_why(const struct outcome *o, const char *name, struct str *to)
{
    add_why(o, name, NULL, to);
}

void lifecycle_refusal(const struct outcome *o, enum verb verb, const char *name,
                       const char *reason, struct str *to)
{
    str_addf(to, "cannot %s ", verb_name(verb));
    str_add_escaped(to, name, strlen(name));
    str_add(to, ": ");
    add_why(o, name, reason, to);
}

int lifecycle_refuse(const struct outcome *o, enum verb verb, const char *name, const char *reason,
                     struct err *e)
{
    AUTO_STR struct str text = {0};

    lifecycle_refusal(o, verb, name, reason, &text);
    return err_set(e, o->code, "%s", text.data);
}

int lifecycle_check(enum verb verb, const char *name, enum state from, bool managed, struct err *e)
{
    const struct outcome *o = lifecycle_outcome(verb, from, managed);

    return o->kind == OUT_REFUSES ? lifecycle_refuse(o, verb, name, NULL, e) : 0;
}

size_t lifecycle_expected(enum verb verb, bool managed, enum state states[ST_N])
{
    size_t count = 0;

    for (int s = 0; s < ST_N; s++)
        if (lifecycle_outcome(verb, (enum state)s, managed)->kind != OUT_REFUSES)
            states[count++] = (enum state)s;
    return count;
}

/* One pass over the rows, for `list` asks it of a thousand domains. Rows of every verb only
 * refuse (tested), so none can be missed. */
size_t lifecycle_can(enum state state, bool managed, enum verb verbs[VERB_N])
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum outcome_kind kind = rows[i].outcome.kind;
        if (row_fits(&rows[i], state, managed) && kind != OUT_REFUSES && kind != OUT_SAME)
            verbs[count++] = rows[i].verb;
    }
    return count;
}

enum verb lifecycle_counterpart(enum verb verb)
{
    return words[verb].counterpart;
}

const char *lifecycle_done(enum verb verb)
{
    return words[verb].done;
}

const char *lifecycle_done_hint(enum verb verb)
{
    return words[verb].hint;
}

const char *lifecycle_done_hint_of(enum verb verb, bool managed)
{
    return !managed && words[verb].hint_transient ? words[verb].hint_transient : words[verb].hint;
}

void lifecycle_same_text(enum verb verb, enum state state, struct str *to)
{
    str_addf(to, "is %s already", verb == VERB_ADOPT ? "managed" : state_name(state));
}
