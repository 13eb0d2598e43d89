/* SPDX-License-Identifier: MIT */
#include "conf/spec.h"

#include <string.h>

#include "base/str.h"

char *spec_trim(char *text)
{
    text += strspn(text, " \t\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int unknown(struct spec *spec, const char *name, struct err *e)
{
    char shown[PLACE_SHOWN];
    const char *near = str_nearest(name, spec->param_name);

    place_show(name, shown);
    if (near)
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG,
                          "%s is not a parameter; did you mean %s?", shown, near);
    return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s is not a parameter%s", shown,
                      spec->param_name(0)[0] == 't' ? "; a path with = or , in it goes last, as "
                                                      "target=PATH"
                                                    : "");
}

int spec_apply(struct spec *spec, char *word, bool *ret_known, struct err *e)
{
    char *equals = strchr(word, '=');
    size_t i = 0;

    if (equals)
        *equals = '\0';
    const char *name = spec_trim(word);
    while (spec->params[i].name &&
           !(str_eq(spec->params[i].name, name) && spec->params[i].flag == (equals == NULL)))
        i++;
    const struct spec_param *param = &spec->params[i];
    *ret_known = param->name != NULL;
    if (!param->name)
        return equals ? unknown(spec, name, e) : 0;
    if (spec->seen[i])
        return keys_error(spec->c, spec->v, e, ERR_BAD_CONFIG, "%s is given twice", param->name);
    spec->seen[i] = true;
    const char *value = equals ? spec_trim(equals + 1) : "";
    if (param->set)
        return param->set(spec, value, e);
    if (param->refused)
        return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED, "%s is not supported on %s: %s",
                          param->name, spec->c->driver_name, param->refused);
    keys_warn(spec->c, spec->v, "%s is ignored on %s", param->name, spec->c->driver_name);
    return 0;
}

int spec_set_backend(struct spec *spec, const char *value, struct err *e)
{
    char shown[PLACE_SHOWN];

    if (*value == '\0' || str_eq(value, "0") || str_eq(value, "Domain-0"))
        return 0;
    return keys_error(spec->c, spec->v, e, ERR_UNSUPPORTED,
                      "backend %s is not supported on %s, where the host itself is the backend",
                      place_show(value, shown), spec->c->driver_name);
}
