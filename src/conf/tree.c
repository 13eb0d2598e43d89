/* SPDX-License-Identifier: MIT */
#include "conf/tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/lex.h"

struct parser {
    struct lex lex;
    struct lex_token token;
    size_t last_end; /* of the token before */
    struct tree *tree;
};

/* First words of Python statements, which xm ran as programs. */
static const char *const python_words[] = {
    "def", "import", "from",  "if",     "elif", "else", "for",    "while",  "class",
    "try", "except", "print", "return", "with", "exec", "global", "assert", "raise"};

static void finish_value(struct value *value)
{
    for (size_t i = 0; i < value->count; i++)
        finish_value(&value->items[i]);
    free(value->items);
    free(value->text);
    *value = (struct value){0};
}

static void finish_setting(struct setting *setting)
{
    free(setting->key);
    finish_value(&setting->value);
}

void tree_finish(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        finish_setting(&tree->settings[i]);
    free(tree->settings);
    *tree = (struct tree){0};
}

static struct place place_of(const struct parser *p)
{
    return (struct place){.file = p->lex.file, .line = p->token.line};
}

static int next(struct parser *p, struct err *e)
{
    p->last_end = p->token.end;
    return lex_next(&p->lex, &p->token, e);
}

static char *token_text(const struct parser *p)
{
    return x_strndup(p->lex.text + p->token.begin, p->token.end - p->token.begin);
}

static bool is_python_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(python_words); i++)
        if (str_eq(word, python_words[i]))
            return true;
    return false;
}

static int python_error(const struct parser *p, const char *found, struct err *e)
{
    struct place at = place_of(p);
    char shown[PLACE_SHOWN];

    return place_error(e, &at, ERR_BAD_CONFIG,
                       "%s: this looks like Python, which xm ran but which is not run here; write "
                       "the values out as lines of the form key = value",
                       place_show(found, shown));
}

/* What stands where a value should. */
static int no_value(const struct parser *p, const char *key, struct err *e)
{
    struct place at = place_of(p);
    char shown[PLACE_SHOWN], shown_key[PLACE_SHOWN];
    AUTO_FREE char *word = token_text(p);
    char after = p->lex.at < p->lex.len ? p->lex.text[p->lex.at] : '\n';

    at.key = key;
    if (p->token.kind == LEX_END || p->token.kind == LEX_NEWLINE || p->token.kind == LEX_SEMICOLON)
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "%s has no value on its line; a value is a string in quotes, a number, "
                           "or a list in [ ]",
                           place_show(key, shown_key));
    if (p->token.kind == LEX_NAME && (after == '(' || after == '.'))
        return python_error(p, word, e);
    if (str_eq(word, "true") || str_eq(word, "false"))
        return place_error(e, &at, ERR_BAD_CONFIG, "%s is not a value; write %s", word,
                           tolower((unsigned char)word[0]) == 't' ? "1" : "0");
    if (p->token.kind == LEX_NAME)
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "%s is not in quotes; a string is written \"...\" or '...'",
                           place_show(word, shown));
    if (*word && strchr("(){}%", *word))
        return python_error(p, word, e);
    if (*word == '-' && isdigit((unsigned char)after))
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "a number below 0 must be in quotes, as \"-...\"");
    return place_error(e, &at, ERR_BAD_CONFIG,
                       "%s is not a value; a value is a string in quotes, a number, or a list in "
                       "[ ]",
                       place_show(word, shown));
}

static struct value *add_item(struct value *list)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 4;
        list->items = x_reallocarray(list->items, list->cap, sizeof *list->items);
    }
    list->items[list->count] = (struct value){0};
    return &list->items[list->count++];
}

static int skip_newlines(struct parser *p, struct err *e)
{
    while (p->token.kind == LEX_NEWLINE)
        if (next(p, e) < 0)
            return -1;
    return 0;
}

static int parse_value(struct parser *p, const char *key, int depth, struct value *ret,
                       struct err *e);

/* True at "key =": a list that goes on into the next setting lacks its end. */
static bool begins_setting(const struct parser *p)
{
    size_t at = p->lex.at;

    while (at < p->lex.len && (p->lex.text[at] == ' ' || p->lex.text[at] == '\t'))
        at++;
    return p->token.kind == LEX_NAME && at < p->lex.len && p->lex.text[at] == '=';
}

/* The token at hand is the [; afterwards it is the one behind the ]. */
static int parse_list(struct parser *p, const char *key, int depth, struct value *ret,
                      struct err *e)
{
    struct place opened = place_of(p);

    opened.key = key;
    ret->kind = VALUE_LIST;
    if (depth == TREE_DEPTH_MAX)
        return place_error(e, &opened, ERR_BAD_CONFIG, "lists are nested more than %d deep",
                           TREE_DEPTH_MAX);
    for (;;) {
        if (next(p, e) < 0 || skip_newlines(p, e) < 0)
            return -1;
        if (p->token.kind == LEX_CLOSE)
            return next(p, e);
        if (p->token.kind == LEX_END || begins_setting(p))
            break;
        struct place item = place_of(p);
        item.key = key;
        if (parse_value(p, key, depth + 1, add_item(ret), e) < 0 || skip_newlines(p, e) < 0)
            return -1;
        if (ret->items[ret->count - 1].kind == VALUE_NULL)
            return place_error(e, &item, ERR_BAD_CONFIG,
                               "a list has no place for null; leave the item out");
        if (p->token.kind == LEX_CLOSE)
            return next(p, e);
        if (p->token.kind == LEX_END || begins_setting(p))
            break;
        if (p->token.kind != LEX_COMMA) {
            struct place at = place_of(p);
            char shown[PLACE_SHOWN];
            AUTO_FREE char *word = token_text(p);
            at.key = key;
            if (p->token.kind == LEX_ODD && strchr("+%(", *word))
                return python_error(p, word, e);
            return place_error(e, &at, ERR_BAD_CONFIG,
                               "%s in a list where \",\" or \"]\" is expected",
                               place_show(word, shown));
        }
    }
    return place_error(e, &opened, ERR_BAD_CONFIG, "the list that begins here is not closed by ]");
}

/* Python's True, False and None, which plain configs of xm have, and null. None as a whole value
 * says that the key is not given. */
static int parse_constant(struct parser *p, const char *key, struct value *ret, struct err *e)
{
    AUTO_FREE char *word = token_text(p);
    char after = p->lex.at < p->lex.len ? p->lex.text[p->lex.at] : '\n';
    bool none = str_eq(word, "None") || str_eq(word, "null");
    bool yes = str_eq(word, "True");

    if (after == '(' || after == '.' || !(none || yes || str_eq(word, "False")))
        return no_value(p, key, e);
    ret->kind = none ? VALUE_NULL : VALUE_NUMBER;
    ret->text = x_strdup(none ? "" : yes ? "1" : "0");
    return next(p, e);
}

static int parse_by_kind(struct parser *p, const char *key, int depth, struct value *ret,
                         struct err *e)
{
    switch ((int)p->token.kind) {
    case LEX_STRING:
        ret->kind = VALUE_STRING;
        ret->text = str_take(&p->token.string);
        return next(p, e);
    case LEX_NUMBER:
        ret->kind = VALUE_NUMBER;
        ret->text = token_text(p);
        return next(p, e);
    case LEX_OPEN:
        return parse_list(p, key, depth, ret, e);
    case LEX_NAME:
        return parse_constant(p, key, ret, e);
    default:
        return no_value(p, key, e);
    }
}

static int parse_value(struct parser *p, const char *key, int depth, struct value *ret,
                       struct err *e)
{
    ret->line = p->token.line;
    ret->begin = p->token.begin;
    int rc = parse_by_kind(p, key, depth, ret, e);
    ret->end = p->last_end;
    return rc;
}

static struct setting *add_setting(struct tree *tree)
{
    if (tree->count == tree->cap) {
        tree->cap = tree->cap ? tree->cap * 2 : 32;
        tree->settings = x_reallocarray(tree->settings, tree->cap, sizeof *tree->settings);
    }
    struct setting *setting = &tree->settings[tree->count];
    *setting = (struct setting){.order = tree->count};
    tree->count++;
    return setting;
}

static int no_end(const struct parser *p, const struct setting *setting, struct err *e)
{
    struct place at = place_of(p);
    char shown[PLACE_SHOWN];
    AUTO_FREE char *word = token_text(p);

    at.key = setting->key;
    /* Also a string right behind a string: three quotes. */
    if ((p->token.kind == LEX_STRING && p->token.begin == p->last_end) ||
        (p->token.kind == LEX_ODD && *word && strchr("+-*/%.(:", *word)))
        return python_error(p, word, e);
    return place_error(e, &at, ERR_BAD_CONFIG,
                       "%s after the value of %s; the line must end there, or go on with \";\"",
                       place_show(word, shown), setting->key);
}

static int no_assignment(const struct parser *p, const char *key, struct err *e)
{
    struct place at = place_of(p);
    char shown[PLACE_SHOWN];

    at.key = key;
    if (is_python_word(key) || (p->token.kind == LEX_ODD && p->lex.text[p->token.begin] == '('))
        return python_error(p, key, e);
    return place_error(e, &at, ERR_BAD_CONFIG, "%s is not followed by = and a value",
                       place_show(key, shown));
}

/* The lexer knows no keys: its errors get theirs here. Returns -1. */
static int name_key(struct err *e, const struct setting *setting)
{
    if (!e->key[0])
        str_copy(e->key, sizeof e->key, setting->key);
    return -1;
}

static int parse_setting(struct parser *p, struct err *e)
{
    if (p->token.kind != LEX_NAME) {
        struct place at = place_of(p);
        char shown[PLACE_SHOWN];
        AUTO_FREE char *word = token_text(p);
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "%s where a key is expected; a config is lines of the form key = value",
                           place_show(word, shown));
    }
    struct setting *setting = add_setting(p->tree);
    setting->key = token_text(p);
    setting->line = p->token.line;
    setting->begin = p->token.begin;
    if (next(p, e) < 0)
        return name_key(e, setting);
    if (p->token.kind != LEX_ASSIGN && p->token.kind != LEX_APPEND)
        return no_assignment(p, setting->key, e);
    setting->append = p->token.kind == LEX_APPEND;
    if (next(p, e) < 0)
        return name_key(e, setting);
    setting->value_begin = p->token.begin;
    if (parse_value(p, setting->key, 0, &setting->value, e) < 0)
        return name_key(e, setting);
    setting->value_end = p->last_end;
    /* The token behind the value, a line's end or a semicolon, is not part of the setting. */
    setting->end = p->token.begin;
    if (p->token.kind != LEX_NEWLINE && p->token.kind != LEX_SEMICOLON &&
        p->token.kind != LEX_END) {
        no_end(p, setting, e);
        return name_key(e, setting);
    }
    return 0;
}

int tree_parse(struct tree *tree, const char *file, const char *text, size_t len, struct err *e)
{
    struct parser p = {.tree = tree};

    *tree = (struct tree){.file = file};
    lex_init(&p.lex, file, text, len, 1);
    int rc = next(&p, e);
    while (rc == 0 && p.token.kind != LEX_END) {
        if (p.token.kind == LEX_NEWLINE || p.token.kind == LEX_SEMICOLON)
            rc = next(&p, e);
        else
            rc = parse_setting(&p, e);
    }
    str_finish(&p.token.string);
    return rc;
}

/* The value of a word of the command line. */
static int parse_word(struct tree *tree, struct setting *setting, const char *text, struct err *e)
{
    uint64_t number;

    if (*text == '"' || *text == '\'' || *text == '[') {
        struct parser p = {.tree = tree};
        lex_init(&p.lex, tree->file, text, strlen(text), 0);
        int rc = next(&p, e);
        if (rc == 0)
            rc = parse_value(&p, setting->key, 0, &setting->value, e);
        if (rc == 0)
            rc = skip_newlines(&p, e);
        if (rc == 0 && p.token.kind != LEX_END)
            rc = no_end(&p, setting, e);
        str_finish(&p.token.string);
        return rc;
    }
    enum lex_number is = lex_number_read(text, strlen(text), &number);
    bool numeric = is == LEX_NUMBER_OK || is == LEX_NUMBER_RANGE;
    setting->value.kind = numeric ? VALUE_NUMBER : VALUE_STRING;
    setting->value.none = *text == '\0';
    setting->value.text = x_strdup(text);
    return 0;
}

int tree_add_override(struct tree *tree, const char *word, struct err *e)
{
    struct place at = {.file = tree->file};
    char shown[PLACE_SHOWN];
    size_t key_len = 0;

    while (isalnum((unsigned char)word[key_len]) || word[key_len] == '_')
        key_len++;
    const char *op = word + key_len + strspn(word + key_len, " \t");
    bool append = op[0] == '+' && op[1] == '=';
    if (key_len == 0 || isdigit((unsigned char)word[0]) || (!append && *op != '='))
        return place_error(e, &at, ERR_BAD_CONFIG, "%s is not of the form key=value",
                           place_show(word, shown));
    struct setting *setting = add_setting(tree);
    setting->key = x_strndup(word, key_len);
    setting->append = append;
    const char *value = op + (append ? 2 : 1);
    /* "key = value" in one word is written with blanks for the eye; key=value is taken as it is. */
    if (op > word + key_len)
        value += strspn(value, " \t");
    return parse_word(tree, setting, value, e) < 0 ? name_key(e, setting) : 0;
}

static int compare_settings(const void *left, const void *right)
{
    const struct setting *a = left, *b = right;
    int keys = strcmp(a->key, b->key);

    if (keys != 0)
        return keys;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Moves what `more` holds to the end of `setting`. *text collects strings, so that a thousand
 * += cost no more than their bytes. */
static int join(struct tree *tree, struct setting *setting, struct setting *more, struct str *text,
                struct err *e)
{
    struct value *to = &setting->value, *from = &more->value;
    struct place at = {.file = tree->file, .line = more->line, .key = more->key};

    if (to->kind == VALUE_NULL || from->kind == VALUE_NULL)
        return place_error(e, &at, ERR_BAD_CONFIG, "%s += with null; write = instead", more->key);
    if ((to->kind == VALUE_LIST) != (from->kind == VALUE_LIST))
        return place_error(e, &at, ERR_BAD_CONFIG, "%s += adds a %s to a %s; both must be alike",
                           more->key, from->kind == VALUE_LIST ? "list" : "single value",
                           to->kind == VALUE_LIST ? "list" : "single value");
    if (to->kind == VALUE_LIST) {
        for (size_t i = 0; i < from->count; i++)
            *add_item(to) = from->items[i];
        from->count = 0;
    } else {
        if (!text->data)
            str_add(text, to->text);
        str_add(text, from->text);
        to->kind = VALUE_STRING;
    }
    to->joined = true;
    to->line = from->line;
    setting->line = more->line;
    setting->order = more->order;
    return 0;
}

static void settle_text(struct setting *setting, struct str *text)
{
    if (!text->data)
        return;
    x_replace(&setting->value.text, str_take(text));
}

/* A second = on the command line may well override the text; elsewhere it is an oversight. */
static void warn_twice(struct tree *tree, const struct setting *first, const struct setting *again,
                       struct conf_warnings *warnings)
{
    struct place at = {.file = tree->file, .line = again->line, .key = again->key};

    if (first->line == 0)
        place_warn(warnings, &at, "%s is given twice; the last one counts", again->key);
    else if (again->line != 0)
        place_warn(warnings, &at, "%s is given twice, first on line %d; this one counts",
                   again->key, first->line);
}

/* Folds the `count` settings of one key into the first. */
static int fold_key(struct tree *tree, struct setting *of, size_t count,
                    struct conf_warnings *warnings, struct err *e)
{
    AUTO_STR struct str text = {0};

    of[0].value.joined = of[0].append;
    for (size_t i = 1; i < count; i++) {
        if (of[i].append) {
            if (join(tree, &of[0], &of[i], &text, e) < 0)
                return -1;
            continue;
        }
        warn_twice(tree, &of[0], &of[i], warnings);
        str_finish(&text);
        struct setting old = of[0];
        of[0] = of[i];
        of[i] = old;
    }
    settle_text(&of[0], &text);
    return 0;
}

int tree_fold(struct tree *tree, struct conf_warnings *warnings, struct err *e)
{
    size_t kept = 0, count;

    if (tree->count > 0)
        qsort(tree->settings, tree->count, sizeof *tree->settings, compare_settings);
    for (size_t i = 0; i < tree->count; i += count) {
        struct setting *of = &tree->settings[i];
        for (count = 1; i + count < tree->count && str_eq(of[0].key, of[count].key);)
            count++;
        if (fold_key(tree, of, count, warnings, e) < 0)
            return -1;
        if (of[0].value.kind == VALUE_NULL)
            continue;
        /* The place where it is kept holds one that is done with: swap, so that each is freed. */
        struct setting done = tree->settings[kept];
        tree->settings[kept++] = of[0];
        if (of != &tree->settings[kept - 1])
            of[0] = done;
    }
    for (size_t i = kept; i < tree->count; i++)
        finish_setting(&tree->settings[i]);
    tree->count = kept;
    return 0;
}

static int compare_key(const void *key, const void *setting)
{
    return strcmp(key, ((const struct setting *)setting)->key);
}

struct setting *tree_find(struct tree *tree, const char *key)
{
    if (tree->count == 0)
        return NULL;
    return bsearch(key, tree->settings, tree->count, sizeof *tree->settings, compare_key);
}

/* Only escapes that every xl reads alike; other bytes stand for themselves. */
void tree_write_string(struct str *to, const char *text)
{
    str_addc(to, '"');
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            str_addf(to, "\\%c", *text);
        else if (*text == '\n')
            str_add(to, "\\n");
        else if (*text == '\r')
            str_add(to, "\\r");
        else
            str_addc(to, *text);
    }
    str_addc(to, '"');
}

void tree_write_value(struct str *to, const struct value *value)
{
    switch (value->kind) {
    case VALUE_STRING:
        tree_write_string(to, value->text);
        return;
    case VALUE_NUMBER:
        str_add(to, value->text);
        return;
    case VALUE_NULL:
        str_add(to, "null");
        return;
    case VALUE_LIST:
        break;
    }
    str_addc(to, '[');
    for (size_t i = 0; i < value->count; i++) {
        str_add(to, i ? ", " : "");
        tree_write_value(to, &value->items[i]);
    }
    str_addc(to, ']');
}
