/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_MUST_H
#define NFT_MUST_H

/* libnftnl reports one kind of failure when it is used correctly: no memory. That ends us. */

#include "base/mem.h"

/** nftx_must() - @ptr, which a constructor of libnftnl returned. */
static inline void *nftx_must(void *ptr)
{
	ASSERT(ptr != NULL);
	return ptr;
}

/** nftx_must_ok() - for setters of libnftnl that copy what they are given. */
static inline void nftx_must_ok(int ret)
{
	ASSERT(ret >= 0);
}

#endif
