/* SPDX-License-Identifier: MIT */
/* systemd's readiness protocol without its library (sd_notify(3)): one datagram. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* Sends the lines ("READY=1") to $NOTIFY_SOCKET; nothing when there is none. */
void notify_send(const char *lines);

#endif
