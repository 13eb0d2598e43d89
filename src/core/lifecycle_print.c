/* SPDX-License-Identifier: MIT */
/* Prints what is generated from the lifecycle table, for docs/lifecycle.md and the golden file:
 *     lifecycle_print doc    > docs/lifecycle.md
 *     lifecycle_print golden > tests/golden/lifecycle.txt */
#include <stdio.h>

#include "base/str.h"
#include "core/lifecycle.h"

static const struct {
    const char *word;
    void (*print)(struct str *to);
} outputs[] = {
    {"doc",    lifecycle_document},
    {"golden", lifecycle_golden  },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(outputs); i++) {
        if (!str_eq(argv[1], outputs[i].word))
            continue;
        AUTO_STR struct str text = {0};
        outputs[i].print(&text);
        return fputs(text.data, stdout) < 0 || fflush(stdout) != 0;
    }
    fputs("usage: lifecycle_print doc|golden\n", stderr);
    return 2;
}
