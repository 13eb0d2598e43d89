/* SPDX-License-Identifier: MIT */
#include "core/engine.h"

#include "core/foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/hooks.h"
#include "core/hostrun.h"
#include "core/job.h"
#include "core/policy.h"

/* The first look at the driver may meet guests that do not answer. */
enum { FIRST_LOOK_MS = 1000, SILENT_MS = 10 * 1000, AGAIN_MS = 50 };

char *engine_console_path(const struct engine *g, const char *name)
{
    return x_asprintf("%s/%s.log", g->console_dir, name);
}

char *engine_image_path(const struct engine *g, const char *uuid)
{
    return x_asprintf("%s/images/%s/memory.reeve", g->state_dir, uuid);
}

struct domain *engine_by_uuid(struct engine *g, const char *uuid)
{
    LIST_EACH (&g->domains, d, struct domain, link)
        if (str_eq(d->r->uuid, uuid))
            return d;
    return NULL;
}

struct domain *engine_by_name(struct engine *g, const char *name)
{
    struct domain *foreign = NULL;

    /* Another tool may use a name that is on record. */
    LIST_EACH (&g->domains, d, struct domain, link) {
        if (!str_eq(d->r->name, name))
            continue;
        if (!d->foreign)
            return d;
        foreign = d;
    }
    return foreign;
}

static struct domain *by_id(struct engine *g, const char *digits)
{
    char *end;
    unsigned long id = strtoul(digits, &end, 10);

    LIST_EACH (&g->domains, d, struct domain, link)
        if (d->seen && d->obs.ref.id == id)
            return d;
    return NULL;
}

struct domain *engine_find(struct engine *g, const char *word, struct err *e)
{
    struct domain *d = NULL;
    size_t len = strlen(word);

    if (len == 0) {
        err_set(e, ERR_BAD_REQUEST, "the domain's name is empty");
        return NULL;
    }
    const char *digits = str_starts(word, "id:") ? word + 3 : word;
    if (*digits && strspn(digits, "0123456789") == strlen(digits) && strlen(digits) < 10) {
        d = by_id(g, digits);
    } else if (ident_uuid_valid(word)) {
        char uuid[IDENT_UUID_LEN + 1];
        ident_uuid_normal(word, uuid);
        d = engine_by_uuid(g, uuid);
    } else {
        d = engine_by_name(g, word);
    }
    if (!d) {
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, word, len < 140 ? len : 140);
        err_set(e, ERR_NO_SUCH_DOMAIN, "there is no domain %s", shown.data);
    }
    return d;
}

static enum state live_state(const struct domain *d)
{
    switch (d->obs.state) {
    case OBS_RUNNING:
        return ST_RUNNING;
    case OBS_PAUSED:
        return ST_PAUSED;
    case OBS_SHUTDOWN:
        return ST_SHUTDOWN;
    case OBS_CRASHED:
    case OBS_DEAD:
        return ST_CRASHED;
    case OBS_BUSY:
    case OBS_UNKNOWN:
        break;
    }
    /* It is alive and did not say how: what it was last. */
    return d->r->state == ST_RUNNING ? ST_RUNNING : ST_PAUSED;
}

enum state engine_state(const struct engine *g, const struct domain *d)
{
    (void)g;
    if (d->removed)
        return ST_ABSENT;
    if (d->job && d->job->threaded && !d->job->ended && d->seen && d->obs.state == OBS_BUSY)
        return d->r->state;
    if (d->seen)
        return live_state(d);
    if (d->r->broken)
        return ST_BROKEN;
    return d->r->image.path ? ST_SUSPENDED : ST_HALTED;
}

static void broken_text(struct record *r, enum reason why, const char *text)
{
    r->broken = why;
    r->reason = why;
    x_replace(&r->reason_text, x_strdup(text));
}

/* What the guest's own ends lead to, as its config says; the guest may have another one than what
 * is stored. */
static void read_policy(struct domain *d, const struct conf *conf)
{
    for (int i = 0; i < REASON_N; i++)
        d->on_end[i] = policy_action(conf, (enum reason)i);
    d->host.on_stop = conf->host.on_stop;
    d->host.order = conf->host.order;
    d->host.timeout_ms = (int64_t)conf->host.timeout * 1000;
    d->host.destroy = conf->host.destroy;
    d->host.delay_ms = (int64_t)conf->host.delay * 1000;
    AUTO_STR struct str after = {0};
    for (size_t i = 0; i < conf->host.after.count; i++)
        str_addf(&after, "%s%s", i ? " " : "", conf->host.after.items[i]);
    x_replace(&d->host.after, after.len ? str_take(&after) : NULL);
    d->restart_min_run_ms = (int64_t)conf->restart_min_run * 1000;
    d->restart_tries = conf->restart_tries;
    d->reboots_failed = false;
}

static int parse(const struct engine *g, const struct domain *d, const char *text,
                 struct conf **ret, struct err *e)
{
    struct conf_warnings warnings = {0};
    int result =
        conf_parse(text, strlen(text), d->r->name, NULL, 0, g->driver->name, ret, &warnings, e);

    conf_warnings_finish(&warnings);
    return result;
}

void engine_read_config(struct engine *g, struct domain *d)
{
    struct conf *conf = NULL, *guest = NULL;
    struct err e;

    if (d->r->broken == REASON_RECORD_DAMAGED)
        return;
    if (parse(g, d, d->r->config, &conf, &e) < 0) {
        broken_text(d->r, REASON_CONFIG_UNREADABLE, e.msg);
        return;
    }
    if (d->r->broken == REASON_CONFIG_UNREADABLE)
        d->r->broken = REASON_NONE;
    d->memory_kib = conf->memory_kib;
    d->max_memory_kib = conf->max_memory_kib;
    d->vcpus = conf->vcpus;
    d->max_vcpus = conf->max_vcpus;
    d->autostart = conf->autostart;
    if (d->r->live_config && parse(g, d, d->r->live_config, &guest, &e) < 0)
        log_warn("%s: what its guest was built from cannot be read: %s", d->r->name, e.msg);
    read_policy(d, guest ? guest : conf);
    conf_free(guest);
    conf_free(conf);
}

/* Sorted by name; the store gives them sorted, so look from the end. */
static void put_in_order(struct engine *g, struct domain *d)
{
    struct list *before = &g->domains;

    for (struct list *at = g->domains.prev; at != &g->domains; at = at->prev) {
        if (strcmp(LIST_ENTRY(at, struct domain, link)->r->name, d->r->name) < 0)
            break;
        before = at;
    }
    list_append(before, &d->link);
}

struct domain *engine_insert(struct engine *g, struct record *r)
{
    struct domain *d = x_calloc(1, sizeof *d);

    d->r = r;
    put_in_order(g, d);
    return d;
}

void engine_renamed(struct engine *g, struct domain *d, const char *old)
{
    list_remove(&d->link);
    put_in_order(g, d);
    g->host.renamed(g->host.arg, d, old);
}

void engine_remove(struct engine *g, struct domain *d)
{
    LIST_EACH (&g->jobs, j, struct job, link)
        if (j->domain == d)
            j->domain = NULL;
    LIST_EACH (&g->recent, j, struct job, link)
        if (j->domain == d)
            j->domain = NULL;
    g->host.console_end(g->host.arg, d->r->uuid);
    d->removed = true;
    d->seen = false;
    d->job = NULL;
    list_remove(&d->link);
    g->host.changed(g->host.arg, d, NULL, NULL);
    record_free(d->r);
    free(d->host.after);
    free(d);
}

/* Verbs that need a call of the driver, and where that call is in the struct. */
static const struct {
    enum verb verb;
    size_t member;
} needs[] = {
    {VERB_START,     offsetof(struct driver, create)   },
    {VERB_CREATE,    offsetof(struct driver, create)   },
    {VERB_PAUSE,     offsetof(struct driver, pause)    },
    {VERB_UNPAUSE,   offsetof(struct driver, unpause)  },
    {VERB_SAVE,      offsetof(struct driver, save)     },
    {VERB_SUSPEND,   offsetof(struct driver, save)     },
    {VERB_RESTORE,   offsetof(struct driver, restore)  },
    {VERB_RESUME,    offsetof(struct driver, restore)  },
    {VERB_SHUTDOWN,  offsetof(struct driver, shutdown) },
    {VERB_REBOOT,    offsetof(struct driver, reboot)   },
    {VERB_RESET,     offsetof(struct driver, reset)    },
    {VERB_DESTROY,   offsetof(struct driver, destroy)  },
    {VERB_DUMP_CORE, offsetof(struct driver, dump_core)},
    {VERB_CONSOLE,   offsetof(struct driver, console)  },
    {VERB_SYSRQ,     offsetof(struct driver, sysrq)    },
    {VERB_TRIGGER,   offsetof(struct driver, trigger)  },
    {VERB_MEM_SET,   offsetof(struct driver, memory)   },
    {VERB_VCPU_SET,  offsetof(struct driver, vcpus)    },
    {VERB_VCPU_PIN,  offsetof(struct driver, vcpu_pin) },
    {VERB_ATTACH,    offsetof(struct driver, attach)   },
    {VERB_DETACH,    offsetof(struct driver, detach)   },
};

bool engine_driver_has(const struct engine *g, enum verb verb)
{
    for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
        void (*call)(void);
        if (needs[i].verb != verb)
            continue;
        memcpy(&call, (const char *)g->driver + needs[i].member, sizeof call);
        return call != NULL;
    }
    return true;
}

int engine_judge(const struct engine *g, const struct domain *d, enum verb verb,
                 const struct outcome **ret, struct err *e)
{
    enum state state = engine_state(g, d);

    if (d->foreign && foreign_judge(g, d, verb, e) < 0)
        return -1;
    *ret = lifecycle_outcome(verb, state, d->r->managed);
    if ((*ret)->kind == OUT_REFUSES)
        return lifecycle_refuse(*ret, verb, d->r->name,
                                state == ST_BROKEN ? record_why(d->r, d->r->broken) : NULL, e);
    if (!engine_driver_has(g, verb))
        return err_set(e, ERR_UNSUPPORTED, "cannot %s %s: the %s driver does not have it",
                       verb_name(verb), d->r->name, g->driver->name);
    bool saves = verb == VERB_SAVE || verb == VERB_SUSPEND;
    if (saves && state == ST_PAUSED && !g->driver->saves_paused) {
        *ret = lifecycle_needs_unpause(verb);
        return lifecycle_refuse(*ret, verb, d->r->name, NULL, e);
    }
    return 0;
}

/* A batch on its way through the store, and the history row that subscribers get after it. */
struct submitted {
    struct engine *engine;
    struct event_record *ev; /* owned */
    void (*then)(void *arg); /* NULL: nobody waits for it */
    void *arg;
    bool failed;
    struct err failure;
};

static void submitted_on_loop(void *arg)
{
    struct submitted *done = arg;
    struct engine *g = done->engine;

    g->stored++;
    if (done->failed)
        log_error("cannot store what happened to %s: %s", done->ev->name, done->failure.msg);
    else
        g->host.changed(g->host.arg, NULL, NULL, done->ev);
    if (done->then)
        done->then(done->arg);
    event_record_free(done->ev);
    free(done);
}

static void submitted_on_store_thread(void *arg, const struct err *failure, uint64_t first_seq)
{
    struct submitted *done = arg;

    done->ev->seq = first_seq;
    done->failed = failure != NULL;
    if (failure)
        done->failure = *failure;
    post_send(done->engine->post, submitted_on_loop, done);
}

void engine_submit_then(struct engine *g, struct store_batch *b, struct event_record *ev,
                        void (*then)(void *arg), void *arg)
{
    struct submitted *done = x_calloc(1, sizeof *done);

    done->engine = g;
    done->ev = ev;
    done->then = then;
    done->arg = arg;
    g->submitted++;
    store_add_event(b, ev);
    store_submit(g->store, b, submitted_on_store_thread, done);
}

void engine_submit(struct engine *g, struct store_batch *b, struct event_record *ev)
{
    engine_submit_then(g, b, ev, NULL, NULL);
}

struct event_record *engine_event_new(const struct domain *d, const char *actor, const char *verb,
                                      const char *what, const char *text)
{
    struct event_record *ev = x_calloc(1, sizeof *ev);

    ev->at_ms = clock_wall_ms();
    if (d) {
        str_copy(ev->uuid, sizeof ev->uuid, d->r->uuid);
        str_copy(ev->name, sizeof ev->name, d->r->name);
    }
    ev->actor = x_strdup(actor);
    ev->verb = x_strdup(verb);
    ev->what = x_strdup(what);
    ev->text = x_strdup(text);
    return ev;
}

void engine_changed(struct engine *g, const struct domain *d, const char *what, const char *text)
{
    struct store_batch *b = store_batch_new();

    if (!d->forming && !d->foreign)
        store_put_domain(b, d->r);
    engine_submit(g, b, engine_event_new(d, NULL, NULL, what, text));
    g->host.changed(g->host.arg, d, NULL, NULL);
}

static int compare_uuid(const void *a, const void *b)
{
    const struct observation *x = a, *y = b;

    return strcmp(x->ref.uuid, y->ref.uuid);
}

/* Notes when the look was, and makes it searchable. */
static void take_look(struct engine *g, struct observation *seen, size_t count, int64_t wall_ms,
                      int64_t mono_ns)
{
    qsort(seen, count, sizeof *seen, compare_uuid);
    g->observed_at_ms = wall_ms;
    g->observed_mono_ns = mono_ns;
}

static const struct observation *seen_of(const struct domain *d, const struct observation *seen,
                                         size_t count)
{
    struct observation key;

    memcpy(key.ref.uuid, d->r->uuid, sizeof key.ref.uuid);
    return bsearch(&key, seen, count, sizeof *seen, compare_uuid);
}

/* The driver's domains that no record tells of are left alone: reeve acts on nothing that it
 * neither made nor adopted. doctor names them. */
static void note_unknown(struct engine *g, const struct observation *seen, size_t count,
                         size_t known)
{
    json_decref(g->unknown);
    g->unknown = json_array();
    if (known == count)
        return;
    for (size_t i = 0; i < count; i++)
        if (!engine_by_uuid(g, seen[i].ref.uuid))
            json_array_append_new(g->unknown, json_pack("{s:s,s:s}", "name", seen[i].ref.name,
                                                        "uuid", seen[i].ref.uuid));
}

void engine_observed(struct engine *g, struct observation *seen, size_t count, int64_t wall_ms,
                     int64_t mono_ns)
{
    size_t known = 0;

    take_look(g, seen, count, wall_ms, mono_ns);
    LIST_EACH (&g->domains, d, struct domain, link) {
        const struct observation *obs = seen_of(d, seen, count);
        known += obs != NULL;
        if (mono_ns <= d->known_mono_ns)
            continue; /* the look began before a job's end that told us more */
        d->seen = obs != NULL;
        if (obs && obs->state == OBS_UNKNOWN && d->obs.ref.uuid[0])
            continue; /* alive, and silent: the last word stands */
        if (obs)
            d->obs = *obs;
        if (!d->job)
            reconcile(g, d);
    }
    /* A look that began before a job's end may have what that has ended. */
    if (!g->driver->lists_others)
        note_unknown(g, seen, count, known);
    else if (known < count && mono_ns > g->changed_mono_ns)
        foreign_take(g, seen, count);
}

static int first_look(struct engine *g, struct err *e)
{
    struct op op = op_within(FIRST_LOOK_MS);
    struct observation *seen = NULL;
    size_t count = 0;
    int64_t wall_ms = clock_wall_ms(), mono_ns = clock_mono_ns();

    if (g->driver->list(g->handle, &op, &seen, &count, e) < 0)
        return -1;
    if (!g->driver->lists_others)
        note_unknown(g, seen, count, 0);
    take_look(g, seen, count, wall_ms, mono_ns);
    LIST_EACH (&g->domains, d, struct domain, link) {
        const struct observation *obs = seen_of(d, seen, count);
        d->seen = obs != NULL;
        if (obs) {
            d->obs = *obs;
            if (obs->ref.id > g->last_domain_id)
                g->last_domain_id = obs->ref.id;
        }
    }
    free(seen);
    return 0;
}

static bool cut_and_silent(struct engine *g, const struct store_contents *contents)
{
    for (size_t i = 0; i < contents->unfinished_count; i++) {
        const struct domain *d = engine_by_uuid(g, contents->unfinished[i]->uuid);
        if (d && d->seen && d->obs.state == OBS_UNKNOWN)
            return true;
    }
    return false;
}

/* What becomes of a job that was cut depends on what its guest does: a silent one may be about to
 * end, or be slow, and gets a while to show which. */
static int look_at_start(struct engine *g, const struct store_contents *contents, struct err *e)
{
    struct op op = op_within(SILENT_MS);
    struct err over;
    int result;

    do
        result = first_look(g, e);
    while (result == 0 && cut_and_silent(g, contents) &&
           op_nap(&op, AGAIN_MS, "an answer", &over) == 0);
    return result;
}

static void open_consoles(struct engine *g)
{
    LIST_EACH (&g->domains, d, struct domain, link) {
        struct err e;
        int fd = -1;
        if (!d->seen || d->obs.state == OBS_DEAD || !g->driver->console)
            continue;
        if (g->driver->console(g->handle, &d->obs.ref, &fd, &e) < 0)
            log_warn("%s: no console: %s", d->r->name, e.msg);
        else
            g->host.console(g->host.arg, d, fd);
    }
}

enum { PLACES_MIN = 4 };

static int make_places(struct err *e)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int fd = eventfd(cpus > PLACES_MIN ? (unsigned)cpus : PLACES_MIN,
                     EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);

    return fd >= 0 ? fd : err_errno(e, ERR_FAILED, errno, "cannot make an eventfd");
}

int engine_open(struct engine *g, const struct driver *driver, const struct driver_options *options,
                struct post *post, const struct engine_host *host, struct err *e)
{
    struct store_contents contents = {0};

    g->driver = driver;
    g->post = post;
    g->host = *host;
    list_init(&g->domains);
    list_init(&g->jobs);
    list_init(&g->recent);
    if (store_open(g->state_dir, &g->store, &contents, e) < 0)
        return -1;
    if (driver->open(options, &g->handle, e) < 0) {
        store_contents_finish(&contents);
        store_close(g->store);
        return -1;
    }
    g->last_job_id = contents.last_job_id;
    g->last_domain_id = contents.last_domain_id;
    for (size_t i = 0; i < contents.domain_count; i++) {
        struct domain *d = engine_insert(g, TAKE(contents.domains[i]));
        engine_read_config(g, d);
    }
    g->places_fd = make_places(e);
    int result = g->places_fd < 0 ? -1 : look_at_start(g, &contents, e);
    if (result == 0) {
        open_consoles(g);
        recover_all(g, &contents);
    } else {
        engine_close(g);
    }
    store_contents_finish(&contents);
    return result;
}

void engine_close(struct engine *g)
{
    hostrun_free(g);
    hooks_free(TAKE(g->hooks));
    LIST_EACH (&g->jobs, waiting, struct job, link) {
        list_remove(&waiting->link);
        job_unref(waiting);
    }
    LIST_EACH (&g->recent, j, struct job, link) {
        list_remove(&j->link);
        job_unref(j);
    }
    LIST_EACH (&g->domains, d, struct domain, link) {
        list_remove(&d->link);
        record_free(d->r);
        free(d->host.after);
        free(d);
    }
    json_decref(g->unknown);
    g->driver->close(g->handle);
    store_close(g->store);
    if (g->places_fd >= 0)
        close(g->places_fd);
}
