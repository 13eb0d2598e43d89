/* SPDX-License-Identifier: MIT */
/* Prints the config keys that a driver acts on: for the manual, in the language of scdoc(5), or
 * with "bash" as the part of bash's completion that knows keys and the words that they take. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

/* "*" and "_" are marks there. */
static void print_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("*_\\#", *text))
            putchar('\\');
        putchar(*text);
    }
}

/* bash cuts words at "=", so that "key=" is the word and "=", and a value stands behind these two.
 */
static const char bash_function[] =
    "_reeve_key()\n{\n"
    "    local at=$COMP_CWORD value=$1 key all=\" ${COMP_WORDS[*]} \" word n=0\n"
    "    [[ $value == = ]] && value= || ((at--))\n"
    "    if [[ ${COMP_WORDS[at]} == = ]]; then\n"
    "        key=${COMP_WORDS[at - 1]%+}\n"
    "        [[ -v _reeve_keys[$key] ]] || return 1\n"
    "        COMPREPLY=($(compgen -W \"${_reeve_keys[$key]}\" -- \"$value\"))\n"
    "        return 0\n"
    "    fi\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        [[ $word == -* ]] || ((++n))\n"
    "    done\n"
    "    # The first operands are no keys: FILE, or set and DOMAIN.\n"
    "    if [[ $all == *\" config \"* ]]; then\n"
    "        [[ $all == *\" set \"* ]] || return 1\n"
    "        ((n--))\n"
    "    fi\n"
    "    ((n >= 2)) || return 1\n"
    "    COMPREPLY=($(compgen -S = -W \"${!_reeve_keys[*]}\" -- \"$1\"))\n"
    "    compopt -o nospace 2>/dev/null\n"
    "    return 0\n"
    "}\n";

static void print_bash(void)
{
    puts("declare -gA _reeve_keys=(");
    for (size_t i = 0; conf_key_name(i); i++) {
        if (!conf_key_acts(i, "xen") && !conf_key_acts(i, "qemu"))
            continue;
        bool flag = strncmp(conf_key_takes(i), "0 or 1", strlen("0 or 1")) == 0;
        printf("    [%s]=\"%s", conf_key_name(i), flag ? "0 1" : "");
        for (size_t n = 0; !flag && conf_key_word(i, n); n++)
            printf("%s%s", n ? " " : "", conf_key_word(i, n));
        puts("\"");
    }
    puts(")");
    fputs(bash_function, stdout);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bash") == 0) {
        print_bash();
        return 0;
    }
    for (size_t i = 0; conf_key_name(i); i++) {
        bool xen = conf_key_acts(i, "xen"), qemu = conf_key_acts(i, "qemu");
        if (!xen && !qemu)
            continue;
        putchar('*');
        print_text(conf_key_name(i));
        fputs("*\n\t", stdout);
        print_text(conf_key_help(i));
        fputs(xen && qemu ? ".\n\n"
              : xen       ? ". Acts on Xen only.\n\n"
                          : ". Acts on QEMU only.\n\n",
              stdout);
    }
    return 0;
}
