/* SPDX-License-Identifier: MIT */
/* What recover.c (the jobs that a crash cut) and recover_images.c (those that had to do with
 * images) share. All of it runs on the loop thread at start, before anything else, and may block;
 * failures are logged. */
#ifndef CORE_RECOVER_H
#define CORE_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"

/* One cut job and its domain; d is NULL when the record is gone. */
struct cut {
    struct engine *g;
    const struct job_record *job;
    struct domain *d;
    char *temporary; /* owned; of an image; NULL */
    char *path;      /* owned; the image's final name; NULL */
    uint64_t inode;  /* of the image, by whatever name */
    char *note;      /* owned; what people should know of the outcome; NULL */
    bool restart;    /* it is on its way to be booted again, and its end is not told yet */
};

/* The domain has a guest, in whatever state, that can go on. */
bool recover_alive(const struct cut *c);
/* What is wanted of it from now on, and why. */
void recover_now(struct cut *c, enum state wanted, enum reason reason);
/* Destroys what the driver has of it, half-made or whole. */
void recover_end_guest(struct cut *c);
/* Lets its vCPUs run. Returns whether they do. */
bool recover_let_run(struct cut *c);
/* Its guest has ended: a transient domain is gone with it. */
void recover_removed(struct cut *c);

/* The rows of intents (recover.c) that are about images. */

/* save to a file, before anything was written. */
void recover_images_opening(struct cut *c);
/* save, suspend before the store knew the image: the guest goes on; without a guest the image is
 * taken when it is whole. */
void recover_images_saving(struct cut *c);
/* save -c: the guest goes on. */
void recover_images_checkpointing(struct cut *c);
/* The store has the image, or the record is gone to a file: the guest is let go. */
void recover_images_letting_go(struct cut *c);
/* Loaded and claimed, the guest runs; else the image is as it was, or found spent; and it stays,
 * spent, beside a guest that does not say whether it runs, until it does (reconcile.c). */
void recover_images_resuming(struct cut *c);
/* The store says that it runs; only the spent image may be left. */
void recover_images_resumed(struct cut *c);
/* The store was committed and only a file is left to remove. */
void recover_images_discarding(struct cut *c);
/* The same with an image that could not be used: it may be all that is left. */
void recover_images_setting_aside(struct cut *c);

/* The image of a suspended domain without a guest: still there, and not spent? */
void recover_images_look(struct engine *g, struct domain *d);
/* In the folder of its images: temporary files, which no job writes any more; and an image that was
 * used, when the record does not need it. */
void recover_images_sweep(struct engine *g, const struct domain *d);
/* Files of guests' memory whose guests are gone, with the host or behind our back; also of domains
 * that there are not any more. */
void recover_images_sweep_memory(struct engine *g);

#endif
