/* SPDX-License-Identifier: MIT */
/* The lifecycle is one table: rows {verb, from, kind, outcome, way out}. The same rows refuse,
 * advertise (`can`), feed `explain` and docs/lifecycle.md. Pure data: nothing here blocks,
 * allocates or knows a driver. */
#ifndef CORE_LIFECYCLE_H
#define CORE_LIFECYCLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "core/names.h"

enum outcome_kind {
    OUT_MOVES,   /* leads to `to` */
    OUT_SAME,    /* changes nothing, says so, exit 0 */
    OUT_STAYS,   /* acts, the state stays */
    OUT_STORED,  /* stored for the next boot, the state stays */
    OUT_REFUSES, /* wrong-state (or exists); names what would work */
};

enum { LIFECYCLE_TRY_MAX = 3 };

struct outcome {
    enum outcome_kind kind;
    enum state to;       /* OUT_MOVES; ST_ABSENT where a transient domain ends */
    enum err_code code;  /* OUT_REFUSES: ERR_WRONG_STATE, ERR_EXISTS or ERR_NO_SUCH_DOMAIN */
    const char *because; /* OUT_REFUSES: "it is paused, not suspended" */
    /* OUT_REFUSES: "unpause lets it run on"; "" when there is none. NAME in it stands for the
     * domain's name (lifecycle_refusal puts it in). */
    const char *way_out;
    enum verb try[LIFECYCLE_TRY_MAX]; /* OUT_REFUSES: verbs that work; VERB_N ends the list */
    /* OUT_REFUSES: with this option of the same verb ("--destroy") it is not refused and leads to
     * `option_to`; NULL when there is no such option. */
    const char *option;
    enum state option_to;
};

/* The outcome of `verb` on a domain in `from` (ST_ABSENT: no record), managed or transient.
 * Total: every combination has one. The pointer is to the table: never freed. */
const struct outcome *lifecycle_outcome(enum verb verb, enum state from, bool managed);

/* How many rows of the table are of exactly this verb (VERB_N: of the rows for every verb) and fit
 * the state and kind: for the proof that each combination has one. */
size_t lifecycle_rows(enum verb verb, enum state from, bool managed);

/* What refuses save and suspend of a paused domain where the driver's saves_paused is false. NULL
 * for other verbs. */
const struct outcome *lifecycle_needs_unpause(enum verb verb);

/* Adds the refusal as one sentence: "cannot VERB NAME: BECAUSE (REASON); WAY OUT". reason is what
 * is wrong with a broken domain's record, or NULL. The name is escaped. */
void lifecycle_refusal(const struct outcome *o, enum verb verb, const char *name,
                       const char *reason, struct str *to);
/* Its part after the colon. */
void lifecycle_refusal_why(const struct outcome *o, const char *name, struct str *to);
/* The same sentence as an error of the outcome's code. Returns -1. */
int lifecycle_refuse(const struct outcome *o, enum verb verb, const char *name, const char *reason,
                     struct err *e);

/* 0 when the table lets `verb` act or do nothing; else -1 with the refusal as one sentence:
 * "cannot VERB NAME: BECAUSE; WAY OUT". */
int lifecycle_check(enum verb verb, const char *name, enum state from, bool managed,
                    struct err *e) MUST_CHECK;

/* The states in which `verb` acts (not OUT_REFUSES), for "expected" in the error object. Returns
 * their number. */
size_t lifecycle_expected(enum verb verb, bool managed, enum state states[ST_N]);

/* The verbs that would act on a domain now, without those that would change nothing: `can` of the
 * domain object. Returns their number. */
size_t lifecycle_can(enum state state, bool managed, enum verb verbs[VERB_N]);

/* The verb that takes back what `verb` does; VERB_N when none does. */
enum verb lifecycle_counterpart(enum verb verb);

/* The line a changing verb prints on success, without the name: for VERB_PAUSE "paused" and
 * "unpause lets it run on". */
const char *lifecycle_done(enum verb verb);
const char *lifecycle_done_hint(enum verb verb);
/* The same where managed and transient domains differ: "it was transient and is gone; ...".
 * lifecycle_done_hint is that of managed ones. */
const char *lifecycle_done_hint_of(enum verb verb, bool managed);

/* The sentence after "NAME: " for an outcome that changes nothing: "is paused already". */
void lifecycle_same_text(enum verb verb, enum state state, struct str *to);

/* What `explain` prints, as plain text: the whole table; one verb (what it does, its counterpart,
 * what xm, xl, virsh and xe call it and where they mislead, its row); a state with every verb's
 * outcome; a verb on a domain in a state. */
void explain_all(struct str *to);
void explain_verb(enum verb verb, struct str *to);
void explain_state(const char *name, enum state state, bool managed, struct str *to);
void explain_verb_on(enum verb verb, const char *name, enum state state, bool managed,
                     struct str *to);

/* docs/lifecycle.md, whole: states, the table, verbs and counterparts, other tools' words,
 * reasons. */
void lifecycle_document(struct str *to);

/* Every verb in every state for both kinds, a line each, for tests/golden/lifecycle.txt: verb,
 * state, kind, outcome and, where it refuses, the error's code, the sentence, the verbs to try and
 * the option. */
void lifecycle_golden(struct str *to);

#endif
