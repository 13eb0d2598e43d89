/* SPDX-License-Identifier: MIT */
/* A PVH guest that asks for a soft reset as soon as it runs, as the kernel does that kexec leaves, and
 * then waits for ever. Were it booted afresh, it would ask again. */
#include "guest.inc"
    pvh_entry

    .text
    .globl _start
_start:
    movl $stack, %esp
    ask_for_soft_reset
    sti
1:
    hlt
    jmp 1b

    .align 4
reason:
    .long 5

    .align 4096
page:
    .skip 4096
    .skip 256
stack:
