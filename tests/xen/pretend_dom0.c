/* SPDX-License-Identifier: MIT */
/* Preloaded, it shows a program the files of REEVE_PRETEND_DIR for those by which a host of Xen is
 * known, so that what is said of hosts that lack something can be tested on any machine. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *path, *file;
} shown[] = {
    {"/proc/xen/capabilities", "capabilities"},
    {"/sys/hypervisor/type",   "type"        },
};

/* path, or what is shown for it, in buf. */
static const char *instead(const char *path, char buf[512])
{
    const char *dir = getenv("REEVE_PRETEND_DIR");

    for (size_t i = 0; dir && i < sizeof shown / sizeof *shown; i++)
        if (strcmp(path, shown[i].path) == 0) {
            snprintf(buf, 512, "%s/%s", dir, shown[i].file);
            return buf;
        }
    return path;
}

static int open_instead(const char *symbol, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...);
    char buf[512];

    *(void **)(void *)&real = dlsym(RTLD_NEXT, symbol);
    return real(instead(path, buf), flags, mode);
}

/* The mode is there only with flags that make a file, and is passed on as it may be. */
#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...);                                                    \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        mode_t mode = 0;                                                                           \
        va_start(ap, flags);                                                                       \
        if (flags & (O_CREAT | O_TMPFILE))                                                         \
            mode = va_arg(ap, mode_t);                                                             \
        va_end(ap);                                                                                \
        return open_instead(#name, path, flags, mode);                                             \
    }

OPEN(open64)
#undef open
OPEN(open)

int access(const char *path, int mode)
{
    int (*real)(const char *, int);
    char buf[512];

    *(void **)(void *)&real = dlsym(RTLD_NEXT, "access");
    return real(instead(path, buf), mode);
}
