/* SPDX-License-Identifier: MIT */
/* usage: hold_page DOMID: holds a page of the domain's memory mapped, so that the domain cannot go
 * while it is dying. Says "held", and holds it until its input ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenforeignmemory.h>

int main(int argc, char **argv)
{
    const xen_pfn_t page = 0x100;
    char byte;
    int error;

    if (argc != 2)
        return 2;
    xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
    if (!memory || !xenforeignmemory_map(memory, (uint32_t)strtoul(argv[1], NULL, 10), PROT_READ, 1,
                                         &page, &error)) {
        perror("hold_page");
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}
