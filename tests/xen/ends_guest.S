/* SPDX-License-Identifier: MIT */
/* A PVH guest that tells Xen of its end as soon as it runs, for REASON (SHUTDOWN_*): for a soft reset, as the
 * kernel does that kexec leaves. Then it waits for ever. Booted afresh it says so again. */
#include "guest.inc"
    pvh_entry

    .text
    .globl _start
_start:
    movl $stack, %esp
    tell_end
    sti
1:
    hlt
    jmp 1b

    .align 4
reason:
    .long REASON

    .align 4096
page:
    .skip 4096
    .skip 256
stack:
