/* SPDX-License-Identifier: MIT */
/* A PVH guest that waits for an interrupt for ever: it runs, and answers nobody. The note is where Xen
 * begins it (xen/include/public/elfnote.h, PHYS32_ENTRY), in 32 bits. */
    .section .note.Xen, "a", @note
    .align 4
    .long 4
    .long 4
    .long 18
    .asciz "Xen"
    .long _start

    .text
    .globl _start
_start:
    sti /* who halts without interrupts is taken to be off */
1:
    hlt
    jmp 1b
