/* SPDX-License-Identifier: MIT */
/* Memory: allocators that abort when there is none, and the four cleanup macros. Aborting is
 * defensible because guests live in other processes and are adopted again at the next start. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <jansson.h>
#include <stddef.h>

#include "base/attr.h"

/* As malloc's family; abort with one line on stderr instead of returning NULL. The memory is
 * owned by the caller, to be freed with free(). x_calloc gives zeroed memory. */
void *x_malloc(size_t size);
void *x_calloc(size_t count, size_t size);
void *x_realloc(void *p, size_t size);
/* count * size with a check for overflow. */
void *x_reallocarray(void *p, size_t count, size_t size);
/* A copy of s; NULL for NULL. */
char *x_strdup(const char *s);
/* A copy of the first len bytes of s, ended by NUL. */
char *x_strndup(const char *s, size_t len);
char *x_asprintf(const char *fmt, ...) PRINTF(1, 2);
/* Frees *to and puts text there, which is owned by *to from now on; NULL is allowed in both. */
void x_replace(char **to, char *text);

void mem_cleanup_free(void *p);  /* *p is any pointer from malloc, or NULL */
void mem_cleanup_close(int *fd); /* closes *fd unless it is negative; errno is kept */
void mem_cleanup_json(json_t **json);

/* A local that is released when it goes out of scope. AUTO_STR is in base/str.h. */
#define AUTO_FREE __attribute__((cleanup(mem_cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(mem_cleanup_close)))
#define AUTO_JSON __attribute__((cleanup(mem_cleanup_json)))

/* Takes a pointer, or a descriptor, out of a local with cleanup: ownership goes to the caller. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })
#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#endif
