/* SPDX-License-Identifier: MIT */
/* top: what domains use, as a live screen or, with --batch, as text for scripts. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"
#include "cli/screen.h"
#include "cli/usage.h"

enum { DELAY_MS = 2000, DELAY_MIN_MS = 100, COLUMNS_MAX = 16, HEAD_ROWS = 3, MESSAGE_MS = 8000 };

struct top {
    struct command *cmd; /* borrowed */
    int64_t delay_ms;
    int64_t rounds; /* 0: without end */
    enum usage_sort sort;
    bool reverse;
    json_t *before; /* owned; the answers of the last two rounds; NULL */
    json_t *now;
    /* the screen's */
    struct screen screen;
    json_t *rows;                   /* owned; as they are shown */
    char uuid[40];                  /* of the selected one; "" for none */
    size_t first;                   /* the first row that is shown */
    int64_t asked;                  /* id of the stats request on its way; 0: none */
    int64_t next_ms;                /* when to ask again */
    const struct verb_key *confirm; /* waits for y; NULL */
    char *message;                  /* owned; what happened last; NULL */
    int64_t message_ms;
};

/* Keys that do a verb to the selected domain. */
static const struct verb_key {
    char key;
    const char *verb;
    bool asks; /* it takes a guest away from its users */
} verb_keys[] = {
    {'S', "start",    false},
    {'P', "pause",    false},
    {'U', "unpause",  false},
    {'W', "resume",   false},
    {'Z', "suspend",  true },
    {'H', "shutdown", true },
    {'R', "reboot",   true },
    {'T', "reset",    true },
    {'D', "destroy",  true },
};

static const struct {
    char key;
    enum usage_sort sort;
} sort_keys[] = {
    {'c', USAGE_CPU   },
    {'m', USAGE_MEMORY},
    {'d', USAGE_DISK  },
    {'n', USAGE_NET   },
    {'a', USAGE_NAME  },
};

/* ---- what both share ---- */

static json_t *request(const struct options *o)
{
    json_t *args = json_object(), *names = json_array();

    for (size_t i = 0; i < o->operand_count; i++)
        json_array_append_new(names, json_text(o->operands[i]));
    if (o->operand_count > 0)
        json_object_set(args, "domains", names);
    json_decref(names);
    return args;
}

static void take_answer(struct top *t, json_t *answer)
{
    json_decref(t->before);
    t->before = t->now;
    t->now = json_incref(answer);
}

static size_t columns_of(const struct column *columns[COLUMNS_MAX])
{
    size_t count = 0;

    for (; usage_columns[count].key; count++)
        columns[count] = &usage_columns[count];
    return count;
}

/* ---- batch ---- */

static void cell_at(const json_t *row, bool people, struct str *to)
{
    (void)people;
    str_add(to, json_get_string(row, "at", ""));
}

static const struct column at_column = {"at", "AT", false, cell_at};

static int print_json_round(const struct top *t, json_t *rows, struct err *e)
{
    AUTO_JSON json_t *document = json_object();

    json_object_set(document, "at", json_object_get(t->now, "at"));
    json_object_set(document, "host", json_object_get(t->now, "host"));
    json_object_set(document, "domains", rows);
    return print_json(document, e);
}

static int print_round(const struct top *t, bool first, struct err *e)
{
    AUTO_JSON json_t *rows = usage_rows(t->before, t->now, t->sort, t->reverse);
    const struct column *columns[COLUMNS_MAX] = {&at_column};
    bool csv = t->cmd->format == PRINT_CSV;
    size_t count = columns_of(columns + csv) + csv;
    AUTO_STR struct str text = {0};
    size_t i;
    json_t *row;

    if (t->cmd->format == PRINT_JSON)
        return print_json_round(t, rows, e);
    json_array_foreach(rows, i, row) json_object_set(row, "at", json_object_get(t->now, "at"));
    print_rows(columns, count, rows, t->cmd->format, &text);
    const char *shown = text.data;
    AUTO_STR struct str out = {0};
    if (csv && !first) {
        const char *end = strchr(shown, '\n');
        shown = end ? end + 1 : ""; /* the titles have been printed */
    } else if (!csv) {
        str_addf(&out, "%s%s\n", first ? "" : "\n", json_get_string(t->now, "at", ""));
    }
    str_add(&out, shown);
    return print_out(&out, e);
}

static int batch(struct top *t, struct err *e)
{
    /* The first answer is what the first rates are measured from. */
    for (int64_t round = 0; t->rounds == 0 || round <= t->rounds; round++) {
        if (round > 0)
            poll(NULL, 0, (int)t->delay_ms);
        AUTO_JSON json_t *answer =
            client_call(&t->cmd->client, "stats", request(&t->cmd->options), CLIENT_LIMIT_MS, e);
        if (!answer)
            return -1;
        take_answer(t, answer);
        if (round > 0 && print_round(t, round == 1, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the screen ---- */

static void say(struct top *t, char *message)
{
    x_replace(&t->message, message);
    t->message_ms = clock_mono_ms();
}

static size_t selected(const struct top *t)
{
    for (size_t i = 0; i < json_array_size(t->rows); i++)
        if (str_eq(json_get_string(json_array_get(t->rows, i), "uuid", ""), t->uuid))
            return i;
    return 0;
}

static void select_row(struct top *t, size_t i)
{
    str_copy(t->uuid, sizeof t->uuid, json_get_string(json_array_get(t->rows, i), "uuid", ""));
}

static void sort_rows(struct top *t)
{
    json_decref(t->rows);
    t->rows = usage_rows(t->before, t->now, t->sort, t->reverse);
    select_row(t, selected(t)); /* the first when it is gone */
}

static void move(struct top *t, int64_t by)
{
    int64_t count = (int64_t)json_array_size(t->rows), to = (int64_t)selected(t) + by;

    if (count > 0)
        select_row(t, (size_t)(to < 0 ? 0 : to >= count ? count - 1 : to));
}

static void add_head(const struct top *t, struct str *to)
{
    const json_t *host = json_object_get(t->now, "host");
    size_t live = 0;

    for (size_t i = 0; i < json_array_size(t->rows); i++)
        live += json_is_integer(json_object_get(json_array_get(t->rows, i), "id"));
    str_addf(to, "reeve top: %zu domains, %zu live; host: %jd CPUs, %jd of %jd MiB free; by %s%s\n",
             json_array_size(t->rows), live, (intmax_t)json_get_int(host, "cpus", 0),
             (intmax_t)json_get_int(host, "free_memory_kib", 0) / 1024,
             (intmax_t)json_get_int(host, "memory_kib", 0) / 1024, usage_sort_name(t->sort),
             t->reverse ? ", the least first" : "");
    if (t->message && clock_mono_ms() - t->message_ms < MESSAGE_MS) {
        print_sentence(t->message, to);
    } else {
        str_add(to, "q quit; by c CPU m memory d disk n net a name, r reversed;");
        for (size_t i = 0; i < ARRAY_LEN(verb_keys); i++)
            str_addf(to, " %c %s", verb_keys[i].key, verb_keys[i].verb);
    }
    str_addc(to, '\n');
}

static int draw(struct top *t, struct err *e)
{
    const struct column *columns[COLUMNS_MAX];
    AUTO_STR struct str table = {0}, text = {0};
    size_t at = selected(t), room = t->screen.rows > HEAD_ROWS ? t->screen.rows - HEAD_ROWS : 1;
    size_t count = columns_of(columns);

    if (!t->now)
        return screen_show(&t->screen, "reeve top: asking the daemon\n", e);
    if (at < t->first)
        t->first = at;
    if (at >= t->first + room)
        t->first = at - room + 1;
    print_rows(columns, count, t->rows, PRINT_TABLE, &table);
    add_head(t, &text);
    size_t row = 0;
    for (const char *line = table.data; line && *line; row++) {
        size_t len = strcspn(line, "\n");
        bool marked = row == at + 1;
        if (row == 0 || (row > t->first && row <= t->first + room)) {
            str_add(&text, marked ? "\001" : "");
            str_addn(&text, line, len);
            str_add(&text, marked ? "\002\n" : "\n");
        }
        line += len + (line[len] == '\n');
    }
    return screen_show(&t->screen, text.data, e);
}

static int do_verb(struct top *t, const struct verb_key *key, struct err *e)
{
    json_t *args = json_object();
    int64_t id;

    json_set_string(args, "domain", t->uuid);
    if (client_send(&t->cmd->client, key->verb, args, &id, e) < 0)
        return -1;
    say(t, x_asprintf("%s: asked for", key->verb));
    t->next_ms = clock_mono_ms();
    return 0;
}

/* Returns 1 when it is to end. */
static int on_key(struct top *t, int key, struct err *e)
{
    const json_t *row = json_array_get(t->rows, selected(t));
    const char *name = json_get_string(row, "name", "");
    const struct verb_key *confirm = t->confirm;

    t->confirm = NULL;
    if (confirm && (key == 'y' || key == 'Y'))
        return do_verb(t, confirm, e);
    if (confirm) {
        say(t, x_asprintf("%s: not done", confirm->verb));
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(sort_keys); i++) {
        if (key == sort_keys[i].key) {
            t->sort = sort_keys[i].sort;
            if (t->now)
                sort_rows(t);
        }
    }
    for (size_t i = 0; row && i < ARRAY_LEN(verb_keys); i++) {
        if (key != verb_keys[i].key)
            continue;
        if (!verb_keys[i].asks)
            return do_verb(t, &verb_keys[i], e);
        t->confirm = &verb_keys[i];
        say(t, x_asprintf("%s %s? y does it, any other key does not", verb_keys[i].verb, name));
    }
    if (key == 'r' && t->now) {
        t->reverse = !t->reverse;
        sort_rows(t);
    }
    if (key == KEY_UP || key == 'k')
        move(t, -1);
    if (key == KEY_DOWN || key == 'j')
        move(t, 1);
    if (key == KEY_PAGE_UP || key == KEY_PAGE_DOWN)
        move(t, key == KEY_PAGE_UP ? -10 : 10);
    return key == 'q';
}

static int read_keys(struct top *t, struct err *e)
{
    char bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : 1; /* the terminal is gone */
    for (size_t at = 0; at < (size_t)n;) {
        int key = screen_key(bytes, (size_t)n, &at);
        int result = key == KEY_NONE ? 0 : on_key(t, key, e);
        if (result != 0)
            return result;
    }
    return draw(t, e);
}

/* A line of the daemon: counters, or the outcome of a verb. */
static int take_line(struct top *t, const json_t *line, struct err *e)
{
    const json_t *error = json_object_get(line, "error");
    json_t *result = json_object_get(line, "return");

    if (!error && !result)
        return 0;
    if (json_get_int(line, "id", -1) != t->asked) {
        say(t, x_strdup(json_get_string(error ? error : result, "message", "done")));
        t->next_ms = clock_mono_ms();
        return draw(t, e);
    }
    t->asked = 0;
    if (error)
        return client_failed(&t->cmd->client, error, e);
    take_answer(t, result);
    sort_rows(t);
    return draw(t, e);
}

static int take_lines(struct top *t, struct err *e)
{
    json_t *line;
    int got;

    while ((got = client_take(&t->cmd->client, &line, e)) > 0) {
        int result = take_line(t, line, e);
        json_decref(line);
        if (result < 0)
            return -1;
    }
    return got;
}

static int ask(struct top *t, struct err *e)
{
    if (t->asked || clock_mono_ms() < t->next_ms)
        return 0;
    t->next_ms = clock_mono_ms() + t->delay_ms;
    return client_send(&t->cmd->client, "stats", request(&t->cmd->options), &t->asked, e);
}

/* Until q, a signal, or a failure. */
static int live(struct top *t, struct err *e)
{
    struct client *c = &t->cmd->client;

    for (;;) {
        struct pollfd fds[] = {
            {.fd = STDIN_FILENO,      .events = POLLIN},
            {.fd = c->fd,             .events = POLLIN},
            {.fd = t->screen.signals, .events = POLLIN},
        };
        if (ask(t, e) < 0)
            return -1;
        int64_t left = t->next_ms - clock_mono_ms();
        if (poll(fds, ARRAY_LEN(fds),
                 t->asked   ? -1
                 : left < 0 ? 0
                            : (int)left) < 0 &&
            errno != EINTR)
            return err_errno(e, ERR_FAILED, errno, "cannot wait");
        enum screen_news news = fds[2].revents ? screen_signal(&t->screen) : SCREEN_NOTHING;
        if (news == SCREEN_END)
            return 0;
        if (news == SCREEN_RESIZED && draw(t, e) < 0)
            return -1;
        if (fds[1].revents && (client_fill(c, e) < 0 || take_lines(t, e) < 0))
            return -1;
        int result = fds[0].revents ? read_keys(t, e) : 0;
        if (result != 0)
            return result < 0 ? -1 : 0;
    }
}

static int screen(struct top *t, struct err *e)
{
    int result = screen_open(&t->screen, e);

    if (result == 0)
        result = draw(t, e);
    if (result == 0)
        result = live(t, e);
    screen_close(&t->screen);
    return result;
}

/* ---- the row ---- */

static int read_options(struct top *t, struct err *e)
{
    const struct options *o = &t->cmd->options;

    t->delay_ms = DELAY_MS;
    if (o->given[OPT_DELAY] && options_seconds(o->value[OPT_DELAY], &t->delay_ms, e) < 0)
        return err_wrap(e, "--delay");
    if (t->delay_ms < DELAY_MIN_MS || t->delay_ms > INT32_MAX)
        return err_set(e, ERR_BAD_REQUEST, "--delay takes from 0.1 seconds to 24 days");
    if (o->given[OPT_SORT] && usage_sort_of(o->value[OPT_SORT], &t->sort, e) < 0)
        return -1;
    if (!o->given[OPT_BATCH] && (o->given[OPT_ROUNDS] || t->cmd->format != PRINT_TABLE))
        return err_set(e, ERR_BAD_REQUEST, "%s is for --batch",
                       o->given[OPT_ROUNDS] ? "-n" : "--format json or csv");
    if (!o->given[OPT_ROUNDS])
        return 0;
    if (options_number(o->value[OPT_ROUNDS], "number of rounds", &t->rounds, e) < 0)
        return -1;
    return t->rounds > 0 ? 0 : err_set(e, ERR_BAD_REQUEST, "-n takes 1 or more");
}

int run_top(struct command *cmd, struct err *e)
{
    struct top t = {.cmd = cmd};

    int result = read_options(&t, e);
    if (result == 0)
        result = command_connect(cmd, e);
    if (result == 0)
        result = cmd->options.given[OPT_BATCH] ? batch(&t, e) : screen(&t, e);
    json_decref(t.before);
    json_decref(t.now);
    json_decref(t.rows);
    free(t.message);
    return result;
}
