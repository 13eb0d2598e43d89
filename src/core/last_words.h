/* SPDX-License-Identifier: MIT */
/* What a guest last said on its console, for the history of its crash. */
#ifndef CORE_LAST_WORDS_H
#define CORE_LAST_WORDS_H

#include <stdbool.h>

#include "core/names.h"

/* True for ends before which a guest may have said why. */
bool last_words_of(enum reason end);

/* The last lines of a console's log, at most 60 of them and 4096 bytes, escaped, with " | " between
 * them; owned by the caller. NULL when there is none. Reads a few KiB of a local file. */
char *last_words(const char *console_path);

#endif
