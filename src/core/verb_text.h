/* SPDX-License-Identifier: MIT */
/* What each verb does, for people, and what other tools call it. Pure data. */
#ifndef CORE_VERB_TEXT_H
#define CORE_VERB_TEXT_H

#include "core/names.h"

enum tool { TOOL_XM, TOOL_XL, TOOL_VIRSH, TOOL_XE, TOOL_N };

struct verb_text {
    const char *usage;         /* "pause DOMAIN ..." */
    const char *what;          /* two to four sentences */
    const char *named[TOOL_N]; /* the tool's own word; "-" where it has none */
    const char *beware;        /* where the other tools' words mislead; "" where they do not */
};

const char *tool_name(enum tool tool);             /* "virsh" */
const struct verb_text *verb_text(enum verb verb); /* every verb has one */

#endif
