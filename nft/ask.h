/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ASK_H
#define NFT_ASK_H

/*
 * Asking the kernel a question by netlink, of whatever protocol.
 */

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** nftx_ask_by() - send a request and hand every message of the answer to @fn.
 *
 * A dump that was disturbed is read to its end all the same: what is left of it would be in the way
 * of the next answer, and the kernel makes one dump at a time. What still comes of a question that
 * was given up is passed over.
 *
 * @nl: bound. @msg: may be in @buf, which is written over.
 * @buf: for the answer, @size bytes, aligned for a message.
 *
 * Return: 0 or a negative errno; -EINTR for a dump that was disturbed.
 */
int nftx_ask_by(struct mnl_socket *nl, const struct nlmsghdr *msg, char *buf, size_t size,
                mnl_cb_t fn, void *ctx);

/** nftx_answer_ends() - is the end of the answer to request @seq in these messages? */
bool nftx_answer_ends(const char *answer, size_t len, uint32_t seq);

#endif
