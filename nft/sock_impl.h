/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_SOCK_IMPL_H
#define NFT_SOCK_IMPL_H

/*
 * What sock.c and sock_dump.c share: asking the kernel a question.
 */

#include <libmnl/libmnl.h>

#include "nft/sock.h"

/** nftx_request() - begin a request in @buf, which has room for it and its attributes.
 *
 * @type: NFT_MSG_*. @family: 4, 6 or 0. @flags: NLM_F_* besides NLM_F_REQUEST.
 */
struct nlmsghdr *nftx_request(struct nftx_sock *sock, void *buf, uint16_t type, uint8_t family,
                              uint16_t flags);

/** nftx_ask() - send a request and hand every message of the answer to @fn.
 *
 * Return: 0 or a negative errno; -EINTR for a dump that was disturbed.
 */
int nftx_ask(struct nftx_sock *sock, const struct nlmsghdr *msg, mnl_cb_t fn, void *ctx);

/** nftx_pause() - a millisecond, for the kernel's worker to get on. */
void nftx_pause(void);

/** nftx_explain() - a sentence for what the kernel answered. Return: a negative errno. */
int nftx_explain(struct err *err, int code);

#endif
