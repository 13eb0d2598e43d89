/* SPDX-License-Identifier: MIT */
/* Saving, and going on in place after it. */
#ifndef DRIVER_XEN_SAVE_H
#define DRIVER_XEN_SAVE_H

#include "driver/xen/host.h"

int save_save(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, struct err *e) MUST_CHECK;
int save_live(struct driver_handle *h, const struct domain_ref *ref, int stream_fd,
              const struct op *op, int64_t *ret_stopped_ms, struct err *e) MUST_CHECK;
int save_undo(struct driver_handle *h, const struct domain_ref *ref, bool paused,
              const struct op *op, struct err *e) MUST_CHECK;
int save_platform(struct driver_handle *h, const struct domain_ref *ref, char **ret,
                  struct err *e) MUST_CHECK;
/* Whether what was saved on `platform` (NULL: anything) can be loaded here as a guest of that type:
 * libxl loads what an older release has saved. Sets ERR_WRONG_STATE. */
int save_check_platform(struct session *s, const char *platform, libxl_domain_type type,
                        struct err *e) MUST_CHECK;
const char *save_type_name(libxl_domain_type type);

#endif
