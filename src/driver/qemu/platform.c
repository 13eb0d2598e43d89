/* SPDX-License-Identifier: MIT */
#include "driver/qemu/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { QUEUES_TEXT_MAX = 12 };

char *platform_text(const struct platform *platform)
{
    char places[PLACES_TEXT_MAX], queues[QUEUES_TEXT_MAX] = "";

    places_text(&platform->places, places);
    if (platform->queues > 0)
        snprintf(queues, sizeof queues, "%u", platform->queues);
    return x_asprintf("qemu-%s machine=%s accel=%s cpu=%s places=%s%s%s%s%s", platform->qemu,
                      platform->machine, platform->accel, platform->cpu, places,
                      queues[0] ? " queues=" : "", queues,
                      platform->features[0] ? " features=" : "", platform->features);
}

static bool parse_queues(const char *text, unsigned *ret)
{
    *ret = (unsigned)strtoul(text, NULL, 10);
    return text[strspn(text, "0123456789")] == '\0' && *ret >= 1 && *ret <= META_QUEUES_MAX;
}

int platform_parse(const char *text, struct platform *ret, struct err *e)
{
    struct platform p = {0};
    char places[PLACES_TEXT_MAX] = "", queues[QUEUES_TEXT_MAX] = "";
    const struct {
        const char *lead;
        char *to;
        size_t size;
        bool may_be_missing;
    } words[] = {
        {"qemu-",     p.qemu,     sizeof p.qemu,     false},
        {"machine=",  p.machine,  sizeof p.machine,  false},
        {"accel=",    p.accel,    sizeof p.accel,    false},
        {"cpu=",      p.cpu,      sizeof p.cpu,      false},
        {"places=",   places,     sizeof places,     false},
        {"queues=",   queues,     sizeof queues,     true },
        {"features=", p.features, sizeof p.features, true },
    };
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = NULL;
    char *word = strtok_r(copy, " ", &rest);
    bool good = true;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (word && str_starts(word, words[i].lead)) {
            good = good && str_copy(words[i].to, words[i].size, word + strlen(words[i].lead)) &&
                   words[i].to[0];
            word = strtok_r(NULL, " ", &rest);
        } else {
            good = good && words[i].may_be_missing;
        }
    }
    if (queues[0])
        good = good && parse_queues(queues, &p.queues);
    if (!good || word)
        return err_set(e, ERR_DAMAGED, "the image was not saved by the QEMU driver: \"%s\"", text);
    if (places_parse(places, &p.places, e) < 0)
        return err_wrap(e, "the image was not saved by the QEMU driver");
    *ret = p;
    return 0;
}

/* ---- the features of the CPU ---- */

int platform_ask_features(struct qmp *q, struct platform *p, const struct op *op, struct err *e)
{
    AUTO_JSON json_t *answer = NULL;
    AUTO_STR struct str names = {0};
    const char *key;
    json_t *value;

    p->features[0] = '\0';
    /* "static" gives the features alone; "full" gives numbers beyond what JSON can be read to. */
    if (qmp_run(q, "query-cpu-model-expansion",
                json_pack("{s:s, s:{s:s}}", "type", "static", "model", "name", p->cpu), op, &answer,
                e) < 0)
        return e->code == ERR_FAILED ? 0 : -1;
    json_object_foreach(json_object_get(json_object_get(answer, "model"), "props"), key, value)
    {
        if (json_is_true(value) && !strpbrk(key, " ,"))
            str_addf(&names, "%s%s", names.len ? "," : "", key);
    }
    if (names.len > 0 && !str_copy(p->features, sizeof p->features, names.data))
        return err_set(e, ERR_FAILED, "QEMU tells of more CPU features than can be noted");
    return 0;
}

/* A word of a list that is separated by commas. */
static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += len)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

int platform_compare_features(const struct platform *saved, const struct platform *here,
                              struct err *e)
{
    enum { NAMED_MAX = 12 };
    AUTO_FREE char *copy = x_strdup(saved->features);
    AUTO_STR struct str missing = {0};
    size_t count = 0;
    char *rest = NULL;

    if (!here->features[0])
        return 0;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        if (has_word(here->features, word))
            continue;
        if (count++ < NAMED_MAX) {
            str_add(&missing, count > 1 ? ", " : "");
            str_add_escaped(&missing, word, strlen(word));
        }
    }
    if (count == 0)
        return 0;
    if (count > NAMED_MAX)
        str_addf(&missing, " and %zu more", count - NAMED_MAX);
    return err_set(
        e, ERR_UNSUPPORTED,
        "the guest was saved on a CPU with features that it would not have here (%s); it "
        "can go on where they are",
        missing.data);
}
