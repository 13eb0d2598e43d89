/* SPDX-License-Identifier: MIT */
/* What a QEMU that a guest has taken over may send: to the QMP reader in pieces, and as a journal
 * of events. The first byte is the size of a piece. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/qemu/observation.h"
#include "driver/qemu/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *bytes, size_t size, size_t piece)
{
    struct qmp_lines lines = {0};
    struct err e;
    int got = 0;

    for (size_t at = 0; at < size && got >= 0; at += piece) {
        qmp_lines_add(&lines, bytes + at, size - at < piece ? size - at : piece);
        do {
            AUTO_JSON json_t *message = NULL;
            got = qmp_lines_next(&lines, &message, &e);
            /* What it gives is whole and usable. */
            if (got > 0 && !json_is_object(message))
                abort();
            if (got < 0 && (e.code != ERR_FAILED || !e.msg[0]))
                abort();
        } while (got > 0);
        if (lines.used > lines.in.len)
            abort();
    }
    qmp_lines_finish(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    feed(bytes, size - 1, (size_t)data[0] + 1);
    (void)observation_journal_last(bytes, size - 1);
    enum reason reason = observation_journal_reason(bytes, size - 1);
    if (reason != REASON_GUEST_POWEROFF && reason != REASON_GUEST_REBOOT)
        abort();
    return 0;
}
