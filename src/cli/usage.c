/* SPDX-License-Identifier: MIT */
#include "cli/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- rows ---- */

/* The sum of `key` over a list of the counters; -1 when one of them is not known, or there is no
 * list. Without members it is 0. */
static double sum(const json_t *counters, const char *list, const char *key)
{
    const json_t *items = json_object_get(counters, list);
    double total = 0;

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *value = json_object_get(json_array_get(items, i), key);
        if (!json_is_integer(value))
            return -1;
        total += json_number_value(value);
    }
    return items ? total : -1;
}

static double cpu(const json_t *counters, const char *list, const char *key)
{
    const json_t *value = json_object_get(counters, key);

    (void)list;
    return json_is_number(value) ? json_number_value(value) : -1;
}

/* One row a rate: what is counted, and the unit that it is shown in. */
static const struct {
    const char *name;
    double (*count)(const json_t *counters, const char *list, const char *key);
    const char *list, *key;
    double unit;
} rates[] = {
    {"cpu_percent",            cpu, NULL,    "cpu_seconds", 100},
    {"read_bytes_per_second",  sum, "disks", "read_bytes",  1  },
    {"write_bytes_per_second", sum, "disks", "write_bytes", 1  },
    {"rx_bytes_per_second",    sum, "nics",  "rx_bytes",    1  },
    {"tx_bytes_per_second",    sum, "nics",  "tx_bytes",    1  },
};

static const json_t *find_domain(const json_t *answer, const char *uuid)
{
    const json_t *list = json_object_get(answer, "domains");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(json_get_string(json_array_get(list, i), "uuid", NULL), uuid))
            return json_array_get(list, i);
    return NULL;
}

/* New reference; null when it is not known. */
static json_t *rate_of(size_t i, const json_t *before, const json_t *now, double seconds)
{
    double then = rates[i].count(before, rates[i].list, rates[i].key);
    double count = rates[i].count(now, rates[i].list, rates[i].key);

    if (then < 0 || count < then || seconds <= 0)
        return json_null();
    return json_real((double)(int64_t)((count - then) * rates[i].unit / seconds * 10 + 0.5) / 10);
}

static json_t *row_of(const json_t *before, const json_t *domain, double seconds)
{
    static const char *const kept[] = {"uuid",       "name",           "id",    "state",
                                       "memory_kib", "max_memory_kib", "vcpus", "can"};
    const json_t *counters = json_object_get(domain, "counters");
    const json_t *host_memory = json_object_get(counters, "host_memory_kib");
    const json_t *cpu_seconds = json_object_get(counters, "cpu_seconds");
    /* Another id is another guest, which counts from 0. */
    bool same = before && json_equal(json_object_get(before, "id"), json_object_get(domain, "id"));
    const json_t *then = same ? json_object_get(before, "counters") : NULL;
    json_t *row = json_object();

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        json_object_set(row, kept[i], json_object_get(domain, kept[i]));
    json_object_set_new(row, "cpu_seconds",
                        cpu_seconds ? json_copy((json_t *)(uintptr_t)cpu_seconds) : json_null());
    json_object_set_new(row, "host_memory_kib",
                        host_memory ? json_copy((json_t *)(uintptr_t)host_memory) : json_null());
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        json_object_set_new(row, rates[i].name, rate_of(i, then, counters, seconds));
    return row;
}

/* ---- order ---- */

static const struct {
    const char *name;
    const char *keys[2]; /* their sum; NULL: none */
} sorts[USAGE_SORTS] = {
    [USAGE_CPU] = {"cpu",    {"cpu_percent"}                                    },
    [USAGE_MEMORY] = {"memory", {"memory_kib"}                                     },
    [USAGE_DISK] = {"disk",   {"read_bytes_per_second", "write_bytes_per_second"}},
    [USAGE_NET] = {"net",    {"rx_bytes_per_second", "tx_bytes_per_second"}     },
    [USAGE_NAME] = {"name",   {NULL}                                             },
};

static const char *sort_at(size_t i)
{
    return i < ARRAY_LEN(sorts) ? sorts[i].name : NULL;
}

int usage_sort_of(const char *text, enum usage_sort *ret, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        if (str_eq(sorts[i].name, text)) {
            *ret = (enum usage_sort)i;
            return 0;
        }
    }
    const char *near = str_nearest(text, sort_at);
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, text, strnlen(text, 40));
    return err_set(e, ERR_BAD_REQUEST,
                   near ? "--sort has no \"%s\"; did you mean %s?"
                        : "--sort has no \"%s\": it takes cpu, memory, disk, net or name",
                   shown.len ? shown.data : "", near);
}

const char *usage_sort_name(enum usage_sort sort)
{
    return sorts[sort].name;
}

static double weight(const json_t *row, enum usage_sort sort)
{
    double total = 0;

    for (size_t i = 0; i < ARRAY_LEN(sorts[sort].keys) && sorts[sort].keys[i]; i++)
        total += json_number_value(json_object_get(row, sorts[sort].keys[i]));
    /* One that does not live uses nothing, whatever its config says. */
    return json_is_integer(json_object_get(row, "id")) ? total : -1;
}

static int compare(const void *left, const void *right, void *arg)
{
    const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
    enum usage_sort sort = *(enum usage_sort *)arg;

    if (sort != USAGE_NAME) {
        double difference = weight(b, sort) - weight(a, sort);
        if (difference < 0 || difference > 0)
            return difference < 0 ? -1 : 1;
    }
    return strcmp(json_get_string(a, "name", ""), json_get_string(b, "name", ""));
}

json_t *usage_rows(const json_t *before, const json_t *now, enum usage_sort sort, bool reverse)
{
    const json_t *list = json_object_get(now, "domains");
    size_t count = json_array_size(list);
    AUTO_FREE json_t **rows = x_calloc(count + 1, sizeof *rows);
    double seconds =
        (double)(json_get_int(now, "monotonic_ms", 0) - json_get_int(before, "monotonic_ms", 0)) /
        1000;
    json_t *sorted = json_array();

    for (size_t i = 0; i < count; i++) {
        const json_t *domain = json_array_get(list, i);
        rows[i] = row_of(before ? find_domain(before, json_get_string(domain, "uuid", "")) : NULL,
                         domain, seconds);
    }
    qsort_r(rows, count, sizeof *rows, compare, &sort);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(sorted, rows[reverse ? count - 1 - i : i]);
    return sorted;
}

/* ---- columns ---- */

static void add_text(const json_t *row, const char *key, struct str *to)
{
    const char *text = json_get_string(row, key, "");

    str_add_escaped(to, text, strlen(text));
}

static void add_number(const json_t *row, const char *key, int digits, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_number(value))
        str_addf(to, "%.*f", digits, json_number_value(value));
}

/* For people 0, 512, 1.5K, 20M; "-" for what is not known. */
static void add_rate(const json_t *row, const char *key, bool people, struct str *to)
{
    static const char units[] = " KMGT";
    const json_t *json = json_object_get(row, key);
    double value = json_number_value(json);
    size_t unit = 0;

    if (!people) {
        add_number(row, key, 1, to);
        return;
    }
    if (!json_is_number(json)) {
        str_addc(to, '-');
        return;
    }
    for (; value >= 1000 && unit < sizeof units - 2; unit++)
        value /= 1024;
    str_addf(to, "%.*f", unit > 0 && value < 10 ? 1 : 0, value);
    if (unit > 0)
        str_addc(to, units[unit]);
}

static void add_kib(const json_t *row, const char *key, bool people, struct str *to)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_integer(value))
        str_addf(to, "%" JSON_INTEGER_FORMAT,
                 people ? json_integer_value(value) / 1024 : json_integer_value(value));
}

#define CELL(name, call)                                                                           \
    static void cell_##name(const json_t *row, bool people, struct str *to)                        \
    {                                                                                              \
        (void)people;                                                                              \
        call;                                                                                      \
    }

CELL(name, add_text(row, "name", to))
CELL(id, add_number(row, "id", 0, to))
CELL(state, add_text(row, "state", to))
CELL(vcpus, add_number(row, "vcpus", 0, to))
CELL(cpu, add_number(row, "cpu_percent", 1, to))
CELL(time, add_number(row, "cpu_seconds", people ? 0 : 3, to))
CELL(memory, add_kib(row, "memory_kib", people, to))
CELL(host, add_kib(row, "host_memory_kib", people, to))
CELL(read, add_rate(row, "read_bytes_per_second", people, to))
CELL(write, add_rate(row, "write_bytes_per_second", people, to))
CELL(rx, add_rate(row, "rx_bytes_per_second", people, to))
CELL(tx, add_rate(row, "tx_bytes_per_second", people, to))

const struct column usage_columns[] = {
    {"name",        "NAME", false, cell_name},
    {"id",        "ID", true, cell_id},
    {"state",             "STATE", false, cell_state},
    {"vcpus",  "VCPUS", true, cell_vcpus},
    {"cpu_percent",      "CPU%", true, cell_cpu},
    {"cpu_seconds",       "TIME(s)", true, cell_time},
    {"memory_kib",        "MEM(MiB)", true, cell_memory},
    {"host_memory_kib",             "HOST", true, cell_host},
    {"read_bytes_per_second",     "READ/s", true, cell_read},
    {"write_bytes_per_second",   "WRITE/s", true, cell_write},
    {"rx_bytes_per_second", "RX/s", true, cell_rx},
    {"tx_bytes_per_second",         "TX/s", true, cell_tx},
    {0            },
};
