/* SPDX-License-Identifier: MIT */
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const formats[] = {"table", "json", "csv"};

int print_format_of(const char *text, enum print_format *ret, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (str_eq(text, formats[i])) {
            *ret = (enum print_format)i;
            return 0;
        }
    }
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, text, strlen(text));
    return err_set(e, ERR_BAD_REQUEST, "--format %s is none: give table, json or csv",
                   shown.data ? shown.data : "\"\"");
}

/* All cells of a table in one text; cell i ends where cell i + 1 begins. */
struct cells {
    struct str text;
    size_t *ends; /* owned */
    size_t count;
};

static void cells_end(struct cells *cells)
{
    if ((cells->count & (cells->count + 1)) == 0)
        cells->ends = x_reallocarray(cells->ends, cells->count * 2 + 2, sizeof *cells->ends);
    cells->ends[cells->count++] = cells->text.len;
}

static void cells_finish(struct cells *cells)
{
    str_finish(&cells->text);
    free(cells->ends);
}

static void pad(struct str *to, size_t count)
{
    static const char spaces[] = "                ";

    for (; count > sizeof spaces - 1; count -= sizeof spaces - 1)
        str_addn(to, spaces, sizeof spaces - 1);
    str_addn(to, spaces, count);
}

static void add_table(const struct column *const *columns, size_t count, const json_t *rows,
                      struct str *to)
{
    struct cells cells = {0};
    size_t *widths = x_calloc(count, sizeof *widths);
    const json_t *row;
    size_t i;

    for (size_t c = 0; c < count; c++) {
        str_add(&cells.text, columns[c]->title);
        cells_end(&cells);
    }
    json_array_foreach(rows, i, row)
    {
        for (size_t c = 0; c < count; c++) {
            size_t before = cells.text.len;
            columns[c]->cell(row, true, &cells.text);
            if (cells.text.len == before)
                str_addc(&cells.text, '-');
            cells_end(&cells);
        }
    }
    for (size_t n = 0, start = 0; n < cells.count; start = cells.ends[n++])
        if (cells.ends[n] - start > widths[n % count])
            widths[n % count] = cells.ends[n] - start;
    for (size_t n = 0, start = 0; n < cells.count; start = cells.ends[n++]) {
        size_t c = n % count, len = cells.ends[n] - start;
        if (columns[c]->right)
            pad(to, widths[c] - len);
        str_addn(to, cells.text.data + start, len);
        if (c == count - 1)
            str_addc(to, '\n');
        else
            pad(to, (columns[c]->right ? 0 : widths[c] - len) + 2);
    }
    free(widths);
    cells_finish(&cells);
}

static void add_csv_cell(struct str *to, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0' && text[0] != ' ') {
        str_add(to, text);
        return;
    }
    str_addc(to, '"');
    for (; *text; text++) {
        if (*text == '"')
            str_addc(to, '"');
        str_addc(to, *text);
    }
    str_addc(to, '"');
}

static void add_csv(const struct column *const *columns, size_t count, const json_t *rows,
                    struct str *to)
{
    AUTO_STR struct str cell = {0};
    const json_t *row;
    size_t i;

    for (size_t c = 0; c < count; c++)
        str_addf(to, "%s%s", c ? "," : "", columns[c]->key);
    str_addc(to, '\n');
    json_array_foreach(rows, i, row)
    {
        for (size_t c = 0; c < count; c++) {
            cell.len = 0;
            str_add(&cell, "");
            columns[c]->cell(row, false, &cell);
            if (c)
                str_addc(to, ',');
            add_csv_cell(to, cell.data);
        }
        str_addc(to, '\n');
    }
}

void print_rows(const struct column *const *columns, size_t count, const json_t *rows,
                enum print_format format, struct str *to)
{
    if (format == PRINT_CSV)
        add_csv(columns, count, rows, to);
    else
        add_table(columns, count, rows, to);
}

/* str_nearest asks for candidates by number alone. */
static const struct column *nearest_in;

static const char *key_at(size_t i)
{
    return nearest_in[i].key;
}

static const struct column *find_column(const struct column *all, const char *name)
{
    for (; all->key; all++)
        if (str_eq(all->key, name))
            return all;
    return NULL;
}

int print_columns(const struct column *all, const char *names, const struct column **chosen,
                  size_t max, struct err *e)
{
    size_t count = 0;

    for (const char *at = names;; at++) {
        size_t len = strcspn(at, ",");
        AUTO_FREE char *name = x_strndup(at, len);
        const struct column *column = find_column(all, name);
        if (!column) {
            AUTO_STR struct str shown = {0};
            str_add(&shown, "");
            str_add_escaped(&shown, name, len);
            nearest_in = all;
            const char *near = str_nearest(name, key_at);
            return err_set(e, ERR_BAD_REQUEST, "there is no column \"%s\"%s%s%s", shown.data,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
        if (count == max)
            return err_set(e, ERR_BAD_REQUEST, "at most %zu columns can be shown", max);
        chosen[count++] = column;
        at += len;
        if (*at == '\0')
            return (int)count;
    }
}

struct field {
    char *name;  /* owned */
    char *value; /* owned */
};

struct fields {
    struct field *all; /* owned */
    size_t count;
};

static void add_value(const json_t *value, const char *key, struct str *to)
{
    if (json_is_string(value)) {
        print_sentence(json_string_value(value), to);
    } else if (json_is_boolean(value)) {
        str_add(to, json_is_true(value) ? "yes" : "no");
    } else if (json_is_integer(value) && str_ends(key, "_kib")) {
        str_addf(to, "%.6g MiB", (double)json_integer_value(value) / 1024);
    } else if (json_is_integer(value) && str_ends(key, "_bytes")) {
        str_addf(to, "%.6g MiB", (double)json_integer_value(value) / 1048576);
    } else if (json_is_integer(value) && str_ends(key, "_ms")) {
        str_addf(to, "%" JSON_INTEGER_FORMAT " ms", json_integer_value(value));
    } else if (json_is_array(value)) {
        const json_t *item;
        size_t i;
        json_array_foreach(value, i, item)
        {
            if (i)
                str_addc(to, ' ');
            add_value(item, "", to);
        }
    } else {
        json_add_line(to, value);
    }
}

/* "memory_kib" is shown in MiB: its name without the unit. */
static char *field_name(const char *outer, const char *key)
{
    static const char *const units[] = {"_kib", "_bytes", "_ms"};
    size_t len = strlen(key);

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_ends(key, units[i]))
            len = strlen(key) - strlen(units[i]);
    AUTO_STR struct str shown = {0};
    str_add_escaped(&shown, key, len);
    return x_asprintf("%s%s%s", outer, outer[0] ? "." : "", shown.data ? shown.data : "");
}

static void gather(const json_t *object, const char *outer, struct fields *fields)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        AUTO_FREE char *name = field_name(outer, key);
        if (json_is_object(value)) {
            gather(value, name, fields);
            continue;
        }
        if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
            continue;
        struct str text = {0};
        add_value(value, key, &text);
        fields->all = x_reallocarray(fields->all, fields->count + 1, sizeof *fields->all);
        fields->all[fields->count++] = (struct field){TAKE(name), str_take(&text)};
    }
}

void print_fields(const json_t *object, struct str *to)
{
    struct fields fields = {0};
    size_t width = 0;

    gather(object, "", &fields);
    for (size_t i = 0; i < fields.count; i++)
        if (strlen(fields.all[i].name) > width)
            width = strlen(fields.all[i].name);
    for (size_t i = 0; i < fields.count; i++) {
        str_addf(to, "%s:", fields.all[i].name);
        pad(to, width - strlen(fields.all[i].name) + 1);
        str_addf(to, "%s\n", fields.all[i].value);
        free(fields.all[i].name);
        free(fields.all[i].value);
    }
    free(fields.all);
}

/* One character of valid UTF-8: its value, and its length in *ret_len. */
static unsigned decode(const unsigned char *at, size_t *ret_len)
{
    size_t len = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    unsigned value = len == 1 ? *at : *at & (0xffU >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            *ret_len = 1;
            return 0;
        }
        value = value << 6 | (at[i] & 0x3fU);
    }
    *ret_len = len;
    return value;
}

/* Control characters of C0 and C1, line separators and the marks that reorder text. */
static bool acts_on_terminal(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void print_sentence(const char *text, struct str *to)
{
    for (const char *at = text; *at;) {
        size_t len;
        unsigned c = decode((const unsigned char *)at, &len);
        if (acts_on_terminal(c))
            str_add_escaped(to, at, len);
        else
            str_addn(to, at, len);
        at += len;
    }
}

void print_age(const char *since, struct str *to)
{
    struct err ignored;
    int64_t at;

    if (!since || clock_parse(since, &at, &ignored) < 0)
        return;
    long seconds = (long)((clock_wall_ms() - at) / 1000);
    if (seconds < 0)
        seconds = 0;
    if (seconds < 60)
        str_addf(to, "%ld s", seconds);
    else if (seconds < 3600)
        str_addf(to, "%ld min", seconds / 60);
    else if (seconds < 86400)
        str_addf(to, "%ld h %ld min", seconds / 3600, seconds / 60 % 60);
    else
        str_addf(to, "%ld d %ld h", seconds / 86400, seconds / 3600 % 24);
}

void print_progress(const json_t *job, struct str *to)
{
    double done = (double)json_get_int(job, "done_bytes", 0);
    double total = (double)json_get_int(job, "total_bytes", 0);

    if (total > 0)
        str_addf(to, "%.0f %%", done >= total ? 100 : done / total * 100);
    else if (done > 0)
        str_addf(to, "%.1f MiB", done / 1048576);
}

/* Below this nothing can be said of the rate yet. */
enum { RATE_AFTER_MS = 500 };

void print_progress_rate(const json_t *job, int64_t now_ms, struct str *to)
{
    double done = (double)json_get_int(job, "done_bytes", 0);
    double total = (double)json_get_int(job, "total_bytes", 0);
    int64_t started_ms;
    struct err ignored;

    print_progress(job, to);
    if (done <= 0)
        return;
    if (total > 0)
        str_addf(to, ", %.1f of %.1f MiB", done / 1048576, total / 1048576);
    if (clock_parse(json_get_string(job, "started", ""), &started_ms, &ignored) < 0 ||
        now_ms - started_ms < RATE_AFTER_MS)
        return;
    double rate = done / ((double)(now_ms - started_ms) / 1000);
    str_addf(to, ", %.1f MiB/s", rate / 1048576);
    if (total > done)
        str_addf(to, ", %.0f s left", (total - done) / rate);
}

int print_out(const struct str *text, struct err *e)
{
    return text->len ? fs_write_all(STDOUT_FILENO, text->data, text->len, "to stdout", e) : 0;
}

int print_json(const json_t *json, struct err *e)
{
    AUTO_STR struct str line = {0};

    json_add_line(&line, json);
    str_addc(&line, '\n');
    return print_out(&line, e);
}

/* A failure to write to stderr has nowhere to be told. */
static void add_to_stderr(const struct str *line)
{
    struct err ignored;

    if (fs_write_all(STDERR_FILENO, line->data, line->len, "to stderr", &ignored) < 0)
        return;
}

void print_failure(const char *sentence)
{
    AUTO_STR struct str line = {0};

    str_add(&line, "reeve: ");
    print_sentence(sentence, &line);
    str_addc(&line, '\n');
    add_to_stderr(&line);
}

void print_warnings(const json_t *warnings)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(warnings, i, warning)
    {
        AUTO_FREE char *sentence = x_asprintf("warning: %s", json_string_value(warning));
        print_failure(sentence);
    }
}
