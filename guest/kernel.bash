# SPDX-License-Identifier: MIT
# Sourced by guest/build and lab/disk.bash.
# shellcheck shell=bash

# unpack_kernel BZIMAGE COMMAND ...: the ELF file in it; COMMAND unpacks from its input to its output.
# Where that lies is in the header (Documentation/x86/boot.rst); its last four bytes are its length,
# unpacked (size_append in scripts/Makefile.lib).
unpack_kernel()
{
    local image=$1 sectors offset length
    shift
    sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image")
    offset=$(od -An -tu4 -j $((0x248)) -N 4 "$image")
    length=$(od -An -tu4 -j $((0x24c)) -N 4 "$image")
    dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip=$(((sectors + 1) * 512 + offset)) \
        count=$((length - 4)) status=none | "$@"
}
