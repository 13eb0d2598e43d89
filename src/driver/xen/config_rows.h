/* SPDX-License-Identifier: MIT */
/* Rows that carry one member of a struct of ours to one of libxl's and back. */
#ifndef DRIVER_XEN_CONFIG_ROWS_H
#define DRIVER_XEN_CONFIG_ROWS_H

#include <stddef.h>

#include "driver/xen/config.h"

enum row_kind {
    ROW_FLAG,    /* enum conf_flag <-> libxl_defbool */
    ROW_BOOL,    /* enum conf_flag <-> bool; unset is false */
    ROW_STRING,  /* char * <-> char * */
    ROW_PATH,    /* likewise; a relative one is made absolute */
    ROW_STRINGS, /* struct conf_strings <-> libxl_string_list */
    ROW_INT,     /* struct conf_number <-> int */
    ROW_U32,     /* struct conf_number <-> uint32_t */
    ROW_U8,      /* struct conf_number <-> uint8_t */
    ROW_KIB,     /* struct conf_number, MiB <-> uint64_t, KiB */
    ROW_WORD,    /* an enum <-> an enum, by `words` */
};

/* Which guests libxl has the member for: elsewhere it is not there, or another (a union). */
enum { ON_PV = 1, ON_PVH = 2, ON_HVM = 4, ON_ALL = 7 };

struct row_word {
    int ours, theirs;
};

struct row {
    const char *key; /* of xl.cfg(5), or the parameter of a spec; NULL ends the rows */
    enum row_kind kind;
    unsigned on;
    size_t from, to;              /* offsets, in our struct and in libxl's */
    const struct row_word *words; /* ended by one with both 0 after the first */
    size_t word_count;
};

/* The bit of a guest's type. */
unsigned rows_on(libxl_domain_type type);

/* Ours to theirs, which is initialised; members that are unset stay as they are. directory: for
 * ROW_PATH, may be NULL. */
void rows_apply(const struct row *rows, unsigned on, const void *ours, void *theirs,
                const char *directory);
/* Theirs to ours, which is zeroed. `blank` is a struct of theirs as initialised: a member that
 * is as there stays unset. */
void rows_read(const struct row *rows, unsigned on, const void *theirs, const void *blank,
               void *ours);

/* The tables: struct conf <-> libxl_domain_config. */
extern const struct row config_rows[];
/* struct conf <-> libxl_vnc_info and libxl_sdl_info: of an HVM guest, or the only framebuffer. */
extern const struct row config_vnc_rows[], config_sdl_rows[];

/* Puts directory before a relative path. Owned by the caller; NULL for NULL. */
char *config_path(const char *directory, const char *path);

#endif
