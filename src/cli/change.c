/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { IN_FLIGHT_MAX = 64, QUIET_MS = 500, REDRAW_MS = 500, EXIT_INTERRUPTED = 130 };

/* Options that are booleans of the call. */
static const struct {
    enum opt opt;
    const char *name;
} flags[] = {
    {OPT_PAUSED,     "paused"    },
    {OPT_FORCE,      "force"     },
    {OPT_REPLACE,    "replace"   },
    {OPT_DRY_RUN,    "dry_run"   },
    {OPT_DESTROY,    "destroy"   },
    {OPT_CHECKPOINT, "checkpoint"},
    {OPT_NEXT_BOOT,  "next_boot" },
};

json_t *change_args(const struct command *cmd, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    int64_t ms;

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (cmd->options.given[flags[i].opt])
            json_set_bool(args, flags[i].name, true);
    if (cmd->options.given[OPT_TIMEOUT]) {
        if (options_seconds(cmd->options.value[OPT_TIMEOUT], &ms, e) < 0)
            return NULL;
        json_set_int(args, "timeout_ms", ms);
    }
    if (cmd->options.given[OPT_NO_WAIT])
        json_set_bool(args, "wait", false);
    else
        json_set_bool(args, "progress", true);
    return TAKE(args);
}

/* What all requests of one command share. */
struct changes {
    struct command *cmd;  /* borrowed */
    struct change *items; /* borrowed */
    size_t count;
    size_t in_flight;
    size_t done;
    int64_t began_ms;
    int64_t drawn_ms;
    bool drawn;      /* a progress line stands on the terminal */
    bool draws;      /* stderr is a terminal and nobody asked for silence */
    bool cancelling; /* the first Ctrl-C has come */
};

static bool target_busy(const struct changes *all, const struct change *item)
{
    for (const struct change *other = all->items; other < item; other++)
        if (other->step != CHANGE_DONE && str_eq(other->target, item->target))
            return true;
    return false;
}

static int send_more(struct changes *all, struct err *e)
{
    for (size_t i = 0; i < all->count && all->in_flight < IN_FLIGHT_MAX; i++) {
        struct change *item = &all->items[i];
        if (item->step != CHANGE_WAITS || all->cancelling || target_busy(all, item))
            continue;
        json_t *args = TAKE(item->args);
        if (client_send(&all->cmd->client, all->cmd->row->name, args, &item->id, e) < 0)
            return -1;
        item->step = CHANGE_SENT;
        all->in_flight++;
    }
    return 0;
}

static void erase_progress(struct changes *all)
{
    struct err ignored;

    if (all->drawn && fs_write_all(STDERR_FILENO, "\r\033[K", 4, "", &ignored) == 0)
        all->drawn = false;
}

static void draw_progress(struct changes *all)
{
    AUTO_STR struct str line = {0};
    const char *doing = all->cmd->row->doing;
    int64_t now = clock_mono_ms();
    struct err ignored;

    if (!all->draws || now - all->began_ms < QUIET_MS || now - all->drawn_ms < REDRAW_MS)
        return;
    str_add(&line, "\r\033[K");
    if (all->count > 1) {
        str_addf(&line, "%s: %zu of %zu done", doing, all->done, all->count);
    } else {
        str_addf(&line, "%s ", doing);
        str_add_escaped(&line, all->items[0].target, strlen(all->items[0].target));
        if (all->items[0].at) {
            AUTO_STR struct str progress = {0};
            print_progress_rate(all->items[0].at, clock_wall_ms(), &progress);
            str_addf(&line, "%s%s", progress.len ? " " : "", progress.len ? progress.data : "");
        }
    }
    str_addf(&line, ", %jd s", (intmax_t)((now - all->began_ms) / 1000));
    if (fs_write_all(STDERR_FILENO, line.data, line.len, "", &ignored) == 0)
        all->drawn = true;
    all->drawn_ms = now;
}

/* The outcome of one request, for people. */
static int report(struct changes *all, const struct change *item, struct err *e)
{
    const json_t *error = json_object_get(item->answer, "error");
    const json_t *result = json_object_get(item->answer, "return");
    const json_t *job = json_object_get(result, "job");
    AUTO_STR struct str line = {0};

    erase_progress(all);
    print_warnings(json_object_get(result, "warnings"));
    if (all->cmd->format != PRINT_TABLE)
        return 0;
    if (error) {
        print_failure(json_get_string(error, "message", "the daemon gave no reason"));
        return 0;
    }
    if (all->cmd->options.given[OPT_NO_WAIT] && json_is_object(job)) {
        str_addf(&line, "job:%jd\n", (intmax_t)json_get_int(job, "id", 0));
    } else if (!all->cmd->options.given[OPT_QUIET]) {
        print_sentence(json_get_string(result, "message", "done"), &line);
        str_addc(&line, '\n');
    }
    return print_out(&line, e);
}

static struct change *find_item(struct changes *all, int64_t id)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].step == CHANGE_SENT && all->items[i].id == id)
            return &all->items[i];
    return NULL;
}

static int cancel_job(struct changes *all, const struct change *item, struct err *e)
{
    AUTO_JSON json_t *args = json_object();
    int64_t id;

    if (item->job == 0 || item->step != CHANGE_SENT)
        return 0;
    json_set_int(args, "job", item->job);
    return client_send(&all->cmd->client, "cancel", TAKE(args), &id, e);
}

/* A line of the daemon: the start or the progress of a job, or a final answer. Others (answers to
 * cancel, kinds that this version does not know) are left alone. */
static int take_line(struct changes *all, json_t *line, struct err *e)
{
    struct change *item = find_item(all, json_get_int(line, "id", -1));

    if (!item)
        return 0;
    json_t *note = json_object_get(line, "started");
    if (!note)
        note = json_object_get(line, "progress");
    json_t *job = json_object_get(note, "job");
    if (job) {
        json_decref(item->at);
        item->at = json_incref(job);
        bool is_new = item->job == 0;
        item->job = json_get_int(job, "id", 0);
        /* Ctrl-C came before the job had a number. */
        return is_new && all->cancelling ? cancel_job(all, item, e) : 0;
    }
    if (!json_object_get(line, "return") && !json_object_get(line, "error"))
        return 0;
    item->answer = json_incref(line);
    item->step = CHANGE_DONE;
    all->in_flight--;
    all->done++;
    return report(all, item, e);
}

/* Those not sent yet are not sent any more: their answer is ours. */
static int drop_unsent(struct changes *all, struct err *e)
{
    for (size_t i = 0; i < all->count; i++) {
        struct change *item = &all->items[i];
        if (item->step != CHANGE_WAITS)
            continue;
        AUTO_STR struct str message = {0};
        str_addf(&message, "cannot %s ", all->cmd->row->name);
        str_add_escaped(&message, item->target, strlen(item->target));
        str_add(&message, ": cancelled before it began");
        json_t *error = json_object();
        json_set_string(error, "code", err_name(ERR_CANCELLED));
        json_set_string(error, "message", message.data);
        item->answer = json_object();
        if (json_object_set_new(item->answer, "error", error) < 0)
            abort();
        item->step = CHANGE_DONE;
        all->done++;
        if (report(all, item, e) < 0)
            return -1;
    }
    return 0;
}

static int cancel_all(struct changes *all, struct err *e)
{
    erase_progress(all);
    print_failure("cancelling; Ctrl-C again leaves it to the daemon");
    all->cancelling = true;
    for (size_t i = 0; i < all->count; i++)
        if (cancel_job(all, &all->items[i], e) < 0)
            return -1;
    return drop_unsent(all, e);
}

/* Waits for a line or Ctrl-C. Returns 0, -1, or EXIT_INTERRUPTED. */
static int wait_once(struct changes *all, int signals, struct err *e)
{
    struct client *c = &all->cmd->client;
    struct pollfd fds[] = {
        {.fd = c->fd,   .events = POLLIN},
        {.fd = signals, .events = POLLIN}
    };
    int n = poll(fds, ARRAY_LEN(fds), all->draws ? REDRAW_MS : -1);
    struct signalfd_siginfo info;

    if (n < 0 && errno != EINTR)
        return err_errno(e, ERR_FAILED, errno, "cannot wait");
    draw_progress(all);
    if (n <= 0)
        return 0;
    if (fds[1].revents && read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (all->cancelling)
            return EXIT_INTERRUPTED;
        return cancel_all(all, e);
    }
    return fds[0].revents ? client_fill(c, e) : 0;
}

static int run_loop(struct changes *all, int signals, struct err *e)
{
    while (all->done < all->count) {
        json_t *line;
        if (send_more(all, e) < 0)
            return -1;
        int got = client_take(&all->cmd->client, &line, e);
        if (got < 0)
            return -1;
        if (got > 0) {
            int result = take_line(all, line, e);
            json_decref(line);
            if (result < 0)
                return -1;
            continue;
        }
        int result = wait_once(all, signals, e);
        if (result != 0)
            return result;
    }
    return 0;
}

static int exit_of(const struct change *item)
{
    const json_t *error = json_object_get(item->answer, "error");

    return error ? err_exit(err_code_of(json_get_string(error, "code", "failed"))) : 0;
}

/* One document: the answer itself, or a list of all of them in their order. */
static int print_answers(const struct changes *all, bool list, struct err *e)
{
    AUTO_JSON json_t *results = json_array();
    AUTO_JSON json_t *document = json_object();

    for (size_t i = 0; i < all->count; i++) {
        json_t *answer = all->items[i].answer;
        json_t *result = json_object_get(answer, "return");
        AUTO_JSON json_t *failure = json_pack("{s:O?}", "error", json_object_get(answer, "error"));
        if (json_array_append(results, result ? result : failure) < 0)
            abort();
    }
    if (all->count == 1 && !list)
        return print_json(json_array_get(results, 0), e);
    if (json_object_set(document, "results", results) < 0)
        abort();
    return print_json(document, e);
}

int change_all(struct command *cmd, struct change *items, size_t count, bool list, struct err *e)
{
    struct changes all = {.cmd = cmd, .items = items, .count = count};
    sigset_t interrupt, before;

    if (command_connect(cmd, e) < 0)
        return -1;
    all.began_ms = clock_mono_ms();
    all.draws = cmd->format == PRINT_TABLE && !cmd->options.given[OPT_QUIET] &&
                !cmd->options.given[OPT_NO_WAIT] && isatty(STDERR_FILENO);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    AUTO_CLOSE int signals = signalfd(-1, &interrupt, SFD_CLOEXEC | SFD_NONBLOCK);
    int result = signals < 0 ? err_errno(e, ERR_FAILED, errno, "cannot watch for Ctrl-C")
                             : run_loop(&all, signals, e);
    erase_progress(&all);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return result;
    if (cmd->format == PRINT_JSON && print_answers(&all, list, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (exit_of(&items[i]) != 0)
            return exit_of(&items[i]);
    return 0;
}

int change_one(struct command *cmd, const char *domain, json_t *args, struct err *e)
{
    struct change item = {.target = domain, .args = args};

    json_set_string(args, "domain", domain);
    int result = change_all(cmd, &item, 1, false, e);
    change_finish(&item, 1);
    return result;
}

void change_finish(struct change *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(items[i].args);
        json_decref(items[i].at);
        json_decref(items[i].answer);
    }
}
