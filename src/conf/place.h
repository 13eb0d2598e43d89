/* SPDX-License-Identifier: MIT */
/* Where in a config something stands, and complaints about that place. */
#ifndef CONF_PLACE_H
#define CONF_PLACE_H

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

enum { PLACE_SHOWN = 256, PLACE_WARNINGS_MAX = 64 };

struct place {
    const char *file; /* borrowed */
    int line;         /* 0: a key=value word of the command line, whatever `file` is */
    const char *key;  /* borrowed; NULL for none */
};

/* Fills *e with "FILE:LINE: " and the sentence, and its file, line and key. Returns -1. */
int place_error(struct err *e, const struct place *at, enum err_code code, const char *fmt, ...)
    PRINTF(4, 5);

/* Adds "FILE:LINE: " and the sentence; after PLACE_WARNINGS_MAX lines one that says that the rest
 * is left out. */
void place_warn(struct conf_warnings *warnings, const struct place *at, const char *fmt, ...)
    PRINTF(3, 4);

/* True when another warning would be left out, so that making it can be spared. */
bool place_warned_enough(const struct conf_warnings *warnings);

/* text in double quotes, escaped and cut, for a message. Returns shown. */
const char *place_show(const char *text, char shown[PLACE_SHOWN]);

#endif
