/* SPDX-License-Identifier: MIT */
#include "daemon/drivers.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
    const char *name;
    const struct driver *built_in; /* NULL: it is a module */
    const char *module;
    const char *package; /* that a host needs for the module */
} drivers[] = {
    {"xen",  NULL,         "xen.so", "libxenmisc4.17"},
    {"qemu", &driver_qemu, NULL,     NULL            },
    {"null", &driver_null, NULL,     NULL            },
};

/* A dom0 says "control_d" there; any other guest of Xen has the file empty, and no other host has
 * it. */
static bool is_dom0(void)
{
    char text[64] = "";
    AUTO_CLOSE int fd = open("/proc/xen/capabilities", O_RDONLY | O_CLOEXEC);

    return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strstr(text, "control_d");
}

/* Beside the program: a build folder. Else where it is installed. Owned by the caller. */
static char *module_path(const char *file)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (strchr(file, '/'))
        return x_strdup(file);
    if (n > 0) {
        AUTO_FREE char *dir = NULL;
        self[n] = '\0';
        fs_split(self, &dir);
        char *beside = x_asprintf("%s/%s", dir, file);
        if (access(beside, R_OK) == 0)
            return beside;
        free(beside);
    }
    return x_asprintf("%s/%s", REEVE_MODULE_DIR, file);
}

int drivers_load(const char *name, const char *file, const struct driver **ret, struct err *e)
{
    AUTO_FREE char *path = module_path(file);
    AUTO_FREE char *symbol = x_asprintf("driver_%s", name);

    if (access(path, R_OK) < 0)
        return err_set(e, ERR_DRIVER_UNAVAILABLE,
                       "there is no %s: this reeve was built without its %s driver", path, name);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        return err_set(e, ERR_DRIVER_UNAVAILABLE, "the %s driver cannot be loaded: %s", name,
                       dlerror());
    const char *version = dlsym(module, "driver_module_version");
    const struct driver *driver = dlsym(module, symbol);
    if (!version || !driver || !str_eq(version, REEVE_VERSION)) {
        err_set(e, ERR_DRIVER_UNAVAILABLE, "%s is of reeve %s, and this is reeve %s", path,
                version ? version : "of another kind", REEVE_VERSION);
        dlclose(module);
        return -1;
    }
    *ret = driver;
    return 0;
}

int drivers_find(const char *name, const struct driver_options *options, const struct driver **ret,
                 struct err *e)
{
    if (str_eq(name, "auto"))
        name = is_dom0() ? "xen" : "qemu";
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (!str_eq(drivers[i].name, name))
            continue;
        *ret = drivers[i].built_in;
        if (!*ret && drivers_load(name, drivers[i].module, ret, e) < 0) {
            /* The loader names the library; people look for a package. */
            if (strstr(e->msg, "libxen"))
                err_set(e, e->code,
                        "%s (Debian's package %s has it; a module is of one release of "
                        "Xen)",
                        e->msg, drivers[i].package);
            return -1;
        }
        return (*ret)->probe(options, e);
    }
    return err_set(e, ERR_BAD_REQUEST, "there is no driver \"%s\"; they are auto, xen, qemu, null",
                   name);
}
