/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_KERNEL_KERNEL_STATE_H
#define TEST_KERNEL_KERNEL_STATE_H

#include "nft/sock.h"
#include "nft/state.h"

/** kernel_dump_all() - append the elements of all maps of both tables, sorted; nftx_dump_done(). */
void kernel_dump_all(struct nftx_sock *sock, struct nftx_elems *out);

/** assert_equal_elems() - both sorted. */
void assert_equal_elems(const struct nftx_elems *got, const struct nftx_elems *want);

/** assert_kernel_holds() - the kernel has what @state takes it to have, to the element. */
void assert_kernel_holds(struct nftx_sock *sock, const struct nftx_state *state);

#endif
