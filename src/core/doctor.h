/* SPDX-License-Identifier: MIT */
/* What `reeve doctor` looks at beside the store: images, leftovers, drift. */
#ifndef CORE_DOCTOR_H
#define CORE_DOCTOR_H

#include "core/engine.h"

struct doctor;

/* Takes what it needs of the engine (copies). Loop thread. */
struct doctor *doctor_new(struct engine *g);
/* Verifies the store, every kept image with its checksums, the folder of images, and whether each
 * guest has the devices of its config, and says what it found: a line each, in doctor_findings.
 * Blocks on the disk and on guests; any thread but the loop's. Sets ERR_FAILED when it could not
 * look. */
int doctor_examine(struct doctor *doc, struct err *e) MUST_CHECK;
/* An array; new reference. Once, on the loop thread: of domains that have changed while they were
 * looked at it says nothing. */
json_t *doctor_findings(const struct doctor *doc);
void doctor_free(struct doctor *doc);

#endif
