/* SPDX-License-Identifier: MIT */
/* A PVH guest that asks for a soft reset as soon as it runs, as the kernel does that kexec leaves, and
 * then waits for ever. Were it booted afresh, it would ask again. */
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
    /* Where Xen's hypercalls are: its leaf 2 names the MSR that takes the page for them. */
    movl $0x40000002, %eax
    cpuid
    movl %ebx, %ecx
    movl $page, %eax
    xorl %edx, %edx
    wrmsr
    /* sched_op(SCHEDOP_shutdown, {SHUTDOWN_soft_reset}) */
    movl $2, %ebx
    movl $reason, %ecx
    movl $(page + 29 * 32), %eax
    movl $stack, %esp
    call *%eax
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
