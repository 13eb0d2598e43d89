/* SPDX-License-Identifier: MIT */
/* Save images as files: looked at, verified, copied. Each on a thread of its own, with the client's
 * rights: it may last, and libuv's workers are for what does not. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/image.h"
#include "daemon/daemon.h"

enum { CALLS_MAX = 4, PROGRESS_MS = 250, STACK_BYTES = 512 * 1024 };

struct image_call;
typedef int image_run(struct image_call *c, struct err *e);

struct image_call {
    struct list link; /* daemon.image_calls */
    uv_timer_t timer; /* shows progress */
    struct daemon *daemon;
    struct request *request; /* NULL once the client is gone */
    int64_t started_ms;
    uint64_t shown_bytes;
    _Atomic uint64_t done_bytes, total_bytes; /* written by the thread */
    /* Reads `file` and fills answer; on the thread. */
    image_run *run;
    char *file; /* owned */
    char *out;  /* owned; NULL: nothing is written */
    struct image_copy_how how;
    struct fs_user user; /* of the client */
    bool managed;        /* file is the daemon's own */
    struct op op;        /* cancelled when the client goes away or the daemon stops */
    json_t *answer;      /* owned */
    int result;
    struct err err;
};

static const struct fs_user *reads_as(const struct image_call *c)
{
    return c->managed ? NULL : &c->user;
}

static json_t *file_json(const struct image_reader *r, const char *path)
{
    const struct image_header *h = image_reader_header(r);
    json_t *json = image_header_json(h, image_reader_size(r));

    json_set_string(json, "path", path);
    json_set_int(
        json, "memory_bytes",
        (int64_t)(h->memory_file.bound ? h->memory_file.size_bytes : image_reader_memory_bytes(r)));
    json_set_string(json, "memory",
                    h->memory_file.bound               ? "file"
                    : image_reader_memory_bytes(r) > 0 ? "image"
                                                       : "stream");
    return json;
}

static int run_info(struct image_call *c, struct err *e)
{
    struct image_reader *r = NULL;

    if (image_reader_open(c->file, reads_as(c), &r, e) < 0)
        return -1;
    json_object_set_new(c->answer, "image", file_json(r, c->file));
    image_reader_free(r);
    return 0;
}

/* The file of the memory has no checksum: it is looked at, and that is said. */
static int verify_memory_file(struct image_call *c, const struct image_reader *r, struct err *e)
{
    const struct image_memory_file *file = &image_reader_header(r)->memory_file;
    AUTO_FREE char *path = image_memory_path(c->file);
    AUTO_CLOSE int fd = -1;

    if (!file->bound)
        return 0;
    if (image_memory_open(path, file, reads_as(c), &fd, e) < 0)
        return -1;
    AUTO_FREE char *warning =
        x_asprintf("the guest's memory is in %s: it is the file that was "
                   "saved, by inode, size and time; its bytes have no checksum",
                   path);
    json_object_set_new(c->answer, "warnings", json_pack("[s]", warning));
    return 0;
}

static int run_verify(struct image_call *c, struct err *e)
{
    struct image_reader *r = NULL;

    if (image_reader_open(c->file, reads_as(c), &r, e) < 0)
        return -1;
    int result = image_reader_verify(r, &c->op, e);
    if (result == 0)
        result = verify_memory_file(c, r, e);
    if (result == 0) {
        bool xl = image_reader_header(r)->xl;
        AUTO_FREE char *message =
            x_asprintf(xl ? "%s has all of its records; xl's format has no checksums, so their "
                            "bytes cannot be verified"
                          : "%s is whole",
                       c->file);
        json_object_set_new(c->answer, "image", file_json(r, c->file));
        json_set_string(c->answer, "message", message);
    }
    image_reader_free(r);
    return result;
}

static int run_copy(struct image_call *c, struct err *e)
{
    uint64_t size;

    if (image_copy(c->file, reads_as(c), c->out, &c->user, &c->how, &c->op, &size, e) < 0)
        return -1;
    struct image_reader *r = NULL;
    if (image_reader_open(c->out, &c->user, &r, e) < 0)
        return -1;
    AUTO_FREE char *message = x_asprintf("wrote %s (%s restore lets its guest go on)", c->out,
                                         c->how.as_xl ? "xl" : "reeve");
    json_object_set_new(c->answer, "image", file_json(r, c->out));
    json_set_string(c->answer, "message", message);
    image_reader_free(r);
    return 0;
}

static void call_freed(uv_handle_t *handle)
{
    struct image_call *c = handle->data;

    json_decref(c->answer);
    close(c->op.cancel_fd);
    free(c->file);
    free(c->out);
    free(c);
}

static void done(void *arg)
{
    struct image_call *c = arg;

    list_remove(&c->link);
    if (c->request) {
        c->request->drop = NULL;
        if (c->result == 0)
            request_return(c->request, json_incref(c->answer));
        else
            request_fail(c->request, &c->err, NULL);
    }
    uv_close((uv_handle_t *)&c->timer, call_freed);
}

static void *thread_main(void *arg)
{
    struct image_call *c = arg;

    c->result = c->run(c, &c->err);
    post_send(c->daemon->engine.post, done, c);
    return NULL;
}

static void note_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    struct image_call *c = arg;

    atomic_store(&c->done_bytes, done_bytes);
    atomic_store(&c->total_bytes, total_bytes);
}

static void show_progress(uv_timer_t *timer)
{
    struct image_call *c = timer->data;
    uint64_t bytes = atomic_load(&c->done_bytes);

    if (!c->request || bytes == c->shown_bytes)
        return;
    c->shown_bytes = bytes;
    json_t *progress = json_object();
    json_set_int(progress, "done_bytes", (int64_t)bytes);
    json_set_int(progress, "total_bytes", (int64_t)atomic_load(&c->total_bytes));
    json_set_time(progress, "started", c->started_ms);
    request_interim(c->request, "progress", progress);
}

static int start_thread(struct image_call *c, struct err *e)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int failed = pthread_create(&thread, &attr, thread_main, c);
    pthread_attr_destroy(&attr);
    return failed ? err_errno(e, ERR_FAILED, failed, "cannot start a thread") : 0;
}

/* The client went away: nobody waits for the copy. */
static void drop(struct request *r)
{
    struct image_call *c = r->state;

    c->request = NULL;
    fs_raise(c->op.cancel_fd);
}

void calls_image_stop(struct daemon *d)
{
    LIST_EACH (&d->image_calls, c, struct image_call, link)
        fs_raise(c->op.cancel_fd);
}

int calls_level(const struct request *r, int *ret, struct err *e)
{
    const json_t *level = json_object_get(r->args, "level");
    json_int_t value = json_integer_value(level);

    *ret = IMAGE_LEVEL_DEFAULT;
    if (!level)
        return 0;
    if (!json_is_integer(level) || value < IMAGE_LEVEL_MIN || value > IMAGE_LEVEL_MAX)
        return err_set(e, ERR_BAD_REQUEST, "%s: \"level\" must be a number from %d to %d", r->name,
                       (int)IMAGE_LEVEL_MIN, (int)IMAGE_LEVEL_MAX);
    *ret = (int)value;
    return 0;
}

int calls_as(const struct request *r, bool *ret_xl, struct err *e)
{
    const char *as = json_get_string(r->args, "as", "reeve");

    *ret_xl = str_eq(as, "xl");
    if (!*ret_xl && !str_eq(as, "reeve"))
        return err_set(e, ERR_BAD_REQUEST, "%s: \"as\" must be reeve or xl", r->name);
    if (*ret_xl && json_object_get(r->args, "level"))
        return err_set(e, ERR_BAD_REQUEST, "%s: xl's format is not packed, so it has no level",
                       r->name);
    return 0;
}

/* Each has a thread, memory for its chunks, and a disk that it shares with the guests. */
static int check_room(struct daemon *d, const struct request *r, image_run *run, struct err *e)
{
    size_t count = 0;

    LIST_EACH (&d->image_calls, c, struct image_call, link)
        count += c->run != run_info;
    if (run == run_info || count < CALLS_MAX)
        return 0;
    return err_set(e, ERR_TOO_MANY,
                   "%s: %zu images are being verified or copied already; wait for one to end",
                   r->name, count);
}

/* file is taken over. */
static void begin(struct daemon *d, struct request *r, char *file, bool managed, image_run *run)
{
    struct image_call *c = x_calloc(1, sizeof *c);
    struct err e;

    c->how = (struct image_copy_how){.driver = d->engine.driver, .handle = d->engine.handle};
    if (check_room(d, r, run, &e) < 0 || calls_level(r, &c->how.level, &e) < 0 ||
        calls_as(r, &c->how.as_xl, &e) < 0) {
        request_fail(r, &e, NULL);
        free(file);
        free(c);
        return;
    }
    c->daemon = d;
    c->request = r;
    c->run = run;
    c->file = file;
    c->out = x_strdup(json_get_string(r->args, "out", NULL));
    c->managed = managed;
    c->user = *client_user(r->client);
    c->started_ms = clock_wall_ms();
    c->op = (struct op){.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                        .progress = note_progress,
                        .progress_arg = c};
    c->answer = json_object();
    c->timer.data = c;
    uv_timer_init(d->loop, &c->timer);
    r->state = c;
    r->drop = drop;
    list_append(&d->image_calls, &c->link);
    if (json_get_bool(r->args, "progress", false))
        uv_timer_start(&c->timer, show_progress, PROGRESS_MS, PROGRESS_MS);
    if (start_thread(c, &c->err) < 0) {
        c->result = -1;
        done(c);
    }
}

static char *file_of(const struct request *r)
{
    return x_strdup(json_get_string(r->args, "file", ""));
}

void call_image_info(struct daemon *d, struct request *r)
{
    begin(d, r, file_of(r), false, run_info);
}

void call_image_verify(struct daemon *d, struct request *r)
{
    begin(d, r, file_of(r), false, run_verify);
}

void call_image_import(struct daemon *d, struct request *r)
{
    begin(d, r, file_of(r), false, run_copy);
}

/* Of a file, or of the image that the daemon keeps of a suspended domain. */
void call_image_export(struct daemon *d, struct request *r)
{
    bool file = json_object_get(r->args, "file") != NULL;
    struct err e;

    if (file == (json_object_get(r->args, "domain") != NULL)) {
        err_set(&e, ERR_BAD_REQUEST, "image-export takes either \"domain\" or \"file\"");
        request_fail(r, &e, NULL);
        return;
    }
    if (file) {
        begin(d, r, file_of(r), false, run_copy);
        return;
    }
    const struct domain *dom = calls_domain(d, r);
    if (!dom)
        return; /* and r is no more */
    if (dom->r->image.path && !dom->r->broken && !dom->job) {
        begin(d, r, x_strdup(dom->r->image.path), true, run_copy);
        return;
    }
    if (dom->job)
        err_set(&e, ERR_BUSY, "cannot export the image of %s: job:%ju (%s) works on it",
                dom->r->name, (uintmax_t)dom->job->rec.id, dom->job->rec.verb);
    else
        err_set(&e, ERR_WRONG_STATE,
                "cannot export the image of %s: it has none that is whole; "
                "suspend or save makes one",
                dom->r->name);
    request_fail(r, &e, json_pack("{s:s}", "domain", dom->r->name));
}
