/* SPDX-License-Identifier: MIT */
/* Prints the config keys that a driver acts on, for the manual, in the language of scdoc(5). */
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

int main(void)
{
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
