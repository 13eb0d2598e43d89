/* SPDX-License-Identifier: MIT */
#include "core/cpus.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static void set_all(cpu_set_t *cpus)
{
    long count = sysconf(_SC_NPROCESSORS_CONF);

    CPU_ZERO(cpus);
    for (long i = 0; i < count && i < CPU_SETSIZE; i++)
        CPU_SET((size_t)i, cpus);
}

/* A number at *at, which goes behind it. -1 for none, or one that is too high. */
static int read_cpu(const char **at)
{
    int number = 0;

    if (!isdigit((unsigned char)**at))
        return -1;
    for (; isdigit((unsigned char)**at); (*at)++) {
        number = number * 10 + (**at - '0');
        if (number >= CPU_SETSIZE)
            return -1;
    }
    return number;
}

/* "3", "0-3", "^1", "all". */
static bool apply(const char *word, cpu_set_t *cpus)
{
    bool out = word[0] == '^';
    cpu_set_t some;

    word += out;
    if (str_eq(word, "all")) {
        set_all(&some);
    } else {
        int first = read_cpu(&word), last = first;
        if (*word == '-') {
            word++;
            last = read_cpu(&word);
        }
        if (first < 0 || last < first || *word)
            return false;
        CPU_ZERO(&some);
        for (int i = first; i <= last; i++)
            CPU_SET((size_t)i, &some);
    }
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &some) && out)
            CPU_CLR(i, cpus);
        else if (CPU_ISSET(i, &some))
            CPU_SET(i, cpus);
    }
    return true;
}

int cpus_parse(const char *text, cpu_set_t *ret, struct err *e)
{
    AUTO_FREE char *copy = x_strdup(text);
    char *rest = copy, *word;

    CPU_ZERO(ret);
    while ((word = strsep(&rest, ","))) {
        AUTO_STR struct str shown = {0};
        str_add_escaped(&shown, text, strlen(text) < 80 ? strlen(text) : 80);
        if (!apply(word, ret))
            return err_set(e, ERR_BAD_REQUEST,
                           "\"%s\" names no CPUs; write all, or numbers and ranges as in 0-3,^1",
                           shown.data ? shown.data : "");
    }
    if (CPU_COUNT(ret) > 0)
        return 0;
    return err_set(e, ERR_BAD_REQUEST, "no CPU is left in %.80s", text);
}

void cpus_text(const cpu_set_t *cpus, struct str *to)
{
    size_t before = to->len;

    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        size_t first = i;
        if (!CPU_ISSET(i, cpus))
            continue;
        while (i + 1 < CPU_SETSIZE && CPU_ISSET(i + 1, cpus))
            i++;
        str_addf(to, "%s%zu", to->len == before ? "" : ",", first);
        if (i > first)
            str_addf(to, "-%zu", i);
    }
    if (to->len == before)
        str_add(to, "none");
}
