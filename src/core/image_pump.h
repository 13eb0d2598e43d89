/* SPDX-License-Identifier: MIT */
/* The other end of a driver's stream: a thread that carries it to or from an image, beside the job
 * that is in the driver's call. */
#ifndef CORE_IMAGE_PUMP_H
#define CORE_IMAGE_PUMP_H

#include <pthread.h>
#include <stdbool.h>

#include "core/image.h"
#include "core/job.h"

struct image_pump {
    struct job *job;
    struct image_writer *writer; /* saving; borrowed */
    struct image_reader *reader; /* loading; borrowed */
    int fd;                      /* owned by the pump */
    pthread_t thread;
    bool hung_up; /* loading: the driver's end was closed when it failed */
    int result;
    struct err err;
};

/* Of a pump with job and writer, or reader: makes the pipe and starts the thread. *ret_fd is the
 * driver's end, owned by the caller, who closes it before image_pump_finish. A writer that fails
 * cancels the job. */
int image_pump_start(struct image_pump *pump, int *ret_fd, struct err *e) MUST_CHECK;
/* Waits for the thread. Returns driver_result, or -1 with the pump's error where that is the cause
 * and what the driver says (in *e) but the consequence. */
int image_pump_finish(struct image_pump *pump, int driver_result, struct err *e) MUST_CHECK;

#endif
