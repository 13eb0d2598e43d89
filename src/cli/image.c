/* SPDX-License-Identifier: MIT */
/* image: save images as files, looked at, verified and copied. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

enum { COPY_BYTES = 1024 * 1024, QUIET_MS = 500 };

/* ---- "-": the daemon reads and writes files, so stdin and stdout go by way of one ---- */

/* A folder of our own with one file in it; "" when there is none. Static, for the signal's sake. */
static char spool_dir[256], spool_file[sizeof spool_dir + 16];

static void spool_remove(void)
{
    if (spool_dir[0] == '\0')
        return;
    unlink(spool_file);
    rmdir(spool_dir);
    spool_dir[0] = '\0';
}

static void on_signal(int number)
{
    spool_remove();
    _exit(128 + number);
}

static int spool_make(struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    AUTO_FREE char *dir =
        x_asprintf("%s/reeve-image.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/var/tmp");
    struct sigaction act = {.sa_handler = on_signal};

    if (strlen(dir) >= sizeof spool_dir)
        return err_set(e, ERR_BAD_REQUEST, "TMPDIR is too long");
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (!mkdtemp(dir))
        return err_errno(e, ERR_FAILED, errno, "cannot make a folder like %s", dir);
    str_copy(spool_dir, sizeof spool_dir, dir);
    AUTO_FREE char *file = x_asprintf("%s/image", dir);
    str_copy(spool_file, sizeof spool_file, file);
    atexit(spool_remove);
    return 0;
}

static int copy(int from, int to, const char *what, struct err *e)
{
    AUTO_FREE char *buf = x_malloc(COPY_BYTES);

    for (;;) {
        ssize_t n = fs_read_upto(from, buf, COPY_BYTES, what, e);
        if (n <= 0)
            return (int)n;
        if (fs_write_all(to, buf, (size_t)n, what, e) < 0)
            return -1;
    }
}

static int take_stdin(struct err *e)
{
    if (isatty(STDIN_FILENO))
        return err_set(e, ERR_BAD_REQUEST, "an image is not read from a terminal");
    if (spool_make(e) < 0)
        return -1;
    AUTO_CLOSE int fd = open(spool_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot make %s", spool_file);
    return copy(STDIN_FILENO, fd, "stdin", e);
}

static int give_stdout(struct err *e)
{
    AUTO_CLOSE int fd = open(spool_file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "cannot open %s", spool_file);
    return copy(fd, STDOUT_FILENO, "stdout", e);
}

/* ---- the verbs ---- */

static int set_file(json_t *args, const char *word, struct err *e)
{
    if (!str_eq(word, "-"))
        return set_path(args, "file", word, e);
    return take_stdin(e) < 0 ? -1 : set_path(args, "file", spool_file, e);
}

/* A domain's name has no slash; a file of this folder is told by its end. */
static bool is_file(const char *word)
{
    return strchr(word, '/') || str_ends(word, ".reeve") || str_eq(word, "-");
}

static int set_source(json_t *args, const char *word, struct err *e)
{
    if (is_file(word))
        return set_file(args, word, e);
    if (json_object_set_new(args, "domain", json_string(word)) < 0)
        return err_set(e, ERR_BAD_REQUEST, "a domain's name must be UTF-8");
    return 0;
}

/* Returns 1 when what is written is for stdout. */
static int set_out(const struct command *cmd, json_t *args, const char *word, struct err *e)
{
    if (!str_eq(word, "-"))
        return set_path(args, "out", word, e);
    if (isatty(STDOUT_FILENO))
        return err_set(e, ERR_BAD_REQUEST, "an image is not written to a terminal");
    if (cmd->format != PRINT_TABLE)
        return err_set(e, ERR_BAD_REQUEST, "stdout is either the image or JSON");
    if (json_object_get(args, "file") && spool_dir[0])
        return err_set(e, ERR_BAD_REQUEST, "stdin and stdout cannot both be images");
    if (spool_make(e) < 0 || set_path(args, "out", spool_file, e) < 0)
        return -1;
    return 1;
}

static void draw_progress(const json_t *progress, int64_t began_ms, bool *drawn)
{
    AUTO_STR struct str line = {0};
    struct err ignored;

    if (clock_mono_ms() - began_ms < QUIET_MS)
        return;
    str_add(&line, "\r\033[K");
    print_progress_rate(progress, clock_wall_ms(), &line);
    *drawn = fs_write_all(STDERR_FILENO, line.data, line.len, "", &ignored) == 0;
}

/* The answer; the progress stands on the terminal meanwhile, where there is one. */
static json_t *call_shown(struct command *cmd, const char *name, json_t *args, struct err *e)
{
    bool drawn = false, shows = isatty(STDERR_FILENO) && !cmd->options.given[OPT_QUIET];
    int64_t id, began_ms = clock_mono_ms();
    json_t *answer = NULL, *error = NULL;
    struct err ignored;

    if (shows && !str_eq(name, "image-info"))
        json_set_bool(args, "progress", true);
    if (client_send(&cmd->client, name, json_incref(args), &id, e) < 0)
        return NULL;
    while (!answer && !error) {
        AUTO_JSON json_t *line = client_next(&cmd->client, 0, e);
        if (!line)
            break;
        if (json_get_int(line, "id", -1) != id)
            continue;
        answer = json_incref(json_object_get(line, "return"));
        error = json_incref(json_object_get(line, "error"));
        const json_t *progress = json_object_get(line, "progress");
        if (progress)
            draw_progress(progress, began_ms, &drawn);
    }
    if (drawn && fs_write_all(STDERR_FILENO, "\r\033[K", 4, "", &ignored) < 0)
        drawn = false;
    if (error)
        client_failed(&cmd->client, error, e);
    json_decref(error);
    return answer;
}

static int call(struct command *cmd, const char *name, json_t *args, bool to_stdout, struct err *e)
{
    AUTO_STR struct str text = {0};

    if (command_connect(cmd, e) < 0)
        return -1;
    AUTO_JSON json_t *answer = call_shown(cmd, name, args, e);
    if (!answer)
        return -1;
    if (to_stdout)
        return give_stdout(e);
    if (cmd->format == PRINT_JSON)
        return print_json(answer, e);
    print_warnings(json_object_get(answer, "warnings"));
    const char *message = json_get_string(answer, "message", NULL);
    if (message && cmd->options.given[OPT_QUIET])
        return 0;
    if (message) {
        print_sentence(message, &text);
        str_addc(&text, '\n');
    } else {
        print_fields(json_object_get(answer, "image"), &text);
    }
    return print_out(&text, e);
}

static int info_or_verify(struct command *cmd, const char *name, struct err *e)
{
    AUTO_JSON json_t *args = json_object();

    if (set_file(args, cmd->options.operands[1], e) < 0)
        return -1;
    return call(cmd, name, args, false, e);
}

static int info(struct command *cmd, struct err *e)
{
    return info_or_verify(cmd, "image-info", e);
}

static int verify(struct command *cmd, struct err *e)
{
    return info_or_verify(cmd, "image-verify", e);
}

static int export(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = json_object();

    if (set_source(args, o->operands[1], e) < 0 || run_set_as(o, args, e) < 0)
        return -1;
    int to_stdout = set_out(cmd, args, o->operands[2], e);
    return to_stdout < 0 ? -1 : call(cmd, "image-export", args, to_stdout, e);
}

static int import(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;
    AUTO_JSON json_t *args = json_object();

    if (o->given[OPT_AS])
        return err_set(e, ERR_BAD_REQUEST, "--as is for image export");
    if (set_file(args, o->operands[1], e) < 0 || run_set_level(o, args, e) < 0)
        return -1;
    if (set_path(args, "out", o->operands[2], e) < 0)
        return -1;
    return call(cmd, "image-import", args, false, e);
}

static const struct {
    const char *name;
    size_t operands; /* besides the name */
    const char *words;
    int (*run)(struct command *cmd, struct err *e);
} rows[] = {
    {"info",   1, "FILE",            info  },
    {"verify", 1, "FILE",            verify},
    {"export", 2, "DOMAIN|FILE OUT", export},
    {"import", 2, "FILE OUT",        import},
};

int run_image(struct command *cmd, struct err *e)
{
    const struct options *o = &cmd->options;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!str_eq(o->operands[0], rows[i].name))
            continue;
        if (o->operand_count == rows[i].operands + 1)
            return rows[i].run(cmd, e);
        return err_set(e, ERR_BAD_REQUEST, "image %s takes %s", rows[i].name, rows[i].words);
    }
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, o->operands[0], strlen(o->operands[0]));
    return err_set(e, ERR_BAD_REQUEST,
                   "image has no \"%s\"; info, verify, export and import are there",
                   shown.data ? shown.data : "");
}
