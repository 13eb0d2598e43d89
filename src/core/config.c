/* SPDX-License-Identifier: MIT */
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/job.h"

void config_tag(const char *text, char ret[CONFIG_TAG_LEN + 1])
{
    snprintf(ret, CONFIG_TAG_LEN + 1, "%016llx",
             (unsigned long long)XXH3_64bits(text, strlen(text)));
}

/* NULL for one that cannot be read. */
static struct conf *parsed(const struct job *j, const char *text)
{
    struct conf_warnings warnings = {0};
    struct conf *conf = NULL;
    struct err ignored;

    if (conf_parse(text, strlen(text), j->r->name, NULL, 0, j->engine->driver->name, &conf,
                   &warnings, &ignored) < 0)
        conf = NULL;
    conf_warnings_finish(&warnings);
    return conf;
}

/* ---- MACs ---- */

static bool same_interface(const struct conf_vif *a, const struct conf_vif *b)
{
    return str_eq(a->bridge, b->bridge) && str_eq(a->model, b->model) &&
           str_eq(a->ifname, b->ifname) && str_eq(a->script, b->script) && str_eq(a->ip, b->ip);
}

/* The interface of old that vif (number i) was: without a MAC of its own, not taken yet, at best at
 * the same place. -1: none. */
static int interface_before(const struct conf *old, const struct conf_vif *vif, size_t i,
                            const bool *taken)
{
    if (i < old->vif_count && !taken[i] && !old->vifs[i].mac[0] &&
        same_interface(&old->vifs[i], vif))
        return (int)i;
    for (size_t k = 0; k < old->vif_count; k++)
        if (!taken[k] && !old->vifs[k].mac[0] && same_interface(&old->vifs[k], vif))
            return (int)k;
    return i < old->vif_count && !taken[i] && !old->vifs[i].mac[0] ? (int)i : -1;
}

char *config_macs(const struct conf *conf, const char *driver, const struct conf *old,
                  const char *old_macs)
{
    const char *prefix = str_eq(driver, "xen") ? "00:16:3e" : "52:54:00";
    size_t count = old ? old->vif_count : 0;
    AUTO_FREE char *before = x_strdup(old_macs ? old_macs : "");
    AUTO_FREE char **list = x_calloc(count + 1, sizeof *list);
    AUTO_FREE bool *taken = x_calloc(count + 1, sizeof *taken);
    AUTO_STR struct str macs = {0};
    char *rest = NULL;

    str_add(&macs, "");
    for (size_t i = 0; i < count; i++)
        list[i] = strtok_r(i == 0 ? before : NULL, " ", &rest);
    for (size_t i = 0; i < conf->vif_count; i++) {
        char drawn[IDENT_MAC_LEN + 1];
        const char *mac = conf->vifs[i].mac;
        int was = old && !mac[0] ? interface_before(old, &conf->vifs[i], i, taken) : -1;
        if (was >= 0 && list[was]) {
            taken[was] = true;
            mac = list[was];
        } else if (!mac[0]) {
            ident_mac_draw(prefix, drawn);
            mac = drawn;
        }
        str_addf(&macs, "%s%s", i ? " " : "", mac);
    }
    return str_take(&macs);
}

/* ---- what changes ---- */

json_t *config_changes(const struct conf *old, const struct conf *new)
{
    struct conf_changes changes;
    json_t *list = json_array();

    conf_diff(old, new, &changes);
    for (size_t i = 0; i < changes.count; i++) {
        const struct conf_change *change = &changes.rows[i];
        json_t *item = json_object();
        json_set_string(item, "key", change->key);
        json_set_string(item, "old", change->old_text);
        json_set_string(item, "new", change->new_text);
        json_array_append_new(list, item);
    }
    conf_changes_finish(&changes);
    return list;
}

/* Says of each change whether it acts now or at the next boot. */
static void add_acts(json_t *changes, const char *driver, bool live)
{
    size_t i;
    json_t *item;

    json_array_foreach(changes, i, item)
    {
        bool now = live && conf_key_live(json_get_string(item, "key", ""), driver);
        json_set_string(item, "acts", now ? "now" : "next-boot");
    }
}

static void add_keys(const json_t *changes, const char *acts, struct str *to)
{
    size_t i;
    json_t *item;

    json_array_foreach(changes, i,
                       item) if (!acts || str_eq(json_get_string(item, "acts", NULL), acts))
        str_addf(to, "%s%s", to->len ? ", " : "", json_get_string(item, "key", ""));
}

/* "; at once by mem-set" for each change that waits, unless it was told to. */
static void add_verbs(const struct job *j, const json_t *changes, struct str *to)
{
    size_t i;
    json_t *item;

    if (j->args.next_boot)
        return;
    json_array_foreach(changes, i, item)
    {
        const char *key = json_get_string(item, "key", "");
        if (str_eq(json_get_string(item, "acts", NULL), "next-boot") && conf_key_verb(key))
            str_addf(to, "; at once by %s", conf_key_verb(key));
    }
}

static void say(struct job *j, const json_t *changes)
{
    AUTO_STR struct str all = {0}, now = {0}, later = {0}, verbs = {0};

    add_keys(changes, NULL, &all);
    add_keys(changes, "now", &now);
    add_keys(changes, "next-boot", &later);
    add_verbs(j, changes, &verbs);
    const char *at_once = verbs.data ? verbs.data : "";
    if (!changes)
        j->message = x_asprintf("changed the config of %s (%s)", j->r->name,
                                j->seen ? "it acts at the next boot" : "start boots it so");
    else if (all.len == 0)
        j->message =
            x_asprintf("changed the text of the config of %s (it means the same)", j->r->name);
    else if (!j->seen)
        j->message = x_asprintf("changed %s of %s (start boots it so)", all.data, j->r->name);
    else if (now.len == 0)
        j->message = x_asprintf("changed %s of %s (it acts at the next boot%s)", all.data,
                                j->r->name, at_once);
    else if (later.len == 0)
        j->message = x_asprintf("changed %s of %s (it acts now)", all.data, j->r->name);
    else
        j->message = x_asprintf("changed %s of %s (now: %s; at the next boot: %s%s)", all.data,
                                j->r->name, now.data, later.data, at_once);
}

/* ---- what the guest has ---- */

static void forget_when_same(struct job *j)
{
    if (!j->r->live_config)
        return;
    struct conf *guest = parsed(j, j->r->live_config), *stored = parsed(j, j->r->config);
    if (guest && stored && conf_equal(guest, stored) && str_eq(j->r->live_macs, j->r->macs) &&
        str_eq(j->r->live_directory, j->r->directory))
        record_forget_live(j->r);
    conf_free(guest);
    conf_free(stored);
}

int config_guest_edit(struct job *j, const char *word, struct err *e)
{
    char *text;

    if (!j->r->live_config)
        return 0;
    if (conf_edit(j->r->live_config, j->r->name, &word, 1, &text, e) < 0)
        return -1;
    x_replace(&j->r->live_config, text);
    forget_when_same(j);
    return 0;
}

void config_guest_is(struct job *j, const char *config, const char *directory, const char *macs)
{
    AUTO_FREE char *word = x_asprintf("name=%s", j->r->name);
    struct err ignored;

    record_set_live(j->r, config, directory, macs);
    /* It was parsed a moment ago, and the name is one: there is nothing to fail. */
    if (config_guest_edit(j, word, &ignored) < 0)
        forget_when_same(j);
}

/* The changed keys that act at once become part of what the guest has. */
static int act_now(struct job *j, const json_t *changes, struct err *e)
{
    size_t i;
    json_t *item;

    json_array_foreach(changes, i, item)
    {
        if (!str_eq(json_get_string(item, "acts", NULL), "now"))
            continue;
        AUTO_FREE char *word =
            x_asprintf("%s=%s", json_get_string(item, "key", ""), json_get_string(item, "new", ""));
        if (config_guest_edit(j, word, e) < 0)
            return -1;
    }
    return 0;
}

int config_set(struct job *j, struct err *e)
{
    struct record *r = j->r;
    struct conf *old = parsed(j, r->config);
    json_t *changes = NULL; /* of j->details */

    if (j->seen)
        record_keep_live(r);
    x_replace(&r->config, TAKE(j->args.config));
    if (j->args.macs)
        x_replace(&r->macs, TAKE(j->args.macs));
    /* From here on its files are opened for whoever changed it; root's hand changes no rights. */
    if (j->args.user.uid != 0)
        r->user = j->args.user;
    int result = steps_check_config(j, e);
    if (result == 0 && old) {
        changes = config_changes(old, j->conf);
        add_acts(changes, j->engine->driver->name, j->seen && !j->args.next_boot);
        j->details = json_pack("{s:o}", "changes", changes);
    }
    conf_free(old);
    if (result < 0 || act_now(j, changes, e) < 0)
        return -1;
    forget_when_same(j);
    if (!j->seen && r->broken == REASON_CONFIG_UNREADABLE)
        steps_now_ended(j, REASON_DEFINED); /* a config that reads is the cure */
    if (job_commit(j, "configured", NULL, e) < 0)
        return -1;
    say(j, changes);
    return 0;
}
