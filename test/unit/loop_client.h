/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_LOOP_CLIENT_H
#define TEST_UNIT_LOOP_CLIENT_H

/*
 * A client for servers that run in the same thread: while it waits, the loop turns.
 */

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"
#include "base/str.h"

/** loop_own_address() - a loopback address that no other process tests on. */
struct ipaddr loop_own_address(void);

/** loop_connect() - a connected socket, or -1 when the connection is refused.
 *
 * The loop does not turn: more connections than fit the listener's backlog would wait for ever.
 */
int loop_connect(const struct ipaddr *addr, uint16_t port);

/** loop_send() - give the server @text. */
void loop_send(struct ev_loop *loop, int fd, const char *text);

/** loop_read() - read until the text holds @until (NULL: until the server closes).
 *
 * Return: whether it came before the server closed; @out has what was read. Fails after 10 s.
 */
bool loop_read(struct ev_loop *loop, int fd, const char *until, struct strbuf *out);

/** loop_get() - one request on a connection of its own; @out has head and body. */
void loop_get(struct ev_loop *loop, const struct ipaddr *addr, uint16_t port, const char *path,
              struct strbuf *out);

#endif
