/* SPDX-License-Identifier: MIT */
/* The kinds of specs that keys_specs reads. */
#ifndef CONF_SPEC_KINDS_H
#define CONF_SPEC_KINDS_H

#include "conf/spec.h"

extern const struct spec_kind spec_pci, spec_usbctrl, spec_usbdev, spec_vtpm, spec_p9;
extern const struct spec_kind spec_pvcalls, spec_channel, spec_virtio, spec_vfb, spec_vkb;
extern const struct spec_kind spec_vdispl, spec_ioports, spec_irqs, spec_iomem, spec_rdm;
extern const struct spec_kind spec_vnuma;

#endif
