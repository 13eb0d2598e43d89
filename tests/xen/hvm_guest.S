/* SPDX-License-Identifier: MIT */
/* An HVM guest that is its disk's first sector: what the BIOS boots counts on the first serial port twice
 * a second, in the words of guest/init, and obeys what is typed there: s asks for a soft reset and goes on,
 * r reboots, o powers off. Linux takes minutes to boot as such a guest under emulation. */
#include "guest.inc"
    .code16
    .globl _start
_start:
    ljmp $0, $1f
1:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $_start, %sp
    sti
    /* 115200 baud, 8 bits, no parity */
    movw $0x3fb, %dx
    movb $0x80, %al
    outb %al, %dx
    movw $0x3f8, %dx
    movb $1, %al
    outb %al, %dx
    incw %dx
    movb $0, %al
    outb %al, %dx
    movw $0x3fb, %dx
    movb $3, %al
    outb %al, %dx
    movw $booted, %si
    call say
next:
    incl count
    movw $counted, %si
    call say
    movl count, %eax
    call say_number
    movw $line_end, %si
    call say
    /* The BIOS counts 18 ticks a second here. */
    movl 0x46c, %edi
    addl $9, %edi
wait:
    hlt
    movw $0x3fd, %dx
    inb %dx, %al
    testb $1, %al
    jz 1f
    movw $0x3f8, %dx
    inb %dx, %al
    cmpb $'s', %al
    je soft_reset
    cmpb $'r', %al
    je reboot
    cmpb $'o', %al
    je power_off
1:
    cmpl %edi, 0x46c
    jb wait
    jmp next

/* The PIIX's reset register. */
reboot:
    movw $0xcf9, %dx
    movb $6, %al
    outb %al, %dx
    jmp wait

/* PM1a control of the machine's ACPI: sleep type 0, sleep. */
power_off:
    movw $0xb004, %dx
    movw $0x2000, %ax
    outw %ax, %dx
    jmp wait

/* In %si. */
say:
    lodsb
    testb %al, %al
    jz 1f
    call put
    jmp say
1:
    ret

/* In %eax, decimal. */
say_number:
    xorl %edx, %edx
    movl $10, %ecx
    divl %ecx
    pushw %dx
    testl %eax, %eax
    jz 1f
    call say_number
1:
    popw %ax
    addb $'0', %al

put:
    movb %al, %bl
    movw $0x3fd, %dx
1:
    inb %dx, %al
    testb $0x20, %al
    jz 1b
    movb %bl, %al
    movw $0x3f8, %dx
    outb %al, %dx
    ret

/* Xen takes no hypercall of real mode. */
soft_reset:
    cli
    lgdt table_of_segments
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmp $8, $1f
    .code32
1:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %ss
    tell_end
    ljmp $24, $1f
    .code16
1:
    movw $32, %ax
    movw %ax, %ds
    movw %ax, %ss
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $0, $1f
1:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    sti
    movw $reset, %si
    call say
    jmp next

    .set page, 0x9000

booted:
    .asciz "\nreeve-guest: up (boot)\r\n"
counted:
    .asciz "reeve-guest: count "
reset:
    .asciz "\nreeve-guest: soft reset\r\n"
line_end:
    .asciz "\r\n"
    .align 4
reason:
    .long 5
count:
    .long 0
    .align 8
segments:
    .quad 0
    .quad 0x00cf9a000000ffff /* 8: code of 32 bits */
    .quad 0x00cf92000000ffff /* 16: data */
    .quad 0x00009a000000ffff /* 24: code of 16 bits */
    .quad 0x000092000000ffff /* 32: data */
table_of_segments:
    .word . - segments - 1
    .long segments
    .org 510
    .word 0xaa55
