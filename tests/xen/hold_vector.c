/* SPDX-License-Identifier: MIT */
/* hold_vector SECONDS NUMBER: that long it keeps a pattern of that number in a vector register,
 * across loops without vector instructions in which hypervisor and kernel switch to others and
 * back; prints how often it was another afterwards, and exits 1 then. tests/xen/lab.bats runs it in
 * dom0. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOP = 3000000 };

static int held(uint64_t pattern)
{
    const uint64_t in[2] = {pattern, ~pattern};
    uint64_t out[2] = {0}, count = LOOP;

    __asm__ volatile("movdqu (%1), %%xmm9\n"
                     "1: dec %0\n"
                     "jnz 1b\n"
                     "movdqu %%xmm9, (%2)\n"
                     : "+r"(count)
                     : "r"(in), "r"(out)
                     : "memory", "cc", "xmm9");
    return memcmp(in, out, sizeof in) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    time_t end = time(NULL) + atoi(argv[1]);
    uint64_t pattern = strtoull(argv[2], NULL, 10) * UINT64_C(0x0101010101010101);
    long times = 0, lost = 0;
    while (time(NULL) < end) {
        times++;
        lost += !held(pattern);
    }
    printf("%ld of %ld lost\n", lost, times);
    return lost > 0 || times == 0;
}
