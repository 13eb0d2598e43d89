/* SPDX-License-Identifier: MIT */
#include "conf/lex.h"

#include <ctype.h>
#include <string.h>

#include "conf/place.h"

static const char blanks[] = " \t";

/* Escapes of one letter and the bytes that they stand for. */
static const char escape_letters[] = "abfnrtv\\\"'";
static const char escape_bytes[] = "\a\b\f\n\r\t\v\\\"'";

void lex_init(struct lex *lex, const char *file, const char *text, size_t len, int line)
{
    *lex = (struct lex){.file = file, .text = text, .len = len, .line = line};
    /* The mark that some editors put at the start of UTF-8 text. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        lex->at = 3;
}

static bool name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

enum lex_number lex_number_read(const char *text, size_t len, uint64_t *ret)
{
    uint64_t base = 10, value = 0;
    bool too_big = false;

    if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
        len -= 2;
    } else if (len > 1 && text[0] == '0') {
        base = 8;
    }
    if (len == 0)
        return LEX_NUMBER_NOT;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)digit_of(text[i]);
        if (digit >= base)
            return base == 8 && digit < 10 ? LEX_NUMBER_OCTAL : LEX_NUMBER_NOT;
        if (value > (UINT64_MAX - digit) / base)
            too_big = true;
        else
            value = value * base + digit;
    }
    *ret = value;
    return too_big ? LEX_NUMBER_RANGE : LEX_NUMBER_OK;
}

static int fail(const struct lex *lex, int line, struct err *e, const char *what)
{
    struct place at = {.file = lex->file, .line = line};

    return place_error(e, &at, ERR_BAD_CONFIG, "%s", what);
}

/* The bytes of a \xHH or \OOO escape. A NUL cannot be in a string of this language. */
static int read_numeric_escape(struct lex *lex, int base, int digits_max, struct str *to,
                               struct err *e)
{
    int value = 0, digits = 0;

    while (digits < digits_max && lex->at < lex->len && digit_of(lex->text[lex->at]) < base) {
        value = value * base + digit_of(lex->text[lex->at++]);
        digits++;
    }
    if (base == 16 && digits != 2)
        return fail(lex, lex->line, e,
                    "\\x in a string must be followed by two hexadecimal digits");
    if (value == 0 || value > 255)
        return fail(lex, lex->line, e,
                    "a numeric escape in a string must stand for a byte from 1 to 255");
    str_addc(to, (char)value);
    return 0;
}

static int read_escape(struct lex *lex, struct str *to, struct err *e)
{
    char c = lex->text[lex->at];
    const char *letter = strchr(escape_letters, c);

    if (c >= '0' && c <= '7')
        return read_numeric_escape(lex, 8, 3, to, e);
    lex->at++;
    if (c == 'x')
        return read_numeric_escape(lex, 16, 2, to, e);
    if (c == '\0' || !letter)
        return fail(lex, lex->line, e,
                    "a string has an unknown escape; \\\\ is a backslash, and \\\" \\' \\n \\r \\t "
                    "\\a \\b \\f \\v \\xHH \\OOO are the others");
    str_addc(to, escape_bytes[letter - escape_letters]);
    return 0;
}

static int read_string(struct lex *lex, struct lex_token *token, struct err *e)
{
    char quote = lex->text[lex->at++];

    token->kind = LEX_STRING;
    for (;;) {
        size_t from = lex->at;
        while (lex->at < lex->len && lex->text[lex->at] != quote && lex->text[lex->at] != '\\' &&
               lex->text[lex->at] != '\n')
            lex->at++;
        str_addn(&token->string, lex->text + from, lex->at - from);
        if (lex->at == lex->len || lex->text[lex->at] == '\n')
            return fail(lex, lex->line, e,
                        quote == '"' ? "a string that begins with \" is not closed on its line"
                                     : "a string that begins with ' is not closed on its line");
        if (lex->text[lex->at++] == quote)
            return 0;
        if (lex->at == lex->len)
            continue;
        if (lex->text[lex->at] == '\n')
            return fail(lex, lex->line, e,
                        "a string cannot go on in the next line; join the "
                        "parts with key += \"...\"");
        if (read_escape(lex, &token->string, e) < 0)
            return -1;
    }
}

/* "512M", "2GiB": digits and then letters that begin with one of k, m, g, t. */
static bool size_suffix(const char *text, size_t len)
{
    size_t digits = 0;

    while (digits < len && isdigit((unsigned char)text[digits]))
        digits++;
    return digits > 0 && digits < len && len - digits <= 3 && strchr("kKmMgGtT", text[digits]);
}

static int read_number(struct lex *lex, struct lex_token *token, struct err *e)
{
    struct place at = {.file = lex->file, .line = lex->line};
    AUTO_STR struct str word = {0};
    char shown[PLACE_SHOWN];
    uint64_t value;

    while (lex->at < lex->len && (name_byte(lex->text[lex->at]) || lex->text[lex->at] == '.' ||
                                  lex->text[lex->at] == ':'))
        lex->at++;
    const char *text = lex->text + token->begin;
    size_t len = lex->at - token->begin;
    str_addn(&word, text, len < PLACE_SHOWN ? len : PLACE_SHOWN);
    token->kind = LEX_NUMBER;
    switch (lex_number_read(text, len, &value)) {
    case LEX_NUMBER_OCTAL:
        return place_error(e, &at, ERR_BAD_CONFIG,
                           "%s is not a number: a leading 0 makes it octal, which has no 8 or 9",
                           place_show(word.data, shown));
    case LEX_NUMBER_NOT:
        return place_error(e, &at, ERR_BAD_CONFIG, "%s is not a whole number; %s",
                           place_show(word.data, shown),
                           size_suffix(text, len) ? "sizes are in MiB and have no suffix"
                                                  : "if it is a string, put it in quotes");
    case LEX_NUMBER_OK:
    case LEX_NUMBER_RANGE: /* whether it is in range is for its key to say */
        break;
    }
    return 0;
}

static void skip_blanks(struct lex *lex)
{
    while (lex->at < lex->len) {
        const char *at = lex->text + lex->at;
        bool line_end = *at == '\r' && lex->at + 1 < lex->len && at[1] == '\n';
        if (!line_end && !(*at && strchr(blanks, *at)))
            return;
        lex->at++;
    }
}

static void skip_comment(struct lex *lex)
{
    const char *end = memchr(lex->text + lex->at, '\n', lex->len - lex->at);

    lex->at = end ? (size_t)(end - lex->text) : lex->len;
}

static enum lex_kind kind_of_byte(char c)
{
    switch (c) {
    case ';':
        return LEX_SEMICOLON;
    case '[':
        return LEX_OPEN;
    case ']':
        return LEX_CLOSE;
    case ',':
        return LEX_COMMA;
    case '=':
        return LEX_ASSIGN;
    case '\n':
        return LEX_NEWLINE;
    default:
        return LEX_ODD;
    }
}

int lex_next(struct lex *lex, struct lex_token *token, struct err *e)
{
    str_finish(&token->string);
    skip_blanks(lex);
    if (lex->at < lex->len && lex->text[lex->at] == '#')
        skip_comment(lex);
    token->line = lex->line;
    token->begin = lex->at;
    token->end = lex->at;
    token->kind = LEX_END;
    if (lex->at == lex->len)
        return 0;
    char c = lex->text[lex->at];
    int rc = 0;
    if (c == '"' || c == '\'') {
        rc = read_string(lex, token, e);
    } else if (c >= '0' && c <= '9') {
        rc = read_number(lex, token, e);
    } else if (name_byte(c)) {
        token->kind = LEX_NAME;
        while (lex->at < lex->len && name_byte(lex->text[lex->at]))
            lex->at++;
    } else if (c == '+' && lex->at + 1 < lex->len && lex->text[lex->at + 1] == '=') {
        token->kind = LEX_APPEND;
        lex->at += 2;
    } else {
        token->kind = kind_of_byte(c);
        lex->at++;
        if (c == '\n' && lex->line > 0)
            lex->line++;
    }
    token->end = lex->at;
    return rc;
}
