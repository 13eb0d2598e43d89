/* SPDX-License-Identifier: MIT */
#include "core/record.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/mem.h"
#include "base/str.h"

struct record *record_new(void)
{
    struct record *r = x_calloc(1, sizeof *r);

    /* A record is of a domain, which is at least halted; ST_ABSENT says that there is none. */
    r->wanted = ST_HALTED;
    r->state = ST_HALTED;
    return r;
}

struct record *record_copy(const struct record *r)
{
    struct record *copy = x_malloc(sizeof *copy);

    *copy = *r;
    copy->config = x_strdup(r->config);
    copy->directory = x_strdup(r->directory);
    copy->macs = x_strdup(r->macs);
    copy->live_config = x_strdup(r->live_config);
    copy->live_directory = x_strdup(r->live_directory);
    copy->live_macs = x_strdup(r->live_macs);
    copy->reason_text = x_strdup(r->reason_text);
    copy->image.path = x_strdup(r->image.path);
    copy->saved_file = x_strdup(r->saved_file);
    return copy;
}

const char *record_why(const struct record *r, enum reason reason)
{
    return r->reason_text ? r->reason_text : reason_text(reason);
}

void record_free(struct record *r)
{
    if (!r)
        return;
    free(r->config);
    free(r->directory);
    free(r->macs);
    record_forget_live(r);
    free(r->reason_text);
    free(r->image.path);
    free(r->saved_file);
    free(r);
}

const char *record_live_config(const struct record *r)
{
    return r->live_config ? r->live_config : r->config;
}

const char *record_live_directory(const struct record *r)
{
    return r->live_config ? r->live_directory : r->directory;
}

const char *record_live_macs(const struct record *r)
{
    return r->live_config ? r->live_macs : r->macs;
}

void record_forget_live(struct record *r)
{
    free(TAKE(r->live_config));
    free(TAKE(r->live_directory));
    free(TAKE(r->live_macs));
}

void record_forget_image(struct record *r)
{
    free(r->image.path);
    r->image = (struct image_record){0};
    r->broken = REASON_NONE;
}

void record_set_live(struct record *r, const char *config, const char *directory, const char *macs)
{
    char *live[] = {x_strdup(config), x_strdup(directory), x_strdup(macs)};

    record_forget_live(r);
    if (str_eq(live[0], r->config) && str_eq(live[1], r->directory) && str_eq(live[2], r->macs)) {
        for (size_t i = 0; i < ARRAY_LEN(live); i++)
            free(live[i]);
        return;
    }
    r->live_config = live[0];
    r->live_directory = live[1];
    r->live_macs = live[2];
}

void record_keep_live(struct record *r)
{
    if (r->live_config)
        return;
    r->live_config = x_strdup(r->config);
    r->live_directory = x_strdup(r->directory);
    r->live_macs = x_strdup(r->macs);
}

struct job_record *job_record_copy(const struct job_record *j)
{
    struct job_record *copy = x_malloc(sizeof *copy);

    *copy = *j;
    copy->actor = x_strdup(j->actor);
    copy->intent_path = x_strdup(j->intent_path);
    copy->error = x_strdup(j->error);
    return copy;
}

void job_record_free(struct job_record *j)
{
    if (!j)
        return;
    free(j->actor);
    free(j->intent_path);
    free(j->error);
    free(j);
}

struct event_record *event_record_copy(const struct event_record *ev)
{
    struct event_record *copy = x_malloc(sizeof *copy);

    *copy = *ev;
    copy->actor = x_strdup(ev->actor);
    copy->verb = x_strdup(ev->verb);
    copy->what = x_strdup(ev->what);
    copy->text = x_strdup(ev->text);
    return copy;
}

void event_record_free(struct event_record *ev)
{
    if (!ev)
        return;
    free(ev->actor);
    free(ev->verb);
    free(ev->what);
    free(ev->text);
    free(ev);
}
