/* SPDX-License-Identifier: MIT */
/* A PVH guest that waits for an interrupt for ever: it runs, and answers nobody. */
#include "guest.inc"
    pvh_entry

    .text
    .globl _start
_start:
    sti /* who halts without interrupts is taken to be off */
1:
    hlt
    jmp 1b
